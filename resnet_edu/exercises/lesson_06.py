"""The exercises of lesson 06: the addition, the shortcuts, the block."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu.exercises.writing import (
    Case,
    Exercise,
    Mistake,
    Once,
    built,
    call,
    called,
    gradients,
    gradients_of,
    integers,
    output,
    parameters,
    raises,
    same,
    shape,
)

# --- residual forward -------------------------------------------------------------------------------------------------


def residual_forward(x, branch):
    """x [N, C, H, W]; branch: a function of x that keeps its shape -> relu(F(x) + x)."""
    return F.relu(branch(x) + x)


def _zero(x: Tensor) -> Tensor:
    return 0 * x


def _minus_two(x: Tensor) -> Tensor:
    return -2 * x


_X = torch.tensor([1.0, -2.0])

RESIDUAL_FORWARD = Exercise(
    reference=residual_forward, difficulty=1, minutes=5,
    task="Give what a residual block gives: the ReLU of branch plus input.",
    cases=(
        call(_X, _zero, words="{name}(x, branch) with x = [1, -2] and branch(x) = 0"),
        call(_X, _minus_two, words="{name}(x, branch) with x = [1, -2] and branch(x) = -2 x"),
        call(integers(2, 3, 4, 5), Once(torch.tanh), words="{name}(x, torch.tanh) with x [2, 3, 4, 5]"),
        gradients(torch.tensor([1.0, 2.0, -3.0]), torch.tanh, words="{name}(x, torch.tanh) with x = [1, 2, -3]"),
    ),
    mistakes=(
        Mistake("branch-not-called", "branch is a function, and you use it without calling it.",
                symptom=raises(TypeError, "function", call(_X, _zero).run)),
        Mistake("skip-forgotten", "You do not add x: this is a plain block.", patch=("branch(x) + x", "branch(x)")),
        Mistake("skip-twice", "You add x twice.", patch=("branch(x) +", "branch(x) + x +")),
        Mistake("no-relu", "After the addition a ReLU is missing.", patch=("F.relu", "")),
        Mistake("relu-before-addition", "Your ReLU comes before the addition, so negative numbers of x pass.",
                patch=("branch(x) + x)", "branch(x)) + x")),
        Mistake("relu-on-both", "You take the ReLU of each part and then add; it belongs behind the sum.",
                patch=("branch(x) + x", "branch(x)) + F.relu(x")),
        Mistake("branch-of-the-sum", "x is added to what the branch gives, not to what it takes.",
                patch=("branch(x) + x", "branch(x + x)")),
        Mistake("subtracts", "x is added, not taken away.", patch=("branch(x) +", "branch(x) -")),
        Mistake("multiplies", "Branch and input are added, not multiplied.", patch=("branch(x) +", "branch(x) *")),
        Mistake("branch-forgotten", "The branch changes nothing in your answer.", lambda x, branch: F.relu(x)),
        Mistake("relu-into-the-branch", "You take the ReLU of x before you use it: the block works on x as it comes.",
                lambda x, branch: residual_forward(F.relu(x), branch)),
    ),
    hints=(
        "Two things are added: what the branch makes of x, and x itself. What happens to the sum?",
        "`branch` is a function: `branch(x)` is F(x). `F.relu` takes the sum as its one argument.",
        "In one line: return F.relu( ... + ... )",
    ),
)  # fmt: skip


# --- the shortcut without parameters ----------------------------------------------------------------------------------


def pad_shortcut(x, out_channels, stride):
    """x [N, C, H, W] -> [N, out_channels, H / stride, W / stride], sides rounded up."""
    x = x[:, :, ::stride, ::stride]
    zeros = x.new_zeros(x.shape[0], out_channels - x.shape[1], x.shape[2], x.shape[3])
    return torch.cat([x, zeros], dim=1)


def _image(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows)[None, None]


def _channels(*numbers: float) -> Tensor:
    return torch.tensor(numbers).reshape(1, -1, 1, 1)


_TWO = _channels(3.0, 4.0)
_SQUARE = _image([[1.0, 5.0], [7.0, 3.0]])
_DOUBLED = (call(_TWO, 4, 1, words="{name}(x, 4, 1) with x [1, 2, 1, 1] = 3, 4"),)
_PIXELS = (call(integers(1, 1, 4, 6), 1, 2),)


def _strides_the_channels(answer: Any) -> bool:
    """On channels and rows, or images and channels; the missing channels are counted before or after that."""
    x = integers(2, 2, 4, 4, seed=1)
    kept = [F.pad(part, (0,) * 5 + (extra,)) for part in (x[:, ::2, ::2], x[::2, ::2]) for extra in (2, 3)]
    result = answer(x, 4, 2)
    return any(same(result, one) for one in kept)


PAD_SHORTCUT = Exercise(
    reference=pad_shortcut, difficulty=2, minutes=10,
    task="Write option A, the shortcut without parameters: keep every stride-th pixel of each row and column, "
         "beginning with the first, and append channels of zeros behind those of x until there are out_channels.",
    cases=(
        *_DOUBLED, call(_TWO, 2, 1, words="{name}(x, 2, 1) with x [1, 2, 1, 1] = 3, 4"),
        call(_channels(1.0, 2.0, 5.0), 9, 1, words="{name}(x, 9, 1) with x [1, 3, 1, 1] = 1, 2, 5"),
        call(_SQUARE, 1, 2, words="{name}(x, 1, 2) with x [1, 1, 2, 2] = 1, 5 above 7, 3"), *_PIXELS,
        call(_SQUARE, 1, 1, words="{name}(x, 1, 1) with x [1, 1, 2, 2] = 1, 5 above 7, 3"),
        call(integers(1, 1, 7, 10), 1, 3), call(integers(1, 1, 5, 7), 1, 2), call(integers(2, 2, 4, 4, seed=1), 4, 2),
        call(integers(2, 4, 6, 4, seed=2), 8, 2), call(integers(3, 2, 5, 6, seed=3), 6, 2),
        gradients(integers(2, 2, 4, 4), 4, 2),
    ),
    mistakes=(
        Mistake("zeros-in-front", "Your zeros stand in front of the channels of x. They belong behind them.",
                patch=("[x, zeros]", "[zeros, x]")),
        Mistake("zeros-on-both-sides", "One half of your zeros stands in front of the channels of x. All of them "
                "belong behind.", patch=("[x, zeros]", "[zeros[:, ::2], x, zeros[:, 1::2]]"), on=_DOUBLED),
        Mistake("zeros-between", "Your zeros stand between the channels of x. They belong behind them.",
                lambda x, *_: torch.stack([x, 0 * x], 2).flatten(1, 2), on=_DOUBLED),
        Mistake("copies-for-zeros", "Your new channels hold x once more. They have to be zero.",
                patch=("[x, zeros]", "[x, x]"), on=_DOUBLED),
        Mistake("ones-for-zeros", "Your new channels hold ones. They have to be zero.",
                patch=("new_zeros", "new_ones")),
        Mistake("zeros-for-all", "Of x nothing is left: the first channels of the result are those of x.",
                patch=("[x, zeros]", "[0 * x, zeros]")),
        Mistake("no-new-channels", "You add no channels: the result has to have out_channels of them.",
                patch=("[x, zeros]", "[x]")),
        Mistake("doubles-the-channels", "You always double the channels. How many are missing to out_channels?",
                patch=("out_channels - ", "")),
        Mistake("adds-out-channels", "You add out_channels to those that are there. How many are missing?",
                patch=(" - x.shape[1]", "")),
        Mistake("pads-on-both-sides-in-full", "You add the missing channels twice: in front of those of x, and behind "
                "them.", patch=("[x, zeros]", "[zeros, x, zeros]")),
        Mistake("pads-columns", "Your zeros are new columns. F.pad begins with the last dimension, two numbers each.",
                patch=("torch.cat([x, zeros], dim=1)", "F.pad(x, (0, zeros.shape[1]))")),
        Mistake("pads-rows", "Your zeros are new rows. F.pad begins with the last dimension, two numbers each.",
                patch=("torch.cat([x, zeros], dim=1)", "F.pad(x, (0, 0, 0, zeros.shape[1]))")),
        Mistake("pads-images", "Your zeros are new images. F.pad begins with the last dimension, two numbers each.",
                patch=("torch.cat([x, zeros], dim=1)", "F.pad(x, (0,) * 7 + (zeros.shape[1],))")),
        Mistake("appends-images", "torch.cat appends along the first dimension, the images, unless you name another.",
                patch=("dim=1", "dim=0"), on=_DOUBLED),
        Mistake("no-stride", "You keep all pixels: the shortcut has to shrink as the branch does.",
                patch=("[:, :, ::stride, ::stride]", "")),
        Mistake("stride-always-two", "You always take every second pixel. The stride says which.",
                patch=("::stride, ::stride", "::2, ::2")),
        Mistake("stride-on-rows-only", "You leave out rows, and no columns.", patch=(", ::stride]", "]")),
        Mistake("stride-on-columns-only", "You leave out columns, and no rows.",
                patch=("::stride, ::stride", ":, ::stride")),
        Mistake("starts-late", "Your first pixel is not the first of x: a convolution with a stride begins there.",
                patch=("::stride, ::stride", "stride - 1 :: stride, stride - 1 :: stride")),
        Mistake("strides-the-channels", "Your stride leaves out channels. x is [N, C, H, W]: which two are the pixels?",
                symptom=_strides_the_channels),
        Mistake("averages", "You take the mean of each window. Option A takes one pixel of it as it is.",
                patch=("x[:, :, ::stride, ::stride]", "F.avg_pool2d(x, stride)"), on=_PIXELS),
        Mistake("takes-the-largest", "You take the largest pixel of each window. Option A takes the first.",
                patch=("x[:, :, ::stride, ::stride]", "F.max_pool2d(x, stride)"), on=_PIXELS),
        Mistake("cuts-out-a-corner", "You keep the upper left corner whole. Take pixels from all over the image.",
                patch=("::stride, ::stride", ": x.shape[2] // stride, : x.shape[3] // stride"), on=_PIXELS),
        Mistake("rounds-down", "With an odd side you lose the last pixel. A 3 x 3 convolution with padding keeps it.",
                lambda x, out, s: pad_shortcut(x[:, :, : x.shape[2] // s * s, : x.shape[3] // s * s], out, s)),
        Mistake("pads-only-with-a-stride", "With stride 1 you add no channels. They can be missing there, too.",
                lambda x, out, stride: x if stride == 1 else pad_shortcut(x, out, stride)),
        Mistake("strides-only-with-new-channels", "Where no channels are missing you do not shrink.",
                lambda x, out, stride: x if x.shape[1] == out else pad_shortcut(x, out, stride)),
    ),
    hints=(
        "Two things, one after the other: leave out pixels, then append zeros. A slice with a step does the first.",
        "x[..., ::2] is every second column. How many channels are missing? out_channels - x.shape[1].",
        "F.pad takes two numbers for each dimension, from the last one on: columns, rows, channels. Or torch.cat with "
        "dim=1 and a tensor of zeros.",
    ),
)  # fmt: skip


# --- the shortcut with parameters -------------------------------------------------------------------------------------


def projection(in_channels, out_channels, stride) -> nn.Module:
    """A module: [N, in_channels, H, W] -> [N, out_channels, H / stride, W / stride]."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


