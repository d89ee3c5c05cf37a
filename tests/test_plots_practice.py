"""Figures of training for real: the numbers that they show are those that they were given."""

import io

import numpy as np
import pytest

from resnet_edu import plots


def drawn(figure):
    figure.savefig(io.BytesIO(), format="png")
    return figure


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def test_schedules_draws_rates_and_the_part_of_their_sum():
    given = {"steps": [0.1] * 5 + [0.01] * 5, "one cycle": [0.0, 0.2, 0.1, 0.0]}
    left, right = drawn(plots.schedules(given)).axes
    assert left.get_yscale() == "log" and [text.get_text() for text in left.get_legend().get_texts()] == list(given)
    for label, rates in given.items():
        np.testing.assert_array_equal(lines(left)[label].get_ydata(), rates)
        np.testing.assert_array_equal(lines(left)[label].get_xdata(), range(len(rates)))  # steps count from 0
        sums = [sum(rates[: k + 1]) / sum(rates) for k in range(len(rates))]
        np.testing.assert_allclose(lines(right)[label].get_ydata(), sums)
    low, high = left.get_ylim()
    assert low < 0.01 and high > 0.2


@pytest.mark.parametrize("rates", [[0.0, 0.0], [0.1, float("nan")], [0.1, float("inf")], [-0.1, 0.1], []])
def test_schedules_refuses_what_is_no_rate(rates):
    with pytest.raises(ValueError, match="'wrong'"):
        plots.schedules({"wrong": rates})


def test_throughput_shows_every_round_the_median_and_the_gain_in_the_same_round():
    given = {"usual": [100.0, 50.0, 200.0], "faster": [300.0, 100.0, 200.0]}
    (ax,) = drawn(plots.throughput(given)).axes
    assert [bar.get_width() for bar in ax.patches] == [100.0, 200.0]
    assert [list(line.get_xdata()) for line in ax.lines] == list(given.values())
    assert [text.get_text() for text in ax.texts] == ["100  (x 1.00)", "200  (x 2.00)"]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(given)
    assert ax.yaxis_inverted() and ax.get_xlim()[0] == 0


def test_a_gain_is_no_ratio_of_medians():
    (ax,) = plots.throughput({"usual": [1.0, 2.0, 3.0], "other": [3.0, 3.0, 3.0]}).axes
    assert ax.texts[1].get_text() == "3  (x 1.50)"
    (ax,) = plots.throughput({"usual": [1.0, 2.0, 9.0], "other": [4.0, 3.0, 9.0]}).axes
    assert ax.texts[1].get_text() == "4  (x 1.50)"  # the ratio of the medians is 2


def test_throughput_refuses_what_is_no_speed_and_rounds_that_do_not_fit():
    for rates in ([0.0, 1.0], [1.0, float("nan")], []):
        with pytest.raises(ValueError, match="'wrong'"):
            plots.throughput({"usual": [1.0, 2.0], "wrong": rates})
    with pytest.raises(ValueError, match="'other' has 1 rounds, the first way 2: measure them in turn"):
        plots.throughput({"usual": [1.0, 2.0], "other": [1.0]})
