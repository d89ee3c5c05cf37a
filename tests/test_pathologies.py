"""Shattering, its figures and the explorer of pathologies: the numbers equal slow formulas, the net stays as it was."""

import copy
import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from readable import curve, drawn, lines
from samples import batch as images
from samples import cifar, labels
from test_probes import Fails, assert_as_it_was, mixed_modes, starts_in_place, state, torchvision_resnet
from torch import nn
from torch.nn import functional as F

from resnet_edu import data, explorers, models, plots, probes
from resnet_edu.explorers.gradients import POINTS, SETTINGS, VIEWS

# --- the probe --------------------------------------------------------------------------------------------------------


def slow_cosines(net, start, end, points, calibrate):
    """One point after the other, each by itself; sums in Python's own arithmetic."""
    net = copy.deepcopy(net).eval()
    if calibrate is not None:
        norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1.0
            norm.train()
        net(calibrate)
    net.eval()
    gradients = []
    for k in range(points):
        x = (start + k / (points - 1) * (end - start))[None].clone().requires_grad_()
        net(x).sum().backward()
        gradients.append(x.grad.double().flatten().tolist())
    lengths = [math.sqrt(math.fsum(v * v for v in g)) for g in gradients]
    return lengths, [
        [math.fsum(a * b for a, b in zip(g, h, strict=True)) / (m * n) for h, n in zip(gradients, lengths, strict=True)]
        for g, m in zip(gradients, lengths, strict=True)
    ]


NETS = {
    "plain": lambda: cifar(residual=False),
    "residual": cifar,
    "without norm": lambda: cifar(norm=None, init="default"),
    "torchvision resnet": torchvision_resnet,
}


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("build", NETS.values(), ids=NETS)
def test_cosines_equal_a_slow_formula(build, calibrated):
    net, x = build(), images(6, size=32)
    for _ in range(3):
        net(2 * images(8, size=32, seed=5) + 1)  # running statistics of its own
    batch = x if calibrated else None
    found = probes.shattering(net, x[0], x[1], points=5, calibrate=batch)
    norm, matrix = slow_cosines(net, x[0], x[1], 5, batch)
    np.testing.assert_allclose(found.norm, norm, rtol=1e-3)
    np.testing.assert_allclose(found.matrix, matrix, atol=2e-3)
    assert found.cosine.shape == (4,) and found.matrix.dtype == found.norm.dtype == np.float64
    np.testing.assert_array_equal(found.cosine, [found.matrix[i, i + 1] for i in range(4)])


def test_a_linear_net_has_one_gradient_everywhere():
    net = nn.Linear(5, 3)
    found = probes.shattering(net, torch.zeros(5), torch.ones(5), points=7)
    np.testing.assert_allclose(found.matrix, 1, atol=1e-6)
    np.testing.assert_allclose(found.norm, net.weight.sum(0).norm().item(), rtol=1e-6)


class Bowl(nn.Module):
    def forward(self, x):
        return 1e-20 * x.square()


def test_the_gradient_turns_where_the_function_does():
    found = probes.shattering(Bowl(), torch.tensor([-3.0]), torch.tensor([3.0]), points=4)
    np.testing.assert_allclose(found.cosine, [1, -1, 1])  # at -3, -1, 1, 3
    np.testing.assert_allclose(found.norm, [6e-20, 2e-20, 2e-20, 6e-20], rtol=1e-5)  # their squares are below float32
    assert repr(found) == "Shattering(4 points, mean cosine of neighbors 0.333)"


def test_a_gradient_of_zero_has_no_direction():
    found = probes.shattering(Bowl(), torch.tensor([-1.0]), torch.tensor([1.0]), points=3)
    assert np.isnan(found.cosine).all() and found.norm[1] == 0 and not np.isnan(found.matrix[0, 2])


def test_calibration_is_what_batchnorm_does_in_train_mode():
    net, x = cifar(), images(16)
    tuned = copy.deepcopy(net)
    for m in tuned.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 1.0
    tuned.train()(x)
    expected = probes.shattering(tuned, x[0], x[1], points=4)
    found = probes.shattering(net, x[0], x[1], points=4, calibrate=x)
    np.testing.assert_allclose(found.matrix, expected.matrix, atol=1e-4)
    without = probes.shattering(net, x[0], x[1], points=4)
    assert not np.allclose(found.norm, without.norm, rtol=0.1)


def test_a_net_that_starts_in_place_has_a_gradient_and_leaves_what_it_is_given():
    x = images()
    found, expected = (
        probes.shattering(starts_in_place(inplace), x[0], x[1], points=3, calibrate=x) for inplace in (True, False)
    )
    np.testing.assert_array_equal(found.matrix, expected.matrix)
    np.testing.assert_array_equal(found.norm, expected.norm)
    assert torch.equal(x, images())


