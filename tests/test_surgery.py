"""What the probes of lesson 09 promise: lesions, paths and landscapes equal direct evaluations, and harm no net."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from samples import Stop, batch, cifar, labels
from test_probes import AddsInPlace, Encoder, assert_as_it_was, state, tokens, torchvision_resnet
from torch import nn
from torch.nn import functional as F

from resnet_edu import models, probes


def trained(depth=14, **options):
    """Statistics and scales as a trained net has them."""
    net = cifar(depth, **options)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -0.2, 0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.2, 0.2)
    return net.eval()


def blocks(net):
    return [name for name, module in net.named_modules() if isinstance(module, models.Block)]


ANY_NET = {
    "residual": (trained, batch, ("stage1.0", "stage2.1")),
    "plain, in train mode": (lambda: trained(residual=False).train(), batch, ("stage1.1", "stage3.0")),
    "torchvision": (lambda: torchvision_resnet().eval(), lambda: batch(size=40), ("layer1.0", "layer1.1")),
    "transformer with dropout": (lambda: Encoder(dropout=0.5), tokens, ("encoder.layers.1",)),
}
any_net = pytest.mark.parametrize(("build", "inputs", "names"), list(ANY_NET.values()), ids=list(ANY_NET))


def with_gradients(net):
    for p in net.parameters():
        p.grad = torch.full_like(p, 0.5)
    return net


def havoc(inputs):
    """A score that trains, draws, switches modes and drops gradients before it answers."""

    def score(net):
        net.train()
        for p in net.parameters():
            p.grad = None
        net(inputs()).square().sum().backward()
        with torch.no_grad():
            for p in net.parameters():
                p += torch.randn_like(p)
        return 1.0

    return score


def stopping(_net):
    raise Stop


# --- lesions ----------------------------------------------------------------------------------------------------------


def test_a_residual_net_without_a_block_is_the_net_with_an_empty_branch():
    net, x = trained(), batch()
    for name in blocks(net):
        with probes.without(net, name), torch.no_grad():
            found = net(x)
        empty = copy.deepcopy(net)
        branch = empty.get_submodule(name).branch
        nn.init.zeros_(branch.norm2.weight), nn.init.zeros_(branch.norm2.bias)
        assert torch.equal(found, empty(x)), name
        assert not torch.allclose(found, net(x))


def test_a_plain_net_without_a_block_is_the_other_layers_by_hand():
    net, x = trained(8, residual=False), batch()
    with torch.no_grad():
        h = net.stage1(net.stem(x))
        h = F.pad(h[:, :, ::2, ::2], (0, 0, 0, 0, 0, 4))  # stage2.0: half the size, four more channels
        expected = net.fc(net.stage3(h).mean((2, 3)))
        with probes.without(net, "stage2.0"):
            assert torch.equal(net(x), expected)


def test_torchvision_s_block_is_taken_out_like_ours():
    net, x = torchvision_resnet().eval(), batch(size=40)
    with probes.without(net, "layer1.1"), torch.no_grad():
        found = net(x)
    nn.init.zeros_(net.layer1[1].bn2.weight), nn.init.zeros_(net.layer1[1].bn2.bias)
    assert torch.equal(found, net(x))


def test_lesions_are_one_at_a_time_in_the_order_asked_for():
    net, x, y = trained(), batch(16), labels(16)

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


def test_reordered_blocks_are_the_net_with_their_weights_exchanged():
    net, x = trained(20), batch()
    names = ["stage1.0", "stage1.1", "stage1.2"]
    other = copy.deepcopy(net)
    for place, source in zip(names, (2, 0, 1), strict=True):
        other.get_submodule(place).load_state_dict(net.get_submodule(names[source]).state_dict())
    with probes.reordered(net, names, (2, 0, 1)):
        assert torch.equal(net(x), other(x))
    assert not torch.allclose(net(x), other(x))


@any_net
def test_a_lesion_leaves_any_net_as_it_was_whatever_the_score_does(build, inputs, names):
    net = build()
    before = state(with_gradients(net))
    probes.lesions(net, names, havoc(inputs))
    assert_as_it_was(net, before)
    with pytest.raises(Stop):
        probes.lesions(net, names, stopping)
    assert_as_it_was(net, before)
    with pytest.raises(Stop), probes.reordered(net, names[:1], [0]):
        havoc(inputs)(net)
        raise Stop
    assert_as_it_was(net, before)


def moves(net):
    """A score that makes the net another type, as `net.to(device)` would move it elsewhere."""
    net.double().fc.weight.grad = None
    return 1.0


def test_a_score_may_move_the_net():
    net, x = trained(), batch()
    before, expected = state(with_gradients(net)), net(x)
    probes.lesions(net, blocks(net)[:2], moves)
    probes.landscape(net, moves, [probes.direction(net)], [0.0, 1.0])
    for lasting in (
        probes.without(net, "stage1.1"),
        probes.reordered(net, blocks(net)[:2], [1, 0]),
        probes.moved(net, [probes.direction(net)], [0.5]),
    ):
        with lasting:
            moves(net)
    assert_as_it_was(net, before)
    assert {t.dtype for t in net.state_dict().values() if t.is_floating_point()} == {torch.float32}
    assert {p.grad.dtype for p in net.parameters()} == {torch.float32}
    assert torch.equal(net(x), expected)
    net(x).sum().backward()


def test_a_score_that_moves_the_net_finds_every_block_where_the_net_is():
    net, names = trained(), ["stage1.1", "stage2.0"]  # one hands on as it is, one changes the shape

    def score(net):
        with torch.no_grad():
            return net.double()(batch().double()).square().sum()

    before = state(with_gradients(net))
    found = probes.lesions(net, names, score)
    assert_as_it_was(net, before)
    expected = probes.lesions(copy.deepcopy(net).double(), names, score)
    assert found.intact == expected.intact
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_a_block_that_works_in_place_is_taken_out_whole():
    net, x = nn.Sequential(AddsInPlace(nn.Conv2d(3, 3, 1))), batch()
    with torch.no_grad(), probes.without(net, "0"):
        assert torch.equal(net(x), batch())
    assert torch.equal(x, batch())


def test_every_score_starts_from_the_same_net():
    net = trained()
    seen = []

    def score(net):
        seen.append((net.fc.weight.detach().clone(), torch.rand(1)))
        return havoc(batch)(net)

    probes.lesions(net, blocks(net)[:3], score)
    assert all(torch.equal(weight, seen[0][0]) and draw == seen[0][1] for weight, draw in seen)


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
    "pre-activation": (lambda: trained(preactivation=True), batch, ".branch"),
    "original block": (trained, batch, ".branch"),
    "with projections, batch statistics": (lambda: trained(shortcut="B").train(), batch, ".branch"),
    "torchvision, in place": (lambda: torchvision_resnet().eval(), lambda: batch(size=40), "bn2"),
}
any_paths = pytest.mark.parametrize(("build", "inputs", "end"), list(PATHS.values()), ids=list(PATHS))


def branches(net, end):
    return [name for name, _ in net.named_modules() if name.endswith(end)]


@any_paths
def test_all_lengths_together_are_the_gradient(build, inputs, end):
    net, x = build(), inputs().requires_grad_()
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
    x = batch(2).double()
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
def test_the_lengths_are_the_coefficients_of_a_polynomial(build, inputs, end):
    net = build()
    names = branches(net, end)
    parts = probes.Paths(net, inputs(), names, labels()).by_length()
    for t in (-1.0, 0.3, 2.0):
        scaled = copy.deepcopy(net)
        for name in names:
            parent, _, child = name.rpartition(".")
            setattr(scaled.get_submodule(parent), child, Scaled(scaled.get_submodule(name), t))
        x = inputs().requires_grad_()
        F.cross_entropy(scaled(x), labels()).backward()
        expected = sum(t**k * part for k, part in enumerate(parts))
        assert (expected - x.grad).norm() < 1e-4 * sum(abs(t) ** k * part.norm() for k, part in enumerate(parts))


def test_the_paths_of_a_length_add_up_to_it():
    net = trained(8, preactivation=True).double()
    paths = probes.Paths(net, batch().double(), branches(net, ".branch"), labels())
    parts = paths.by_length()
    for k in range(4):
        alone = sum(paths.along(chosen) for chosen in itertools.combinations(range(3), k))
        torch.testing.assert_close(alone, parts[k])


def test_around_every_branch_of_a_preactivation_stage_the_gradient_is_untouched():
    stage, h = trained(20, preactivation=True).stage1, torch.randn(2, 4, 8, 8)
    g = torch.randn(2, 4, 8, 8)
    paths = probes.Paths(stage, h, ["0.branch", "1.branch", "2.branch"], loss_fn=lambda out: (out * g).sum())
    assert torch.equal(paths.along([]), g)


@any_paths
def test_paths_leave_any_net_as_it_was(build, inputs, end):
    net = build()
    before = state(with_gradients(net))
    paths = probes.Paths(net, inputs(), branches(net, end), labels())
    assert_as_it_was(net, before)
    paths.by_length(), paths.along([0])
    assert_as_it_was(net, before)
    with pytest.raises(Stop):
        probes.Paths(net, inputs(), branches(net, end), loss_fn=stopping)
    assert_as_it_was(net, before)


def test_a_branch_has_to_run_exactly_once():
    net = Adds(0.5)
    net.branches.append(nn.Linear(1, 1))
    net.forward = lambda x: x + net.branches[0](x)
    x = torch.ones(1, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"'branches.1'"):
        probes.Paths(net, x, ["branches.0", "branches.1"], loss_fn=torch.sum)
    net.forward = lambda x: x + net.branches[0](net.branches[0](x))
    with pytest.raises(ValueError, match=r"'branches.0'"):
        probes.Paths(net, x, ["branches.0"], loss_fn=torch.sum)


def test_a_branch_that_the_loss_ignores_passes_no_gradient_on():
    net = Adds(0.5, 3.0)
    net.forward = lambda x: net.branches[1](x) + x + net.branches[0](x).detach()
    paths = probes.Paths(net, torch.ones(1, 1, dtype=torch.float64), ["branches.0", "branches.1"], loss_fn=torch.sum)
    assert paths.by_length().flatten().tolist() == [1, 3, 0]
    assert [paths.along([f"branches.{i}"]).item() for i in (0, 1)] == [0, 3]


# --- landscapes -------------------------------------------------------------------------------------------------------


def loss_on(x, y):
    def loss(net):
        with torch.no_grad():
            return F.cross_entropy(net(x), y)

    return loss


def test_a_landscape_equals_direct_evaluations_at_ten_points():
    net = trained()
    loss = loss_on(batch(16), labels(16))
    first, second = probes.direction(net, seed=3), probes.direction(net, seed=4)
    steps = np.linspace(-1, 1, 5)
    table = probes.landscape(net, loss, [first, second], steps)
    assert table.shape == (5, 5) and table.dtype == np.float64
    points = [(row, column) for row in range(5) for column in range(5)]
    for row, column in np.random.default_rng(0).permutation(points)[:10]:
        there = copy.deepcopy(net)
        state = there.state_dict()
        for name in first:
            state[name] += float(steps[column]) * first[name] + float(steps[row]) * second[name]
        assert table[row, column] == pytest.approx(loss(there).item(), rel=1e-5)
    assert table[2, 2] == loss(net).item()  # the center is the net itself, bit for bit


def test_a_line_is_the_row_of_a_plane():
    net = trained(8)
    loss = loss_on(batch(), labels())
    directions = [probes.direction(net, seed=0), probes.direction(net, seed=1)]
    plane = probes.landscape(net, loss, directions, [-1.0, 0.0, 0.5])
    np.testing.assert_array_equal(plane[1], probes.landscape(net, loss, directions[:1], (-1.0, 0.0, 0.5)))


@pytest.mark.parametrize("build", [trained, torchvision_resnet, Encoder], ids=["ours", "torchvision", "transformer"])
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
    net, longer = trained(), trained()
    with torch.no_grad():
        for name in blocks(longer):
            branch = longer.get_submodule(name).branch
            branch.conv1.weight *= 16
            branch.norm1.running_mean *= 16
            branch.norm1.running_var *= 256
    loss, steps = loss_on(batch(16), labels(16)), np.linspace(-1, 1, 5)

    def lines(normalize):
        return [
            probes.landscape(each, loss, [probes.direction(each, normalize=normalize)], steps) for each in (net, longer)
        ]

    np.testing.assert_allclose(*lines("filter"), rtol=1e-3)
    short, long = lines(None)
    assert np.abs(short - long).max() > 0.1 * np.ptp(short)


def test_a_direction_depends_on_its_seed_alone():
    net, before = trained(), torch.get_rng_state()
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
def test_a_landscape_leaves_any_net_as_it_was_whatever_the_score_does(build, inputs, names):
    net = build()
    before = state(with_gradients(net))
    directions = [probes.direction(net, seed=0), probes.direction(net, seed=1)]
    probes.landscape(net, havoc(inputs), directions, [-1.0, 0.1])
    assert_as_it_was(net, before)
    with pytest.raises(Stop):
        probes.landscape(net, stopping, directions, [0.1])
    assert_as_it_was(net, before)


def walk(toward):
    return probes.landscape(nn.Linear(3, 2), lambda net: 1, [toward], (0.0, 1.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: probes.lesions(trained(), ["stage9.0"], lambda n: 1), "stage9.0"),
        (lambda: probes.lesions(trained(), ["fc"], lambda net: net(batch()).sum()), r"\[4, 16\] to \[4, 10\]"),
        (lambda: probes.reordered(trained(), ["stage1.0"], [1]).__enter__(), r"order=\[1\]"),
        (lambda: probes.Paths(trained(), batch(), ["stage1", "stage1.0"]), "'stage1.0'"),
        (lambda: probes.Paths(trained(), batch(), ["fc"], None, lambda out: out), r"\[4, 10\]"),
        (lambda: probes.Paths(trained().stage1, torch.ones(1, 4, 8, 8), ["0.branch"]), r"\[1, 4, 8, 8\]"),
        (lambda: probes.direction(nn.ReLU()), "ReLU"),
        (lambda: probes.direction(trained(), seed=-1), "seed=-1"),
        (lambda: probes.direction(trained(), normalize="layer"), "normalize='layer'"),
        (lambda: walk({"weight": torch.zeros(2, 1)}), r"\[2, 3\]"),  # it would be broadcast
        (lambda: walk({"w": torch.zeros(3, 2)}), "'w'"),
    ],
)
def test_what_they_cannot_take_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
