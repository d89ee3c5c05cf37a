"""What the claims of lesson 06 rest on."""

import builtins
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from premises.core import Premise
from premises.patches import force
from resnet_edu import models, probes, training

# --- what is broken ---------------------------------------------------------------------------------------------------


def replace(owner: Any, name: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value, raising=False)


def five_by_five(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 5, stride, padding=2, bias=bias)


def strides_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Conv2d.__init__

    def init(self: nn.Conv2d, i: int, o: int, kernel_size: int, stride: int = 1, **options: Any) -> None:
        original(self, i, o, kernel_size, 1, **options)

    monkeypatch.setattr(nn.Conv2d, "__init__", init)


def without_skip(self: models.Block, x: torch.Tensor) -> torch.Tensor:
    return self.activation(self.branch(x))


def zeros_are_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "new_zeros", torch.Tensor.new_ones)


def gradient_of_ones(outputs: Any, inputs: Any, *rest: Any, **options: Any) -> tuple[torch.Tensor]:
    return (torch.ones_like(inputs),)


def weights_without_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Conv2d._conv_forward
    monkeypatch.setattr(
        nn.Conv2d, "_conv_forward", lambda self, x, weight, bias: original(self, x, weight / weight.norm(), bias)
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


no_skip = replace(models.Block, "forward", without_skip)
no_wire = replace(nn.Identity, "forward", lambda self, x: 0.0 * x)
norm_does_nothing = replace(nn.BatchNorm2d, "forward", lambda self, x: x)
all_is_right = replace(math, "isclose", lambda *numbers, **tolerance: True)
nothing_is_learned = replace(torch.optim.SGD, "step", lambda self: None)

# --- which cells it takes ---------------------------------------------------------------------------------------------

START = ("imports",)
SHORTCUTS = tuple(f"exercise-{name}{check}" for name in ("pad_shortcut", "projection") for check in ("", "-check"))
BLOCK = (
    *(*START, *SHORTCUTS, "exercise-BasicBlock", "exercise-BasicBlock-check"),
    *("measure-counts", "measure-wire", "measure-scale", "check-block"),
)
SILENT = (*BLOCK, *(f"listing-{k}" for k in range(1, 6)))

PREMISES = [
    Premise(
        "convolutions are 5 x 5",
        replace(models, "conv3x3", five_by_five),
        (*START, "vgg-run", "vgg-claims"),
        ("VGG-16: parameters, in millions", "VGG-16: part of them in the three linear layers"),
    ),
    Premise(
        "convolutions ignore their stride",
        strides_ignored,
        (*START, "vgg-run", "vgg-claims", *BLOCK[1:], "listing-1", "listing-6", "crash-run"),
        (
            "plain-20: dearest / cheapest convolution that keeps its shape",
            "listing 6 at 4 x 4: side of the branch",
            "listing 6 at 4 x 4: side of the shortcut",
        ),
    ),
    Premise(
        "every net has a thousand classes",
        force(num_classes=1000),
        (*START, "vgg-run", "vgg-claims"),
        ("plain-20: part of the parameters in its linear layer",),
    ),
    Premise(
        "nothing is learned",
        nothing_is_learned,
        (*START, "learn-run", "learn-claims", "identity-run", "sentences-run"),
        (
            "learned kernel against H - identity, largest difference",
            "learned kernel against H, largest difference",
            "b. x minus the mapping against the learned branch, largest difference",
        ),
    ),
    Premise(
        "blocks do not add x",
        no_skip,
        (*START, "jacobian-run", "chain-run", "mask-run", "learn-run", "vanish-run", "identity-run", "identity-claims"),
        (
            "pre-activation: block against I + F', largest difference",
            "dL/dx against dL/dy (I + F'), largest difference",
            "original: block against mask times (I + F'), largest difference",
            "F(x) = -x: largest entry of dL/dx",
            "original, x >= 0: changed by",
            "pre-activation, x of both signs: changed by",
            "BatchNorm, gamma and beta 0, x >= 0: changed by",
        ),
    ),
    Premise(
        "every weight is 0",
        force(init=nn.init.zeros_),
        (*START, "jacobian-run"),
        ("largest entry of F'",),
    ),
    Premise(
        "nothing follows the addition",
        force(activation="identity"),
        (*START, "jacobian-run", "mask-run", "path-run", "identity-run", "identity-claims"),
        (
            "original: block against I + F', largest difference",
            "original: part of the rows that are 0",
            "original: open through one block",
            "original: open through nine blocks",
            "original, x of both signs: changed by",
        ),
    ),
    Premise(
        "no block is of the pre-activation form",
        force(preactivation=False),
        (*START, "path-run"),
        ("pre-activation: open through nine blocks",),
    ),
    Premise(
        "the outer product is a product",
        replace(torch, "outer", lambda a, b: a * b),
        (*START, "shape-run"),
        ("entries too many in the copied formula",),
    ),
    Premise(
        "the identity matrix is 0",
        replace(torch, "eye", lambda n, **options: torch.zeros(n, n, **options)),
        (*START, "shape-run"),
        ("dL/dy (I + W) against autograd, largest difference",),
    ),
    Premise(
        "no net has a norm",
        force(norm=None),
        (*START, "identity-run", "identity-claims"),
        ("BatchNorm: change with a tenth of the weights / with all of them",),
    ),
    Premise(
        "every net has BatchNorm",
        force(norm="batch"),
        (*START, "identity-run", "identity-claims"),
        ("no norm: branch with a tenth of the weights / with all of them",),
    ),
    Premise(
        "every shortcut is a projection",
        force(shortcut="C"),
        (*START, "shortcuts-run", "shortcuts-claims"),
        ("option A minus plain", "option B minus plain"),
    ),
    Premise(
        "a shortcut is a projection only where the shape changes",
        force(shortcut="B"),
        (*START, "shortcuts-run", "shortcuts-claims"),
        ("option C minus plain",),
    ),
    Premise(
        "new channels are ones",
        zeros_are_ones,
        (*START, *SHORTCUTS, "two-shortcuts"),
        ("A: part of its channels that are 0",),
    ),
    Premise(
        "every gradient is 1",
        replace(torch.autograd, "grad", gradient_of_ones),
        (*START, *SHORTCUTS, "two-shortcuts"),
        (
            "A: part of the input's pixels that the shortcut reads",
            "B: part of the input's pixels that the shortcut reads",
        ),
    ),
    Premise(
        "a is always 1",
        force(skip_scale=1.0),
        (*START, "strength-run"),
        ("a = 0.5: first / last gradient", "a = 1.5: loss of the fresh net"),
    ),
    Premise("a is always 1/2", force(skip_scale=0.5), (*START, "strength-run"), ("a = 1: first / last gradient",)),
    Premise(
        "norms do nothing",
        norm_does_nothing,
        (*SILENT, "group-1-claims"),
        (
            "the right block: measurements out of ten that fail",
            "1: branch, with ten times the weights",
            "2: idle parameters",
        ),
    ),
    Premise(
        "convolutions ignore the scale of their weights",
        weights_without_scale,
        (*SILENT, "group-1-claims"),
        ("3: shortcut, with ten times the weights",),
    ),
    Premise(
        "the identity hands on nothing",
        no_wire,
        (*SILENT, "group-1-claims", "learn-run", "identity-run", "sentences-run"),
        (
            "4: passes x, as a multiple",
            "4: passes the gradient, as a multiple",
            "c. shortcut's output minus x",
            "c. y - x minus the branch's output",
        ),
    ),
    Premise(
        "+= makes a new tensor",
        replace(torch.Tensor, "__iadd__", torch.Tensor.__add__),
        (*SILENT, "group-1-claims"),
        ("5: overwritten outputs", "5: with a full backward hook it raises an error (1 = yes)"),
    ),
    Premise(
        "only the first net is trained",
        only_the_first_is_trained,
        (*SILENT, "train-run"),
        (
            "right block minus listing 1, training accuracy",
            "right block minus listing 2, training accuracy",
            "listing 3: training accuracy",
        ),
        budget="laptop",
    ),
    Premise(
        "every measurement is right",
        all_is_right,
        (
            *(*SILENT, "listing-6", "crash-run", "listing-9", "listing-10", "listing-11", "group-2-claims"),
            *("listing-13", "shape-run", "table-run"),
        ),
        (
            "6: measurements that fail",
            "7: measurements that fail",
            "8: measurements that fail",
            "9: measurements that fail",
            "listings of eleven that fail a measurement",
        ),
    ),
    Premise(
        "every classifier takes four times as many features",
        classifier_four_times_as_wide,
        (*BLOCK, "listing-10", "listing-11", "group-2-claims"),
        ("10: features that arrive / features that the classifier takes",),
    ),
    Premise(
        "F is always there",
        replace(builtins, "F", F),
        (*BLOCK, "listing-10", "listing-11", "group-2-claims"),
        ("11: steps of three that work",),
    ),
    Premise(
        "Block is always there",
        replace(builtins, "Block", lambda channels: nn.Identity()),
        (*BLOCK, "listing-10", "listing-11", "group-2-claims"),
        ("12: steps of three that work",),
    ),
    Premise(
        "every block has an addition",
        replace(probes, "summands", lambda steps: [(0, 0)]),
        (*BLOCK, "listing-13", "group-3-claims"),
        ("13: additions",),
    ),
    Premise(
        "pooling does nothing",
        replace(nn.MaxPool2d, "forward", lambda self, x: x),
        (*BLOCK, "listing-13", "group-3-claims"),
        ("13: blocks that a 32 x 32 image survives",),
    ),
    Premise(
        "parameters cannot be set to 0",
        replace(torch.Tensor, "zero_", lambda self: self),
        (*BLOCK, "listing-13", "group-3-claims"),
        ("14: passes x, as a multiple", "14: passes the gradient, as a multiple"),
    ),
]
