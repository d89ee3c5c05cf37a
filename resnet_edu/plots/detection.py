"""Scenes with boxes or colored regions, and precision against recall."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from resnet_edu.plots import style
from resnet_edu.plots.fonts import add_fonts, writable
from resnet_edu.plots.images import draw_picture
from resnet_edu.plots.style import course_look

KINDS = (style.VERMILLION, style.BLUE, style.GREEN, style.PURPLE)  # one color per kind of object


@course_look
def boxes(panels: Mapping[str, tuple[Any, Any, Sequence[int]]], classes: Sequence[str]) -> Figure:
    """Pictures with boxes, each kind in its own color and line style.

    panels: {title: (picture uint8 [3, H, W], boxes [k, 4] as x1, y1, x2, y2 in pixels, k class indices)}.
    """
    names = writable(classes)
    add_fonts(panels)
    across = min(6, max(len(panels), 3))
    rows = -(-len(panels) // across)
    figure, axes = style.new_figure(rows * (style.WIDTH / across + 0.15) + 0.5, across, rows)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    for ax, (title, (picture, corners, kinds)) in zip(axes, panels.items(), strict=False):
        draw_picture(ax, style.color_pictures(title, picture[None])[0], interpolation="nearest")
        ax.set_title(title, fontsize=9)
        for patch in box_patches(corners, kinds, classes=len(classes)):
            ax.add_patch(patch)
    handles = [
        Patch(facecolor="none", edgecolor=KINDS[k], linestyle=style.LINES[k], linewidth=2, label=name)
        for k, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(names))
    return figure


def box_patches(corners: Any, kinds: Sequence[int], *, classes: int = len(KINDS)) -> list[Rectangle]:
    """The boxes [k, 4] as patches; pixel centers are at integers, so a box starts half a pixel before them.

    kinds: k class indices, from 0 to `classes` - 1.
    """
    _check_numbers("classes", style.array("classes", kinds), min(classes, len(KINDS)) - 1)
    look = {"fill": False, "linewidth": 2}
    return [
        Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, edgecolor=KINDS[k], linestyle=style.LINES[k], **look)
        for (x1, y1, x2, y2), k in zip(style.array("boxes", corners).tolist(), map(int, kinds), strict=True)
    ]


@course_look
def regions(pictures: Any, masks: Mapping[str, Any], classes: Sequence[str]) -> Figure:
    """Pictures in the first row; below, one row per entry of `masks`, each region in its kind's color and hatch.

    pictures: uint8 [N, 3, H, W]. masks: {label: int [N, H, W]}, 0 for background, else class index + 1.
    """
    pixels, names = style.color_pictures("pictures", pictures), writable(classes)
    rows = {label: style.array(label, mask) for label, mask in masks.items()}
    add_fonts(rows)
    for label, mask in rows.items():
        if mask.shape != (len(pixels), *pixels.shape[2:]):
            raise ValueError(f"{label!r}: give a mask [N, H, W] of the pictures' size, not {list(mask.shape)}.")
        _check_numbers(label, mask, len(classes))
    colors = np.array([[0.93, 0.93, 0.93], *(to_rgb(color) for color in KINDS[: len(classes)])])
    side = (style.WIDTH - 1.1) / len(pixels)
    figure = Figure(figsize=(style.WIDTH, (1 + len(rows)) * side + 0.45), layout="constrained")
    grid = figure.subplots(1 + len(rows), len(pixels), squeeze=False)
    for i, picture in enumerate(pixels):
        draw_picture(grid[0, i], picture, interpolation="nearest")
        for ax, mask in zip(grid[1:, i], rows.values(), strict=True):
            ax.imshow(colors[mask[i]], interpolation="nearest")
            for k in range(len(classes)):
                if style.HATCHES[k] and (mask[i] == k + 1).any():
                    hatched = ax.contourf(mask[i] == k + 1, (0.5, 1), colors="none", hatches=[style.HATCHES[k]])
                    hatched.set(edgecolor="white", linewidth=0)
            style.no_ticks(ax)
    for ax, label in zip(grid[:, 0], ("scene", *rows), strict=True):
        ax.set_ylabel(label, rotation=0, ha="right", va="center")
    handles = [
        Patch(facecolor=KINDS[k], edgecolor="white", hatch=style.HATCHES[k], linewidth=0, label=name)
        for k, name in enumerate(names)
    ]
    handles.append(Patch(facecolor=colors[0], edgecolor=style.GRAY, label="background"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


@course_look
def precision_recall(curves: Mapping[str, tuple[Any, Any]]) -> Figure:
    """Precision against recall, one line per entry, at most 4: {label: (recall [n], precision [n])}."""
    add_fonts(curves)
    figure, (ax,) = style.new_figure(3.4)
    draw_precision_recall(ax, curves)
    return figure


def draw_precision_recall(ax: Axes, curves: Mapping[str, tuple[Any, Any]]) -> None:
    colors = KINDS if len(curves) > 1 else (style.BLACK,)  # one curve is of no kind
    for k, (label, (recall, precision)) in enumerate(curves.items()):
        x, y = style.signed(label, recall), style.signed(label, precision)
        ax.plot(x, y, color=colors[k], linestyle=style.LINES[k], label=label, linewidth=2)
    ax.set(xlim=(0, 1.02), ylim=(0, 1.05), xlabel="recall", ylabel="precision")
    ax.legend(loc="lower left")


def _check_numbers(what: str, numbers: np.ndarray, most: int) -> None:
    """Check for integers from 0 to `most` (or an empty array): a negative one would index from the end."""
    if odd := numbers[~np.isin(numbers, range(most + 1))].tolist():
        raise ValueError(f"{what!r}: give integers from 0 to {most}; one is {odd[0]}.")
