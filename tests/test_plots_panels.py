"""What `plots.small_multiples` and `plots.error_bars` promise, read from the data behind the figures."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from resnet_edu import plots

RUNS = {"plain": [[1.0, 4.0], [3.0, 4.0]], "b": [[0.5, 0.5]], "c": [[2.0, 2.0, 8.0]]}
LABELS = {"xlabel": "x", "ylabel": "y"}


def line(ax, k=-1):
    """The mean: the last line that has markers."""
    (found,) = [one for one in ax.lines if one.get_marker() == "o"]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def bars(ax):
    """The ends of the vertical bars: [[low, high], ...]"""
    (bars,) = ax.collections
    return [tuple(segment[:, 1]) for segment in bars.get_segments()]


def shown(figure):
    figure.canvas.draw()
    return [ax for ax in figure.axes if ax.get_visible()]


def test_a_panel_shows_the_mean_of_its_runs_and_one_standard_deviation():
    axes = shown(plots.small_multiples(RUNS, **LABELS))
    assert [ax.get_title() for ax in axes] == list(RUNS)
    x, mean = line(axes[0])
    assert list(x) == [1, 2] and list(mean) == [2.0, 4.0]
    np.testing.assert_allclose(bars(axes[0]), [(2 - 2**0.5, 2 + 2**0.5), (4, 4)])  # divided by n - 1
    np.testing.assert_allclose(bars(axes[1]), [(0.5, 0.5), (0.5, 0.5)])  # a single run has no deviation


def test_all_panels_have_the_same_axes_and_the_mean_of_one_net_behind():
    axes = shown(plots.small_multiples(RUNS, behind="plain", **LABELS))
    assert len({ax.get_ylim() for ax in axes}) == len({ax.get_xlim() for ax in axes}) == 1
    for ax in axes:
        (dashed,) = [one for one in ax.lines if one.get_linestyle() == "--"]
        assert list(dashed.get_ydata()) == [2.0, 4.0] and to_hex(dashed.get_color()).upper() == plots.GRAY


def test_on_a_log_axis_no_bar_ends_below_zero():
    axes = shown(plots.small_multiples({"a": [[0.0, 1.0], [10.0, 1.0]]}, log=True, **LABELS))
    assert axes[0].get_yscale() == "log" and min(low for low, _ in bars(axes[0])) > 0


@pytest.mark.parametrize("panels", [1, 3, 4, 5, 11, 12])
def test_there_is_a_panel_a_label_and_numbers_below_the_lowest_of_each_column(panels):
    axes = shown(plots.small_multiples({str(i): [[1.0, 2.0]] for i in range(panels)}, **LABELS))
    assert len(axes) == panels
    labeled = [ax.xaxis.get_tick_params()["labelbottom"] for ax in axes]
    assert all(labeled[-min(4, panels) :])


def test_each_run_is_a_ring_and_their_mean_has_a_bar():
    (ax,) = shown(plots.error_bars({"plain": [0.2, 0.4], "b": [0.3]}, xlabel="accuracy", chance=0.1))
    rings = [one for one in ax.lines if to_hex(one.get_markerfacecolor()) == "#ffffff" and one.get_marker() == "o"]
    assert [list(one.get_xdata()) for one in rings] == [[0.2, 0.4], [0.3]]
    ends = [tuple(segment[:, 0]) for bars in ax.collections for segment in bars.get_segments()]
    np.testing.assert_allclose(ends, [(0.3 - 0.02**0.5, 0.3 + 0.02**0.5), (0.3, 0.3)])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["plain", "b"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first one stands on top
    assert any("chance" in text.get_text() for text in ax.texts)


def test_the_hue_of_a_bar_says_whether_a_net_is_plain():
    runs = {"Plain-20": [0.2, 0.4], "no skip": [0.2, 0.4], "explained": [0.2, 0.4], "b": [0.2, 0.4]}
    (ax,) = shown(plots.error_bars(runs, xlabel="accuracy"))
    hues = [to_hex(one.get_color()).upper() for one in ax.lines if one.get_marker() == "D"]
    assert hues == [plots.VERMILLION, plots.VERMILLION, plots.BLUE, plots.BLUE]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.small_multiples({}, **LABELS), "at least one entry"),
        (lambda: plots.small_multiples({"a": [1.0]}, **LABELS), r"'a': finite numbers \[runs, points\]"),
        (lambda: plots.small_multiples({"a": [[np.nan]]}, **LABELS), "'a': finite numbers"),
        (lambda: plots.small_multiples({"a": [[-1.0]]}, **LABELS), "negative"),
        (lambda: plots.small_multiples({"a": "b"}, **LABELS), "'a'"),
        (lambda: plots.small_multiples(RUNS, behind="d", **LABELS), "behind='d': choose one of 'plain', 'b', 'c'"),
        (lambda: plots.error_bars({"a": []}, xlabel="x"), "'a': finite numbers"),
        (lambda: plots.error_bars([1], xlabel="x"), "given list"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_sentence(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
