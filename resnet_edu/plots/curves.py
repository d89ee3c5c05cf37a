"""Training and validation by epoch; what a net reaches at each learning rate; functions and their slopes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from resnet_edu.plots.style import (
    BLACK,
    BLUE,
    GRAY,
    MARKERS,
    WIDTH,
    check_chance,
    course_look,
    finite,
    line_styles,
    new_figure,
    nonempty,
    vector,
)

METRICS = {
    "train_accuracy": "training accuracy",
    "train_loss": "training loss",
    "val_accuracy": "validation accuracy",
    "val_loss": "validation loss",
}
#: Two lists in one picture: training as a line, validation dashed in the same color.
PAIRS = {"accuracy": ("train_accuracy", "val_accuracy"), "loss": ("train_loss", "val_loss")}
PARTS = ("training", "validation")


@course_look
def training_curves(
    histories: Mapping[str, Any], metric: str = "train_accuracy", *, epochs: int | None = None, chance: float = 0.1
) -> Figure:
    """One metric by epoch, one line a net.

    histories: {label: History} as `training.fit` returns them, or {label: one number an epoch}.
    metric: which list of the history: train_accuracy, train_loss, val_accuracy, val_loss; or "accuracy" or "loss" of
    histories with validation: two lines a net, training solid and validation dashed.
    epochs: how many epochs the axis shows, for a plot that is still growing. Accuracies show `chance` as a thin line.
    """
    if not isinstance(metric, str) or metric not in (*METRICS, *PAIRS):
        raise ValueError(f"metric={metric!r}: choose one of {', '.join(map(repr, (*METRICS, *PAIRS)))}.")
    if epochs is not None and (not isinstance(epochs, Integral) or epochs < 1):
        raise ValueError(f"epochs={epochs!r}: give a whole number of at least 1.")
    check_chance(chance)
    lines = (
        _both(histories, metric)
        if metric in PAIRS
        else {label: vector(label, getattr(h, metric, h)) for label, h in nonempty(histories).items()}
    )
    figure, (ax,) = new_figure(3.6)
    styles = _both_styles(histories) if metric in PAIRS else line_styles(lines)
    draw_epochs(ax, lines, styles, epochs=epochs, chance=chance if metric.endswith("accuracy") else None)
    ax.set(xlabel="epoch", ylabel=METRICS.get(metric, metric))
    corner = "upper left" if metric.endswith("accuracy") else "upper right"
    ax.legend(loc="best" if metric in PAIRS else corner)  # of a pair one line may rise where the other falls
    return figure


def draw_epochs(
    ax: Axes,
    lines: Mapping[str, np.ndarray],
    styles: Mapping[str, dict[str, Any]],
    *,
    epochs: int | None = None,
    chance: float | None = None,
) -> None:
    """Lines of one number an epoch; with `chance` they are accuracies, and the axis begins at 0."""
    for label, style in styles.items():
        ax.plot(range(1, len(lines[label]) + 1), lines[label], label=label, markersize=5, **style)
    longest = epochs or max(map(len, lines.values()))
    ax.set_xlim(0.8, max(longest, 2) + 0.2)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if chance is not None:
        highest = np.nanmax([0.0, *np.concatenate(list(lines.values()))])
        ax.set_ylim(0, min(1.0, max(0.3, highest * 1.15)))
        ax.axhline(chance, color=GRAY, linewidth=1)
        ax.text(ax.get_xlim()[1], chance, "chance ", ha="right", va="bottom", color="#595959", fontsize=9)


@course_look
def error_by_depth(
    errors: Mapping[str, Mapping[int, Any]], *, live: Mapping[str, Mapping[int, float]] | None = None
) -> Figure:
    """Training error by depth, one line per kind of network: the mean of its runs with a bar of one standard deviation.

    errors: {label: {depth: errors from 0 to 1, one per run}}. Each run is a ring. live: {label: {depth: error}}, single
    runs drawn as stars, such as those that the reader has just trained.
    """
    table = {
        label: {depth: vector(f"{label}-{depth}", runs) for depth, runs in sorted(of.items())}
        for label, of in nonempty(errors).items()
    }
    figure, (ax,) = new_figure(3.8)
    depths = sorted({depth for of in table.values() for depth in of})
    for label, style in line_styles(table).items():
        of = table[label]
        mean = [100 * runs.mean() for runs in of.values()]
        bars = [100 * runs.std(ddof=1) if len(runs) > 1 else 0.0 for runs in of.values()]
        ax.errorbar(list(of), mean, bars, label=label, capsize=4, markersize=6, **style)
        for depth, runs in of.items():
            ax.plot([depth] * len(runs), 100 * runs, "o", color=GRAY, markerfacecolor="white", markersize=4, zorder=3)
        own = (live or {}).get(label, {})
        if own:
            star = {"color": style["color"], "marker": "*", "markersize": 14, "markeredgecolor": BLACK}
            ax.plot(
                list(own), [100 * e for e in own.values()], linestyle="none", label=f"{label}, here", zorder=4, **star
            )
    ax.set_xticks(depths)
    ax.set(xlabel="layers", ylabel="training error (%)", ylim=(0, 100))
    ax.legend(loc="lower right")
    return figure


@course_look
def error_curves(panels: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Errors in percent by epoch, one panel beside the other on one scale, as Figure 6 of He et al. 2015.

    panels: {title: {label: History with training and validation}}. The error on unseen images is a solid line with
    markers, the training error a dashed one in the same color; the deeper the later in the legend. From the eighth
    label on the markers come again, hollow.
    """
    figure, axes = new_figure(3.8, columns=len(nonempty(panels)))
    top = 0.0
    for ax, (title, histories) in zip(axes, panels.items(), strict=True):
        lines = _both(histories, "accuracy")
        colors = colormaps["viridis"](np.linspace(0, 0.55, len(histories)))
        for k, label in enumerate(histories):
            turn, marker = divmod(k, len(MARKERS))
            test = {"linestyle": "-", "marker": MARKERS[marker], "markerfacecolor": "white" if turn % 2 else colors[k]}
            for part, style in zip(PARTS, ({"linestyle": "--"}, test), strict=True):
                error = 100 * (1 - lines[f"{label}, {part}"])
                every = max(1, len(error) // 8)
                epochs, shown = range(1, len(error) + 1), label if part == "validation" else None
                ax.plot(epochs, error, color=colors[k], label=shown, markevery=every, markersize=5, **style)
                top = max(top, float(np.nanmax(error)))
        ax.set(title=title, xlabel="epoch", ylabel="error (%)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(title="solid: test; dashed: training", title_fontsize=8)
    for ax in axes:
        ax.set_ylim(0, min(100.0, 1.05 * top))
    return figure


def _both(histories: Mapping[str, Any], metric: str) -> dict[str, np.ndarray]:
    """{"net, training": ..., "net, validation": ...}, from histories that hold both."""
    lines = {}
    for label, history in nonempty(histories).items():
        lists = [getattr(history, name, None) for name in PAIRS[metric]]
        if not all(isinstance(values, list) and values for values in lists):
            raise ValueError(
                f"{label!r}: metric={metric!r} draws training beside validation, and here is not both. "
                "Give what training.fit(net, train, val, ...) returned."
            )
        for part, values in zip(PARTS, lists, strict=True):
            lines[f"{label}, {part}"] = vector(label, values)
    return lines


def _both_styles(labels: Iterable[str]) -> dict[str, dict[str, Any]]:
    styles = {}
    for label, style in line_styles(labels).items():
        for part, linestyle, face in zip(PARTS, ("-", "--"), (style["color"], "white"), strict=True):
            styles[f"{label}, {part}"] = {**style, "linestyle": linestyle, "markerfacecolor": face}
    return styles


@course_look
def by_rate(
    results: Mapping[str, Mapping[float, float]],
    *,
    ylabel: str = "training accuracy",
    before: float | None = None,
    chance: float = 0.1,
) -> Figure:
    """An accuracy by the learning rate that led to it, one line a net; `before` is a dashed line across, `chance` thin.

    results: {label: {learning rate: accuracy from 0 to 1}}.
    """
    lines: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for label, table in nonempty(results).items():
        if not isinstance(table, Mapping):
            raise TypeError(f"{label!r}: give {{learning rate: accuracy}}, not {table!r:.60}.")
        rates, values = vector(label, list(table)), vector(label, list(table.values()))
        if not (rates > 0).all() or not np.isfinite(rates).all() or not ((values >= 0) & (values <= 1)).all():
            raise ValueError(
                f"{label!r}: learning rates are above 0 and accuracies from 0 to 1; it was given {table!r:.80}."
            )
        order = np.argsort(rates)
        lines[label] = rates[order], values[order]
    if before is not None and (not isinstance(before, Real) or not 0 <= before <= 1):
        raise ValueError(f"before={before!r}: give an accuracy from 0 to 1.")
    check_chance(chance)
    figure, (ax,) = new_figure(3.4)
    for label, style in line_styles(lines).items():
        ax.plot(*lines[label], label=label, markersize=7, **style)
    if before is not None:
        ax.axhline(before, color=BLACK, linewidth=1, linestyle=(0, (6, 3)), label="before")
    ax.axhline(chance, color=GRAY, linewidth=1)
    ax.set_xscale("log")
    rates = np.unique(np.concatenate([x for x, _ in lines.values()]))
    ax.set_xlim(rates[0] / 1.6, rates[-1] * 1.6)
    ax.set_xticks(rates, [f"{rate:g}" for rate in rates])
    ax.minorticks_off()
    highest = max([before or 0.0, chance, *(y.max() for _, y in lines.values())])
    ax.set_ylim(0, min(1.0, max(0.3, highest * 1.35)))
    ax.text(ax.get_xlim()[1], chance, "chance ", ha="right", va="bottom", color="#595959", fontsize=9)
    ax.set(xlabel="learning rate", ylabel=ylabel)
    ax.legend(loc="upper right", ncols=len(lines) + 1)
    return figure


@course_look
def value_and_slope(
    x: Any,
    functions: Mapping[str, tuple[Any, Any]],
    *,
    xlabel: str = "x",
    labels: tuple[str, str] = ("value", "slope"),
) -> Figure:
    """Functions side by side with their derivatives, over the same x.

    x: numbers in rising order. functions: {label: (its values, its slopes)}, as many of each as x has.
    labels: what the two axes show.
    """
    at = finite("x", x)
    lines = {label: _pair(label, pair, at) for label, pair in nonempty(functions).items()}
    if not isinstance(labels, tuple | list) or len(labels) != 2:
        raise ValueError(f"labels={labels!r:.60}: give two words, for the values and for the slopes.")
    gap, widths = max(1, len(at) // 8), np.linspace(1.5 + 0.7 * (len(lines) - 1), 1.5, len(lines))
    figure, axes = new_figure(3.4, columns=2)
    for i, ax in enumerate(axes):
        for k, (label, style) in enumerate(line_styles(lines).items()):
            # Where they run together, the later line is the thinner one and its markers are moved: all can be seen.
            marks = (k * gap // len(lines), gap)
            ax.plot(at, lines[label][i], label=label, linewidth=widths[k], markevery=marks, markersize=4, **style)
        ax.set(xlabel=xlabel, ylabel=labels[i])
    axes[0].legend()
    return figure


def _pair(label: str, pair: Any, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"{label!r}: give a pair, the values and the slopes.")
    value, slope = (finite(label, numbers) for numbers in pair)
    if len(value) != len(at) or len(slope) != len(at):
        raise ValueError(f"{label!r}: x has {len(at)} numbers, the values {len(value)}, the slopes {len(slope)}.")
    return value, slope


@course_look
def side_by_side(panels: Mapping[str, Mapping[str, Any]], *, xlabel: str, ylabel: str, top: float = 1.0) -> Figure:
    """Several pictures with one scale, each with lines by 0, 1, 2, ...; a label has one style in all of them.

    panels: {title: {label: numbers from 0 to `top`}}, at most 4.
    """
    lines = {
        title: {label: vector(label, y) for label, y in nonempty(of).items()} for title, of in nonempty(panels).items()
    }
    if len(lines) > 4:
        raise ValueError(f"side_by_side draws at most 4 pictures; there are {len(lines)}.")
    figure, axes = new_figure(3.2, columns=len(lines))
    styles = line_styles(dict.fromkeys(label for of in lines.values() for label in of))
    for ax, (title, of) in zip(axes, lines.items(), strict=True):
        for label, y in of.items():
            ax.plot(range(len(y)), y, label=label, markersize=6, **styles[label])
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(ylim=(0, top), xlabel=xlabel, title=title)
    axes[0].set_ylabel(ylabel)
    axes[0].legend(loc="lower left")
    return figure


# --- learning rates by step, and how many images a second each measure gains -----------------------------------------


@course_look
def schedules(rates: Mapping[str, Any]) -> Figure:
    """Two panels: the learning rate by step, on a log axis, and the part of the sum of all rates that is behind.

    rates: {label: one number a step, from 0 up, not all of them 0}.
    """
    lines = {label: vector(label, values) for label, values in nonempty(rates).items()}
    if odd := [label for label, values in lines.items() if not (np.isfinite(values).all() and values.any())]:
        raise ValueError(f"{odd[0]!r}: rates have to be finite, and not all of them 0.")
    figure, axes = new_figure(3.4, 2)
    top = max(values.max() for values in lines.values())
    for label, style in line_styles(lines).items():
        values, every = lines[label], max(1, len(lines[label]) // 8)
        for ax, numbers in zip(axes, (values, values.cumsum() / values.sum()), strict=True):
            ax.plot(np.arange(len(values)), numbers, label=label, markevery=every, markersize=5, **style)
    axes[0].set_yscale("log")
    axes[0].set_ylim(top * 3e-4, top * 2)  # a cosine ends at 0, and would take the axis with it
    axes[0].set(title="learning rate", xlabel="step")
    axes[1].set(title="part of the sum of all rates", xlabel="step", ylim=(0, 1.02))
    axes[0].legend(loc="lower left")
    return figure


@course_look
def throughput(rates: Mapping[str, Any], *, xlabel: str = "images a second") -> Figure:
    """How fast each way is: a bar to the median of its rounds, a point for each round, the first way on top.

    rates: {label: numbers above 0, one a round}, all measured in the same rounds. Behind each bar stand its median and
    its gain: the median, over the rounds, of its rate divided by the first way's in the same round.
    """
    table = {label: vector(label, values) for label, values in nonempty(rates).items()}
    if odd := [label for label, values in table.items() if not (np.isfinite(values).all() and (values > 0).all())]:
        raise ValueError(f"{odd[0]!r}: a speed is a finite number above 0.")
    first = next(iter(table.values()))
    if odd := [label for label, values in table.items() if len(values) != len(first)]:
        raise ValueError(
            f"{odd[0]!r} has {len(table[odd[0]])} rounds, the first way {len(first)}: measure them in turn."
        )
    figure = Figure(figsize=(WIDTH, 0.9 + 0.45 * len(table)), layout="constrained")
    ax = figure.subplots()
    widest = max(values.max() for values in table.values())
    for row, values in enumerate(table.values()):
        median = np.median(values)
        ax.barh(row, median, height=0.6, color=BLUE if row else GRAY)
        ax.plot(values, [row] * len(values), "o", color=BLACK, markersize=4, markerfacecolor="white")
        ax.text(
            values.max() + 0.02 * widest,
            row,
            f"{median:.0f}  (x {np.median(values / first):.2f})",
            va="center",
            fontsize=9,
        )
    ax.set_yticks(range(len(table)), list(table))
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set(xlabel=f"{xlabel}: median (bar) and every round (points)", xlim=(0, 1.22 * widest))
    return figure
