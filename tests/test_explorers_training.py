"""What the explorer of learning rates promises: every change trains anew, and what was tried stays in the picture."""

import math

import numpy as np
import pytest
from readable import curve

from resnet_edu import data, explorers, plots


@pytest.fixture(scope="module")
def train():
    return data.load("sample", device="cpu", size=16)[0]


def test_the_losses_depend_on_the_settings(train):
    first = explorers.sgd_losses(train, lr=0.1)
    for change in ({"lr": 0.2}, {"momentum": 0.0}, {"schedule": "one_cycle"}):
        assert not np.array_equal(first, explorers.sgd_losses(train, **{"lr": 0.1, **change}))
    assert first.shape == (48,) and first.dtype == np.float64


def test_the_tiny_net_learns_where_the_rate_fits_and_only_there(train):
    guessing = math.log(10)
    ends = {lr: explorers.sgd_losses(train, lr=lr)[-12:].mean() for lr in (0.001, 0.1)}
    assert ends[0.001] == pytest.approx(guessing, abs=0.05)
    assert ends[0.1] < guessing - 0.4
    momentum = {m: explorers.sgd_losses(train, lr=0.03, momentum=m)[-12:].mean() for m in (0.0, 0.9)}
    tenfold = explorers.sgd_losses(train, lr=0.3, momentum=0.0)[-12:].mean()
    assert momentum[0.0] > guessing - 0.1
    assert momentum[0.9] == pytest.approx(tenfold, abs=0.25)  # 1 / (1 - 0.9) = 10


def test_a_run_that_diverges_ends_in_nan(train):
    losses = explorers.sgd_losses(train, lr=1e6)
    finite = int(np.isfinite(losses).sum())
    assert 0 < finite < 48 and np.isnan(losses[finite:]).all()


def test_few_images_are_enough(train):
    assert np.isfinite(explorers.sgd_losses(train[:100], lr=0.01)).all()


def tried(explorer):
    """The points on the right, as [(rate, loss)]."""
    lines = [line for line in explorer.figure.axes[1].lines if line.get_marker() not in (None, "None")]
    return [point for line in lines for point in zip(line.get_xdata(), line.get_ydata(), strict=True)]


START = {"lr": 0.01, "momentum": 0.0, "schedule": "constant"}
CHANGES = {"lr": 0.1, "momentum": 0.9, "schedule": "one_cycle"}


@pytest.mark.parametrize("name", CHANGES)
def test_every_control_trains_anew_and_keeps_what_was_tried(train, name, page):
    explorer = explorers.learning_rate(train, seed=3)
    assert explorer.settings() == START and set(explorer.controls) == set(CHANGES)
    before, shown = curve(explorer, "this setting")[1], len(page)
    np.testing.assert_array_equal(before, explorers.sgd_losses(train, seed=3, **START))
    explorer.controls[name].value = CHANGES[name]
    after = explorers.sgd_losses(train, seed=3, **{**START, name: explorer.controls[name].value})
    np.testing.assert_array_equal(curve(explorer, "this setting")[1], after)
    np.testing.assert_array_equal(curve(explorer, "previous setting")[1], before)
    rates = [START["lr"], explorer.controls["lr"].value]
    ends = [before[-12:], after[-12:]]
    expected = [(rate, float(np.mean(end))) for rate, end in zip(rates, ends, strict=True)]
    np.testing.assert_allclose(sorted(tried(explorer)), sorted(expected))
    assert len(page) == shown + 1 and page[-1]["update"]
    assert f"{np.mean(after[-12:]):.2f}" in explorer.figure.axes[0].get_title()
    assert f"{np.mean(after[-12:]):.2f}" in page[-1]["metadata"]["image/png"]["alt"]


def test_points_with_a_schedule_are_hollow(train):
    explorer = explorers.learning_rate(train)
    explorer.controls["schedule"].value = "paper"
    full, hollow = [line for line in explorer.figure.axes[1].lines if line.get_marker() == "o"]
    assert len(full.get_xdata()) == len(hollow.get_xdata()) == 1
    assert hollow.get_markerfacecolor() == "white" != full.get_markerfacecolor()


def test_what_diverges_stands_on_the_top_line_and_says_so(train, monkeypatch):
    explorer = explorers.learning_rate(train)
    monkeypatch.setattr(explorers.training, "sgd_losses", lambda *_, **__: np.array([2.3] * 5 + [np.nan] * 43))
    explorer.controls["lr"].value = 1.0
    left, right = explorer.figure.axes
    assert left.get_title() == "loss at the end: not finite from step 6"
    assert (1.0, right.get_ylim()[1]) in tried(explorer)


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_the_axes_go_by_what_guessing_costs(train, classes):
    names = tuple(map(str, range(classes)))
    few = data.Images(train.images[:64], train.labels[:64] % classes, names)
    for ax in explorers.learning_rate(few).figure.axes:
        (line,) = [line for line in ax.lines if line.get_color() == plots.GRAY and line.get_label()[0] == "_"]
        assert list(line.get_ydata()) == [math.log(classes)] * 2
        (word,) = [text for text in ax.texts if "guessing" in text.get_text()]
        assert word.get_position()[1] == math.log(classes)
        parts = np.array(ax.get_ylim()) / math.log(classes)
        np.testing.assert_allclose(parts, np.array([1.2, 3.2]) / math.log(10))
