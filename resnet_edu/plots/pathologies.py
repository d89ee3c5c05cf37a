"""What is wrong with a net, seen from inside: how gradients at neighboring points agree, and profiles to be named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from resnet_edu.plots.style import (
    BLACK,
    GRAY,
    VERMILLION,
    WIDTH,
    course_look,
    float64,
    line_styles,
    log_limits,
    new_figure,
    nonempty,
    norm_row,
)


@course_look
def cosine_maps(profiles: Mapping[str, Any], *, title: str = "") -> Figure:
    """Cosine between the gradients at each two points of a line, one panel a net, all on one color scale from -1 to 1.

    profiles: {label: `probes.Shattering`, or its matrix [points, points]}. NaN is gray.
    """
    maps = {label: _cosines(label, getattr(p, "matrix", p), 2) for label, p in nonempty(profiles).items()}
    if odd := [label for label, values in maps.items() if values.shape[0] != values.shape[1]]:
        raise ValueError(f"{odd[0]!r}: a square is needed, [points, points]; it is {list(maps[odd[0]].shape)}.")
    figure, axes = new_figure(0.95 * WIDTH / max(3, len(maps)) + 0.3, len(maps))
    for ax, (label, values) in zip(axes, maps.items(), strict=True):
        ax.grid(False)
        ax.set_facecolor(GRAY)
        picture = ax.imshow(np.ma.masked_invalid(values), cmap="PuOr", vmin=-1, vmax=1, interpolation="nearest")
        ax.set(title=label, xlabel="point on the line")
    axes[0].set_ylabel("point on the line")
    figure.colorbar(picture, ax=axes, label="cosine", pad=0.01, shrink=0.8)
    if title:
        figure.suptitle(title)
    return figure


@course_look
def cosine_lines(profiles: Mapping[str, Any], *, title: str = "") -> Figure:
    """Cosine between the gradient at each point and at the next one, along the line, one line a net.

    profiles: {label: `probes.Shattering`, or its cosines [points - 1]}.
    """
    lines = {label: _cosines(label, getattr(p, "cosine", p), 1) for label, p in nonempty(profiles).items()}
    figure, (ax,) = new_figure(3.4)
    draw_cosines(ax, lines)
    ax.set_title(title)
    return figure


def draw_cosines(ax: Axes, lines: Mapping[str, np.ndarray]) -> None:
    """`cosine_lines` on given axes."""
    for label, style in line_styles(lines).items():
        where = np.arange(len(lines[label])) + 1.5  # between one point and the next
        ax.plot(where, lines[label], label=label, markersize=4, linewidth=1.5, **style)
    ax.axhline(0, color=GRAY, linewidth=1)
    ax.set_ylim(-1.05, 1.05)
    ax.set_xlim(0.5, max(map(len, lines.values())) + 1.5)
    ax.set_xlabel("point on the line between two images")
    ax.set_ylabel("cosine with the next point")
    ax.legend(loc="lower left", ncols=4)


@course_look
def profile_grid(profiles: Mapping[str, Any], *, columns: int = 4) -> Figure:
    """Norm by layer, one small panel a profile, all on one log scale: profiles to be told apart.

    profiles: {title: norms}, a `probes.GradientNorms` (its last row) or one number a layer. An exact zero is a cross.
    """
    rows = {label: norm_row(label, profile, -1) for label, profile in nonempty(profiles).items()}
    if isinstance(columns, bool) or not isinstance(columns, int) or columns < 1:
        raise ValueError(f"columns={columns!r}: give a whole number of at least 1.")
    lines = -(-len(rows) // columns)
    height = 2.1 * lines + 0.9
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True)
    figure.subplots_adjust(left=0.08, right=0.99, bottom=0.55 / height, top=1 - 0.6 / height, wspace=0.1, hspace=0.45)
    everything = np.concatenate(list(rows.values()))
    for ax in axes.flat[len(rows) :]:
        ax.set_visible(False)
    for ax, (label, norms) in zip(axes.flat, rows.items(), strict=False):
        ax.set_yscale("log", nonpositive="mask")
        log_limits(ax, everything)
        layers = np.arange(1, len(norms) + 1)
        ax.plot(layers, norms, color=BLACK, marker="o", markersize=3, linewidth=1)
        zeros = layers[norms == 0]
        bottom = np.full(len(zeros), ax.get_ylim()[0])
        ax.plot(zeros, bottom, "x", color=VERMILLION, markersize=6, clip_on=False, zorder=5)
        ax.set_title(label)
        ax.set_xlim(0, len(norms) + 1)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for ax in axes[:, 0]:
        ax.set_ylabel("gradient norm")
    figure.supxlabel("layer: 1 is next to the image, the last one is the classifier", fontsize=10, y=0.01)
    if (everything == 0).any():
        mark = Line2D([], [], color=VERMILLION, marker="x", linestyle="none", label="exactly 0")
        figure.legend(handles=[mark], loc="upper right", frameon=False)
    return figure


def _cosines(label: str, values: Any, ndim: int) -> np.ndarray:
    cosines = float64(label, values)
    if cosines.ndim != ndim or not cosines.size:
        raise ValueError(f"{label!r}: cosines of {ndim} dimension(s) are needed; these are {list(cosines.shape)}.")
    if (np.abs(cosines) > 1 + 1e-6).any():
        raise ValueError(
            f"{label!r}: a cosine is from -1 to 1; there is a {cosines.flat[np.nanargmax(np.abs(cosines))]:g}."
        )
    return cosines