_IMAGE = integers(2, 4, 5, 6)
_TWO_CHANNELS = _IMAGE[:, :2]


PROJECTION = Exercise(
    reference=projection, difficulty=2, minutes=10,
    task="Write option B, the shortcut that is learned: make a module of a 1 x 1 convolution with the stride and "
         "without bias, followed by BatchNorm. It projects in any case, also where the shape stays.",
    cases=(
        shape(_TWO_CHANNELS, 2, 3, 1), shape(_TWO_CHANNELS, 2, 3, 2), shape(_IMAGE, 4, 4, 1), shape(_IMAGE, 4, 8, 3),
        parameters(2, 3, 1), parameters(4, 4, 1), parameters(4, 8, 2), output(_TWO_CHANNELS, 2, 3, 1),
        output(_IMAGE, 4, 8, 2), output(_IMAGE, 4, 4, 1), output(_IMAGE, 4, 8, 2, mode="eval"),
        gradients_of(_IMAGE, 4, 8, 2),
    ),
    mistakes=(
        Mistake("norm-forgotten", "The convolution is not followed by BatchNorm.",
                patch=("nn.BatchNorm2d(out_channels),", "")),
        Mistake("bias-before-norm", "Your convolution has a bias; BatchNorm subtracts the mean, so it does nothing.",
                patch=(", bias=False", "")),
        Mistake("stride-forgotten", "Your convolution lacks the stride.", patch=(", stride=stride", "")),
        Mistake("stride-always-two", "Your stride is always 2. Take the one that is given.",
                patch=("stride=stride", "stride=2")),
        Mistake("kernel-of-three", "Your kernel is 3 x 3. A projection looks at one pixel at a time.",
                patch=("kernel_size=1", "kernel_size=3, padding=1")),
        Mistake("kernel-of-three-cuts-the-border", "Your kernel is 3 x 3, and cuts off the border.",
                patch=("kernel_size=1", "kernel_size=3")),
        Mistake("kernel-and-stride-swapped", "Stride and kernel have changed places in your convolution.",
                patch=("size=1, stride=stride", "size=stride, stride=1")),
        Mistake("kernel-as-large-as-the-stride", "Your kernel grows with the stride. It stays 1 x 1.",
                patch=("kernel_size=1", "kernel_size=stride")),
        Mistake("padding", "Your padding adds a border of zeros. A 1 x 1 kernel needs none.",
                patch=("kernel_size=1", "kernel_size=1, padding=1")),
        Mistake("relu-at-the-end", "Your shortcut ends in a ReLU. The only ReLU comes after the addition.",
                patch=("(out_channels),", "(out_channels), nn.ReLU(),")),
        Mistake("norm-before-convolution", "Your BatchNorm comes before the convolution. It belongs behind.",
                lambda i, o, stride: nn.Sequential(nn.BatchNorm2d(i), nn.Conv2d(i, o, 1, stride, bias=False))),
        Mistake("norm-takes-in-channels", "Your BatchNorm has in_channels: how many does the convolution give?",
                patch=("(out_channels)", "(in_channels)")),
        Mistake("norm-of-vectors", "BatchNorm1d takes vectors. Images take BatchNorm2d.",
                patch=("BatchNorm2d", "BatchNorm1d")),
        Mistake("norm-without-scale", "Your norm has no scale and shift to learn.",
                patch=("(out_channels)", "(out_channels, affine=False)")),
        Mistake("channels-swapped", "in_channels and out_channels have changed places.",
                lambda i, o, stride: projection(o, i, stride)),
        Mistake("pools-first", "You take means before the convolution. It takes the stride itself.",
                lambda i, o, stride: nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), projection(i, o, 1))),
        Mistake("identity-where-the-shape-stays", "Where the shape stays you project nothing. Here, always project.",
                lambda i, o, stride: nn.Identity() if (i, stride) == (o, 1) else projection(i, o, stride)),
    ),
    hints=(
        "Two layers, one after the other: nn.Sequential makes one module of them.",
        "nn.Conv2d(in, out, kernel_size, stride, padding) has a bias unless you say otherwise. How many channels does "
        "the norm get?",
        "nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(...)).",
    ),
)  # fmt: skip


