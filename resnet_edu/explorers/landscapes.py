"""A walk over loss landscapes: the current point, and the cross-section through it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from resnet_edu import plots
from resnet_edu.explorers.core import Explorer, page, slider


@plots.course_look
def landscape_walk(values: Mapping[str, Any], x: Any) -> Explorer:
    """Two sliders move a marker over every landscape; to the right, the loss along the line through it.

    values: {label: [len(x), len(x)]}, as returned by `probes.landscape`. x: the steps along both directions.
    """
    tables, steps = plots.landscape_tables(values), np.asarray(x, dtype=np.float64)
    start, step = float(steps[np.abs(steps).argmin()]), float(np.diff(steps).min())
    controls = {name: slider(name, start, float(steps[0]), float(steps[-1]), step) for name in ("a", "b")}
    norm = plots.landscape_norm(tables)
    figure, (*maps, cut) = page(3.3, len(tables) + 1, left=0.09, right=0.98, top=0.86, bottom=0.16, wspace=0.32)
    styles = plots.line_styles(tables)
    markers, lines, curves, points = [], [], [], []
    for ax, (label, table) in zip(maps, tables.items(), strict=True):
        plots.draw_contours(ax, table, steps, norm)
        ax.set(xlabel="a", ylabel="b" if ax is maps[0] else "")
        lines.append(ax.axhline(0, color="white", linewidth=1.5, linestyle="--", gapcolor="black"))
        markers += ax.plot(0, 0, "o", color="white", markeredgecolor="black", markersize=8)
        color = styles[label]["color"]
        curves += cut.plot([], [], color=color, linestyle=styles[label]["linestyle"])
        points += cut.plot([], [], styles[label]["marker"], color=color, markersize=7, label=label)
    cut.set(yscale="log", xlim=steps[[0, -1]], ylim=norm.boundaries[[0, -1]] * [0.8, 1], xlabel="a", ylabel="loss")
    cut.legend(loc="upper center")

    def draw(a: float, b: float) -> str:
        column, row = int(np.abs(steps - a).argmin()), int(np.abs(steps - b).argmin())
        said = []
        for i, (label, table) in enumerate(tables.items()):
            here = table[row, column]
            markers[i].set_data([steps[column]], [steps[row]])
            lines[i].set_ydata([steps[row]] * 2)
            curves[i].set_data(steps, table[row])
            points[i].set_data([steps[column]], [here])
            maps[i].set_title(f"{label}: loss {here:.3g}")
            said.append(f"{label} {here:.3g}")
        cut.set_title(f"along b = {steps[row]:.2g}")
        return f"Loss at a = {steps[column]:.2g}, b = {steps[row]:.2g}: {', '.join(said)}."

    return Explorer(controls, figure, draw)
