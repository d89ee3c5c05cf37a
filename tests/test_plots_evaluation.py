"""What the figures of a trained net promise: counts, pictures and results as they were given."""

import math

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from readable import drawn, lines
from samples import pictures

from resnet_edu import plots

CLASSES = ["cat", "dog", "bird"]
COUNTS = [[5, 3, 2], [1, 3, 0], [0, 0, 0]]


@pytest.mark.parametrize("form", [list, np.array, torch.tensor])
def test_a_confusion_matrix_shows_every_count_in_its_place(form):
    ax, bar = drawn(plots.confusion_matrix(form(COUNTS), CLASSES, title="who is who")).axes
    shown = {text.get_position(): int(text.get_text()) for text in ax.texts}
    assert shown == {(column, row): COUNTS[row][column] for row in range(3) for column in range(3)}
    assert [label.get_text() for label in ax.get_yticklabels()] == CLASSES  # rows: what the image is
    assert [label.get_text() for label in ax.get_xticklabels()] == CLASSES  # columns: what the net says
    assert "true" in ax.get_ylabel() and "predicted" in ax.get_xlabel() and "true class" in bar.get_ylabel()
    assert ax.get_title() == "who is who"


def test_the_color_is_the_part_of_the_row():
    ax, _ = plots.confusion_matrix(COUNTS, CLASSES).axes
    (picture,) = ax.images
    np.testing.assert_allclose(
        picture.get_array(), [[0.5, 0.3, 0.2], [0.25, 0.75, 0], [0, 0, 0]]
    )  # an empty row stays dark
    assert picture.get_clim() == (0, 1)  # two matrices can be compared


@pytest.mark.parametrize(("n", "columns"), [(1, 8), (5, 2), (6, 3), (8, 8)])
def test_a_gallery_shows_every_image_with_its_caption(n, columns):
    given, captions = pictures(n).images, [f"image {i}\nof {n}" for i in range(n)]
    figure = drawn(plots.gallery(given, captions, columns=columns, title="all of them"))
    assert len(figure.axes) == n
    places = [(-round(ax.get_position().y0, 6), round(ax.get_position().x0, 6)) for ax in figure.axes]
    assert places == sorted(places) and len({x for _, x in places}) == min(n, columns)  # in reading order
    for ax, image, caption in zip(figure.axes, given, captions, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), image.permute(1, 2, 0))
        assert [text.get_text() for text in ax.texts] == [caption]
    assert figure.get_suptitle() == "all of them"


@pytest.mark.parametrize("columns", [1, 3, 8])
def test_captions_lie_on_no_picture(columns):
    figure = drawn(plots.gallery(pictures(6).images, ["two\nlines"] * 6, columns=columns, title="all"))
    boxes = [box.get_window_extent() for box in (*figure.axes, figure._suptitle)]
    for ax in figure.axes:
        caption = ax.texts[0].get_window_extent()
        assert not any(caption.overlaps(box) for box in boxes)
        assert caption.y0 >= 0


SWEPT = {"momentum 0": {0.1: 2.0, 0.01: 2.3, 1.0: math.inf}, "momentum 0.9": {0.01: 1.9, 0.1: 9.0, 1: math.nan}}


def test_a_sweep_shows_each_result_at_its_setting():
    (ax,) = drawn(plots.sweep(SWEPT, xlabel="learning rate", ylabel="loss", top=2.5)).axes
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "learning rate", "loss")
    found = lines(ax)
    assert set(found) == set(SWEPT)
    np.testing.assert_array_equal(found["momentum 0"].get_xdata(), [0.01, 0.1, 1])  # sorted
    np.testing.assert_array_equal(found["momentum 0"].get_ydata(), [2.3, 2.0, np.nan])
    np.testing.assert_array_equal(found["momentum 0.9"].get_ydata(), [1.9, np.nan, np.nan])
    assert ax.get_ylim()[0] < 1.9 and ax.get_ylim()[1] == 2.5


