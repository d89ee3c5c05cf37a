"""What the claims of lesson 01 rest on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from premises.core import Premise
from premises.patches import (
    always_with,
    answer_with,
    changed,
    convolution_off_by_one_percent,
    fit_with,
    force,
    in_place_of,
    swap,
    together,
)
from resnet_edu import data, explorers, models, probes

small_images = always_with(data, "load", size=16)
squares_are_cubes = swap(torch.Tensor, "__pow__", lambda self, power: self * self * self)
nothing_is_moved = swap(torch, "roll", lambda x, *args, **options: x)
relu_does_nothing = swap(nn.ReLU, "forward", lambda self, x: x)
poolings_swapped = together(swap(F, "max_pool2d", F.avg_pool2d), swap(F, "avg_pool2d", F.max_pool2d))
kernels_of_five = always_with(explorers, "stack_of_convolutions", kernel=5)
no_softmax = swap(torch.Tensor, "softmax", lambda self, dim: self)
large_weights = swap(
    nn.init, "kaiming_uniform_", lambda weight, **options: nn.init.normal_(weight, 0, 0.15)
)  # not so large that it cannot be trained
biases_not_counted = swap(
    models, "count_parameters", lambda net: sum(p.numel() for p in net.parameters() if p.ndim > 1)
)
every_pixel_counts_alike = changed(
    probes, "receptive_field", lambda field: probes.ReceptiveField((field.influence > 0).astype(float))
)


def sobel_is_a_blur(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(explorers.KERNELS, "Sobel x", explorers.KERNELS["box blur"])


def activations_swapped(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"sigmoid": nn.Tanh, "tanh": nn.Sigmoid, "relu": nn.GELU, "relu6": nn.ReLU, "gelu": nn.ReLU}
    for name, activation in wrong.items():
        monkeypatch.setitem(models.ACTIVATIONS, name, activation)


@in_place_of(F, "conv2d")
def convolutions_look_everywhere(original: Any, x: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
    """Each output depends on its place, and on every pixel."""
    y = original(x, *args, **options)
    return y * torch.linspace(1, 2, y.shape[-1], dtype=y.dtype) + x.mean()


@in_place_of(nn.Conv2d, "_conv_forward")
def stride_ignored(_: Any, self: nn.Conv2d, x: torch.Tensor, weight: torch.Tensor, bias: Any) -> torch.Tensor:
    return F.conv2d(x, weight, bias, 1, self.padding, self.dilation, self.groups)


@in_place_of(F, "cross_entropy")
def cross_entropy_is_a_squared_error(_: Any, logits: torch.Tensor, labels: torch.Tensor, **asked: Any) -> torch.Tensor:
    return (logits.softmax(1) - F.one_hot(labels, 10)).square().sum(1)


PREMISES = [
    Premise("the convolution is 1 % off", convolution_off_by_one_percent, "slide-claims: difference", "stride-run"),
    Premise("the images have 16 x 16 pixels", small_images, "slide-claims: Rows of"),
    Premise("Sobel x is a blur", sobel_is_a_blur, "slide-claims: output"),
    Premise(
        "output_size forgets the padding",
        answer_with(output_size=lambda size, kernel, stride=1, padding=0, dilation=1: (size - kernel) // stride + 1),
        "size-run",
    ),
    Premise(
        "convolve flips the kernel",
        answer_with(convolve=lambda x, w, stride=1, padding=0: F.conv2d(x, w.flip(2, 3), None, stride, padding)),
        "channels-run",
    ),
    Premise(
        "biases are not counted",
        biases_not_counted,
        "dense-run: convolution",
        "dense-run: layer,",
        "net-run: Parameters,",
    ),
    Premise(
        "convolutions look everywhere, and differently",
        convolutions_look_everywhere,
        "dense-run: Non-zero",
        "dense-run: Distinct",
        "shift-run: old maps moved by 4",
        "linear-run: Nothing",
    ),
    Premise("nothing is moved", nothing_is_moved, "shift-run: unmoved"),
    Premise("the stride is ignored", stride_ignored, "shift-run: Stride"),
    Premise("autograd takes a square for a cube", squares_are_cubes, "graph-run"),
    Premise("ReLU does nothing", relu_does_nothing, "linear-run: ReLU between", "look-maps"),
    Premise("the activations are swapped", activations_swapped, "activation-run"),
    Premise("the poolings are swapped", poolings_swapped, "pooling-run"),
    Premise("every kernel is 5 x 5", kernels_of_five, "field-run"),
    Premise(
        "receptive_field forgets the strides",
        answer_with(receptive_field=lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers)),
        "field-claims",
    ),
    Premise("the net has 14 layers", force(depth=14), "effective-run: convolutions,"),
    Premise("every pixel counts alike", every_pixel_counts_alike, "effective-run: influence"),
    Premise(
        "cross-entropy is a squared error",
        cross_entropy_is_a_squared_error,
        "loss-claims: gradient",
        "loss-claims: slope of cross-entropy",
    ),
    Premise("no softmax", no_softmax, "loss-claims: squared"),
    Premise("the weights are large", large_weights, "net-run: before"),
    Premise("the net is half as wide", force(width=8), "cifarnet"),
    Premise("nothing is trained", fit_with(lr=0.0, epochs=1), "train-run", "look-kernels", budget="laptop"),
]
