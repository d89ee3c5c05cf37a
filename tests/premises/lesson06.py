"""What the claims of lesson 06 rest on."""

from typing import Any

import torch
from torch import nn

from premises.core import Premise
from premises.patches import changed, force, in_place_of, no_step, no_weights_loaded, recorder_of_ones, swap
from resnet_edu import models


def five_by_five(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 5, stride, padding=2, bias=bias)


@in_place_of(nn.Conv2d, "__init__")
def strides_ignored(
    original: Any, self: nn.Conv2d, i: int, o: int, kernel_size: int, stride: int = 1, **options: Any
) -> None:
    original(self, i, o, kernel_size, 1, **options)


def gradient_of_ones(outputs: Any, inputs: Any, *rest: Any, **options: Any) -> tuple[torch.Tensor]:
    return (torch.ones_like(inputs),)


no_skip = swap(models.Block, "forward", lambda self, x: self.activation(self.branch(x)))
no_identity = swap(nn.Identity, "forward", lambda self, x: 0.0 * x)
norm_does_nothing = swap(nn.BatchNorm2d, "forward", lambda self, x: x)
zeros_are_ones = swap(torch.Tensor, "new_zeros", torch.Tensor.new_ones)
twice_as_wide = changed(torch, "randn", lambda drawn: 2 * drawn)


PREMISES = [
    Premise(
        "convolutions are 5 x 5", swap(models, "conv3x3", five_by_five), "vgg-claims: number", "vgg-claims: layers"
    ),
    Premise("convolutions ignore their stride", strides_ignored, "vgg-claims: plain-20,"),
    Premise("every network has a thousand classes", force(num_classes=1000), "vgg-claims: plain-20:"),
    Premise("nothing is learned", no_step, "learn-claims"),
    Premise(
        "blocks do not add x",
        no_skip,
        "block-run",
        "jacobian-run: Pre-activation:",
        "jacobian-run: Largest difference between",
        "mask-run: Jacobian",
        "vanish-run",
        "identity-claims: 2. Original,",
        "identity-claims: Pre-activation,",
        "identity-claims: Original with",
    ),
    Premise("every weight is 0", force(init=nn.init.zeros_), "jacobian-run: Largest entry"),
    Premise(
        "nothing follows the addition",
        force(activation="identity"),
        "mask-run: fraction",
        "path-run: through one",
        "path-run: Original: fraction open through nine",
        "identity-claims: 1. Original,",
    ),
    Premise("no block is of the pre-activation form", force(preactivation=False), "path-run: Pre-activation:"),
    Premise("random numbers are twice as wide", twice_as_wide, "product-run"),
    Premise("the outer product is a product", swap(torch, "outer", lambda a, b: a * b), "shape-run: Entries"),
    Premise(
        "the identity matrix is 0",
        swap(torch, "eye", lambda n, **options: torch.zeros(n, n, **options)),
        "shape-run: autograd's",
    ),
    Premise("no network has a norm", force(norm=None), "identity-claims: BatchNorm:"),
    Premise("every network has BatchNorm", force(norm="batch"), "identity-claims: Without"),
    Premise(
        "every shortcut is a projection", force(shortcut="C"), "shortcuts-claims: network", "shortcuts-claims: option B"
    ),
    Premise(
        "a shortcut is a projection only where the shape changes", force(shortcut="B"), "shortcuts-claims: option C"
    ),
    Premise("new channels are ones", zeros_are_ones, "two-shortcuts: channels"),
    Premise(
        "every gradient is 1",
        swap(torch.autograd, "grad", gradient_of_ones),
        "two-shortcuts: A: fraction of the",
        "two-shortcuts: B: fraction",
    ),
    Premise("norms do nothing", norm_does_nothing, "your-block-run", "added-claims: Fresh ResNet-56:"),
    Premise("no weights are loaded", no_weights_loaded, "added-claims: ResNet-20", "added-claims: fresh,"),
    Premise("every network is residual", force(residual=True), "added-claims: plain-56"),
    Premise(
        "a is always 1",
        force(skip_scale=1.0),
        "strength-run: = 0.5:",
        "strength-run: network",
        "scale-run: sqrt(2) with He's initialization: loss",
    ),
    Premise("a is always 1/2", force(skip_scale=0.5), "strength-run: 1: first"),
    Premise("the recorder returns ones", recorder_of_ones, "scale-run: gradient"),
    Premise("every initialization is PyTorch's", force(init="default"), "scale-run: x with"),
    Premise("the identity passes on nothing", no_identity, "sentences-run"),
]