def test_what_is_too_large_or_no_number_is_a_cross_on_top():
    (ax,) = drawn(plots.sweep(SWEPT, xlabel="x", ylabel="y", top=2.5)).axes
    first, second = (line for line in ax.lines if line.get_marker() == "x")
    assert (list(first.get_xdata()), list(second.get_xdata())) == ([1.0], [0.1, 1.0])
    assert {*first.get_ydata(), *second.get_ydata()} == {2.5}
    assert first.get_markersize() > second.get_markersize()  # both are seen where they share a setting
    assert "above, or not finite" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_without_a_top_every_finite_result_fits():
    (ax,) = drawn(plots.sweep({"a": {1: 1.0, 2: 5.0}}, xlabel="x", ylabel="y")).axes
    np.testing.assert_array_equal(lines(ax)["a"].get_ydata(), [1, 5])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a"]
    drawn(plots.sweep({"a": {1: math.nan}}, xlabel="x", ylabel="y"))
    drawn(plots.sweep({"a": {1: 2.0}}, xlabel="x", ylabel="y"))


RUNS = {"plain": [[1.0, 4.0], [3.0, 4.0]], "b": [[0.5, 0.5]], "c": [[2.0, 2.0, 8.0]]}
LABELS = {"xlabel": "x", "ylabel": "y"}


def line(ax):
    """The mean: the last line that has markers."""
    (found,) = [one for one in ax.lines if one.get_marker() == "o"]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def bars(ax):
    """The ends of the vertical bars: [[low, high], ...]"""
    (bars,) = ax.collections
    return [tuple(segment[:, 1]) for segment in bars.get_segments()]


def shown(figure):
    return [ax for ax in drawn(figure).axes if ax.get_visible()]


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


def test_the_hue_of_a_bar_says_what_a_net_is():
    runs = {"Plain-20": [0.2, 0.4], "ResNet": [0.2, 0.4], "explained": [0.2, 0.4], "b": [0.2, 0.4]}
    (ax,) = shown(plots.error_bars(runs, xlabel="accuracy", colors={"b": plots.GREEN}))
    hues = [to_hex(one.get_color()).upper() for one in ax.lines if one.get_marker() == "D"]
    assert hues == [plots.VERMILLION, plots.BLUE, plots.BLUE, plots.GREEN]


def test_the_word_for_chance_stands_on_no_whisker():
    (ax,) = shown(plots.error_bars({"a": [0.1, 0.3], "b": [0.05, 0.2]}, xlabel="accuracy", chance=0.1))
    (word,) = ax.texts
    assert word.get_text() == "chance" and word.get_window_extent().y0 >= ax.get_window_extent().y1


def test_schedules_draws_rates_and_the_part_of_their_sum():
    given = {"steps": [0.1] * 5 + [0.01] * 5, "one cycle": [0.0, 0.2, 0.1, 0.0]}
    left, right = drawn(plots.schedules(given)).axes
    assert left.get_yscale() == "log" and [text.get_text() for text in left.get_legend().get_texts()] == list(given)
    for label, rates in given.items():
        np.testing.assert_array_equal(lines(left)[label].get_ydata(), rates)
        np.testing.assert_array_equal(lines(left)[label].get_xdata(), range(len(rates)))  # steps count from 0
        sums = [sum(rates[: k + 1]) / sum(rates) for k in range(len(rates))]
        np.testing.assert_allclose(lines(right)[label].get_ydata(), sums)
    low, high = left.get_ylim()
    assert low < 0.01 and high > 0.2


def test_throughput_shows_every_round_the_median_and_the_gain_in_the_same_round():
    given = {"usual": [100.0, 50.0, 200.0], "faster": [300.0, 100.0, 200.0]}
    (ax,) = drawn(plots.throughput(given)).axes
    assert [bar.get_width() for bar in ax.patches] == [100.0, 200.0]
    assert [list(line.get_xdata()) for line in ax.lines] == list(given.values())
    assert [text.get_text() for text in ax.texts] == ["100  (x 1.00)", "200  (x 2.00)"]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(given)
    assert ax.yaxis_inverted() and ax.get_xlim()[0] == 0


def test_a_gain_is_no_ratio_of_medians():
    (ax,) = plots.throughput({"usual": [1.0, 2.0, 9.0], "other": [4.0, 3.0, 9.0]}).axes
    assert ax.texts[1].get_text() == "4  (x 1.50)"  # the ratio of the medians is 2


def test_the_bars_are_parts_of_each_sum():
    figure = plots.shares({"parameters": {"stem": 1, "stages": 3}, "memory": {"stem": 60, "stages": 40}})
    (ax,) = figure.axes
    heights = {c.get_label(): [bar.get_height() for bar in c] for c in ax.containers}
    assert heights == {"parameters": [0.25, 0.75], "memory": [0.6, 0.4]}
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["stem", "stages"]
    assert len({c[0].get_hatch() for c in ax.containers}) == 2  # read in gray, too
