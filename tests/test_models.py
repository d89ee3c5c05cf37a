"""What `models` promises about networks: their sizes, what a block computes, how weights start."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from samples import batch as images
from samples import cifar as net
from torch import nn
from torch.nn import functional as F

from resnet_edu import models

# He et al. 2015, table 6, as exact numbers under option A.
PARAMETERS = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", PARAMETERS)
def test_plain_and_residual_have_the_paper_s_parameters(depth):
    plain, resid = (models.CifarNet(depth, residual=r) for r in (False, True))
    assert models.count_parameters(plain) == models.count_parameters(resid) == PARAMETERS[depth]
    assert f" {depth} " in models.cifar.__doc__ and f" {PARAMETERS[depth]:,}\n" in models.cifar.__doc__


def test_projections_cost_parameters():
    a, b, c = (models.count_parameters(net(20, shortcut=option)) for option in "ABC")
    assert a < b < c
    # B: a 1x1 projection and its norm at the two places where the shape changes (4 -> 8 -> 16 channels).
    assert b - a == (4 * 8 + 2 * 8) + (8 * 16 + 2 * 16)
    # C: at all nine blocks; the seven others keep their channels.
    assert c - b == 3 * (4 * 4 + 8) + 2 * (8 * 8 + 16) + 2 * (16 * 16 + 32)


@pytest.mark.parametrize(("depth", "block"), [(8, "basic"), (20, "basic"), (11, "bottleneck"), (29, "bottleneck")])
def test_depth_counts_the_layers_with_weights(depth, block):
    assert len(weights(net(depth, block=block))) == depth


def test_a_bottleneck_goes_down_to_a_quarter_of_the_channels_and_back_up():
    built = net(11, block="bottleneck")
    shapes = [tuple(m.weight.shape) for m in weights(built)[1:4]]
    assert shapes == [(4, 4, 1, 1), (4, 4, 3, 3), (16, 4, 1, 1)]
    assert built.fc.in_features == 4 * 4 * 4  # four times as wide as the last stage of basic blocks


@pytest.mark.parametrize(
    ("depth", "block", "nearest"),
    [(56.5, "basic", "integer"), (18, "basic", "14 and 20"), (57, "basic", "56 and 62"), (2, "basic", "8"),
     (-4, "basic", "8"), (50, "bottleneck", "47 and 56"), (10, "bottleneck", "11")],
)  # fmt: skip
def test_wrong_depths_name_the_nearest(depth, block, nearest):
    with pytest.raises((ValueError, TypeError), match=f"depth={depth}.*{nearest}"):
        models.CifarNet(depth, residual=True, block=block)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"block": "bottleneck", "depth": 11}, {"preactivation": True}, *({"norm": n} for n in models.NORMS)]
)
def test_every_form_maps_images_to_logits(residual, options):
    built = net(residual=residual, num_classes=7, in_channels=5, **options)
    for size in (32, 16, 9, 8, 1):
        assert built.eval()(torch.randn(2, 5, size, size)).shape == (2, 7)


def test_stages_halve_the_size_and_double_the_channels():
    built, shapes = net(14), []
    for stage in (built.stem, built.stage1, built.stage2, built.stage3):
        stage.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    built(images(size=32))
    assert shapes == [(4, 32, 32), (4, 32, 32), (8, 16, 16), (16, 8, 8)]


def test_logits_are_the_classifier_of_each_map_s_mean():
    built, maps = net(), []
    built.stage3.register_forward_hook(lambda _m, _i, out: maps.append(out))
    logits = built(images())
    mean = maps[0].flatten(2).sum(2) / (4 * 4)
    torch.testing.assert_close(logits, mean @ built.fc.weight.T + built.fc.bias)


# --- what a block computes --------------------------------------------------------------------------------------------


def option_a(x, out_channels, stride):
    """Option A entry by entry: y[n, c, i, j] = x[n, c, stride i, stride j], and 0 in the new channels."""
    n, channels, height, width = x.shape
    y = torch.zeros(n, out_channels, math.ceil(height / stride), math.ceil(width / stride), dtype=x.dtype)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            y[:, :channels, i, j] = x[:, :, stride * i, stride * j]
    return y


@pytest.mark.parametrize(("size", "stride", "out_channels"), [(8, 2, 8), (7, 2, 8), (8, 1, 16), (1, 2, 8)])
def test_option_a_takes_every_second_pixel_and_zero_channels(size, stride, out_channels):
    x = torch.randn(2, 4, size, size)
    assert torch.equal(models.PadShortcut(4, out_channels, stride)(x), option_a(x, out_channels, stride))


def by_hand(block, x, *, preactivation, act, scale=1.0):
    """The block's output from its weights alone: batch statistics, biased variance, eps 1e-5."""

    def norm(h):
        mean, var = h.mean((0, 2, 3), keepdim=True), h.var((0, 2, 3), unbiased=False, keepdim=True)
        return (h - mean) / (var + 1e-5).sqrt()

    stride = block.branch.conv1.stride[0]
    h = x
    if preactivation:
        h = F.conv2d(act(norm(h)), block.branch.conv1.weight, stride=stride, padding=1)
        h = F.conv2d(act(norm(h)), block.branch.conv2.weight, padding=1)
    else:
        h = act(norm(F.conv2d(h, block.branch.conv1.weight, stride=stride, padding=1)))
        h = norm(F.conv2d(h, block.branch.conv2.weight, padding=1))
    if block.shortcut is not None:
        h = h + scale * option_a(x, h.shape[1], stride)
    return h if preactivation else act(h)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu"])
