"""What `explorers` promises: every control moves the picture, and the picture shows what the probe measured."""

import inspect

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from torch.nn import functional as F

from resnet_edu import explorers, models, plots, probes
from resnet_edu.explorers.core import in_words
from resnet_edu.training import recipes


def images(n=4):
    return torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def labels(n=4):
    return torch.arange(n) % 10


START = {"depth": 8, "activation": "relu", "init": "default", "norm": None, "skip": False}


# --- gradient_profile -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{}, {"skip": True}, {"norm": "batch"}, {"init": "he", "activation": "tanh"}])
def test_the_profile_is_what_gradient_norms_records(change):
    settings = {**START, **change}
    found, loss = explorers.gradient_profile(images(), labels(), seed=3, **settings)
    torch.manual_seed(3)
    skip = settings.pop("skip")
    net = models.CifarNet(**settings, residual=skip)
    norms = probes.GradientNorms(net)
    expected = F.cross_entropy(net(images()), labels())
    expected.backward()
    norms.record()
    assert found.shape == (8,)
    np.testing.assert_array_equal(found, norms.numpy()[0])
    assert loss == pytest.approx(expected.item())


def test_the_profile_depends_on_its_seed_and_on_nothing_else():
    before = torch.get_rng_state()
    first, _ = explorers.gradient_profile(images(), labels(), **START)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    again, _ = explorers.gradient_profile(images(), labels(), **START)
    other, _ = explorers.gradient_profile(images(), labels(), seed=1, **START)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


# --- gradient_flow ----------------------------------------------------------------------------------------------------


def curve(explorer, label):
    (ax,) = explorer.figure.axes
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def test_the_picture_shows_the_profile_of_the_controls():
    explorer = explorers.gradient_flow(images(), labels(), seed=2, depth=14)
    assert explorer.settings() == {**START, "depth": 14}
    norms, loss = explorers.gradient_profile(images(), labels(), seed=2, **explorer.settings())
    layers, values = curve(explorer, "this setting")
    np.testing.assert_array_equal(layers, range(1, 15))
    np.testing.assert_array_equal(values, norms)
    (ax,) = explorer.figure.axes
    assert f"{norms[0] / norms[-2]:.2g}" in ax.get_title() and f"{loss:.3g}" in ax.get_title()
    assert ax.get_yscale() == "log" and "layer" in ax.get_xlabel() and "norm" in ax.get_ylabel()


CHANGES = {"depth": 20, "activation": "sigmoid", "init": "he", "norm": "batch", "skip": True}


@pytest.mark.parametrize("name", CHANGES)
def test_every_control_moves_the_picture(name, page):
    explorer = explorers.gradient_flow(images(), labels(), depth=8)
    assert set(explorer.controls) == set(CHANGES) == set(inspect.signature(explorers.gradient_profile).parameters) - {
        "images", "labels", "seed",
    }  # fmt: skip
    before, shown = curve(explorer, "this setting"), len(page)
    explorer.controls[name].value = CHANGES[name]
    after, _ = explorers.gradient_profile(images(), labels(), **{**START, name: CHANGES[name]})
    np.testing.assert_array_equal(curve(explorer, "this setting")[1], np.where(after > 0, after, np.nan))
    np.testing.assert_array_equal(curve(explorer, "setting before"), before)  # what it was stays as a gray line
    assert len(page) == shown + 1
    assert page[-1]["update"] and page[-1]["transient"] == page[-2]["transient"]  # in place
    assert page[-1]["data"]["image/png"] != page[-2]["data"]["image/png"]
    assert in_words({name: CHANGES[name]}) in page[-1]["metadata"]["image/png"]["alt"]


def test_every_choice_of_every_control_can_be_drawn():
    explorer = explorers.gradient_flow(images(2), labels(2), depth=8)
    for name in ("activation", "init", "norm"):
        menu = explorer.controls[name]
        for i in range(len(menu.options)):
            menu.index = i
            assert menu.value is not None, "ipywidgets shows an option of the value None as nothing chosen"
            assert explorer.settings()[name] == (None if menu.value == "none" else menu.value)
    for skip in (True, False):
        explorer.controls["skip"].value = skip


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_nothing_falls_off_the_axis(activation):
    explorer = explorers.gradient_flow(images(2), labels(2), depth=8)
    (ax,) = explorer.figure.axes
    explorer.controls["activation"].value = activation
    explorer.controls["depth"].value = 56  # the deepest plain nets have norms of 1e-42, and below those exact zeros
    norms, _ = explorers.gradient_profile(images(2), labels(2), **explorer.settings())
    low, high = ax.get_ylim()
    assert low < norms[norms > 0].min() and norms.max() < high
    at_zero, bottom = curve(explorer, "exactly 0")
    np.testing.assert_array_equal(at_zero, np.flatnonzero(norms == 0) + 1)
    assert (bottom == low).all()
    assert len(at_zero) == (0 if activation == "relu" else np.count_nonzero(norms == 0) or pytest.fail("no zero"))


