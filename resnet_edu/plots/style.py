"""What all figures share: colors, look, line styles, what a log axis cannot hold, and the checks of what is drawn."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from resnet_edu.plots.fonts import add_fonts

# Okabe and Ito's colors but for two: their orange and sky blue are too pale on white (2.3:1; marks need 3:1).
BLUE, VERMILLION, GREEN, PURPLE, BLACK, BROWN, VIOLET = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#663311", "#7722DD",
)  # fmt: skip
GRAY, PALE_INK = "#8C8C8C", "#595959"  # the palest for marks and for words
OTHERS = (GREEN, PURPLE, BLACK, BROWN, VIOLET)
LINES = ("-", "--", ":", "-.")
HATCHES = ("", "///", "...", "xx", "\\\\")
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

#: `@course_look`: what the function draws has this look, and matplotlib's own settings stay as they are.
course_look = mpl.rc_context(LOOK)

#: {label: "plain", "residual", or any color of matplotlib's}, for labels whose first word does not say it.
Colors = Mapping[str, str] | None
KINDS_OF_NET = {"plain": VERMILLION, "residual": BLUE, "resnet": BLUE}

Number = TypeVar("Number")


def new_figure(height: float, columns: int = 1, layout: str | None = "constrained") -> tuple[Figure, list[Axes]]:
    """A figure of the notebook's width and `columns` axes side by side."""
    figure = Figure(figsize=(WIDTH, height), layout=layout)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def color_of(label: str, colors: Colors = None) -> str | None:
    """The color that is given for a label, or that its first word says: plain, residual, ResNet; else None."""
    given = (colors or {}).get(label)
    first_word = re.match("[a-z]*", label.lower())
    return KINDS_OF_NET.get(given, given) if given else KINDS_OF_NET.get(first_word[0] if first_word else "")


def line_styles(labels: Iterable[str], colors: Colors = None) -> dict[str, dict[str, Any]]:
    """Color, line and marker of each label.

    A label that begins with "plain" is vermillion, one that begins with "residual" or "ResNet" is blue, the others take
    the other colors in turn; `colors` goes before that.
    """
    styles: dict[str, dict[str, Any]] = {}
    seen: dict[str, int] = {}
    others = itertools.cycle(OTHERS)
    for label in labels:
        color = color_of(label, colors) or next(others)
        k = seen[color] = seen.get(color, -1) + 1
        marker = MARKERS[len(styles) % len(MARKERS)]
        styles[label] = {"color": color, "linestyle": LINES[k % len(LINES)], "marker": marker}
    return styles


