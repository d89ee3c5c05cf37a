"""What `explorers` promises: every control moves the picture, and the picture shows what the probe measured."""

import inspect

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from readable import curve, lines
from samples import batch, labels, pictures
from torch.nn import functional as F

from resnet_edu import explorers, models, plots, probes
from resnet_edu.explorers.core import in_words
from resnet_edu.training import recipes

X, Y = batch(4, seed=0), labels(4)
START = {"depth": 8, "activation": "relu", "init": "default", "norm": None, "skip": False}


# --- gradient_profile -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{}, {"skip": True}, {"norm": "batch"}, {"init": "he", "activation": "tanh"}])
def test_the_profile_is_what_gradient_norms_records(change):
    settings = {**START, **change}
    found, loss = explorers.gradient_profile(X, Y, seed=3, **settings)
    torch.manual_seed(3)
    skip = settings.pop("skip")
    net = models.CifarNet(**settings, residual=skip)
    norms = probes.GradientNorms(net)
    expected = F.cross_entropy(net(X), labels())
    expected.backward()
    norms.record()
    assert found.shape == (8,)
    np.testing.assert_array_equal(found, norms.numpy()[0])
    assert loss == pytest.approx(expected.item())


# --- gradient_flow ----------------------------------------------------------------------------------------------------


def test_the_picture_shows_the_profile_of_the_controls():
    explorer = explorers.gradient_flow(X, Y, seed=2, depth=14)
    assert explorer.settings() == {**START, "depth": 14}
    norms, loss = explorers.gradient_profile(X, Y, seed=2, **explorer.settings())
    layers, values = curve(explorer, "this setting")
    np.testing.assert_array_equal(layers, range(1, 15))
    np.testing.assert_array_equal(values, norms)
    (ax,) = explorer.figure.axes
    assert f"{norms[0] / norms[-2]:.2g}" in ax.get_title() and f"{loss:.3g}" in ax.get_title()
    assert ax.get_yscale() == "log" and "layer" in ax.get_xlabel() and "norm" in ax.get_ylabel()


CHANGES = {"depth": 20, "activation": "sigmoid", "init": "he", "norm": "batch", "skip": True}


@pytest.mark.parametrize("name", CHANGES)
def test_every_control_moves_the_picture(name, page):
    explorer = explorers.gradient_flow(X, Y, depth=8)
    assert set(explorer.controls) == set(CHANGES) == set(inspect.signature(explorers.gradient_profile).parameters) - {
        "images", "labels", "seed",
    }  # fmt: skip
    (_, before), shown = curve(explorer, "this setting"), len(page)
    explorer.controls[name].value = CHANGES[name]
    after, _ = explorers.gradient_profile(X, Y, **{**START, name: CHANGES[name]})
    np.testing.assert_array_equal(curve(explorer, "this setting")[1], after)
    np.testing.assert_array_equal(curve(explorer, "previous setting")[1], before)  # it stays as a gray line
    assert len(page) == shown + 1
    assert page[-1]["update"] and page[-1]["transient"] == page[-2]["transient"]  # in place
    assert page[-1]["data"]["image/png"] != page[-2]["data"]["image/png"]
    assert in_words({name: CHANGES[name]}) in page[-1]["metadata"]["image/png"]["alt"]


WITH_MENUS = {
    "gradient_flow": lambda: explorers.gradient_flow(X[:2], Y[:2], depth=8),
    "initialization": lambda: explorers.initialization(X[:2], Y[:2], depth=8),
    "skip_strength": lambda: explorers.skip_strength(X[:2], Y[:2], depth=8),
    "learning_rate": lambda: explorers.learning_rate(pictures(64, size=16)),
}


@pytest.mark.parametrize("build", WITH_MENUS.values(), ids=WITH_MENUS)
def test_every_choice_of_every_menu_can_be_drawn(build):
    explorer = build()
    for name, control in explorer.controls.items():
        for i in range(len(getattr(control, "options", ()))):
            control.index = i
            assert control.value is not None, "ipywidgets shows an option of the value None as nothing chosen"
            assert explorer.settings()[name] == (None if control.value == "none" else control.value)


def test_nothing_falls_off_the_axis():
    explorer = explorers.gradient_flow(X[:2], Y[:2], depth=8)
    (ax,) = explorer.figure.axes
    for activation in ("sigmoid", "relu"):
        explorer.controls["activation"].value = activation
        explorer.controls["depth"].value = 56  # the deepest plain nets have norms of 1e-42, and below those exact zeros
        norms, _ = explorers.gradient_profile(X[:2], Y[:2], **explorer.settings())
        low, high = ax.get_ylim()
        assert low < norms[norms > 0].min() and norms.max() < high
        at_zero, bottom = curve(explorer, "exactly 0") if activation == "sigmoid" else ([], np.array([low]))
        np.testing.assert_array_equal(at_zero, np.flatnonzero(norms == 0) + 1)
        assert (bottom == low).all() and ("exactly 0" in lines(ax)) == (activation == "sigmoid")


