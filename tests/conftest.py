"""Settings that every test shares. They stand in the environment, so that the processes tests start see them too."""

import os

os.environ.setdefault("RESNET_EDU_BUDGET", "smoke")
if "PYTEST_XDIST_WORKER" in os.environ:  # several workers share the cores: one thread each is fastest
    os.environ["OMP_NUM_THREADS"] = "1"
