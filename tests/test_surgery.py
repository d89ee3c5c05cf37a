"""What the probes of lesson 09 promise: lesions, paths and landscapes equal direct evaluations, and harm no net."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from test_probes import AddsInPlace
from torch import nn
from torch.nn import functional as F

from resnet_edu import models, probes, training


def images(n=4, size=16, seed=1):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


def labels(n=4):
    return torch.arange(n) % 10


def cifar(depth=14, *, residual=True, **options):
    torch.manual_seed(0)
    net = models.CifarNet(depth, residual=residual, **{"width": 4, **options})
    for norm in net.modules():  # statistics and scales as a trained net has them
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -0.2, 0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.2, 0.2)
    return net.eval()


def blocks(net):
    return [name for name, module in net.named_modules() if isinstance(module, models.Block)]


def torchvision_net():
    import torchvision

    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=10).eval()  # in-place ReLU and `out += identity`


class Tokens(nn.Module):
    """A transformer with dropout, over integers [N, T]."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(11, 8)
        layers = [nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True) for _ in range(3)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.layers(self.embed(x)).mean(1))


def tokens():
    return torch.randint(11, (4, 6), generator=torch.Generator().manual_seed(2))


ANY_NET = {
    "residual": (cifar, images, ("stage1.0", "stage2.1")),
    "plain, in train mode": (lambda: cifar(residual=False).train(), images, ("stage1.1", "stage3.0")),
    "torchvision": (torchvision_net, lambda: images(size=40), ("layer1.0", "layer1.1")),
    "transformer with dropout": (lambda: Tokens().train(), tokens, ("layers.0", "layers.2")),
}
any_net = pytest.mark.parametrize(("build", "batch", "names"), list(ANY_NET.values()), ids=list(ANY_NET))


def everything(net):
    """All that a probe has to leave alone: each module and its place, tensors, gradients, modes, hooks, randomness."""
    for p in net.parameters():
        p.grad = torch.full_like(p, 0.5) if p.grad is None else p.grad
    tensors = {name: (id(t), t.detach().clone()) for name, t in net.state_dict(keep_vars=True).items()}
    grads = {name: (id(p.grad), p.grad.clone()) for name, p in net.named_parameters()}
    modules = {name: (id(m), m.training, len(m._forward_hooks), len(m._forward_pre_hooks))
               for name, m in net.named_modules()}  # fmt: skip
    return tensors, grads, modules, torch.get_rng_state()


def assert_untouched(net, before):
    after = everything(net)
    for old, new in zip(before[:2], after[:2], strict=True):
        assert old.keys() == new.keys()
        for name in old:
            assert old[name][0] == new[name][0], f"{name} is another tensor"
            assert torch.equal(old[name][1], new[name][1]), f"{name} changed"
    assert before[2] == after[2]
    assert torch.equal(before[3], after[3])


def havoc(batch):
    """A score that trains, draws, switches modes and drops gradients before it answers."""

    def score(net):
        net.train()
        for p in net.parameters():
            p.grad = None
        net(batch()).square().sum().backward()
        with torch.no_grad():
            for p in net.parameters():
                p += torch.randn_like(p)
        return 1.0

    return score


class Stop(Exception):
    pass


def stopping(_net):
    raise Stop


# --- lesions ----------------------------------------------------------------------------------------------------------


def test_a_residual_net_without_a_block_is_the_net_with_an_empty_branch():
    net, x = cifar(), images()
    for name in blocks(net):
        with probes.without(net, name), torch.no_grad():
            found = net(x)
        empty = copy.deepcopy(net)
        branch = empty.get_submodule(name).branch
        nn.init.zeros_(branch.norm2.weight), nn.init.zeros_(branch.norm2.bias)
        assert torch.equal(found, empty(x)), name
        assert not torch.allclose(found, net(x))


def test_a_plain_net_without_a_block_is_the_other_layers_by_hand():
    net, x = cifar(8, residual=False), images()
    with torch.no_grad():
        h = net.stage1(net.stem(x))
        h = F.pad(h[:, :, ::2, ::2], (0, 0, 0, 0, 0, 4))  # stage2.0: half the size, four more channels
        expected = net.fc(net.stage3(h).mean((2, 3)))
        with probes.without(net, "stage2.0"):
            assert torch.equal(net(x), expected)


