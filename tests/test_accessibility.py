"""What readers need who see, point or move differently.

Contrast and a second cue beside color: `readable.py` looks at every figure that any test draws (see `conftest.py`);
here it is shown to find what is wrong. Headings, alt texts and the visible sentence below a figure: `authoring check`.
The keyboard: `tests/browser`.
"""

import re

import pytest
from matplotlib.figure import Figure
from readable import contrast, luminance, problems

from resnet_edu import plots


def test_contrast_is_that_of_the_standard():
    assert contrast("white", "black") == pytest.approx(21)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.005)  # by the W3C's own examples just too little
    assert contrast("#FF0000", "white") == pytest.approx(4.00, abs=0.005)
    assert luminance("#00FF00") == pytest.approx(0.7152)


def good(ax):
    ax.plot([0, 1], label="a")
    ax.plot([1, 0], "--", color=plots.VERMILLION, label="b")
    ax.bar([0, 1], [1, 2], color=plots.GRAY)


FLAWS = {
    "pale text": (lambda ax: ax.set_title("pale", color="#8C8C8C"), "the text 'pale'"),
    "text on a bar": (lambda ax: ax.text(0, 0.4, "on a bar", color="#595959", ha="center"), "the text 'on a bar'"),
    "text that lets the page through": (lambda ax: ax.text(0.5, 0.5, "thin", alpha=0.4), "the text 'thin'"),
    "pale line": (lambda ax: ax.axhline(0.5, color="#E69F00"), "Line2D"),
    "pale marker": (lambda ax: ax.plot(0, 0, "o", color="#56B4E9"), "Line2D"),
    "white marker without an edge": (lambda ax: ax.plot(0, 0, "o", color="white"), "Line2D"),
    "transparent line": (lambda ax: ax.axhline(0.5, color=plots.BLUE, alpha=0.3), "Line2D"),
    "pale bar": (lambda ax: ax.bar(0.5, 1, color="#CFE3F2"), "Rectangle"),
    "pale band": (lambda ax: ax.fill_between([0, 1], 1, 2, alpha=0.15, linewidth=0), "FillBetween"),
    "pale dots": (lambda ax: ax.scatter([0, 1], [0, 1], color=["black", "yellow"]), "PathCollection"),
    "only hue differs": (lambda ax: (ax.plot([0, 1], color=plots.GREEN, label="c"), ax.legend()), "'a' and 'c'"),
    "bars: only hue differs": (
        lambda ax: (ax.bar(0, 1, label="d"), ax.bar(1, 1, color=plots.BROWN, label="e"), ax.legend()),
        "'d' and 'e'",
    ),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_figure_that_not_everyone_can_read_is_found(flaw):
    figure = Figure()
    ax = figure.subplots()
    good(ax)
    assert not problems(figure)
    spoil, said = FLAWS[flaw]
    spoil(ax)
    (problem,) = problems(figure)
    assert said in problem
    with pytest.raises(AssertionError, match=re.escape(said)):  # by whichever test that draws it
        figure.draw_without_rendering()


@pytest.mark.parametrize("shade", [f"#{n:02X}{n:02X}{n:02X}" for n in range(0, 256, 15)] + list(plots.OTHERS))
def test_ink_can_be_read_on_every_color(shade):
    assert contrast(plots.ink(shade), shade) >= 4.5
