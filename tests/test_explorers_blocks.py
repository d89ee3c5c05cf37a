"""What `explorers.skip_strength` promises: its controls move the left picture, its button draws in the right one."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from resnet_edu import data, explorers, models, probes
from resnet_edu.explorers.core import in_words

START = {"strength": 1.0, "depth": 8, "norm": None}


def images(n=4):
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def labels(n=4):
    return torch.arange(n) % 10


def train(n=192):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (n, 3, 8, 8), dtype=torch.uint8, generator=generator)
    return data.Images(pixels, torch.arange(n) % 10, data.CLASSES)


def curve(explorer, label, panel=0):
    (line,) = [line for line in explorer.figure.axes[panel].lines if line.get_label().startswith(label)]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


@pytest.mark.parametrize("change", [{}, {"strength": 0.5}, {"norm": "batch", "strength": -1.0}, {"depth": 20}])
def test_the_profile_is_what_gradient_norms_records(change):
    settings = START | change
    found, loss = explorers.skip_profile(images(), labels(), seed=3, **settings)
    torch.manual_seed(3)
    net = models.CifarNet(
        settings["depth"], residual=True, skip_scale=settings["strength"], norm=settings["norm"],
        init="default" if settings["norm"] is None else "he",
    )  # fmt: skip
    norms = probes.GradientNorms(net)
    expected = F.cross_entropy(net(images()), labels())
    expected.backward()
    norms.record()
    np.testing.assert_array_equal(found, norms.numpy()[0])
    assert loss == pytest.approx(expected.item())


def test_neither_profile_nor_training_moves_the_random_state():
    before = torch.get_rng_state()
    explorers.skip_profile(images(), labels(), **START)
    explorers.skip_training(train(), steps=1, **START)
    assert torch.equal(torch.get_rng_state(), before)


def test_training_gives_a_loss_a_step_and_breaks_off_where_it_diverges():
    losses = explorers.skip_training(train(), steps=2, **START)
    assert len(losses) == 2 and losses == explorers.skip_training(train(), steps=2, **START)
    assert losses != explorers.skip_training(train(), steps=2, **START | {"strength": 0.5})
    exploded = explorers.skip_training(train(), steps=3, strength=2.0, depth=56, norm=None)
    assert len(exploded) < 3 and np.isfinite(exploded).all()


CHANGES = {"strength": 0.5, "depth": 20, "norm": "batch"}


@pytest.mark.parametrize("name", CHANGES)
def test_every_control_moves_the_picture(name, page):
    explorer = explorers.skip_strength(images(), labels(), depth=8)
    assert explorer.settings() == START and set(explorer.controls) == set(CHANGES)
    before = curve(explorer, "this setting")[1]
    explorer.controls[name].value = CHANGES[name]
    after, loss = explorers.skip_profile(images(), labels(), **START | {name: CHANGES[name]})
    np.testing.assert_array_equal(curve(explorer, "this setting")[1], after)
    np.testing.assert_array_equal(curve(explorer, "setting before")[1], before)
    assert f"{loss:.3g}" in explorer.figure.axes[0].get_title()
    assert page[-1]["update"] and in_words({name: CHANGES[name]}) in page[-1]["metadata"]["image/png"]["alt"]


def test_the_button_trains_and_its_curves_stay(page, monkeypatch):
    made = []

    def training(train, **settings):
        made.append(settings)
        return [3.0, 1.0] if settings["strength"] == 2 else [2.0] * 40

    monkeypatch.setattr("resnet_edu.explorers.blocks.skip_training", training)
    explorer = explorers.skip_strength(images(), labels(), train(40 * 64), depth=8)
    (button,) = explorer.buttons.values()
    for strength in (1.0, 2.0, 0.5, 0.0, -1.0):
        explorer.controls["strength"].value = strength
        button.click()
        assert made[-1] == {"strength": strength, "depth": 8, "norm": None, "seed": 0} and not button.disabled
        assert f"a = {strength:g}, 8 layers, no norm" in page[-1]["metadata"]["image/png"]["alt"]
    legend = [text.get_text() for text in explorer.figure.axes[1].get_legend().get_texts()]
    assert legend == [f"a = {a}, 8 layers, no norm: {end}" for a, end in
                      [("2", "breaks off"), ("0.5", "2.00"), ("0", "2.00"), ("-1", "2.00")]]  # fmt: skip
    steps, losses = curve(explorer, "a = 2", panel=1)
    assert list(steps) == [1, 2] and list(losses) == [3.0, 2.0]  # a running mean


def test_without_images_there_is_no_button():
    explorer = explorers.skip_strength(images(), labels(), depth=8)
    assert explorer.buttons == {} and not explorer.figure.axes[1].get_visible()


def test_every_choice_can_be_drawn():
    explorer = explorers.skip_strength(images(2), labels(2), depth=8)
    for name in ("depth", "norm"):
        menu = explorer.controls[name]
        for i in range(len(menu.options)):
            menu.index = i
    slider = explorer.controls["strength"]
    for value in np.arange(slider.min, slider.max + 0.1, slider.step):
        slider.value = float(value)
        low, high = explorer.figure.axes[0].get_ylim()
        shown = curve(explorer, "this setting")[1]
        assert low < np.nanmin(shown) and np.nanmax(shown) < high


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explorers.skip_strength(images().numpy(), labels()), "float images"),
        (lambda: explorers.skip_strength(images(), labels(3)), "one label an image"),
        (lambda: explorers.skip_strength(images(), labels(), [1]), "train has to be Images.*given list"),
        (lambda: explorers.skip_strength(images(), labels(), depth=50), "depth=50: choose one of 8, 20, 32, 44, 56"),
        (lambda: explorers.skip_strength(images(), labels(), depth="8"), "depth='8': choose one of"),
        (lambda: explorers.skip_profile(images(), labels(), **START | {"strength": "1"}), "skip_scale='1'"),
        (lambda: explorers.skip_profile(images(), labels(), **START | {"norm": "none"}), "norm='none'"),
        (lambda: explorers.skip_training(images(), **START), "takes Images.*given Tensor"),
        (lambda: explorers.skip_training(train(), steps=0, **START), "steps=0: give a whole number"),
        (lambda: explorers.skip_training(train(), steps=4, **START), "4 steps use 256 images; there are 192"),
        (lambda: explorers.skip_strength(images(), labels(), train()), "40 steps use 2560 images; there are 192"),
    ],
)
def test_what_it_cannot_take_is_refused_with_a_sentence(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
