"""The listings of lesson 06: the right block passes every measurement, each wrong listing fails at least one.

And it fails because of the one mistake that the lesson names: with that line fixed, the listing passes.
"""

import contextlib
import io
import re
from typing import Any

import pytest
import torch
from premises.core import cells_to_run, code_cells

LESSON = "06_the_residual_block"
CUT = "self.cut = shortcut(in_channels, out_channels, stride)"
#: Wrong listing: what fixes it, [(what its cell says, what it should say), ...].
FIXES = {
    "Listing1": [("self.conv2(self.bn2(out))", "self.bn2(self.conv2(out))")],
    "Listing2": [("padding=1)", "padding=1, bias=False)")],
    "Listing3": [("self.shortcut = conv1x1(", "self.shortcut = shortcut(")],
    "Listing4": [("torch.relu(residual + self.shortcut(x))", "torch.relu(residual)")],
    "Listing5": [("out += self.shortcut(x)", "out = out + self.shortcut(x)")],
    "Listing6": [("conv3x3(out_channels, out_channels, stride)", "conv3x3(out_channels, out_channels)")],
    "Listing7": [("out_channels, 1)", "out_channels, stride)")],
    "Listing8": [("out_channels, 1)", "out_channels, stride)"), ("out = F.max_pool2d(out, 2)", "pass")],
    "Listing9": [
        ("conv3x3(channels, channels)", "conv3x3(channels, channels, stride)"),
        ("out_channels // 4", f"out_channels // 4; {CUT}"),
        ("torch.relu(out + x)", "torch.relu(out + self.cut(x))"),
    ],
    "Listing13": [
        ("nn.ReLU6(), nn.MaxPool2d(2)", f"nn.ReLU6(), nn.Identity(); {CUT}"),
        ("conv3x3(in_channels, out_channels)\n", "conv3x3(in_channels, out_channels, stride)\n"),
        ("self.act(self.bn2(self.conv2(out)))", "self.act(self.bn2(self.conv2(out)) + self.cut(x))"),
    ],
    "Listing14": [("stride, bias=True)", "stride)"), ("transform = conv1x1", "transform = shortcut")],
}
#: What the fixed listing still shows otherwise than the basic block, and may.
ALLOWED = {"Listing9": {"parameters"}, "Listing13": {"passes gradient"}}  # a bottleneck; ReLU6 stops what is above 6


def lesson(name: str, fixes: Any = (), *, classes_only: bool = False) -> dict[str, Any]:
    """The names that the lesson defines by the cell with this name in it, `check_block` among them.

    fixes: changes of that cell. classes_only: it ends after its classes, for what follows claims the mistake.
    """
    last = next(cell for cell in code_cells(LESSON) if name in cell.binds)
    source = last.source
    for old, new in fixes:
        assert old in source, f"cell {last.id} has no such line: {old}"
        source = source.replace(old, new)
    if classes_only:
        source = re.split(r"\n(?:report|attempt|print)\(|\ndef attempt", source)[0]
    names: dict[str, Any] = {"__name__": "lesson"}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells_to_run(LESSON, {"check-block", "listing-1", last.id}):  # it defines `shortcut`, for the fixes
            exec(compile(source if cell is last else cell.source, f"lesson 06, cell {cell.id}", "exec"), names)
    return names


def failing(names: dict[str, Any], listing: str) -> set[str]:
    return {name for name, (_, right) in names["check_block"](names[listing]).items() if not right}


def test_the_right_block_passes_every_measurement():
    assert failing(lesson("BasicBlock"), "BasicBlock") == set()


@pytest.mark.parametrize("listing", FIXES)
def test_each_wrong_listing_fails_a_measurement_and_passes_them_all_once_fixed(listing):
    assert failing(lesson(listing), listing) > ALLOWED.get(listing, set())
    fixed = lesson(listing, FIXES[listing], classes_only=True)
    assert failing(fixed, listing) <= ALLOWED.get(listing, set())


def test_the_net_without_expansion_takes_bottlenecks_once_fixed():
    x = torch.rand(2, 3, 32, 32)
    wrong = lesson("Bottleneck")
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        wrong["Net"](wrong["Bottleneck"])(x)
    fixed = lesson("Bottleneck", [("nn.Linear(64, classes)", "nn.Linear(64 * block.expansion, classes)")])
    assert fixed["Net"](fixed["Bottleneck"])(x).shape == fixed["Net"](fixed["Basic"])(x).shape == (2, 10)


def test_the_files_run_in_a_fresh_python_once_their_names_are_there():
    assert [lesson("far_11")[name] for name in ("far_11", "far_12")] == [2, 1]
    head = "import torch\nfrom torch import nn\n"
    fixed = lesson("far_11", [(head, f"{head}from torch.nn import functional as F\nBlock = nn.Identity\n")])
    assert [fixed[name] for name in ("far_11", "far_12")] == [3, 3]
