"""A network, drawn from its layer table; where its costs are; a block: its dataflow, Jacobians and measurements."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Rectangle

from resnet_edu.plots import style
from resnet_edu.plots.style import course_look

BARS = (style.BLUE, style.BROWN, style.GREEN, style.PURPLE, style.VIOLET)


@course_look
def network(layers: Sequence[Any], *, title: str = "") -> Figure:
    """The layers with weights as boxes, whose height shows the size of their maps; arcs are shortcuts.

    layers: the result of `probes.layer_table`: rows with name, kind, in_shape, out_shape, parameters.
    """
    weighted = [layer for layer in layers if layer.parameters and "Norm" not in layer.kind]
    boxes = [layer for layer in weighted if len(layer.out_shape) in (1, 3) and ".shortcut" not in layer.name]
    figure, (ax,) = style.new_figure(2.6)
    tallest = max(_side(layer) for layer in boxes)
    shapes = sorted({layer.out_shape for layer in boxes}, key=lambda s: -int(np.prod(s)))
    shades = dict(zip(shapes, mpl.colormaps["cividis"](np.linspace(0.15, 0.6, len(shapes))), strict=True))
    for x, layer in enumerate(boxes):
        height = max(0.06, _side(layer) / tallest)
        ax.add_patch(Rectangle((x + 0.12, -height / 2), 0.76, height, facecolor=shades[layer.out_shape], linewidth=0))
    for block in dict.fromkeys(layer.name.split(".shortcut")[0] for layer in layers if ".shortcut" in layer.name):
        at = [x for x, layer in enumerate(boxes) if layer.name.startswith(f"{block}.")]
        if at:
            center, width, top = (at[0] + at[-1] + 1) / 2, at[-1] - at[0] + 0.9, _side(boxes[at[0]]) / tallest / 2
            ax.add_patch(Arc((center, top + 0.03), width, 0.3, theta1=0, theta2=180, color=style.BLUE, linewidth=1.5))
    for shape in shapes:
        at = [x for x, layer in enumerate(boxes) if layer.out_shape == shape]
        text = " × ".join(map(str, shape)) + ("\nlogits" if len(shape) == 1 and shape == boxes[-1].out_shape else "")
        ax.text((at[0] + at[-1] + 1) / 2, -0.58, text, ha="center", va="top", fontsize=9 if len(shapes) < 6 else 7.5)
    ax.set(xlim=(-0.5, len(boxes) + 0.5), ylim=(-0.85, 0.75), title=title)
    ax.axis("off")
    return figure


@course_look
def shares(numbers: Mapping[str, Mapping[str, float]], *, title: str = "") -> Figure:
    """Where a network's parameters, compute and memory are: bars side by side, each kind as fractions of its own sum.

    numbers: {kind: {part of the network: number}}, at most 5 kinds, all with the same parts.
    """
    parts = same_keys(numbers)
    kinds = style.each(style.shaped, {kind: list(given.values()) for kind, given in numbers.items()}, "parts")
    figure, (ax,) = style.new_figure(2.9)
    width = 0.8 / len(kinds)
    looks = zip(BARS[: len(kinds)], style.HATCHES[: len(kinds)], strict=True)
    for i, ((kind, given), (color, hatch)) in enumerate(zip(kinds.items(), looks, strict=True)):
        at = np.arange(len(parts)) + (i - (len(kinds) - 1) / 2) * width
        share = given / given.sum()
        ax.bar(at, share, 0.92 * width, label=kind, color=color, hatch=hatch, edgecolor="white", linewidth=0)
    ax.set_xticks(range(len(parts)), parts)
    ax.set(ylabel="fraction of the whole", title=title)
    ax.grid(axis="x", visible=False)
    ax.legend()
    return figure


def _side(layer: Any) -> int:
    return int(layer.out_shape[-1]) if len(layer.out_shape) == 3 else 1


# --- blocks -----------------------------------------------------------------------------------------------------------

FILLS = {"Conv": "#CFE3F2", "Linear": "#CFE3F2", "Norm": "#F3E6C4"}  # the others are white
COLUMNS = 9.0  # boxes that fit side by side in the figure's width at full font size


@dataclass(frozen=True)
class _Detour:
    """A path next to the main one: from column `start` to column `end`, through the steps `via`, at height `y`."""

    start: int
    end: int
    via: tuple[int, ...]
    y: float


@course_look
def blocks(flows: Mapping[str, Any]) -> Figure:
    """Each block as data flows through it: the longest path from x to y in a row, all other paths above it, in blue.

    flows: {title: steps}; steps as `probes.dataflow` lists them, with label, kind, sources and out_shape. Below each
    step is the shape of its output: channels × height × width.
    """
    mains = style.each(lambda _, steps: _longest_way(steps), flows)
    detours = style.each(lambda title, steps: _detours(steps, mains[title]), flows)
    heights = [1.05 + max([0.0, *(d.y + 0.05 for d in found)]) for found in detours.values()]
    columns = max(COLUMNS, *(len(main) + 1.5 for main in mains.values()))
    figure, axes = style.new_figure(0.85 * sum(heights), rows=len(flows), height_ratios=heights)
    for ax, height, (title, steps) in zip(axes, heights, flows.items(), strict=True):
        _draw_block(ax, steps, mains[title], detours[title], fontsize=8.5 * COLUMNS / columns)
        ax.set(xlim=(-0.4, columns - 0.5), ylim=(-0.6, height - 0.6))
        ax.set_title(title, loc="left")
        ax.axis("off")
    return figure


def _longest_way(steps: Sequence[Any]) -> list[int]:
    """The positions of the steps on the longest way from the input to the last step."""
    ways: list[list[int]] = []
    for i, step in enumerate(steps):
        ways.append([*max((ways[s] for s in step.sources if s >= 0), key=len, default=[]), i])
    return ways[-1]


def _detours(steps: Sequence[Any], main: list[int]) -> list[_Detour]:
    """All paths other than the main one, each in its own lane: the shortest is the lowest."""
    column = {-1: 0, **{step: k for k, step in enumerate(main, start=1)}}
    found = []
    for step in main:
        sources = list(steps[step].sources)
        before = main[column[step] - 2] if column[step] > 1 else -1
        if before in sources:
            sources.remove(before)  # the arrow along the row
        for source in sources:
            via: tuple[int, ...] = ()
            while source not in column:
                via = (source, *via)
                source = max(steps[source].sources, default=-1)
            found.append((column[source], column[step], via))
    y, placed = 0.28, []
    for start, end, via in sorted(found, key=lambda way: (way[1] - way[0], len(way[2]))):
        y += 0.72 if via else 0.3
        placed.append(_Detour(start, end, via, y))
        y += 0.22 if via else 0.0
    return placed


def _draw_block(ax: Axes, steps: Sequence[Any], main: list[int], detours: list[_Detour], fontsize: float) -> None:
    end = len(main) + 1
    # From a column's center to its edge.
    reach = [0.12, *(0.17 if steps[i].kind == "add" else 0.42 for i in main), 0.15]
    for k in range(end):
        _arrow(ax, (k + reach[k], 0), (k + 1 - reach[k + 1], 0), style.GRAY)
    for x, letter in ((0, "$x$"), (end, "$y$")):
        ax.text(x, 0, letter, ha="center", va="center", fontsize=fontsize + 3)
    for k, i in enumerate(main, start=1):
        _draw_step(ax, steps[i], k, 0.0, fontsize)
    for detour in detours:
        left = detour.start + (0.25 if detour.start == 0 else 0.5)
        top = 0.24 if steps[main[detour.end - 1]].kind == "add" else 0.3
        ax.plot([left, left, detour.end], [0, detour.y, detour.y], color=style.BLUE, linewidth=1.5, zorder=1)
        ax.plot([left], [0], "o", color=style.BLUE, markersize=3.5)
        _arrow(ax, (detour.end, detour.y), (detour.end, top), style.BLUE)
        for k, i in enumerate(detour.via, start=1):
            middle = left + (detour.end - left) * k / (len(detour.via) + 1)
            _draw_step(ax, steps[i], middle, detour.y, fontsize)


def _draw_step(ax: Axes, step: Any, x: float, y: float, fontsize: float) -> None:
    if step.kind == "add":
        ring = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": style.BLUE, "linewidth": 1.5}
        ax.text(x, y, step.label, ha="center", va="center", fontsize=fontsize + 2, bbox=ring)
    else:
        fill = next((color for word, color in FILLS.items() if word in step.kind), "white")
        look = {"facecolor": fill, "edgecolor": style.GRAY, "linewidth": 1, "zorder": 2}
        ax.add_patch(Rectangle((x - 0.42, y - 0.28), 0.84, 0.56, **look))
        ax.text(x, y, step.label, ha="center", va="center", fontsize=fontsize, linespacing=1.15, zorder=3)
    text = "×".join(map(str, step.out_shape))
    ax.text(x, y - 0.34, text, ha="center", va="top", fontsize=fontsize - 1, color=style.PALE_INK)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    pen = {"arrowstyle": "-|>", "color": color, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
    ax.annotate("", xy=end, xytext=start, arrowprops=pen)


@course_look
def matrices(tables: Mapping[str, Any]) -> Figure:
    """Jacobians side by side on one color scale with white at 0: blue is negative, red is positive.

    tables: {title: matrix [rows, columns]} of finite numbers.
    """
    grids = style.each(style.shaped, tables, "rows", "columns", low=-np.inf, finite=True)
    most = max(float(np.abs(grid).max()) for grid in grids.values()) or 1.0
    figure, axes = style.new_figure(0.65 + 7.6 / max(3, len(grids)), len(grids))
    for ax, (title, grid) in zip(axes, grids.items(), strict=True):
        picture = ax.imshow(grid, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
        ax.set(title=title, xlabel="entry of the input")
        style.no_ticks(ax)
    axes[0].set_ylabel("entry of the output")
    figure.colorbar(picture, ax=axes, shrink=0.7, pad=0.01, label="derivative")
    return figure


@course_look
def checks(rows: Mapping[str, Mapping[str, tuple[str, bool]]]) -> Figure:
    """A table of measurements: one row per measured object, one column per measurement; wrong values stand out.

    rows: {object: {measurement: (measured value, whether it is right)}}, every row with the same measurements.
    """
    names = same_keys(rows)
    figure, (ax,) = style.new_figure(0.8 + 0.27 * len(rows))
    for y, row in enumerate(rows.values()):
        for x, (text, right) in enumerate(row.values()):
            look = {"facecolor": "white"} if right else {"facecolor": "#F4C9B3"}
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, edgecolor=style.LOOK["grid.color"], linewidth=1, **look))
            shown, weight, color = (text, "normal", style.PALE_INK) if right else (f"✗ {text}", "bold", "black")
            ax.text(x, y, shown, ha="center", va="center", fontsize=8.5, weight=weight, color=color)
    ax.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    style.no_ticks(ax)
    ax.spines[:].set_visible(False)
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
