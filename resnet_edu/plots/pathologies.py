"""What is wrong with a network, seen from inside: agreement of gradients at nearby points, and profiles to diagnose."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from resnet_edu.plots import style
from resnet_edu.plots.style import Colors, course_look

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
        where = np.arange(len(lines[label])) + 1.5  # midway between one point and the next
        ax.plot(where, lines[label], label=label, markersize=4, linewidth=1.5, **pen)
    ax.axhline(0, color=style.GRAY, linewidth=1)
    ax.set(xlim=(0.5, max(map(len, lines.values())) + 1.5), xlabel="point on the line between two images")
    ax.set(ylim=(-1.05, 1.05), ylabel="cosine with the next point")
    ax.legend(loc="lower left", ncols=4)
    return figure


@course_look
def profile_grid(profiles: Mapping[str, Any]) -> Figure:
    """Norm by layer, one small panel per profile, all on one log scale: profiles to diagnose.

    profiles: {title: norms}, a `probes.GradientNorms` (its last row) or one number per layer, starting next to the
    image. Zeros, infinities and NaN are marked at the ends of the axis.
    """
    rows = style.each(style.norm_row, profiles)
    lines, columns = -(-len(rows) // 4), 4
    height = 2.1 * lines + 0.9
    figure = Figure(figsize=(style.WIDTH, height))
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True)
    figure.subplots_adjust(left=0.08, right=0.99, bottom=0.55 / height, top=1 - 0.6 / height, wspace=0.1, hspace=0.45)
    everything = np.concatenate(list(rows.values()))
    for ax in axes.flat[len(rows) :]:
        ax.set_visible(False)
    for ax, (label, norms) in zip(axes.flat, rows.items(), strict=False):
        style.log_axis(ax, style.log_limits(everything))
        layers = np.arange(1, len(norms) + 1)
        ax.plot(layers, norms, color=style.BLACK, marker="o", markersize=3, linewidth=1)
        style.draw_off_scale(ax, layers, norms, style.VERMILLION)
        ax.set_title(label)
        ax.set_xlim(0, len(norms) + 1)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for ax in axes[:, 0]:
        ax.set_ylabel("gradient norm")
    figure.supxlabel(style.layer_words(profiles), fontsize=10, y=0.01)
    if keys := style.off_scale_keys(everything, style.VERMILLION):
        figure.legend(handles=keys, loc="upper right", ncols=len(keys), frameon=False)
    return figure
