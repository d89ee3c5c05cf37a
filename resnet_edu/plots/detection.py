"""Scenes with boxes or coloured regions on them, and precision against recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from resnet_edu.plots.style import BLUE, GREEN, PURPLE, VERMILLION, WIDTH, array, course_look, new_figure, nonempty

KINDS = (VERMILLION, BLUE, GREEN, PURPLE)  # one colour a kind of object
DASHES = ("-", "--", ":", "-.")


@course_look
def boxes(panels: Mapping[str, tuple[Any, Any, Sequence[int]]], classes: Sequence[str], *, columns: int = 6) -> Figure:
    """Pictures with boxes on them, each kind in its colour and line style.

    panels: {title: (picture uint8 [3, H, W], boxes [k, 4] as x1, y1, x2, y2 in pixels, k numbers of their classes)}.
    """
    _check_classes(classes)
    figure, axes = _grid(len(nonempty(panels)), columns)
    for ax, (title, (picture, corners, kinds)) in zip(axes, panels.items(), strict=False):
        _picture(ax, title, picture)
        for patch in box_patches(corners, kinds):
            ax.add_patch(patch)
    handles = [
        Patch(facecolor="none", edgecolor=KINDS[k], linestyle=DASHES[k], linewidth=2, label=name)
        for k, name in enumerate(classes)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(classes))
    return figure


def box_patches(corners: Any, kinds: Sequence[int]) -> list[Rectangle]:
    """The boxes [k, 4] as patches; a pixel's centre has whole numbers, so a box begins half a pixel before it."""
    numbers = array("boxes", corners)
    if numbers.shape != (len(kinds), 4):
        raise ValueError(f"boxes have to be [k, 4] with k classes; they are {list(numbers.shape)} with {len(kinds)}.")
    return [
        Rectangle(
            (x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, fill=False, linewidth=2, edgecolor=KINDS[k], linestyle=DASHES[k]
        )
        for (x1, y1, x2, y2), k in zip(numbers.tolist(), map(int, kinds), strict=True)
    ]


@course_look
def regions(pictures: Any, masks: Mapping[str, Any], classes: Sequence[str]) -> Figure:
    """Pictures in the first row; below, one row for each entry of `masks`, every region in its kind's colour.

    pictures: uint8 [N, 3, H, W]. masks: {label: int [N, H, W]}, 0 for background, else the number of the class + 1.
    """
    _check_classes(classes)
    pixels = array("pictures", pictures)
    rows = {label: array(label, mask) for label, mask in nonempty(masks).items()}
    for label, mask in rows.items():
        if mask.shape != (len(pixels), *pixels.shape[2:]):
            raise ValueError(
                f"{label!r}: masks for these pictures are {[len(pixels), *pixels.shape[2:]]}, not {list(mask.shape)}."
            )
    colours = np.array([[0.93, 0.93, 0.93], *(to_rgb(colour) for colour in KINDS[: len(classes)])])
    side = (WIDTH - 1.1) / len(pixels)
    figure = Figure(figsize=(WIDTH, (1 + len(rows)) * side + 0.45), layout="constrained")
    grid = figure.subplots(1 + len(rows), len(pixels), squeeze=False)
    for i, picture in enumerate(pixels):
        _picture(grid[0, i], "", picture)
        for ax, mask in zip(grid[1:, i], rows.values(), strict=True):
            ax.imshow(colours[mask[i]], interpolation="nearest")
            _bare(ax)
    for ax, label in zip(grid[:, 0], ("scene", *rows), strict=True):
        ax.set_ylabel(label, rotation=0, ha="right", va="center")
    handles = [Patch(color=KINDS[k], label=name) for k, name in enumerate(classes)]
    handles.append(Patch(color=colours[0], label="background"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


@course_look
def precision_recall(curves: Mapping[str, tuple[Any, Any]]) -> Figure:
    """Precision against recall, one line for each entry: {label: (recall [n], precision [n])}."""
    figure, (ax,) = new_figure(3.4)
    draw_precision_recall(ax, curves)
    return figure


def draw_precision_recall(ax: Axes, curves: Mapping[str, tuple[Any, Any]]) -> None:
    colours = (*KINDS, VERMILLION)
    for k, (label, (recall, precision)) in enumerate(nonempty(curves).items()):
        x, y = array(label, recall), array(label, precision)
        if x.shape != y.shape or x.ndim != 1:
            raise ValueError(f"{label!r}: give as many recalls as precisions; they are {x.shape} and {y.shape}.")
        ax.plot(x, y, color=colours[k], linestyle=DASHES[k], label=label, linewidth=2)
    ax.set(xlim=(0, 1.02), ylim=(0, 1.05), xlabel="recall", ylabel="precision")
    ax.legend(loc="lower left")


def _picture(ax: Axes, title: str, picture: Any) -> None:
    ax.imshow(array("picture", picture).astype(np.uint8).transpose(1, 2, 0), interpolation="nearest")
    ax.set_title(title, fontsize=9)
    _bare(ax)


def _bare(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    ax.spines[:].set_visible(False)


def _grid(count: int, columns: int) -> tuple[Figure, list[Axes]]:
    across = min(columns, max(count, 3))
    rows = -(-count // across)
    figure = Figure(figsize=(WIDTH, rows * (WIDTH / across + 0.15) + 0.35), layout="constrained")
    axes = list(figure.subplots(rows, across, squeeze=False).flat)
    for ax in axes[count:]:
        ax.set_visible(False)
    return figure, axes


def _check_classes(classes: Sequence[str]) -> None:
    if isinstance(classes, str) or not 1 <= len(classes) <= len(KINDS):
        raise ValueError(f"classes={classes!r:.60}: give the names of 1 to {len(KINDS)} classes, one colour each.")
