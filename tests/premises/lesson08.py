"""What the claims of lesson 08 rest on."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from premises.core import Premise
from premises.patches import answer_with, convolution_off_by_one_percent, together
from resnet_edu import models, probes
from resnet_edu.exercises.lesson_08 import Bottleneck

Patch = Callable[[pytest.MonkeyPatch], None]

START = ("imports", "nets")
FAMILY = ("imports", "family-run")
BLOCK = ("exercise-Bottleneck", "exercise-Bottleneck-check")
LOADING = (*BLOCK, "exercise-load_torchvision", "exercise-load_torchvision-check", "parity-block")


class NotNarrowed(Bottleneck):
    """Its 3 x 3 convolution works on 4 * channels, so nothing is saved."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__(in_channels, channels, stride)
        wide = 4 * channels
        self.conv1, self.bn1 = nn.Conv2d(in_channels, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.conv3 = nn.Conv2d(wide, wide, 1, bias=False)


def always(**options: Any) -> Patch:
    """A ResNet that ignores what it is asked for and always takes these options."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = models.ResNet.__init__

        def init(self: models.ResNet, blocks: Any, **asked: Any) -> None:
            original(self, blocks, **{**asked, **options})

        monkeypatch.setattr(models.ResNet, "__init__", init)

    return patch


def blocks_always(**options: Any) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = models.ResNetBlock.__init__

        def init(self: models.ResNetBlock, *shape: int, **asked: Any) -> None:
            original(self, *shape, **{**asked, **options})

        monkeypatch.setattr(models.ResNetBlock, "__init__", init)

    return patch


def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """No net is wider than this, so that a premise costs little."""
    original = models.ResNet.__init__
    monkeypatch.setattr(
        models.ResNet, "__init__", lambda self, blocks, **asked: original(self, blocks, **{"width": 8, **asked})
    )


def hardly_enlarged(monkeypatch: pytest.MonkeyPatch) -> None:
    """To 64 x 64 at most: a batch of one in train mode needs more than one pixel in the last stage."""
    original = F.interpolate
    monkeypatch.setattr(F, "interpolate", lambda x, *_, **__: original(x, size=(64, 64)))


def parameters_and_memory_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    original = probes.layer_groups

    def layer_groups(table: Any, level: int = 1) -> list[probes.Layer]:
        rows = original(table, level)
        return [replace(row, parameters=row.out_bytes, out_bytes=row.parameters) for row in rows]

    monkeypatch.setattr(probes, "layer_groups", layer_groups)


def their_nets_load_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.models.ResNet, "load_state_dict", lambda self, state: None)


def last_relu_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    original = models.ResNetBlock.forward
    monkeypatch.setattr(models.ResNetBlock, "forward", lambda self, x: original(self, x) + 1e-3 * x.mean())


def twice_as_large_in_train_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    original = models.ResNet.forward
    monkeypatch.setattr(models.ResNet, "forward", lambda self, x: original(self, x) * (2 if self.training else 1))


def twice_as_large_mine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's block is right in eval mode, and not in train mode."""

    class Louder(Bottleneck):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * (2 if self.training else 1)

    answer_with(Bottleneck=Louder)(monkeypatch)


PREMISES = [
    Premise(
        "the photograph is hardly enlarged",
        together(hardly_enlarged, narrow),
        (*START, "stages-run"),
        ("side of the last stage's maps, at 224 x 224",),
    ),
    Premise(
        "the exercise counts weights",
        together(answer_with(multiply_adds=lambda i, o, kernel, size, stride, padding: i * o * kernel**2), narrow),
        (*START, "stages-run", "exercise-multiply_adds", "exercise-multiply_adds-check", "multiply_adds-run"),
        ("the first convolution: the table's multiply-adds minus your function's",),
    ),
    Premise(
        "there are only basic blocks",
        always(block="basic"),
        FAMILY,
        (
            "parameters: largest difference from the published numbers, of five nets",
            "multiply-adds: largest difference from the published numbers, in G",
            "multiply-adds, ResNet-50 / ResNet-34",
            "channels in front of the classifier, ResNet-50 / ResNet-34",
        ),
    ),
    Premise(
        "convolutions are off by one percent",
        convolution_off_by_one_percent,
        ("imports", "pixel-run"),
        ("1 x 1 convolution and linear layer at every pixel differ by at most",),
    ),
    Premise(
        "the bottleneck is not narrow",
        answer_with(Bottleneck=NotNarrowed),
        ("imports", *BLOCK, "cost-run"),
        (
            "bottleneck on 256 channels / basic block on 64, multiply-adds",
            "basic block on 256 channels / bottleneck on 256, multiply-adds",
        ),
    ),
    Premise(
        "the stride is always on the 3 x 3",
        together(blocks_always(stride_on="3x3"), narrow),
        (*START, "family-run", "version-run", "version-trap-run"),
        (
            "v1: G multiply-adds (the paper's table 1 says 3.8)",
            "v1: part of the input that nothing reads",
            "the same weights in v1 and v1.5: logits differ by, as a part of their size",
        ),
    ),
    Premise(
        "the stride is always on the first 1 x 1",
        blocks_always(stride_on="1x1"),
        ("imports", "family-run", "version-run"),
        ("v1.5: part of the input that nothing reads",),
    ),
    Premise(
        "nothing is loaded into the block",
        answer_with(load_torchvision=lambda block, state: None),
        ("imports", *LOADING),
        ("your block: equal to the last bit in eval mode (1 = yes)",),
    ),
    Premise(
        "your block does something else in train mode",
        twice_as_large_mine,
        ("imports", *LOADING),
        ("your block: equal to the last bit in train mode (1 = yes)",),
    ),
    Premise(
        "our nets are narrower",
        always(width=32),
        ("imports", "family-run", *LOADING, "parity-keys"),
        ("keys and shapes that differ from torchvision's, five nets",),
    ),
    Premise(
        "our blocks add a little, and torchvision's nets load nothing",
        together(last_relu_leaks, their_nets_load_nothing, twice_as_large_in_train_mode),
        ("imports", "nets", *LOADING, "parity-nets"),
        (
            "torchvision's weights in ours: equal logits, eval mode",
            "the same in train mode",
            "our weights in torchvision's nets: equal logits",
        ),
    ),
    Premise(
        "every net has bottlenecks",
        together(always(block="bottleneck"), narrow),
        (*START, "version-trap-run", "head-run"),
        ("ResNet-18 with it runs (1 = yes)",),
    ),
    Premise(
        "no net has bottlenecks",
        together(always(block="basic", width=64)),
        (*START, "family-run", "version-trap-run", "head-run"),
        ("ResNet-50 with it runs (1 = yes)",),
    ),
    Premise(
        "parameters and memory are exchanged, and the nets are narrow",
        together(parameters_and_memory_exchanged, narrow),
        (*START, "stages-run", "memory-run"),
        (
            "batch of 32: kept / weights",
            "part of the parameters in the last stage",
            "part of the outputs' memory in stem and first stage",
        ),
    ),
    Premise(
        "every stem is the CIFAR stem",
        together(always(stem="cifar"), hardly_enlarged, narrow),
        (*START, "stem-run", "train-run"),
        (
            "ImageNet stem: side of the last stage's maps",
            "ImageNet stem: part of all weights whose gradient is exactly 0",
            "CIFAR stem / ImageNet stem, multiply-adds",
        ),
    ),
    Premise(
        "every stem is the ImageNet stem",
        together(always(stem="imagenet"), narrow),
        (*START, "stem-run"),
        (
            "CIFAR stem: side of the last stage's maps",
            "CIFAR stem: part of all weights whose gradient is exactly 0",
        ),
    ),
]
