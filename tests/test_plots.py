"""What `plots` promises: a figure shows the numbers that were given, on scales that can be compared.

The tests read the data behind a figure, never its pixels.
"""

import subprocess
import sys
import warnings

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import font_manager
from matplotlib.colors import same_color, to_hex
from matplotlib.patches import Arc, Rectangle
from readable import drawn, lines
from samples import pictures
from torch import nn

from resnet_edu import data, models, plots, probes, training
from resnet_edu.plots import fonts


def recorder(rows):
    """A `GradientNorms` with these rows."""
    norms = probes.GradientNorms(nn.Sequential(*[nn.Linear(1, 1) for _ in rows[0]]))
    norms._rows = [torch.tensor(row, dtype=torch.float64) for row in rows]
    return norms


def grid_colors(ax):
    return {
        to_hex(line.get_color()).upper() for line in ax.get_xgridlines() + ax.get_ygridlines() if line.get_visible()
    }


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# --- colors and lines ------------------------------------------------------------------------------------------------


def hues(labels, colors=None):
    return [style["color"] for style in plots.line_styles(labels, colors).values()]


def test_the_first_word_of_a_label_says_plain_or_residual():
    assert hues(["plain-20", "Plain, He"]) == [plots.VERMILLION] * 2
    assert hues(["residual", "ResNet-56 (record)"]) == [plots.BLUE] * 2


def test_no_other_word_says_what_a_net_is():
    labels = ["with BatchNorm", "without", "explained", "ResNeXt", "of a ResNet"]
    assert hues(labels) == list(plots.OTHERS)


def test_colors_go_before_the_first_word():
    colors = {"with skip": "residual", "without": "plain", "plain, large steps": plots.BROWN, "no such label": "red"}
    assert hues(["with skip", "without", "plain, large steps", "plain"], colors) == [
        plots.BLUE, plots.VERMILLION, plots.BROWN, plots.VERMILLION,
    ]  # fmt: skip


COLORED = {
    "gradient_norms": lambda **given: plots.gradient_norms({"a": [1.0, 2.0]}, **given),
    "accuracy_and_gradients": lambda **given: plots.accuracy_and_gradients({"a": [0.5]}, {"a": [1.0]}, **given),
    "error_by_depth": lambda **given: plots.error_by_depth({"a": {20: [0.5]}}, **given),
    "signal_scale": lambda **given: plots.signal_scale({"a": ([1.0], [1.0])}, **given),
    "update_ratios": lambda **given: plots.update_ratios({"a": [[1e-3]]}, **given),
    "unit_parts": lambda **given: plots.unit_parts({"a": [0.5]}, ylabel="dead", **given),
    "training_curves": lambda **given: plots.training_curves({"a": [0.5]}, **given),
    "by_rate": lambda **given: plots.by_rate({"a": {0.1: 0.5}}, **given),
    "sweep": lambda **given: plots.sweep({"a": {0.1: 0.5}}, xlabel="x", ylabel="y", **given),
    "spread": lambda **given: plots.spread({"a": {0.1: [0.5]}}, xlabel="x", ylabel="y", **given),
    "error_bars": lambda **given: plots.error_bars({"a": [0.5]}, xlabel="x", **given),
    "lesions": lambda **given: plots.lesions({"a": probes.Lesions(["b"], 0.5, np.array([0.4]))}, **given),
    "path_lengths": lambda **given: plots.path_lengths({"a": [0.5, 0.5]}, **given),
    "cosine_lines": lambda **given: plots.cosine_lines({"a": [0.5, 0.5]}, **given),
    "reliability": lambda **given: plots.reliability({"a": ([0.5, 0.6], [1, 0])}, **given),
}


@pytest.mark.parametrize("draw", COLORED.values(), ids=COLORED)
def test_every_figure_of_nets_takes_colors(draw):
    for color in (plots.BROWN, "residual"):
        expected = plots.BLUE if color == "residual" else color
        found = {to_hex(line.get_color()).upper() for ax in draw(colors={"a": color}).axes for line in ax.lines}
        assert expected in found and plots.GREEN not in found


def test_no_two_nets_look_alike_even_in_gray():
    labels = ["plain-20", "plain-56", "ResNet-20", "ResNet-56", "sigmoid", "tanh", "relu"]
    styles = plots.line_styles(labels)
    assert len({style["marker"] for style in styles.values()}) == len(labels)
    assert len({(style["color"], style["linestyle"]) for style in styles.values()}) == len(labels)
    assert len(plots.line_styles(map(str, range(200)))) == 200  # however many there are


