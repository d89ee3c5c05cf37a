"""The loss on a plane through the weights: as a surface, and as contours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from resnet_edu.plots.style import BLACK, WIDTH, course_look, nonempty, numbers_of

LEVELS = 13  # contours, evenly spaced in the logarithm
COLOURS = "cividis"


@course_look
def landscapes(values: Mapping[str, Any], x: Any, y: Any = None, *, zlabel: str = "loss") -> Figure:
    """The same numbers twice: above as surfaces, below as contours, all on one logarithmic scale.

    values: {label: [len(y), len(x)]}, as `probes.landscape` returns them. x, y: the steps; y is x if it is None.
    The cross is the net itself.
    """
    tables, columns, rows = landscape_tables(values, x, y)
    norm = landscape_norm(tables)
    figure = Figure(figsize=(WIDTH, 6.6), layout="constrained")
    above, below = (
        [figure.add_subplot(2, len(tables), k * len(tables) + i + 1, **options) for i in range(len(tables))]
        for k, options in enumerate(({"projection": "3d"}, {}))
    )
    ticks = _ticks(norm)
    for surface, ax, (label, table) in zip(above, below, tables.items(), strict=True):
        surface.plot_surface(  # type: ignore[attr-defined]
            *np.meshgrid(columns, rows), np.log10(table), cmap=COLOURS, linewidth=0.2, edgecolor="#00000030",
            vmin=np.log10(norm.vmin), vmax=np.log10(norm.vmax), rcount=60, ccount=60,
        )  # fmt: skip
        surface.set(title=label, xlabel="a", ylabel="b", zlim=np.log10([norm.vmin, norm.vmax]))
        surface.set_zticks(np.log10(ticks), [f"{tick:g}" for tick in ticks])  # type: ignore[attr-defined]
        surface.view_init(elev=28, azim=-60)  # type: ignore[attr-defined]
        draw_contours(ax, table, columns, rows, norm)
        ax.set(xlabel="a: steps along the first direction")
    below[0].set_ylabel("b: along the second")
    bar = figure.colorbar(ScalarMappable(norm, COLOURS), ax=below, label=zlabel, pad=0.01)
    bar.ax.yaxis.set_major_locator(FixedLocator(ticks))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}"))
    return figure


def draw_contours(ax: Axes, table: np.ndarray, x: np.ndarray, y: np.ndarray, norm: LogNorm) -> None:
    """The lower row of `landscapes` on given axes."""
    levels = np.geomspace(norm.vmin, norm.vmax, LEVELS)
    ax.contourf(x, y, table, levels=levels, norm=norm, cmap=COLOURS)
    ax.contour(x, y, table, levels=levels, colors=[BLACK], linewidths=0.4, alpha=0.6)
    ax.plot(0, 0, "x", color="white", markersize=8, markeredgewidth=2)
    ax.set_aspect("equal")
    ax.grid(False)


def landscape_tables(
    values: Mapping[str, Any], x: Any, y: Any = None
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Tables and steps as float64, checked; what is not finite becomes the largest finite number of all."""
    columns = _increasing("x", x)
    rows = columns if y is None else _increasing("y", y)
    tables = {label: numbers_of(label, table) for label, table in nonempty(values).items()}
    for label, table in tables.items():
        if table.shape != (len(rows), len(columns)):
            raise ValueError(
                f"{label!r}: the table has to be [len(y), len(x)] = [{len(rows)}, {len(columns)}]; "
                f"it is {list(table.shape)}."
            )
    finite = np.concatenate([table[np.isfinite(table) & (table > 0)] for table in tables.values()])
    if not len(finite):
        raise ValueError("landscapes: no number is finite and above zero, so there is no scale to draw.")
    low, high = finite.min(), finite.max()
    return {k: np.nan_to_num(t, nan=high, posinf=high).clip(low, high) for k, t in tables.items()}, columns, rows


def landscape_norm(tables: Mapping[str, np.ndarray]) -> LogNorm:
    """One logarithmic scale for all tables, from the smallest to the largest number."""
    low, high = min(t.min() for t in tables.values()), max(t.max() for t in tables.values())
    return LogNorm(low * 0.98, max(high, low * 1.1) * 1.02)


def _ticks(norm: LogNorm) -> np.ndarray:
    """1, 2, 5, 10, 20, ... within the scale; where none is, its ends."""
    decades = 10.0 ** np.arange(np.floor(np.log10(norm.vmin)), np.ceil(np.log10(norm.vmax)) + 1)
    every = len(decades) > 4
    ticks = decades if every else np.outer(decades, [1, 2, 5]).ravel()
    ticks = ticks[(ticks >= norm.vmin) & (ticks <= norm.vmax)]
    return ticks if len(ticks) else np.array([norm.vmin, norm.vmax])


def _increasing(name: str, values: Any) -> np.ndarray:
    try:
        steps = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        steps = np.empty(0)
    if steps.ndim != 1 or len(steps) < 2 or not np.isfinite(steps).all() or (np.diff(steps) <= 0).any():
        raise ValueError(f"{name}={values!r:.60}: give at least two increasing steps, such as np.linspace(-1, 1, 21).")
    return steps
