"""`plots.shares`: the bars of each kind are parts of its own sum."""

import pytest

from resnet_edu import plots


def test_the_bars_are_parts_of_each_sum():
    figure = plots.shares({"parameters": {"stem": 1, "stages": 3}, "memory": {"stem": 60, "stages": 40}})
    (ax,) = figure.axes
    heights = {c.get_label(): [bar.get_height() for bar in c] for c in ax.containers}
    assert heights == {"parameters": [0.25, 0.75], "memory": [0.6, 0.4]}
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["stem", "stages"]
    assert len({c[0].get_hatch() for c in ax.containers}) == 2  # read in gray, too


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({}, "nothing|empty|at least"),
        ({"a": {"x": 1}, "b": {"y": 1}}, "'b': every kind needs the parts x; it has y"),
        ({"a": {"x": 0, "y": 0}}, "not of zeros alone"),
        ({"a": {"x": -1, "y": 2}}, "numbers of at least 0"),
        ({"a": {"x": float("nan")}}, "numbers of at least 0"),
        ({kind: {"x": 1} for kind in "abcdef"}, "at most 5 kinds; there are 6"),
    ],
)
def test_what_has_no_shares_is_refused(numbers, words):
    with pytest.raises(ValueError, match=words):
        plots.shares(numbers)
