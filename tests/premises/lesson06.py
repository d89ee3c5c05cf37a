"""What the claims of lesson 06 rest on."""

import builtins
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from premises.core import Premise
from premises.patches import force, no_step, swap, wrap
from resnet_edu import models, probes, training

# --- what is broken ---------------------------------------------------------------------------------------------------


def five_by_five(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 5, stride, padding=2, bias=bias)


def strides_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Conv2d.__init__

    def init(self: nn.Conv2d, i: int, o: int, kernel_size: int, stride: int = 1, **options: Any) -> None:
        original(self, i, o, kernel_size, 1, **options)

    monkeypatch.setattr(nn.Conv2d, "__init__", init)


def without_skip(self: models.Block, x: torch.Tensor) -> torch.Tensor:
    return self.activation(self.branch(x))


zeros_are_ones = swap(torch.Tensor, "new_zeros", torch.Tensor.new_ones)


def gradient_of_ones(outputs: Any, inputs: Any, *rest: Any, **options: Any) -> tuple[torch.Tensor]:
    return (torch.ones_like(inputs),)


weights_without_scale = wrap(
    nn.Conv2d,
    "_conv_forward",
    lambda original: lambda self, x, weight, bias: original(self, x, weight / weight.norm(), bias),
)


def classifier_four_times_as_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Linear.__init__

    def init(self: nn.Linear, in_features: int, *rest: Any, **options: Any) -> None:
        original(self, 4 * in_features, *rest, **options)

    monkeypatch.setattr(nn.Linear, "__init__", init)


def only_the_first_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    original, trained = training.fit, []

    def fit(net: nn.Module, *rest: Any, **options: Any) -> training.History:
        trained.append(net)
        return original(net, *rest, **options | ({} if len(trained) == 1 else {"lr": 0.0}))

    monkeypatch.setattr(training, "fit", fit)


no_skip = swap(models.Block, "forward", without_skip)
no_wire = swap(nn.Identity, "forward", lambda self, x: 0.0 * x)
norm_does_nothing = swap(nn.BatchNorm2d, "forward", lambda self, x: x)
all_is_right = swap(math, "isclose", lambda *numbers, **tolerance: True)

# --- which cells it takes ---------------------------------------------------------------------------------------------


#: Each runs one listing and adds what it measured to a table, which the claims read.
LISTINGS = ("listing-2", "listing-3", "listing-4")

PREMISES = [
    Premise("convolutions are 5 x 5", swap(models, "conv3x3", five_by_five), "vgg-claims: VGG-16"),
    Premise("convolutions ignore their stride", strides_ignored, "vgg-claims: plain-20: dearest", "crash-run: listing"),
    Premise("every net has a thousand classes", force(num_classes=1000), "vgg-claims: plain-20: part"),
    Premise("nothing is learned", no_step, "learn-claims", "sentences-run: b. x"),
    Premise(
        "blocks do not add x",
        no_skip,
        "jacobian-run: pre-activation",
        "chain-run",
        "mask-run: original: block against mask",
        "vanish-run",
        "identity-claims: x >=",
        "identity-claims: pre-activation",
    ),
    Premise("every weight is 0", force(init=nn.init.zeros_), "jacobian-run: largest entry"),
    Premise(
        "nothing follows the addition",
        force(activation="identity"),
        "mask-run: original: part",
        "mask-run: original: block against I",
        "path-run: original",
        "identity-claims: original, x of",
    ),
    Premise("no block is of the pre-activation form", force(preactivation=False), "path-run: pre-activation"),
    Premise("the outer product is a product", swap(torch, "outer", lambda a, b: a * b), "shape-run: entries"),
    Premise(
        "the identity matrix is 0",
        swap(torch, "eye", lambda n, **options: torch.zeros(n, n, **options)),
        "shape-run: dL/dy",
    ),
    Premise("no net has a norm", force(norm=None), "identity-claims: BatchNorm: change"),
    Premise("every net has BatchNorm", force(norm="batch"), "identity-claims: no norm"),
    Premise(
        "every shortcut is a projection",
        force(shortcut="C"),
        "shortcuts-claims: option A",
        "shortcuts-claims: option B",
    ),
    Premise(
        "a shortcut is a projection only where the shape changes", force(shortcut="B"), "shortcuts-claims: option C"
    ),
    Premise("new channels are ones", zeros_are_ones, "two-shortcuts: A: part of its"),
    Premise("every gradient is 1", swap(torch.autograd, "grad", gradient_of_ones), "two-shortcuts: reads"),
    Premise("a is always 1", force(skip_scale=1.0), "strength-run: a = 0.5", "strength-run: a = 1.5"),
    Premise("a is always 1/2", force(skip_scale=0.5), "strength-run: a = 1: first"),
    Premise(
        "norms do nothing",
        norm_does_nothing,
        "check-block",
        "group-1-claims: 2: idle",
        "group-1-claims: 1: branch",
        also=LISTINGS,
    ),
    Premise(
        "convolutions ignore the scale of their weights",
        weights_without_scale,
        "group-1-claims: 3: shortcut",
        also=LISTINGS,
    ),
    Premise(
        "the identity hands on nothing", no_wire, "group-1-claims: 4: passes", "sentences-run: output", also=LISTINGS
    ),
    Premise(
        "+= makes a new tensor",
        swap(torch.Tensor, "__iadd__", torch.Tensor.__add__),
        "group-1-claims: 5: with",
        "group-1-claims: 5: overwritten",
        also=LISTINGS,
    ),
    Premise("only the first net is trained", only_the_first_is_trained, "train-run", budget="laptop"),
    Premise("every measurement is right", all_is_right, "crash-run: that", "listing-9", "table-run"),
    Premise(
        "every classifier takes four times as many features",
        classifier_four_times_as_wide,
        "group-2-claims: 10: features",
    ),
    Premise("F is always there", swap(builtins, "F", F, raising=False), "group-2-claims: 11: steps"),
    Premise(
        "Block is always there",
        swap(builtins, "Block", lambda channels: nn.Identity(), raising=False),
        "group-2-claims: 12: steps",
    ),
    Premise(
        "every block has an addition",
        swap(probes, "summands", lambda steps: [(0, 0)]),
        "group-3-claims: 13: additions",
    ),
    Premise("pooling does nothing", swap(nn.MaxPool2d, "forward", lambda self, x: x), "group-3-claims: 13: blocks"),
    Premise(
        "parameters cannot be set to 0", swap(torch.Tensor, "zero_", lambda self: self), "group-3-claims: 14: passes"
    ),
]