@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_a_block_is_act_of_branch_plus_shortcut(residual, preactivation, activation):
    built = net(residual=residual, preactivation=preactivation, activation=activation).double()
    act = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": F.gelu}[activation]
    x = torch.randn(4, 4, 8, 8, dtype=torch.float64)
    for stage in (built.stage1, built.stage2, built.stage3):
        expected = by_hand(stage[0], x, preactivation=preactivation, act=act)
        x = stage[0](x)
        torch.testing.assert_close(x, expected)


@pytest.mark.parametrize("scale", [0.0, 0.5, -2.0])
def test_skip_scale_multiplies_the_shortcut_only(scale):
    block = net(skip_scale=scale).double().stage2[0]
    x = torch.randn(4, 4, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(block(x), by_hand(block, x, preactivation=False, act=torch.relu, scale=scale))


def test_a_plain_net_is_the_residual_one_with_its_shortcuts_taken_out():
    plain, resid = net(20, residual=False), net(20, residual=True)
    for module in resid.modules():
        if isinstance(module, models.Block):
            module.shortcut = None
    assert torch.equal(plain(images()), resid(images()))


def order(module):
    return [type(m).__name__.removesuffix("2d") for m in module.modules() if not any(m.children())]


def test_preactivation_puts_norm_and_activation_in_front_and_projects_the_bare_x():
    original, pre = net(), net(preactivation=True)
    assert order(original.stage1[0].branch) == ["Conv", "BatchNorm", "ReLU", "Conv", "BatchNorm"]
    assert order(pre.stage1[0].branch) == ["BatchNorm", "ReLU", "Conv", "BatchNorm", "ReLU", "Conv"]
    assert isinstance(original.stage1[0].activation, nn.ReLU)
    assert isinstance(pre.stage1[0].activation, nn.Identity)  # nothing disturbs the identity path
    assert order(original.stem) == ["Conv", "BatchNorm", "ReLU"]
    assert (order(pre.stem), order(pre.head)) == (["Conv"], ["BatchNorm", "ReLU"])
    assert order(net(shortcut="C").stage1[0].shortcut) == ["Conv", "BatchNorm"]
    assert order(net(shortcut="C", preactivation=True).stage1[0].shortcut) == ["Conv"]


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("preactivation", [False, True])
def test_group_and_layer_norm_see_one_image_at_a_time(norm, preactivation):
    built, x = net(norm=norm, preactivation=preactivation, shortcut="B"), images()
    norms = order(built).count("GroupNorm")
    assert norms == order(net(preactivation=preactivation, shortcut="B")).count("BatchNorm")
    assert built.stem.conv.bias is None
    torch.testing.assert_close(built(x)[:1], built(x[:1]))


@pytest.mark.parametrize(("norm", "width", "groups"), [("group", w, g) for w, g in ((4, 4), (6, 2), (5, 1), (24, 8))] +
                         [("layer", 16, 1)])  # fmt: skip
def test_groups_divide_the_channels(norm, width, groups):
    layer, x = net(width=width, norm=norm).stem.norm, torch.randn(2, width, 5, 5)
    split = x.view(2, groups, -1)
    expected = (split - split.mean(2, keepdim=True)) / (split.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(layer(x), expected.view_as(x))


def test_a_callable_block_builds_the_branch():
    asked = []

    def depthwise(in_channels, out_channels, stride):
        asked.append((in_channels, out_channels, stride))
        return nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
        )

    built = net(14, block=depthwise)
    assert asked == [(4, 4, 1), (4, 4, 1), (4, 8, 2), (8, 8, 1), (8, 16, 2), (16, 16, 1)]
    assert built(images()).shape == (4, 10)


def test_a_branch_of_another_shape_is_an_error_where_adding_would_broadcast():
    def pooled(in_channels, out_channels, stride):
        return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1), nn.AdaptiveAvgPool2d(1))

    with pytest.raises(ValueError, match=r"branch F\(x\) has the shape \[4, 4, 1, 1\].*\[4, 4, 16, 16\]"):
        net(block=pooled)(images())


