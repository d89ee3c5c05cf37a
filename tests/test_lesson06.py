"""The listings of lesson 06: the right block passes every measurement, each wrong listing fails at least one.

And it fails because of the one mistake that the lesson names: with that line mended, the listing passes.
"""

import contextlib
import io
import re
from typing import Any

import nbformat
import pytest
import torch
from premises.core import NOTEBOOKS

SHORTCUTS = tuple(f"exercise-{name}{check}" for name in ("pad_shortcut", "projection") for check in ("", "-check"))
BLOCK = ("imports", *SHORTCUTS, "exercise-BasicBlock")
BLOCK = (*BLOCK, "exercise-BasicBlock-check", "measure-counts", "measure-wire", "measure-scale", "check-block")
CUT = "self.cut = shortcut(in_channels, out_channels, stride)"
#: Wrong listing: the cells that define it, and what mends it, [(what stands there, what should), ...].
LISTINGS = {
    "Listing1": (["listing-1"], [("self.conv2(self.bn2(out))", "self.bn2(self.conv2(out))")]),
    "Listing2": (["listing-1", "listing-2"], [("padding=1)", "padding=1, bias=False)")]),
    "Listing3": (["listing-1", "listing-3"], [("self.shortcut = conv1x1(", "self.shortcut = shortcut(")]),
    "Listing4": (["listing-1", "listing-4"], [("torch.relu(residual + self.shortcut(x))", "torch.relu(residual)")]),
    "Listing5": (["listing-1", "listing-5"], [("out += self.shortcut(x)", "out = out + self.shortcut(x)")]),
    "Listing6": (
        ["listing-1", "listing-6"],
        [("conv3x3(out_channels, out_channels, stride)", "conv3x3(out_channels, out_channels)")],
    ),
    "Listing7": (["listing-1", "listing-6"], [("out_channels, 1)", "out_channels, stride)")]),
    "Listing8": (
        ["listing-1", "listing-6"],
        [("out_channels, 1)", "out_channels, stride)"), ("out = F.max_pool2d(out, 2)", "pass")],
    ),
    "Listing9": (
        ["listing-1", "listing-6", "listing-9"],
        [
            ("conv3x3(channels, channels)", "conv3x3(channels, channels, stride)"),
            ("out_channels // 4", f"out_channels // 4; {CUT}"),
            ("torch.relu(out + x)", "torch.relu(out + self.cut(x))"),
        ],
    ),
    "Listing13": (
        ["listing-1", "listing-13"],
        [
            ("nn.ReLU6(), nn.MaxPool2d(2)", f"nn.ReLU6(), nn.Identity(); {CUT}"),
            ("conv3x3(in_channels, out_channels)\n", "conv3x3(in_channels, out_channels, stride)\n"),
            ("self.act(self.bn2(self.conv2(out)))", "self.act(self.bn2(self.conv2(out)) + self.cut(x))"),
        ],
    ),
    "Listing14": (
        ["listing-1", "listing-13"],
        [("stride, bias=True)", "stride)"), ("transform = conv1x1", "transform = shortcut")],
    ),
}
#: What the mended listing still shows otherwise than the basic block, and may.
ALLOWED = {"Listing9": {"parameters"}, "Listing13": {"passes gradient"}}  # a bottleneck; ReLU6 stops what is above 6


def lesson(cells: Any, mends: Any = (), *, classes_only: bool = False) -> dict[str, Any]:
    """The names that the cells define, with lines of the last cell changed.

    classes_only: the last cell ends behind its classes, for what follows draws and claims the mistake.
    """
    notebook = nbformat.read(NOTEBOOKS / "06_the_residual_block.ipynb", as_version=4)
    sources = {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "code"}
    last = sources[cells[-1]]
    for old, new in mends:
        assert old in last, f"cell {cells[-1]} has no such line: {old}"
        last = last.replace(old, new)
    if classes_only:
        last = re.split(r"\n(?:report|attempt|print)\(|\ndef attempt", last)[0]
    names: dict[str, Any] = {"__name__": "lesson"}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells:
            source = last if cell == cells[-1] else sources[cell]
            exec(compile(source, f"lesson 06, cell {cell}", "exec"), names)
    return names


def failing(names: dict[str, Any], listing: str) -> set[str]:
    return {name for name, (_, right) in names["check_block"](names[listing]).items() if not right}


def test_the_right_block_passes_every_measurement():
    assert failing(lesson(BLOCK), "BasicBlock") == set()


@pytest.mark.parametrize("listing", LISTINGS)
def test_each_wrong_listing_fails_a_measurement_and_passes_them_all_once_mended(listing):
    cells, mends = LISTINGS[listing]
    assert failing(lesson([*BLOCK, *cells]), listing) > ALLOWED.get(listing, set())
    names = lesson([*BLOCK, *cells], mends, classes_only=True)
    assert failing(names, listing) <= ALLOWED.get(listing, set())


def test_the_net_without_expansion_takes_bottlenecks_once_mended():
    cells = [*BLOCK, "listing-10"]
    x = torch.rand(2, 3, 32, 32)
    wrong = lesson(cells)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        wrong["Net"](wrong["Bottleneck"])(x)
    mended = lesson(cells, [("nn.Linear(64, classes)", "nn.Linear(64 * block.expansion, classes)")])
    assert mended["Net"](mended["Bottleneck"])(x).shape == mended["Net"](mended["Basic"])(x).shape == (2, 10)


def test_the_files_run_in_a_fresh_python_once_their_names_are_there():
    cells = [*BLOCK[:1], "listing-11"]
    assert [lesson(cells)[name] for name in ("far_11", "far_12")] == [2, 1]
    head = "import torch\nfrom torch import nn\n"
    mended = lesson(cells, [(head, f"{head}from torch.nn import functional as F\nBlock = nn.Identity\n")])
    assert [mended[name] for name in ("far_11", "far_12")] == [3, 3]
