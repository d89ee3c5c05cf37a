"""The scale of activations and gradients by layer, the size of updates by step, and the health of units."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from resnet_edu.plots import style
from resnet_edu.plots.style import Colors, course_look

USUAL = 1e-3  # of |update| / |weight|: a rule of thumb


@course_look
def signal_scale(
    profiles: Mapping[str, Any], *, predicted: Mapping[str, Any] | None = None, title: str = "", colors: Colors = None
) -> Figure:
    """Two panels, forward and backward: the scale of the activations and of the gradients by layer, on log scales.

    profiles: {label: signal}, a `probes.Signal` or a pair of lists (activation, gradient), one number per layer,
    starting next to the image. predicted: {label: signal} for some of the labels: drawn as lines, with the measured
    values as points. Zeros, infinities and NaN are marked at the ends of the axis.
    """
    measured, formulas = _with_predicted(_pair, profiles, predicted)
    figure, axes = style.new_figure(3.6, 2)
    for i, (ax, head) in enumerate(zip(axes, style.FORWARD_AND_BACKWARD, strict=True)):
        one, formula = ({label: pair[i] for label, pair in of.items()} for of in (measured, formulas))
        style.log_axis(ax, style.log_limits(np.concatenate([*one.values(), *formula.values()])))
        _draw_by_layer(ax, one, formula, colors, markersize=4, linewidth=1.5)
        for label, pen in style.line_styles(one, colors).items():
            style.draw_off_scale(ax, np.arange(1, len(one[label]) + 1), one[label], pen["color"])
        ax.set(title=head, xlabel=style.layer_words(profiles, "layer: 1 is next to the image"))
    handles = [line for line in axes[0].lines if line.get_label() not in style.OFF_SCALE]
    handles += style.off_scale_keys(np.concatenate([numbers for pair in measured.values() for numbers in pair]))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False)
    if title:
        figure.suptitle(title)
    return figure


@course_look
def update_ratios(recordings: Mapping[str, Any], *, colors: Colors = None) -> Figure:
    """Update-to-weight ratio by step: the median over layers, and a band from the 10th to the 90th percentile.

    recordings: {label: ratios}, a `probes.UpdateRatio` or an array [steps, layers]. A dashed line: the rule of thumb.
    Marked at the ends of the axis: steps with a median of 0, with an infinite ratio, and with no number at all.
    """
    tables = style.norm_tables(recordings)
    tenths = {label: np.array([_tenths(row) for row in table]).T for label, table in tables.items()}
    marked = {label: np.where(np.isinf(table).any(1), np.inf, tenths[label][1]) for label, table in tables.items()}
    figure, (ax,) = style.new_figure(3.8)
    style.log_axis(ax, style.log_limits(np.concatenate([*(lines.ravel() for lines in tenths.values()), [USUAL]])))
    handles = []
    for label, pen in style.line_styles(tables, colors).items():
        low, middle, high = tenths[label]
        steps = np.arange(len(middle))
        low, high = np.maximum(low, ax.get_ylim()[0]), np.where(high > 0, high, np.nan)  # no band where nothing moved
        ax.fill_between(steps, low, high, facecolor=(pen["color"], 0.15), edgecolor=pen["color"], linewidth=0.6)
        every = max(1, len(steps) // 12)
        handles += ax.plot(steps, middle, label=label, markersize=4, linewidth=1.5, markevery=every, **pen)
        style.draw_off_scale(ax, steps, marked[label], pen["color"])
    ax.axhline(USUAL, **style.DASHED)
    ax.annotate(f"{USUAL:g}", (1.005, USUAL), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    ax.set(xlabel="step", ylabel="|update| / |weight|")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles += style.off_scale_keys(np.concatenate(list(marked.values())))
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
    return figure


@course_look
def unit_parts(
    profiles: Mapping[str, Any], *, ylabel: str, predicted: Mapping[str, Any] | None = None, colors: Colors = None
) -> Figure:
    """A fraction of units or entries, 0 to 1, by layer: `saturated` or `dead` of `probes.unit_health`.

    profiles: {label: one number per layer, from the image on}. predicted: the same for some labels, drawn as lines.
    """
    measured, formulas = _with_predicted(
        lambda label, values: style.shaped(label, values, "layers", high=1), profiles, predicted
    )
    figure, (ax,) = style.new_figure(3.2)
    _draw_by_layer(ax, measured, formulas, colors, markersize=5, clip_on=False)
    ax.set(ylabel=ylabel, xlabel="layer: 1 is next to the image")
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _draw_by_layer(
    ax: Axes, measured: Mapping[str, np.ndarray], formulas: Mapping[str, np.ndarray], colors: Colors, **look: Any
) -> None:
    """Draw lines; if a label has a formula, draw that as a line and the measurements as hollow points on it."""
    for label, pen in style.line_styles(measured, colors).items():
        values = measured[label]
        hollow = {"linestyle": "none", "markerfacecolor": "none", "markersize": 6} if label in formulas else {}
        ax.plot(range(1, len(values) + 1), values, label=label, **{**look, **pen, **hollow})
        if label in formulas:
            line = {**pen, "marker": "none", "linewidth": 1}
            ax.plot(range(1, len(formulas[label]) + 1), formulas[label], label=f"{label}, predicted", **line)
    ax.set_xlim(0.5, max(map(len, measured.values())) + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def _with_predicted(
    check: Callable[[str, Any], style.Checked], profiles: Mapping[str, Any], predicted: Mapping[str, Any] | None
) -> tuple[dict[str, style.Checked], dict[str, style.Checked]]:
    measured, formulas = style.each(check, profiles), style.each(check, predicted or {})
    if odd := [label for label in formulas if label not in measured]:
        raise ValueError(f"predicted has {odd[0]!r}, which is not among the profiles: {', '.join(measured)}.")
    return measured, formulas


def _pair(label: str, profile: Any) -> tuple[np.ndarray, np.ndarray]:
    activation, gradient = (profile.activation, profile.gradient) if hasattr(profile, "activation") else profile
    return style.shaped(label, activation, "layers"), style.shaped(label, gradient, "layers")


def _tenths(row: np.ndarray) -> np.ndarray:
    """10th, 50th and 90th percentile of the numbers, ignoring NaN; NaN if there are none."""
    known = row[np.isfinite(row)]
    return np.percentile(known, (10, 50, 90)) if len(known) else np.full(3, np.nan)
