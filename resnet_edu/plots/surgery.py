"""What a network loses without a block; the paths its gradient took; the loss on a plane through its weights."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from resnet_edu.plots import style
from resnet_edu.plots.style import Colors, course_look


@course_look
def lesions(found: Mapping[str, Any], *, chance: float = 0.1, colors: Colors = None) -> Figure:
    """The accuracy without each block, one panel per network on one scale; a line marks the whole network's.

    found: {label: what `probes.lesions` returns}: an object with `intact`, a number, and `scores`, one per block.
    """
    rows = style.each(lambda label, one: (float(one.intact), style.shaped(label, one.scores, "blocks")), found)
    figure, axes = style.new_figure(3.0, len(rows))
    top = max(max(intact, *scores) for intact, scores in rows.values())
    for ax, (label, pen) in zip(axes, style.line_styles(rows, colors).items(), strict=True):
        intact, scores = rows[label]
        blocks, color = np.arange(1, len(scores) + 1), pen["color"]
        ax.vlines(blocks, scores, intact, color=color, linewidth=1)
        ax.plot(blocks, scores, linestyle="none", marker=pen["marker"], color=color, markersize=5)
        ax.axhline(intact, color=color, linewidth=1.2)
        style.mark_level(ax, chance)
        across = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points", "ha": "right"}
        ax.annotate("whole network ", (1, intact), (0, 6), **across, **style.ON_MARKS)
        ax.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
        ax.set(title=label, xlabel="removed block", xlim=(0.4, len(scores) + 0.6), ylim=(0, 1.15 * top))
        ax.tick_params(labelleft=ax is axes[0])
    axes[0].set_ylabel("test accuracy")
    return figure


@course_look
def path_lengths(
    shares: Mapping[str, Any], *, ylabel: str = "fraction of the whole", title: str = "", colors: Colors = None
) -> Figure:
    """The share of the paths through 0, 1, ..., n branches in a whole, such as the gradient; one line per label.

    shares: {label: one number per length}. A share of the gradient may be a little below zero.
    """
    lines = style.each(style.shaped, shares, "lengths", low=-np.inf, finite=True)
    figure, (ax,) = style.new_figure(3.2)
    ax.update_datalim([(0, 0)])  # include zero on the axis
    for label, pen in style.line_styles(lines, colors).items():
        ax.plot(range(len(lines[label])), lines[label], label=label, markersize=5, linewidth=1.5, **pen)
    ax.xaxis.set_major_locator(MaxNLocator(14, integer=True))
    ax.set(xlabel="branches on the path", ylabel=ylabel, title=title)
    ax.legend()
    return figure


# --- the loss around a network ----------------------------------------------------------------------------------------

COLORS = "cividis"


@course_look
def landscapes(values: Mapping[str, Any], x: Any) -> Figure:
    """The same losses twice: above as surfaces, below as contours, all on one logarithmic scale.

    values: {label: [len(x), len(x)]}, as `probes.landscape` returns them. x: the steps along both directions.
    The cross marks the network itself. Each color is a band between two contours, narrower where the loss is low.
    """
    tables = landscape_tables(values)
    norm = landscape_norm(tables)
    figure = Figure(figsize=(style.WIDTH, 6.8), layout="constrained")
    count = len(tables)
    above = [figure.add_subplot(2, count, i + 1, projection="3d") for i in range(count)]
    below = [figure.add_subplot(2, count, count + i + 1) for i in range(count)]
    low, high = np.log10([norm.boundaries[0], norm.boundaries[-1]])
    decades = np.arange(np.ceil(low), np.floor(high) + 1, max(1, round((high - low) / 4)))
    for surface, ax, (label, table) in zip(above, below, tables.items(), strict=True):
        logs = np.log10(table)
        facets = logs.copy()  # matplotlib colors each one as its first corner; its mean fits the contours
        facets[:-1, :-1] = (logs[:-1, :-1] + logs[1:, :-1] + logs[:-1, 1:] + logs[1:, 1:]) / 4
        surface.plot_surface(  # type: ignore[attr-defined]
            *np.meshgrid(x, x), logs, facecolors=mpl.colormaps[COLORS](norm(10**facets)),
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
    ax.contour(x, x, table, levels=norm.boundaries, colors=[style.BLACK], linewidths=0.4, alpha=0.6)
    on_any_color = [withStroke(linewidth=3.5, foreground="black")]
    ax.plot(0, 0, "x", color="white", markersize=8, markeredgewidth=2, path_effects=on_any_color)
    ax.set_aspect("equal")
    ax.locator_params(nbins=5)
    ax.grid(False)


def landscape_tables(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Tables as float64; zeros and non-finite values become the smallest and the largest of all others."""
    tables = style.each(style.shaped, values, "len(x)", "len(x)")
    finite = np.concatenate([table[np.isfinite(table) & (table > 0)] for table in tables.values()])
    low, high = finite.min(), finite.max()
    return {k: np.nan_to_num(t, nan=high, posinf=high).clip(low, high) for k, t in tables.items()}


def landscape_norm(tables: Mapping[str, np.ndarray]) -> BoundaryNorm:
    """One scale for all tables: bands from the smallest to the largest value, narrower at the bottom."""
    low, high = min(t.min() for t in tables.values()), max(t.max() for t in tables.values())
    low, high = np.log([low * 0.99, max(high, low * 1.1) * 1.01])
    return BoundaryNorm(np.exp(low + (high - low) * np.linspace(0, 1, 16) ** 2), 256)


def _text(value: float) -> str:
    if value < 1000:
        return f"{value:.2g}" if value < 100 else f"{value:.0f}"
    power = int(np.floor(np.log10(value)))
    digit = f"{value / 10**power:.2g}"
    return rf"$10^{{{power}}}$" if digit == "1" else rf"${digit}\cdot10^{{{power}}}$"
