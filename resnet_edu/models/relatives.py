"""The relatives of the residual block: one skeleton, one parameter budget, and eleven blocks to plug in.

    >>> from resnet_edu import models
    >>> from resnet_edu.models import relatives
    >>> plain = relatives.Skeleton(relatives.Plain)
    >>> dense = relatives.Skeleton(relatives.Dense)
    >>> models.count_parameters(plain), models.count_parameters(dense)
    (71130, 73902)

A block is a class `Block(channels, hidden)`: it takes the stream [N, channels, H, W] and returns it updated, at the
same spatial size. `hidden` is its width inside; the skeleton chooses it so that all blocks have about the same number
of parameters.

Start each block with its `forward`, which says what the block does with x. The blocks are the papers' ideas scaled down
to a lesson, not copies of their networks: width, depth and recipe come from the skeleton. Each block's docstring says
what it leaves out.
"""

import inspect
import textwrap
from bisect import bisect_left
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu.models import conv1x1, conv3x3, count_parameters

#: Makes one block: `(channels, hidden) -> module` that maps [N, channels, H, W] to [N, its out_channels, H, W].
MakeBlock = Callable[[int, int], nn.Module]


def norm_relu(channels: int) -> tuple[nn.Module, nn.Module]:
    """The two layers that follow most convolutions, or precede them."""
    return nn.BatchNorm2d(channels), nn.ReLU()


def in_original_order(*convs: nn.Conv2d) -> nn.Sequential:
    """Norm and ReLU after each convolution; after the last one only the norm."""
    layers = [layer for conv in convs for layer in (conv, *norm_relu(conv.out_channels))]
    return nn.Sequential(*layers[:-1])


def preactivated(*convs: nn.Conv2d) -> nn.Sequential:
    """Norm and ReLU before each convolution."""
    return nn.Sequential(*(layer for conv in convs for layer in (*norm_relu(conv.in_channels), conv)))


# --- what they do with x ----------------------------------------------------------------------------------------------


class Plain(nn.Module):
    """y = relu(F(x)): two 3 x 3 convolutions, and no shortcut.

    Not built from `models.Block`: each relative has its own hidden width and a self-contained `forward`.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.branch = in_original_order(conv3x3(channels, hidden), conv3x3(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x))


class Residual(Plain):
    """y = relu(x + F(x)): He et al. 2015 (arXiv 1512.03385)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.branch(x))


class PreActivation(nn.Module):
    """y = x + F(x), with norm and ReLU before each convolution: He et al. 2016 (arXiv 1603.05027)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.branch = preactivated(conv3x3(channels, hidden), conv3x3(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class Highway(Plain):
    """y = T(x) relu(F(x)) + (1 - T(x)) x: Srivastava et al. 2015 (arXiv 1505.00387).

    The gate T, one number from 0 to 1 per element of the stream, is learned; its bias starts below 0, so that most
    of x passes through. The paper's layers have no BatchNorm; here the branch has it.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__(channels, hidden)
        self.gate = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        nn.init.constant_(self.gate.bias, -2.0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        t = torch.sigmoid(self.gate(x))
        return t * F.relu(self.branch(x)) + (1 - t) * x


class Dense(nn.Module):
    """y = [x, F(x)]: Huang et al. 2017 (arXiv 1608.06993), with a bottleneck. The stream grows by `hidden` channels.

    The skeleton's transition between stages brings it back to the common width.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.out_channels = channels + hidden
        self.branch = preactivated(conv1x1(channels, 4 * hidden), conv3x3(4 * hidden, hidden))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.branch(x)], dim=1)


# --- what F is --------------------------------------------------------------------------------------------------------


class ResNeXt(nn.Module):
    """y = relu(x + F(x)), F a bottleneck whose 3 x 3 convolution has 8 groups: Xie et al. 2017 (arXiv 1611.05431)."""

    groups = 8
    step = groups  # hidden must be a multiple of this

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.branch = in_original_order(
            conv1x1(channels, hidden),
            nn.Conv2d(hidden, hidden, kernel_size=3, padding=1, groups=self.groups, bias=False),
            conv1x1(hidden, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.branch(x))


class ChannelGate(nn.Sequential):
    """One factor from 0 to 1 for each channel, from the means of all channels: [N, C, H, W] -> [N, C, 1, 1].

    Squeeze (the mean over all positions), excite (two linear layers, here as 1 x 1 convolutions, with a quarter of the
    channels between them): Hu et al. 2018 (arXiv 1709.01507).
    """

    def __init__(self, channels: int, gate: nn.Module | None = None) -> None:
        squeezed = max(1, channels // 4)
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(squeezed, channels, kernel_size=1),
            gate or nn.Sigmoid(),
        )


class SqueezeExcitation(Plain):
    """y = relu(x + s(F(x)) F(x)): the residual block, with a factor s for each channel of F."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__(channels, hidden)
        self.gate = ChannelGate(channels)

    def forward(self, x: Tensor) -> Tensor:
        f = self.branch(x)
        return F.relu(x + self.gate(f) * f)


def depthwise(channels: int, kernel: int) -> nn.Conv2d:
    """A depthwise convolution: each output channel sees only its own input channel. The size stays."""
    return nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)


