"""`probes.block_report`: a correct block passes all ten measurements, and each measurement catches its own mistake."""

import math

import pytest
import torch
from torch import nn

from resnet_edu import models, probes
from resnet_edu.models import conv1x1, conv3x3


class Block(nn.Module):
    """The basic block of He et al. 2015, with option B; the mistakes below are its subclasses."""

    def __init__(self, i, o, stride=1, bias=False):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(i, o, stride, bias=bias), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = conv3x3(o, o, bias=bias), nn.BatchNorm2d(o)
        same = stride == 1 and i == o
        self.shortcut = nn.Identity() if same else nn.Sequential(conv1x1(i, o, stride), nn.BatchNorm2d(o))

    def branch(self, x):
        return self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))

    def forward(self, x):
        return torch.relu(self.branch(x) + self.shortcut(x))


class NormTooEarly(Block):
    def branch(self, x):
        return self.conv2(self.bn2(torch.relu(self.bn1(self.conv1(x)))))


class AddsTwice(Block):
    def forward(self, x):
        return torch.relu(self.branch(x) + self.shortcut(x) + self.shortcut(x))


class InPlace(Block):
    def forward(self, x):
        out = self.branch(x)
        out += self.shortcut(x)
        return torch.relu(out)


class Plain(Block):
    def forward(self, x):
        return torch.relu(self.branch(x))


class StrideTwice(Block):
    def __init__(self, i, o, stride=1):
        super().__init__(i, o, stride)
        self.conv2 = conv3x3(o, o, stride)


class NoStride(Block):
    def __init__(self, i, o, stride=1):
        super().__init__(i, o, 1)


def bare_projection(i, o, stride):
    block = Block(i, o, stride)
    if isinstance(block.shortcut, nn.Sequential):
        del block.shortcut[1]
    return block


def test_a_correct_block_passes_every_measurement():
    report = probes.block_report(Block)
    assert list(report) == list(probes.MEASUREMENTS) and len(report) == 10
    assert report.wrong == [] and "all 10" in str(report)


@pytest.mark.parametrize(
    ("build", "wrong"),
    [
        (lambda i, o, s: Block(i, o, s, bias=True), {"parameters": 14_592, "idle parameters": 64}),
        (NormTooEarly, {"branch growth": 10}),
        (bare_projection, {"parameters": 14_464, "shortcut growth": 10}),
        (AddsTwice, {"additions": 2, "passes x": 2, "passes gradient": 2}),
        (InPlace, {"overwritten outputs": 1}),
        (
            Plain,
            {"idle parameters": 576, "additions": 0, "passes x": 0, "passes gradient": 0, "branch growth": math.nan,
             "shortcut growth": math.nan},
        ),
        (NoStride, {"output side": 1, "sizes of 15": 0}),
    ],
    ids=["bias", "norm too early", "bare projection", "adds twice", "in place", "plain", "no stride"],
)  # fmt: skip
def test_a_mistake_shows_in_the_measurements_that_are_made_for_it(build, wrong):
    report = probes.block_report(build)
    assert {name: round(report[name].value, 2) for name in report.wrong} == pytest.approx(wrong, nan_ok=True)


def test_a_block_that_crashes_has_no_value_and_a_dash():
    report = probes.block_report(StrideTwice)
    assert math.isnan(report["output side"].value) and report["output side"].text == "–"
    assert not report["output side"].holds
    assert report["sizes of 15"].value == 1  # at side 2 both are 1 x 1; at 3 and 4 PyTorch broadcasts


def test_the_number_of_parameters_may_be_another_one():
    def padded(i, o, s):
        return getattr(models.CifarNet(8, residual=True), "stage1" if s == 1 else "stage2")[0]

    assert probes.block_report(padded).wrong == ["parameters"]
    assert probes.block_report(padded, parameters=14_528 - 512 - 64).wrong == []


def test_the_block_that_everybody_uses_overwrites_two_outputs():
    from torchvision.models.resnet import BasicBlock

    def official(i, o, s):
        same = s == 1 and i == o
        return BasicBlock(i, o, s, None if same else nn.Sequential(conv1x1(i, o, s), nn.BatchNorm2d(o)))

    report = probes.block_report(official)
    assert report.wrong == ["overwritten outputs"] and report["overwritten outputs"].value == 2


def test_the_random_state_stays_and_the_seed_decides():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    reports = [probes.block_report(NormTooEarly, seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), before)
    assert reports[0] == reports[1]
    assert reports[0]["passes x"].value == reports[2]["passes x"].value == 1


def test_errors_that_are_no_property_of_a_block_are_passed_on():
    def forgets_an_import(i, o, s):
        raise NameError("name 'F' is not defined")

    with pytest.raises(NameError):
        probes.block_report(forgets_an_import)