# --- gradient norms ---------------------------------------------------------------------------------------------------


def test_gradient_norms_draws_the_numbers_it_was_given():
    given = {"plain": [1e-20, 1e-10, 1.0], "residual": np.array([0.5, 0.6]), "sigmoid": torch.tensor([1.0, 2.0])}
    figure = drawn(plots.gradient_norms(given, title="at the start", ylabel="norm"))
    (ax,) = figure.axes
    assert ax.get_yscale() == "log"
    assert (ax.get_title(), ax.get_ylabel()) == ("at the start", "norm") and "layer" in ax.get_xlabel()
    assert legend(ax) == list(given)
    assert grid_colors(ax) == {plots.LOOK["grid.color"]}
    for label, line in lines(ax).items():
        np.testing.assert_array_equal(line.get_ydata(), np.asarray(given[label]))
        np.testing.assert_array_equal(line.get_xdata(), range(1, len(given[label]) + 1))  # layer 1 is the first
        low, high = ax.get_ylim()
        assert low < line.get_ydata().min() and line.get_ydata().max() < high
    assert lines(ax)["plain"].get_color() == plots.VERMILLION


def test_gradient_norms_takes_the_last_row_of_a_recorder():
    (line,) = lines(plots.gradient_norms({"plain": recorder([[1.0, 2.0], [3.0, 4.0]])}).axes[0]).values()
    np.testing.assert_array_equal(line.get_ydata(), [3, 4])


def crosses(ax):
    return [line for line in ax.lines if line.get_marker() == "x" and len(line.get_xdata())]


def test_an_exact_zero_is_a_cross_on_the_bottom_line():
    (ax,) = drawn(plots.gradient_norms({"plain": [0.0, 1e-30, 0.0, 1.0], "residual": [1.0, 1.0, 1.0, 1.0]})).axes
    (cross,) = crosses(ax)
    np.testing.assert_array_equal(cross.get_xdata(), [1, 3])
    np.testing.assert_array_equal(cross.get_ydata(), [ax.get_ylim()[0]] * 2)
    assert cross.get_color() == plots.VERMILLION and not cross.get_clip_on()
    assert ax.get_ylim()[0] < 1e-30
    line = lines(ax)["plain"]
    path = line.get_transform().transform(np.column_stack([line.get_xdata(), line.get_ydata()]))
    assert np.isfinite(path[:, 1]).tolist() == [False, True, False, True]  # the line breaks off, and does not plunge
    assert legend(ax) == ["plain", "residual", "exactly 0"]


ODD = [0.0, 1.0, np.inf, np.nan, 2.0]
WORDS = ["exactly 0", "infinite", "NaN"]
BY_LAYER = {
    "gradient_norms": lambda: plots.gradient_norms({"plain": ODD}),
    "accuracy_and_gradients": lambda: plots.accuracy_and_gradients({"plain": [0.5]}, {"plain": ODD}),
    "signal_scale": lambda: plots.signal_scale({"plain": ([1.0] * 5, ODD)}),
    "profile_grid": lambda: plots.profile_grid({"plain": ODD}),
    "update_ratios": lambda: plots.update_ratios({"plain": [[value] * 3 for value in ODD]}),
}


@pytest.mark.parametrize("draw", BY_LAYER.values(), ids=BY_LAYER)
def test_what_no_log_axis_holds_is_marked_on_its_ends_and_named(draw):
    figure = drawn(draw())
    ax = next(ax for ax in reversed(figure.axes) if ax.get_visible())
    marks = {line.get_marker(): line for line in ax.lines if line.get_label() in WORDS}
    first = 0 if "step" in ax.get_xlabel() else 1
    at = {marker: (list(mark.get_xdata()), list(mark.get_ydata())) for marker, mark in marks.items()}
    low, high = ax.get_ylim()
    assert at == {"x": ([first], [low]), "^": ([first + 2], [high]), "$?$": ([first + 3], [high])}
    assert not any(mark.get_clip_on() for mark in marks.values())
    boxes = [box for box in (*figure.legends, ax.get_legend()) if box]
    assert [text.get_text() for box in boxes for text in box.get_texts()][-3:] == WORDS


def test_a_gradient_that_exploded_everywhere_is_no_empty_plot():
    (ax,) = drawn(plots.gradient_norms({"plain": [np.inf, np.inf]})).axes
    assert list(lines(ax)["infinite"].get_xdata()) == [1, 2] and legend(ax) == ["plain", "infinite"]
    (norms, cells), bar = (drawn(plots.gradient_heatmap({"plain": [[np.inf, np.inf]]})).axes[i].images for i in (0, 1))
    assert norms.get_array().mask.all() and cells.get_array().all() and not bar