def momenta(net):
    return [m.momentum for m in net.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize("build", [*NETS.values(), lambda: cifar(stochastic_depth_prob=0.5)])
@pytest.mark.parametrize("fails", [None, "forward", "backward"])
def test_the_net_is_left_as_it_was_whatever_happens(build, fails):
    net, x = mixed_modes(build()), images(4, size=32)
    for i, m in enumerate(m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
        m.momentum = 0.1 + 0.001 * i
    before, momentum, kept = state(net), momenta(net), x.clone()
    calls = []

    def stop(_layer, _inputs, output):
        calls.append(1)
        if fails == "forward" and len(calls) == 2:  # the calibration runs, the points do not
            raise RuntimeError("forward fails")
        return Fails.apply(output) if fails == "backward" else output

    handle = net.fc.register_forward_hook(stop)
    with torch.no_grad(), pytest.raises(RuntimeError, match=f"{fails} fails") if fails else nullcontext():
        probes.shattering(net, x[0], x[1], points=3, calibrate=x)
    handle.remove()
    assert len(calls) == 2
    assert_as_it_was(net, before)
    assert momenta(net) == momentum
    assert torch.equal(x, kept) and not x.requires_grad


A = torch.zeros(3, 16, 16)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((cifar().to("meta"), A.to("meta"), A.to("meta")), {}, "meta"),
        ((cifar(), A, A), {"points": 1}, "points=1"),
        ((nn.BatchNorm2d(3, track_running_stats=False), A, A), {}, "BatchNorm"),
        ((nn.Flatten(0), A, A), {}, r"\[64"),
    ],
)
def test_shattering_refuses_what_it_cannot_take(arguments, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        probes.shattering(*arguments, **options)


# --- the figures ------------------------------------------------------------------------------------------------------


MATRIX = np.array([[1.0, -0.5, np.nan], [-0.5, 1.0, 0.25], [np.nan, 0.25, 1.0]])
FOUND = probes.Shattering(np.ones(3), MATRIX)


def test_cosine_maps_show_the_matrices_on_one_scale():
    figure = drawn(plots.cosine_maps({"plain": FOUND, "residual": MATRIX[:2, :2].tolist()}))
    *panels, bar = figure.axes
    assert [ax.get_title() for ax in panels] == ["plain", "residual"] and bar.get_ylabel() == "cosine"
    for ax, expected in zip(panels, (MATRIX, MATRIX[:2, :2]), strict=True):
        (image,) = ax.images
        shown = image.get_array()
        np.testing.assert_array_equal(shown.filled(np.nan), expected)
        assert image.get_clim() == (-1, 1)
        assert image.get_cmap().name == "PuOr"


def test_cosine_lines_show_neighbors_between_their_points():
    figure = drawn(plots.cosine_lines({"plain": FOUND, "residual": [0.1, 0.2, 0.3]}))
    (ax,) = figure.axes
    plain, residual = ax.lines[:2]
    np.testing.assert_array_equal(plain.get_ydata(), [-0.5, 0.25])
    np.testing.assert_array_equal(residual.get_xdata(), [0.5, 1.5, 2.5])
    low, high = ax.get_ylim()
    assert low < -1 and high > 1
    assert plain.get_color() == plots.VERMILLION and residual.get_color() == plots.BLUE


def test_profile_grid_gives_each_profile_a_panel_on_one_scale():
    given = {"case A": [1e-9, 0.0, 1.0], "case B": [2.0, 3.0], "case C": [4.0], "D": [1.0], "E": [1.0]}
    figure = drawn(plots.profile_grid(given))
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title() for ax in panels] == list(given)
    assert len({ax.get_ylim() for ax in panels}) == 1
    for ax, norms in zip(panels, given.values(), strict=True):
        line, *crosses = ax.lines
        np.testing.assert_array_equal(line.get_ydata(), norms)
        zeros = [layer for mark in crosses for layer in mark.get_xdata()]
        np.testing.assert_array_equal(zeros, np.flatnonzero(np.array(norms) == 0) + 1)
        assert ax.get_yscale() == "log"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["exactly 0"]
    assert drawn(plots.profile_grid({"a": [1.0]})).legends == []


def test_by_rate_draws_each_accuracy_at_its_rate():
    figure = drawn(plots.by_rate({"plain-20": {0.3: 0.2, 0.02: 0.4}, "deep": {0.1: 0.15}}, before=0.41))
    (ax,) = figure.axes
    found = lines(ax)
    np.testing.assert_array_equal(found["plain-20"].get_xdata(), [0.02, 0.3])  # in order
    np.testing.assert_array_equal(found["plain-20"].get_ydata(), [0.4, 0.2])
    assert list(found["before"].get_ydata()) == [0.41, 0.41]
    assert ax.get_xscale() == "log" and [t.get_text() for t in ax.get_xticklabels()] == ["0.02", "0.1", "0.3"]
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 0.41
    assert 0.1 in [text.get_position()[1] for text in ax.texts]  # chance
    assert "before" not in [line.get_label() for line in plots.by_rate({"a": {0.1: 0.5}}).axes[0].lines]


