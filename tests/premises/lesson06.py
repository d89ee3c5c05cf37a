"""What the claims of lesson 06 rest on."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from premises.core import Premise
from premises.patches import force, no_weights_loaded, recorder_of_ones
from resnet_edu import models

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


def twice_as_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    original = torch.randn
    monkeypatch.setattr(torch, "randn", lambda *shape, **options: 2 * original(*shape, **options))


def gradient_of_ones(outputs: Any, inputs: Any, *rest: Any, **options: Any) -> tuple[torch.Tensor]:
    return (torch.ones_like(inputs),)


no_skip = replace(models.Block, "forward", without_skip)
no_identity = replace(nn.Identity, "forward", lambda self, x: 0.0 * x)
norm_does_nothing = replace(nn.BatchNorm2d, "forward", lambda self, x: x)
nothing_is_learned = replace(torch.optim.SGD, "step", lambda self: None)

# --- which cells it takes ---------------------------------------------------------------------------------------------

START = ("imports",)
SHORTCUTS = tuple(f"exercise-{name}{check}" for name in ("pad_shortcut", "projection") for check in ("", "-check"))
DRAWN = (*START, "block-run")
YOURS = (*DRAWN, *SHORTCUTS, "exercise-BasicBlock", "exercise-BasicBlock-check", "your-block-run")
ADDED = (*START, "added-run", "added-claims")

PREMISES = [
    Premise(
        "convolutions are 5 x 5",
        replace(models, "conv3x3", five_by_five),
        (*START, "vgg-run", "vgg-claims"),
        ("VGG-16: number of parameters", "VGG-16: fraction of its parameters in the three linear layers"),
    ),
    Premise(
        "convolutions ignore their stride",
        strides_ignored,
        (*START, "vgg-run", "vgg-claims"),
        ("plain-20, convolutions that keep their shape: multiply-adds, largest over smallest",),
    ),
    Premise(
        "every network has a thousand classes",
        force(num_classes=1000),
        (*START, "vgg-run", "vgg-claims"),
        ("plain-20: fraction of its parameters in its linear layer",),
    ),
    Premise(
        "nothing is learned",
        nothing_is_learned,
        (*START, "learn-run", "learn-claims"),
        ("Learned kernel and H - identity: largest difference",),
    ),
    Premise(
        "blocks do not add x",
        no_skip,
        (
            *(*DRAWN, "jacobian-run", "chain-run", "mask-run"),
            *("learn-run", "vanish-run", "identity-run", "identity-claims"),
        ),
        (
            "Steps that the residual block has and the plain one does not",
            "Pre-activation: Jacobian of the block and I + F', largest difference",
            "dL/dx and dL/dy (I + F'): largest difference",
            "Original: Jacobian of the block and mask times (I + F'), largest difference",
            "F(x) = -x: largest entry of dL/dx",
            "2. Original, weights 0, x >= 0: relative change of the input",
            "3. Pre-activation, weights 0, x of both signs: relative change of the input",
            "Original with gamma and beta 0, x >= 0: relative change of the input",
        ),
    ),
    Premise(
        "every weight is 0",
        force(init=nn.init.zeros_),
        (*START, "jacobian-run"),
        ("Largest entry of F' (so the difference from I is visible)",),
    ),
    Premise(
        "nothing follows the addition",
        force(activation="identity"),
        (*START, "jacobian-run", "mask-run", "path-run", "identity-run", "identity-claims"),
        (
            "Original: fraction of the rows that are 0",
            "Original: fraction open through one block",
            "Original: fraction open through nine blocks",
            "1. Original, weights 0, x of both signs: relative change of the input",
        ),
    ),
    Premise(
        "no block is of the pre-activation form",
        force(preactivation=False),
        (*START, "path-run"),
        ("Pre-activation: fraction open through nine blocks",),
    ),
    Premise(
        "random numbers are twice as wide",
        twice_as_wide,
        (*START, "product-run"),
        (
            "27 factors I + F' with F' of size 0.3: distance of their product from I",
            "100 factors with F' of size 0.3 / sqrt(100): distance of their product from I",
        ),
    ),
    Premise(
        "the outer product is a product",
        replace(torch, "outer", lambda a, b: a * b),
        (*START, "shape-run"),
        ("Entries of the published formula beyond those of dL/dx",),
    ),
    Premise(
        "the identity matrix is 0",
        replace(torch, "eye", lambda n, **options: torch.zeros(n, n, **options)),
        (*START, "shape-run"),
        ("dL/dy (I + W) and autograd's dL/dx: largest difference",),
    ),
    Premise(
        "no network has a norm",
        force(norm=None),
        (*START, "identity-run", "identity-claims"),
        ("4. BatchNorm: change with a tenth of the weights over change with all of them",),
    ),
    Premise(
        "every network has BatchNorm",
        force(norm="batch"),
        (*START, "identity-run", "identity-claims"),
        ("Without norm: branch with a tenth of the weights over branch with all of them",),
    ),
    Premise(
        "every shortcut is a projection",
        force(shortcut="C"),
        (*DRAWN, "shortcuts-run", "shortcuts-claims"),
        ("Parameters that option A adds to the plain network", "Parameters that option B adds"),
    ),
    Premise(
        "a shortcut is a projection only where the shape changes",
        force(shortcut="B"),
        (*DRAWN, "shortcuts-run", "shortcuts-claims"),
        ("Parameters that option C adds",),
    ),
    Premise(
        "new channels are ones",
        zeros_are_ones,
        (*START, *SHORTCUTS, "two-shortcuts"),
        ("A: fraction of its channels that are 0",),
    ),
    Premise(
        "every gradient is 1",
        replace(torch.autograd, "grad", gradient_of_ones),
        (*START, *SHORTCUTS, "two-shortcuts"),
        (
            "A: fraction of the input's entries that the shortcut reads",
            "B: fraction of the input's entries that the shortcut reads",
        ),
    ),
    Premise(
        "norms do nothing",
        norm_does_nothing,
        (*YOURS, *ADDED[1:]),
        (
            "Your block: measurements of ten that fail",
            "Fresh ResNet-56: |F(x)| / |x| of the ninth block over that of the first",
        ),
    ),
    Premise(
        "no weights are loaded",
        no_weights_loaded,
        ADDED,
        (
            "Median |F(x)| / |x| of trained ResNet-20 over that of trained ResNet-56",
            "Last stage of ResNet-56: |F(x)| / |x| trained over fresh, median of its nine blocks",
        ),
    ),
    Premise(
        "every network is residual",
        force(residual=True),
        ADDED,
        ("Median |H(x) - x| / |x| of trained plain-56",),
    ),
    Premise(
        "a is always 1",
        force(skip_scale=1.0),
        (*START, "strength-run", "scale-run"),
        (
            "a = 0.5: first over last gradient norm",
            "a = 1.5: loss of the fresh network",
            "(F(x) + x) / sqrt(2) with He's initialization: loss of the fresh network",
        ),
    ),
    Premise(
        "a is always 1/2",
        force(skip_scale=0.5),
        (*START, "strength-run"),
        ("a = 1: first over last gradient norm",),
    ),
    Premise(
        "the recorder returns ones",
        recorder_of_ones,
        (*START, "scale-run"),
        ("(F(x) + x) / sqrt(2) with He's initialization: first over last gradient norm",),
    ),
    Premise(
        "every initialization is PyTorch's",
        force(init="default"),
        (*START, "scale-run"),
        ("F(x) + x with He's initialization: loss of the fresh network",),
    ),
    Premise(
        "the identity passes on nothing",
        no_identity,
        (*START, "learn-run", "identity-run", "sentences-run"),
        (
            "c. The shortcut's output and x: largest difference",
            "c. y - x and the branch's output: largest difference",
        ),
    ),
]