# --- what the axis of layers claims -----------------------------------------------------------------------------------


def test_the_axis_of_layers_claims_no_more_than_is_known():
    ours, foreign = recorder([[1.0, 2.0]]), recorder([[1.0, 2.0]])
    ours.names = ["stem.conv.weight", "fc.weight"]
    for profiles, known in (({"a": [1.0, 2.0]}, True), ({"a": ours}, True), ({"a": ours, "b": foreign}, False)):
        axes = [plots.gradient_norms(profiles).axes[0].get_xlabel(), plots.profile_grid(profiles)._supxlabel.get_text()]
        tables = {label: getattr(p, "numpy", lambda p=p: [p])() for label, p in profiles.items()}
        axes.append(plots.gradient_heatmap(profiles if "b" in profiles else tables).axes[0].get_ylabel())
        assert [("next to the image" in words) for words in axes] == [known] * 3
    signal = probes.Signal(["features.0", "head"], np.ones(2), np.ones(2))
    assert "order" in plots.signal_scale({"vgg": signal}).axes[0].get_xlabel()
    assert plots.gradient_norms({"a": foreign}, xlabel="block").axes[0].get_xlabel() == "block"


# --- heatmaps ---------------------------------------------------------------------------------------------------------


def test_heatmaps_share_one_color_scale():
    tables = {"plain": np.array([[1e-6, 1e-3], [1e-5, 1e-2]]), "residual": recorder([[0.1, 10.0], [0.2, 20.0]])}
    figure = drawn(plots.gradient_heatmap(tables))
    panels = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in panels] == ["plain", "residual"]
    pictures = [ax.images[0] for ax in panels]
    assert pictures[0].norm is pictures[1].norm
    assert (pictures[0].norm.vmin, pictures[0].norm.vmax) == (1e-6, 20)
    for picture, table in zip(pictures, tables.values(), strict=True):
        shown = table if isinstance(table, np.ndarray) else table.numpy()
        np.testing.assert_array_equal(picture.get_array(), shown.T)  # layers upwards, steps to the right
        assert picture.origin == "lower"
    (left, right, bottom, top) = pictures[0].get_extent()
    assert (left, right, bottom, top) == (-0.5, 1.5, 0.5, 2.5)  # steps 0 and 1, layers 1 and 2
    assert panels[0].get_xlabel() == "step" and "layer" in panels[0].get_ylabel()
    assert [ax.get_ylabel() for ax in figure.axes if not ax.images] == ["gradient norm"]  # the color bar
    assert not figure.legends


def test_a_heatmap_of_every_tenth_step_has_an_axis_of_steps():
    norms = probes.GradientNorms(nn.Linear(2, 2), every=10)
    norms._rows = [torch.ones(1, dtype=torch.float64)] * 3
    (ax, _) = drawn(plots.gradient_heatmap({"plain": norms})).axes
    assert tuple(ax.images[0].get_extent()) == (-5, 25, 0.5, 1.5)


