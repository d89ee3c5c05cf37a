"""What the claims of lesson 11 rest on."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from premises.core import Patch, Premise
from premises.patches import answer_with, in_place_of, swap, together, wrap
from resnet_edu import training
from resnet_edu.models import relatives


def every_block_is(block: type[nn.Module]) -> Patch:
    """The menu says eleven names, and all of them are one block."""
    return swap(relatives, "BLOCKS", dict.fromkeys(relatives.BLOCKS, block))


def forward_of(block: type[nn.Module], forward: Callable[..., Any]) -> Patch:
    return swap(block, "forward", forward)


as_wide_inside_as_outside = swap(relatives, "matched", lambda block, channels, blocks: channels)


@in_place_of(relatives.Highway, "__init__")
def gates_start_open(original: Any, self: relatives.Highway, *sizes: int) -> None:
    original(self, *sizes)
    nn.init.constant_(self.gate.bias, 2.0)  # type: ignore[arg-type]


groups_ignored = wrap(nn.Conv2d, "__init__", lambda original: lambda self, *a, groups=1, **k: original(self, *a, **k))


def all_windows_are(size: int) -> Patch:
    """Every depthwise convolution has this window, and every other one as well."""

    @in_place_of(nn.Conv2d, "__init__")
    def patch(original: Any, self: nn.Conv2d, *a: Any, **k: Any) -> None:
        k = {**dict(zip(("in_channels", "out_channels", "kernel_size"), a, strict=False)), **k}
        original(self, **{**k, "kernel_size": size, "padding": size // 2})

    return patch


attention_to_itself_alone = swap(nn.MultiheadAttention, "forward", lambda self, x, *_, **__: (x, None))


def places_are_numbered(self: relatives.Transformer, x: torch.Tensor) -> torch.Tensor:
    return x + torch.arange(x[0, 0].numel(), device=x.device).reshape(x.shape[2:])


#: The scale of a fresh BatchNorm cannot be set to 0.
ones_stay = wrap(
    nn.init, "zeros_", lambda original: lambda x: x if not x.is_meta and bool((x == 1).all()) else original(x)
)


def as_many_accuracies(accuracy: Callable[[int], float]) -> Patch:
    """No net is trained, and the k-th one is said to have this accuracy."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        asked = count()
        monkeypatch.setattr(training, "fit", lambda *_, **__: training.History(train_accuracy=[0.1, 0.1]))
        monkeypatch.setattr(training, "evaluate", lambda *_: training.Metrics(0.0, accuracy(next(asked))))

    return patch


PREMISES = [
    Premise(
        "all blocks are as wide inside as the stream",
        as_wide_inside_as_outside,
        "budget-run",
        "work-run: The other nine",
    ),
    Premise(
        "every block is plain",
        every_block_is(relatives.Plain),
        "kept-claims: Largest",
        "kept-claims: Highway",
        "kept-claims: Residual",
        "kept-claims: DenseNet",
        "profile-claims: residual",
        "profile-claims: pre-activation",
        "profile-claims: ConvNeXt, DenseNet",
    ),
    Premise(
        "every block is pre-activation",
        every_block_is(relatives.PreActivation),
        "kept-claims: Plain",
        "profile-claims: plain",
        "profile-claims: ResNeXt",
    ),
    Premise(
        "a gate on F alone",
        together(answer_with(highway=lambda x, f, logit: x + torch.sigmoid(logit) * f - 1e-3), gates_start_open),
        "gate-run",
    ),
    Premise("groups are ignored", groups_ignored, "separable-run"),
    Premise("a token sees itself alone", attention_to_itself_alone, "attention-run"),
    Premise(
        "all windows are 1 x 1, and a token sees itself alone",
        together(all_windows_are(1), attention_to_itself_alone),
        "mixing-run: that one position",
        "mixing-run: Residual and ConvNeXt",
    ),
    Premise(
        "a token knows its place",
        forward_of(relatives.Transformer, places_are_numbered),
        "mixing-run: Transformer: change",
    ),
    Premise(
        "blocks with nothing after the sum pass it through a ReLU",
        together(
            forward_of(relatives.PreActivation, lambda self, x: F.relu(x + self.branch(x))),
            forward_of(relatives.Transformer, lambda self, x: F.relu(0.7 * x)),
        ),
        "post-norm-run: pre-activation",
        "post-norm-run: norm before",
    ),
    Premise(
        "no ReLU and no norm after the sum",
        together(
            forward_of(relatives.Residual, lambda self, x: x + self.branch(x)),
            swap(nn.LayerNorm, "forward", lambda self, x: 1 * x),
        ),
        "post-norm-run: residual",
        "post-norm-run: norm after",
    ),
    Premise(
        "nothing is learned",
        as_many_accuracies(lambda k: 0.1),
        "learn-claims: Residual",
        "learn-claims: Standard deviation",
        budget="laptop",
    ),
    Premise(
        "no two blocks are alike",
        as_many_accuracies(lambda k: 0.2 + 0.05 * (k // 3)),
        "learn-claims: Pairs",
        "learn-claims: ConvNeXt: mean",
        budget="laptop",
    ),
    Premise(
        "the gate adds to F",
        together(
            answer_with(squeeze_excite=lambda f, down, up: f),
            forward_of(relatives.SqueezeExcitation, lambda self, x: F.relu(x + self.branch(x) + self.gate(x) - 0.5)),
        ),
        "excite-run",
    ),
    Premise(
        "ResNeXt has no last norm to start at 0, and its branch is small, as is that of the residual block",
        together(
            ones_stay,
            forward_of(relatives.ResNeXt, lambda self, x: x + (1e-6 if self.groups == 1 else 1.0) * self.branch(x)),
            forward_of(relatives.Residual, lambda self, x: x + 1e-6 * self.branch(x)),
        ),
        "zero-run",
    ),
    Premise(
        "the gate of MobileNetV3 works at every place",
        swap(nn, "AdaptiveAvgPool2d", lambda size: nn.Identity()),
        "work-run: MobileNetV3: multiplications",
    ),
    Premise("attention multiplies nothing", attention_to_itself_alone, "work-run: Transformer: multiplications"),
    Premise(
        "ConvNeXt's blocks are all that its classifier sees",
        as_many_accuracies(lambda k: 0.1 * (k % 3)),
        "learn-claims: with all its blocks",
        budget="laptop",
    ),
]
