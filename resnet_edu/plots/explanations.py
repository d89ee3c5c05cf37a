"""Saliency maps over images: where a network is said to look."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from resnet_edu.plots.fonts import writable
from resnet_edu.plots.images import draw_picture
from resnet_edu.plots.style import WIDTH, color_pictures, course_look, each, no_ticks, shaped

HEAT = "inferno"  # dark at 0, brighter for larger values, also in grayscale


@course_look
def heat_maps(images: Any, maps: Mapping[str, Any], *, captions: Sequence[str] | None = None) -> Figure:
    """Images in a row, and below it one row per kind of map, overlaid on the images in gray.

    images: uint8 [N, 3, H, W], at most 12. maps: {label: [N, h, w]}, numbers of at least 0, stretched over the image.
    captions: N of them, above the images. Each map is scaled by its own maximum: compare where maps are bright, not
    how bright. A map of zeros is dark all over.
    """
    pixels = color_pictures("images", images)
    rows = each(shaped, maps, "N", "h", "w", finite=True)
    if odd := [label for label, values in rows.items() if len(values) != len(pixels)]:
        raise ValueError(f"{odd[0]!r}: {len(pixels)} images need as many maps, not {len(rows[odd[0]])}.")
    captions = writable(captions or (), "image")
    left, count = 0.15, len(pixels)
    side = WIDTH * (1 - left) / max(count, 5)
    head = 0.04 + (0.16 * max(caption.count("\n") + 1 for caption in captions) if captions else 0.0)
    height = head + (len(rows) + 1) * side
    figure = Figure(figsize=(WIDTH, height), layout=None)
    for row, label in enumerate(["", *rows]):
        for column in range(count):
            bottom = 1 - (head + (row + 1) * side - 0.02) / height
            width = side - 0.04
            ax = figure.add_axes((left + column * side / WIDTH, bottom, width / WIDTH, width / height))
            if row:
                draw_heat(ax, pixels[column], rows[label][column])
            else:
                draw_picture(ax, pixels[column])
                if captions:
                    ax.set_title(captions[column], fontsize=9, pad=3)
        figure.text(left - 0.01, bottom + width / height / 2, label or "image", ha="right", va="center", fontsize=9)
    return figure


def draw_heat(ax: Axes, image: np.ndarray, values: np.ndarray) -> tuple[AxesImage, AxesImage]:
    """A map [h, w] over an image, uint8 [3, H, W], in gray; return both artists, so that their data can be updated."""
    height, width = image.shape[1:]
    over = (-0.5, width - 0.5, height - 0.5, -0.5)
    below = ax.imshow(image.mean(0), cmap="gray", vmin=0, vmax=255)
    heat = ax.imshow(strength(values), cmap=HEAT, vmin=0, vmax=1, alpha=0.6, extent=over)
    no_ticks(ax)
    return below, heat


def strength(values: np.ndarray) -> np.ndarray:
    """A map divided by its maximum; zeros if nothing is above 0."""
    most = float(values.max())
    return values / most if most > 0 else np.zeros_like(values)