def test_a_heatmap_shows_zeros_in_gray_and_what_is_no_finite_number_hatched():
    figure = drawn(plots.gradient_heatmap({"plain": np.array([[0.0, 1.0, np.inf, np.nan]] * 2)}))
    (ax, _) = figure.axes
    shown = [~picture.get_array().mask[:, 0] for picture in ax.images]
    np.testing.assert_array_equal(shown, [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert to_hex(ax.images[1].cmap(0)).upper() == plots.GRAY
    assert len({cells.get_hatch() for cells in ax.collections} - {None}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == WORDS


# --- accuracy beside gradients, error by depth ------------------------------------------------------------------------


def test_accuracy_and_gradients_show_the_same_networks_in_two_panels():
    curves = {"plain": [0.2, 0.4], "residual": training.History(train_accuracy=[0.3, 0.8])}
    left, right = drawn(plots.accuracy_and_gradients(curves, {"plain": [1.0, 2.0], "residual": [0.5, 0.6]})).axes
    assert {line.get_label(): list(line.get_ydata()) for line in left.lines if line.get_label() in curves} == {
        "plain": [0.2, 0.4], "residual": [0.3, 0.8]}  # fmt: skip
    norms = {line.get_label(): line for line in right.lines if line.get_label() in curves}
    assert list(norms["plain"].get_ydata()) == [1.0, 2.0] and right.get_yscale() == "log"
    assert {label: line.get_color() for label, line in norms.items()} == {
        line.get_label(): line.get_color() for line in left.lines if line.get_label() in curves}  # fmt: skip


@pytest.mark.parametrize(("norms", "decades"), [([0.02, 0.03], 1.0), ([0.02, 20.0], 3.2), ([0.0, 0.0], 1.8)])
def test_the_panel_of_gradients_fits_them_and_is_a_decade_at_least(norms, decades):
    _, ax = drawn(plots.accuracy_and_gradients({"plain": [0.2]}, {"plain": norms})).axes
    low, high = ax.get_ylim()
    assert np.log10(high / low) == pytest.approx(decades)
    assert all(low < norm < high for norm in norms if norm)


def test_error_by_depth_shows_every_run_its_mean_and_deviation_and_the_readers_own():
    errors = {"plain": {56: [0.8, 0.7, 0.9], 20: [0.5, 0.5, 0.5]}, "ResNet": {20: [0.3], 56: [0.2]}}
    (ax,) = drawn(plots.error_by_depth(errors, live={"plain": {56: 0.75}})).axes
    rings = sorted(
        y for line in ax.lines if line.get_marker() == "o" and line.get_markersize() == 4 for y in line.get_ydata()
    )
    assert rings == pytest.approx([20, 30, 50, 50, 50, 70, 80, 90])
    (line, _, (bars,)) = ax.containers[0]
    assert list(line.get_xdata()) == [20, 56] and list(line.get_ydata()) == pytest.approx([50, 80])
    heights = [abs(segment[1][1] - segment[0][1]) / 2 for segment in bars.get_segments()]
    assert heights == pytest.approx([0, 10])
    (star,) = [line for line in ax.lines if line.get_marker() == "*"]
    assert list(star.get_xdata()) == [56] and list(star.get_ydata()) == [75]


# --- layers that moved ------------------------------------------------------------------------------------------------


def test_layers_that_moved_are_filled_and_the_others_hatched():
    moved = {"plain": [False, False, True], "residual": torch.tensor([True, True, True])}
    (ax,) = drawn(plots.layers_moved(moved)).axes
    cells = sorted(ax.patches, key=lambda cell: (-cell.get_y(), cell.get_x()))  # the first net is the upper row
    assert [bool(cell.get_hatch()) for cell in cells] == [True, True, False, False, False, False]
    assert [to_hex(cell.get_facecolor()).upper() for cell in cells[2:]] == [plots.VERMILLION] + [plots.BLUE] * 3
    texts = [label.get_text() for label in ax.get_yticklabels()]
    assert texts == ["residual: 3 of 3 moved", "plain: 1 of 3 moved"]
    # Cell i is drawn around layer i.
    assert [round(cell.get_x() + cell.get_width() / 2, 6) for cell in cells[:3]] == [1, 2, 3]


# --- signals, updates, units ------------------------------------------------------------------------------------------


def test_signal_scale_draws_forward_and_backward_side_by_side():
    found = probes.Signal(["a", "b", "c"], np.array([1.0, 0.5, 0.25]), np.array([4.0, 2.0, 1.0]))
    figure = drawn(plots.signal_scale({"He": found, "default": ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])}, title="two draws"))
    ahead, back = figure.axes
    assert "forward" in ahead.get_title() and "backward" in back.get_title()
    assert ahead.get_yscale() == back.get_yscale() == "log" and "layer" in ahead.get_xlabel()
    np.testing.assert_array_equal(lines(ahead)["He"].get_ydata(), found.activation)
    np.testing.assert_array_equal(lines(back)["He"].get_ydata(), found.gradient)
    np.testing.assert_array_equal(lines(back)["default"].get_xdata(), [1, 2, 3])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["He", "default"]
    assert figure.get_suptitle() == "two draws"


def test_a_prediction_is_a_line_and_what_was_measured_are_points_upon_it():
    given = {"He": ([1.0, 1.1], [2.0, 2.1]), "default": ([1.0, 0.4], [0.4, 1.0])}
    (ahead, _) = drawn(plots.signal_scale(given, predicted={"He": ([1.0, 1.0], [2.0, 2.0])})).axes
    drawn_lines = lines(ahead)
    assert set(drawn_lines) == {"He", "He, predicted", "default"}
    assert drawn_lines["He"].get_linestyle() == "None" and drawn_lines["He"].get_marker() != "None"
    assert drawn_lines["He, predicted"].get_marker().lower() == "none"
    assert drawn_lines["He, predicted"].get_color() == drawn_lines["He"].get_color()
    assert drawn_lines["default"].get_linestyle() != "None"


def test_update_ratios_show_the_median_of_the_layers_and_the_line():
    table = np.array([[1e-4, 1e-3, 1e-2], [np.nan, 2e-3, 4e-3], [np.nan, np.nan, np.nan]])
    figure = drawn(plots.update_ratios({"lr 0.1": table, "lr 0.01": table / 10}))
    (ax,) = figure.axes
    np.testing.assert_allclose(lines(ax)["lr 0.1"].get_ydata(), [1e-3, 3e-3, np.nan])
    np.testing.assert_array_equal(lines(ax)["lr 0.1"].get_xdata(), [0, 1, 2])
    assert [1e-3, 1e-3] in [list(line.get_ydata()) for line in ax.lines]
    assert [text.get_text() for text in ax.texts] == ["0.001"]
    low, high = ax.get_ylim()
    assert low < 1e-4 and high > 1e-2
    (band, _) = ax.collections
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(np.percentile(table[0], 90))


def test_unit_parts_show_a_zero_and_the_largest_fraction():
    figure = drawn(
        plots.unit_parts({"gain 1": [0.0, 0.1], "gain 4": [0.5, 0.6]}, predicted={"gain 4": [0.5, 0.5]}, ylabel="dead")
    )
    (ax,) = figure.axes
    assert ax.get_ylim()[0] < 0 and 0.6 < ax.get_ylim()[1] < 0.7 and ax.get_ylabel() == "dead"
    np.testing.assert_array_equal(lines(ax)["gain 4"].get_ydata(), [0.5, 0.6])
    np.testing.assert_array_equal(lines(ax)["gain 4, predicted"].get_ydata(), [0.5, 0.5])


# --- training curves --------------------------------------------------------------------------------------------------


def history(*accuracies):
    run = training.History(train_accuracy=list(accuracies), train_loss=[2.0 - a for a in accuracies])
    run.val_accuracy = [a / 2 for a in accuracies]
    run.val_loss = [3.0 - a for a in accuracies]
    return run


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("train_accuracy", "training accuracy"), ("train_loss", "training loss"),
        ("val_accuracy", "validation accuracy"), ("val_loss", "validation loss"),
    ],
)  # fmt: skip
def test_training_curves_draw_the_history(metric, label):
    runs = {"plain-20": history(0.1, 0.3, 0.5), "ResNet-20": history(0.2, 0.6)}
    (ax,) = drawn(plots.training_curves(runs, metric)).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", label)
    assert legend(ax) == ["plain-20", "ResNet-20"]
    for name, line in lines(ax).items():
        np.testing.assert_array_equal(line.get_ydata(), getattr(runs[name], metric))
        np.testing.assert_array_equal(line.get_xdata(), range(1, 1 + len(runs[name].train_loss)))
    is_accuracy = metric.endswith("accuracy")
    assert any("chance" in text.get_text() for text in ax.texts) == is_accuracy
    if is_accuracy:
        assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 0.6 * (0.5 if metric == "val_accuracy" else 1)


