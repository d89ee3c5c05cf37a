"""Whether everyone can read a figure: contrast by WCAG 2.2, and a second cue beside color.

`conftest.py` asks it of every figure that any test draws, so a figure that is tested at all is tested for this.
"""

import itertools

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import same_color, to_rgba, to_rgba_array
from matplotlib.contour import ContourSet
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from resnet_edu.plots import LOOK


def drawn(figure):
    """Draw for real: some mistakes only show then, and only then is it looked at."""
    figure.draw_without_rendering()
    return figure


def lines(ax):
    """{label: line}, of the lines that have one."""
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def curve(explorer, label, panel=0):
    """(x, y) of the line with this label in the explorer's picture."""
    line = lines(explorer.figure.axes[panel])[label]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


TEXT, MARK = 4.5, 3.0  # WCAG 2.2, success criteria 1.4.3 and 1.4.11


def contrast(one, other):
    """1 to 21, of two opaque colors. https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color):
    channels = np.asarray(to_rgba(color)[:3])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def over(color, background):
    """What is seen of a color that lets some of the background through."""
    *front, alpha = to_rgba(color)
    return tuple(alpha * np.array(front) + (1 - alpha) * np.array(to_rgba(background)[:3]))


def problems(figure):
    """Sentences, none for a figure that everyone can read. The figure has been drawn before."""
    return [*pale_texts(figure), *pale_marks(figure), *told_apart_by_color_alone(figure)]


def pale_texts(figure):
    """Each text that can be seen against the pixels that it stands on, be they page, bar, cell or picture."""
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    before, layout, alphas = figure.canvas, figure.get_layout_engine(), [text.get_alpha() for text in texts]
    canvas = FigureCanvasAgg(figure)
    figure.set_layout_engine("none")  # what stands where it stood
    colors = [to_rgba(text.get_color(), text.get_alpha()) for text in texts]
    boxes = [text.get_window_extent(canvas.get_renderer()).extents for text in texts]
    for text in texts:
        text.set_alpha(0)
    page = pixels(canvas)
    for text, alpha in zip(texts, alphas, strict=True):
        text.set_alpha(alpha)
    found = []
    for text, color, box in zip(texts, colors, boxes, strict=True):
        left, bottom, right, top = np.clip(np.nan_to_num(box), 0, 1e5).round().astype(int)
        at = slice(bottom, top + 1), slice(left, right + 1)
        if page[at].size:
            behind = tuple(np.median(page[at].reshape(-1, 3), axis=0) / 255)
            found.append((contrast(over(color, behind), behind), at, text.get_text()))
    if too_little := [entry for entry in found if entry[0] < TEXT]:
        printed = pixels(canvas)  # matplotlib keeps the labels of ticks beyond an axis's end and does not draw them
        too_little = [entry for entry in too_little if (printed[entry[1]] != page[entry[1]]).any()]
    figure.set_canvas(before)
    figure.set_layout_engine(layout)
    return [f"the text {text!r} has a contrast of {ratio:.2f}, not {TEXT}" for ratio, _, text in too_little]


def pixels(canvas):
    """[height, width, 3], from the bottom up, as matplotlib counts them."""
    canvas.get_renderer().clear()
    canvas.figure.draw(canvas.get_renderer())
    return np.asarray(canvas.buffer_rgba())[::-1, :, :3].copy()


def pale_marks(figure):
    """Lines, markers, bars and areas against the page. On a picture or a heatmap there is no one background."""
    for ax in figure.axes:
        heat = ax.images or any(isinstance(mark, QuadMesh | ContourSet) for mark in ax.collections)
        if heat or ax.name == "3d" or not ax.get_visible():
            continue
        page = over(ax.get_facecolor(), figure.get_facecolor())
        keys = ax.get_legend().legend_handles if ax.get_legend() else []
        for mark in (*ax.lines, *ax.patches, *ax.collections, *keys):
            if not mark.get_visible():
                continue
            for parts in colors_of(mark):
                seen = [over(color, page) for color in parts]
                found = max((contrast(color, page) for color in seen), default=MARK)
                if found < MARK and not any(same_color(c, LOOK["grid.color"]) for c in parts):
                    yield f"{mark} in {ax.get_title()!r} has a contrast of {found:.2f}, not {MARK}"


def colors_of(mark):
    """One list for each thing that has to be seen: of its fill and its edge, one is enough."""
    if isinstance(mark, Line2D):
        if mark.get_linestyle() != "None" and len(mark.get_xdata()) > 1:
            yield [to_rgba(mark.get_color(), mark.get_alpha())]
        if mark.get_marker() not in ("None", None, "", " "):
            parts = (mark.get_markerfacecolor(), mark.get_markeredgecolor())
            yield [to_rgba(color, mark.get_alpha()) for color in parts if not same_color(color, "none")]
    elif isinstance(mark, Patch):
        yield [mark.get_facecolor(), *([mark.get_edgecolor()] if mark.get_linewidth() or mark.get_hatch() else [])]
    else:
        faces, edges = to_rgba_array(mark.get_facecolor()), to_rgba_array(mark.get_edgecolor())
        edges = edges if np.any(mark.get_linewidth()) else edges[:0]
        for i in range(max(len(faces), len(edges))):
            yield [tuple(part[i % len(part)]) for part in (faces, edges) if len(part)]


def told_apart_by_color_alone(figure):
    """What stands side by side in a legend differs by line, marker, hatch or fill as well."""
    for legend in (*figure.legends, *(ax.get_legend() for ax in figure.axes)):
        if legend is None:
            continue
        bars_and_dots = {group.get_label(): group[0] for ax in figure.axes for group in ax.containers}
        names = [text.get_text() for text in legend.get_texts()]
        entries = [(bars_and_dots.get(n, key), n) for key, n in zip(legend.legend_handles, names, strict=True)]
        for (one, name), (other, other_name) in itertools.combinations(entries, 2):
            if look_in_gray(one) == look_in_gray(other):
                yield f"{name!r} and {other_name!r} are told apart by their color alone"


def look_in_gray(handle):
    if isinstance(handle, Line2D):
        hollow = same_color(handle.get_markerfacecolor(), "white") or same_color(handle.get_markerfacecolor(), "none")
        return handle.get_linestyle(), handle.get_marker(), hollow, handle.get_linewidth()
    if isinstance(handle, Patch):
        return handle.get_hatch(), handle.get_fill(), handle._dash_pattern  # a legend copies it without its name
    return type(handle), handle.get_hatch(), str(handle.get_linestyle())
