"""What the claims of lesson 01 rest on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from premises.core import Premise
from premises.patches import convolution_off_by_one_percent, fit_with, force
from resnet_edu import data, explorers, models, probes

# --- what is broken here ----------------------------------------------------------------------------------------------


def small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    original = data.load
    monkeypatch.setattr(data, "load", lambda name: original(name, size=16))


def sobel_is_a_blur(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(explorers.KERNELS, "Sobel x", explorers.KERNELS["box blur"])


def exercise_gives(**functions: Callable[..., Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """An exercise after which the lesson goes on with a wrong function."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        from resnet_edu.exercises import widgets

        original = widgets.exercise
        monkeypatch.setattr(
            widgets, "exercise", lambda name, answer: functions[name] if name in functions else original(name, answer)
        )

    return patch


def convolutions_look_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each output depends on its place, and on every pixel."""
    original = F.conv2d

    def conv2d(x: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        y = original(x, *args, **options)
        return y * torch.linspace(1, 2, y.shape[-1], dtype=y.dtype) + x.mean()

    monkeypatch.setattr(F, "conv2d", conv2d)


def stride_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: nn.Conv2d, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return F.conv2d(x, weight, bias, 1, self.padding, self.dilation, self.groups)

    monkeypatch.setattr(nn.Conv2d, "_conv_forward", forward)


def nothing_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "roll", lambda x, *args, **options: x)


def relu_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: x)


def activations_swapped(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"sigmoid": nn.Tanh, "tanh": nn.Sigmoid, "relu": nn.GELU, "relu6": nn.ReLU, "gelu": nn.ReLU}
    for name, activation in wrong.items():
        monkeypatch.setitem(models.ACTIVATIONS, name, activation)


def poolings_swapped(monkeypatch: pytest.MonkeyPatch) -> None:
    largest, mean = F.max_pool2d, F.avg_pool2d
    monkeypatch.setattr(F, "max_pool2d", mean)
    monkeypatch.setattr(F, "avg_pool2d", largest)


def biases_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "count_parameters", lambda net: sum(p.numel() for p in net.parameters() if p.ndim > 1))


def kernels_of_five(monkeypatch: pytest.MonkeyPatch) -> None:
    original = explorers.stack_of_convolutions
    monkeypatch.setattr(
        explorers, "stack_of_convolutions", lambda layers, **options: original(layers, **{**options, "kernel": 5})
    )


def every_pixel_counts_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    original = probes.receptive_field

    def receptive_field(*args: Any, **options: Any) -> probes.ReceptiveField:
        field = original(*args, **options)
        return probes.ReceptiveField((field.influence > 0).astype(float), field.position)

    monkeypatch.setattr(probes, "receptive_field", receptive_field)


def cross_entropy_is_a_squared_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def squared(logits: torch.Tensor, labels: torch.Tensor, **options: Any) -> torch.Tensor:
        return (logits.softmax(1) - F.one_hot(labels, 10)).square().sum(1)

    monkeypatch.setattr(F, "cross_entropy", squared)


def no_softmax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "softmax", lambda self, dim: self)


def large_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.init, "kaiming_uniform_", lambda weight, **options: nn.init.normal_(weight))


# --- what then fails --------------------------------------------------------------------------------------------------

START = ("imports", "data")
SLIDE = (*START, "slide", "slide-run")
SIZE = (*START, "exercise-output_size", "exercise-output_size-check", "size-run")
CHANNELS = (*SLIDE, "slide-options", "exercise-convolve", "exercise-convolve-check", "channels-run")
FIELD = (*SIZE, "exercise-receptive_field", "exercise-receptive_field-check")

PREMISES = [
    Premise(
        "the convolution is 1 % off",
        convolution_off_by_one_percent,
        (*SLIDE, "slide-claims", "slide-options", "stride-run"),
        ("by hand and F.conv2d differ by", "by hand and F.conv2d differ, over the five settings, by"),
    ),
    Premise("the images have 16 x 16 pixels", small_images, (*SLIDE, "slide-claims"), ("rows of the feature map",)),
    Premise(
        "Sobel x is a blur",
        sobel_is_a_blur,
        (*SLIDE, "slide-claims"),
        ("Sobel x on a flat picture: the largest number",),
    ),
    Premise(
        "output_size forgets the padding",
        exercise_gives(output_size=lambda size, kernel, stride=1, padding=0, dilation=1: (size - kernel) // stride + 1),
        SIZE,
        (
            "of 500 random settings: output_size and PyTorch disagree in",
            "kernel 3, padding 1: 32 pixels become",
            "the same with stride 2",
        ),
    ),
    Premise(
        "convolve flips the kernel",
        exercise_gives(convolve=lambda x, w, stride=1, padding=0: F.conv2d(x, w.flip(2, 3), None, stride, padding)),
        CHANNELS,
        ("by hand and nn.Conv2d differ by",),
    ),
    Premise(
        "biases are not counted",
        biases_not_counted,
        (*CHANNELS, "dense-run", "net", "net-run"),
        (
            "parameters of the convolution",
            "parameters of the dense layer, in millions",
            "parameters",
            "parameters, minus the formula",
        ),
    ),
    Premise(
        "convolutions look everywhere, and differently",
        convolutions_look_everywhere,
        (*CHANNELS, "dense-run", "shift-run", "linear-run"),
        (
            "numbers in a row that are not 0",
            "different numbers in the matrix, but for 0",
            "maps of the moved picture and moved maps differ, away from the border, by",
            "nothing between: the two layers and one 5 x 5 kernel differ by",
        ),
    ),
    Premise(
        "nothing is moved",
        nothing_is_moved,
        (*CHANNELS, "shift-run"),
        ("for comparison: the maps themselves change by",),
    ),
    Premise(
        "ReLU does nothing",
        relu_does_nothing,
        (*CHANNELS, "linear-run", "net", "look-maps"),
        (
            "ReLU between: the two layers and one 5 x 5 kernel differ by",
            "last layer: part of the numbers that ReLU set to 0",
        ),
    ),
    Premise(
        "the activations are swapped",
        activations_swapped,
        (*START, "activation-run"),
        (
            "the largest slope of the sigmoid",
            "the largest slope of tanh",
            "the largest slope of GELU",
            "the smallest slope of GELU",
            "ReLU: how many different slopes",
            "ReLU6: its slope beyond 6",
            "s (1 - s), by hand, and the sigmoid's slope differ by",
            "1 - t², by hand, and the slope of tanh differ by",
        ),
    ),
    Premise(
        "the poolings are swapped",
        poolings_swapped,
        (*SLIDE, *SIZE[2:], "pooling-run"),
        (
            "average pooling and a convolution with four quarters differ by",
            "max pooling: part of the pixels that get a gradient",
            "average pooling: part of the pixels that get a gradient",
        ),
    ),
    Premise(
        "every kernel is 5 x 5",
        kernels_of_five,
        (*START, "field-run"),
        ("stride 1: layers until 32 pixels are seen", "stride 2: layers until 32 pixels are seen"),
    ),
    Premise(
        "receptive_field forgets the strides",
        exercise_gives(receptive_field=lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers)),
        (*FIELD, "field-claims"),
        ("of 20 random stacks: formula and measurement disagree in",),
    ),
    Premise(
        "the net has 14 layers",
        force(depth=14),
        (*START, "effective-run"),
        ("pixels along a side of the field, measured",),
    ),
    Premise(
        "every pixel counts alike",
        every_pixel_counts_alike,
        (*START, "effective-run"),
        ("part of the squared influence in the middle third",),
    ),
    Premise(
        "cross-entropy is a squared error",
        cross_entropy_is_a_squared_error,
        (*START, "loss-run", "loss-claims"),
        (
            "cross-entropy: its gradient and p - t differ by",
            "sure and wrong: slope of cross-entropy",
            "ten equal logits: cross-entropy minus log 10",
        ),
    ),
    Premise("no softmax", no_softmax, (*START, "loss-run", "loss-claims"), ("sure and wrong: slope of squared error",)),
    Premise("the weights are large", large_weights, (*START, "net", "net-run"), ("loss of the fresh net",)),
    Premise(
        "the stride is ignored", stride_ignored, (*START, "net", "look-maps"), ("last layer: rows of a feature map",)
    ),
    Premise(
        "the net is half as wide",
        force(width=8),
        (*START, "net", "net-run", "cifarnet"),
        ("plain-8: parameters, in thousands", "plain-56: parameters, in thousands"),
    ),
    Premise(
        "nothing is trained",
        fit_with(lr=0.0, epochs=1),
        (*START, "net", "train-run", "look-kernels"),
        (
            "accuracy on the test images",
            "training loss: last epoch / first epoch",
            "change of the first layer's weights in training, over their size",
        ),
        budget="laptop",
    ),
]