def test_training_curves_take_lists_and_arrays_too():
    given = {"a": [0.1, 0.2], "b": np.array([0.3]), "c": torch.tensor([0.5]), "d": (0.1, np.nan)}
    (ax,) = drawn(plots.training_curves(given)).axes
    assert {label: list(line.get_ydata()) for label, line in lines(ax).items() if label != "d"} == {
        "a": [0.1, 0.2], "b": [0.3], "c": [0.5],
    }  # fmt: skip
    assert ax.get_ylim()[1] > 0.5  # a NaN does not hide the others


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_training_and_validation_stand_in_one_picture(metric):
    runs = {"nothing": history(0.1, 0.3, 0.5), "augmentation": history(0.2, 0.6)}
    (ax,) = drawn(plots.training_curves(runs, metric)).axes
    assert ax.get_ylabel() == metric
    assert legend(ax) == [f"{net}, {part}" for net in runs for part in ("training", "validation")]
    found = lines(ax)
    for net, run in runs.items():
        train, val = found[f"{net}, training"], found[f"{net}, validation"]
        np.testing.assert_array_equal(train.get_ydata(), getattr(run, f"train_{metric}"))
        np.testing.assert_array_equal(val.get_ydata(), getattr(run, f"val_{metric}"))
        assert train.get_color() == val.get_color()  # one net, one color
        assert (train.get_linestyle(), val.get_linestyle()) == ("-", "--")
    assert found["nothing, training"].get_color() != found["augmentation, training"].get_color()
    assert any("chance" in text.get_text() for text in ax.texts) == (metric == "accuracy")


