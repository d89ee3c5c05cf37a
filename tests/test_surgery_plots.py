"""What plots and explorers of lesson 09 promise: the picture shows the numbers, and every control moves it."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from readable import drawn
from samples import batch, cifar, labels

from resnet_edu import explorers, models, plots, probes

STEPS = np.linspace(-1, 1, 5)
BOWL = 2 + 100 * (STEPS[:, None] ** 2 + 2 * STEPS**2)
TABLES = {"plain-56": BOWL**3, "ResNet-56": BOWL}


def found(intact, *scores):
    return probes.Lesions([f"b{i}" for i in range(len(scores))], intact, np.array(scores))


def test_lesions_are_drawn_on_one_scale_with_the_whole_net_as_a_line():
    figure = drawn(plots.lesions({"plain-20": found(0.5, 0.1, 0.2), "ResNet-20": found(0.6, 0.55, 0.4, 0.5)}))
    for ax, (intact, scores) in zip(figure.axes, [(0.5, [0.1, 0.2]), (0.6, [0.55, 0.4, 0.5])], strict=True):
        dots, whole, chance = ax.lines
        np.testing.assert_array_equal(dots.get_ydata(), scores)
        np.testing.assert_array_equal(dots.get_xdata(), range(1, len(scores) + 1))
        assert set(whole.get_ydata()) == {intact} and set(chance.get_ydata()) == {0.1}
        assert "block" in ax.get_xlabel()
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert [to_hex(ax.lines[0].get_color()).upper() for ax in figure.axes] == [plots.VERMILLION, plots.BLUE]


def test_path_lengths_draws_shares_of_either_sign():
    shares = {"of the paths": [0.25, 0.5, 0.25], "of the gradient": torch.tensor([0.7, 0.4, -0.1])}
    figure = drawn(plots.path_lengths(shares))
    (ax,) = figure.axes
    for line, values in zip(ax.lines, shares.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), np.asarray(values), rtol=1e-6)
        np.testing.assert_array_equal(line.get_xdata(), [0, 1, 2])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(shares)


def test_landscapes_are_surfaces_and_contours_on_one_scale():
    figure = drawn(plots.landscapes(TABLES, STEPS))
    *above, left, right, bar = figure.axes
    assert [ax.get_title() for ax in above] == list(TABLES)
    assert above[0].get_zlim() == above[1].get_zlim()
    low, high = (10**limit for limit in above[0].get_zlim())
    assert low < BOWL.min() and (BOWL**3).max() < high
    assert bar.get_ylabel() == "loss"
    norm = plots.landscape_norm(TABLES)
    for ax in (left, right):
        assert all(contours.norm.boundaries[0] == norm.boundaries[0] for contours in ax.collections[:1])


def test_the_bands_of_a_landscape_hold_every_number_and_are_narrow_below():
    norm = plots.landscape_norm(TABLES)
    edges = norm.boundaries
    assert edges[0] < BOWL.min() and edges[-1] > (BOWL**3).max()
    widths = np.diff(np.log(edges))
    assert (np.diff(widths) > 0).all()


def test_what_is_not_finite_is_drawn_as_the_highest():
    table = BOWL.copy()
    table[0, 0], table[0, 1] = np.nan, np.inf
    tables = plots.landscape_tables({"plain": table})
    assert tables["plain"][0, 0] == tables["plain"][0, 1] == table[np.isfinite(table)].max()
    drawn(plots.landscapes({"plain": table}, STEPS))
    drawn(plots.landscapes({"flat": np.ones((5, 5))}, STEPS))


X, Y = batch(20, seed=0), labels(20)


def net(residual):
    made = cifar(14, residual=residual)
    return made, [name for name, m in made.named_modules() if isinstance(m, models.Block)]


CLASSES = tuple("abcdefghij")


def test_the_answers_are_those_of_the_net_without_the_blocks():
    made, blocks = net(True)
    with torch.no_grad(), probes.without(made, *blocks[1:3]):
        expected = made.eval()(X).argmax(1)
    accuracy, parts = explorers.lesion_answers(made.train(), blocks, X, Y, first=2, count=2)
    assert accuracy == pytest.approx((expected == Y).double().mean().item())
    np.testing.assert_allclose(parts, np.bincount(expected, minlength=10) / 20)
    assert made.training
    beyond = explorers.lesion_answers(made, blocks, X, Y, first=6, count=5)
    assert beyond[0] == explorers.lesion_answers(made, blocks, X, Y, first=6, count=1)[0]


def test_the_lesion_explorer_shows_what_the_sliders_say(page):
    nets = {"plain-14": net(False), "ResNet-14": net(True)}
    explorer = explorers.lesion(nets, X, Y, CLASSES)
    left, right = explorer.figure.axes
    assert (explorer.controls["first"].max, explorer.controls["count"].max) == (6, 6)
    for first, count in ((1, 1), (3, 1), (2, 4), (1, 0)):
        explorer.controls["first"].value, explorer.controls["count"].value = first, count
        for i, (label, (made, blocks)) in enumerate(nets.items()):
            accuracy, parts = explorers.lesion_answers(made, blocks, X, Y, first=first, count=count)
            assert left.containers[1][i].get_height() == accuracy
            np.testing.assert_array_equal([bar.get_height() for bar in right.containers[i]], parts)
            assert f"{label} {accuracy:.0%}" in page[-1]["metadata"]["image/png"]["alt"]
    assert page[-1]["update"]
    before = page[-1]["data"]["image/png"]
    explorer.controls["count"].value = 6
    assert page[-1]["data"]["image/png"] != before


def test_the_walk_shows_the_loss_where_the_marker_stands(page):
    explorer = explorers.landscape_walk(TABLES, STEPS)
    *maps, cut = explorer.figure.axes
    assert explorer.settings() == {"a": 0.0, "b": 0.0}
    for a, b in ((0.5, 0.0), (0.5, -1.0), (-1.0, 1.0)):
        before = page[-1]["data"]["image/png"]
        explorer.controls["a"].value, explorer.controls["b"].value = a, b
        column, row = np.flatnonzero(a == STEPS)[0], np.flatnonzero(b == STEPS)[0]
        for ax, table, curve in zip(maps, TABLES.values(), cut.lines[::2], strict=True):
            assert f"loss {table[row, column]:.3g}" in ax.get_title()
            assert any(list(line.get_xdata()) == [a] and list(line.get_ydata()) == [b] for line in ax.lines)
            np.testing.assert_array_equal(curve.get_ydata(), table[row])
        assert page[-1]["data"]["image/png"] != before and page[-1]["update"]