# --- the basic block --------------------------------------------------------------------------------------------------


class BasicBlock(nn.Module):
    """relu(F(x) + shortcut(x)): [N, in, H, W] -> [N, out, H / stride, W / stride]."""

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


def _branch_of_zeros(answer: Any) -> Tensor:
    block = built(answer, 2, 2).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            if parameter.ndim >= 2:
                parameter.zero_()
    return called(block, torch.tensor([1.0, -2.0]).reshape(1, 2, 1, 1)).flatten()


def _keeps_the_size(kernel: int) -> Callable[[Any], bool]:
    """The symptom: no convolution of the block with this kernel has a stride."""

    def symptom(answer: Any) -> bool:
        layers = [layer for layer in answer(4, 8, 2).modules() if isinstance(layer, nn.Conv2d)]
        return {layer.stride for layer in layers if layer.kernel_size == (kernel, kernel)} == {(1, 1)}

    return symptom


def _makes_layers_in_forward(answer: Any) -> bool:
    """Asked twice, in eval mode, it gives two answers."""
    block = answer(4, 8, 2).eval()
    return not torch.equal(block(_IMAGE), block(_IMAGE))


_SHAPES = (
    shape(_IMAGE, 4, 4),
    shape(_IMAGE, 4, 8, stride=2),
    shape(_IMAGE, 4, 8),
    shape(_IMAGE, 4, 4, stride=2),
)

