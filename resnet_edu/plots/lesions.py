"""What a network loses without one of its blocks; the paths its gradient took."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
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
        ax.axhline(chance, color=style.GRAY, linewidth=1.2, linestyle="--")
        across = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points", "ha": "right"}
        ax.annotate("whole network ", (1, intact), (0, 6), **across, **style.ON_MARKS)
        ax.annotate("chance ", (1, chance), (0, 2), **across, **style.ON_MARKS)
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