# --- how weights start ------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights_plain_and_residual():
    for options in ({}, {"init": "default"}, {"norm": None, "init": "xavier"}, {"preactivation": True}):
        plain, resid = net(20, residual=False, **options), net(20, residual=True, **options)
        assert list(plain.state_dict()) == list(resid.state_dict())
        assert all(map(torch.equal, plain.state_dict().values(), resid.state_dict().values()))


def weights(module):
    return [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def fans(layer):
    field = math.prod(layer.weight.shape[2:])
    return layer.weight.shape[1] * field, layer.weight.shape[0] * field


@pytest.mark.parametrize(
    ("init", "variance"),
    [("he", lambda i, o: 2 / i), ("xavier", lambda i, o: 2 / (i + o)), ("default", lambda i, o: 1 / (3 * i))],
)
def test_weights_start_with_the_variance_of_their_rule(init, variance):
    for layer in weights(net(8, width=32, init=init, norm=None)):
        w = layer.weight.detach()
        error = 4 * math.sqrt(2 / w.numel())  # four standard errors of a normal sample's variance
        assert float(w.var() / variance(*fans(layer))) == pytest.approx(1, abs=max(0.03, error))
        assert abs(float(w.mean())) < 4 * float(w.std()) / math.sqrt(w.numel())


@pytest.mark.parametrize("init", ["he", "xavier", nn.init.orthogonal_])
def test_convolutions_have_biases_only_without_a_norm_and_start_them_at_zero(init):
    assert all(not layer.bias.any() for layer in weights(net(init=init, norm=None, shortcut="C")))
    assert all(layer.bias is None for layer in weights(net(init=init, shortcut="C"))[:-1])


def test_a_callable_fills_every_weight_in_place():
    built = net(init=lambda w: w.fill_(0.25), norm=None)  # no torch.no_grad() asked of the caller
    assert all(bool((layer.weight == 0.25).all()) for layer in weights(built))


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize(("norm", "init"), [("batch", "he"), (None, "he"), (None, "default")])
def test_zero_init_residual_starts_every_branch_at_zero(block, preactivation, norm, init):
    options = {"block": block, "preactivation": preactivation, "norm": norm, "init": init}
    depth = 11 if block == "bottleneck" else 8
    built, usual = net(depth, zero_init_residual=True, **options), net(depth, **options)
    last = "conv" if preactivation or norm is None else "norm"
    changed = {
        name for (name, a), b in zip(built.named_parameters(), usual.parameters(), strict=True) if not torch.equal(a, b)
    }
    where = f"{last}{3 if block == 'bottleneck' else 2}"  # the last layer with a weight, and no other
    names = {f"stage{stage}.0.branch.{where}.weight" for stage in (1, 2, 3)}
    biases = {name.replace("weight", "bias") for name in names} if init == "default" else set()
    assert changed == names | biases
    x = built.stem(images())
    for stage in (built.stage1, built.stage2, built.stage3):
        assert not stage[0].branch(x).any()
        x = stage[0](x)
        assert x.any()


def test_zero_init_residual_needs_a_weight_to_set_to_zero():
    with pytest.raises(ValueError, match="no weight"):
        net(block=lambda i, o, s: models.PadShortcut(i, o, s), zero_init_residual=True)
    scale_only = net(
        block=lambda i, o, s: nn.Sequential(models.conv3x3(i, o, s), nn.GroupNorm(1, o)), zero_init_residual=True
    )
    assert not scale_only.stage1[0].branch(torch.randn(2, 4, 8, 8)).any()


# --- stochastic depth -------------------------------------------------------------------------------------------------


def test_stochastic_depth_grows_linearly_to_the_last_block():
    probs = [m.drop_prob for m in net(14, stochastic_depth_prob=0.6).modules() if isinstance(m, models.Block)]
    assert probs == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_stochastic_depth_drops_whole_branches_and_keeps_their_expectation():
    block = models.Block(nn.Conv2d(2, 2, 1), nn.Identity(), nn.Identity(), scale=1.0, drop_prob=0.25).double()
    torch.manual_seed(0)
    x = torch.randn(1, 2, 3, 3, dtype=torch.float64).expand(20_000, -1, -1, -1)
    with torch.no_grad():
        branch = block.branch(x[:1])
        added = block.train()(x) - x
        ratio = (added / branch).flatten(1)  # one factor an image, the same at every entry
        torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
        kept = ratio[:, 0] > 0.5
        torch.testing.assert_close(ratio[kept, 0], torch.full_like(ratio[kept, 0], 1 / 0.75))
        torch.testing.assert_close(added[~kept], torch.zeros_like(added[~kept]))
        assert float(kept.double().mean()) == pytest.approx(0.75, abs=4 * math.sqrt(0.75 * 0.25 / 20_000))
        torch.testing.assert_close(block.eval()(x[:1]), x[:1] + branch)


# --- a module among modules -------------------------------------------------------------------------------------------


def test_a_net_works_in_float64_and_channels_last():
    built, x = net(14).eval(), images()
    expected = built(x)
    torch.testing.assert_close(copy.deepcopy(built).double()(x.double()).float(), expected)
    last = copy.deepcopy(built).to(memory_format=torch.channels_last)
    seen = []
    last.stage3.register_forward_hook(lambda _m, _i, out: seen.append(out))
    torch.testing.assert_close(last(x.contiguous(memory_format=torch.channels_last)), expected)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)  # option A keeps the layout


