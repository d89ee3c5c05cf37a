"""Plain and residual convolutional networks as one class with a switch.

`CifarNet` is the network of He et al. 2015 for 32 x 32 images: 6n + 2 layers with weights, n blocks in each of three
stages. Its two forms differ by one argument and have equally many parameters:

    part      output          convolutions        depth     n    parameters
    stem      16 x 32 x 32     1                     20     3       269,722
    stage1    16 x 32 x 32    2n                     32     5       464,154
    stage2    32 x 16 x 16    2n                     44     7       658,586
    stage3    64 x  8 x  8    2n                     56     9       853,018
    head      64              the mean over 8 x 8   110    18     1,727,962
    fc        10              one linear layer     1202   200    19,421,274

Sources: He et al. 2015, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), section 4.2 for the layout
and sections 3.3 and 4.1 for the shortcuts; He et al. 2016, "Identity Mappings in Deep Residual Networks" (arXiv
1603.05027) for pre-activation; Huang et al. 2016 (arXiv 1603.09382) for stochastic depth; Wu & He 2018 (arXiv
1803.08494) for group and layer norm.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu import checks

#: To add one, give its largest derivative in `STEEPEST` of probes/health.py, too.
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}
BLOCKS = ("basic", "bottleneck")
SHORTCUTS = ("A", "B", "C")
NORMS = ("batch", "group", "layer", None)

#: Builds the branch F(x) of one block: `(in_channels, out_channels, stride) -> module`.
Branch = Callable[[int, int, int], nn.Module]


# --- layers -----------------------------------------------------------------------------------------------------------


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A 3 x 3 convolution with padding: [N, in, H, W] -> [N, out, H / stride, W / stride]."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=bias)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A 1 x 1 convolution, the same linear layer at every pixel: [N, in, H, W] -> [N, out, H / stride, W / stride]."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=bias)


def make_norm(norm: str | None, channels: int) -> nn.Module:
    """One of `NORMS`, [N, C, H, W] -> [N, C, H, W]: over the batch, channel groups, all channels, or none.

    "group" makes 8 groups, or as many of 8, 4, 2, 1 as divide the channels; "layer" is one group.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm is None:
        return nn.Identity()
    return nn.GroupNorm(math.gcd(8, channels) if norm == "group" else 1, channels)


# --- the branch F(x) --------------------------------------------------------------------------------------------------


def make_branch(
    block: str,
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    norm: str | None,
    activation: str,
    preactivation: bool,
) -> nn.Sequential:
    """F(x) of a block: convolutions with norms and activations.

    "basic": two 3 x 3 convolutions, the first of which has the stride.
    "bottleneck": 1 x 1 down to a quarter of the channels, 3 x 3 (with the stride), 1 x 1 back up.

    Original (2015): conv, norm, act, conv, norm; the last activation comes after the addition.
    Pre-activation (2016): norm, act, conv, norm, act, conv; nothing comes after the addition.
    """
    bias = norm is None  # BatchNorm subtracts the mean, so a bias before it would have no effect
    if block == "basic":
        convs = [conv3x3(in_channels, out_channels, stride, bias), conv3x3(out_channels, out_channels, bias=bias)]
    else:
        inner = out_channels // 4
        convs = [
            conv1x1(in_channels, inner, bias=bias),
            conv3x3(inner, inner, stride, bias),
            conv1x1(inner, out_channels, bias=bias),
        ]

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, conv in enumerate(convs, start=1):
        if preactivation:
            layers[f"norm{i}"] = make_norm(norm, conv.in_channels)
            layers[f"act{i}"] = ACTIVATIONS[activation]()
            layers[f"conv{i}"] = conv
        else:
            layers[f"conv{i}"] = conv
            layers[f"norm{i}"] = make_norm(norm, conv.out_channels)
            if i < len(convs):  # the block applies the last one, after the addition
                layers[f"act{i}"] = ACTIVATIONS[activation]()
    return nn.Sequential(layers)


# --- the shortcut -----------------------------------------------------------------------------------------------------


