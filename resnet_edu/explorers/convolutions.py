"""A kernel on a few pixels and on a real image; an activation and its slope; the receptive field of a stack."""

from itertools import chain
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
import traitlets
from matplotlib.patches import Rectangle
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn
from torch.nn import functional as F

from resnet_edu import models, plots, probes
from resnet_edu.data import Images
from resnet_edu.explorers.core import WIDE, Explorer, in_words, menu, page, range_slider, slider

#: Classic image processing kernels, as rows of numbers.
KERNELS: dict[str, tuple[tuple[float, ...], ...]] = {
    "identity": ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    "shift": ((0, 0, 0), (1, 0, 0), (0, 0, 0)),
    "box blur": ((1 / 9, 1 / 9, 1 / 9), (1 / 9, 1 / 9, 1 / 9), (1 / 9, 1 / 9, 1 / 9)),
    "Gaussian blur": ((1 / 16, 2 / 16, 1 / 16), (2 / 16, 4 / 16, 2 / 16), (1 / 16, 2 / 16, 1 / 16)),
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "Sobel x": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "Sobel y": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "Prewitt x": ((-1, 0, 1), (-1, 0, 1), (-1, 0, 1)),
    "Prewitt y": ((-1, -1, -1), (0, 0, 0), (1, 1, 1)),
    "Laplacian": ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    "Laplacian with diagonals": ((1, 1, 1), (1, -8, 1), (1, 1, 1)),
    "emboss": ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
}
OWN = "your own"


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
        for (i, j), pixel in np.ndenumerate(window):
            result = axes[1].texts[3 * i + j]
            result.set_y(i + 0.2)
            axes[1].text(
                j, i - 0.2, f"{pixel:.3g} × {weights[i, j]:.3g} =", ha="center", fontsize=8, color=result.get_color()
            )
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


def kernel_response(image: Any, kernel: Any) -> np.ndarray:
    """The output of a 3 x 3 kernel on one grayscale image: float64 [H - 2, W - 2].

    image: uint8 [3, H, W], at least 3 x 3; its gray level is the mean of red, green and blue, from 0 to 1.
    kernel: 3 x 3 numbers. No padding, and the kernel is not flipped: this is `F.conv2d`.
    """
    weight = torch.as_tensor(kernel, dtype=torch.float64)
    return F.conv2d(gray(image)[None, None], weight[None, None])[0, 0].numpy()


def gray(image: torch.Tensor) -> torch.Tensor:
    """uint8 [3, H, W] -> float64 [H, W], from 0 to 1: the mean of red, green and blue."""
    if image.dtype != torch.uint8:
        raise TypeError(f"image: give uint8 [3, H, W], from 0 to 255, not {image.dtype}.")
    return image.cpu().double().mean(0) / 255


class KernelFields(widgets.VBox):  # type: ignore[misc]
    """A menu of kernels above nine number fields; `value` is the kernel's name and its 3 x 3 numbers.

    Choosing from the menu fills the fields; typing a number into one of them switches the menu to "your own".
    """

    value = traitlets.Tuple()

    def __init__(self, name: str) -> None:
        self.menu = menu("kernel", [*KERNELS, OWN], name)
        look: Any = {"layout": {"width": "240px"}, "style": WIDE}
        self.fields = [
            [widgets.FloatText(description=f"{row} {column}", **look) for column in ("left", "middle", "right")]
            for row in ("top", "middle", "bottom")
        ]
        super().__init__([self.menu, *(widgets.HBox(row) for row in self.fields)])
        self._filling = False
        self._fill()
        self.menu.observe(self._fill, names="value")
        for field in chain(*self.fields):
            field.observe(self._read, names="value")

    def _fill(self, _change: Any = None) -> None:
        name = self.menu.value
        if name == OWN:  # keep the current numbers as the starting point
            self._read()
            return
        self._filling = True
        for field, number in zip(chain(*self.fields), chain(*KERNELS[name]), strict=True):
            field.value = round(number, 4)
        self._filling = False
        self.value = (name, KERNELS[name])

    def _read(self, _change: Any = None) -> None:
        if not self._filling:
            self.menu.value = OWN
            self.value = (OWN, tuple(tuple(field.value for field in row) for row in self.fields))


