"""Evaluation of trained networks: class confusion, images with captions, sweeps, repeated runs, calibration."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from resnet_edu.plots import style
from resnet_edu.plots.curves import by_setting, deviation, settings_axis
from resnet_edu.plots.fonts import writable
from resnet_edu.plots.images import draw_picture
from resnet_edu.plots.style import Colors, course_look


@course_look
def confusion_matrix(counts: Any, classes: Sequence[str], *, title: str = "") -> Figure:
    """How many images of each class (row) were predicted as each class (column); color: the fraction of the row.

    counts: integers [K, K], counts[true, predicted]. classes: K names.
    """
    table, names = style.array("counts", counts), writable(classes)
    if table.shape != (len(names), len(names)):
        raise ValueError(
            f"counts: {len(names)} classes need counts of shape {[len(names)] * 2}, not {list(table.shape)}."
        )
    part = table / np.maximum(table.sum(1, keepdims=True), 1)
    figure, (ax,) = style.new_figure(1.4 + 0.34 * len(names))
    picture = ax.imshow(part, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    for (row, column), count in np.ndenumerate(table):
        shade = style.ink(picture.to_rgba(part[row, column]))
        ax.text(column, row, str(count), ha="center", va="center", fontsize=9, color=shade)
    style.no_ticks(ax)
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="predicted", ylabel="true class", title=title)
    ax.tick_params(length=0)
    figure.colorbar(picture, ax=ax, label="fraction of the true class", pad=0.02)
    return figure


@course_look
def gallery(images: Any, captions: Sequence[str], *, columns: int = 8, title: str = "") -> Figure:
    """Images in rows of `columns`, each with a caption of one or two lines below.

    images: uint8 [N, 3, H, W], such as `test[[3, 1, 4]].images`. captions: N strings.
    """
    pixels = style.color_pictures("images", images)
    captions = writable(captions, "image")
    rows, cell = -(-len(pixels) // columns), style.WIDTH / columns  # inches
    side, text = cell - 0.1, 0.08 + 0.15 * max(caption.count("\n") + 1 for caption in captions)
    head = 0.35 if title else 0.05
    height = head + rows * (side + text + 0.08)
    # Placed manually: a layout engine would shrink the pictures to fit a long caption.
    figure = Figure(figsize=(style.WIDTH, height))
    for i, (image, caption) in enumerate(zip(pixels, captions, strict=True)):
        row, column = divmod(i, columns)
        left, top = column * cell + 0.05, head + row * (side + text + 0.08)
        ax = figure.add_axes((left / style.WIDTH, 1 - (top + side) / height, side / style.WIDTH, side / height))
        draw_picture(ax, image, interpolation="nearest")
        below = {"xycoords": "axes fraction", "xytext": (0, -3), "textcoords": "offset points"}
        ax.annotate(caption, (0.5, 0), **below, ha="center", va="top", fontsize=9, linespacing=1.15)
    if title:
        figure.suptitle(title, fontsize=style.LOOK["axes.titlesize"], y=1 - 0.08 / height, va="top")
    return figure


@course_look
def sweep(
    results: Mapping[str, Mapping[float, float]],
    *,
    xlabel: str,
    ylabel: str,
    top: float | None = None,
    colors: Colors = None,
) -> Figure:
    """A result by a setting on a log axis, one line per label; a cross at the top: not finite, or above `top`.

    results: {label: {setting: result}}, settings above 0, such as {"momentum 0.9": {0.01: 1.9, 0.1: 1.7}}.
    """
    lines = style.each(by_setting, results)
    values = np.concatenate([y for _, y in lines.values()])
    known = values[np.isfinite(values)]
    top = float(known.max() if len(known) else 1.0) if top is None else float(top)
    figure, (ax,) = style.new_figure(3.4)
    ax.set_xscale("log")
    for i, (label, pen) in enumerate(style.line_styles(lines, colors).items()):
        x, y = lines[label][0], np.array(lines[label][1], dtype=float)
        fits = y <= top  # False for NaN
        ax.plot(x, np.where(fits, y, np.nan), label=label, markersize=6, **pen)
        if not fits.all():
            # Crosses of several lines at one setting overlap, so each is smaller than the one before.
            cross = {"color": pen["color"], "markersize": max(4, 12 - 4 * i), "markeredgewidth": 2, "zorder": 5 + i}
            ax.plot(x[~fits], np.full((~fits).sum(), top), "x", clip_on=False, **cross)
    low = min([*known, top])
    ax.set_ylim(low - 0.08 * (top - low or 1), top)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    handles = ax.get_legend_handles_labels()[0]
    if not (values <= top).all():
        handles.append(Line2D([], [], color=style.BLACK, marker="x", linestyle="none", label="above, or not finite"))
    ax.legend(handles=handles, loc="lower left")
    return figure


@course_look
def spread(
    results: Mapping[str, Mapping[float, Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    chance: float | None = None,
    colors: Colors = None,
) -> Figure:
    """Results of several runs by a setting on a log axis: a ring per run, a line through the means, error bars.

    results: {label: {setting: the result of each run}}, settings above 0. Bars show one standard deviation.
    """
    lines = style.each(by_setting, results)
    figure, (ax,) = style.new_figure(3.6)
    for i, (label, pen) in enumerate(style.line_styles(lines, colors).items()):
        aside = 1.07 ** (i - (len(lines) - 1) / 2)  # else the bars of several lines would overlap
        x, runs_at = lines[label][0], [style.array(label, runs) for runs in lines[label][1]]
        means, bars = [runs.mean() for runs in runs_at], [deviation(runs) for runs in runs_at]
        ax.errorbar(x * aside, means, bars, label=label, capsize=4, markersize=7, **pen)
        for setting, runs in zip(x, runs_at, strict=True):
            ax.plot(np.full(len(runs), setting * aside), runs, markersize=4, **style.RING)
    ax.margins(y=0.08)
    if chance is not None:
        style.mark_level(ax, chance)
    settings_axis(ax, np.concatenate([x for x, _ in lines.values()]), room=1.5)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(loc="best")
    return figure


@course_look
def reliability(answers: Mapping[str, tuple[Any, Any]], *, colors: Colors = None) -> Figure:
    """Accuracy by confidence, and below it the fraction of images at it (after Guo et al. 2017, figure 1).

    answers: {label: (confidence [N] from 0 to 1, right [N] of booleans)}. Of ten equal intervals of confidence, one
    without images has no point.
    """
    figure, (upper, lower) = style.new_figure(4.6, rows=2, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], label="accuracy = confidence", **style.DASHED)
    bins, edges = 10, np.linspace(0, 1, 11)
    checked = style.each(_answers, answers)
    for label, pen in style.line_styles(checked, colors).items():
        confidence, right = checked[label]
        place = np.minimum((confidence * bins).astype(int), bins - 1)
        count = np.bincount(place, minlength=bins)
        there = count > 0
        x = np.bincount(place, confidence, minlength=bins)[there] / count[there]
        y = np.bincount(place, right, minlength=bins)[there] / count[there]
        upper.plot(x, y, label=label, markersize=6, clip_on=False, **pen)
        lower.stairs(count / len(place), edges, color=pen["color"], linestyle=pen["linestyle"], linewidth=1.8)
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
    lower.set(ylim=(0, None), xlabel="confidence", ylabel="fraction of\nimages")
    upper.legend(loc="upper left")
    return figure


def _answers(label: str, pair: Any) -> tuple[np.ndarray, np.ndarray]:
    confidence, right = (style.shaped(label, values, "N", high=1, finite=True) for values in pair)
    if len(confidence) != len(right) or not np.isin(right, (0, 1)).all():
        raise ValueError(f"{label!r}: give one boolean for each of {len(confidence)} answers: whether it was right.")
    return confidence, right


@course_look
def small_multiples(
    runs: Mapping[str, Any], *, xlabel: str, ylabel: str, behind: str | None = None, log: bool = False
) -> Figure:
    """One panel per label, all on the same axes: the mean of its runs by position, with bars of one standard deviation.

    runs: {label: numbers >= 0 [runs, points]}. behind: the label whose mean is drawn, dashed, in every panel.
    """
    tables = style.each(style.shaped, runs, "runs", "points", finite=True)
    across = min(4, len(tables))
    rows = math.ceil(len(tables) / across)
    figure, axes = style.new_figure(0.6 + 1.6 * rows, across, rows, sharex=True, sharey=True)
    for ax, (label, runs_of) in zip(axes, tables.items(), strict=False):
        ax.set_yscale("log" if log else "linear")
        if behind is not None:
            other = tables[behind].mean(0)
            ax.plot(range(1, len(other) + 1), other, color=style.GRAY, linestyle="--", linewidth=1.2)
        mean, bar, x = runs_of.mean(0), deviation(runs_of), range(1, runs_of.shape[1] + 1)
        low = np.minimum(bar, mean * 0.999) if log else bar  # on a log axis a bar cannot reach 0
        color = style.VERMILLION if label == behind else style.BLUE
        ax.errorbar(x, mean, [low, bar], color=color, marker="o", markersize=3, capsize=2, linewidth=1.5)
        ax.set_title(label, fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    for k in range(len(tables), len(axes)):
        axes[k].set_visible(False)
        axes[k - across].tick_params(labelbottom=True)  # now the lowest of its column
    figure.supxlabel(xlabel, fontsize=10)
    figure.supylabel(ylabel, fontsize=10)
    return figure


@course_look
def error_bars(runs: Mapping[str, Any], *, xlabel: str, chance: float | None = None, colors: Colors = None) -> Figure:
    """One row per label, in the given order: a ring per run, a dot at their mean with a bar of one standard deviation.

    runs: {label: numbers >= 0 [runs]}. chance: a thin line. Labels without a color are blue.
    """
    rows = style.each(style.shaped, runs, "runs", finite=True)
    figure, (ax,) = style.new_figure(0.9 + 0.28 * len(rows))
    for y, (label, values) in enumerate(rows.items()):
        bar = {"xerr": deviation(values), "color": style.color_of(label, colors) or style.BLUE, "capsize": 4}
        ax.plot(values, np.full(len(values), y), markersize=5, **style.RING)
        ax.errorbar(values.mean(), y, marker="D", markersize=6, zorder=2, **bar)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    if chance is not None:
        ax.axvline(chance, color=style.GRAY, linewidth=1)
        above = {"xycoords": ax.get_xaxis_transform(), "xytext": (0, 2), "textcoords": "offset points"}
        ax.annotate("chance", (chance, 1), **above, ha="center", va="bottom", color=style.PALE_INK, fontsize=9)
    return figure