def test_torchvision_s_block_is_taken_out_like_ours():
    net, x = torchvision_net(), images(size=40)
    with probes.without(net, "layer2.1"), torch.no_grad():
        found = net(x)
    nn.init.zeros_(net.layer2[1].bn2.weight), nn.init.zeros_(net.layer2[1].bn2.bias)
    assert torch.equal(found, net(x))


def test_lesions_are_one_at_a_time_in_the_order_asked_for():
    net, x, y = cifar(), images(16), labels(16)

    def loss(net):
        with torch.no_grad():
            return F.cross_entropy(net(x), y)

    names = blocks(net)[::-1]
    found = probes.lesions(net, names, loss)
    assert found.names == names and found.scores.dtype == np.float64
    assert found.intact == loss(net).item()
    for name, score in zip(names, found.scores, strict=True):
        with probes.without(net, name):
            assert score == loss(net).item()
    assert len(set(found.scores)) == len(names)


def test_what_stands_in_can_be_chosen():
    net, x = cifar(shortcut="B"), images()
    name = "stage2.0"
    with probes.without(net, name, stand_in=lambda block: nn.Sequential(block.shortcut, block.activation)):
        found = net(x)
    branch = net.get_submodule(name).branch
    nn.init.zeros_(branch.norm2.weight), nn.init.zeros_(branch.norm2.bias)
    assert torch.allclose(found, net(x))


def test_reordered_blocks_are_the_net_with_their_weights_exchanged():
    net, x = cifar(20), images()
    names = ["stage1.0", "stage1.1", "stage1.2"]
    other = copy.deepcopy(net)
    for place, source in zip(names, (2, 0, 1), strict=True):
        other.get_submodule(place).load_state_dict(net.get_submodule(names[source]).state_dict())
    with probes.reordered(net, names, (2, 0, 1)):
        assert torch.equal(net(x), other(x))
    assert not torch.allclose(net(x), other(x))


def test_blocks_of_different_form_do_not_change_places():
    with (
        pytest.raises(ValueError, match=r"'stage2.0' cannot stand in the place of 'stage1.1'"),
        probes.reordered(cifar(), ["stage1.1", "stage2.0"], [1, 0]),
    ):
        pass


@any_net
def test_a_lesion_leaves_any_net_as_it_was_whatever_the_score_does(build, batch, names):
    net = build()
    before = everything(net)
    probes.lesions(net, names, havoc(batch))
    assert_untouched(net, before)
    with pytest.raises(Stop):
        probes.lesions(net, names, stopping)
    assert_untouched(net, before)
    with pytest.raises(Stop), probes.reordered(net, names[:1], [0]):
        havoc(batch)(net)
        raise Stop
    assert_untouched(net, before)


def moves(net):
    """A score that makes the net another type, as `net.to(device)` would move it elsewhere."""
    net.double().fc.weight.grad = None
    return 1.0


def test_a_score_may_move_the_net():
    net, x = cifar(), images()
    before, expected = everything(net), net(x)
    probes.lesions(net, blocks(net)[:2], moves)
    probes.landscape(net, moves, [probes.direction(net)], [0.0, 1.0])
    for lasting in (
        probes.without(net, "stage1.1"),
        probes.reordered(net, blocks(net)[:2], [1, 0]),
        probes.moved(net, [probes.direction(net)], [0.5]),
    ):
        with lasting:
            moves(net)
    assert_untouched(net, before)
    assert {t.dtype for t in net.state_dict().values() if t.is_floating_point()} == {torch.float32}
    assert {p.grad.dtype for p in net.parameters()} == {torch.float32}
    assert torch.equal(net(x), expected)
    net(x).sum().backward()


