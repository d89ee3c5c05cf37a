"""What `UpdateRatio` and `unit_health` promise: numbers equal to slow formulas, and the net left as it was."""

import copy
import math

import numpy as np
import pytest
import torch
from samples import Stop, batch, cifar, pictures
from test_probes import ANY_NET, Encoder, any_net, assert_as_it_was, mixed_modes, starts_in_place, state, vectors
from torch import nn
from torch.nn import functional as F

from resnet_edu import probes, training
from resnet_edu.models.cifar import ACTIVATIONS
from resnet_edu.probes.health import STEEPEST


def fit(net, n=64, **options):
    settings = {"epochs": 2, "batch_size": 16, "lr": 0.05, "progress": False, **options}
    return training.fit(net, pictures(n), **settings)


# --- UpdateRatio ------------------------------------------------------------------------------------------------------


class Copies:
    """The slow way: a copy of every weight before each step, and one at the end."""

    def __init__(self, net):
        self.net, self.rows = net, []

    def on_gradients(self, step):
        self.rows.append({n: p.detach().double().clone() for n, p in self.net.named_parameters() if p.ndim >= 2})

    def ratios(self):
        self.on_gradients(-1)
        pairs = zip(self.rows[:-1], self.rows[1:], strict=True)
        return [[float((b[n] - a[n]).norm() / a[n].norm()) for n in a] for a, b in pairs]


def test_the_ratio_of_every_step_of_fit_equals_a_slow_formula():
    net = cifar()
    ratios, copies = probes.UpdateRatio(net), Copies(net)
    fit(net, callbacks=[ratios, copies], weight_decay=1e-2)
    assert ratios.names == [name for name, p in net.named_parameters() if p.ndim >= 2]
    assert len(ratios) == 8  # the last step of an epoch, too
    np.testing.assert_allclose(ratios.numpy(), copies.ratios(), rtol=1e-5)
    assert repr(ratios) == "UpdateRatio(8 weights, 8 steps recorded)"


@any_net
def test_the_ratio_of_one_step_by_hand_on_any_net(build, inputs):
    net = build()
    ratios = probes.UpdateRatio(net)
    out = net(inputs())
    F.cross_entropy(out, torch.arange(len(out)) % 10).backward()
    ratios.start()
    before = {name: p.detach().clone() for name, p in net.named_parameters() if p.ndim >= 2}
    torch.optim.SGD(net.parameters(), lr=0.1).step()
    ratios.record()
    moved = dict(net.named_parameters())
    expected = [0.1 * float(moved[name].grad.double().norm() / w.double().norm()) for name, w in before.items()]
    np.testing.assert_allclose(ratios.numpy()[0], expected, rtol=1e-3)


