"""What `explorers.skip_strength` promises: its controls move the left picture, its button draws in the right one."""

from unittest.mock import Mock

import numpy as np
import pytest
import torch
from readable import curve, lines
from samples import batch, labels, pictures
from torch.nn import functional as F

from resnet_edu import explorers, models, probes
from resnet_edu.explorers.core import in_words

START = {"strength": 1.0, "depth": 8, "norm": None}


X, Y, TRAIN = batch(4, size=8, seed=0), labels(4), pictures(192)


@pytest.mark.parametrize("change", [{}, {"strength": 0.5}, {"norm": "batch", "strength": -1.0}, {"depth": 20}])
def test_the_profile_is_what_gradient_norms_records(change):
    settings = START | change
    found, loss = explorers.skip_profile(X, Y, seed=3, **settings)
    torch.manual_seed(3)
    net = models.CifarNet(
        settings["depth"], residual=True, skip_scale=settings["strength"], norm=settings["norm"],
        init="default" if settings["norm"] is None else "he",
    )  # fmt: skip
    norms = probes.GradientNorms(net)
    expected = F.cross_entropy(net(X), labels())
    expected.backward()
    norms.record()
    np.testing.assert_array_equal(found, norms.numpy()[0])
    assert loss == pytest.approx(expected.item())


def test_training_gives_a_loss_a_step_and_breaks_off_where_it_diverges():
    losses = explorers.skip_training(TRAIN, steps=2, **START)
    assert len(losses) == 2 and losses == explorers.skip_training(TRAIN, steps=2, **START)
    assert losses != explorers.skip_training(TRAIN, steps=2, **START | {"strength": 0.5})
    exploded = explorers.skip_training(TRAIN, steps=3, strength=2.0, depth=56, norm=None)
    assert len(exploded) < 3 and np.isfinite(exploded).all()


CHANGES = {"strength": 0.5, "depth": 20, "norm": "batch"}


@pytest.mark.parametrize("name", CHANGES)
def test_every_control_moves_the_picture(name, page):
    explorer = explorers.skip_strength(X, Y, depth=8)
    assert explorer.settings() == START and set(explorer.controls) == set(CHANGES)
    before = curve(explorer, "this setting")[1]
    explorer.controls[name].value = CHANGES[name]
    after, loss = explorers.skip_profile(X, Y, **START | {name: CHANGES[name]})
    np.testing.assert_array_equal(curve(explorer, "this setting")[1], after)
    np.testing.assert_array_equal(curve(explorer, "previous setting")[1], before)
    assert f"{loss:.3g}" in explorer.figure.axes[0].get_title()
    assert page[-1]["update"] and in_words({name: CHANGES[name]}) in page[-1]["metadata"]["image/png"]["alt"]


def test_the_button_trains_and_its_curves_stay(page, monkeypatch):
    made, colors = [], []

    def training(train, **settings):
        made.append(settings)
        return [3.0, 1.0] if settings["strength"] == 2 else [2.0] * 40

    monkeypatch.setattr("resnet_edu.explorers.blocks.skip_training", training)
    explorer = explorers.skip_strength(X, Y, pictures(40 * 64), depth=8)
    (button,) = explorer.buttons.values()
    for strength in (1.0, 2.0, 0.5, 0.0, -1.0):
        explorer.controls["strength"].value = strength
        button.click()
        assert made[-1] == {"strength": strength, "depth": 8, "norm": None, "seed": 0} and not button.disabled
        assert f"a = {strength:g}, 8 layers, no norm" in page[-1]["metadata"]["image/png"]["alt"]
        colors.append({label: line.get_color() for label, line in lines(explorer.figure.axes[1]).items()})
    kept = colors[3].items() & colors[4].items()
    assert len(kept) == 4 and len(set(colors[4].values())) == 5  # the level of guessing is one of them
    _, *legend = [text.get_text() for text in explorer.figure.axes[1].get_legend().get_texts()]
    assert legend == [f"a = {a}, 8 layers, no norm: {end}" for a, end in
                      [("2", "not finite"), ("0.5", "2.00"), ("0", "2.00"), ("-1", "2.00")]]  # fmt: skip
    steps, losses = curve(explorer, legend[0], panel=1)
    assert list(steps) == [1, 2] and list(losses) == [3.0, 2.0]  # a running mean


def test_a_stop_says_so_on_the_button_until_it_is_pressed_again(page, monkeypatch):
    monkeypatch.setattr("resnet_edu.explorers.blocks.skip_training", Mock(side_effect=[KeyboardInterrupt, [2.0] * 40]))
    explorer = explorers.skip_strength(X, Y, pictures(40 * 64), depth=8)
    (text, button), shown = *explorer.buttons.items(), len(page)
    button.click()
    assert "stopped" in button.description and not button.disabled and len(page) == shown
    button.click()
    assert button.description == text and len(page) == shown + 1


def test_without_images_there_is_no_button():
    explorer = explorers.skip_strength(X, Y, depth=8)
    assert explorer.buttons == {} and not explorer.figure.axes[1].get_visible()


def test_every_strength_fits_on_the_axis():
    explorer = explorers.skip_strength(X[:2], Y[:2], depth=56)
    explorer.controls["norm"].value = "batch"
    slider = explorer.controls["strength"]
    for value in np.arange(slider.min, slider.max + 0.1, slider.step):
        slider.value = float(value)
        low, high = explorer.figure.axes[0].get_ylim()
        shown = curve(explorer, "this setting")[1]
        assert low < np.nanmin(shown) and np.nanmax(shown) < high