@plots.course_look
def kernel_on_image(images: Images, *, kernel: str = "Sobel x", image: int = 0) -> Explorer:
    """A kernel, chosen or typed in, applied to one of the images: image, kernel and result side by side.

    kernel (a key of `KERNELS`), image: initial choice.
    """
    controls = {"image": range_slider("image", image, range(len(images))), "kernel": KernelFields(kernel)}
    classes = plots.writable(images.classes)
    figure, axes = page(3.5, 3, left=0.01, right=0.99, top=0.9, bottom=0.08, wspace=0.06)

    def draw(image: int, kernel: tuple[str, tuple[tuple[float, ...], ...]]) -> str:
        for ax in axes:
            ax.clear()
        pixels = images.images[image]
        chosen, numbers = kernel
        weight = np.array(numbers)
        result = kernel_response(pixels, numbers)
        name = classes[int(images.labels[image])]
        plots.draw_picture(axes[0], gray(pixels).numpy())
        plots.draw_kernel(axes[1], weight, float(np.abs(weight).max()) or 1.0)
        height, width = pixels.shape[-2:]
        cut = len(weight) // 2  # on each side: a result is drawn where the middle of the kernel was
        place = cut - 0.5, width - cut - 0.5, height - cut - 0.5, cut - 0.5
        plots.draw_picture(axes[2], result, extent=place)
        axes[2].set(xlim=axes[0].get_xlim(), ylim=axes[0].get_ylim())
        axes[0].set_title(f"image {image}: {name}")
        axes[1].set_title(f"{chosen}, sum {weight.sum():.3g}")
        axes[2].set_title("result" + (", gray is 0" if result.min() < 0 else ", black is 0"))
        return f"Image {image}, a {name}; the kernel {chosen} {weight.round(3).tolist()}; and the result."

    return Explorer(controls, figure, draw)


def activation_and_slope(name: str, x: Any) -> tuple[np.ndarray, np.ndarray]:
    """The activation's values and its derivatives at `x`, by autograd: two float64 arrays of the shape of x.

    name: one of `models.ACTIVATIONS`. At a kink, such as ReLU's at 0, PyTorch uses a one-sided derivative.
    """
    activation = models.ACTIVATIONS[name]()
    at = torch.as_tensor(x, dtype=torch.float64).detach().cpu().clone().requires_grad_()
    value = activation(at)
    (slope,) = torch.autograd.grad(value.sum(), at)
    return value.detach().numpy(), slope.numpy()


@plots.course_look
def activation_slopes(*, activation: str = "sigmoid", x: float = 0.0) -> Explorer:
    """An activation and its derivative; a slider moves along x, and both plots mark its position."""
    controls = {
        "activation": menu("activation", models.ACTIVATIONS, activation),
        "x": slider("x", x, -8, 8, 0.1, readout_format=".1f"),
    }
    figure, (left, right) = page(3.2, 2, left=0.07, right=0.99, top=0.89, bottom=0.15, wspace=0.18)
    along = np.linspace(-8, 8, 641)
    (curve,) = left.plot([], [], color=plots.BLUE, linewidth=2)
    (slopes,) = right.plot([], [], color=plots.BLUE, linewidth=2)
    (tangent,) = left.plot([], [], color=plots.VERMILLION, linestyle="--", linewidth=1.5, label="tangent")
    (here,) = left.plot([], [], "o", color=plots.VERMILLION)
    (there,) = right.plot([], [], "o", color=plots.VERMILLION)
    left.set(xlim=(-8, 8), ylim=(-2, 8), xlabel="x", ylabel="value")
    right.set(xlim=(-8, 8), ylim=(-0.25, 1.25), xlabel="x", ylabel="slope")
    left.legend(loc="upper left")

    def draw(activation: str, x: float) -> str:
        values, derivatives = activation_and_slope(activation, along)
        value, slope = (float(v) for v in activation_and_slope(activation, x))
        curve.set_data(along, values)
        slopes.set_data(along, derivatives)
        tangent.set_data([x - 2, x + 2], [value - 2 * slope, value + 2 * slope])
        here.set_data([x], [value])
        there.set_data([x], [slope])
        left.set_title(f"{activation}({x:.1f}) = {value:.4g}")
        right.set_title(f"slope at {x:.1f}: {slope:.4g}")
        return f"{activation} and its slope; at x = {x:.1f} the value is {value:.4g} and the slope {slope:.4g}."

    return Explorer(controls, figure, draw)


