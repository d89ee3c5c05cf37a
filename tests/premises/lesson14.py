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
from premises.lesson06 import no_identity, norm_does_nothing, replace, strides_ignored
from resnet_edu import training

REPORT = importlib.import_module("resnet_edu.probes.block_report")  # `probes.block_report` is its function

# --- what is broken ---------------------------------------------------------------------------------------------------


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


def the_first_of_five_is_not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = training.fit, itertools.count()

    def fit(*rest: Any, **options: Any) -> training.History:
        return original(*rest, **options | ({"lr": 0.0} if next(calls) % 5 == 0 else {}))

    monkeypatch.setattr(training, "fit", fit)


all_is_right = replace(math, "isclose", lambda *numbers, **tolerance: True)

# --- which cells it takes ---------------------------------------------------------------------------------------------

START = ("imports", "right-block-run")
AROUND = (*START, "verdicts", *(f"{kind}-{k}" for k in (10, 11, 12) for kind in ("listing", "verdict")))
AROUND = (*AROUND, "group-2-claims")

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
        also=(*FIRST,),
    ),
    Premise(
        "convolutions ignore the scale of their weights",
        weights_without_scale,
        "group-1-claims: shortcut",
        also=(*FIRST,),
    ),
    Premise(
        "the identity passes on nothing",
        no_identity,
        "group-1-claims: passes x,",
        "group-1-claims: gradient,",
        "doubled-run",
        "eleventh-run: before",
        also=(*FIRST,),
    ),
    Premise(
        "+= makes a new tensor",
        replace(torch.Tensor, "__iadd__", torch.Tensor.__add__),
        "group-1-claims: overwritten",
        "group-1-claims: backward",
        "table-run: overwritten",
        also=(
            *FIRST,
            *LATER,
        ),
    ),
    Premise("convolutions ignore their stride", strides_ignored, "crash-run"),
    Premise(
        "every classifier takes four times as many features", classifier_four_times_as_wide, "group-2-claims: channels"
    ),
    Premise("F is always there", replace(builtins, "F", F), "group-2-claims: Listing 11:"),
    Premise(
        "Block is always there",
        replace(builtins, "Block", lambda channels: nn.Identity()),
        "group-2-claims: Listing 12:",
    ),
    Premise(
        "every block has an addition",
        replace(REPORT, "summands", lambda steps: [(0, 0)]),
        "plain-block: additions",
        "group-3-claims: additions",
        also=(*FIRST, *LATER),
    ),
    Premise(
        "pooling does nothing",
        replace(nn.MaxPool2d, "forward", lambda self, x: x),
        "group-3-claims: blocks",
        also=(*FIRST, *LATER),
    ),
    Premise(
        "parameters cannot be set to 0",
        replace(torch.Tensor, "zero_", lambda self: self),
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
        also=(
            *FIRST,
            *LATER,
        ),
    ),
    Premise(
        "the network with the basic block is not trained",
        the_first_of_five_is_not_trained,
        "train-run",
        budget="laptop",
    ),
    Premise("ReLU does nothing", replace(torch, "relu", lambda x: x), "eleventh-run: block:"),
]
