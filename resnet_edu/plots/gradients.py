"""Gradient norms by layer and step, and which layers moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from resnet_edu.plots.curves import draw_epochs
from resnet_edu.plots.style import (
    BLACK,
    GRAY,
    LOOK,
    course_look,
    line_styles,
    log_limits,
    new_figure,
    nonempty,
    norm_row,
    norm_table,
    vector,
)


@course_look
def gradient_norms(
    profiles: Mapping[str, Any],
    *,
    step: int = -1,
    ylabel: str = "gradient norm",
    xlabel: str = "layer: 1 is next to the image, the last one is the classifier",
    title: str = "",
) -> Figure:
    """Norm by layer, one line a net, on a log scale; an exact zero is drawn as a cross on the bottom line.

    profiles: {label: norms}. Norms are a `probes.GradientNorms` (its row `step` is drawn) or one number a layer.
    """
    lines = {label: norm_row(label, profile, step) for label, profile in nonempty(profiles).items()}
    figure, (ax,) = new_figure(3.6)
    draw_norms(ax, lines)
    ax.set(ylabel=ylabel, xlabel=xlabel, title=title)
    return figure


@course_look
def accuracy_and_gradients(histories: Mapping[str, Any], profiles: Mapping[str, Any], *, chance: float = 0.1) -> Figure:
    """The same networks in two panels: training accuracy by epoch, and the late gradient norm by layer on a log scale.

    histories: {label: History, or one accuracy an epoch}. profiles: {label: one norm a layer}, with the same labels.
    """
    if list(histories) != list(profiles):
        raise ValueError(f"Give the same labels twice: {list(histories)} and {list(profiles)} differ.")
    curves = {label: vector(label, getattr(h, "train_accuracy", h)) for label, h in nonempty(histories).items()}
    figure, (left, right) = new_figure(3.8, columns=2)
    draw_epochs(left, curves, line_styles(curves), chance=chance)
    left.set(xlabel="epoch", ylabel="training accuracy")
    left.legend(loc="lower right", bbox_to_anchor=(1, chance + 0.04))  # above the line of chance
    draw_norms(right, {label: norm_row(label, profile, -1) for label, profile in profiles.items()})
    right.set(ylabel="gradient norm, late in training", xlabel="convolution: 1 is next to the image")
    right.get_legend().remove()  # the labels and their styles are those of the left panel
    return figure


def draw_norms(ax: Axes, lines: Mapping[str, np.ndarray], *, scale: np.ndarray | None = None) -> None:
    """`gradient_norms` on given axes. scale: all numbers that the axis has to hold, where others are to come."""
    everything = np.concatenate(list(lines.values()))
    ax.set_yscale("log", nonpositive="mask")  # at a zero the line breaks off
    ax.grid(color=LOOK["grid.color"])
    log_limits(ax, everything if scale is None else scale)
    handles = []
    for label, style in line_styles(lines).items():
        norms, layers = lines[label], np.arange(1, len(lines[label]) + 1)
        sparse = max(1, len(norms) // 60)  # a thousand markers would hide the line
        handles += ax.plot(layers, norms, label=label, markersize=4, linewidth=1.5, markevery=sparse, **style)
        zeros = layers[norms == 0]
        if len(zeros):  # an empty line that is not clipped has a place of its own, in the corner of the figure
            bottom = np.full(len(zeros), ax.get_ylim()[0])
            ax.plot(zeros, bottom, "x", color=style["color"], markersize=7, clip_on=False, zorder=5)
    if (everything == 0).any():
        handles.append(Line2D([], [], color=BLACK, marker="x", linestyle="none", label="exactly 0"))
    ax.legend(handles=handles)
    ax.set_xlim(0.5, max(map(len, lines.values())) + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("layer: 1 is next to the image, the last one is the classifier")


@course_look
def gradient_heatmap(profiles: Mapping[str, Any], *, title: str = "") -> Figure:
    """Norm by layer (upwards) and step (to the right), one panel a net, all on one color scale.

    profiles: {label: norms}, a `probes.GradientNorms` or an array [rows, layers]. Exact zeros are gray. Where a profile
    has `.steps`, they number the rows.
    """
    tables = norm_tables(profiles)
    everything = np.concatenate([t[np.isfinite(t) & (t > 0)] for t in tables.values()])
    if not len(everything):
        raise ValueError("gradient_heatmap: no norm is finite and above zero, so there is no color scale to draw.")
    norm = LogNorm(everything.min(), max(everything.max(), everything.min() * 10))
    figure, axes = new_figure(3.4, len(tables))
    for ax, (label, table) in zip(axes, tables.items(), strict=True):
        ax.grid(False)
        rows, layers = table.shape
        steps = getattr(profiles[label], "steps", range(rows))
        half = (steps[-1] - steps[0]) / max(1, rows - 1) / 2 or 0.5
        extent = (steps[0] - half, steps[-1] + half, 0.5, layers + 0.5)
        options: dict[str, Any] = {"aspect": "auto", "origin": "lower", "extent": extent, "interpolation": "nearest"}
        shown = np.ma.masked_where(~(table > 0), table)
        picture = ax.imshow(shown.T, norm=norm, cmap="viridis", **options)
        zeros = np.ma.masked_where(table != 0, np.ones_like(table))
        ax.imshow(zeros.T, cmap=ListedColormap([GRAY]), **options)
        ax.set(title=label, xlabel="step")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(4 if len(tables) > 2 else 8, integer=True))
    axes[0].set_ylabel("layer: 1 is next to the image")
    figure.colorbar(picture, ax=axes, label="gradient norm", pad=0.01)
    if any((t == 0).any() for t in tables.values()):
        figure.legend(handles=[Patch(color=GRAY, label="exactly 0")], loc="outside lower right", frameon=False)
    if title:
        figure.suptitle(title)
    return figure


@course_look
def layers_moved(moved: Mapping[str, Sequence[bool]]) -> Figure:
    """One row a net, one cell a layer: filled where training changed it, hatched where not a single bit moved.

    moved: {label: one True or False a layer}.
    """
    rows = {label: vector(label, values) != 0 for label, values in nonempty(moved).items()}
    figure, (ax,) = new_figure(0.7 + 0.5 * len(rows))
    for y, (label, values) in enumerate(reversed(rows.items())):
        color = line_styles([label])[label]["color"]
        for i, value in enumerate(values):
            box = {"facecolor": color} if value else {"facecolor": "white", "hatch": "xxxx", "edgecolor": GRAY}
            ax.add_patch(Rectangle((i + 0.55, y - 0.36), 0.9, 0.72, linewidth=0, **box))
    ax.set(xlim=(0.3, max(map(len, rows.values())) + 0.7), ylim=(-0.6, len(rows) - 0.4))
    ax.set_yticks(range(len(rows)), [f"{k}: {int(v.sum())} of {len(v)} moved" for k, v in reversed(rows.items())])
    ax.set_xlabel("layer: 1 is next to the image (filled: moved; hatched: bit for bit as at the start)")
    ax.grid(False)
    return figure


def norm_tables(profiles: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """{label: float64 [steps, layers]} from recorders or arrays, checked."""
    return {label: norm_table(label, profile) for label, profile in nonempty(profiles).items()}