def test_an_explosion_is_marked_at_the_top_until_it_is_over(monkeypatch):
    explorer = explorers.gradient_flow(X[:2], Y[:2], depth=8)
    (ax,) = explorer.figure.axes
    profile = np.array([np.inf, np.nan, 2.0, 3.0])
    monkeypatch.setattr(explorers.gradients, "gradient_profile", lambda *_, **__: (profile, 1.0))
    explorer.controls["skip"].value = True
    assert [list(of) for of in curve(explorer, "infinite")] == [[1], [ax.get_ylim()[1]]]
    assert [list(of) for of in curve(explorer, "NaN")] == [[2], [ax.get_ylim()[1]]]
    assert {"infinite", "NaN"} <= {text.get_text() for text in ax.get_legend().get_texts()}
    profile = np.ones(4)
    monkeypatch.setattr(explorers.gradients, "gradient_profile", lambda *_, **__: (profile, 1.0))
    explorer.controls["skip"].value = False
    assert set(lines(ax)) == {"this setting", "previous setting"}


def test_the_page_gets_the_controls_and_then_the_picture(page):
    explorers.gradient_flow(X, Y, depth=8)
    kinds = ["image/png" in output["data"] for output in page]
    assert kinds == [False, True]
    assert "application/vnd.jupyter.widget-view+json" in page[0]["data"]
    assert "depth" in page[1]["metadata"]["image/png"]["alt"]


def test_under_voila_the_picture_stands_below_the_controls_and_changes(page, monkeypatch):
    monkeypatch.setenv("VOILA_BASE_URL", "/")
    displayed = []
    monkeypatch.setattr(explorers.core, "_put", displayed.append)
    explorer = explorers.gradient_flow(X, Y, depth=8)
    picture = explorer._handle.value
    explorer.controls["skip"].value = True
    assert displayed[0].children[-1] is explorer._handle and "depth" in explorer._handle.tooltip
    assert not page and picture[:4] == b"\x89PNG" and explorer._handle.value != picture


# --- gradient_steps ---------------------------------------------------------------------------------------------------

TABLES = {
    "plain": np.array([[1e-9, 1.0], [0.0, 2.0], [1e-3, 3.0]]),
    "residual": np.array([[0.5, 0.6], [0.7, 0.8], [0.9, 1e4]]),
}


def test_the_slider_moves_every_net_to_its_step(page):
    explorer = explorers.gradient_steps(TABLES)
    (ax,) = explorer.figure.axes
    slider = explorer.controls["step"]
    assert (slider.min, slider.max) == (0, 2)
    limits = ax.get_ylim()
    assert limits[0] < 1e-9 and limits[1] > 1e4  # one axis for all the steps
    for step in (0, 2, 1):
        slider.value = step
        for label, table in TABLES.items():
            np.testing.assert_array_equal(curve(explorer, label)[1], table[step])
        assert ax.get_title() == f"step {step}" and ax.get_ylim() == limits
        assert {to_hex(line.get_color()).upper() for line in ax.get_xgridlines()} == {plots.LOOK["grid.color"]}
        zeros = [layer for line in ax.lines if line.get_marker() == "x" for layer in line.get_xdata()]
        assert zeros == ([1] if step == 1 else [])
    assert f"step {slider.value}" in page[-1]["metadata"]["image/png"]["alt"]


def test_the_slider_counts_the_recorded_steps(page):
    kept = recipes.RecordedNorms(["a", "b"], np.array([0, 10, 20]), TABLES["plain"])
    explorer = explorers.gradient_steps({"plain": kept})
    slider = explorer.controls["step"]
    assert (slider.min, slider.max, slider.step) == (0, 20, 10)
    slider.value = 20
    np.testing.assert_array_equal(curve(explorer, "plain")[1], TABLES["plain"][2])
    assert explorer.figure.axes[0].get_title() == "step 20"


# --- initialization ---------------------------------------------------------------------------------------------------


def scales(**change):
    return explorers.scale_profile(X, Y, **{"gain": 1.0, "norm": None, "depth": 20, **change})


def test_the_scale_profile_is_what_signal_measures_in_a_net_of_that_gain():
    found = scales(gain=0.5, seed=3)
    torch.manual_seed(3)
    net = models.CifarNet(20, residual=False, norm=None, init="he")
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(0.5)
    expected = probes.signal(net, X, Y)
    assert found.names == expected.names
    np.testing.assert_allclose(found.activation, expected.activation, rtol=1e-4)
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-4)


INITIALIZATION = {"gain": 0.5, "norm": True, "activation": "tanh"}


@pytest.mark.parametrize("name", INITIALIZATION)
def test_every_control_of_initialization_moves_both_pictures(name, page):
    explorer = explorers.initialization(X, Y, seed=2)
    assert explorer.settings() == {"gain": 1.0, "norm": False, "activation": "relu"}
    before = [curve(explorer, "this setting", side)[1] for side in (0, 1)]
    shown = len(page)
    explorer.controls[name].value = INITIALIZATION[name]
    settings = explorer.settings()
    settings["norm"] = "batch" if settings["norm"] else None
    expected = explorers.scale_profile(X, Y, seed=2, **settings)
    for side, values in enumerate((expected.activation, expected.gradient)):
        np.testing.assert_array_equal(curve(explorer, "this setting", side)[1], values)
        np.testing.assert_array_equal(curve(explorer, "previous setting", side)[1], before[side])
        low, high = explorer.figure.axes[side].get_ylim()
        assert low <= values.min() and values.max() <= high
    assert len(page) == shown + 1 and page[-1]["update"]
    assert page[-1]["data"]["image/png"] != page[-2]["data"]["image/png"]


