"""Images: the data as pictures."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from resnet_edu.plots.style import WIDTH, course_look, new_figure


@course_look
def sample_grid(images: Any, *, per_class: int = 12) -> Figure:
    """The first `per_class` images of each class, one class a row. images: `data.Images`."""
    if not isinstance(per_class, Integral) or per_class < 1:
        raise ValueError(f"per_class={per_class!r}: give a whole number of at least 1.")
    if not all(hasattr(images, name) for name in ("images", "labels", "classes")):
        raise TypeError(f"sample_grid takes Images, such as data.load returns; it was given {type(images).__name__}.")
    pixels, labels = images.images.cpu().numpy(), images.labels.cpu().numpy()
    size = pixels.shape[-1]
    canvas = np.full((len(images.classes) * (size + 2), per_class * (size + 2), 3), 255, dtype=np.uint8)
    for row in range(len(images.classes)):
        for column, index in enumerate(np.flatnonzero(labels == row)[:per_class]):
            top, left = row * (size + 2) + 1, column * (size + 2) + 1
            canvas[top : top + size, left : left + size] = pixels[index].transpose(1, 2, 0)
    figure, (ax,) = new_figure(0.88 * WIDTH * canvas.shape[0] / canvas.shape[1] + 0.1, layout=None)
    figure.subplots_adjust(left=0.11, right=0.99, bottom=0.01, top=0.99)
    ax.imshow(canvas, interpolation="nearest")
    ax.set_yticks([(row + 0.5) * (size + 2) for row in range(len(images.classes))], images.classes)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return figure
