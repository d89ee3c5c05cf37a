"""Images: the data as pictures, what a convolution turns them into, and maps of where a network is said to look."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from resnet_edu.plots.fonts import writable
from resnet_edu.plots.style import WIDTH, array, color_pictures, course_look, each, ink, new_figure, no_ticks, shaped


@course_look
def sample_grid(images: Any, *, per_class: int = 12) -> Figure:
    """The first `per_class` images of each class, one row per class. images: `data.Images`."""
    pixels, labels, names = images.images.cpu().numpy(), images.labels.cpu().numpy(), writable(images.classes)
    size = pixels.shape[-1]
    canvas = np.full((len(names) * (size + 2), per_class * (size + 2), 3), 255, dtype=np.uint8)
    for row in range(len(names)):
        for column, index in enumerate(np.flatnonzero(labels == row)[:per_class]):
            top, left = row * (size + 2) + 1, column * (size + 2) + 1
            canvas[top : top + size, left : left + size] = pixels[index].transpose(1, 2, 0)
    figure, (ax,) = new_figure(0.88 * WIDTH * canvas.shape[0] / canvas.shape[1] + 0.1, layout=None)
    figure.subplots_adjust(left=0.11, right=0.99, bottom=0.01, top=0.99)
    ax.imshow(canvas, interpolation="nearest")
    no_ticks(ax)
    ax.set_yticks([(row + 0.5) * (size + 2) for row in range(len(names))], names)
    ax.tick_params(length=0)
    return figure


@course_look
def pictures(given: Mapping[str, Any], *, columns: int = 6) -> Figure:
    """Pictures side by side, with their labels above.

    given: {label: picture}. A picture [3, H, W] is in color (uint8, or numbers from 0 to 1). One of [H, W] is in gray,
    with its smallest and largest value below it: black is 0 and white the largest; or, if some are negative, gray is 0
    and black and white are equally far from it.
    """
    labels = writable(given, "picture")
    panels = each(array, dict(zip(labels, given.values(), strict=True)))
    figure, axes = _panels(panels, columns, words_below=any(picture.ndim == 2 for picture in panels.values()))
    for ax, picture in zip(axes, panels.values(), strict=True):
        draw_picture(ax, picture)
    return figure


def draw_picture(ax: Axes, picture: np.ndarray, **look: Any) -> None:
    """Draw one picture as in `pictures`, [H, W] or [3, H, W], on axes without ticks. look: as for `imshow`."""
    if picture.ndim == 3:
        ax.imshow((picture if picture.dtype == np.uint8 else picture.clip(0, 1)).transpose(1, 2, 0), **look)
    else:
        low, high = float(picture.min()), float(picture.max())
        most = max(-low, high) or 1.0
        ax.imshow(picture, cmap="gray", vmin=-most if low < 0 else 0.0, vmax=most, **look)
        ax.set_xlabel(f"{low:.3g} to {high:.3g}", fontsize=8)
    no_ticks(ax)


@course_look
def kernels(given: Any, *, columns: int = 8) -> Figure:
    """The weights of convolutions, on one scale: gray is 0, white and black are plus and minus the largest weight.

    given: {label: kernel}, or the weight of a layer, [O, C, k, k]. A kernel is [k, k], in gray with its values, or
    [3, k, k], in color: a weight for each of red, green and blue.
    """
    if not isinstance(given, Mapping):
        weight = array("weight", given)
        given = {str(i): kernel[0] if len(kernel) == 1 else kernel for i, kernel in enumerate(weight, start=1)}
    panels = each(lambda label, kernel: array(label, kernel).astype(np.float64), given)
    most = max(float(np.abs(kernel).max()) for kernel in panels.values()) or 1.0
    figure, axes = _panels(panels, columns)
    for ax, kernel in zip(axes, panels.values(), strict=True):
        draw_kernel(ax, kernel, most)
    return figure


def draw_kernel(ax: Axes, kernel: np.ndarray, most: float) -> None:
    """One kernel, [k, k] or [3, k, k]: gray is 0, white `most`, black minus `most`. A NaN stays blank."""
    if kernel.ndim == 3:
        ax.imshow((0.5 + kernel / most / 2).transpose(1, 2, 0).clip(0, 1))
    else:
        picture = ax.imshow(kernel, cmap="gray", vmin=-most, vmax=most)
        for (row, column), number in np.ndenumerate(kernel) if kernel.size <= 49 else ():
            if np.isfinite(number):
                shade = ink(picture.to_rgba(number))
                ax.text(column, row, f"{number:.3g}", ha="center", va="center", fontsize=8, color=shade)
    no_ticks(ax)


@course_look
def feature_maps(maps: Mapping[str, Any], *, columns: int = 8) -> Figure:
    """The first `columns` feature maps of each layer, one row per layer, in the given order.

    maps: {label: [C, H, W]}. One scale per row: black is 0, or the smallest value of the row if that is negative;
    white is exceeded by 1 value in 200, so that a few strong ones do not darken the rest. A dead channel is black.
    """
    rows = each(array, maps)
    figure = Figure(figsize=(WIDTH, len(rows) * (0.88 * WIDTH / columns + 0.1)), layout=None)
    figure.subplots_adjust(left=0.11, right=0.995, bottom=0.01, top=0.99, wspace=0.06, hspace=0.06)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes, (label, layer) in zip(grid, rows.items(), strict=True):
        low, high = min(0.0, float(layer.min())), float(np.quantile(layer, 0.995)) or float(layer.max())
        for ax, channel in zip(axes, layer, strict=False):
            ax.imshow(channel, cmap="gray", vmin=low, vmax=high if high > low else low + 1.0)
        for ax in axes:
            no_ticks(ax)
            ax.set_visible(bool(ax.images))
        shape = " × ".join(map(str, layer.shape))
        axes[0].set_ylabel(f"{label}\n{shape}", rotation=0, ha="right", va="center", fontsize=9)
    return figure


def _panels(panels: Mapping[str, np.ndarray], columns: int, words_below: bool = False) -> tuple[Figure, list[Axes]]:
    """Axes in rows of `columns`, each with its picture's aspect ratio, with the labels above."""
    across = min(columns, max(len(panels), 3))  # a single picture should not fill the page
    rows = -(-len(panels) // across)
    side = WIDTH / across
    tallest = min(2.0, max(picture.shape[-2] / picture.shape[-1] for picture in panels.values())) * side
    above = 0.1 + 0.16 * max(label.count("\n") + 1 for label in panels)
    height = above + tallest + (0.24 if words_below else 0.06)
    figure = Figure(figsize=(WIDTH, rows * height), layout=None)
    axes = []
    for i, label in enumerate(panels):
        row, column = divmod(i, across)
        bottom = (rows - 1 - row) * height + height - above - tallest
        place = (column / across + 0.005, bottom / (rows * height), 1 / across - 0.01, tallest / rows / height)
        ax = figure.add_axes(place)
        ax.set_title(label, fontsize=9)
        axes.append(ax)
    return figure, axes


# --- saliency maps ---------------------------------------------------------------------------------------------------


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
    # "inferno" is dark at 0 and brighter for larger values, also in grayscale.
    heat = ax.imshow(strength(values), cmap="inferno", vmin=0, vmax=1, alpha=0.6, extent=over)
    no_ticks(ax)
    return below, heat


def strength(values: np.ndarray) -> np.ndarray:
    """A map divided by its maximum; zeros if nothing is above 0."""
    most = float(values.max())
    return values / most if most > 0 else np.zeros_like(values)
