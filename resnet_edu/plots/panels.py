"""Many nets side by side, with what their seeds differ by: one panel a net, or one row a net."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from resnet_edu.plots.style import (
    BLUE,
    GREY,
    VERMILLION,
    WIDTH,
    course_look,
    is_plain,
    new_figure,
    nonempty,
    numbers_of,
    table,
)

COLUMNS = 4


def deviation(values: np.ndarray) -> np.ndarray:
    """Standard deviation over the first dimension, the runs; 0 of a single run."""
    return values.std(0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1:])


@course_look
def small_multiples(
    runs: Mapping[str, Any], *, xlabel: str, ylabel: str, behind: str | None = None, log: bool = False
) -> Figure:
    """One panel a label, all on the same axes: the mean of its runs by position, with bars of one standard deviation.

    runs: {label: numbers [runs, points]}, none negative. behind: the label whose mean is drawn, dashed, in every panel.
    """
    tables = {label: _runs(label, values) for label, values in nonempty(runs).items()}
    if behind is not None and behind not in tables:
        raise ValueError(f"behind={behind!r}: choose one of {', '.join(map(repr, tables))}, or None.")
    rows = math.ceil(len(tables) / COLUMNS)
    figure = Figure(figsize=(WIDTH, 0.6 + 1.6 * rows), layout="constrained")
    axes = list(figure.subplots(rows, min(COLUMNS, len(tables)), sharex=True, sharey=True, squeeze=False).flat)
    for ax, (label, runs_of) in zip(axes, tables.items(), strict=False):
        if log:
            ax.set_yscale("log")
        if behind is not None:
            other = tables[behind].mean(0)
            ax.plot(range(1, len(other) + 1), other, color=GREY, linestyle="--", linewidth=1.2)
        mean, bar, x = runs_of.mean(0), deviation(runs_of), range(1, runs_of.shape[1] + 1)
        low = np.minimum(bar, mean * 0.999) if log else bar  # a bar cannot end below 0 on a log axis
        color = VERMILLION if label == behind else BLUE
        ax.errorbar(x, mean, [low, bar], color=color, marker="o", markersize=3, capsize=2, linewidth=1.5)
        ax.set_title(label, fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    for k in range(len(tables), len(axes)):
        axes[k].set_visible(False)
        axes[k - COLUMNS].tick_params(labelbottom=True)  # now the lowest of its column
    figure.supxlabel(xlabel, fontsize=10)
    figure.supylabel(ylabel, fontsize=10)
    return figure


@course_look
def error_bars(runs: Mapping[str, Any], *, xlabel: str, chance: float | None = None) -> Figure:
    """One row a label, in the order given: each run a ring, their mean a dot with a bar of one standard deviation.

    runs: {label: numbers [runs]}, none negative. chance: a thin line, where it is given.
    """
    rows = {label: _runs(label, [values])[0] for label, values in nonempty(runs).items()}
    figure, (ax,) = new_figure(0.9 + 0.28 * len(rows))
    for y, (label, values) in enumerate(rows.items()):
        bar = {"xerr": deviation(values), "color": VERMILLION if is_plain(label) else BLUE, "capsize": 4}
        ax.plot(values, np.full(len(values), y), "o", color=GREY, markerfacecolor="white", markersize=5, zorder=3)
        ax.errorbar(values.mean(), y, marker="D", markersize=6, zorder=2, **bar)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    if chance is not None:
        ax.axvline(chance, color=GREY, linewidth=1)
        ax.text(chance, len(rows) - 0.6, " chance", ha="left", va="bottom", color="#595959", fontsize=9)
    return figure


def _runs(label: str, values: Any) -> np.ndarray:
    return table(label, numbers_of(label, values), "[runs, points]")
