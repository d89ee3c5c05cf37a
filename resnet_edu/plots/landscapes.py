"""The loss on a plane through the weights: as a surface, and as contours."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from resnet_edu.plots.style import BLACK, WIDTH, course_look, each, shaped

LEVELS = 16
COLORS = "cividis"


@course_look
def landscapes(values: Mapping[str, Any], x: Any) -> Figure:
    """The same losses twice: above as surfaces, below as contours, all on one logarithmic scale.

    values: {label: [len(x), len(x)]}, as `probes.landscape` returns them. x: the steps along both directions.
    The cross marks the network itself. Each color is a band between two contours, narrower where the loss is low.
    """
    tables = landscape_tables(values)
    norm = landscape_norm(tables)
    figure = Figure(figsize=(WIDTH, 6.8), layout="constrained")
    count = len(tables)
    above = [figure.add_subplot(2, count, i + 1, projection="3d") for i in range(count)]
    below = [figure.add_subplot(2, count, count + i + 1) for i in range(count)]
    low, high = np.log10([norm.boundaries[0], norm.boundaries[-1]])
    decades = np.arange(np.ceil(low), np.floor(high) + 1, max(1, round((high - low) / 4)))
    for surface, ax, (label, table) in zip(above, below, tables.items(), strict=True):
        surface.plot_surface(  # type: ignore[attr-defined]
            *np.meshgrid(x, x), np.log10(table), facecolors=mpl.colormaps[COLORS](norm(table)),
            linewidth=0.3, edgecolor="#00000040", rcount=60, ccount=60, shade=False,
        )  # fmt: skip
        surface.set(title=label, xlabel="a", ylabel="b", zlabel="loss", zlim=(low, high))
        surface.set_zticks(decades, [_text(10.0**d) for d in decades])  # type: ignore[attr-defined]
        surface.view_init(elev=28, azim=-60)  # type: ignore[attr-defined]
        surface.locator_params(axis="x", nbins=5)
        surface.locator_params(axis="y", nbins=5)
        draw_contours(ax, table, x, norm)
        ax.set_xlabel("a: steps along the first direction")
    below[0].set_ylabel("b: along the second")
    bar = figure.colorbar(ScalarMappable(norm, COLORS), ax=below, label="loss", pad=0.01, spacing="uniform")
    bar.set_ticks(norm.boundaries[::3], labels=[_text(v) for v in norm.boundaries[::3]])
    return figure


def draw_contours(ax: Axes, table: np.ndarray, x: np.ndarray, norm: BoundaryNorm) -> None:
    """The lower row of `landscapes` on given axes."""
    ax.contourf(x, x, table, levels=norm.boundaries, norm=norm, cmap=COLORS)
    ax.contour(x, x, table, levels=norm.boundaries, colors=[BLACK], linewidths=0.4, alpha=0.6)
    on_any_color = [withStroke(linewidth=3.5, foreground="black")]
    ax.plot(0, 0, "x", color="white", markersize=8, markeredgewidth=2, path_effects=on_any_color)
    ax.set_aspect("equal")
    ax.locator_params(nbins=5)
    ax.grid(False)


def landscape_tables(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Tables as float64; zeros and non-finite values become the smallest and the largest of all others."""
    tables = each(shaped, values, "len(x)", "len(x)")
    finite = np.concatenate([table[np.isfinite(table) & (table > 0)] for table in tables.values()])
    low, high = finite.min(), finite.max()
    return {k: np.nan_to_num(t, nan=high, posinf=high).clip(low, high) for k, t in tables.items()}


def landscape_norm(tables: Mapping[str, np.ndarray]) -> BoundaryNorm:
    """One scale for all tables: bands from the smallest to the largest value, narrower at the bottom."""
    low, high = min(t.min() for t in tables.values()), max(t.max() for t in tables.values())
    low, high = np.log([low * 0.99, max(high, low * 1.1) * 1.01])
    return BoundaryNorm(np.exp(low + (high - low) * np.linspace(0, 1, LEVELS) ** 2), 256)


def _text(value: float) -> str:
    if value < 1000:
        return f"{value:.2g}" if value < 100 else f"{value:.0f}"
    power = int(np.floor(np.log10(value)))
    digit = f"{value / 10**power:.2g}"
    return rf"$10^{{{power}}}$" if digit == "1" else rf"${digit}\cdot10^{{{power}}}$"
