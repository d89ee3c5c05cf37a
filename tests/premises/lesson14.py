"""What the claims of lesson 14 rest on."""

import builtins
import importlib
import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from premises.core import Premise
from premises.lesson06 import no_identity, norm_does_nothing, strides_ignored
from premises.patches import in_place_of, swap
from resnet_edu import training

REPORT = importlib.import_module("resnet_edu.probes.block_report")  # `probes.block_report` is its function


@in_place_of(nn.Conv2d, "_conv_forward")
def weights_without_scale(
    original: Any, self: nn.Conv2d, x: torch.Tensor, weight: torch.Tensor, bias: Any
) -> torch.Tensor:
    return original(self, x, weight / weight.norm(), bias)


@in_place_of(nn.Linear, "__init__")
def classifier_four_times_as_wide(original: Any, self: nn.Linear, in_features: int, *rest: Any, **options: Any) -> None:
    original(self, 4 * in_features, *rest, **options)


def the_first_of_five_is_not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = training.fit, itertools.count()

    def fit(*rest: Any, **options: Any) -> training.History:
        return original(*rest, **options | ({"lr": 0.0} if next(calls) % 5 == 0 else {}))

    monkeypatch.setattr(training, "fit", fit)


all_is_right = swap(math, "isclose", lambda *numbers, **tolerance: True)

#: Each measures one listing and adds it to a table, which the claims read.
FIRST = tuple(f"verdict-{k}" for k in range(1, 6))
LATER = tuple(f"verdict-{k}" for k in (6, 7, 8, 9, 13, 14))


PREMISES = [
    Premise(
        "norms do nothing",
        norm_does_nothing,
        "plain-block: measurements",
        "group-1-claims: branch",
        "group-1-claims: parameters",
        "missed-run",
        also=FIRST,
    ),
    Premise(
        "convolutions ignore the scale of their weights", weights_without_scale, "group-1-claims: shortcut", also=FIRST
    ),
    Premise(
        "the identity passes on nothing",
        no_identity,
        "group-1-claims: passes x,",
        "group-1-claims: gradient,",
        "doubled-run",
        "eleventh-run: before",
        also=FIRST,
    ),
    Premise(
        "+= makes a new tensor",
        swap(torch.Tensor, "__iadd__", torch.Tensor.__add__),
        "group-1-claims: overwritten",
        "group-1-claims: backward",
        "table-run: overwritten",
        also=(*FIRST, *LATER),
    ),
    Premise("convolutions ignore their stride", strides_ignored, "crash-run"),
    Premise(
        "every classifier takes four times as many features", classifier_four_times_as_wide, "group-2-claims: channels"
    ),
    Premise("F is always there", swap(builtins, "F", F, raising=False), "group-2-claims: Listing 11:"),
    Premise(
        "Block is always there",
        swap(builtins, "Block", lambda channels: nn.Identity(), raising=False),
        "group-2-claims: Listing 12:",
    ),
    Premise(
        "every block has an addition",
        swap(REPORT, "summands", lambda steps: [(0, 0)]),
        "plain-block: additions",
        "group-3-claims: additions",
        also=(*FIRST, *LATER),
    ),
    Premise(
        "pooling does nothing",
        swap(nn.MaxPool2d, "forward", lambda self, x: x),
        "group-3-claims: blocks",
        also=(*FIRST, *LATER),
    ),
    Premise(
        "parameters cannot be set to 0",
        swap(torch.Tensor, "zero_", lambda self: self),
        "group-3-claims: passes x,",
        "group-3-claims: gradient,",
        also=(*FIRST, *LATER),
    ),
    Premise(
        "every measurement is right",
        all_is_right,
        "table-run: fail at",
        "table-run: measurements",
        "table-run: 'output",
        also=(*FIRST, *LATER),
    ),
    Premise(
        "the network with the basic block is not trained",
        the_first_of_five_is_not_trained,
        "train-run",
        budget="laptop",
    ),
    Premise("ReLU does nothing", swap(torch, "relu", lambda x: x), "eleventh-run: block:"),
]