def test_a_score_that_moves_the_net_finds_every_block_where_the_net_is():
    net, names = cifar(), ["stage1.1", "stage2.0"]  # one hands on as it is, one changes the shape

    def score(net):
        with torch.no_grad():
            return net.double()(images().double()).square().sum()

    before = everything(net)
    found = probes.lesions(net, names, score)
    assert_untouched(net, before)
    expected = probes.lesions(copy.deepcopy(net).double(), names, score)
    assert found.intact == expected.intact
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_a_block_that_works_in_place_is_taken_out_whole():
    net, x = nn.Sequential(AddsInPlace(nn.Conv2d(3, 3, 1))), images()
    with torch.no_grad(), probes.without(net, "0"):
        assert torch.equal(net(x), images())
    assert torch.equal(x, images())


def test_every_score_starts_from_the_same_net():
    net = cifar()
    seen = []

    def score(net):
        seen.append((net.fc.weight.detach().clone(), torch.rand(1)))
        return havoc(images)(net)

    probes.lesions(net, blocks(net)[:3], score)
    assert all(torch.equal(weight, seen[0][0]) and draw == seen[0][1] for weight, draw in seen)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: probes.lesions("net", ["a"], len), "lesions takes an nn.Module; it was given str"),
        (lambda: probes.lesions(cifar(), ["stage9.0"], len), "'stage9.0' is no part of CifarNet"),
        (lambda: probes.lesions(cifar(), [], len), "at least one block, each once"),
        (lambda: probes.lesions(cifar(), ["fc", "fc"], len), "at least one block, each once"),
        (lambda: probes.lesions(cifar(), ["stage1", "stage1.0"], len), "'stage1.0' is a part of 'stage1'"),
        (lambda: probes.lesions(cifar(), ["fc"], 0.5), "score=0.5: give a function"),
        (lambda: probes.lesions(cifar(), ["fc"], lambda net: "good"), "one number; it returned str"),
        (lambda: probes.lesions(cifar(), ["fc"], lambda net: net.fc.weight), "one number; it returned Parameter"),
        (
            lambda: probes.lesions(cifar(), ["stage1.0"], lambda n: 1, stand_in=lambda b: None),
            "stand_in returned NoneType for 'stage1.0'",
        ),
        (
            lambda: probes.lesions(cifar(), ["fc"], lambda net: net(images()).sum()),
            r"Linear turns \[4, 16\] to \[4, 10\], and nothing without weights can stand in",
        ),
        (lambda: probes.reordered(cifar(), ["stage1.0"], [1]).__enter__(), r"give the numbers 0 to 0 in another order"),
        (lambda: probes.reordered(cifar(), ["stage1.0"], 0.5).__enter__(), r"order=0.5: give the numbers 0 to 0"),
    ],
)
def test_lesions_refuse_what_they_cannot_take(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


# --- paths ------------------------------------------------------------------------------------------------------------


class Adds(nn.Module):
    """x + w x, for every w: its Jacobian is the product of (1 + w)."""

    def __init__(self, *weights):
        super().__init__()
        self.branches = nn.ModuleList(nn.Linear(1, 1, bias=False, dtype=torch.float64) for _ in weights)
        for branch, w in zip(self.branches, weights, strict=True):
            nn.init.constant_(branch.weight, w)

    def forward(self, x):
        for branch in self.branches:
            x = x + branch(x)
        return x


def test_the_gradient_by_length_is_the_elementary_symmetric_polynomial():
    weights = (0.5, -2.0, 3.0, 0.25)
    net = Adds(*weights)
    names = [f"branches.{i}" for i in range(4)]
    paths = probes.Paths(net, torch.ones(1, 1, dtype=torch.float64), names, loss_fn=torch.sum)
    expected = [sum(math.prod(chosen) for chosen in itertools.combinations(weights, k)) for k in range(5)]
    np.testing.assert_allclose(paths.by_length().flatten().numpy(), expected, rtol=1e-12)
    for k in range(5):
        for chosen in itertools.combinations(range(4), k):
            assert paths.along(chosen).item() == pytest.approx(math.prod(weights[i] for i in chosen))
    assert paths.along(["branches.2", 0]).item() == pytest.approx(1.5)


PATHS = {
    "pre-activation": (lambda: cifar(preactivation=True), images, ".branch"),
    "original block": (cifar, images, ".branch"),
    "with projections, batch statistics": (lambda: cifar(shortcut="B").train(), images, ".branch"),
    "torchvision, in place": (torchvision_net, lambda: images(size=40), "bn2"),
}
any_paths = pytest.mark.parametrize(("build", "batch", "end"), list(PATHS.values()), ids=list(PATHS))


def branches(net, end):
    return [name for name, _ in net.named_modules() if name.endswith(end)]


@any_paths
def test_all_lengths_together_are_the_gradient(build, batch, end):
    net, x = build(), batch().requires_grad_()
    paths = probes.Paths(net, x, branches(net, end), labels())
    F.cross_entropy(net(x), labels()).backward()
    assert (paths.by_length().sum(0) - x.grad).norm() < 1e-5 * x.grad.norm()


class WritesIntoItsInput(nn.Module):
    """x / 2 + branch(x), written into x, which the branch does not see: it was given x before."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh())

    def forward(self, x):
        out = self.branch(x.clone())
        return x.mul_(0.5).add_(out)


class ReadsAndWrites(WritesIntoItsInput):
    """The same, and the branch is given x itself."""

    def forward(self, x):
        out = self.branch(x)
        return x.mul_(0.5).add_(out)


def test_paths_of_a_trunk_that_works_in_place():
    """Each block x / 2 + F(x): what is counted is the net, whether or not it writes into its input."""
    torch.manual_seed(0)
    net = nn.Sequential(*[ReadsAndWrites() for _ in range(3)]).double()
    apart = nn.Sequential(*[WritesIntoItsInput() for _ in range(3)]).double()
    apart.load_state_dict(net.state_dict())
    x = images(2).double()
    kept = x.clone()
    paths = probes.Paths(net, x, ["0.branch", "1.branch", "2.branch"], loss_fn=lambda out: out.square().sum())
    assert torch.equal(x, kept)
    x.requires_grad_()
    apart(x.clone()).square().sum().backward()
    torch.testing.assert_close(paths.by_length().sum(0), x.grad)
    alone = [paths.along(chosen) for k in range(4) for chosen in itertools.combinations(range(3), k)]
    torch.testing.assert_close(sum(alone), x.grad)


class Scaled(nn.Module):
    """The same output as the branch, and t times its gradient."""

    def __init__(self, branch, t):
        super().__init__()
        self.branch, self.t = branch, t

    def forward(self, x):
        out = self.branch(x)
        return self.t * out + (1 - self.t) * out.detach()


@any_paths
def test_the_lengths_are_the_coefficients_of_a_polynomial(build, batch, end):
    net = build()
    names = branches(net, end)
    parts = probes.Paths(net, batch(), names, labels()).by_length()
    for t in (-1.0, 0.3, 2.0):
        scaled = copy.deepcopy(net)
        for name in names:
            parent, _, child = name.rpartition(".")
            setattr(scaled.get_submodule(parent), child, Scaled(scaled.get_submodule(name), t))
        x = batch().requires_grad_()
        F.cross_entropy(scaled(x), labels()).backward()
        expected = sum(t**k * part for k, part in enumerate(parts))
        assert (expected - x.grad).norm() < 1e-4 * sum(abs(t) ** k * part.norm() for k, part in enumerate(parts))


def test_the_paths_of_a_length_add_up_to_it():
    net = cifar(8, preactivation=True).double()
    paths = probes.Paths(net, images().double(), branches(net, ".branch"), labels())
    parts = paths.by_length()
    for k in range(4):
        alone = sum(paths.along(chosen) for chosen in itertools.combinations(range(3), k))
        torch.testing.assert_close(alone, parts[k])


def test_around_every_branch_of_a_preactivation_stage_the_gradient_is_untouched():
    stage, h = cifar(20, preactivation=True).stage1, torch.randn(2, 4, 8, 8)
    g = torch.randn(2, 4, 8, 8)
    paths = probes.Paths(stage, h, ["0.branch", "1.branch", "2.branch"], loss_fn=lambda out: (out * g).sum())
    assert torch.equal(paths.along([]), g)


@any_paths
def test_paths_leave_any_net_as_it_was(build, batch, end):
    net = build()
    before = everything(net)
    paths = probes.Paths(net, batch(), branches(net, end), labels())
    assert_untouched(net, before)
    paths.by_length(), paths.along([0])
    assert_untouched(net, before)
    with pytest.raises(Stop):
        probes.Paths(net, batch(), branches(net, end), loss_fn=stopping)
    assert_untouched(net, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: probes.Paths("net", images(), ["fc"]), "Paths takes an nn.Module; it was given str"),
        (lambda: probes.Paths(cifar(), [1], ["fc"]), "one batch as a tensor; it was given list"),
        (lambda: probes.Paths(cifar(), images().byte(), ["fc"]), "floating-point numbers; it is torch.uint8"),
        (lambda: probes.Paths(cifar(), images(), ["F"]), "'F' is no part of CifarNet"),
        (lambda: probes.Paths(cifar(), images(), ["fc"], loss_fn=1), "loss_fn=1: give a function"),
        (lambda: probes.Paths(cifar(), images(), ["fc"], loss_fn=lambda out: out), "one number with a gradient"),
        (
            lambda: probes.Paths(cifar().stage1, torch.ones(1, 4, 8, 8), ["0.branch"]),
            r"^Paths needs logits \[N, classes",
        ),
        (lambda: probes.Paths(cifar(), images(), ["fc"]).along([1]), "1 is no branch: give a name, or a number"),
        (lambda: probes.Paths(cifar(), images(), ["fc"]).along(["x"]), "'x' is no branch"),
    ],
)
def test_paths_refuse_what_they_cannot_take(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_a_branch_has_to_run_exactly_once():
    net = Adds(0.5)
    net.branches.append(nn.Linear(1, 1))
    net.forward = lambda x: x + net.branches[0](x)
    x = torch.ones(1, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"'branches.1' did not run"):
        probes.Paths(net, x, ["branches.0", "branches.1"], loss_fn=torch.sum)
    net.forward = lambda x: x + net.branches[0](net.branches[0](x))
    with pytest.raises(ValueError, match=r"'branches.0' has to run once"):
        probes.Paths(net, x, ["branches.0"], loss_fn=torch.sum)


# --- landscapes -------------------------------------------------------------------------------------------------------


def loss_on(x, y):
    def loss(net):
        with torch.no_grad():
            return F.cross_entropy(net(x), y)

    return loss


def test_a_landscape_equals_direct_evaluations_at_ten_points():
    net = cifar()
    loss = loss_on(images(16), labels(16))
    first, second = probes.direction(net, seed=3), probes.direction(net, seed=4)
    x, y = np.linspace(-1, 1, 5), np.linspace(-0.5, 0.5, 3)
    table = probes.landscape(net, loss, [first, second], x, y)
    assert table.shape == (3, 5) and table.dtype == np.float64
    points = [(row, column) for row in range(3) for column in range(5)]
    for row, column in np.random.default_rng(0).permutation(points)[:10]:
        there = copy.deepcopy(net)
        state = there.state_dict()
        for name in first:
            state[name] += float(x[column]) * first[name] + float(y[row]) * second[name]
        assert table[row, column] == pytest.approx(loss(there).item(), rel=1e-5)
    assert table[1, 2] == loss(net).item()  # the center is the net itself, bit for bit


def test_a_line_is_the_row_of_a_plane():
    net = cifar(8)
    loss = loss_on(images(), labels())
    directions = [probes.direction(net, seed=0), probes.direction(net, seed=1)]
    plane = probes.landscape(net, loss, directions, [-1.0, 0.5])
    assert plane.shape == (2, 2)
    line = probes.landscape(net, loss, directions[:1], (-1.0, 0.5))
    np.testing.assert_array_equal(line, probes.landscape(net, loss, directions, [-1.0, 0.5], [0.0])[0])


@pytest.mark.parametrize("build", [cifar, torchvision_net, Tokens], ids=["ours", "torchvision", "transformer"])
def test_each_filter_of_a_direction_is_as_long_as_the_net_s(build):
    net = build()
    direction = probes.direction(net, seed=5)
    assert set(direction) == {name for name, p in net.named_parameters() if p.ndim >= 2}
    for name, step in direction.items():
        weight = net.get_parameter(name).detach()
        assert step.shape == weight.shape and not torch.allclose(step, weight)
        for mine, theirs in zip(step, weight, strict=True):
            assert mine.norm().item() == pytest.approx(theirs.norm().item(), rel=1e-4)


def test_a_longer_filter_makes_no_other_landscape():
    net, longer = cifar(), cifar()
    with torch.no_grad():
        for name in blocks(longer):
            branch = longer.get_submodule(name).branch
            branch.conv1.weight *= 16
            branch.norm1.running_mean *= 16
            branch.norm1.running_var *= 256
    loss, steps = loss_on(images(16), labels(16)), np.linspace(-1, 1, 5)

    def lines(normalize):
        return [
            probes.landscape(each, loss, [probes.direction(each, normalize=normalize)], steps) for each in (net, longer)
        ]

    np.testing.assert_allclose(*lines("filter"), rtol=1e-3)
    short, long = lines(None)
    assert np.abs(short - long).max() > 0.1 * np.ptp(short)


def test_a_direction_depends_on_its_seed_alone():
    net, before = cifar(), torch.get_rng_state()
    first, again, other = (probes.direction(net, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) and not torch.equal(first[name], other[name]) for name in first)
    raw = probes.direction(net, seed=1, normalize=None)
    assert raw["fc.weight"].std().item() == pytest.approx(1, abs=0.2)


def test_a_filter_of_zeros_gives_a_step_of_zeros():
    net = nn.Linear(3, 2)
    nn.init.zeros_(net.weight)
    assert not probes.direction(net)["weight"].any()


@any_net
def test_a_landscape_leaves_any_net_as_it_was_whatever_the_score_does(build, batch, names):
    net = build()
    before = everything(net)
    directions = [probes.direction(net, seed=0), probes.direction(net, seed=1)]
    probes.landscape(net, havoc(batch), directions, [-1.0, 0.1])
    assert_untouched(net, before)
    with pytest.raises(Stop):
        probes.landscape(net, stopping, directions, [0.1])
    assert_untouched(net, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: probes.direction("net"), "direction takes an nn.Module; it was given str"),
        (lambda: probes.direction(nn.ReLU()), "no weight of two or more dimensions to move"),
        (lambda: probes.direction(cifar(), seed=-1), "seed=-1: give a whole number of at least 0"),
        (lambda: probes.direction(cifar(), normalize="layer"), "normalize='layer': choose one of 'filter', None"),
        (lambda: land(lambda n: 1, {"a": 1}), "one or two directions in a list"),
        (lambda: land(lambda n: 1, []), "one or two directions in a list"),
        (lambda: land(1, [{"weight": torch.zeros(2, 3)}]), "score=1: give a function"),
        (lambda: land(lambda n: None, [{"weight": torch.zeros(2, 3)}]), "one number; it returned NoneType"),
        (lambda: land(lambda n: 1, [{"weight": torch.zeros(3, 2)}]), r"of the shape \[2, 3\]; the direction holds"),
        (lambda: land(lambda n: 1, [{"w": torch.zeros(3, 2)}]), "'w' is no parameter of this net"),
        (lambda: land(lambda n: 1, [{"weight": torch.zeros(2, 3).double()}]), "the direction torch.float64"),
        (lambda: land(lambda n: 1, [{}]), r"A direction is \{name of a parameter: tensor\}"),
        (lambda: land(lambda n: 1, [{"weight": torch.zeros(2, 3)}], [math.nan]), "x has to be a list of finite"),
        (lambda: land(lambda n: 1, [{"weight": torch.zeros(2, 3)}], "3"), "x has to be a list of finite"),
        (lambda: land(lambda n: 1, [{"weight": torch.zeros(2, 3)}], [0.0], [0.0]), "y needs a second direction"),
    ],
)
def test_landscapes_refuse_what_they_cannot_take(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def land(score, directions, *steps):
    return probes.landscape(nn.Linear(3, 2), score, directions, *(steps or ([0.0, 1.0],)))


def test_evaluate_is_a_score():
    from resnet_edu.data import Images

    few = Images(torch.randint(256, (8, 3, 8, 8), dtype=torch.uint8), labels(8))
    net = cifar(8)
    found = probes.lesions(net, blocks(net), lambda net: training.evaluate(net, few).accuracy)
    assert 0 <= found.scores.min() <= found.scores.max() <= 1
