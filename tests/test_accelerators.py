"""What a GPU would show, found without one: tensors on the wrong device, and steps that wait for the device."""

import pytest
import torch
from samples import cifar, pictures
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from resnet_edu import data, models, probes, training
from resnet_edu.data.images import _statistics
from resnet_edu.models import relatives
from resnet_edu.training import loop, recipes

NETS = {
    "CifarNet, plain": lambda: models.CifarNet(8, residual=False, norm=None),
    "CifarNet, residual": lambda: models.CifarNet(8, residual=True, shortcut="B", stochastic_depth_prob=0.5),
    "CifarNet, pre-activation": lambda: models.CifarNet(
        11, residual=True, block="bottleneck", preactivation=True, shortcut="B"
    ),
    "resnet18": lambda: models.resnet18(num_classes=10, width=8),
    **{name: lambda name=name: relatives.Skeleton(relatives.BLOCKS[name], blocks=1) for name in relatives.BLOCKS},
}


@pytest.mark.parametrize("build", NETS.values(), ids=NETS)
def test_batches_nets_and_the_loss_stay_on_the_device(build, monkeypatch):
    """Fake tensors know their device: mixing two raises, and so does reading a value."""
    monkeypatch.setattr(data.Images, "__post_init__", lambda self: None)  # it reads the labels, once
    monkeypatch.setattr("resnet_edu.data.images._statistics", _statistics.__wrapped__)  # cached, it keeps tensors
    net = build()
    with FakeTensorMode():
        for module in net.modules():
            for name, value in module.named_parameters(recurse=False):
                module.register_parameter(name, nn.Parameter(torch.empty(value.shape, device="cuda")))
            for name, value in module.named_buffers(recurse=False):
                module.register_buffer(name, torch.empty(value.shape, dtype=value.dtype, device="cuda"))
        pixels = torch.empty(64, 3, 32, 32, dtype=torch.uint8, device="cuda")
        train = data.Images(pixels, torch.zeros(64, dtype=torch.int64, device="cuda"), data.CLASSES)
        x, y = next(iter(train.batches(32, shuffle=True, augment=True, seed=0)))
        assert F.cross_entropy(net(x), y).device.type == "cuda"


class Reads(TorchDispatchMode):
    """Counts the values that Python reads: for each of them, a GPU would have to finish first."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._local_scalar_dense.default:
            self.count += 1
        return function(*args, **(kwargs or {}))


def reads(steps, precision, monkeypatch):
    monkeypatch.setitem(loop.CHECK_EVERY, "cpu", 50)  # as on a GPU
    net = cifar()
    options = {"epochs": 1, "batch_size": 4, "precision": precision, "progress": False}
    with Reads() as mode:
        training.fit(net, pictures(4 * steps, size=8), callbacks=[probes.GradientNorms(net)], **options)
    return mode.count


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_step_reads_a_value(precision, monkeypatch):
    assert reads(12, precision, monkeypatch) == reads(4, precision, monkeypatch)


class Largest(TorchDispatchMode):
    """The bytes of the largest tensor that is made."""

    size = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.size = max(self.size, made.numel() * made.element_size())
        return made


def test_the_mean_of_each_pixel_needs_no_copy_of_the_images():
    """As float, the full set would take 614 MB of a GPU."""
    train, test = pictures(200, size=32), pictures(20, size=32)
    with Largest() as largest:
        recipes.prepared(recipes.RECIPES["paper"], train, test)
    assert 0 < largest.size < train.images.numel() / 2