class PadShortcut(nn.Module):
    """Option A: x itself, or, where the shape changes, every second pixel of x padded with zero channels.

    It has no parameters, so a residual network has exactly as many as the plain one.
    [N, in, H, W] -> [N, out, H / stride, W / stride].
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.extra_channels, self.stride = out_channels - in_channels, stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.extra_channels))


def make_shortcut(
    option: str, in_channels: int, out_channels: int, stride: int, *, norm: str | None, preactivation: bool
) -> nn.Module:
    """The path around the branch (He et al. 2015, sections 3.3 and 4.1).

    A: identity, zero-padded where channels increase. B: identity, or a 1 x 1 projection where the shape changes.
    C: a projection everywhere.
    """
    same_shape = stride == 1 and in_channels == out_channels
    if same_shape and option != "C":
        return nn.Identity()
    if option == "A":
        return PadShortcut(in_channels, out_channels, stride)
    layers: OrderedDict[str, nn.Module] = OrderedDict(conv=conv1x1(in_channels, out_channels, stride, norm is None))
    if not preactivation:  # else x is projected without a norm (1603.05027, appendix: after norm and activation)
        layers["norm"] = make_norm(norm, out_channels)
    return nn.Sequential(layers)


# --- the block and the network ----------------------------------------------------------------------------------------


class Block(nn.Module):
    """y = activation(F(x) + a x), or y = activation(F(x)) in a plain network.

    `branch` is F; `shortcut` is None in a plain block; `scale` is a, which is 1 except in experiments;
    `drop_prob` is for stochastic depth: during training, F is dropped for a random fraction of the images.
    """

    def __init__(
        self, branch: nn.Module, shortcut: nn.Module | None, activation: nn.Module, scale: float, drop_prob: float
    ) -> None:
        super().__init__()
        self.branch, self.shortcut, self.activation = checks.module("Block", branch), shortcut, activation
        self.scale, self.drop_prob = scale, drop_prob

    def forward(self, x: Tensor) -> Tensor:  # [N, in, H, W] -> [N, out, H / stride, W / stride]
        out = self.branch(x)
        if self.training and self.drop_prob > 0:
            survival = 1.0 - self.drop_prob
            # One factor per image, 0 or 1 / survival, so that the expected value equals the one in eval mode.
            out = out * (out.new_empty(len(out), 1, 1, 1).bernoulli_(survival) / survival)
        if self.shortcut is not None:
            skip = self.shortcut(x)
            if out.shape != skip.shape:  # else they might broadcast silently, and a different network would train
                raise ValueError(
                    f"The branch F(x) has the shape {list(out.shape)}, the shortcut {list(skip.shape)}: "
                    "they are added, so their shapes must be equal."
                )
            out = out + (skip if self.scale == 1 else self.scale * skip)
        return self.activation(out)


class CifarNet(nn.Module):
    """The CIFAR network of He et al. 2015, section 4.2, plain or residual.

    A 3 x 3 stem, three stages of n blocks with `width`, 2 `width` and 4 `width` channels (times 4 for bottlenecks) at
    full, half and quarter size, global average pooling, one linear layer.
    Takes float images [N, in_channels, H, W], returns logits [N, num_classes].

    depth: layers with weights, 6n + 2 for basic blocks, 9n + 2 for bottlenecks.
    residual: True adds the shortcut around every block; False keeps the same layers without it.
    width: channels of the first stage.
    block: "basic", "bottleneck", or a callable `(in_channels, out_channels, stride) -> module` that builds the branch
        F; the network adds the shortcut (if residual) and applies the activation. Its depth is 6n + 2.
    preactivation: norm and activation before each convolution (He et al. 2016) and none after the addition. (The
        first block's shortcut takes the output of the stem's convolution; the paper's takes it after the activation.)
    shortcut: "A", "B" or "C", see `make_shortcut`. Only A adds no parameters to those of the plain network.
    norm: "batch", "group" or "layer" (see `make_norm`), or None; without a norm the convolutions have biases.
    activation: one of `ACTIVATIONS`.
    init: "he" (He et al. 2015, arXiv 1502.01852, fan-in), "xavier", "default" (PyTorch's own), or a callable that
        fills a weight tensor in place, such as `torch.nn.init.orthogonal_`. All but "default" set biases to zero.
    skip_scale: the a in F(x) + a x.
    zero_init_residual: start with F = 0, by zeroing the scale of F's last norm, or its last convolution if F does not
        end in a norm.
    stochastic_depth_prob: probability of dropping the last block's branch; it grows linearly over the blocks.

    Raises ValueError or TypeError listing the possible values.
    """

    def __init__(
        self,
        depth: int,
        *,
        residual: bool,
        width: int = 16,
        block: str | Branch = "basic",
        preactivation: bool = False,
        shortcut: str = "A",
        norm: str | None = "batch",
        activation: str = "relu",
        init: str | Callable[[Tensor], object] = "he",
        skip_scale: float = 1.0,
        zero_init_residual: bool = False,
        stochastic_depth_prob: float = 0.0,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        checks.flag("residual", residual)
        checks.flag("preactivation", preactivation)
        width = checks.whole("width", width, at_least=1)
        checks.choice("shortcut", shortcut, SHORTCUTS)
        checks.choice("norm", norm, NORMS)
        act = ACTIVATIONS[checks.choice("activation", activation, ACTIVATIONS)]
        scale = checks.number("skip_scale", skip_scale)
        checks.flag("zero_init_residual", zero_init_residual)
        drop_prob = checks.number("stochastic_depth_prob", stochastic_depth_prob, at_least=0, below=1)
        num_classes = checks.whole("num_classes", num_classes, at_least=1)
        in_channels = checks.whole("in_channels", in_channels, at_least=1)
        if not residual and (scale != 1 or zero_init_residual or drop_prob):
            raise ValueError(
                "skip_scale, zero_init_residual and stochastic_depth_prob need the shortcut: a plain block without its "
                "branch passes nothing on. Give residual=True, or leave them at their defaults."
            )
        if callable(block):
            make_f = block
        else:
            checks.choice("block", block, BLOCKS, "a callable that builds the branch")
            make_f = partial(make_branch, block, norm=norm, activation=activation, preactivation=preactivation)
        make_path = partial(make_shortcut, shortcut, norm=norm, preactivation=preactivation)
        expansion, convs_per_block = (4, 3) if block == "bottleneck" else (1, 2)
        n = _blocks_per_stage(depth, convs_per_block)
        self.depth, self.residual, self.in_channels = depth, residual, in_channels

        self.stem = nn.Sequential(OrderedDict(conv=conv3x3(in_channels, width, bias=norm is None)))
        if not preactivation:  # else the first block starts with them
            self.stem.add_module("norm", make_norm(norm, width))
            self.stem.add_module("act", act())

        blocks, channels = [], width
        for i in range(3 * n):
            stage = i // n
            out_channels = expansion * width * 2**stage
            stride = 2 if stage > 0 and i % n == 0 else 1
            path = make_path(channels, out_channels, stride) if residual else None
            f = make_f(channels, out_channels, stride)
            last = nn.Identity() if preactivation else act()
            blocks.append(Block(f, path, last, scale, drop_prob * (i + 1) / (3 * n)))
            channels = out_channels
        self.stage1, self.stage2, self.stage3 = (nn.Sequential(*blocks[k * n : (k + 1) * n]) for k in range(3))

        self.head = nn.Sequential(OrderedDict())
        if preactivation:
            self.head.add_module("norm", make_norm(norm, channels))
            self.head.add_module("act", act())
        self.fc = nn.Linear(channels, num_classes)

        initialize(self, init)
        if zero_init_residual:
            for module in blocks:
                _zero_last_weight(module.branch)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # [N, width, H, W]
        x = self.stage1(x)  # [N, width, H, W]
        x = self.stage2(x)  # [N, 2 width, H / 2, W / 2]
        x = self.stage3(x)  # [N, 4 width, H / 4, W / 4]
        x = self.head(x).mean((2, 3))  # global average pooling: [N, 4 width]
        return self.fc(x)  # [N, num_classes]


# --- helpers ----------------------------------------------------------------------------------------------------------


def initialize(module: nn.Module, init: str | Callable[[Tensor], object]) -> None:
    """Fill each layer's `weight` of two or more dimensions in place; zero its `bias` ("default": change nothing).

    Parameters with other names keep PyTorch's initialization, such as attention's `in_proj_weight` and those of an
    LSTM. "he" samples from N(0, 2 / fan_in) (arXiv 1502.01852, eq. 10), "xavier" from N(0, 2 / (fan_in + fan_out)).
    """
    checks.module("initialize", module)
    if not callable(init):
        checks.choice("init", init, ("he", "xavier", "default"), "a callable that fills a weight tensor")
    if init == "default":
        return
    for layer in module.modules():
        weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
        if not isinstance(weight, Tensor) or weight.ndim < 2:
            continue
        if callable(init):
            with torch.no_grad():
                init(weight)
        elif init == "he":
            nn.init.kaiming_normal_(weight, mode="fan_in", nonlinearity="relu")
        else:
            nn.init.xavier_normal_(weight)
        if isinstance(bias, Tensor):
            nn.init.zeros_(bias)


def count_parameters(module: nn.Module) -> int:
    """The number of trainable parameters of `module`; a shared tensor counts once."""
    return sum(p.numel() for p in checks.module("count_parameters", module).parameters() if p.requires_grad)


def _blocks_per_stage(depth: int, convs_per_block: int) -> int:
    """Solve depth = 3 stages x n blocks x convolutions + stem + classifier for n."""
    step = 3 * convs_per_block
    depth = checks.whole("depth", depth, at_least=step + 2)
    n, over = divmod(depth - 2, step)
    if over:
        nearest = f"{depth - over} and {depth - over + step}"
        raise ValueError(
            f"depth={depth}: this network has {step}n + 2 layers; the nearest possible depths are {nearest}."
        )
    return n


def _zero_last_weight(branch: nn.Module) -> None:
    layers = [layer for layer in branch.modules() if isinstance(getattr(layer, "weight", None), Tensor)]
    if not layers:
        raise ValueError(f"zero_init_residual: the branch {type(branch).__name__} has no weight to set to 0.")
    for parameter in layers[-1].parameters(recurse=False):
        nn.init.zeros_(parameter)