def ink(color: Any) -> str:
    """The shade of a text on this color: black or white, whichever stands out more."""
    channels = np.asarray(to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "white"  # there, both have the same contrast


def no_ticks(ax: Axes) -> None:
    """Axes for a picture: nothing but what is drawn on them, and their title and labels."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    ax.spines[:].set_visible(False)


def mark_level(ax: Axes, level: float, word: str = "chance ", x: float = 1.0) -> None:
    """A thin gray line across, and a word on it at its right end."""
    ax.axhline(level, color=GRAY, linewidth=1)
    across = ax.get_yaxis_transform()
    ax.text(x, level, word, transform=across, ha="right", va="bottom", color=PALE_INK, fontsize=9)


# --- numbers by layer, on a log axis ----------------------------------------------------------------------------------

FROM_IMAGE = "layer: 1 is next to the image, the last one is the classifier"
FORWARD_AND_BACKWARD = ("forward: root mean square of the activations", "backward: norm of the gradient by them")

#: {what the legend says: (marker, bottom or top line of the axis, which numbers)}
OFF_SCALE: dict[str, tuple[str, int, Callable[[np.ndarray], np.ndarray]]] = {
    "exactly 0": ("x", 0, lambda values: values == 0),
    "infinite": ("^", 1, np.isinf),
    "no number (NaN)": ("$?$", 1, np.isnan),
}


def layer_words(profiles: Mapping[str, Any], known: str = FROM_IMAGE) -> str:
    """What the axis of layers says: `known` for lists, which begin at the image, and for recordings of a course's net.

    Of another module nothing is known but the order in which it names its layers.
    """
    names = [list(profile.names) for profile in profiles.values() if getattr(profile, "names", None)]
    ours = all(layers[0].startswith("stem.") and layers[-1].startswith("fc") for layers in names)
    return known if ours else "layer, in the order of the module's own names"


def log_limits(values: np.ndarray) -> tuple[float, float]:
    """Whole decades around the positive values, so that two redraws with similar numbers have the same axis."""
    decades = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (np.floor(decades.min()), np.ceil(decades.max())) if len(decades) else (-1.0, 0.0)
    low, high = np.clip([low, high], -306, 306)  # beyond, the ends of the axis would be 0 or infinite
    return 10.0 ** (low - 0.5), 10.0 ** (max(high, low + 1) + 0.3)


def log_axis(ax: Axes, limits: tuple[float, float]) -> None:
    ax.set_yscale("log", nonpositive="mask")  # at a zero a line breaks off
    ax.grid(color=LOOK["grid.color"])
    ax.set_ylim(limits)


def draw_off_scale(ax: Axes, x: np.ndarray, values: np.ndarray, color: str) -> list[Line2D]:
    """What the log axis has no place for: crosses at zeros, triangles at infinities, question marks at NaN."""
    marks = []
    for label, (marker, end, which) in OFF_SCALE.items():
        at = x[which(values)]
        if len(at):  # an empty line that is not clipped has a place of its own, in the corner of the figure
            look = {"linestyle": "none", "marker": marker, "color": color, "markersize": 7, "zorder": 5}
            marks += ax.plot(at, np.full(len(at), ax.get_ylim()[end]), clip_on=False, label=label, **look)
    return marks


def off_scale_keys(values: np.ndarray, color: str = BLACK) -> list[Line2D]:
    """For a legend: one mark for each kind of number that `draw_off_scale` marks."""
    return [
        Line2D([], [], color=color, marker=marker, linestyle="none", label=label)
        for label, (marker, _, which) in OFF_SCALE.items()
        if which(values).any()
    ]


# --- what is to be drawn, checked -------------------------------------------------------------------------------------


def each(check: Callable[[str, Any], Number], given: Mapping[str, Any]) -> dict[str, Number]:
    """{label: check(label, values)}, in fonts that have the letters of the labels."""
    add_fonts(given)
    return {label: check(label, values) for label, values in given.items()}


def array(label: str, values: Any) -> np.ndarray:
    """Finite numbers of the type that they come in, from a tensor, an array or nested lists."""
    numbers = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{label!r}: there are numbers that are not finite, and no picture of them.")
    return numbers


def color_pictures(label: str, values: Any) -> np.ndarray:
    """uint8 [N, 3, H, W]: other types would be cut to what a picture can hold."""
    pixels = array(label, values)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3:
        raise ValueError(f"{label!r} have to be uint8 [N, 3, H, W]; they are {pixels.dtype} {list(pixels.shape)}.")
    return pixels


def signed(label: str, values: Any) -> np.ndarray:
    """float64, from a recorder, a tensor, an array or a list of numbers."""
    values = values.detach().cpu().double() if hasattr(values, "detach") else values
    return np.asarray(values.numpy() if hasattr(values, "numpy") else values, dtype=np.float64)


def shaped(label: str, values: Any, *shape: str, low: float = 0.0, high: float = np.inf) -> np.ndarray:
    """float64 with the dimensions that `shape` names, none empty; NaN, or numbers from `low` to `high`."""
    numbers = signed(label, values)
    if numbers.ndim != len(shape) or not numbers.size:
        raise ValueError(f"{label!r}: numbers [{', '.join(shape)}] are needed; these are {list(numbers.shape)}.")
    if odd := numbers[(numbers < low) | (numbers > high)].tolist():
        raise ValueError(f"{label!r}: numbers from {low:g} to {high:g} are needed; there is a {odd[0]:g}.")
    return numbers


def vector(label: str, values: Any) -> np.ndarray:
    return shaped(label, values, "n")


def parts(label: str, values: Any) -> np.ndarray:
    """[n], from 0 to 1."""
    return shaped(label, values, "n", high=1.0)


def fraction(name: str, value: Any) -> float:
    """A number from 0 to 1."""
    return float(shaped(name, value, high=1.0))


def finite(label: str, numbers: np.ndarray) -> np.ndarray:
    if not np.isfinite(numbers).all():
        raise ValueError(f"{label!r}: these numbers have to be finite.")
    return numbers


def norm_table(label: str, profile: Any) -> np.ndarray:
    """[steps, layers], from a recorder or from an array."""
    return shaped(label, profile, "steps", "layers")


def norm_row(label: str, profile: Any, step: int = -1) -> np.ndarray:
    """[layers]: the row `step` of a recorder or a table, or the one row that is given."""
    values = signed(label, profile)
    return vector(label, values) if values.ndim == 1 else norm_table(label, values)[step]