def test_following_a_run_changes_nothing_in_it():
    alone, followed = cifar(), cifar()
    fit(alone)
    fit(followed, callbacks=[probes.UpdateRatio(followed)])
    for a, b in zip(alone.state_dict().values(), followed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_step_below_float32_s_resolution_is_a_ratio_of_zero():
    layer = nn.Linear(4, 4, bias=False)
    nn.init.ones_(layer.weight)
    ratios = probes.UpdateRatio(layer)
    for step in (1e-10, 1e-3):
        layer.weight.grad = torch.ones(4, 4)
        ratios.start()
        torch.optim.SGD([layer.weight], lr=step).step()
        ratios.record()
    assert ratios.numpy()[:, 0] == pytest.approx([0, 1e-3], rel=1e-3)


def test_tiny_weights_neither_underflow_nor_divide_by_zero():
    layer = nn.Linear(10, 10, bias=False)
    nn.init.constant_(layer.weight, 1e-30)
    ratios = probes.UpdateRatio(layer)
    ratios.start()
    with torch.no_grad():
        layer.weight.add_(1e-33)
    ratios.record()
    assert ratios.numpy()[0, 0] == pytest.approx(1e-3, rel=1e-3)


def test_a_weight_of_zeros_is_nan_where_it_stays_and_infinite_where_it_moves():
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    for layer in net:
        nn.init.zeros_(layer.weight)
    ratios = probes.UpdateRatio(net)
    ratios.start()
    with torch.no_grad():
        net[1].weight.add_(1)
    ratios.record()
    assert math.isnan(ratios.numpy()[0, 0]) and ratios.numpy()[0, 1] == math.inf


def test_a_run_that_was_cut_off_leaves_no_row_in_the_next_one():
    net = cifar()
    ratios = probes.UpdateRatio(net)

    class Breaks:
        def on_gradients(self, step):
            if step == 2:
                raise Stop

    with pytest.raises(Stop):
        fit(net, callbacks=[ratios, Breaks()])
    assert len(ratios) == 2
    fit(net, epochs=1, callbacks=[ratios])
    assert len(ratios) == 2 + 4
    assert (ratios.numpy() > 0).all()  # the step that never came would be a row of zeros


def test_a_run_that_goes_on_from_an_earlier_epoch_leaves_no_false_row(tmp_path):
    net = cifar()
    ratios, copies = probes.UpdateRatio(net), Copies(net)
    options = {"checkpoint": tmp_path / "run.pt", "epochs": 3}

    class Breaks:
        def on_gradients(self, step):
            if step == 6:  # in the middle of the second epoch: the next run begins at step 4 again
                raise Stop

    with pytest.raises(Stop):
        fit(net, callbacks=[ratios, Breaks()], **options)
    assert len(ratios) == 6
    fit(net, callbacks=[ratios, copies], resume=True, **options)
    assert len(ratios) == 6 + 8
    np.testing.assert_allclose(ratios.numpy()[6:], copies.ratios(), rtol=1e-5)


def test_a_copy_that_was_started_by_hand_is_not_the_run_s():
    net = cifar()
    ratios = probes.UpdateRatio(net)
    ratios.start()
    fit(net, epochs=1, callbacks=[ratios])
    assert len(ratios) == 4


def test_the_ratio_follows_chosen_parameters():
    net = cifar()
    ratios = probes.UpdateRatio(net, params=["fc.bias", "stem.conv.weight"])
    fit(net, callbacks=[ratios])
    assert ratios.names == ["fc.bias", "stem.conv.weight"]
    every = probes.UpdateRatio(again := cifar())
    fit(again, callbacks=[every])
    np.testing.assert_allclose(ratios.numpy()[:, 1], every.numpy()[:, 0])


def test_the_ratio_needs_a_start():
    with pytest.raises(ValueError, match="start"):
        probes.UpdateRatio(cifar()).record()


# --- unit_health ------------------------------------------------------------------------------------------------------


def slow_health(net, x):
    """Dead channels and off entries of every nn.ReLU, from its outputs, in train mode."""
    net, found = copy.deepcopy(net).train(), []
    for module in net.modules():
        if type(module) is nn.ReLU:
            module.register_forward_hook(lambda _m, _i, out: found.append(out.detach().clone()))
    net(x)
    rows = []
    for out in found:
        off = (out == 0).transpose(0, 1).flatten(1)  # one row a unit
        rows.append((float(off.double().mean()), float((off.sum(1) == off.shape[1]).double().mean())))
    return rows


RELU_NETS = {name: ANY_NET[name] for name in ANY_NET if "transformer" not in name}


@pytest.mark.parametrize(("build", "inputs"), list(RELU_NETS.values()), ids=list(RELU_NETS))
def test_health_equals_a_slow_formula_on_any_net_with_relu(build, inputs):
    net, x = build(), inputs()
    with torch.no_grad():  # some channels that never fire
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.bias[0] = -100.0
    found = probes.unit_health(net, x)
    expected = slow_health(net, x)
    np.testing.assert_allclose(np.stack([found.saturated, found.dead], 1), expected, atol=1e-6)
    assert found.dead.max() > 0


SATURATED = {  # z where the derivative is 5 % of the largest, solved by hand
    nn.Tanh: math.atanh(math.sqrt(0.95)),
    nn.Sigmoid: math.log((1 + math.sqrt(0.95)) / (1 - math.sqrt(0.95))),
}


@pytest.mark.parametrize("kind", [nn.Tanh, nn.Sigmoid])
def test_saturation_begins_where_the_derivative_is_a_twentieth_of_its_largest(kind):
    edge = SATURATED[kind]
    z = torch.tensor([[0.0, edge - 1e-3, edge + 1e-3, -edge - 1e-3]]).repeat(3, 1)
    z[0, 2] = 0.0  # one example for which unit 2 is awake
    found = probes.unit_health(nn.Sequential(kind()), z)
    assert found.saturated[0] == pytest.approx((2 + 3) / 12)
    assert found.dead[0] == pytest.approx(1 / 4)  # only the last one is saturated for all


@pytest.mark.parametrize("kind", list(probes.health.STEEPEST))
def test_the_largest_derivatives_are_the_largest(kind):
    z = torch.linspace(-12, 12, 200_001, requires_grad=True)
    slope = torch.autograd.grad(kind()(z).sum(), z)[0].abs().max()
    assert float(slope) == pytest.approx(probes.health.STEEPEST[kind], abs=2e-3)


def test_relu6_is_off_at_both_ends_and_an_in_place_activation_is_seen_before_it_works():
    z = torch.tensor([[-1.0, 3.0, 7.0, 0.5]])
    for inplace in (False, True):
        assert probes.unit_health(nn.Sequential(nn.ReLU6(inplace)), z.clone()).dead[0] == 0.5
        assert probes.unit_health(nn.Sequential(nn.SiLU(inplace)), torch.full((1, 2), -30.0)).dead[0] == 1


def test_the_dimension_of_the_units_can_be_chosen():
    z, net = torch.ones(2, 3, 4), nn.Sequential(nn.ReLU())
    z[:, :, 0], z[:, 1, 1] = -1.0, -1.0
    assert probes.unit_health(net, z, unit_dim=-1).dead[0] == 0.25
    assert probes.unit_health(net, z).dead[0] == 0


def test_an_activation_used_twice_is_two_entries():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.act = nn.Linear(3, 3), nn.ReLU()

        def forward(self, x):
            return self.act(self.linear(self.act(x)))

    assert probes.unit_health(Twice(), torch.randn(2, 3)).names == ["act", "act (2)"]


@pytest.mark.parametrize(("build", "inputs"), list(RELU_NETS.values()), ids=list(RELU_NETS))
def test_health_leaves_any_net_as_it_was(build, inputs):
    net, x = mixed_modes(build()), inputs()
    before, kept = state(net), x.clone()
    probes.unit_health(net, x)
    assert_as_it_was(net, before)
    assert torch.equal(x, kept)


def test_every_activation_of_the_course_s_nets_can_be_measured():
    assert {ACTIVATIONS[name] for name in ACTIVATIONS if name != "identity"} <= set(STEEPEST)


def test_health_of_a_net_that_starts_in_place_leaves_the_inputs():
    x = batch()
    kept = x.clone()
    found = probes.unit_health(starts_in_place(), x)
    assert torch.equal(x, kept)
    expected = probes.unit_health(starts_in_place(inplace=False), x)
    np.testing.assert_array_equal(found.saturated, expected.saturated)


def test_health_leaves_the_net_as_it_was_after_an_exception():
    net = mixed_modes(cifar(stochastic_depth_prob=0.5))
    before = state(net)
    with pytest.raises(ValueError, match="unit_dim=4"):  # from inside a hook
        probes.unit_health(net, batch(), unit_dim=4)
    assert_as_it_was(net, before)

    class Breaks(nn.Module):
        def forward(self, x):
            raise RuntimeError("forward fails")

    net.head = Breaks()
    before = state(net)
    with pytest.raises(RuntimeError, match="forward fails"):
        probes.unit_health(net, batch())
    assert_as_it_was(net, before)


def test_health_hears_what_is_inside_wrappers_and_in_train_mode():
    expected = probes.unit_health(cifar(), batch())
    for wrap in (torch.compile, nn.DataParallel, lambda net: net.eval()):
        found = probes.unit_health(wrap(cifar()), batch())
        assert found.names == expected.names
        np.testing.assert_array_equal(found.saturated, expected.saturated)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((cifar(), batch(0)), {}, r"\[0, 3, 16, 16\]"),
        ((cifar().to("meta"), batch().to("meta")), {}, "meta"),
        ((Encoder(tokens=False), vectors()), {}, "Encoder"),
        ((cifar(), batch()), {"unit_dim": 0}, "unit_dim=0"),
        ((cifar(), batch()), {"unit_dim": -4}, "unit_dim=-4"),
    ],
)
def test_health_refuses_what_it_cannot_take(arguments, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        probes.unit_health(*arguments, **options)
