"""A convolution one position at a time: window times kernel, summed, is one number of the feature map."""

from typing import Any

import numpy as np
from matplotlib.patches import Rectangle
from numpy.lib.stride_tricks import sliding_window_view

from resnet_edu import plots
from resnet_edu.explorers.convolutions import KERNELS
from resnet_edu.explorers.core import Explorer, menu, page, range_slider


@plots.course_look
def sliding_window(image: Any, *, kernel: str = "Sobel x", step: int = 1) -> Explorer:
    """A 3 x 3 kernel that slides over a small picture: its window, the nine products, and the feature map so far.

    image: numbers [H, W], at least 3 x 3 and few enough to read. kernel: a key of `KERNELS`. step: which position of
    the window to show first, counted row by row from 1.
    """
    pixels = np.asarray(image, dtype=np.float64)
    windows = sliding_window_view(pixels, (3, 3))  # [H - 2, W - 2, 3, 3]
    rows, columns = windows.shape[:2]
    controls = {
        "step": range_slider("step", step, range(1, rows * columns + 1)),
        "kernel": menu("kernel", KERNELS, kernel),
    }
    widths = (pixels.shape[1], 6.5, columns)
    figure, axes = page(3.1, 3, widths=widths, left=0.01, right=0.99, top=0.88, bottom=0.04, wspace=0.05)

    def draw(step: int, kernel: str) -> str:
        weights = np.array(KERNELS[kernel])
        row, column = divmod(step - 1, columns)
        window = windows[row, column]
        products, sums = window * weights, (windows * weights).sum((2, 3))
        done = np.arange(sums.size).reshape(sums.shape) < step
        for ax, numbers in zip(axes, (pixels, products, np.where(done, sums, np.nan)), strict=True):
            ax.clear()
            plots.draw_kernel(ax, numbers, float(np.nanmax(np.abs(numbers))) or 1.0)
            ax.spines[:].set(visible=True, color=plots.GRAY)
        for (i, j), pixel in np.ndenumerate(window):
            shade = axes[1].texts[3 * i + j].get_color()
            axes[1].text(j, i - 0.28, f"{pixel:.3g} × {weights[i, j]:.3g} =", ha="center", fontsize=8, color=shade)
        for ax, side in ((axes[0], 3), (axes[2], 1)):
            ax.add_patch(
                Rectangle((column - 0.5, row - 0.5), side, side, fill=False, edgecolor=plots.VERMILLION, linewidth=3)
            )
        axes[0].set_title("picture")
        axes[1].set_title(f"window × kernel: sum {sums[row, column]:.3g}")
        axes[2].set_title(f"feature map, {step} of {sums.size}")
        return (
            f"Step {step} of {sums.size}: {kernel} on the window {window.round(3).tolist()} in row {row + 1}, column "
            f"{column + 1}. The nine products add up to {sums[row, column]:.3g}."
        )

    return Explorer(controls, figure, draw)