def test_a_growing_plot_keeps_its_axis():
    first, later = (plots.training_curves({"plain": history(*values)}, epochs=8) for values in ([0.1], [0.1] * 8))
    assert first.axes[0].get_xlim() == later.axes[0].get_xlim() == (0.8, 8.2)


def test_chance_is_drawn_where_it_is():
    (ax,) = plots.training_curves({"plain": [0.3]}, chance=0.25).axes
    assert [0.25, 0.25] in [list(line.get_ydata()) for line in ax.lines]


# --- images and networks ----------------------------------------------------------------------------------------------


def images(n=6, classes=("cat", "dog", "bird")):
    given = pictures(n, classes=len(classes))
    return data.Images(given.images, given.labels, classes)


def test_a_grid_shows_each_class_in_a_row():
    given = images(9)
    (ax,) = drawn(plots.sample_grid(given, per_class=2)).axes
    canvas = ax.images[0].get_array()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "dog", "bird"]
    for row in range(3):
        for column in range(2):
            tile = canvas[10 * row + 1 : 10 * row + 9, 10 * column + 1 : 10 * column + 9]
            np.testing.assert_array_equal(tile, given.images[row + 3 * column].permute(1, 2, 0))


def test_a_class_with_too_few_images_leaves_white():
    (ax,) = plots.sample_grid(images(4), per_class=2).axes  # two cats, one dog, one bird
    canvas = ax.images[0].get_array()
    assert (canvas[11:, 11:] == 255).all() and not (canvas[:10, 11:] == 255).all()


def test_a_network_is_drawn_with_a_box_a_layer_and_an_arc_a_shortcut():
    x = torch.zeros(1, 3, 32, 32)
    for residual in (False, True):
        table = probes.layer_table(models.CifarNet(20, residual=residual, width=4), x)
        (ax,) = drawn(plots.network(table, title="a net")).axes
        boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
        assert len(boxes) == 20  # 19 convolutions and the classifier, no norms
        assert len([patch for patch in ax.patches if isinstance(patch, Arc)]) == (9 if residual else 0)
        heights = [box.get_height() for box in boxes]
        assert heights[:19] == [1.0] * 7 + [0.5] * 6 + [0.25] * 6  # as high as the maps are
        assert len({to_hex(box.get_facecolor()) for box in boxes}) == 4  # one shade a shape
        assert [text.get_text() for text in ax.texts] == ["4 × 32 × 32", "8 × 16 × 16", "16 × 8 × 8", "10\nlogits"]
        assert ax.get_title() == "a net"


def test_projections_are_part_of_the_arc():
    table = probes.layer_table(models.CifarNet(8, residual=True, width=4, shortcut="C"), torch.zeros(2, 3, 16, 16))
    (ax,) = plots.network(table).axes
    kinds = [type(patch).__name__ for patch in ax.patches]
    assert (kinds.count("Rectangle"), kinds.count("Arc")) == (8, 3)


@pytest.mark.parametrize("nets", [8, 14])
def test_errors_of_many_depths_are_told_apart_in_gray(nets):
    both = training.History(train_accuracy=[0.1, 0.2], val_accuracy=[0.1, 0.3])
    (ax,) = drawn(plots.error_curves({"plain nets": {f"plain-{6 * n + 2}": both for n in range(nets)}})).axes
    solid = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert len({(line.get_marker(), same_color(line.get_markerfacecolor(), "white")) for line in solid}) == nets


# --- names in any script ----------------------------------------------------------------------------------------------

NAMES = ("猫", "dog", "🐦")
WITH_NAMES = {
    "sample_grid": lambda names: plots.sample_grid(images(classes=names)),
    "confusion_matrix": lambda names: plots.confusion_matrix(np.eye(3, dtype=int), names),
    "boxes": lambda names: plots.boxes({"a": (images().images[0], torch.ones(1, 4), [0])}, names),
    "regions": lambda names: plots.regions(images(2).images, {"a": torch.zeros(2, 8, 8, dtype=int)}, names),
    "gallery": lambda names: plots.gallery(images(3).images, names),
    "heat_maps": lambda names: plots.heat_maps(images(3).images, {"a": np.ones((3, 2, 2))}, captions=names),
    "pictures": lambda names: plots.pictures({name: [[1.0]] for name in names}),
}


