"""`fit(compile=True)`: the same training through torch.compile, which needs a C++ compiler on a CPU."""

import shutil

import pytest
import torch

from resnet_edu import data, models, probes, training

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler: apt install g++")


def losses(compile):
    train, _ = data.load("sample", size=16, device="cpu")
    torch.manual_seed(0)
    net = models.CifarNet(8, residual=True)
    norms = probes.GradientNorms(net)
    options = {"batch_size": 64, "lr": 0.05, "progress": False, "callbacks": [norms], "compile": compile}
    history = training.fit(net, train[:200], train[200:300], epochs=3, **options)  # the last batch has 8 images
    return history.step_loss, history.val_loss, norms.numpy(), net


def test_a_compiled_net_trains_as_the_net_itself():
    plain, compiled = losses(False), losses(True)
    # Equal but for the order of float32 sums, which SGD then lets grow from step to step.
    assert compiled[0][0] == pytest.approx(plain[0][0], rel=1e-5)
    assert compiled[2][0] == pytest.approx(plain[2][0], rel=2e-3)
    assert compiled[0] == pytest.approx(plain[0], rel=1e-2)
    assert compiled[1] == pytest.approx(plain[1], rel=5e-2)
    assert type(compiled[3]) is models.CifarNet and compiled[3].state_dict().keys() == plain[3].state_dict().keys()