def test_the_page_gets_the_controls_and_then_the_picture(page):
    explorers.gradient_flow(images(), labels(), depth=8)
    kinds = ["image/png" in output["data"] for output in page]
    assert kinds == [False, True]
    assert "application/vnd.jupyter.widget-view+json" in page[0]["data"]
    assert "depth" in page[1]["metadata"]["image/png"]["alt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((images().numpy(), labels()), "float images"),
        ((images()[0], labels()), "float images"),
        ((images(0), labels(0)), "float images"),
        ((images().byte(), labels()), "float images"),
        ((images().to("meta"), labels().to("meta")), "images are on meta"),
        ((images(), labels().to("meta")), "labels on meta"),
        ((images(), labels(3)), r"one label an image: a tensor of int64 \[4\]"),
        ((images(), labels().float()), r"one label an image: a tensor of int64 \[4\]"),
        ((images(), [0, 1, 2, 3]), "one label an image"),
        ((images(), labels() + 9), "labels have to be 0 to 9; they are 9 to 12"),
    ],
)
def test_gradient_flow_refuses_what_it_cannot_take(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        explorers.gradient_flow(*arguments)
    with pytest.raises((ValueError, TypeError), match=message):
        explorers.gradient_profile(*arguments, **START)


@pytest.mark.parametrize("depth", [57, 2, 62, 8.5, "56", None])
def test_gradient_flow_offers_depths_that_exist(depth):
    with pytest.raises(ValueError, match=r"depth=.*: choose one of 8, 14, 20, 26, 32, 38, 44, 50, 56"):
        explorers.gradient_flow(images(), labels(), depth=depth)


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


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        ({}, "at least one entry"),
        ([1], "it was given list"),
        ({"plain": [1.0]}, r"have to be \[steps, layers\]"),
        (
            {"plain": [[1.0]], "residual": [[1.0], [2.0]]},
            "the same number of recorded steps.*'plain': 1, 'residual': 2",
        ),
    ],
)
def test_gradient_steps_refuses_what_it_cannot_take(recordings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        explorers.gradient_steps(recordings)


# --- initialization ---------------------------------------------------------------------------------------------------


def scales(**change):
    return explorers.scale_profile(images(), labels(), **{"gain": 1.0, "norm": None, "depth": 20, **change})


def test_the_scale_profile_is_what_signal_measures_in_a_net_of_that_gain():
    found = scales(gain=0.5, seed=3)
    torch.manual_seed(3)
    net = models.CifarNet(20, residual=False, norm=None, init="he")
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(0.5)
    expected = probes.signal(net, images(), labels())
    assert found.names == expected.names
    np.testing.assert_allclose(found.activation, expected.activation, rtol=1e-4)
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-4)


def test_the_scale_profile_moves_no_random_state():
    before = torch.get_rng_state()
    first = scales()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    np.testing.assert_array_equal(first.activation, scales().activation)
    assert not np.array_equal(first.activation, scales(seed=1).activation)


def panel(explorer, side, label):
    (line,) = [line for line in explorer.figure.axes[side].lines if line.get_label() == label]
    return np.asarray(line.get_ydata())


INITIALIZATION = {"gain": 0.5, "norm": True, "activation": "tanh"}


@pytest.mark.parametrize("name", INITIALIZATION)
def test_every_control_of_initialization_moves_both_pictures(name, page):
    explorer = explorers.initialization(images(), labels(), seed=2)
    assert explorer.settings() == {"gain": 1.0, "norm": False, "activation": "relu"}
    before = [panel(explorer, side, "this setting") for side in (0, 1)]
    shown = len(page)
    explorer.controls[name].value = INITIALIZATION[name]
    settings = explorer.settings()
    settings["norm"] = "batch" if settings["norm"] else None
    expected = explorers.scale_profile(images(), labels(), seed=2, **settings)
    for side, values in enumerate((expected.activation, expected.gradient)):
        np.testing.assert_array_equal(panel(explorer, side, "this setting"), values)
        np.testing.assert_array_equal(panel(explorer, side, "setting before"), before[side])
        low, high = explorer.figure.axes[side].get_ylim()
        assert low <= values.min() and values.max() <= high
    assert len(page) == shown + 1 and page[-1]["update"]
    assert page[-1]["data"]["image/png"] != page[-2]["data"]["image/png"]


def test_what_is_exactly_zero_is_a_cross_on_the_bottom_line():
    explorer = explorers.initialization(images(2), labels(2), depth=56)
    explorer.controls["activation"].value = "sigmoid"
    explorer.controls["gain"].value = 0.25
    ax = explorer.figure.axes[1]
    (zeros,) = [line for line in ax.lines if line.get_label() == "exactly 0"]
    found = explorers.scale_profile(images(2), labels(2), gain=0.25, norm=None, activation="sigmoid", depth=56)
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


def test_with_padding_that_wraps_around_the_sigmoid_explodes_too():
    torch.manual_seed(0)
    net = models.CifarNet(20, residual=False, activation="sigmoid")
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.padding_mode = "circular"
    assert backward_factor(probes.signal(net, images(32), labels(32))) > 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gain": 0}, "gain=0: give a number above 0"),
        ({"gain": "1"}, "gain='1': give a number above 0"),
        ({"norm": "layer"}, "norm='layer': choose one of 'batch', None"),
        ({"activation": "sine"}, "activation='sine': choose one of"),
        ({"depth": 21}, "depth=21"),
    ],
)
def test_the_scale_profile_refuses_what_it_cannot_take(settings, message):
    with pytest.raises((ValueError, TypeError), match=message):
        scales(**settings)


@pytest.mark.parametrize("depth", [2, 21, 20.0, "20", True])
def test_initialization_offers_depths_that_exist(depth):
    with pytest.raises(ValueError, match=r"depth=.*: give a depth of 6n \+ 2"):
        explorers.initialization(images(), labels(), depth=depth)
    with pytest.raises(ValueError, match="float images"):
        explorers.initialization(images()[0], labels())


def test_settings_are_told_in_words_not_as_a_dict():
    settings = {"depth": 56, "norm": None, "skip": False, "strength": 1.0}
    assert in_words(settings) == "depth 56, norm none, skip no, strength 1.0"
    assert in_words({"layers": 1, "skip": True}) == "layers 1, skip yes"