# --- the explorer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_pathology_is_what_the_probes_measure(setting):
    x, y = images(), labels()
    norms, loss = explorers.pathology(x, y, setting=setting, depth=8, view="norms", seed=3)
    cosines, same_loss = explorers.pathology(x, y, setting=setting, depth=8, view="cosines", seed=3)
    torch.manual_seed(3)
    net = models.CifarNet(8, **SETTINGS[setting])
    line = probes.shattering(net, x[0], x[1], points=POINTS, calibrate=x)
    recorder = probes.GradientNorms(net)
    expected = F.cross_entropy(net.train()(x), y)
    expected.backward()
    recorder.record()
    np.testing.assert_allclose(norms, recorder.numpy()[0], rtol=1e-4, atol=1e-30)
    np.testing.assert_allclose(cosines, line.cosine, atol=1e-4)
    assert loss == same_loss == pytest.approx(expected.item(), rel=1e-5)
    assert norms.shape == (8,) and cosines.shape == (POINTS - 1,)


CHANGES = {"setting": "skip, He, BatchNorm", "view": "cosines", "depth": 14}


@pytest.mark.parametrize("name", CHANGES)
def test_every_control_moves_the_picture(name, page):
    explorer = explorers.pathologies(images(), labels(), depth=8)
    assert set(explorer.controls) == set(CHANGES)
    before, shown = curve(explorer, "this setting")[1], len(page)
    explorer.controls[name].value = CHANGES[name]
    settings = explorer.settings()
    expected, loss = explorers.pathology(images(), labels(), **settings)
    np.testing.assert_array_equal(curve(explorer, "this setting")[1], expected)
    kept = [line.get_ydata() for label, line in lines(explorer.figure.axes[0]).items() if label == "previous setting"]
    np.testing.assert_array_equal(kept, [] if name == "view" else [before])  # another view has another scale
    assert len(page) == shown + 1 and page[-1]["update"]
    assert page[-1]["data"]["image/png"] != page[-2]["data"]["image/png"]
    assert f"{loss:.3g}" in page[-1]["metadata"]["image/png"]["alt"]


def test_every_choice_can_be_drawn_and_says_what_is_shown(recwarn):
    explorer = explorers.pathologies(images(2), labels(2), depth=8)
    (ax,) = explorer.figure.axes
    for view in VIEWS.values():
        for setting in SETTINGS:
            explorer.controls["view"].value, explorer.controls["setting"].value = view, setting
            low, high = ax.get_ylim()
            values = curve(explorer, "this setting")[1]
            values = values[np.isfinite(values) & (values != 0)]
            assert low <= values.min() and values.max() <= high
            assert ax.get_yscale() == ("log" if view == "norms" else "linear")
            assert ("norm" if view == "norms" else "cosine") in ax.get_ylabel()
            assert {line.get_color() for line in ax.get_xgridlines()} == {plots.LOOK["grid.color"]}
    assert not [told for told in recwarn if not issubclass(told.category, DeprecationWarning)]


def test_a_dead_gradient_has_no_direction_and_the_title_says_so():
    explorer = explorers.pathologies(images(2), labels(2), depth=56)
    explorer.controls["setting"].value = "plain, sigmoid, PyTorch's default, no norm"
    explorer.controls["view"].value = "cosines"
    assert "no direction" in explorer.figure.axes[0].get_title()


def test_the_explorer_holds_what_lesson_05_says_of_it():
    train, _ = data.load("sample", device="cpu", size=16)
    x, y = next(iter(train.batches(32, shuffle=True, seed=0)))

    def look(setting, view, depth=56):
        return explorers.pathology(x, y, setting=setting, depth=depth, view=view)[0]

    agreement = {depth: look("plain, He, BatchNorm", "cosines", depth).mean() for depth in (8, 20)}
    assert agreement[8] > 0.5 > agreement[20]
    vanished = look("plain, PyTorch's default, no norm", "norms")
    assert vanished[0] / vanished[-2] < 1e-19
    assert look("plain, PyTorch's default, no norm", "cosines").mean() > 0.8
    passed = [
        setting
        for setting in SETTINGS
        if (norms := look(setting, "norms")).max() < 100 * norms.min() and look(setting, "cosines").mean() > 0.5
    ]
    assert passed == ["skip, He, no norm", "skip, PyTorch's default, no norm"]
    assert explorers.pathology(x, y, setting=passed[0], depth=56, view="norms")[1] > 1000
    assert (look("skip, He, BatchNorm, zero gamma", "norms") == 0).sum() == 54
