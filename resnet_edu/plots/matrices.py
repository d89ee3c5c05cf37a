"""Tables: signed numbers such as Jacobians; measurements that are right or wrong."""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from resnet_edu.plots.style import LOOK, PALE_INK, course_look, each, new_figure, no_ticks, shaped


@course_look
def matrices(tables: Mapping[str, Any]) -> Figure:
    """Matrices side by side on one color scale with white at 0: blue is negative, red is positive.

    tables: {title: matrix [rows, columns]} of finite numbers.
    """
    grids = each(shaped, tables, "rows", "columns", low=-np.inf, finite=True)
    most = max(float(np.abs(grid).max()) for grid in grids.values()) or 1.0
    figure, axes = new_figure(0.65 + 7.6 / max(3, len(grids)), len(grids))
    for ax, (title, grid) in zip(axes, grids.items(), strict=True):
        picture = ax.imshow(grid, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
        ax.set_title(title)
        no_ticks(ax)
    figure.colorbar(picture, ax=axes, shrink=0.7, pad=0.01)
    return figure


@course_look
def checks(rows: Mapping[str, Mapping[str, tuple[str, bool]]]) -> Figure:
    """A table of measurements: one row per measured object, one column per measurement; wrong values stand out.

    rows: {object: {measurement: (measured value, whether it is right)}}, every row with the same measurements.
    """
    names = same_keys(rows)
    figure, (ax,) = new_figure(0.8 + 0.27 * len(rows))
    for y, row in enumerate(rows.values()):
        for x, (text, right) in enumerate(row.values()):
            look = {"facecolor": "white"} if right else {"facecolor": "#F4C9B3"}
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, edgecolor=LOOK["grid.color"], linewidth=1, **look))
            shown, weight, color = (text, "normal", PALE_INK) if right else (f"✗ {text}", "bold", "black")
            ax.text(x, y, shown, ha="center", va="center", fontsize=8.5, weight=weight, color=color)
    ax.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    no_ticks(ax)
    ax.set_xticks(range(len(names)), [textwrap.fill(name, 11) for name in names], fontsize=8.5)
    ax.set_yticks(range(len(rows)), list(rows), fontsize=9)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    return figure


def same_keys(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The keys of all rows, in the same order: otherwise values would land in the wrong column."""
    names = list(next(iter(rows.values())))
    for label, row in rows.items():
        if list(row) != names:
            raise ValueError(f"{label!r}: every row needs {', '.join(names)}; it has {', '.join(row)}.")
    return names
