"""Training for real: learning rates by step, and how many images a second each measure gains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from resnet_edu.plots.style import BLACK, BLUE, GREY, WIDTH, course_look, line_styles, new_figure, nonempty, vector


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
        ax.barh(row, median, height=0.6, color=BLUE if row else GREY)
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
