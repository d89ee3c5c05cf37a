"""The listings of lesson 14: each fails at least one measurement, and because of the one mistake that the lesson names.

With that line fixed, the listing passes them all.
"""

import contextlib
import io
from typing import Any

import pytest
import torch
from premises.core import cell_sources

from resnet_edu import probes

START = ("imports", "right-block-run")
CUT = "self.cut = shortcut(in_channels, out_channels, stride)"
#: Wrong listing: what fixes it, [(what it says, what it should say), ...].
FIXES = {
    1: [("self.conv2(self.bn2(out))", "self.bn2(self.conv2(out))")],
    2: [("padding=1)", "padding=1, bias=False)")],
    3: [("self.shortcut = conv1x1(", "self.shortcut = shortcut(")],
    4: [("torch.relu(residual + self.shortcut(x))", "torch.relu(residual)")],
    5: [("out += self.shortcut(x)", "out = out + self.shortcut(x)")],
    6: [("conv3x3(out_channels, out_channels, stride)", "conv3x3(out_channels, out_channels)")],
    7: [("out_channels, 1)", "out_channels, stride)")],
    8: [("out = F.max_pool2d(out, 2)", "pass")],
    9: [
        ("conv3x3(channels, channels)", "conv3x3(channels, channels, stride)"),
        ("out_channels // 4", f"out_channels // 4; {CUT}"),
        ("torch.relu(out + x)", "torch.relu(out + self.cut(x))"),
    ],
    13: [
        ("nn.ReLU6(), nn.MaxPool2d(2)", f"nn.ReLU6(), nn.Identity(); {CUT}"),
        ("conv3x3(in_channels, out_channels)\n", "conv3x3(in_channels, out_channels, stride)\n"),
        ("self.act(self.bn2(self.conv2(out)))", "self.act(self.bn2(self.conv2(out)) + self.cut(x))"),
    ],
    14: [("stride, bias=True)", "stride)"), ("transform = conv1x1", "transform = shortcut")],
}
PARAMETERS = {9: 1_632}  # a bottleneck's; all others are basic blocks


def lesson(cells: Any, fixes: Any = ()) -> dict[str, Any]:
    """The names that the cells define, with lines of the last cell changed."""
    sources = cell_sources("14_find_the_bug")
    for old, new in fixes:
        assert old in sources[cells[-1]], f"cell {cells[-1]} has no such line: {old}"
        sources[cells[-1]] = sources[cells[-1]].replace(old, new)
    names: dict[str, Any] = {"__name__": "lesson"}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells:
            exec(compile(sources[cell], f"lesson 14, cell {cell}", "exec"), names)
    return names


def wrong(k: int, fixes: Any = ()) -> list[str]:
    block = lesson([*START, f"listing-{k}"], fixes)[f"Listing{k}"]
    return probes.block_report(block, parameters=PARAMETERS.get(k)).wrong


@pytest.mark.parametrize("k", FIXES)
def test_each_wrong_listing_fails_a_measurement_and_passes_them_all_once_fixed(k):
    assert wrong(k)
    assert wrong(k, FIXES[k]) == []


def test_the_network_without_expansion_takes_bottlenecks_once_fixed():
    cells = [*START, "listing-10"]
    x = torch.rand(2, 3, 32, 32)
    names = lesson(cells)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        names["Net"](names["Bottleneck"])(x)
    fixed = lesson(cells, [("nn.Linear(64, classes)", "nn.Linear(64 * block.expansion, classes)")])
    assert fixed["Net"](fixed["Bottleneck"])(x).shape == fixed["Net"](fixed["Basic"])(x).shape == (2, 10)


@pytest.mark.parametrize(("k", "steps"), [(11, 2), (12, 1)])
def test_a_file_runs_in_a_fresh_python_once_its_names_are_there(k, steps):
    names = lesson(["imports", "verdicts", "listing-11", "verdict-11", "listing-12"])
    uses = {
        11: ("net = Block(16)", "net(torch.rand(2, 16, 8, 8))"),
        12: ("net = ResNet(3)", "net(torch.rand(2, 3, 8, 8))"),
    }
    file = names[f"LISTING_{k}"]
    missing = "from torch.nn import functional as F\nfrom torch import nn\nBlock = nn.Identity\n"
    with contextlib.redirect_stdout(io.StringIO()):
        assert names["how_far"](file, *uses[k]) == steps
        assert names["how_far"](missing + file, *uses[k]) == 3


def test_a_verdict_counts_once_it_names_what_fails():
    names = lesson([*START, "verdicts", "listing-1"])
    with contextlib.redirect_stdout(io.StringIO()):
        for yours, hit in {"?": None, "the norm": None, "additions": False, "branch growth": True}.items():
            names["verdict"]("1", names["Listing1"], yours)
            assert names["hits"].get("1") is hit
