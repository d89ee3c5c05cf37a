"""The exercises of lesson 06: the addition, the shortcuts, the block."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu.exercises.core import Exercise, Mistake, Probe, built, call, called, gradient, integers

# --- residual forward -------------------------------------------------------------------------------------------------


def residual_forward(x, branch):
    """x [N, C, H, W]; branch: a function of x that keeps its shape -> relu(F(x) + x)."""
    return F.relu(branch(x) + x)


def _zero(x: Tensor) -> Tensor:
    return 0 * x


def _minus_two(x: Tensor) -> Tensor:
    return -2 * x


def _gradient(answer: Callable[..., Tensor]) -> Tensor:
    x = torch.tensor([1.0, 2.0, -3.0], requires_grad=True)
    return gradient(answer(x, lambda x: 3 * x), x)


X = torch.tensor([1.0, -2.0])
RESIDUAL_FORWARD = Exercise(
    task="Give what a residual block gives: the ReLU of branch plus input.",
    difficulty=1,
    minutes=5,
    reference=residual_forward,
    probes=(
        call(X, _zero, words="{name}(x, branch) with x = [1, -2] and branch(x) = 0"),
        call(X, _minus_two, words="{name}(x, branch) with x = [1, -2] and branch(x) = -2 x"),
        call(integers(2, 3, 4, 5), torch.tanh, words="{name}(x, torch.tanh) with x [2, 3, 4, 5]"),
        Probe("the gradient of (y * y).sum() by x = [1, 2, -3], y = {name}(x, branch), branch(x) = 3 x", _gradient),
    ),
    mistakes=(
        Mistake("skip-forgotten", "You do not add x: this is a plain block.", lambda x, branch: F.relu(branch(x))),
        Mistake("skip-twice", "You add x twice.", lambda x, branch: F.relu(branch(x) + x + x)),
        Mistake("no-relu", "After the addition a ReLU is missing.", lambda x, branch: branch(x) + x),
        Mistake(
            "relu-before-addition",
            "Your ReLU comes before the addition, so negative numbers of x pass.",
            lambda x, branch: F.relu(branch(x)) + x,
        ),
        Mistake(
            "relu-on-both",
            "You take the ReLU of each part and then add; it belongs behind the sum.",
            lambda x, branch: F.relu(branch(x)) + F.relu(x),
        ),
        Mistake("branch-of-the-sum", "x is added to what the branch gives, not to what it takes.",
                lambda x, branch: F.relu(branch(x + x))),
        Mistake("subtracts", "x is added, not taken away.", lambda x, branch: F.relu(branch(x) - x)),
        Mistake("multiplies", "Branch and input are added, not multiplied.", lambda x, branch: F.relu(branch(x) * x)),
        Mistake("branch-forgotten", "The branch changes nothing in your answer.", lambda x, branch: F.relu(x)),
        Mistake(
            "relu-into-the-branch",
            "You take the ReLU of x before you use it: the block works on x as it comes.",
            lambda x, branch: F.relu(branch(F.relu(x)) + F.relu(x)),
        ),
    ),
    hints=(
        "Two things are added: what the branch makes of x, and x itself. What happens to the sum?",
        "`branch` is a function: `branch(x)` is F(x). `F.relu` takes the sum as its one argument.",
        "In one line: return F.relu( ... + ... )",
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


SMALL = integers(2, 4, 5, 6)
CASES = {(4, 4, 1): "", (4, 8, 2): ", 2", (4, 8, 1): "", (4, 4, 2): ", 2"}  # in, out, stride: as a learner writes it


def _shape(case: tuple[int, int, int]) -> Probe:
    words = f"the shape of {{name}}({case[0]}, {case[1]}{CASES[case]})(x) with x [2, 4, 5, 6]"
    return Probe(words, lambda answer: list(called(built(answer, *case), SMALL).shape))


def _parameters(case: tuple[int, int, int]) -> Probe:
    words = f"the number of parameters of {{name}}({case[0]}, {case[1]}{CASES[case]})"
    return Probe(words, lambda answer: sum(p.numel() for p in built(answer, *case).parameters()))


def _branch_of_zeros(answer: Any) -> Tensor:
    block = built(answer, 2, 2, 1).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            if parameter.ndim >= 2:
                parameter.zero_()
        for layer in block.modules():
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                layer.bias.zero_()
    return called(block, torch.tensor([1.0, -2.0]).reshape(1, 2, 1, 1)).flatten()


def _output(case: tuple[int, int, int], mode: str) -> Probe:
    def run(answer: Any) -> Tensor:
        block = built(answer, *case)
        result = called(block, SMALL)  # moves the running statistics
        return result if mode == "train" else called(block.eval(), SMALL)

    words = f"{{name}}({case[0]}, {case[1]}{CASES[case]})(x) in {mode} mode with x [2, 4, 5, 6]"
    return Probe(words, run)


def _input_gradient(answer: Any) -> Tensor:
    block, x = built(answer, 4, 8, 2), SMALL.clone().requires_grad_()
    return gradient(block(x), x)


class _SkipForgotten(BasicBlock):
    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class _SkipTwice(BasicBlock):
    def forward(self, x):
        skip = self.shortcut(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + skip + skip)


class _ReluFirst(BasicBlock):
    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))) + self.shortcut(x)


class _NoLastRelu(BasicBlock):
    def forward(self, x):
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x)


class _NoInnerRelu(BasicBlock):
    def forward(self, x):
        return F.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))) + self.shortcut(x))


class _NormBeforeConv(BasicBlock):
    """The second norm stands before the second convolution, as in many listings."""

    def forward(self, x):
        return F.relu(self.conv2(self.bn2(F.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))


class _StrideTwice(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv2.stride = (stride, stride)


class _StrideNowhere(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1.stride = (1, 1)


class _ProjectionWithoutStride(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if isinstance(self.shortcut, nn.Sequential):
            self.shortcut[0].stride = (1, 1)


class _StrideOnSecond(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1.stride, self.conv2.stride = (1, 1), (stride, stride)


class _ProjectionWithoutNorm(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if isinstance(self.shortcut, nn.Sequential):
            self.shortcut = self.shortcut[0]


class _ProjectionAlways(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(out_channels))


class _ProjectsOnlyForStride(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride == 1:
            self.shortcut = nn.Identity()


class _ProjectsOnlyForChannels(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if in_channels == out_channels:
            self.shortcut = nn.Identity()


class _SharedNorm(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.bn2 = self.bn1


class _WithBiases(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        for layer in (self.conv1, self.conv2):
            layer.bias = nn.Parameter(torch.zeros(out_channels))


class _NoPadding(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1.padding = self.conv2.padding = (0, 0)


class _NoNorms(BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.bn1, self.bn2 = nn.Identity(), nn.Identity()


BASIC_BLOCK = Exercise(
    task=(
        "Write the basic block: two 3 x 3 convolutions, each followed by BatchNorm, a ReLU between them and one after "
        "the addition. The first convolution takes the stride. Where the shape changes, the shortcut is a 1 x 1 "
        "convolution with that stride, followed by BatchNorm; else it is x itself. No convolution has a bias."
    ),
    difficulty=4,
    minutes=25,
    reference=BasicBlock,
    probes=(
        *(_shape(case) for case in CASES),
        Probe("{name}(2, 2)(x) with x = [1, -2] and every convolution's weights at 0", _branch_of_zeros),
        *(_parameters(case) for case in CASES),
        *(_output(case, "train") for case in CASES),
        _output((4, 8, 2), "eval"),
        Probe("the gradient of (y * y).sum() by x, for y = {name}(4, 8, 2)(x)", _input_gradient),
    ),
    mistakes=(
        Mistake("skip-forgotten", "The shortcut is not added: this is a plain block.", _SkipForgotten),
        Mistake("skip-twice", "The shortcut is added twice.", _SkipTwice),
        Mistake("relu-before-addition", "The last ReLU comes before the addition. It belongs behind it.", _ReluFirst),
        Mistake("no-last-relu", "After the addition a ReLU is missing.", _NoLastRelu),
        Mistake("no-inner-relu", "Between the two convolutions a ReLU is missing.", _NoInnerRelu),
        Mistake(
            "norm-before-convolution",
            "The second BatchNorm comes before the second convolution, so what the branch gives is not normalised.",
            _NormBeforeConv,
        ),
        Mistake("stride-twice", "Both convolutions take the stride: the branch shrinks twice.", _StrideTwice),
        Mistake("stride-on-neither", "Neither convolution of the branch takes the stride.", _StrideNowhere),
        Mistake("stride-on-second", "The second convolution takes the stride; the first one should.", _StrideOnSecond),
        Mistake("projection-without-stride", "The 1 x 1 convolution of the shortcut lacks the stride.",
                _ProjectionWithoutStride),
        Mistake("projection-without-norm", "The shortcut's convolution is not followed by BatchNorm.",
                _ProjectionWithoutNorm),
        Mistake("projection-always", "Where the shape stays, the shortcut should be x itself, without weights.",
                _ProjectionAlways),
        Mistake("projects-only-for-stride", "The channels can change without a stride: the shortcut has to follow.",
                _ProjectsOnlyForStride),
        Mistake("projects-only-for-channels", "The size can change while the channels stay: the shortcut must follow.",
                _ProjectsOnlyForChannels),
        Mistake("shared-norm", "Both convolutions use one BatchNorm: each needs its own.", _SharedNorm),
        Mistake("bias-before-norm", "Your convolutions have biases; BatchNorm subtracts the mean, so they do nothing.",
                _WithBiases),
        Mistake("no-padding", "Your convolutions lack padding, so each one cuts off the border.", _NoPadding),
        Mistake("norm-forgotten", "The convolutions are not followed by BatchNorm.", _NoNorms),
    ),
    hints=(
        "In __init__, make the layers; in forward, use them: F(x) first, then the shortcut, then add, then ReLU.",
        "The branch in order: conv1 (with the stride), bn1, ReLU, conv2 (without), bn2. No ReLU yet.",
        "The shape changes if stride != 1 or in_channels != out_channels. Only then the shortcut is not x itself.",
        "It is then nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(...)).",
    ),
)  # fmt: skip