def test_what_is_exactly_zero_is_a_cross_on_the_bottom_line():
    explorer = explorers.initialization(X[:2], Y[:2], depth=56)
    explorer.controls["activation"].value = "sigmoid"
    explorer.controls["gain"].value = 0.25
    ax = explorer.figure.axes[1]
    zeros = lines(ax)["exactly 0"]
    found = explorers.scale_profile(X[:2], Y[:2], gain=0.25, norm=None, activation="sigmoid", depth=56)
    np.testing.assert_array_equal(zeros.get_xdata(), np.flatnonzero(found.gradient == 0) + 1)
    assert len(zeros.get_xdata()) and set(zeros.get_ydata()) == {ax.get_ylim()[0]}
    assert "backward none" in explorer.figure.get_suptitle()


def backward_factor(found):
    return (found.gradient[1] / found.gradient[-2]) ** (1 / (len(found.gradient) - 3))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_lesson_04_says_that_its_explorer_shows(seed):
    one, two = (scales(gain=2**-power, seed=seed).activation for power in (0.25, 0.5))
    assert one[-2] / one[0] > 1e-3 > two[-2] / two[0]  # two steps of the slider
    small, large = (backward_factor(scales(gain=gain, norm="batch", seed=seed)) for gain in (0.25, 4))
    assert small == pytest.approx(large, abs=0.01) and small > 1.1
    tanh = backward_factor(scales(norm="batch", activation="tanh", seed=seed))
    assert 1.05 < tanh < 1.15
    assert backward_factor(scales(norm="batch", activation="sigmoid", seed=seed)) < 1
    level = scales(activation="tanh", seed=seed)
    for values in (level.activation[:-1], level.gradient[:-1]):
        assert values.max() / values.min() < 10


SKIP = {"strength": 1.0, "depth": 8, "norm": None}
PURE = {
    "gradient_profile": lambda seed: explorers.gradient_profile(X, Y, seed=seed, **START)[0],
    "scale_profile": lambda seed: scales(seed=seed).activation,
    "skip_profile": lambda seed: explorers.skip_profile(X, Y, seed=seed, **SKIP)[0],
    "skip_training": lambda seed: explorers.skip_training(pictures(64), steps=1, seed=seed, **SKIP),
    "pathology": lambda seed: explorers.pathology(
        X, Y, setting="skip, He, no norm", depth=8, view="cosines", seed=seed
    )[0],
    "block_profile": lambda seed: explorers.block_profile(X, Y, block="plain", blocks=2, seed=seed)[0],
    "sgd_losses": lambda seed: explorers.sgd_losses(pictures(64, size=16), lr=0.1, seed=seed),
}


@pytest.mark.parametrize("numbers", PURE.values(), ids=PURE)
def test_what_is_shown_depends_on_the_seed_and_not_on_the_random_state(numbers):
    before = torch.get_rng_state()
    first = numbers(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    np.testing.assert_array_equal(first, numbers(0))
    assert not np.array_equal(first, numbers(1))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: explorers.gradient_flow(X, Y, depth=57), "depth=57"),
        (lambda: explorers.gradient_profile(X, Y, seed=1.5, **START), "seed=1.5"),
        (lambda: explorers.gradient_steps({"plain": [[1.0]], "residual": [[1.0], [2.0]]}), "'residual': 2"),
        (lambda: explorers.pathologies(X, Y, depth=9), "depth=9"),
        (lambda: explorers.pathology(X, Y, setting="skip, He, no norm", depth=8, view="x"), "view='x'"),
        (lambda: explorers.skip_training(pictures(192), steps=4, strength=1.0, depth=8, norm=None), "256 images"),
        (lambda: explorers.skip_strength(X, Y, pictures(192)), "2560 images"),
        (lambda: explorers.kernel_on_image(pictures(5), image=5), "image=5"),
        (lambda: explorers.kernel_response(pictures().images[0] / 255, np.eye(3)), "image: give uint8"),
        (lambda: explorers.receptive_fields(kernel=2), "kernel=2"),
        (lambda: explorers.lesion({"a": (None, ["b"]), "b": (None, [])}, X, Y, "abcdefghij"), "'b': 0"),
        (lambda: explorers.lesion_answers(None, [], X, Y, first=0, count=1), "first=0"),
        (lambda: explorers.lesion_answers(None, [], X, Y, first=1, count=-1), "count=-1"),
        (lambda: explorers.stages(models.resnet18(width=4), pictures(2), size=32, position=9), "position=9"),
    ],
)
def test_a_setting_that_would_be_taken_for_another_is_refused(call, name):
    with pytest.raises((ValueError, TypeError), match=name):
        call()
