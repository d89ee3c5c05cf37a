"""Plain and residual convolutional nets as one class with a switch.

`CifarNet` is the net of He et al. 2015 for 32 x 32 images. Its two forms differ by one word:

    >>> from resnet_edu import models
    >>> plain = models.CifarNet(20, residual=False)
    >>> resid = models.CifarNet(20, residual=True)
    >>> models.count_parameters(plain), models.count_parameters(resid)
    (269722, 269722)

Read it from the top: two layers with the padding spelled out, the branch F(x) in its two forms (basic and
bottleneck), the shortcut in its three (A, B, C), the block that adds them, and the net that stacks the blocks.

Sources: He et al. 2015, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385), section 4.2 for the layout
and sections 3.3 and 4.1 for the shortcuts; He et al. 2016, "Identity Mappings in Deep Residual Networks" (arXiv
1603.05027) for pre-activation; Huang et al. 2016 (arXiv 1603.09382) for stochastic depth.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from numbers import Integral, Real

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}
SHORTCUTS = ("A", "B", "C")
NORMS = ("batch", None)

#: Builds the branch F(x) of one block: `(in_channels, out_channels, stride) -> module`.
Branch = Callable[[int, int, int], nn.Module]


# --- layers -----------------------------------------------------------------------------------------------------------


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A 3 x 3 convolution whose padding keeps the size: [N, in, H, W] -> [N, out, H / stride, W / stride]."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=bias)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A 1 x 1 convolution, the same linear layer at every pixel: [N, in, H, W] -> [N, out, H / stride, W / stride]."""
    return nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=bias)


class LayerFactory:
    """Decides once, for a whole net, what stands around a convolution: its norm, its activation, their order."""

    def __init__(self, norm: str | None, activation: str, preactivation: bool) -> None:
        self.norm_name, self.activation_name, self.preactivation = norm, activation, preactivation
        self.bias = norm is None  # BatchNorm subtracts the mean, so a bias in front of it would do nothing

    def norm(self, channels: int) -> nn.Module:
        return nn.Identity() if self.norm_name is None else nn.BatchNorm2d(channels)

    def activation(self) -> nn.Module:
        return ACTIVATIONS[self.activation_name]()

    def branch(self, convs: list[nn.Conv2d]) -> nn.Sequential:
        """Convolutions with norms and activations between them.

        Original (2015): conv, norm, act, conv, norm; the last activation comes after the addition.
        Pre-activation (2016): norm, act, conv, norm, act, conv; nothing comes after the addition.
        """
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, conv in enumerate(convs, start=1):
            if self.preactivation:
                layers[f"norm{i}"] = self.norm(conv.in_channels)
                layers[f"act{i}"] = self.activation()
                layers[f"conv{i}"] = conv
            else:
                layers[f"conv{i}"] = conv
                layers[f"norm{i}"] = self.norm(conv.out_channels)
                layers[f"act{i}"] = self.activation()
        if not self.preactivation:
            del layers[f"act{len(convs)}"]  # the block applies it, after the addition
        return nn.Sequential(layers)


# --- the branch F(x) --------------------------------------------------------------------------------------------------


def basic_branch(make: LayerFactory) -> Branch:
    """Two 3 x 3 convolutions; the first one takes the stride."""

    def build(in_channels: int, out_channels: int, stride: int) -> nn.Module:
        return make.branch(
            [
                conv3x3(in_channels, out_channels, stride, bias=make.bias),
                conv3x3(out_channels, out_channels, bias=make.bias),
            ]
        )

    return build


def bottleneck_branch(make: LayerFactory) -> Branch:
    """1 x 1 down to a quarter of the channels, 3 x 3 (which takes the stride), 1 x 1 back up."""

    def build(in_channels: int, out_channels: int, stride: int) -> nn.Module:
        channels = out_channels // 4
        return make.branch(
            [
                conv1x1(in_channels, channels, bias=make.bias),
                conv3x3(channels, channels, stride, bias=make.bias),
                conv1x1(channels, out_channels, bias=make.bias),
            ]
        )

    return build


BRANCHES = {"basic": basic_branch, "bottleneck": bottleneck_branch}


