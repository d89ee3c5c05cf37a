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
        from resnet_edu.exercises import page

        original = page.exercise
        monkeypatch.setattr(
            page, "exercise", lambda name, answer: functions[name] if name in functions else original(name, answer)
        )

    return patch


def convolutions_look_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each output depends on its place, and on every pixel."""
    original = F.conv2d

    def conv2d(x: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        y = original(x, *args, **options)
        return y * torch.linspace(1, 2, y.shape[-1], dtype=y.dtype) + x.mean()

    monkeypatch.setattr(F, "conv2d", conv2d)


def squares_are_cubes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "__pow__", lambda self, power: self * self * self)


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
        return probes.ReceptiveField((field.influence > 0).astype(float))

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


PREMISES = [
    Premise("the convolution is 1 % off", convolution_off_by_one_percent, "slide-claims: difference", "stride-run"),
    Premise("the images have 16 x 16 pixels", small_images, "slide-claims: Rows of"),
    Premise("Sobel x is a blur", sobel_is_a_blur, "slide-claims: output"),
    Premise(
        "output_size forgets the padding",
        exercise_gives(output_size=lambda size, kernel, stride=1, padding=0, dilation=1: (size - kernel) // stride + 1),
        "size-run",
    ),
    Premise(
        "convolve flips the kernel",
        exercise_gives(convolve=lambda x, w, stride=1, padding=0: F.conv2d(x, w.flip(2, 3), None, stride, padding)),
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
        exercise_gives(receptive_field=lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers)),
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
