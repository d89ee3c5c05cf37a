"""What all figures share: colors, look, line styles, and the checks of what is to be drawn."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

# Okabe and Ito's colors but for two: their orange and sky blue are too pale on white (2.3:1; marks need 3:1).
BLUE, VERMILLION, GREEN, PURPLE, BLACK, BROWN, VIOLET = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#663311", "#7722DD",
)  # fmt: skip
GRAY = "#8C8C8C"
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


def new_figure(height: float, columns: int = 1, layout: str | None = "constrained") -> tuple[Figure, list[Axes]]:
    """A figure of the notebook's width and `columns` axes side by side."""
    figure = Figure(figsize=(WIDTH, height), layout=layout)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def is_plain(label: str) -> bool:
    """Whether a label names a net without skips."""
    return re.search(r"(?<![a-z])(plain|no skip)|without", label, re.IGNORECASE) is not None


def line_styles(labels: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Color, line and marker of each label: blue for a net with a skip, vermillion for a plain one, others in turn."""
    styles: dict[str, dict[str, Any]] = {}
    seen: dict[str, int] = {}
    others = itertools.cycle(OTHERS)
    for label in labels:
        if is_plain(label):
            color = VERMILLION
        elif re.search(r"resnet|residual|skip", label, re.IGNORECASE):
            color = BLUE
        else:
            color = next(others)
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


# --- what is to be drawn, checked -------------------------------------------------------------------------------------


def nonempty(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(mapping, Mapping):
        raise TypeError(f"A plot takes {{label: numbers}}; it was given {type(mapping).__name__}.")
    if not mapping:
        raise ValueError("A plot needs at least one entry: {label: numbers}.")
    if odd := [label for label in mapping if not isinstance(label, str)]:
        raise TypeError(f"A plot takes {{label: numbers}}; the label {odd[0]!r} is not a string.")
    return mapping


def array(label: str, values: Any) -> np.ndarray:
    """Finite numbers of the type that they come in, from a tensor, an array or nested lists."""
    try:
        numbers = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
        if numbers.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        raise TypeError(f"{label!r}: a plot takes numbers, not {values!r:.60}.") from None
    if not np.isfinite(numbers).all():
        raise ValueError(f"{label!r}: there are numbers that are not finite, and no picture of them.")
    return numbers


def float64(label: str, values: Any) -> np.ndarray:
    """float64, from a recorder, a tensor, an array or a list of numbers."""
    try:
        values = values.detach().cpu().double() if hasattr(values, "detach") else values
        return np.asarray(values.numpy() if hasattr(values, "numpy") else values, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{label!r}: a plot takes numbers, not {values!r:.60}.") from None


def numbers_of(label: str, values: Any) -> np.ndarray:
    """float64, from a recorder, a tensor, an array or a list of numbers that are not negative."""
    numbers = float64(label, values)
    if (numbers < 0).any():
        raise ValueError(f"{label!r}: nothing that is drawn here can be negative; there is a {numbers.min():g}.")
    return numbers


def finite(label: str, values: Any) -> np.ndarray:
    """float64 [n], numbers of any sign, none of them NaN or infinite."""
    numbers = float64(label, values)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError(f"{label!r}: a list of finite numbers is needed; these have the shape {list(numbers.shape)}.")
    return numbers


def vector(label: str, values: Any) -> np.ndarray:
    numbers = numbers_of(label, values)
    if numbers.ndim != 1 or not len(numbers):
        got = "there are none" if not numbers.size else f"these have the shape {list(numbers.shape)}"
        raise ValueError(f"{label!r}: a list of numbers is needed; {got}.")
    return numbers


def table(label: str, values: Any, what: str) -> np.ndarray:
    """float64 [rows, columns], finite; `what` says what they are, such as "[runs, points]"."""
    numbers = float64(label, values)
    if numbers.ndim != 2 or 0 in numbers.shape or not np.isfinite(numbers).all():
        raise ValueError(f"{label!r}: finite numbers {what} are needed; these have the shape {list(numbers.shape)}.")
    return numbers


def norm_table(label: str, profile: Any) -> np.ndarray:
    """[steps, layers], from a recorder or from an array."""
    table = numbers_of(label, profile)
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(
            f"{label!r}: norms have to be [steps, layers]; they are {list(table.shape)}. Was record() called?"
        )
    return table


def norm_row(label: str, profile: Any, step: int) -> np.ndarray:
    values = numbers_of(label, profile)
    if values.ndim == 1 and len(values):
        return values
    table = norm_table(label, values)
    if not isinstance(step, Integral) or isinstance(step, bool):
        raise TypeError(f"step={step!r}: give a whole number, -1 for the last step.")
    if not -len(table) <= step < len(table):
        raise IndexError(f"{label!r}: step {step} is not recorded; there are {len(table)} steps.")
    return table[step]


def check_columns(columns: object) -> None:
    if not isinstance(columns, Integral) or isinstance(columns, bool) or not 1 <= int(columns) <= 32:
        raise ValueError(f"columns={columns!r}: give a whole number from 1 to 32.")


def check_chance(chance: float) -> None:
    if not isinstance(chance, Real) or not 0 <= chance <= 1:
        raise ValueError(f"chance={chance!r}: give the part of right answers by guessing, from 0 to 1.")


def log_limits(ax: Axes, values: np.ndarray) -> None:
    """Whole decades around the positive values, so that two redraws with similar numbers have the same axis."""
    decades = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (np.floor(decades.min()), np.ceil(decades.max())) if len(decades) else (-1.0, 0.0)
    low, high = np.clip([low, high], -306, 306)  # beyond, the ends of the axis would be 0 or infinite
    ax.set_ylim(10.0 ** (low - 0.5), 10.0 ** (max(high, low + 1) + 0.3))
