"""The exercises of lesson 06: the addition, the shortcuts, the block."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu.exercises.cases import (
    Once,
    beyond,
    built,
    call,
    called,
    float64,
    gradients,
    integers,
    output,
    parameters,
    shape,
)
from resnet_edu.exercises.compare import same
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.writing import raises, shortcut_mistakes

# --- residual forward -------------------------------------------------------------------------------------------------


def residual_forward(x, branch):
    """x [N, C, H, W]; branch: keeps the shape of its input -> ReLU(x + branch(x))."""
    return F.relu(branch(x) + x)


_X = torch.tensor([1.0, -2.0])
_GRADIENTS = gradients(torch.tensor([1.0, 2.0, -3.0]), torch.tanh, words="{name}(x, torch.tanh) with x = [1, 2, -3]")


def _half(answer: Any) -> Any:
    branch = nn.Dropout(0.0)
    result = called(answer, _X.half(), branch)
    return {"result": result, "branch.training": branch.training, "returns float32": result.dtype == torch.float32}


RESIDUAL_FORWARD = Exercise(
    reference=residual_forward, difficulty=1, minutes=5,
    task="Return the output of a residual block: the ReLU of branch plus input.",
    cases=(
        call(_X, torch.zeros_like, words="{name}(x, branch) with x = [1, -2] and branch(x) = 0"),
        call(_X, lambda x: -2 * x, words="{name}(x, branch) with x = [1, -2] and branch(x) = -2 x"),
        call(integers(2, 3, 4, 5), Once(torch.tanh), words="{name}(x, torch.tanh) with x [2, 3, 4, 5]"),
        _GRADIENTS, call(torch.tensor([200.0, -20.0]), torch.tanh, words="{name}(x, torch.tanh) with x = [200, -20]",
                         alone=("clipped", "You clip large sums (as ReLU6 does). ReLU has no upper limit.")),
        float64(_X, lambda x: -2 * x, words="{name}(x, branch) with x = [1/3, -2/3] and branch(x) = -2 x"),
        Case("{name}(x, nn.Dropout(0.0)) with x = [1, -2] in float16", _half),
    ),
    mistakes=(
        Mistake("branch-not-called", "branch is a function, but you use it without calling it.",
                symptom=raises(TypeError, "function", call(_X, lambda x: 0 * x).run)),
        Mistake("skip-forgotten", "You do not add x: this is a plain block.", ("branch(x) + x", "branch(x)")),
        Mistake("skip-twice", "You add x twice.", ("branch(x) +", "branch(x) + x +")),
        Mistake("no-relu", "The ReLU after the addition is missing.", ("F.relu", "")),
        Mistake("adds-in-place", "`+=` overwrites the branch's output, which its backward pass may need. Use `+`.",
                ("branch(x) + x", "branch(x).add_(x)"),
                symptom=raises(RuntimeError, "modified by an inplace operation", _GRADIENTS.run)),
        Mistake("relu-before-addition", "Your ReLU comes before the addition, so negative numbers in x pass through.",
                ("branch(x) + x)", "branch(x)) + x")),
        Mistake("relu-on-both", "You apply ReLU to each term of the sum.", ("branch(x) + x", "branch(x)) + F.relu(x")),
        Mistake("branch-of-the-sum", "You add x to the input of the branch.", ("branch(x) + x", "branch(x + x)")),
        Mistake("subtracts", "You subtract; x has to be added.", ("branch(x) +", "branch(x) -")),
        Mistake("multiplies", "You multiply the branch and the input. Add them.", ("branch(x) +", "branch(x) *")),
        Mistake("branch-forgotten", "The branch has no effect on your answer.", lambda x, branch: F.relu(x)),
        Mistake("relu-into-the-branch", "You apply ReLU to x first. The block uses x as it is.",
                lambda x, branch: residual_forward(F.relu(x), branch)),
    ),
    hints=(
        "Two things are added: the branch's output and x itself. What happens to the sum?",
        "`branch` is a function: `branch(x)` is F(x). `torch.relu` takes the sum as its only argument.",
        "In one line: return torch.relu( ... + ... )",
    ),
)  # fmt: skip


# --- the shortcut without parameters ----------------------------------------------------------------------------------


def pad_shortcut(x, out_channels, stride):
    """x [N, C, H, W] -> [N, out_channels, H / stride, W / stride], sides rounded up."""
    x = x[:, :, ::stride, ::stride]
    zeros = x.new_zeros(x.shape[0], out_channels - x.shape[1], x.shape[2], x.shape[3])
    return torch.cat([x, zeros], dim=1)


def _channels(*numbers: float) -> Tensor:
    return torch.tensor(numbers).reshape(1, -1, 1, 1)


_TWO = _channels(3.0, 4.0)
_SQUARE = torch.tensor([[[[1.0, 5.0], [7.0, 3.0]]]])
_DOUBLED = (call(_TWO, 4, 1, words="{name}(x, 4, 1) with x [1, 2, 1, 1] = 3, 4"),)
_PIXELS = (call(integers(1, 1, 4, 6), 1, 2),)


def elsewhere(answer: Any, *arguments: Any) -> Any:
    """The dtype and the device of the result for tensors that are not where new tensors go by default."""
    result = answer(*(one.to("meta") if isinstance(one, Tensor) else one for one in arguments))
    return {"dtype": result.dtype, "device": result.device.type}


def _strides_the_channels(answer: Any) -> bool:
    """On channels and rows, or images and channels; the missing channels are counted before or after that."""
    x = integers(2, 2, 4, 4, seed=1)
    kept = [F.pad(part, (0,) * 5 + (extra,)) for part in (x[:, ::2, ::2], x[::2, ::2]) for extra in (2, 3)]
    result = answer(x, 4, 2)
    return any(same(result, one) for one in kept)


PAD_SHORTCUT = Exercise(
    reference=pad_shortcut, difficulty=2, minutes=10,
    task="Write option A, the shortcut without parameters: keep every stride-th pixel of each row and column, starting "
         "with the first, and append channels of zeros after those of x until there are out_channels, in the "
         "dtype and on the device of x.",
    cases=(
        *_DOUBLED, call(_TWO, 2, 1, words="{name}(x, 2, 1) with x [1, 2, 1, 1] = 3, 4"),
        call(_channels(1.0, 2.0, 5.0), 8, 1, words="{name}(x, 8, 1) with x [1, 3, 1, 1] = 1, 2, 5"),
        call(_SQUARE, 1, 2, words="{name}(x, 1, 2) with x [1, 1, 2, 2] = 1, 5 above 7, 3"), *_PIXELS,
        call(_SQUARE, 1, 1, words="{name}(x, 1, 1) with x [1, 1, 2, 2] = 1, 5 above 7, 3"),
        call(integers(1, 1, 7, 11), 1, 3), call(integers(1, 1, 5, 7), 1, 2), call(integers(2, 2, 4, 4, seed=1), 4, 2),
        call(integers(2, 4, 4, 6, seed=2).mT, 8, 2, words="{name}(x.mT, 8, 2) with x [2, 4, 4, 6]",
             alone=("only-contiguous", "Yours is wrong if x is not contiguous in memory. Slices take any layout.")),
        call(integers(3, 2, 5, 6, seed=3), 6, 2), gradients(integers(2, 2, 4, 4), 4, 2),
        float64(integers(2, 2, 4, 4), 4, 2),
        Case("{name}(x, 4, 2) with x in float16, and not on the default device",
             lambda answer: elsewhere(answer, integers(2, 2, 4, 4).half(), 4, 2),
             ("other-dtype-or-device", "Give your zeros the dtype and the device of x, as x.new_zeros does.")),
    ),
    mistakes=(
        Mistake("zeros-in-front", "Your zeros come before the channels of x.", ("[x, zeros]", "[zeros, x]")),
        Mistake("zeros-on-both-sides", "Some of your zeros come before the channels of x. All of them belong after "
                "those.",
                ("[x, zeros]", "[zeros[:, ::2], x, zeros[:, 1::2]]"),
                lambda x, *_: torch.stack([x, 0 * x], 2).flatten(1, 2), on=_DOUBLED),
        Mistake("copies-for-zeros", "Your new channels have to be zero.", ("[x, zeros]", "[x, x]"), on=_DOUBLED),
        Mistake("ones-for-zeros", "Your new channels are ones. They have to be zero.", ("new_zeros", "new_ones")),
        Mistake("zeros-for-all", "You have set the channels of x to zero, too. Keep their values.",
                ("[x, zeros]", "[0 * x, zeros]")),
        Mistake("no-new-channels", "The result has to have out_channels channels. How many are missing?",
                ("[x, zeros]", "[x]"), ("out_channels - ", ""), (" - x.shape[1]", ""),
                ("[x, zeros]", "[zeros, x, zeros]")),
        Mistake("pads-columns", "Your zeros are not new channels. F.pad takes two numbers per dimension, starting with "
                "the last one.", ("torch.cat([x, zeros], dim=1)", "F.pad(x, (0, zeros.shape[1]))"),
                ("torch.cat([x, zeros], dim=1)", "F.pad(x, (0, 0, 0, zeros.shape[1]))"),
                ("torch.cat([x, zeros], dim=1)", "F.pad(x, (0,) * 7 + (zeros.shape[1],))")),
        Mistake("appends-images", "torch.cat concatenates along the first dimension, the images, unless you specify "
                "another.", ("dim=1", "dim=0"), on=_DOUBLED),
        Mistake("stride-on-rows-only", "You skip pixels in one direction only.", (", ::stride]", "]"),
                ("::stride, ::stride", ":, ::stride")),
        Mistake("starts-late", "Your first pixel is not the first one of x, where a strided convolution starts.",
                ("::stride, ::stride", "stride - 1 :: stride, stride - 1 :: stride")),
        Mistake("strides-the-channels", "Your stride skips channels. Which two dimensions of [N, C, H, W] are the "
                "pixels?", symptom=_strides_the_channels),
        Mistake("averages", "You combine the pixels of a window. Option A takes one of them as it is.",
                ("x[:, :, ::stride, ::stride]", "F.avg_pool2d(x, stride)"),
                ("x[:, :, ::stride, ::stride]", "F.max_pool2d(x, stride)"), on=_PIXELS),
        Mistake("cuts-out-a-corner", "You cut out the upper-left corner. Take pixels from the entire image.",
                ("::stride, ::stride", ": x.shape[2] // stride, : x.shape[3] // stride"), on=_PIXELS),
        Mistake("rounds-down", "If a side has an odd length, you lose its last pixel, which a 3 x 3 convolution with "
                "padding keeps.",
                lambda x, out, s: pad_shortcut(x[:, :, : x.shape[2] // s * s, : x.shape[3] // s * s], out, s)),
        Mistake("pads-only-with-a-stride", "Channels can be missing when the stride is 1, and a larger stride does "
                "not always come with new channels.",
                lambda x, out, stride: x if stride == 1 else pad_shortcut(x, out, stride),
                lambda x, out, stride: x if x.shape[1] == out else pad_shortcut(x, out, stride)),
    ),
    hints=(
        "Two steps, one after the other: skip pixels, then append zeros. A slice with a step does the first.",
        "x[..., ::2] selects every second column. How many channels are missing? out_channels - x.shape[1].",
        "F.pad takes two numbers per dimension, starting with the last one: columns, rows, channels. Or use torch.cat "
        "with dim=1 and a tensor of zeros.",
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


def as_built(x: Tensor, *arguments: Any, alone: tuple[str, str] | None = None) -> Case:
    """The case for the parameters that the module starts with, which `built` refills."""

    def run(answer: Any) -> dict[str, Any]:
        module = answer(*arguments)
        parameters = list(module.parameters())
        weights = [p for p in parameters if p.ndim == 4 and len(p) > 1 and p.any()]  # a branch may start at 0,
        for p in parameters:
            if p.ndim == 2:  # and so may a classifier
                nn.init.eye_(p)
        return {
            "other eps than 1e-5": sorted({getattr(layer, "eps", 1e-5) for layer in module.modules()} - {1e-5}),
            "parameters with requires_grad=False": sum(not p.requires_grad for p in parameters),
            "convolutions whose filters are all equal": sum(bool((p == p[:1]).all()) for p in weights),
            "same output for different images": torch.equal(module(x.clone()), module(x.flip(0))),
        }

    return Case(f"{{name}}({', '.join(map(str, arguments))}), before any training", run, alone)


PROJECTION = Exercise(
    reference=projection, difficulty=2, minutes=10,
    task="Write option B, the learned shortcut: build a module from a 1 x 1 convolution with the given stride and no "
         "bias, followed by BatchNorm. It always projects, even if the shape stays the same.",
    cases=(
        shape(_TWO_CHANNELS, 2, 3, 1), shape(_TWO_CHANNELS, 2, 3, 2), shape(_IMAGE, 4, 4, 1), shape(_IMAGE, 4, 8, 3),
        parameters(2, 3, 1), parameters(4, 4, 1), parameters(4, 8, 2), as_built(_IMAGE, 4, 8, 2),
        output(_TWO_CHANNELS, 2, 3, 1), output(_IMAGE, 4, 8, 2), output(_IMAGE, 4, 4, 1), *beyond(_IMAGE, 4, 8, 2),
    ),
    mistakes=(
        Mistake("norm-forgotten", "The BatchNorm is missing.", ("nn.BatchNorm2d(out_channels),", "")),
        Mistake("bias-before-norm", "Your convolution has a bias, which BatchNorm subtracts.", (", bias=False", "")),
        Mistake("kernel-of-three", "Your kernel is 3 x 3. A projection looks at one pixel at a time.",
                ("kernel_size=1", "kernel_size=3, padding=1"), ("kernel_size=1", "kernel_size=3")),
        Mistake("kernel-and-stride-swapped", "Your kernel grows with the stride. It is always 1 x 1.",
                ("size=1, stride=stride", "size=stride, stride=1"), ("kernel_size=1", "kernel_size=stride")),
        Mistake("padding", "A 1 x 1 kernel needs no padding.", ("kernel_size=1", "kernel_size=1, padding=1")),
        Mistake("relu-at-the-end", "Your shortcut ends with a ReLU. The only ReLU comes after the addition.",
                ("(out_channels),", "(out_channels), nn.ReLU(),")),
        Mistake("norm-before-convolution", "Your BatchNorm comes before the convolution. It belongs after it.",
                lambda i, o, stride: nn.Sequential(nn.BatchNorm2d(i), nn.Conv2d(i, o, 1, stride, bias=False))),
        Mistake("norm-of-vectors", "BatchNorm1d takes vectors, not images.", ("BatchNorm2d", "BatchNorm1d")),
        Mistake("norm-without-scale", "Your BatchNorm has no learnable scale and shift.",
                ("(out_channels)", "(out_channels, affine=False)")),
        Mistake("pools-first", "You average before the convolution. Let the convolution take the stride itself.",
                lambda i, o, stride: nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), projection(i, o, 1))),
        Mistake("identity-where-the-shape-stays", "If the shape stays the same, you do not project. Here, always "
                "project.", lambda i, o, stride: nn.Identity() if (i, stride) == (o, 1) else projection(i, o, stride)),
    ),
    hints=(
        "Two layers, one after the other: nn.Sequential combines them into one module.",
        "nn.Conv2d(in, out, kernel_size, stride, padding) has a bias by default. How many channels does the BatchNorm "
        "take?",
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
    """The symptom: no convolution of the block with this kernel size has a stride."""

    def symptom(answer: Any) -> bool:
        layers = [layer for layer in answer(4, 8, 2).modules() if isinstance(layer, nn.Conv2d)]
        return {layer.stride for layer in layers if layer.kernel_size == (kernel, kernel)} == {(1, 1)}

    return symptom


def _makes_layers_in_forward(answer: Any) -> bool:
    """Called twice in eval mode, it returns two different results."""
    block = answer(4, 8, 2).eval()
    return not torch.equal(block(_IMAGE.clone()), block(_IMAGE.clone()))


_SHAPES = (shape(_IMAGE, 4, 4), shape(_IMAGE, 4, 8, stride=2), shape(_IMAGE, 4, 8), shape(_IMAGE, 4, 4, stride=2))

BASIC_BLOCK = Exercise(
    reference=BasicBlock, difficulty=4, minutes=25,
    task="Write the basic block: two 3 x 3 convolutions, each followed by BatchNorm, with a ReLU between them and one "
         "after the addition. The first convolution takes the stride. If the shape changes, the shortcut is a 1 x 1 "
         "convolution with that stride, followed by BatchNorm; otherwise it is x itself. No convolution has a bias.",
    cases=(
        *_SHAPES, shape(_IMAGE, 4, 2), shape(_IMAGE, 4, 4, stride=3),
        Case("{name}(2, 2)(x) with x = [1, -2] and all convolution weights set to 0", _branch_of_zeros),
        parameters(4, 4), parameters(4, 8, stride=2), parameters(4, 8), parameters(4, 4, 2), as_built(_IMAGE, 4, 8, 2),
        output(_IMAGE, 4, 4), output(_IMAGE, 4, 8, stride=2), output(_IMAGE, 4, 8), output(_IMAGE, 4, 4, 2),
        *beyond(_IMAGE, 4, 8, 2), *beyond(_IMAGE, 4, 4),
    ),
    mistakes=(
        *shortcut_mistakes("out_channels"),
        Mistake("no-inner-relu", "The ReLU between the two convolutions is missing.", ("F.relu(self", "(self")),
        Mistake("norm-before-convolution", "The second BatchNorm comes before the second convolution, so the branch's "
                "output is not normalized.", ("self.bn2(self.conv2(out))", "self.conv2(self.bn2(out))")),
        Mistake("stride-twice", "Both convolutions take the stride: the branch downsamples twice.",
                ("out_channels, out_channels, 3", "out_channels, out_channels, 3, stride")),
        Mistake("stride-on-neither", "The branch ignores the stride.", ("3, stride", "3"), symptom=_keeps_the_size(3)),
        Mistake("stride-on-second", "The second convolution takes the stride; the first one should take it.",
                (("3, stride", "3"), ("out_channels, out_channels, 3", "out_channels, out_channels, 3, stride"))),
        Mistake("projection-made-in-forward", "You create the projection in forward: it is new at each call and never "
                "learns. Create it in __init__.", symptom=_makes_layers_in_forward),
        Mistake("option-a", "Your shortcut has no parameters: that is option A. Here, the task asks for a projection.",
                (("stride != 1 or in_channels != out_channels", "False"),
                       ("self.shortcut(x)", "pad_shortcut(x, out.shape[1], self.conv1.stride[0])"))),
        Mistake("projection-without-stride", "The shortcut's 1 x 1 convolution has no stride. Let it take the stride, "
                "without any pooling.", ("1, stride", "1"), symptom=_keeps_the_size(1)),
        Mistake("projection-of-three", "The shortcut's kernel is 3 x 3. A projection looks at one pixel at a time.",
                ("1, stride", "3, stride, padding=1")),
        Mistake("projection-with-bias", "The shortcut's convolution has a bias. BatchNorm subtracts it again.",
                ("1, stride, bias=False", "1, stride")),
        Mistake("shared-norm", "Both convolutions share one BatchNorm: each needs its own.",
                ("bn2 = nn.BatchNorm2d(out_channels)", "bn2 = self.bn1")),
        Mistake("bias-before-norm", "Your convolutions have biases, which BatchNorm subtracts again.",
                (("stride, padding=1, bias=False", "stride, padding=1"), ("3, padding=1, bias=False", "3, padding=1")),
                on=(*_SHAPES, parameters(4, 4))),
        Mistake("no-padding", "Your convolutions have no padding, so each one cuts off the border.",
                (("3, stride, padding=1", "3, stride"), ("3, padding=1", "3"))),
        Mistake("norm-forgotten", "One of the branch's convolutions is not followed by BatchNorm.",
                (("bn1 = nn.BatchNorm2d(out_channels)", "bn1 = nn.Identity()"),
                       ("bn2 = nn.BatchNorm2d(out_channels)", "bn2 = nn.Identity()")),
                ("bn1 = nn.BatchNorm2d(out_channels)", "bn1 = nn.Identity()"),
                ("bn2 = nn.BatchNorm2d(out_channels)", "bn2 = nn.Identity()")),
    ),
    hints=(
        "Create the layers in __init__ and use them in forward: F(x) first, then the shortcut, then add, then ReLU.",
        "The branch in order: conv1 (with the stride), bn1, ReLU, conv2 (stride 1), bn2. No ReLU after that yet.",
        "The shape changes if stride != 1 or in_channels != out_channels. Otherwise the shortcut is x itself.",
        "Where the shape changes, the shortcut is nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, "
        "bias=False), nn.BatchNorm2d(...)).",
    ),
)  # fmt: skip
