"""ResNet-18 to 152: torchvision's keys and logits, the published sizes, and what the switches do."""

import copy

import pytest
import torch
import torchvision
from samples import batch as images
from torch import nn

from resnet_edu import models, probes

NAMES = [f"resnet{depth}" for depth in (18, 34, 50, 101, 152)]


def on_meta(name, **options):
    """The net without its numbers: it runs in no time, and its shapes are right."""
    with torch.device("meta"):
        return getattr(models, name)(**options)


def table(name, size=224, **options):
    return probes.layer_table(on_meta(name, **options), torch.empty(1, 3, size, size, device="meta"))


def without_drawing(build):
    """Draws nothing for the weights, and then fills them quickly: a ResNet-152 takes seconds otherwise."""
    with torch.device("meta"):
        net = build()
    net = net.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif name.endswith("num_batches_tracked"):
                tensor.zero_()
            elif tensor.ndim >= 2:
                tensor.uniform_(-1, 1, generator=generator).mul_((3 / tensor[0].numel()) ** 0.5)
            else:
                tensor.uniform_(0.1, 0.5, generator=generator)
    return net


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_shapes_are_torchvision_s(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)().state_dict()
    ours = on_meta(name).state_dict()
    assert list(ours) == list(theirs)
    assert all(ours[key].shape == theirs[key].shape for key in ours)


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_equal_in_both_modes_and_the_weights_go_back(name):
    theirs = without_drawing(getattr(torchvision.models, name))
    ours = on_meta(name)
    ours.load_state_dict(theirs.state_dict(), assign=True)
    ours = copy.deepcopy(ours)  # `assign` shares the tensors
    x = images(2, 32)
    with torch.no_grad():
        assert torch.equal(ours.eval()(x), theirs.eval()(x))
        assert torch.equal(ours.train()(x), theirs.train()(x))
    back, moved = ours.state_dict(), theirs.state_dict()  # train mode has moved the running statistics, of both alike
    assert all(torch.equal(back[key], moved[key]) for key in moved)
    theirs.load_state_dict(back)
    with torch.no_grad():
        assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_weights_start_as_wide_as_torchvision_s():
    torch.manual_seed(0)
    ours, theirs = models.resnet18().state_dict(), torchvision.models.resnet18().state_dict()
    for name, tensor in theirs.items():
        if tensor.ndim >= 2 and tensor.numel() > 10_000:
            assert ours[name].std().item() == pytest.approx(tensor.std().item(), rel=0.03), name
        elif tensor.ndim == 1 and name != "fc.bias":
            assert torch.equal(ours[name], tensor), name


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_multiply_adds_are_the_published_ones(name):
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta
    rows = table(name)
    assert sum(row.parameters for row in rows) == published["num_params"]
    assert round(sum(row.multiply_adds for row in rows) / 1e9, 3) == published["_ops"]
    assert (
        f"{published['num_params']:,}" in models.imagenet.__doc__
        and f"{published['_ops']:.3f} G" in models.imagenet.__doc__
    )


def test_the_paper_s_bottleneck_is_cheaper_and_has_the_same_keys():
    v1 = on_meta("resnet50", stride_on="1x1")
    assert list(v1.state_dict()) == list(on_meta("resnet50").state_dict())
    work = {on: sum(row.multiply_adds for row in table("resnet50", stride_on=on)) for on in ("3x3", "1x1")}
    # Where the size halves, the first 1 x 1 convolution of v1 leaves out three of four pixels.
    spared = sum(3 * (4 * c) * (2 * c) * side**2 // 4 for c, side in ((64, 56), (128, 28), (256, 14)))
    assert work["3x3"] - work["1x1"] == spared and round(work["1x1"] / 1e9, 2) == 3.86
    strides = {name: m.stride for name, m in v1.named_modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)}
    assert set(strides) == {"conv1"} | {f"layer{i}.0.{c}" for i in (2, 3, 4) for c in ("conv1", "downsample.0")}


def test_stages_at_224_have_the_paper_s_sizes():
    rows = {row.name: row.out_shape for row in probes.layer_groups(table("resnet50"))}
    assert [rows[name] for name in ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc")] == [
        (64, 112, 112), (64, 56, 56), (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7), (2048, 1, 1), (1000,)
    ]  # fmt: skip


@pytest.mark.parametrize(("stem", "sides"), [("imagenet", [8, 4, 2, 1]), ("cifar", [32, 16, 8, 4])])
def test_the_stem_decides_at_which_size_the_stages_work(stem, sides):
    net = models.resnet18(10, width=4, stem=stem)
    rows = {row.name: row.out_shape for row in probes.layer_groups(probes.layer_table(net, images(2, 32)))}
    assert [rows[f"layer{i}"][-1] for i in range(1, 5)] == sides
    assert net(images(2, 32)).shape == (2, 10)


def test_every_weight_learns():
    net = models.resnet50(10, width=4, stem="cifar")
    net(images()).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in net.parameters())


@pytest.mark.parametrize(
    "option", [{"stem": "vgg"}, {"stride_on": 3}, {"width": 0}, {"num_classes": 2.5}, {"block": "wide"}]
)
def test_what_cannot_be_built_is_refused(option):
    with pytest.raises((ValueError, TypeError), match=f"{next(iter(option))}="):
        models.ResNet((1, 1, 1, 1), **option)
