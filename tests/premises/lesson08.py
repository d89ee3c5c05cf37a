"""What the claims of lesson 08 rest on."""

import contextlib
from dataclasses import replace
from functools import partial

import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.utils import checkpoint

from premises.core import Premise
from premises.patches import always_with, answer_with, changed, convolution_off_by_one_percent, swap, together, wrap
from resnet_edu import models, probes
from resnet_edu.exercises.lesson_08 import Bottleneck


class NotNarrowed(Bottleneck):
    """Its 3 x 3 convolution works on 4 * channels, so nothing is saved."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__(in_channels, channels, stride)
        wide = 4 * channels
        self.conv1, self.bn1 = nn.Conv2d(in_channels, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.conv3 = nn.Conv2d(wide, wide, 1, bias=False)


class Louder(Bottleneck):
    """Right in eval mode, and not in train mode."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * (2 if self.training else 1)


always = partial(always_with, models.ResNet, "__init__")
blocks_always = partial(always_with, models.ResNetBlock, "__init__")

#: No net is wider than this, so that a premise costs little.
narrow = wrap(
    models.ResNet,
    "__init__",
    lambda original: lambda self, blocks, **asked: original(self, blocks, **{"width": 8, **asked}),
)


#: To 64 x 64 at most: a batch of one in train mode needs more than one pixel in the last stage.
hardly_enlarged = wrap(F, "interpolate", lambda original: lambda x, *_, **__: original(x, size=(64, 64)))


@partial(changed, probes, "layer_groups")
def parameters_and_memory_exchanged(rows: list[probes.Layer]) -> list[probes.Layer]:
    return [replace(row, parameters=row.out_bytes, out_bytes=row.parameters) for row in rows]


their_nets_load_nothing = swap(torchvision.models.ResNet, "load_state_dict", lambda self, state: None)
last_relu_leaks = wrap(
    models.ResNetBlock, "forward", lambda original: lambda self, x: original(self, x) + 1e-3 * x.mean()
)
twice_as_large_in_train_mode = wrap(
    models.ResNet, "forward", lambda original: lambda self, x: original(self, x) * (2 if self.training else 1)
)
autograd_keeps_nothing = swap(
    torch.autograd.graph, "saved_tensors_hooks", lambda pack, unpack: contextlib.nullcontext()
)
nothing_is_checkpointed = swap(checkpoint, "checkpoint", lambda block, x, **_: block(x))
checkpoints_are_one_percent_off = swap(checkpoint, "checkpoint", lambda block, x, **_: 1.01 * block(x))


PREMISES = [
    Premise("the photograph is hardly enlarged", together(hardly_enlarged, narrow), "stages-run"),
    Premise(
        "the exercise counts weights",
        together(answer_with(multiply_adds=lambda i, o, kernel, size, stride, padding: i * o * kernel**2), narrow),
        "multiply_adds-run",
    ),
    Premise("there are only basic blocks", always(block="basic"), "family-run"),
    Premise("convolutions are off by one percent", convolution_off_by_one_percent, "pixel-run"),
    Premise("the bottleneck is not narrow", answer_with(Bottleneck=NotNarrowed), "cost-run"),
    Premise(
        "the stride is always on the 3 x 3",
        together(blocks_always(stride_on="3x3"), narrow),
        "version-run: ResNet-50 v1",
        "version-run: v1: fraction",
        "version-trap-run",
    ),
    Premise("the stride is always on the first 1 x 1", blocks_always(stride_on="1x1"), "version-run: v1.5"),
    Premise(
        "nothing is loaded into the block",
        answer_with(load_torchvision=lambda block, state: None),
        "parity-block: Eval mode",
    ),
    Premise("your block does something else in train mode", answer_with(Bottleneck=Louder), "parity-block: Train mode"),
    Premise("our nets are narrower", always(width=32), "parity-keys"),
    Premise(
        "our blocks add a little, and torchvision's nets load nothing",
        together(last_relu_leaks, their_nets_load_nothing, twice_as_large_in_train_mode),
        "parity-nets",
    ),
    Premise("every net has bottlenecks", together(always(block="bottleneck"), narrow), "head-run: inputs, ResNet-18"),
    Premise("no net has bottlenecks", always(block="basic", width=64), "head-run: inputs, ResNet-50"),
    Premise(
        "parameters and memory are exchanged, and the nets are narrow",
        together(parameters_and_memory_exchanged, narrow),
        "memory-run: Fraction",
    ),
    Premise("autograd keeps nothing", together(autograd_keeps_nothing, narrow), "memory-run: Batch of 32"),
    Premise(
        "nothing is checkpointed",
        together(nothing_is_checkpointed, narrow),
        "checkpoint-run: Memory",
        "checkpoint-run: Updates",
    ),
    Premise(
        "checkpoints are one percent off", together(checkpoints_are_one_percent_off, narrow), "checkpoint-run: Largest"
    ),
    Premise(
        "every stem is the CIFAR stem",
        together(always(stem="cifar"), hardly_enlarged, narrow),
        "stem-run: ImageNet",
        "train-run: Multiply-adds",
    ),
    Premise("every stem is the CIFAR stem, trained", always(stem="cifar"), "train-run: Training", budget="laptop"),
    Premise("every stem is the ImageNet stem", together(always(stem="imagenet"), narrow), "stem-run: CIFAR"),
]