def test_a_net_survives_copying_and_pickling():
    built, x = net(14, shortcut="B", stochastic_depth_prob=0.1).eval(), images()
    for twin in (copy.deepcopy(built), pickle.loads(pickle.dumps(built))):
        assert torch.equal(twin(x), built(x))


def test_shared_and_frozen_parameters_are_counted_rightly():
    layer = nn.Linear(3, 3)
    shared = nn.Sequential(layer, layer, nn.Linear(3, 2))
    assert models.count_parameters(shared) == 12 + 8
    layer.requires_grad_(False)
    assert models.count_parameters(shared) == 8


def test_whole_numbers_of_numpy_will_do():
    assert models.count_parameters(models.CifarNet(np.int64(20), residual=True, width=np.int64(16))) == PARAMETERS[20]


# --- errors -----------------------------------------------------------------------------------------------------------

WRONG = {
    "residual": [1, None], "preactivation": [1], "zero_init_residual": [1],
    "width": [0, 2.5, True], "num_classes": ["10", 0], "in_channels": [-3],
    "block": ["Basic", None], "Block": [lambda i, o, s: None],  # what builds no branch
    "shortcut": ["AB", ""], "norm": ["none", False], "init": ["kaiming"],
    "activation": ["ReLU", np.array(["relu", "tanh"])], "skip_scale": ["1", math.nan],
    "stochastic_depth_prob": [1, -0.1],
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_settings_are_named(name):
    for value in WRONG[name]:
        with pytest.raises((ValueError, TypeError), match=name):
            models.CifarNet(20, **{"residual": True, name.lower(): value})


@pytest.mark.parametrize("option", [{"skip_scale": 0.5}, {"zero_init_residual": True}, {"stochastic_depth_prob": 0.5}])
def test_what_needs_the_shortcut_is_refused_in_a_plain_net(option):
    with pytest.raises(ValueError, match="need the shortcut"):
        models.CifarNet(20, residual=False, **option)
