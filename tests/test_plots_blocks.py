"""What `plots.blocks`, `plots.matrices` and `plots.checks` promise, read from the data behind the figures."""

import numpy as np
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from readable import drawn

from resnet_edu import models, plots, probes


def flow(stage=1, residual=True, **options):
    net = models.CifarNet(8, residual=residual, width=4, **options)
    return probes.dataflow(getattr(net, f"stage{stage}")[0], torch.rand(4, 4, 8, 8))


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def wires(ax):
    return [line for line in ax.lines if len(line.get_xdata()) == 3]


def test_a_block_is_drawn_with_a_box_a_step_and_a_circle_for_the_addition():
    (ax,) = drawn(plots.blocks({"a block": flow()})).axes
    boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert len(boxes) == 6 and texts(ax).count("+") == 1
    assert texts(ax).count("conv 3×3\n4 → 4") == 2 and {"$x$", "$y$", "ReLU", "BatchNorm"} <= set(texts(ax))
    assert ax.get_title(loc="left") == "a block"
    assert texts(ax).count("4×8×8") == 7


def test_one_wire_goes_around_the_branch_and_ends_at_the_addition():
    (ax,) = plots.blocks({"a block": flow()}).axes
    (wire,) = wires(ax)
    (at,) = [text.get_position() for text in ax.texts if text.get_text() == "+"]
    assert wire.get_xdata()[0] < 1 and wire.get_xdata()[-1] == at[0]
    assert to_hex(wire.get_color()).upper() == plots.BLUE
    assert wires(plots.blocks({"plain": flow(residual=False)}).axes[0]) == []


def test_what_stands_on_the_shortcut_is_drawn_on_the_wire():
    for option, count in (("A", 1), ("B", 2), ("C", 2)):
        (ax,) = drawn(plots.blocks({option: flow(2, shortcut=option)})).axes
        (wire,) = wires(ax)
        height = wire.get_ydata()[-1]
        on_it = [p for p in ax.patches if isinstance(p, Rectangle) and p.get_y() < height < p.get_y() + p.get_height()]
        assert len(on_it) == count


def test_two_wires_have_two_heights():
    class Twice(torch.nn.Module):
        def forward(self, x):
            return torch.relu(torch.tanh(x) + x) + x

    (ax,) = drawn(plots.blocks({"twice": probes.dataflow(Twice(), torch.rand(2, 1, 2, 2))})).axes
    assert len({wire.get_ydata()[-1] for wire in wires(ax)}) == 2


def test_several_blocks_share_one_width():
    flows = {"plain": flow(residual=False), "bottleneck": probes.dataflow(
        models.CifarNet(11, residual=True, block="bottleneck", width=4).stage1[0], torch.rand(4, 4, 8, 8)
    )}  # fmt: skip
    axes = drawn(plots.blocks(flows)).axes
    assert len({ax.get_xlim() for ax in axes}) == 1
    assert [ax.get_title(loc="left") for ax in axes] == list(flows)


def test_matrices_share_one_scale_with_white_at_zero():
    given = {"F": np.array([[0.0, -3.0]]), "I + F": torch.tensor([[1.0, 2.0], [0.0, 1.0]])}
    figure = drawn(plots.matrices(given))
    pictures = [ax.images[0] for ax in figure.axes if ax.images]
    assert [(p.norm.vmin, p.norm.vmax) for p in pictures] == [(-3, 3)] * 2
    for picture, values in zip(pictures, given.values(), strict=True):
        np.testing.assert_array_equal(picture.get_array(), np.asarray(values))
    assert [ax.get_title() for ax in figure.axes if ax.images] == list(given)


def test_what_is_wrong_stands_out_by_color_and_by_sign():
    rows = {"right": {"a": ("1", True), "b b": ("2", True)}, "wrong": {"a": ("1", True), "b b": ("–", False)}}
    (ax,) = drawn(plots.checks(rows)).axes
    cells = sorted(ax.patches, key=lambda cell: (cell.get_y(), cell.get_x()))
    assert [to_hex(cell.get_facecolor()) for cell in cells[:3]] == ["#ffffff"] * 3
    assert to_hex(cells[3].get_facecolor()) != "#ffffff"
    assert texts(ax) == ["1", "2", "1", "✗ –"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["right", "wrong"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row is the upper one
