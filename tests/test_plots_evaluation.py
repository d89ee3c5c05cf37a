"""What the figures of a trained net promise: counts, pictures and results as they were given."""

import math

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from resnet_edu import plots


def drawn(figure):
    """Draw for real: some mistakes only show then."""
    FigureCanvasAgg(figure).draw()
    return figure


# --- the confusion matrix ---------------------------------------------------------------------------------------------

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


def test_counts_can_be_read_on_every_color():
    ax, _ = plots.confusion_matrix(COUNTS, CLASSES).axes
    (picture,) = ax.images
    for text in ax.texts:
        column, row = text.get_position()
        behind = picture.cmap(picture.norm(picture.get_array()[row, column]))
        brightness = 0.299 * behind[0] + 0.587 * behind[1] + 0.114 * behind[2]
        assert abs(brightness - (text.get_color() == "white")) > 0.4


@pytest.mark.parametrize(
    ("counts", "classes", "message"),
    [
        ([[1, 2]], CLASSES, r"3 classes need counts of the shape \[3, 3\]; these have \[1, 2\]"),
        ([[1, 2], [3, 4]], CLASSES, r"these have \[2, 2\]"),
        ([], [], r"these have \[0\]"),
        (np.zeros((0, 0), int), [], r"need counts"),
        ([[1, -1], [0, 1]], ["a", "b"], "whole numbers of images, none below 0"),
        ([[0.5, 0.5], [0, 1]], ["a", "b"], "whole numbers of images"),
        ([["x"]], ["a"], "a plot takes numbers, not"),
        (None, ["a"], "a plot takes numbers, not"),
        ([[1], [2, 3]], ["a", "b"], "a plot takes numbers, not"),
        (torch.zeros(1, 1, device="meta"), ["a"], "a plot takes numbers, not"),
        ([[1]], "a", "classes='a': give a list of names"),
        ([[1]], [1], "give a list of names"),
    ],
)
def test_a_confusion_matrix_refuses_what_it_cannot_show(counts, classes, message):
    with pytest.raises((ValueError, TypeError), match=message):
        plots.confusion_matrix(counts, classes)


# --- images with captions ---------------------------------------------------------------------------------------------


def pixels(n, size=8):
    return torch.randint(256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("n", "columns"), [(1, 8), (5, 2), (6, 3), (8, 8)])
def test_a_gallery_shows_every_image_with_its_caption(n, columns):
    given, captions = pixels(n), [f"image {i}\nof {n}" for i in range(n)]
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
    figure = drawn(plots.gallery(pixels(6), ["two\nlines"] * 6, columns=columns, title="all"))
    renderer = figure.canvas.get_renderer()
    boxes = [ax.get_window_extent(renderer) for ax in figure.axes]
    for ax in figure.axes:
        caption = ax.texts[0].get_window_extent(renderer)
        assert not any(caption.overlaps(box) for box in boxes)
        assert figure.get_suptitle() == "all" and not figure._suptitle.get_window_extent(renderer).overlaps(caption)
        assert caption.y0 >= 0


@pytest.mark.parametrize(
    ("images", "captions", "options", "message"),
    [
        (pixels(2), ["one"], {}, "2 images need 2 captions; there are 1"),
        (pixels(2), "ab", {}, "captions='ab': give a list of strings"),
        (pixels(2), [1, 2], {}, "give a list of strings"),
        (pixels(2).float(), ["a", "b"], {}, r"uint8 images \[N, 3, H, W\]; these are float32"),
        (pixels(2)[:, 0], ["a", "b"], {}, r"these are uint8 \[2, 8, 8\]"),
        (pixels(0), [], {}, r"these are uint8 \[0, 3, 8, 8\]"),
        ("images", ["a"], {}, "a plot takes numbers, not"),
        (pixels(1), ["a"], {"columns": 0}, "columns=0: give a whole number from 1 to 20"),
        (pixels(1), ["a"], {"columns": 1.5}, "columns=1.5"),
        (pixels(1), ["a"], {"columns": 10**9}, "from 1 to 20"),
    ],
)
def test_a_gallery_refuses_what_it_cannot_show(images, captions, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        plots.gallery(images, captions, **options)


# --- a sweep ----------------------------------------------------------------------------------------------------------

SWEPT = {"momentum 0": {0.1: 2.0, 0.01: 2.3, 1.0: math.inf}, "momentum 0.9": {0.01: 1.9, 0.1: 9.0, 1: math.nan}}


def lines(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


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


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({}, "at least one entry"),
        ({"a": {}}, "a sweep takes {setting: result}"),
        ({"a": [1, 2]}, "'a': a sweep takes"),
        ({"a": {0.0: 1.0}}, "settings above 0 only; the smallest is 0"),
        ({"a": {-1: 1.0}}, "the smallest is -1"),
        ({"a": {math.inf: 1.0}}, "settings above 0 only"),
        ({"a": {"x": 1.0}}, "have to be numbers, not 'x'"),
        ({"a": {1.0: None}}, "have to be numbers, not None"),
        ({1: {1.0: 1.0}}, "the label 1 is not a string"),
    ],
)
def test_a_sweep_refuses_what_it_cannot_show(results, message):
    with pytest.raises((ValueError, TypeError), match=message):
        plots.sweep(results, xlabel="x", ylabel="y")


@pytest.mark.parametrize("top", [math.nan, math.inf, "2", True])
def test_the_top_of_a_sweep_is_a_number(top):
    with pytest.raises(ValueError, match="give a number, the upper end"):
        plots.sweep(SWEPT, xlabel="x", ylabel="y", top=top)
