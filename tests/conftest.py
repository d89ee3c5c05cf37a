"""Settings that every test shares. They stand in the environment, so that the processes tests start see them too."""

import os

import pytest

os.environ.setdefault("RESNET_EDU_BUDGET", "smoke")
if "PYTEST_XDIST_WORKER" in os.environ:  # several workers share the cores: one thread each is fastest
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture
def page():
    """A notebook's page without a notebook: the list of all that is displayed on it, in order."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    shell.display_pub = CapturingDisplayPublisher()
    yield shell.display_pub.outputs
    InteractiveShell.clear_instance()
