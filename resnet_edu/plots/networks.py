"""A network, drawn from the table of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Rectangle

from resnet_edu.plots.style import BLUE, course_look, new_figure


@course_look
def network(layers: Sequence[Any], *, title: str = "") -> Figure:
    """The layers with weights as boxes, as high as their maps are; arcs are shortcuts.

    layers: the table that `probes.layer_table` makes from a net: rows with name, kind, in_shape, out_shape, parameters.
    """
    if not isinstance(layers, Sequence) or not all(hasattr(layer, "out_shape") for layer in layers):
        raise TypeError("network takes the table that probes.layer_table(net, batch) returns.")
    boxes = [
        layer for layer in layers if layer.parameters and len(layer.out_shape) in (1, 3) and "Norm" not in layer.kind
    ]
    boxes = [layer for layer in boxes if ".shortcut" not in layer.name]
    if not boxes:
        raise ValueError("network: the table has no layer with weights to draw.")
    figure, (ax,) = new_figure(2.6)
    tallest = max(_side(layer) for layer in boxes)
    shapes = sorted({layer.out_shape for layer in boxes}, key=lambda s: -int(np.prod(s)))
    shades = {
        shape: mpl.colormaps["cividis"](0.15 + 0.7 * i / max(1, len(shapes) - 1)) for i, shape in enumerate(shapes)
    }
    for x, layer in enumerate(boxes):
        height = max(0.06, _side(layer) / tallest)
        ax.add_patch(Rectangle((x + 0.12, -height / 2), 0.76, height, facecolor=shades[layer.out_shape], linewidth=0))
    for block in dict.fromkeys(layer.name.split(".shortcut")[0] for layer in layers if ".shortcut" in layer.name):
        at = [x for x, layer in enumerate(boxes) if layer.name.startswith(f"{block}.")]
        if at:
            centre, width, top = (at[0] + at[-1] + 1) / 2, at[-1] - at[0] + 0.9, _side(boxes[at[0]]) / tallest / 2
            ax.add_patch(Arc((centre, top + 0.03), width, 0.3, theta1=0, theta2=180, color=BLUE, linewidth=1.5))
    for shape in shapes:
        at = [x for x, layer in enumerate(boxes) if layer.out_shape == shape]
        text = " × ".join(map(str, shape)) + ("\nlogits" if len(shape) == 1 else "")
        ax.text((at[0] + at[-1] + 1) / 2, -0.58, text, ha="center", va="top", fontsize=9)
    ax.set(xlim=(-0.5, len(boxes) + 0.5), ylim=(-0.85, 0.75), title=title)
    ax.axis("off")
    return figure


def _side(layer: Any) -> int:
    return int(layer.out_shape[-1]) if len(layer.out_shape) == 3 else 1