def words(figure):
    return [text for text in figure.findobj(mpl.text.Text) if text.get_text()]


@pytest.mark.parametrize("draw", WITH_NAMES.values(), ids=WITH_NAMES)
def test_names_that_no_font_has_are_numbered_and_that_is_said_once(draw, monkeypatch):
    monkeypatch.setattr(fonts, "other_fonts", list)
    fonts.warn_once.cache_clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        figure = [drawn(draw(NAMES)) for _ in range(2)][1]
    assert ["0 is 猫, " in str(one.message) and "2 is 🐦" in str(one.message) for one in told] == [True]
    shown = [text.get_text() for text in words(figure)]
    numbered = [text for text in shown if text.endswith((" 0", " 2"))]
    assert len(numbered) >= 2 and "dog" in shown and not set("".join(shown)) & {"猫", "🐦"}


@pytest.fixture
def other_font(monkeypatch):
    """A font that the machine has for certain, and the usual one without the letters that are to be looked for."""
    path = font_manager.findfont("STIXGeneral")
    usual = fonts.letters(font_manager.findfont(font_manager.FontProperties()))
    monkeypatch.setattr(fonts, "other_fonts", lambda: [("no letters", "nowhere.ttf"), ("STIXGeneral", path)])
    return sorted(c for c in fonts.letters(path) - usual if c.isalpha())[:3]


@pytest.mark.parametrize("draw", WITH_NAMES.values(), ids=WITH_NAMES)
def test_names_are_set_in_a_font_that_has_their_letters(draw, other_font, recwarn):
    before = dict(mpl.rcParams)
    figure = drawn(draw(other_font))
    assert dict(mpl.rcParams) == before
    assert not [told for told in recwarn if "Glyph" in str(told.message) or "font" in str(told.message)]
    set_in = {text.get_text(): text.get_fontfamily() for text in words(figure)}
    assert all(set_in[name] == ["sans-serif", "STIXGeneral"] for name in other_font)


def test_labels_get_the_font_too(other_font, recwarn):
    name = other_font[0]
    drawn(plots.gradient_norms({name: [1.0, 2.0]}))
    drawn(plots.heat_maps(images(1).images, {name: np.ones((1, 2, 2))}))
    assert not [told for told in recwarn if "Glyph" in str(told.message)]


def test_fonts_are_those_of_the_machine_in_which_a_letter_is_that_letter():
    found = fonts.other_fonts()
    assert "STIXGeneral" in dict(found) and not [name for name, _ in found if name.startswith(("Last", "cm"))]
    assert fonts.letters(__file__) == frozenset()


# --- all of them ------------------------------------------------------------------------------------------------------


NET = probes.layer_table(models.CifarNet(8, residual=True, width=4), torch.zeros(1, 3, 16, 16))
FLOW = probes.dataflow(models.CifarNet(8, residual=True, width=4).stage1[0], torch.rand(4, 4, 8, 8))
FIGURES = {
    **COLORED,
    "gradient_heatmap": lambda: plots.gradient_heatmap({"plain": [[1.0, 0.0]]}),
    "layers_moved": lambda: plots.layers_moved({"plain": [True, False]}),
    "sample_grid": lambda: plots.sample_grid(images()),
    "confusion_matrix": lambda: plots.confusion_matrix([[1, 0], [2, 3]], ["cat", "dog"]),
    "gallery": lambda: plots.gallery(images(3).images, ["a", "b\nc", ""], title="three"),
    "network": lambda: plots.network(NET),
    "blocks": lambda: plots.blocks({"a block": FLOW}),
    "matrices": lambda: plots.matrices({"k": [[1.0]]}),
    "checks": lambda: plots.checks({"a": {"b": ("1", True)}}),
}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_every_figure_has_the_course_s_look_and_leaves_matplotlib_s_alone(draw):
    before = dict(mpl.rcParams)
    figure = drawn(draw())
    assert dict(mpl.rcParams) == before
    assert figure.get_figwidth() == plots.WIDTH
    for ax in figure.axes:
        assert ax.images or ax.get_label() == "<colorbar>" or not ax.spines["top"].get_visible()
        assert grid_colors(ax) <= {plots.LOOK["grid.color"]}
        if ax.get_legend():
            assert not ax.get_legend().get_frame_on()
            assert ax.get_legend().get_texts()[0].get_fontsize() == plots.LOOK["legend.fontsize"]
        if ax.get_title():
            assert ax.title.get_fontsize() == plots.LOOK["axes.titlesize"]


