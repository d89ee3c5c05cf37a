"""What all figures share: colors, look, line styles, marks for values off a log axis, and checks of the data."""

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

# Okabe and Ito's colors except two: their orange and sky blue are too pale on white (2.3:1; marks need 3:1).
BLUE, VERMILLION, GREEN, PURPLE, BLACK, BROWN, VIOLET = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#663311", "#7722DD",
)  # fmt: skip
GRAY, PALE_INK = "#8C8C8C", "#595959"  # the lightest allowed for marks and for text
OTHERS = (GREEN, PURPLE, BLACK, BROWN, VIOLET)
LINES = ("-", "--", ":", "-.")
HATCHES = ("", "///", "...", "xx", "\\\\")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDTH = 9.0  # inches; at 100 dpi, the width of a notebook's text

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

#: `@course_look`: the function draws with this look; matplotlib's global settings stay unchanged.
course_look = mpl.rc_context(LOOK)

#: {label: "plain", "residual", or any matplotlib color}, for labels whose first word does not determine it.
Colors = Mapping[str, str] | None
KINDS_OF_NET = {"plain": VERMILLION, "residual": BLUE, "resnet": BLUE}

Checked = TypeVar("Checked")


def new_figure(
    height: float, columns: int = 1, rows: int = 1, *, layout: str | None = "constrained", **look: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of the notebook's width and its axes, row by row. look: as for `Figure.subplots`."""
    figure = Figure(figsize=(WIDTH, height), layout=layout)
    return figure, list(figure.subplots(rows, columns, squeeze=False, **look).flat)


def color_of(label: str, colors: Colors = None) -> str | None:
    """The color given for a label, or implied by its first word (plain, residual, ResNet); else None."""
    given = (colors or {}).get(label)
    return KINDS_OF_NET.get(given, given) if given else KINDS_OF_NET.get(re.split("[^a-z]", label.lower())[0])


def line_styles(labels: Iterable[str], colors: Colors = None) -> dict[str, dict[str, Any]]:
    """Color, line and marker of each label; those without a color of their own take the remaining colors in turn."""
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
    """The text color on this background: black or white, whichever has more contrast."""
    channels = np.asarray(to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "white"  # at 0.179, both have the same contrast


def no_ticks(ax: Axes) -> None:
    """Prepare axes for a picture: no ticks, and a thin frame, as white pixels would merge with the page."""
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set(visible=True, color=GRAY, linewidth=0.5)


#: One run, where the mean of several is drawn as well.
RING: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": GRAY, "markerfacecolor": "white", "zorder": 3}

#: A level that is not measured, such as a rule of thumb.
DASHED: dict[str, Any] = {"color": BLACK, "linewidth": 1, "linestyle": (0, (6, 3))}
#: A word on a line: readable where marks lie behind it.
ON_MARKS: dict[str, Any] = {
    "color": PALE_INK,
    "fontsize": 9,
    "zorder": 6,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
}


def mark_level(ax: Axes, level: float, word: str = "chance", x: float = 1.0) -> None:
    """Draw a thin gray horizontal line, with a word at its right end: beside the axes or, for an x below 1, on it."""
    ax.axhline(level, color=GRAY, linewidth=1, zorder=1.5)  # behind the data
    across = ax.get_yaxis_transform()
    if x < 1:
        ax.text(x, level, word, transform=across, ha="right", va="bottom", **ON_MARKS)
    else:
        ax.text(x, level, f" {word}", transform=across, ha="left", va="center", fontsize=9)


# --- numbers by layer, on a log axis ----------------------------------------------------------------------------------

FROM_IMAGE = "layer: 1 is next to the image, the last one is the classifier"
FORWARD_AND_BACKWARD = ("forward: root mean square of the activations", "backward: norm of their gradients")

#: {legend label: (marker, bottom or top line of the axis, which numbers)}
OFF_SCALE: dict[str, tuple[str, int, Callable[[np.ndarray], np.ndarray]]] = {
    "exactly 0": ("x", 0, lambda values: values == 0),
    "infinite": ("^", 1, np.isinf),
    "NaN": ("$?$", 1, np.isnan),
}


def layer_words(profiles: Mapping[str, Any], known: str = FROM_IMAGE) -> str:
    """The label of the layer axis: `known` for lists, which start at the image, and for the course's own networks.

    For other modules only the order in which they name their layers is known.
    """
    names = [list(profile.names) for profile in profiles.values() if getattr(profile, "names", None)]
    ours = all(layers[0].startswith("stem.") and layers[-1].startswith("fc") for layers in names)
    return known if ours else "layer, in the module's own order"


def log_limits(values: np.ndarray) -> tuple[float, float]:
    """Whole decades around the positive values, so that redrawing similar numbers keeps the axis."""
    decades = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (np.floor(decades.min()), np.ceil(decades.max())) if len(decades) else (-1.0, 0.0)
    low, high = np.clip([low, high], -306, 306)  # beyond these, the axis limits would be 0 or infinite
    return 10.0 ** (low - 0.5), 10.0 ** (max(high, low + 1) + 0.3)


def log_axis(ax: Axes, limits: tuple[float, float]) -> None:
    ax.set_yscale("log", nonpositive="mask")  # a line breaks at a zero
    ax.grid(color=LOOK["grid.color"])
    ax.set_ylim(limits)


def draw_off_scale(ax: Axes, x: np.ndarray, values: np.ndarray, color: str) -> list[Line2D]:
    """Mark values off a log axis: crosses for zeros, triangles for infinities, question marks for NaN."""
    marks = []
    for label, (marker, end, which) in OFF_SCALE.items():
        at = x[which(values)]
        if len(at):  # an empty, unclipped line would take up space in the corner of the figure
            look = {"linestyle": "none", "marker": marker, "color": color, "markersize": 7, "zorder": 5}
            look["markevery"] = -(-len(at) // 40)  # hundreds of marks would merge into a bar
            marks += ax.plot(at, np.full(len(at), ax.get_ylim()[end]), clip_on=False, label=label, **look)
    return marks


def off_scale_keys(values: np.ndarray, color: str = BLACK) -> list[Line2D]:
    """Legend entries: one for each kind of value that `draw_off_scale` marks."""
    return [
        Line2D([], [], color=color, marker=marker, linestyle="none", label=label)
        for label, (marker, _, which) in OFF_SCALE.items()
        if which(values).any()
    ]


# --- checks of the data to be drawn -----------------------------------------------------------------------------------


def each(
    check: Callable[..., Checked], given: Mapping[str, Any], *arguments: Any, **options: Any
) -> dict[str, Checked]:
    """{label: check(label, values, ...)}, with fonts added for the labels' letters."""
    add_fonts(given)
    return {label: check(label, values, *arguments, **options) for label, values in given.items()}


def array(label: str, values: Any) -> np.ndarray:
    """Convert a tensor, an array or nested lists to an array of the same dtype; its numbers must be finite."""
    numbers = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{label!r}: it contains numbers that are not finite, which cannot be drawn.")
    return numbers


def color_pictures(label: str, values: Any) -> np.ndarray:
    """uint8 [N, 3, H, W]: other dtypes would be clipped."""
    pixels = array(label, values)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3:
        raise ValueError(f"{label!r} must be uint8 [N, 3, H, W], not {pixels.dtype} {list(pixels.shape)}.")
    return pixels


def signed(label: str, values: Any) -> np.ndarray:
    """float64, from a recorder, a tensor, an array or a list of numbers."""
    values = values.detach().cpu().double() if hasattr(values, "detach") else values
    return np.asarray(values.numpy() if hasattr(values, "numpy") else values, dtype=np.float64)


def shaped(
    label: str, values: Any, *shape: str, low: float = 0.0, high: float = np.inf, finite: bool = False
) -> np.ndarray:
    """Convert to float64 with the dimensions named in `shape`, none empty; values are from `low` to `high`.

    finite: whether NaN and infinity are rejected.
    """
    numbers = signed(label, values)
    if numbers.ndim != len(shape) or not numbers.size:
        raise ValueError(f"{label!r}: give numbers [{', '.join(shape)}], not {list(numbers.shape)}.")
    if odd := numbers[(numbers < low) | (numbers > high)].tolist():
        raise ValueError(f"{label!r}: give numbers from {low:g} to {high:g}; one is {odd[0]:g}.")
    return array(label, numbers) if finite else numbers


def norm_tables(profiles: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """{label: float64 [steps, layers]} from recorders or arrays."""
    return each(shaped, profiles, "steps", "layers")


def norm_row(label: str, profile: Any) -> np.ndarray:
    """[layers]: the last row of a recorder or a table, or a single given row."""
    values = signed(label, profile)
    return shaped(label, values, "layers") if values.ndim == 1 else shaped(label, values, "steps", "layers")[-1]