BASIC_BLOCK = Exercise(
    reference=BasicBlock, difficulty=4, minutes=25,
    task="Write the basic block: two 3 x 3 convolutions, each followed by BatchNorm, a ReLU between them and one "
         "after the addition. The first convolution takes the stride. Where the shape changes, the shortcut is a 1 x "
         "1 convolution with that stride, followed by BatchNorm; else it is x itself. No convolution has a bias.",
    cases=(
        *_SHAPES, Case("{name}(2, 2)(x) with x = [1, -2] and every convolution's weights at 0", _branch_of_zeros),
        parameters(4, 4), parameters(4, 8, stride=2), parameters(4, 8), parameters(4, 4, 2), output(_IMAGE, 4, 4),
        output(_IMAGE, 4, 8, stride=2), output(_IMAGE, 4, 8), output(_IMAGE, 4, 4, 2),
        output(_IMAGE, 4, 8, 2, mode="eval"), gradients_of(_IMAGE, 4, 8, 2),
    ),
    mistakes=(
        Mistake("skip-forgotten", "The shortcut is not added: this is a plain block.",
                patch=(" + self.shortcut(x)", "")),
        Mistake("skip-twice", "The shortcut is added twice.", patch=("out + self", "out + 2 * self")),
        Mistake("relu-before-addition", "The last ReLU comes before the addition. It belongs behind it.",
                patch=("(out + self.shortcut(x))", "(out) + self.shortcut(x)")),
        Mistake("relu-in-the-branch", "Your branch ends in a ReLU, so it can only add. BatchNorm is its last layer.",
                patch=("out + self", "F.relu(out) + self")),
        Mistake("no-last-relu", "After the addition a ReLU is missing.", patch=("F.relu(out", "(out")),
        Mistake("no-inner-relu", "Between the two convolutions a ReLU is missing.", patch=("F.relu(self", "(self")),
        Mistake("norm-before-convolution", "The second BatchNorm comes before the second convolution, so what the "
                "branch gives is not normalized.", patch=("self.bn2(self.conv2(out))", "self.conv2(self.bn2(out))")),
        Mistake("stride-twice", "Both convolutions take the stride: the branch shrinks twice.",
                patch=("out_channels, out_channels, 3", "out_channels, out_channels, 3, stride")),
        Mistake("stride-on-neither", "Neither convolution of the branch takes the stride.", patch=("3, stride", "3"),
                symptom=_keeps_the_size(3)),
        Mistake("stride-on-second", "The second convolution takes the stride; the first one should.",
                patch=(("3, stride", "3"), ("out_channels, out_channels, 3", "out_channels, out_channels, 3, stride"))),
        Mistake("no-projection", "You add x as it is, also where the branch changes the shape. Project it there.",
                patch=("stride != 1 or in_channels != out_channels", "False")),
        Mistake("projection-made-in-forward", "Your projection is made in forward: it is new at each call, and never "
                "learns. Make it in __init__.", symptom=_makes_layers_in_forward),
        Mistake("option-a", "Your shortcut has no parameters: that is option A. Here the task asks for a projection.",
                patch=(("stride != 1 or in_channels != out_channels", "False"),
                       ("self.shortcut(x)", "pad_shortcut(x, out.shape[1], self.conv1.stride[0])"))),
        Mistake("projection-without-stride", "The 1 x 1 convolution of the shortcut lacks the stride.",
                patch=("1, stride", "1"), symptom=_keeps_the_size(1)),
        Mistake("projection-without-norm", "The shortcut's convolution is not followed by BatchNorm.",
                patch=("nn.BatchNorm2d(out_channels),", "")),
        Mistake("projection-of-three", "The shortcut's kernel is 3 x 3. A projection looks at one pixel at a time.",
                patch=("1, stride", "3, stride, padding=1")),
        Mistake("projection-with-bias", "The shortcut's convolution has a bias. BatchNorm subtracts it again.",
                patch=("1, stride, bias=False", "1, stride")),
        Mistake("projection-with-relu", "Your projection ends in a ReLU. The only ReLU for x comes after the addition.",
                patch=("(out_channels),", "(out_channels), nn.ReLU(),")),
        Mistake("projection-always", "Where the shape stays, the shortcut should be x itself, without weights.",
                patch=("stride != 1 or in_channels != out_channels", "True")),
        Mistake("projects-only-for-stride", "The channels can change without a stride: the shortcut has to follow.",
                patch=(" or in_channels != out_channels", "")),
        Mistake("projects-only-for-channels", "The size can change while the channels stay: the shortcut must follow.",
                patch=("stride != 1 or ", "")),
        Mistake("shared-norm", "Both convolutions use one BatchNorm: each needs its own.",
                patch=("bn2 = nn.BatchNorm2d(out_channels)", "bn2 = self.bn1")),
        Mistake("bias-before-norm", "Your convolutions have biases; BatchNorm subtracts the mean, so they do nothing.",
                patch=(("stride, padding=1, bias=False", "stride, padding=1"),
                       ("3, padding=1, bias=False", "3, padding=1")), on=(*_SHAPES, parameters(4, 4))),
        Mistake("first-norm-forgotten", "The first convolution is not followed by BatchNorm.",
                patch=("bn1 = nn.BatchNorm2d(out_channels)", "bn1 = nn.Identity()")),
        Mistake("second-norm-forgotten", "The second convolution is not followed by BatchNorm.",
                patch=("bn2 = nn.BatchNorm2d(out_channels)", "bn2 = nn.Identity()")),
        Mistake("no-padding", "Your convolutions lack padding, so each one cuts off the border.",
                patch=(("3, stride, padding=1", "3, stride"), ("3, padding=1", "3"))),
        Mistake("norm-forgotten", "The convolutions are not followed by BatchNorm.",
                patch=(("bn1 = nn.BatchNorm2d(out_channels)", "bn1 = nn.Identity()"),
                       ("bn2 = nn.BatchNorm2d(out_channels)", "bn2 = nn.Identity()"))),
    ),
    hints=(
        "In __init__, make the layers; in forward, use them: F(x) first, then the shortcut, then add, then ReLU.",
        "The branch in order: conv1 (with the stride), bn1, ReLU, conv2 (without), bn2. No ReLU yet.",
        "The shape changes if stride != 1 or in_channels != out_channels. Only then the shortcut is not x itself.",
        "It is then nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(...)).",
    ),
)  # fmt: skip