def test_plots_need_no_pyplot():
    code = (
        "import sys; from resnet_edu import plots; f = plots.gradient_norms({'plain': [1.0]}); f.savefig('/dev/null', "
    )
    code += "format='png'); sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- what would be drawn wrong ----------------------------------------------------------------------------------------

SQUARE = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
BOX = torch.tensor([[1.0, 2.0, 5.0, 8.0]])
MASK = torch.zeros(1, 8, 8, dtype=torch.int64)
LABELS = {"xlabel": "x", "ylabel": "y"}


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: plots.gradient_norms({"plain": [1.0, -1.0]}), "'plain'.*-1"),
        (lambda: plots.gradient_norms({"plain": []}), "'plain'"),
        (lambda: plots.gradient_heatmap({"plain": [1.0]}), "'plain'.*steps, layers"),
        (lambda: plots.accuracy_and_gradients({"plain": [0.2]}, {"other": [1.0]}), "'other'"),
        (lambda: plots.signal_scale({"plain": ([1.0], [1.0])}, predicted={"He": ([1.0], [1.0])}), "'He'"),
        (lambda: plots.unit_parts({"plain": [1.5]}, ylabel="dead"), "'plain'.*1.5"),
        (lambda: plots.error_by_depth({"plain": {20: [56.0]}}), "'plain-20'.*56"),
        (lambda: plots.by_rate({"a": {0.0: 0.5}}), "'a'.*0"),
        (lambda: plots.by_rate({"a": {0.1: 1.5}}), "'a'.*1.5"),
        (lambda: plots.side_by_side({"p": {"a": [1.5]}}, **LABELS), "'a'.*1.5"),
        (lambda: plots.schedules({"a": [0.1, np.nan]}), "'a'"),
        (lambda: plots.throughput({"a": [0.0, 1.0]}), "'a'.*0"),
        (lambda: plots.spread({"a": {10: [np.nan]}}, **LABELS), "'a'"),
        (lambda: plots.reliability({"a": ([1.5], [1])}), "'a'.*1.5"),
        (lambda: plots.reliability({"a": ([0.5], [0.5])}), "'a'"),
        (lambda: plots.reliability({"a": ([0.5], [1, 0])}), "'a'"),
        (lambda: plots.small_multiples({"a": [[np.nan]]}, **LABELS), "'a'"),
        (lambda: plots.error_bars({"a": []}, xlabel="x"), "'a'"),
        (lambda: plots.confusion_matrix([[1, 2]], ["a", "b"]), "counts"),
        (lambda: plots.gallery(SQUARE / 255, ["a"]), "'images'.*float32"),
        (lambda: plots.heat_maps(SQUARE / 255, {"a": torch.zeros(1, 2, 2)}), "'images'.*float32"),
        (lambda: plots.heat_maps(SQUARE, {"a": torch.zeros(2, 2, 2)}), "'a'.*2"),
        (lambda: plots.heat_maps(SQUARE, {"a": -torch.ones(1, 2, 2)}), "'a'.*-1"),
        (lambda: plots.pictures({"a": [[np.nan]]}), "'a'"),
        (lambda: plots.boxes({"a": (SQUARE[0], BOX, [-1])}, ("a", "b")), "'classes'.*-1"),
        (lambda: plots.regions(SQUARE, {"x": MASK - 1}, ("a",)), "'x'.*-1"),
        (lambda: plots.regions(SQUARE, {"x": MASK + 0.5}, ("a",)), "'x'.*0.5"),
        (lambda: plots.regions(SQUARE, {"x": MASK[:, :4]}, ("a",)), "'x'"),
        (lambda: plots.matrices({"k": [[np.nan]]}), "'k'"),
        (lambda: plots.checks({"a": {"b": ("1", True)}, "c": {"d": ("1", True)}}), "'c'"),
        (lambda: plots.shares({"a": {"x": 1}, "b": {"y": 1}}), "'b'"),
        (lambda: plots.shares({"a": {"x": -1, "y": 2}}), "'a'.*-1"),
        (lambda: plots.cosine_lines({"a": [0.5, -1.5, np.nan]}), "'a'.*-1.5"),
        (lambda: plots.path_lengths({"a": [np.nan]}), "'a'"),
        (lambda: plots.landscapes({"a": [[-1.0, 1.0], [1.0, 2.0]]}, [0.0, 1.0]), "'a'.*-1"),
    ],
)
def test_what_would_be_drawn_wrong_is_refused(call, name):
    with pytest.raises(ValueError, match=name):
        call()
