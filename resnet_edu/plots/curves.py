"""Training results by epoch, depth and learning rate; schedules, throughput, functions and their derivatives."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from resnet_edu.plots import style
from resnet_edu.plots.style import Colors, course_look

PARTS = {"train": "training", "val": "validation"}


@course_look
def training_curves(
    histories: Mapping[str, Any],
    metric: str = "train_accuracy",
    *,
    epochs: int | None = None,
    chance: float = 0.1,
    colors: Colors = None,
) -> Figure:
    """One metric by epoch, one line per network.

    histories: {label: History} as `training.fit` returns them, or {label: one number per epoch}.
    metric: a list of the history: train_accuracy, train_loss, val_accuracy, val_loss; or "accuracy" or "loss" of
    histories with validation: two lines per network, training solid and validation dashed.
    epochs: number of epochs on the axis, for a plot that is still growing. Accuracies show `chance` as a thin line.
    """
    part, _, what = metric.rpartition("_")
    if not part:
        lines = _both(histories, metric)
        styles = {
            f"{label}, {word}": {**pen, "linestyle": linestyle, "markerfacecolor": face}
            for label, pen in style.line_styles(histories, colors).items()
            for word, linestyle, face in (("training", "-", pen["color"]), ("validation", "--", "white"))
        }
    else:
        lists = {label: getattr(history, metric, history) for label, history in histories.items()}
        lines = style.each(style.shaped, lists, "epochs")
        styles = style.line_styles(lines, colors)
    figure, (ax,) = style.new_figure(3.6)
    draw_epochs(ax, lines, styles, epochs=epochs, chance=chance if what == "accuracy" else None)
    ax.set(xlabel="epoch", ylabel=f"{PARTS[part]} {what}" if part else what)
    ax.legend(loc="upper left" if part and what == "accuracy" else "best")  # where it stays as the lines grow
    return figure


def draw_epochs(
    ax: Axes,
    lines: Mapping[str, np.ndarray],
    styles: Mapping[str, dict[str, Any]],
    *,
    epochs: int | None = None,
    chance: float | None = None,
) -> None:
    """Draw lines of one number per epoch; with `chance` they are accuracies, and the axis starts at 0."""
    for label, pen in styles.items():
        ax.plot(range(1, len(lines[label]) + 1), lines[label], label=label, markersize=5, **pen)
    longest = epochs or max(map(len, lines.values()))
    ax.set_xlim(0.8, max(longest, 2) + 0.2)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if chance is not None:
        highest = np.nanmax([0.0, *np.concatenate(list(lines.values()))])
        ax.set_ylim(0, min(1.0, max(0.3, highest * 1.15)))
        style.mark_level(ax, chance)


@course_look
def error_by_depth(
    errors: Mapping[str, Mapping[int, Any]],
    *,
    live: Mapping[str, Mapping[int, float]] | None = None,
    colors: Colors = None,
) -> Figure:
    """Training error by depth, one line per kind of network: the mean of its runs, with bars of one standard deviation.

    errors: {label: {depth: errors from 0 to 1, one per run}}. Each run is drawn as a ring. live:
    {label: {depth: error}}, single runs drawn as stars, such as those just trained by the reader.
    """
    table = style.each(
        lambda label, of: {d: 100 * style.shaped(f"{label}-{d}", of[d], "runs", high=1) for d in sorted(of)}, errors
    )
    figure, (ax,) = style.new_figure(3.8)
    for label, pen in style.line_styles(table, colors).items():
        of = table[label]
        bars = [deviation(runs) for runs in of.values()]
        ax.errorbar(list(of), [runs.mean() for runs in of.values()], bars, label=label, capsize=4, markersize=6, **pen)
        for depth, runs in of.items():
            ax.plot([depth] * len(runs), runs, markersize=4, **style.RING)
        if own := (live or {}).get(label):
            star = {"color": pen["color"], "marker": "*", "markersize": 14, "markeredgecolor": style.BLACK, "zorder": 4}
            here = [100 * error for error in own.values()]
            ax.plot(list(own), here, linestyle="none", label=f"{label}, here", **star)
    ax.set_xticks(sorted({depth for of in table.values() for depth in of}))
    ax.set(xlabel="layers", ylabel="training error (%)", ylim=(0, 100))
    ax.legend(loc="lower right")
    return figure


def deviation(runs: np.ndarray) -> np.ndarray:
    """Standard deviation over the first dimension, the runs; 0 for a single run."""
    return runs.std(0, ddof=1) if len(runs) > 1 else np.zeros(runs.shape[1:])


@course_look
def error_curves(panels: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Errors in percent by epoch, in panels side by side on one scale, like Figure 6 of He et al. 2015.

    panels: {title: {label: History with training and validation}}. The error on unseen images is a solid line with
    markers, the training error a dashed one in the same color; deeper networks come later in the legend. From the
    eighth label on, the markers repeat, hollow.
    """
    figure, axes = style.new_figure(3.8, columns=len(panels))
    for ax, (title, histories) in zip(axes, panels.items(), strict=True):
        lines = _both(histories, "accuracy")
        colors = colormaps["viridis"](np.linspace(0, 0.55, len(histories)))
        for k, label in enumerate(histories):
            turn, marker = divmod(k, len(style.MARKERS))
            face = "white" if turn % 2 else colors[k]
            test = {"linestyle": "-", "marker": style.MARKERS[marker], "markerfacecolor": face}
            for part, pen in (("training", {"linestyle": "--"}), ("validation", test)):
                error = 100 * (1 - lines[f"{label}, {part}"])
                every = max(1, len(error) // 8)
                epochs, shown = range(1, len(error) + 1), label if part == "validation" else None
                ax.plot(epochs, error, color=colors[k], label=shown, markevery=every, markersize=5, **pen)
        ax.set(title=title, xlabel="epoch", ylabel="error (%)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(title="solid: test; dashed: training", title_fontsize=8)
    top = max(float(np.nanmax(line.get_ydata())) for ax in axes for line in ax.lines)
    for ax in axes:
        ax.set_ylim(0, min(100.0, 1.05 * top))
    return figure


def _both(histories: Mapping[str, Any], metric: str) -> dict[str, np.ndarray]:
    """{"net, training": ..., "net, validation": ...}, from histories that contain both."""
    lists = {
        f"{label}, {word}": getattr(history, f"{part}_{metric}")
        for label, history in histories.items()
        for part, word in PARTS.items()
    }
    return style.each(style.shaped, lists, "epochs")


@course_look
def by_rate(
    results: Mapping[str, Mapping[float, float]],
    *,
    before: float | None = None,
    chance: float = 0.1,
    colors: Colors = None,
) -> Figure:
    """Training accuracy by learning rate, one line per network; `before` is dashed, `chance` a thin line.

    results: {label: {learning rate: accuracy from 0 to 1}}.
    """
    given = style.each(by_setting, results)
    lines = {label: (x, style.shaped(label, y, "rates", high=1)) for label, (x, y) in given.items()}
    figure, (ax,) = style.new_figure(3.4)
    for label, pen in style.line_styles(lines, colors).items():
        ax.plot(*lines[label], label=label, markersize=7, **pen)
    if before is not None:
        ax.axhline(before, label="before", **style.DASHED)
    style.mark_level(ax, chance)
    settings_axis(ax, np.concatenate([x for x, _ in lines.values()]), room=1.6)
    highest = max([before or 0.0, chance, *(y.max() for _, y in lines.values())])
    ax.set_ylim(0, min(1.0, max(0.3, highest * 1.35)))
    ax.set(xlabel="learning rate", ylabel="training accuracy")
    ax.legend(loc="upper right", ncols=len(lines) + 1, handlelength=3)
    return figure


def by_setting(label: str, results: Mapping[float, Any]) -> tuple[np.ndarray, list[Any]]:
    """The settings, sorted, for a log axis; and the result of each."""
    settings = style.shaped(label, sorted(results), "settings", low=1e-300, finite=True)
    return settings, [results[setting] for setting in sorted(results)]


def settings_axis(ax: Axes, settings: np.ndarray, room: float) -> None:
    """A log axis with a tick at each setting, and a margin (a factor) at both ends."""
    ticks = np.unique(settings)
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(ticks[0] / room, ticks[-1] * room)


@course_look
def value_and_slope(
    x: Any, functions: Mapping[str, tuple[Any, Any]], *, xlabel: str = "x", labels: tuple[str, str] = ("value", "slope")
) -> Figure:
    """Functions and their derivatives side by side, over the same x.

    x: numbers in increasing order. functions: {label: (values, derivatives)}, each as long as x.
    labels: titles of the two axes.
    """
    at = style.signed("x", x)
    lines = style.each(lambda label, pair: [style.signed(label, numbers) for numbers in pair], functions)
    gap, widths = max(1, len(at) // 8), np.linspace(1.5 + 0.7 * (len(lines) - 1), 1.5, len(lines))
    figure, axes = style.new_figure(3.4, columns=2)
    for i, ax in enumerate(axes):
        for k, (label, pen) in enumerate(style.line_styles(lines).items()):
            # Later lines are thinner and their markers offset, so that overlapping lines stay visible.
            marks = (k * gap // len(lines), gap)
            ax.plot(at, lines[label][i], label=label, linewidth=widths[k], markevery=marks, markersize=4, **pen)
        ax.set(xlabel=xlabel, ylabel=labels[i])
    axes[0].legend()
    return figure


@course_look
def side_by_side(panels: Mapping[str, Mapping[str, Any]], *, xlabel: str, ylabel: str) -> Figure:
    """Panels on one scale, each with lines over 0, 1, 2, ...; a label has the same style in all panels.

    panels: {title: {label: numbers from 0 to 1}}, at most 4.
    """
    lines = style.each(lambda _, of: style.each(style.shaped, of, "n", high=1), panels)
    figure, axes = style.new_figure(3.2, columns=len(lines))
    styles = style.line_styles(dict.fromkeys(label for of in lines.values() for label in of))
    for ax, (title, of) in zip(axes, lines.items(), strict=True):
        for label, y in of.items():
            ax.plot(range(len(y)), y, label=label, markersize=6, **styles[label])
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(ylim=(0, 1), xlabel=xlabel, title=title)
    axes[0].set_ylabel(ylabel)
    axes[0].legend(loc="lower left")
    return figure


@course_look
def schedules(rates: Mapping[str, Any]) -> Figure:
    """Two panels: the learning rate by step, on a log axis, and the cumulative rate as a fraction of its total.

    rates: {label: one nonnegative number per step, not all 0}.
    """
    lines = style.each(style.shaped, rates, "steps", finite=True)
    figure, axes = style.new_figure(3.4, 2)
    top = max(values.max() for values in lines.values())
    for label, pen in style.line_styles(lines).items():
        values, every = lines[label], max(1, len(lines[label]) // 8)
        for ax, numbers in zip(axes, (values, values.cumsum() / values.sum()), strict=True):
            ax.plot(np.arange(len(values)), numbers, label=label, markevery=every, markersize=5, **pen)
    axes[0].set_yscale("log")
    axes[0].set_ylim(top * 3e-4, top * 2)  # a cosine ends at 0, and would stretch the axis
    axes[0].set(title="learning rate", xlabel="step")
    axes[1].set(title="fraction of the sum of all rates", xlabel="step", ylim=(0, 1.02))
    axes[0].legend(loc="lower left")
    return figure


@course_look
def throughput(rates: Mapping[str, Any]) -> Figure:
    """Throughput of each method: a bar for the median of its rounds, a point per round, the first method on top.

    rates: {label: numbers above 0, one per round}, all measured in the same rounds. After each bar come its median and
    its gain: the median, over the rounds, of its rate divided by the first method's rate in the same round.
    """
    table = style.each(style.shaped, rates, "rounds", low=1e-300, finite=True)
    first = next(iter(table.values()))
    figure, (ax,) = style.new_figure(0.9 + 0.45 * len(table))
    widest = max(values.max() for values in table.values())
    for row, values in enumerate(table.values()):
        median = np.median(values)
        ax.barh(row, median, height=0.6, color=style.BLUE if row else style.GRAY)
        ax.plot(values, [row] * len(values), "o", color=style.BLACK, markersize=4, markerfacecolor="white")
        text = f"{median:.0f}  (x {np.median(values / first):.2f})"
        ax.text(values.max() + 0.02 * widest, row, text, va="center", fontsize=9)
    ax.set_yticks(range(len(table)), list(table))
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set(xlabel="images per second: median (bar) and every round (points)", xlim=(0, 1.22 * widest))
    return figure