class Xception(nn.Module):
    """y = x + F(x), F of separable convolutions: Chollet 2017 (arXiv 1610.02357).

    A separable convolution is a depthwise one (3 x 3, each channel separately) followed by a 1 x 1 (each position
    separately). The paper's block has three of them and no other width inside.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.ReLU(),
            depthwise(channels, 3),
            conv1x1(channels, hidden),
            *norm_relu(hidden),
            depthwise(hidden, 3),
            conv1x1(hidden, channels),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class MobileNetV3(nn.Module):
    """y = x + F(x), F an inverted residual: Howard et al. 2019 (arXiv 1905.02244).

    1 x 1 up, depthwise 3 x 3, squeeze and excite, 1 x 1 down. It is wide inside, where a bottleneck is narrow, and
    only a norm follows the last convolution.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Sequential(conv1x1(channels, hidden), nn.BatchNorm2d(hidden), nn.Hardswish())
        self.spatial = nn.Sequential(depthwise(hidden, 3), nn.BatchNorm2d(hidden), nn.Hardswish())
        self.gate = ChannelGate(hidden, nn.Hardsigmoid())
        self.project = nn.Sequential(conv1x1(hidden, channels), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        h = self.spatial(self.expand(x))
        return x + self.project(self.gate(h) * h)


# --- from convolution to attention ------------------------------------------------------------------------------------


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels at each position: [N, C, H, W] -> [N, C, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """y = x + scale F(x), F: depthwise 7 x 7, LayerNorm, 1 x 1 up, GELU, 1 x 1 down: Liu et al. 2022 (2201.03545).

    `scale`, one number per channel, is learned and starts at 1e-6: the block starts as almost the identity.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            depthwise(channels, 7),
            ChannelNorm(channels),
            conv1x1(channels, hidden),
            nn.GELU(),
            conv1x1(hidden, channels),
        )
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.branch(x)


class Transformer(nn.Module):
    """y = x + attention(x), then y + mlp(y): Vaswani et al. 2017 (arXiv 1706.03762), with pre-norm.

    Each position of the map, which sees a patch of the image, is a token, as in Dosovitskiy et al. 2021 (2010.11929).
    There is no position embedding: only the skeleton's convolutions know which positions are neighbors.
    """

    heads = 2

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, self.heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)  # [N, H W, channels]
        n = self.norm1(tokens)
        tokens = tokens + self.attention(n, n, n, need_weights=False)[0]
        tokens = tokens + self.mlp(self.norm2(tokens))
        return tokens.transpose(1, 2).reshape(x.shape)


BLOCKS: dict[str, type[nn.Module]] = {
    "plain": Plain,
    "residual": Residual,
    "pre-activation": PreActivation,
    "Highway": Highway,
    "DenseNet": Dense,
    "ResNeXt": ResNeXt,
    "squeeze-excite": SqueezeExcitation,
    "Xception": Xception,
    "MobileNetV3": MobileNetV3,
    "ConvNeXt": ConvNeXt,
    "transformer": Transformer,
}


def forward_lines(block: type[nn.Module]) -> str:
    """The source of a block's `forward` without its signature: what the block does with x."""
    return textwrap.dedent(inspect.getsource(block.forward).split("\n", 1)[1]).rstrip()


# --- the skeleton -----------------------------------------------------------------------------------------------------


class Skeleton(nn.Module):
    """A stem, two stages of `blocks` blocks, a classifier: everything except the block, which you pass in.

    Takes float images [N, in_channels, H, W] with sides of at least 3, returns logits [N, num_classes]. The stem halves
    the sides; the transition between the stages halves them again and doubles the channels, so that a block never has
    to change the shape of the stream.

    block: `(channels, hidden) -> module`, such as `relatives.Residual`. A block that changes the number of channels
        states it in `.out_channels`.
    hidden: the width inside the blocks of each stage. By default, the one that gives a stage as many parameters as
        the same stage of a plain network with hidden = channels.
    """

    def __init__(
        self,
        block: MakeBlock,
        *,
        width: int = 16,
        blocks: int = 3,
        hidden: tuple[int, int] | None = None,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.hidden = hidden or (matched(block, width, blocks), matched(block, 2 * width, blocks))
        self.stem = nn.Sequential(conv3x3(in_channels, width, stride=2), *norm_relu(width))
        self.stage1, grown = _stage(block, width, blocks, self.hidden[0])
        self.transition = nn.Sequential(nn.AvgPool2d(2), conv1x1(grown, 2 * width), *norm_relu(2 * width))
        self.stage2, grown = _stage(block, 2 * width, blocks, self.hidden[1])
        self.head = nn.Sequential(*norm_relu(grown))
        self.fc = nn.Linear(grown, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # [N, width, H / 2, W / 2]
        x = self.stage1(x)
        x = self.transition(x)  # [N, 2 width, H / 4, W / 4]
        x = self.stage2(x)
        return self.fc(self.head(x).mean((2, 3)))


def _stage(block: MakeBlock, channels: int, blocks: int, hidden: int) -> tuple[nn.Sequential, int]:
    """`blocks` blocks one after the other, and the number of output channels of the last one."""
    layers = []
    for _ in range(blocks):
        layers.append(block(channels, hidden))
        channels = getattr(layers[-1], "out_channels", channels)
    return nn.Sequential(*layers), channels


@cache
def matched(block: MakeBlock, channels: int, blocks: int) -> int:
    """The `hidden` with which a stage of these blocks has the number of parameters closest to that of a plain one."""

    def parameters(block: MakeBlock, hidden: int) -> int:
        with torch.device("meta"):  # no memory is allocated, so it takes no time
            return count_parameters(_stage(block, channels, blocks, hidden)[0])

    budget, step = parameters(Plain, channels), getattr(block, "step", 1)
    widths = range(step, 32 * channels + 1, step)
    at = bisect_left(widths, budget, key=lambda hidden: parameters(block, hidden))  # the first that reaches the budget
    return min(widths[max(0, at - 1) : at + 1], key=lambda hidden: abs(parameters(block, hidden) - budget))
