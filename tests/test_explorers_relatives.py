"""What `explorers.swap_block` promises: both controls move the picture, and it shows what was measured."""

import numpy as np
import pytest
import torch
from readable import curve, drawn
from samples import batch, labels
from torch.nn import functional as F

from resnet_edu import explorers, models
from resnet_edu.models import relatives

X, Y = batch(4, seed=0), labels(4)


def by_hand(name, blocks, seed):
    """The norm of dL/dh behind each block, by running the net step by step."""
    torch.manual_seed(seed)
    net = relatives.Skeleton(relatives.BLOCKS[name], blocks=blocks)
    h, kept = net.stem(X), []
    for part in (*net.stage1, net.transition, *net.stage2):
        h = part(h)
        if part is not net.transition:
            kept.append(h)
    loss = F.cross_entropy(net.fc(net.head(h).mean((2, 3))), Y)
    return [g.double().norm().item() for g in torch.autograd.grad(loss, kept)], models.count_parameters(net)


@pytest.mark.parametrize("name", ["plain", "residual", "DenseNet", "transformer"])
def test_the_profile_is_the_gradient_along_the_stream(name):
    found, parameters = explorers.block_profile(X, Y, block=name, blocks=2, seed=3)
    expected, count = by_hand(name, 2, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert parameters == count


@pytest.mark.parametrize("change", [{"block": "Highway"}, {"blocks": 2}])
def test_every_control_moves_the_picture(change, page):
    explorer = explorers.swap_block(X, Y)
    before = curve(explorer, "this block", 1)[1]
    ((name, value),) = change.items()
    explorer.controls[name].value = value
    found, parameters = explorers.block_profile(X, Y, **{"block": "residual", "blocks": 6, **change})
    np.testing.assert_array_equal(curve(explorer, "this block", 1)[1], found)
    np.testing.assert_array_equal(curve(explorer, "previous choice", 1)[1], before)
    says = page[-1]["metadata"]["image/png"]["alt"]
    assert f"{parameters:,} parameters" in says and page[-1]["update"]


def test_every_block_shows_its_own_code_and_stays_in_the_picture():
    explorer = explorers.swap_block(X[:2], Y[:2])
    for blocks in (2, 8):
        explorer.controls["blocks"].value = blocks
        for name, block in relatives.BLOCKS.items():
            explorer.controls["block"].value = name
            text, ax = explorer.figure.axes
            code = next(t.get_text() for t in text.texts if t.get_text().startswith("def forward"))
            assert relatives.forward_lines(block).splitlines()[-1].strip() in code
            low, high = ax.get_ylim()
            shown = curve(explorer, "this block", 1)[1]
            assert len(shown) == 2 * blocks and low < shown.min() and shown.max() < high
            drawn(explorer.figure)
            ends, begins = text.get_tightbbox().x1, ax.yaxis.label.get_window_extent().x0
            assert max(ends, *(t.get_window_extent().x1 for t in text.texts)) < begins, f"{name}: text over the axis"