# --- the shortcut -----------------------------------------------------------------------------------------------------


class PadShortcut(nn.Module):
    """Option A: x itself. Where the branch halves the size and adds channels, every second pixel and zero channels.

    It has no parameters, so a residual net has exactly as many as the plain one.
    [N, in, H, W] -> [N, out, H / stride, W / stride].
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.extra_channels, self.stride = out_channels - in_channels, stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.extra_channels))


def make_shortcut(option: str, in_channels: int, out_channels: int, stride: int, make: LayerFactory) -> nn.Module:
    """The path around the branch (He et al. 2015, sections 3.3 and 4.1).

    A: identity, padded with zeros where channels grow. B: identity, a 1 x 1 projection where the shape changes.
    C: a projection everywhere.
    """
    same_shape = stride == 1 and in_channels == out_channels
    if same_shape and option in "AB":
        return nn.Identity()
    if option == "A":
        return PadShortcut(in_channels, out_channels, stride)
    projection = conv1x1(in_channels, out_channels, stride, bias=make.bias)
    if make.preactivation:  # the bare x, projected (1603.05027, appendix, projects it after norm and activation)
        return nn.Sequential(OrderedDict(conv=projection))
    return nn.Sequential(OrderedDict(conv=projection, norm=make.norm(out_channels)))


# --- the block and the net --------------------------------------------------------------------------------------------


class Block(nn.Module):
    """y = activation(F(x) + a x), or y = activation(F(x)) in a plain net.

    `branch` is F; `shortcut` is None in a plain block; `scale` is a, 1 everywhere but in experiments;
    `drop_prob` is stochastic depth's: while training, F is left out for a random part of the images.
    """

    def __init__(
        self, branch: nn.Module, shortcut: nn.Module | None, activation: nn.Module, scale: float, drop_prob: float
    ) -> None:
        super().__init__()
        self.branch, self.shortcut, self.activation = branch, shortcut, activation
        self.scale, self.drop_prob = scale, drop_prob

    def forward(self, x: Tensor) -> Tensor:  # [N, in, H, W] -> [N, out, H / stride, W / stride]
        out = self.branch(x)
        if self.training and self.drop_prob > 0:
            out = out * self._survivors(out)
        if self.shortcut is not None:
            skip = self.shortcut(x)
            if out.shape != skip.shape:  # else they might broadcast, and the net would train as something else
                raise ValueError(
                    f"The branch F(x) has the shape {list(out.shape)}, the shortcut {list(skip.shape)}: "
                    "they are added, so they have to be the same."
                )
            out = out + (skip if self.scale == 1 else self.scale * skip)
        return self.activation(out)

    def _survivors(self, out: Tensor) -> Tensor:
        """One factor an image: 0 or 1 / survival, so that the expected value is the one used in eval mode."""
        survival = 1.0 - self.drop_prob
        return torch.empty(len(out), 1, 1, 1, dtype=out.dtype, device=out.device).bernoulli_(survival) / survival


class CifarNet(nn.Module):
    """The CIFAR net of He et al. 2015, section 4.2, plain or residual.

    A 3 x 3 stem, three stages of n blocks with `width`, 2 `width` and 4 `width` channels (times 4 for bottlenecks) at
    full, half and quarter size, global average pooling, one linear layer.
    Takes float images [N, in_channels, H, W], returns logits [N, num_classes].

    depth: layers with weights, 6n + 2 for basic blocks, 9n + 2 for bottlenecks.
    residual: True adds the shortcut around every block; False leaves the same layers without it.
    width: channels of the first stage.
    block: "basic", "bottleneck", or a callable `(in_channels, out_channels, stride) -> module` that builds the branch
        F; the net adds the shortcut (if residual) and applies the activation. Its depth counts 6n + 2.
    preactivation: norm and activation in front of each convolution (He et al. 2016) and none after the addition. (The
        shortcut of the first block takes what the stem's convolution gives; the paper's takes it after the activation.)
    shortcut: "A", "B" or "C", see `make_shortcut`. Only A leaves the number of parameters as in the plain net.
    norm: "batch", or None; without norm the convolutions have biases.
    activation: one of `ACTIVATIONS`.
    init: "he" (He et al. 2015, arXiv 1502.01852, fan-in), "xavier", "default" (PyTorch's own), or a callable that
        fills a weight tensor in place, such as `torch.nn.init.orthogonal_`. All but "default" set biases to zero.
    skip_scale: the a in F(x) + a x.
    zero_init_residual: start with F = 0: the last norm's scale, or where no norm is last, the last convolution, is 0.
    stochastic_depth_prob: probability of leaving out the last block's branch; earlier blocks' grow linearly up to it.

    Raises ValueError or TypeError with the possible values.
    """

    stage1: nn.Sequential
    stage2: nn.Sequential
    stage3: nn.Sequential

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
        for name, flag in (
            ("residual", residual),
            ("preactivation", preactivation),
            ("zero_init_residual", zero_init_residual),
        ):
            if not isinstance(flag, bool):
                raise TypeError(f"{name}={flag!r}: give True or False.")
        for name, number in (("width", width), ("num_classes", num_classes), ("in_channels", in_channels)):
            check_count(name, number)
        check_choice("shortcut", shortcut, SHORTCUTS)
        check_choice("norm", norm, NORMS)
        check_choice("activation", activation, ACTIVATIONS)
        if not callable(block):
            check_choice("block", block, BRANCHES, "or a callable that builds the branch")
        _check_number("skip_scale", skip_scale, -1e3, 1e3)
        _check_number("stochastic_depth_prob", stochastic_depth_prob, 0.0, 1.0)
        if stochastic_depth_prob == 1:
            raise ValueError("stochastic_depth_prob=1 would never run the last block: give 0 <= p < 1.")
        if not residual and (stochastic_depth_prob or zero_init_residual or skip_scale != 1):
            raise ValueError(
                "skip_scale, zero_init_residual and stochastic_depth_prob need the shortcut: a plain block without its "
                "branch passes nothing on. Give residual=True, or leave them at their defaults."
            )

        make = LayerFactory(norm, activation, preactivation)
        bottleneck = block == "bottleneck"
        blocks_per_stage = _blocks_per_stage(depth, convs_per_block=3 if bottleneck else 2)
        expansion = 4 if bottleneck else 1
        build = block if callable(block) else BRANCHES[block](make)

        self.depth, self.residual, self.in_channels = depth, residual, in_channels
        self.stem = nn.Sequential(OrderedDict(conv=conv3x3(in_channels, width, bias=make.bias)))
        if not preactivation:  # else the first block begins with them
            self.stem.add_module("norm", make.norm(width))
            self.stem.add_module("act", make.activation())

        channels, index, last = width, 0, 3 * blocks_per_stage
        for stage in range(3):
            out_channels = expansion * width * 2**stage
            layers = []
            for i in range(blocks_per_stage):
                stride = 2 if stage > 0 and i == 0 else 1
                index += 1
                path = make_shortcut(shortcut, channels, out_channels, stride, make) if residual else None
                layers.append(
                    Block(
                        _branch(build, channels, out_channels, stride),
                        path,
                        nn.Identity() if preactivation else make.activation(),
                        skip_scale,
                        stochastic_depth_prob * index / last,
                    )
                )
                channels = out_channels
            self.add_module(f"stage{stage + 1}", nn.Sequential(*layers))

        self.head = nn.Sequential(OrderedDict())
        if preactivation:
            self.head.add_module("norm", make.norm(channels))
            self.head.add_module("act", make.activation())
        self.fc = nn.Linear(channels, num_classes)

        initialize(self, init)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, Block):
                    _zero_last_weight(module.branch)

    def forward(self, x: Tensor) -> Tensor:
        check_input(x, self.in_channels, next(self.parameters(), None))
        x = self.stem(x)  # [N, width, H, W]
        x = self.stage1(x)  # [N, width, H, W]
        x = self.stage2(x)  # [N, 2 width, H / 2, W / 2]
        x = self.stage3(x)  # [N, 4 width, H / 4, W / 4]
        x = self.head(x).mean((2, 3))  # global average pooling: [N, 4 width]
        return self.fc(x)  # [N, num_classes]


# --- helpers ----------------------------------------------------------------------------------------------------------


def initialize(module: nn.Module, init: str | Callable[[Tensor], object]) -> None:
    """Fill each layer's `weight` of two or more dimensions in place; its `bias` becomes zero ("default": nothing).

    Parameters of other names keep PyTorch's own start, such as attention's `in_proj_weight` and those of an LSTM.
    "he" draws from N(0, 2 / fan_in) (arXiv 1502.01852, eq. 10), "xavier" from N(0, 2 / (fan_in + fan_out)).
    """
    _check_module(module)
    if not callable(init):
        check_choice("init", init, ("he", "xavier", "default"), "or a callable that fills a weight tensor")
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
    """The number of trainable numbers in `module`; a shared tensor counts once."""
    _check_module(module)
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def _blocks_per_stage(depth: int, convs_per_block: int) -> int:
    """n of depth = 3 stages x n blocks x convolutions + stem + classifier."""
    step = 3 * convs_per_block
    if not isinstance(depth, Integral) or isinstance(depth, bool):
        raise TypeError(f"depth={depth!r}: give a whole number, {step}n + 2.")
    if depth < step + 2 or (depth - 2) % step:
        below = max(1, (depth - 2) // step) * step + 2
        nearest = f"{below} or {below + step}" if depth > below else f"{below}"
        raise ValueError(f"depth={depth}: this net has {step}n + 2 layers; the nearest is {nearest}.")
    return (depth - 2) // step


def _branch(build: Branch, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    branch = build(in_channels, out_channels, stride)
    if not isinstance(branch, nn.Module):
        raise TypeError(
            f"block({in_channels}, {out_channels}, {stride}) returned {type(branch).__name__}: it has to return an "
            "nn.Module that maps [N, in_channels, H, W] to [N, out_channels, H / stride, W / stride]."
        )
    return branch


def _zero_last_weight(branch: nn.Module) -> None:
    layers = [layer for layer in branch.modules() if isinstance(getattr(layer, "weight", None), Tensor)]
    if not layers:
        raise ValueError(f"zero_init_residual: the branch {type(branch).__name__} has no weight that could start at 0.")
    for parameter in layers[-1].parameters(recurse=False):
        nn.init.zeros_(parameter)


def check_input(x: Tensor, channels: int, weight: Tensor | None, who: str = "CifarNet") -> None:
    expected = f"{who} takes float images [N, {channels}, H, W]"
    if not isinstance(x, Tensor):
        raise TypeError(f"{expected}; it was given {type(x).__name__}.")
    given = f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}"
    if x.ndim != 4 or x.shape[1] != channels or 0 in x.shape[2:] or not x.is_floating_point():
        raise ValueError(
            f"{expected}; it was given {given}. "
            "Images.batches() and data.normalize() make such batches from uint8 images."
        )
    if weight is None:  # a replica of DataParallel
        return
    if x.device != weight.device:
        raise ValueError(f"The images are on {x.device}, the net on {weight.device}: move one with .to(device).")
    if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
        raise ValueError(f"The images are {x.dtype}, the net's weights {weight.dtype}: convert one with .to(dtype).")


def _check_module(module: object) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(f"An nn.Module is needed; {type(module).__name__} was given.")


def check_choice(name: str, value: object, choices: object, also: str = "") -> None:
    possible = list(choices)  # type: ignore[call-overload]
    if not any(type(value) is type(choice) and value == choice for choice in possible):
        listed = ", ".join(repr(choice) for choice in possible)
        raise ValueError(f"{name}={value!r}: choose one of {listed}{', ' + also if also else ''}.")


def check_count(name: str, value: object) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: give a whole number of at least 1.")
    if value < 1:
        raise ValueError(f"{name}={value}: give at least 1.")


def _check_number(name: str, value: object, low: float, high: float) -> None:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: give a number from {low:g} to {high:g}.")
    if not low <= float(value) <= high:
        raise ValueError(f"{name}={value!r}: give a number from {low:g} to {high:g}.")