def stack_of_convolutions(layers: int, kernel: int, stride: int, dilation: int) -> nn.Sequential:
    """`layers` equal convolutions with one channel and no padding, all weights positive so that none cancel."""
    generator = torch.Generator().manual_seed(0)
    convs = [nn.Conv2d(1, 1, kernel, stride=stride, dilation=dilation, bias=False) for _ in range(layers)]
    for conv in convs:
        nn.init.uniform_(conv.weight, 0.5, 1.5, generator=generator)
    return nn.Sequential(*convs)


@plots.course_look
def receptive_fields(*, layers: int = 3, kernel: int = 3, stride: int = 1, dilation: int = 1) -> Explorer:
    """Layers, kernel, stride and dilation of a stack of convolutions: its receptive field, measured by autograd."""
    start = {"layers": layers, "kernel": kernel, "stride": stride, "dilation": dilation}
    ranges = {"layers": range(1, 6), "kernel": range(1, 6, 2), "stride": range(1, 3), "dilation": range(1, 4)}
    controls = {name: range_slider(name, start[name], choices) for name, choices in ranges.items()}
    reach = 40  # pixels shown on each side of the center
    span = 2 * reach + 1
    figure, (left, right) = page(4.4, 2, left=0.08, right=0.99, top=0.83, bottom=0.12, wspace=0.17)
    ends = (-reach - 0.5, reach + 0.5)
    picture = left.imshow(np.zeros((span, span)), cmap="cividis", vmin=0, vmax=1, extent=(*ends, *ends[::-1]))
    box = left.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor="white", linestyle="--"))
    across = "pixels from the center"
    left.set(xlabel=across, ylabel=across, title="influence of each pixel; dashed: the formula's box")
    left.grid(False)
    (profile,) = right.plot([], [], color=plots.BLUE, marker="o", markersize=3)
    right.set(xlabel=across, ylabel="largest = 1", xlim=ends, ylim=(-0.03, 1.05), title="largest in each column")
    side = 401  # an image large enough for the largest field of these sliders

    def draw(**settings: int) -> str:
        measured = probes.receptive_field(stack_of_convolutions(**settings), (1, side, side), samples=1)
        layer = (settings["kernel"], settings["stride"], settings["dilation"])
        formula = probes.receptive_field_formula([layer] * settings["layers"])
        row, column = ((edge.start + edge.stop - 1) // 2 for edge in measured.box)
        influence = measured.influence / measured.influence.max()
        window = influence[row - reach : row + reach + 1, column - reach : column + reach + 1]
        picture.set_data(np.sqrt(window))  # the square root makes the weak border visible
        box.set_bounds(-formula / 2, -formula / 2, formula, formula)
        profile.set_data(range(-reach, reach + 1), window.max(0))
        cut = "" if formula <= span else " (the plots show its center)"
        words = f"measured {measured.size[0]} × {measured.size[1]}, formula {formula} × {formula}{cut}"
        figure.suptitle(words, fontsize=11)
        return f"Receptive field for {in_words(settings)}: {words}."

    return Explorer(controls, figure, draw)
