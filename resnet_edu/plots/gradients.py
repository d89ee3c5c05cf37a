"""Gradient norms by layer and step, which layers moved, and whether gradients agree at nearby points."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from resnet_edu.plots import style
from resnet_edu.plots.curves import draw_epochs
from resnet_edu.plots.style import Colors, course_look

#: Cells off the color scale: {legend label: look of its patch}
HATCHED = {"edgecolor": "black", "linewidth": 0}
OFF_COLORS: dict[str, dict[str, Any]] = {
    "exactly 0": {"facecolor": style.GRAY, "edgecolor": style.GRAY},
    "infinite": {"facecolor": style.VERMILLION, "hatch": "////", **HATCHED},
    "NaN": {"facecolor": "white", "hatch": "xxxx", **HATCHED},
}


@course_look
def gradient_norms(
    profiles: Mapping[str, Any],
    *,
    ylabel: str = "gradient norm",
    xlabel: str | None = None,
    title: str = "",
    colors: Colors = None,
) -> Figure:
    """Norm by layer, one line per network, on a log scale; zeros, infinities and NaN are marked at its ends.

    profiles: {label: norms}, a `probes.GradientNorms` (its last row) or one number per layer, from the image on.
    """
    lines = style.each(style.norm_row, profiles)
    figure, (ax,) = style.new_figure(3.6)
    draw_norms(ax, lines, colors=colors)
    ax.set(ylabel=ylabel, xlabel=style.layer_words(profiles) if xlabel is None else xlabel, title=title)
    return figure


@course_look
def accuracy_and_gradients(
    histories: Mapping[str, Any], profiles: Mapping[str, Any], *, chance: float = 0.1, colors: Colors = None
) -> Figure:
    """The same networks in two panels: training accuracy by epoch, and the late gradient norm by layer on a log scale.

    histories: {label: History, or one accuracy per epoch}. profiles: {label: one norm per convolution, from the image
    on}, with the same labels.
    """
    if list(histories) != list(profiles):
        raise ValueError(f"histories and profiles need the same labels: {list(histories)} and {list(profiles)} differ.")
    accuracies = {label: getattr(history, "train_accuracy", history) for label, history in histories.items()}
    curves = style.each(style.shaped, accuracies, "epochs")
    norms = style.each(style.norm_row, profiles)
    figure, (left, right) = style.new_figure(3.8, columns=2)
    draw_epochs(left, curves, style.line_styles(curves, colors), chance=chance)
    left.set(xlabel="epoch", ylabel="training accuracy")
    left.legend(loc="lower right", bbox_to_anchor=(1, chance + 0.04))  # above the line of chance
    draw_norms(right, norms, limits=_close_limits(np.concatenate(list(norms.values()))), colors=colors)
    if np.divide(*right.get_ylim()) > 0.01:  # 0.1, 0.2 and 0.5, where a power of ten would stand alone
        right.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_formatter=NullFormatter())
        right.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    right.set(ylabel="gradient norm, late in training", xlabel="convolution: 1 is next to the image")
    right.get_legend().remove()  # the labels and their styles are those of the left panel
    if keys := style.off_scale_keys(np.concatenate(list(norms.values()))):
        right.legend(handles=keys)
    return figure


def _close_limits(values: np.ndarray) -> tuple[float, float]:
    """Limits around the positive values with some margin, spanning at least one decade."""
    decades = np.log10(values[np.isfinite(values) & (values > 0)])
    if not len(decades):
        return style.log_limits(values)
    middle, half = (decades.max() + decades.min()) / 2, max(1.0, decades.max() - decades.min() + 0.2) / 2
    return 10.0 ** (middle - half), 10.0 ** (middle + half)


def draw_norms(
    ax: Axes, lines: Mapping[str, np.ndarray], *, limits: tuple[float, float] | None = None, colors: Colors = None
) -> None:
    """`gradient_norms` on given axes. limits: of the norm axis, if other curves share it."""
    everything = np.concatenate(list(lines.values()))
    style.log_axis(ax, limits or style.log_limits(everything))
    handles = []
    for label, pen in style.line_styles(lines, colors).items():
        norms, layers = lines[label], np.arange(1, len(lines[label]) + 1)
        sparse = max(1, len(norms) // 60)  # a thousand markers would hide the line
        handles += ax.plot(layers, norms, label=label, markersize=4, linewidth=1.5, markevery=sparse, **pen)
        style.draw_off_scale(ax, layers, norms, pen["color"])
    ax.legend(handles=[*handles, *style.off_scale_keys(everything)])
    ax.set_xlim(0.5, max(map(len, lines.values())) + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(style.FROM_IMAGE)


@course_look
def gradient_heatmap(profiles: Mapping[str, Any]) -> Figure:
    """Norm by layer (upwards) and step (to the right), one panel per network, all on one color scale.

    profiles: {label: norms}, a `probes.GradientNorms` or an array [rows, layers]. Exact zeros are gray, infinities and
    NaN are hatched. A profile's `.steps`, if any, number the rows.
    """
    tables = style.norm_tables(profiles)
    everything = np.concatenate([table.ravel() for table in tables.values()])
    norms = everything[np.isfinite(everything) & (everything > 0)]
    low, high = (norms.min(), norms.max()) if len(norms) else (0.1, 1.0)
    norm = LogNorm(low, max(high, low * 10))
    figure, axes = style.new_figure(3.4, len(tables))
    for ax, (label, table) in zip(axes, tables.items(), strict=True):
        ax.grid(False)
        rows, layers = table.shape
        steps = getattr(profiles[label], "steps", range(rows))
        half = (steps[-1] - steps[0]) / max(1, rows - 1) / 2 or 0.5
        extent = (steps[0] - half, steps[-1] + half, 0.5, layers + 0.5)
        options: dict[str, Any] = {"aspect": "auto", "origin": "lower", "extent": extent, "interpolation": "nearest"}
        shown = np.ma.masked_where(~(np.isfinite(table) & (table > 0)), table)
        picture = ax.imshow(shown.T, norm=norm, cmap="viridis", **options)
        _draw_off_colors(ax, table, options)
        ax.set(title=label, xlabel="step")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(4 if len(tables) > 2 else 8, integer=True))
    axes[0].set_ylabel(style.layer_words(profiles, "layer: 1 is next to the image"))
    figure.colorbar(picture, ax=axes, label="gradient norm", pad=0.01)
    found = {label: look for label, look in OFF_COLORS.items() if style.OFF_SCALE[label][2](everything).any()}
    if keys := [Patch(**look, label=label) for label, look in found.items()]:
        figure.legend(handles=keys, loc="outside lower right", ncols=3, frameon=False)
    return figure


def _draw_off_colors(ax: Axes, table: np.ndarray, options: Mapping[str, Any]) -> None:
    """The cells of a heatmap [steps, layers] that are off its color scale."""
    left, right, bottom, top = options["extent"]
    edges = np.linspace(left, right, len(table) + 1), np.linspace(bottom, top, table.shape[1] + 1)
    for label, look in OFF_COLORS.items():
        cells = np.ma.masked_where(~style.OFF_SCALE[label][2](table), np.ones_like(table)).T
        color = ListedColormap([look["facecolor"]])
        if cells.count():
            ax.imshow(cells, cmap=color, **options)
        if cells.count() and "hatch" in look:
            ax.pcolor(*edges, cells, cmap=color, hatch=look["hatch"], **HATCHED)


@course_look
def profile_grid(profiles: Mapping[str, Any]) -> Figure:
    """Norm by layer, one small panel per profile, all on one log scale: profiles to diagnose.

    profiles: {title: norms}, a `probes.GradientNorms` (its last row) or one number per layer, starting next to the
    image. Zeros, infinities and NaN are marked at the ends of the axis.
    """
    rows = style.each(style.norm_row, profiles)
    lines, columns = -(-len(rows) // 4), 4
    height = 2.1 * lines + 0.9
    figure, axes = style.new_figure(height, columns, lines, layout=None, sharey=True)
    figure.subplots_adjust(left=0.08, right=0.99, bottom=0.55 / height, top=1 - 0.6 / height, wspace=0.1, hspace=0.45)
    everything = np.concatenate(list(rows.values()))
    for ax in axes[len(rows) :]:
        ax.set_visible(False)
    for ax, (label, norms) in zip(axes, rows.items(), strict=False):
        style.log_axis(ax, style.log_limits(everything))
        layers = np.arange(1, len(norms) + 1)
        ax.plot(layers, norms, color=style.BLACK, marker="o", markersize=3, linewidth=1)
        style.draw_off_scale(ax, layers, norms, style.VERMILLION)
        ax.set_title(label)
        ax.set_xlim(0, len(norms) + 1)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for ax in axes[::columns]:
        ax.set_ylabel("gradient norm")
    figure.supxlabel(style.layer_words(profiles), fontsize=10, y=0.01)
    if keys := style.off_scale_keys(everything, style.VERMILLION):
        figure.legend(handles=keys, loc="upper right", ncols=len(keys), frameon=False)
    return figure


@course_look
def layers_moved(moved: Mapping[str, Sequence[bool]], *, colors: Colors = None) -> Figure:
    """One row per network, one cell per layer: filled where training changed it, hatched where not a single bit moved.

    moved: {label: one boolean per layer, starting next to the image}.
    """
    rows = {label: values != 0 for label, values in style.each(style.shaped, moved, "layers").items()}
    figure, (ax,) = style.new_figure(0.7 + 0.5 * len(rows))
    for y, (label, values) in enumerate(reversed(rows.items())):
        color = style.line_styles([label], colors)[label]["color"]
        for i, value in enumerate(values):
            box = {"facecolor": color} if value else {"facecolor": "white", "hatch": "xxxx", "edgecolor": style.GRAY}
            ax.add_patch(Rectangle((i + 0.55, y - 0.36), 0.9, 0.72, linewidth=0, **box))
    ax.set(xlim=(0.3, max(map(len, rows.values())) + 0.7), ylim=(-0.6, len(rows) - 0.4))
    ax.set_yticks(range(len(rows)), [f"{k}: {int(v.sum())} of {len(v)} moved" for k, v in reversed(rows.items())])
    ax.set_xlabel("layer: 1 is next to the image (filled: moved; hatched: unchanged to the last bit)")
    ax.grid(False)
    return figure


COSINES = {"low": -1 - 1e-6, "high": 1 + 1e-6}  # with room for rounding


@course_look
def cosine_maps(profiles: Mapping[str, Any]) -> Figure:
    """Cosine between the gradients at each pair of points on a line, one panel per network, on one scale from -1 to 1.

    profiles: {label: `probes.Shattering`, or its matrix [points, points]}. NaN is gray.
    """
    given = {label: getattr(found, "matrix", found) for label, found in profiles.items()}
    maps = style.each(style.shaped, given, "points", "points", **COSINES)
    figure, axes = style.new_figure(0.95 * style.WIDTH / max(3, len(maps)) + 0.3, len(maps))
    for ax, (label, values) in zip(axes, maps.items(), strict=True):
        ax.grid(False)
        ax.set_facecolor(style.GRAY)
        picture = ax.imshow(np.ma.masked_invalid(values), cmap="PuOr", vmin=-1, vmax=1, interpolation="nearest")
        ax.set(title=label, xlabel="point on the line")
    axes[0].set_ylabel("point on the line")
    figure.colorbar(picture, ax=axes, label="cosine", pad=0.01, shrink=0.8)
    return figure


@course_look
def cosine_lines(profiles: Mapping[str, Any], *, colors: Colors = None) -> Figure:
    """Cosine between the gradients at each point of a line and the next one, one curve per network.

    profiles: {label: `probes.Shattering`, or its cosines [points - 1]}.
    """
    given = {label: getattr(found, "cosine", found) for label, found in profiles.items()}
    lines = style.each(style.shaped, given, "points - 1", **COSINES)
    figure, (ax,) = style.new_figure(3.4)
    for label, pen in style.line_styles(lines, colors).items():
        where = np.arange(len(lines[label])) + 0.5  # midway between one point and the next; the first is 0
        ax.plot(where, lines[label], label=label, markersize=4, linewidth=1.5, **pen)
    ax.axhline(0, color=style.GRAY, linewidth=1)
    ax.set(xlim=(-0.5, max(map(len, lines.values())) + 0.5), xlabel="point on the line between two images")
    ax.set(ylim=(-1.05, 1.05), ylabel="cosine with the next point")
    ax.legend(loc="lower left", ncols=4)
    return figure
