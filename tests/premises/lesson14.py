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
PLAIN = (*START, "plain-block")
LISTINGS = (*START, "verdicts", *(f"{kind}-{k}" for k in range(1, 6) for kind in ("listing", "verdict")))
SILENT = (*LISTINGS, "group-1-claims")
LATER = tuple(f"{kind}-{k}" for k in (6, 7, 8, 9, 13, 14) for kind in ("listing", "verdict"))
NO_BLOCK = (*LATER, "group-3-claims")
AROUND = (*START, "verdicts", *(f"{kind}-{k}" for k in (10, 11, 12) for kind in ("listing", "verdict")))
AROUND = (*AROUND, "group-2-claims")

PREMISES = [
    Premise(
        "norms do nothing",
        norm_does_nothing,
        (*PLAIN, *SILENT[2:], "missed-run"),
        (
            "The basic block: measurements of ten that fail",
            "Listing 1: branch growth",
            "Listing 2: idle parameters",
            "ReLU before the addition: measurements of ten that fail",
        ),
    ),
    Premise(
        "convolutions ignore the scale of their weights",
        weights_without_scale,
        SILENT,
        ("Listing 3: shortcut growth",),
    ),
    Premise(
        "the identity passes on nothing",
        no_identity,
        (*SILENT, "doubled-run", "missed-run", "eleventh-run"),
        (
            "Listing 4: passes x, as a multiple",
            "Listing 4: passes the gradient, as a multiple",
            "Listing 4, first stage of 56 layers: rms after block nine over rms after block one",
            "ReLU before the addition: smallest output",
        ),
    ),
    Premise(
        "+= makes a new tensor",
        replace(torch.Tensor, "__iadd__", torch.Tensor.__add__),
        (*SILENT, *NO_BLOCK, "table-run"),
        (
            "Listing 5: overwritten outputs",
            "Listing 5 with a full backward hook: it raises an error (1 = yes)",
            "torchvision's block: overwritten outputs",
        ),
    ),
    Premise(
        "convolutions ignore their stride",
        strides_ignored,
        (*START, "listing-6", "crash-run"),
        ("Listing 6 at 4 x 4: side of the branch", "Listing 6 at 4 x 4: side of the shortcut"),
    ),
    Premise(
        "every classifier takes four times as many features",
        classifier_four_times_as_wide,
        AROUND,
        ("Listing 10: channels that arrive over channels that the classifier takes",),
    ),
    Premise("F is always there", replace(builtins, "F", F), AROUND, ("Listing 11: steps of three that work",)),
    Premise(
        "Block is always there",
        replace(builtins, "Block", lambda channels: nn.Identity()),
        AROUND,
        ("Listing 12: steps of three that work",),
    ),
    Premise(
        "every block has an addition",
        replace(REPORT, "summands", lambda steps: [(0, 0)]),
        (*PLAIN, *SILENT[2:], *NO_BLOCK),
        ("The plain block: additions", "Listing 13: additions"),
    ),
    Premise(
        "pooling does nothing",
        replace(nn.MaxPool2d, "forward", lambda self, x: x),
        (*SILENT, *NO_BLOCK),
        ("Listing 13: blocks that an image of 32 x 32 survives",),
    ),
    Premise(
        "parameters cannot be set to 0",
        replace(torch.Tensor, "zero_", lambda self: self),
        (*SILENT, *NO_BLOCK),
        ("Listing 14: passes x, as a multiple", "Listing 14: passes the gradient, as a multiple"),
    ),
    Premise(
        "every measurement is right",
        all_is_right,
        (*SILENT, *NO_BLOCK, "table-run"),
        (
            "Listings of eleven that fail at least one measurement",
            "torchvision's block: measurements of ten that fail",
            "Listings of eleven that 'output side' does not catch",
        ),
    ),
    Premise(
        "the network with the basic block is not trained",
        the_first_of_five_is_not_trained,
        (*SILENT, "doubled-run", "train-run"),
        ("Listings 1 to 4: largest gap of a mean training accuracy to that of the basic block",),
        budget="laptop",
    ),
    Premise(
        "ReLU does nothing",
        replace(torch, "relu", lambda x: x),
        (*START, "missed-run", "eleventh-run"),
        ("The basic block: smallest output",),
    ),
]
