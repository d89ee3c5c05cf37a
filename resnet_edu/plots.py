"""Every figure of the course: recorded numbers in, a matplotlib Figure out.

    >>> from resnet_edu import plots
    >>> figure = plots.gradient_norms({"plain": plain_norms, "residual": resid_norms})
    >>> figure.savefig("norms.png")

Nothing here knows torch modules, notebooks or pyplot's global state. What is compared shares one scale. Hue says plain
or residual, line style and marker say which one of them: a figure reads the same in grey.
Colours: Okabe and Ito 2008, "Color Universal Design"; heatmaps: viridis.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Arc, Patch, Rectangle
from matplotlib.ticker import MaxNLocator

BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000",
)  # fmt: skip
GREY = "#8C8C8C"
OTHERS = (GREEN, PURPLE, BLACK, ORANGE, SKY)
LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDTH = 9.0  # inches; at 100 dots an inch the width of a notebook's text

LOOK: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "legend.frameon": False,
    "legend.fontsize": 9,
}
METRICS = {
    "train_accuracy": "training accuracy",
    "train_loss": "training loss",
    "val_accuracy": "validation accuracy",
    "val_loss": "validation loss",
}

#: `@course_look`: what the function draws has this look, and matplotlib's own settings stay as they are.
course_look = mpl.rc_context(LOOK)


def _figure(height: float, columns: int = 1, layout: str | None = "constrained") -> tuple[Figure, list[Axes]]:
    """A figure of the notebook's width and `columns` axes side by side."""
    figure = Figure(figsize=(WIDTH, height), layout=layout)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def line_styles(labels: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, line and marker of each label: blue for a net with a skip, vermillion for a plain one, others in turn."""
    styles: dict[str, dict[str, Any]] = {}
    seen: dict[str, int] = {}
    others = itertools.cycle(OTHERS)
    for label in labels:
        if re.search(r"plain|without", label, re.IGNORECASE):
            color = VERMILLION
        elif re.search(r"resnet|residual|skip", label, re.IGNORECASE):
            color = BLUE
        else:
            color = next(others)
        k = seen[color] = seen.get(color, -1) + 1
        marker = MARKERS[len(styles) % len(MARKERS)]
        styles[label] = {"color": color, "linestyle": LINES[k % len(LINES)], "marker": marker}
    return styles


# --- gradients --------------------------------------------------------------------------------------------------------


@course_look
def gradient_norms(
    profiles: Mapping[str, Any], *, step: int = -1, ylabel: str = "gradient norm", title: str = ""
) -> Figure:
    """Norm by layer, one line a net, on a log scale; an exact zero is drawn as a cross on the bottom line.

    profiles: {label: norms}. Norms are a `probes.GradientNorms` (its row `step` is drawn) or one number a layer.
    """
    lines = {label: _row(label, profile, step) for label, profile in _nonempty(profiles).items()}
    figure, (ax,) = _figure(3.6)
    draw_norms(ax, lines)
    ax.set(ylabel=ylabel, title=title)
    return figure


def draw_norms(ax: Axes, lines: Mapping[str, np.ndarray], *, scale: np.ndarray | None = None) -> None:
    """`gradient_norms` on given axes. scale: all numbers that the axis has to hold, where others are to come."""
    everything = np.concatenate(list(lines.values()))
    ax.set_yscale("log", nonpositive="mask")  # at a zero the line breaks off
    ax.grid(color=LOOK["grid.color"])
    _log_limits(ax, everything if scale is None else scale)
    handles = []
    for label, style in line_styles(lines).items():
        norms, layers = lines[label], np.arange(1, len(lines[label]) + 1)
        handles += ax.plot(layers, norms, label=label, markersize=4, linewidth=1.5, **style)
        zeros = layers[norms == 0]
        bottom = np.full(len(zeros), ax.get_ylim()[0])
        ax.plot(zeros, bottom, "x", color=style["color"], markersize=7, clip_on=False, zorder=5)
    if (everything == 0).any():
        handles.append(Line2D([], [], color=BLACK, marker="x", linestyle="none", label="exactly 0"))
    ax.legend(handles=handles)
    ax.set_xlim(0.5, max(map(len, lines.values())) + 0.5)
    ax.set_xlabel("layer: 1 is next to the image, the last one is the classifier")


@course_look
def gradient_heatmap(profiles: Mapping[str, Any], *, title: str = "") -> Figure:
    """Norm by layer (upwards) and step (to the right), one panel a net, all on one colour scale.

    profiles: {label: norms}, a `probes.GradientNorms` or an array [steps, layers]. Exact zeros are grey.
    """
    tables = norm_tables(profiles)
    everything = np.concatenate([t[np.isfinite(t) & (t > 0)] for t in tables.values()])
    if not len(everything):
        raise ValueError("gradient_heatmap: no norm is finite and above zero, so there is no colour scale to draw.")
    norm = LogNorm(everything.min(), max(everything.max(), everything.min() * 10))
    figure, axes = _figure(3.4, len(tables))
    for ax, (label, table) in zip(axes, tables.items(), strict=True):
        ax.grid(False)
        steps, layers = table.shape
        extent = (-0.5, steps - 0.5, 0.5, layers + 0.5)
        options: dict[str, Any] = {"aspect": "auto", "origin": "lower", "extent": extent, "interpolation": "nearest"}
        shown = np.ma.masked_where(~(table > 0), table)
        picture = ax.imshow(shown.T, norm=norm, cmap="viridis", **options)
        zeros = np.ma.masked_where(table != 0, np.ones_like(table))
        ax.imshow(zeros.T, cmap=ListedColormap([GREY]), **options)
        ax.set(title=label, xlabel="step")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(4 if len(tables) > 2 else 8, integer=True))
    axes[0].set_ylabel("layer: 1 is next to the image")
    figure.colorbar(picture, ax=axes, label="gradient norm", pad=0.01)
    if any((t == 0).any() for t in tables.values()):
        figure.legend(handles=[Patch(color=GREY, label="exactly 0")], loc="outside lower right", frameon=False)
    if title:
        figure.suptitle(title)
    return figure


@course_look
def layers_moved(moved: Mapping[str, Sequence[bool]]) -> Figure:
    """One row a net, one cell a layer: filled where training changed it, hatched where not a single bit moved.

    moved: {label: one True or False a layer}.
    """
    rows = {label: _vector(label, values) != 0 for label, values in _nonempty(moved).items()}
    figure, (ax,) = _figure(0.7 + 0.5 * len(rows))
    for y, (label, values) in enumerate(reversed(rows.items())):
        color = line_styles([label])[label]["color"]
        for i, value in enumerate(values):
            box = {"facecolor": color} if value else {"facecolor": "white", "hatch": "xxxx", "edgecolor": GREY}
            ax.add_patch(Rectangle((i + 0.55, y - 0.36), 0.9, 0.72, linewidth=0, **box))
    ax.set(xlim=(0.3, max(map(len, rows.values())) + 0.7), ylim=(-0.6, len(rows) - 0.4))
    ax.set_yticks(range(len(rows)), [f"{k}: {int(v.sum())} of {len(v)} moved" for k, v in reversed(rows.items())])
    ax.set_xlabel("layer: 1 is next to the image (filled: moved; hatched: bit for bit as at the start)")
    ax.grid(False)
    return figure


# --- training ---------------------------------------------------------------------------------------------------------


@course_look
def training_curves(
    histories: Mapping[str, Any], metric: str = "train_accuracy", *, epochs: int | None = None, chance: float = 0.1
) -> Figure:
    """One metric by epoch, one line a net.

    histories: {label: History} as `training.fit` returns them, or {label: one number an epoch}.
    metric: which list of the history: train_accuracy, train_loss, val_accuracy, val_loss.
    epochs: how many epochs the axis shows, for a plot that is still growing. Accuracies show `chance` as a thin line.
    """
    if not isinstance(metric, str) or metric not in METRICS:
        raise ValueError(f"metric={metric!r}: choose one of {', '.join(map(repr, METRICS))}.")
    if epochs is not None and (not isinstance(epochs, Integral) or epochs < 1):
        raise ValueError(f"epochs={epochs!r}: give a whole number of at least 1.")
    if not isinstance(chance, Real) or not 0 <= chance <= 1:
        raise ValueError(f"chance={chance!r}: give the part of right answers by guessing, from 0 to 1.")
    lines = {label: _vector(label, getattr(h, metric, h)) for label, h in _nonempty(histories).items()}
    figure, (ax,) = _figure(3.6)
    for label, style in line_styles(lines).items():
        ax.plot(range(1, len(lines[label]) + 1), lines[label], label=label, markersize=5, **style)
    longest = epochs or max(map(len, lines.values()))
    ax.set_xlim(0.8, max(longest, 2) + 0.2)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if metric.endswith("accuracy"):
        highest = np.nanmax([0.0, *np.concatenate(list(lines.values()))])
        ax.set_ylim(0, min(1.0, max(0.3, highest * 1.15)))
        ax.axhline(chance, color=GREY, linewidth=1)
        ax.text(ax.get_xlim()[1], chance, "chance ", ha="right", va="bottom", color="#595959", fontsize=9)
    ax.set(xlabel="epoch", ylabel=METRICS[metric])
    ax.legend(loc="upper left" if metric.endswith("accuracy") else "upper right")
    return figure


# --- images and networks ----------------------------------------------------------------------------------------------


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
    figure, (ax,) = _figure(0.88 * WIDTH * canvas.shape[0] / canvas.shape[1] + 0.1, layout=None)
    figure.subplots_adjust(left=0.11, right=0.99, bottom=0.01, top=0.99)
    ax.imshow(canvas, interpolation="nearest")
    ax.set_yticks([(row + 0.5) * (size + 2) for row in range(len(images.classes))], images.classes)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return figure


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
    figure, (ax,) = _figure(2.6)
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


# --- helpers ----------------------------------------------------------------------------------------------------------


def _nonempty(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(mapping, Mapping):
        raise TypeError(f"A plot takes {{label: numbers}}; it was given {type(mapping).__name__}.")
    if not mapping:
        raise ValueError("A plot needs at least one entry: {label: numbers}.")
    if odd := [label for label in mapping if not isinstance(label, str)]:
        raise TypeError(f"A plot takes {{label: numbers}}; the label {odd[0]!r} is not a string.")
    return mapping


def _numbers(label: str, values: Any) -> np.ndarray:
    """float64, from a recorder, a tensor, an array or a list of numbers that are not negative."""
    try:
        values = values.detach().cpu().double() if hasattr(values, "detach") else values
        numbers = np.asarray(values.numpy() if hasattr(values, "numpy") else values, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{label!r}: a plot takes numbers, not {values!r:.60}.") from None
    if (numbers < 0).any():
        raise ValueError(f"{label!r}: nothing that is drawn here can be negative; there is a {numbers.min():g}.")
    return numbers


def _vector(label: str, values: Any) -> np.ndarray:
    numbers = _numbers(label, values)
    if numbers.ndim != 1 or not len(numbers):
        got = "there are none" if not numbers.size else f"these have the shape {list(numbers.shape)}"
        raise ValueError(f"{label!r}: a list of numbers is needed; {got}.")
    return numbers


def norm_tables(profiles: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """{label: float64 [steps, layers]} from recorders or arrays, checked."""
    return {label: _table(label, profile) for label, profile in _nonempty(profiles).items()}


def _table(label: str, profile: Any) -> np.ndarray:
    """[steps, layers], from a recorder or from an array."""
    table = _numbers(label, profile)
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(
            f"{label!r}: norms have to be [steps, layers]; they are {list(table.shape)}. Was record() called?"
        )
    return table


def _row(label: str, profile: Any, step: int) -> np.ndarray:
    values = _numbers(label, profile)
    if values.ndim == 1 and len(values):
        return values
    table = _table(label, values)
    if not isinstance(step, Integral) or isinstance(step, bool):
        raise TypeError(f"step={step!r}: give a whole number, -1 for the last step.")
    if not -len(table) <= step < len(table):
        raise IndexError(f"{label!r}: step {step} is not recorded; there are {len(table)} steps.")
    return table[step]


def _log_limits(ax: Axes, values: np.ndarray) -> None:
    """Whole decades around the positive values, so that two redraws with similar numbers have the same axis."""
    decades = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (np.floor(decades.min()), np.ceil(decades.max())) if len(decades) else (-1.0, 0.0)
    low, high = np.clip([low, high], -306, 306)  # beyond, the ends of the axis would be 0 or infinite
    ax.set_ylim(10.0 ** (low - 0.5), 10.0 ** (max(high, low + 1) + 0.3))


def _side(layer: Any) -> int:
    return int(layer.out_shape[-1]) if len(layer.out_shape) == 3 else 1
