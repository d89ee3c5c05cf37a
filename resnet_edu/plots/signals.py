"""The scale of activations and gradients by layer, the size of updates by step, and the health of units."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from resnet_edu.plots.style import (
    BLACK,
    LOOK,
    course_look,
    line_styles,
    log_limits,
    new_figure,
    nonempty,
    norm_table,
    vector,
)

#: Points of what was measured, beside the line of what was predicted: two that coincide can both be seen.
HOLLOW: dict[str, Any] = {"linestyle": "none", "markerfacecolor": "none", "markersize": 6}


@course_look
def signal_scale(profiles: Mapping[str, Any], *, predicted: Mapping[str, Any] | None = None, title: str = "") -> Figure:
    """Two panels, forward and backward: the scale of the activations and of the gradients by layer.

    profiles: {label: signal}, a `probes.Signal` or a pair of lists (activation, gradient), one number a layer.
    predicted: {label: signal} for some of the labels: drawn as lines; what was measured is then drawn as points.
    """
    measured = {label: _pair(label, profile) for label, profile in nonempty(profiles).items()}
    formulas = {} if predicted is None else {k: _pair(k, v) for k, v in nonempty(predicted).items()}
    if odd := [label for label in formulas if label not in measured]:
        raise ValueError(f"predicted has {odd[0]!r}, which is not among the profiles: {', '.join(measured)}.")
    figure, axes = new_figure(3.6, 2)
    heads = ("forward: root mean square of the activations", "backward: norm of the gradient by them")
    for i, (ax, head) in enumerate(zip(axes, heads, strict=True)):
        ax.set_yscale("log", nonpositive="mask")
        ax.grid(color=LOOK["grid.color"])
        log_limits(ax, np.concatenate([pair[i] for pair in (*measured.values(), *formulas.values())]))
        for label, style in line_styles(measured).items():
            values = measured[label][i]
            points = {**style, **HOLLOW} if label in formulas else style
            ax.plot(range(1, len(values) + 1), values, label=label, **{"markersize": 4, "linewidth": 1.5, **points})
            if label in formulas:
                line = {**style, "marker": "none", "linewidth": 1}
                ax.plot(range(1, len(formulas[label][i]) + 1), formulas[label][i], label=f"{label}, predicted", **line)
        ax.set(title=head)
        _layer_axis(ax, max(len(pair[i]) for pair in measured.values()))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)
    if title:
        figure.suptitle(title)
    return figure


@course_look
def update_ratios(recordings: Mapping[str, Any], *, line: float = 1e-3) -> Figure:
    """Update-to-weight ratio by step: the median of the layers, and a band from the smallest to the largest tenth.

    recordings: {label: ratios}, a `probes.UpdateRatio` or an array [steps, layers]. line: the rule of thumb.
    """
    if not isinstance(line, Real) or isinstance(line, bool) or not 0 < line < 1:
        raise ValueError(f"line={line!r}: give a ratio between 0 and 1, such as 1e-3.")
    tables = {label: norm_table(label, recording) for label, recording in nonempty(recordings).items()}
    figure, (ax,) = new_figure(3.8)
    ax.set_yscale("log", nonpositive="mask")
    ax.grid(color=LOOK["grid.color"])
    tenths = {label: np.array([_tenths(row) for row in table]).T for label, table in tables.items()}
    log_limits(ax, np.concatenate([*(parts.ravel() for parts in tenths.values()), [line]]))
    for label, style in line_styles(tables).items():
        low, middle, high = tenths[label]
        steps = np.arange(len(middle))
        ax.fill_between(steps, low, high, facecolor=(style["color"], 0.15), edgecolor=style["color"], linewidth=0.6)
        every = max(1, len(steps) // 12)
        ax.plot(steps, middle, label=label, markersize=4, linewidth=1.5, markevery=every, **style)
    ax.axhline(line, color=BLACK, linewidth=1, linestyle=(0, (6, 3)))
    ax.annotate(f"{line:g}", (1.005, line), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    ax.set(xlabel="step", ylabel="|update| / |weight|")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside right upper", frameon=False)
    return figure


@course_look
def unit_parts(
    profiles: Mapping[str, Any], *, ylabel: str, predicted: Mapping[str, Any] | None = None, title: str = ""
) -> Figure:
    """A part of the units or entries, 0 to 1, by layer: `saturated` or `dead` of `probes.unit_health`.

    profiles: {label: one number a layer}. predicted: the same for some of the labels, drawn as lines.
    """
    measured = {label: _parts(label, values) for label, values in nonempty(profiles).items()}
    formulas = {} if predicted is None else {k: _parts(k, v) for k, v in nonempty(predicted).items()}
    if odd := [label for label in formulas if label not in measured]:
        raise ValueError(f"predicted has {odd[0]!r}, which is not among the profiles: {', '.join(measured)}.")
    figure, (ax,) = new_figure(3.2)
    for label, style in line_styles(measured).items():
        values = measured[label]
        points = {**style, **HOLLOW} if label in formulas else style
        ax.plot(range(1, len(values) + 1), values, label=label, clip_on=False, **{"markersize": 5, **points})
        if label in formulas:
            line = {**style, "marker": "none", "linewidth": 1}
            ax.plot(range(1, len(formulas[label]) + 1), formulas[label], label=f"{label}, predicted", **line)
    ax.set(ylim=(0, 1), ylabel=ylabel, title=title)
    _layer_axis(ax, max(map(len, measured.values())))
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _layer_axis(ax: Axes, layers: int) -> None:
    ax.set_xlim(0.5, layers + 0.5)
    ax.set_xlabel("layer: 1 is next to the image")
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def _pair(label: str, profile: Any) -> tuple[np.ndarray, np.ndarray]:
    if hasattr(profile, "activation") and hasattr(profile, "gradient"):
        profile = (profile.activation, profile.gradient)
    if isinstance(profile, np.ndarray) and profile.ndim == 2:
        profile = list(profile)
    if not isinstance(profile, tuple | list) or len(profile) != 2:
        raise TypeError(f"{label!r}: give what probes.signal returns, or a pair (activation, gradient).")
    return vector(label, profile[0]), vector(label, profile[1])


def _parts(label: str, values: Any) -> np.ndarray:
    numbers = vector(label, values)
    if (numbers > 1).any():
        raise ValueError(f"{label!r}: these are parts, from 0 to 1; there is a {numbers.max():g}.")
    return numbers


def _tenths(row: np.ndarray) -> np.ndarray:
    """10th, 50th and 90th percentile of the numbers that are known; NaN where none is."""
    known = row[np.isfinite(row)]
    return np.percentile(known, (10, 50, 90)) if len(known) else np.full(3, np.nan)
