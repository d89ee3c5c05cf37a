"""The exercises of lesson 08: multiply-adds of a convolution, the bottleneck, torchvision's weights in a block."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu.exercises.cases import beyond, built, call, called, fits, integers, normal, output, parameters, shape
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.faults import Fault
from resnet_edu.exercises.lesson_06 import as_built
from resnet_edu.exercises.writing import agrees, raises, right_but_not_on, shortcut_mistakes

# --- multiply-adds ----------------------------------------------------------------------------------------------------


def multiply_adds(in_channels, out_channels, kernel, size, stride=1, padding=0):
    """Products with a weight that a convolution computes for one image of size x size pixels."""
    side = (size + 2 * padding - kernel) // stride + 1  # of what comes out: lesson 01
    return side**2 * out_channels * kernel**2 * in_channels


MULTIPLY_ADDS = Exercise(
    reference=multiply_adds, difficulty=2, minutes=6,
    task="A convolution takes in_channels maps of size x size pixels and outputs out_channels maps; its kernels are "
         "kernel x kernel, and it has no bias. How many products of a pixel and a weight does it compute for one "
         "image? Products with padded zeros count.",
    cases=(
        call(1, 1, 1, 1), call(1, 1, 1, 4), call(2, 1, 1, 4), call(2, 3, 1, 1), call(2, 3, 1, 4), call(1, 1, 3, 4),
        call(33, 57, 3, 63, alone=("float32", "Your count is rounded: float32 holds only seven digits.")),
        call(1, 1, 2, 4, 1, 2, alone=("odd-kernels-only", "Yours is right only for the usual kernels and paddings. A "
                                      "kernel can be even, and the padding can be larger than kernel // 2.")),
        call(2, 3, 3, 5), call(2, 3, 3, 5, 1, 1), call(2, 3, 3, 6, 2, 1), call(4, 2, 1, 7), call(4, 2, 1, 7, 2),
        call(2, 5, 3, 8, 3), call(3, 64, kernel=7, size=224, stride=2, padding=3), call(64, 64, 3, 56, 1, 1),
        call(512, 512, 3, 56, 1, 1, alone=("inexact", "Numbers this large overflow or are rounded. Count with ints.")),
    ),
    mistakes=(
        Mistake("counts-weights", "You count weights. Each is used once per output pixel.", ("side**2 * ", "")),
        Mistake("side-of-the-input", "You count the input pixels, not the output pixels.", ("side**2", "size**2")),
        Mistake("ignores-kernel-and-padding", "Your side length is size // stride. The kernel and the padding change "
                "it, too.", (" + 2 * padding - kernel) // stride + 1", ") // stride")),
        Mistake("pads-one-side", "You pad only one side. There are two.", ("2 * padding", "padding")),
        Mistake("rounds-up", "Round down: windows that do not fit do not count.",
                ("kernel) //", "kernel + stride - 1) //"),
                (("side = (", "side = round(("), (" // stride + 1", " / stride + 1)"))),
        Mistake("side-without-one", "The window fits at its starting position, too.", (" + 1", "")),
        Mistake("one-row", "You count a single row of pixels. A map has rows and columns.", ("side**2", "side")),
        Mistake("adds-channels", "You add the numbers of channels. Each output channel uses every input channel.",
                ("out_channels * kernel**2 * in_channels", "(out_channels + in_channels) * kernel**2")),
        Mistake("kernel-not-squared", "A kernel is kernel x kernel: you count fewer products.", ("kernel**2", "kernel"),
                (" * kernel**2", "")),
        Mistake("counts-additions-too", "You count the additions, too, which doubles the number. One product with its "
                "addition is one multiply-add.", ("return", "return 2 *")),
        Mistake("counts-a-bias", "You count a bias for each output number. There is none here, and it would not be a "
                "product.", ("kernel**2 * in_channels", "(kernel**2 * in_channels + 1)")),
    ),
    hints=(
        "How many numbers does the output have? The side length, squared, times the channels.",
        "How many products does one of them need? As many as one kernel has weights.",
        "Lesson 01: the output's side length is (size + 2 * padding - kernel) // stride + 1.",
    ),
)  # fmt: skip


# --- the bottleneck ---------------------------------------------------------------------------------------------------


class Bottleneck(nn.Module):
    """relu(F(x) + shortcut(x)): [N, in, H, W] -> [N, 4 * channels, H / stride, W / stride]."""

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != 4 * channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, 4 * channels, 1, stride, bias=False),
                nn.BatchNorm2d(4 * channels),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + self.shortcut(x))


_X = integers(2, 8, 5, 6)
_NARROW = _X[:, :4]
_SHAPES = (shape(_X, 8, 2), shape(_NARROW, 4, 2), shape(_X, 8, 3, stride=2), shape(_X, 8, 2, stride=3), shape(_X, 8, 1))


def _in_order(answer: Any) -> Tensor:
    block = built(answer, 8, 3, 2)
    with torch.no_grad():
        for seed, parameter in enumerate(block.parameters()):
            parameter.copy_(normal(*parameter.shape, seed=seed))
    return called(block, _X)


def _has_biases(answer: Any) -> bool:
    """A convolution in the branch or the shortcut has a bias, and the shapes are correct."""
    layers = [module for arguments in ((8, 2), (4, 2)) for module in answer(*arguments).modules()]
    biased = any(isinstance(layer, nn.Conv2d) and layer.bias is not None for layer in layers)
    return biased and all(agrees(answer, Bottleneck, case) for case in _SHAPES)


BOTTLENECK = Exercise(
    reference=Bottleneck, difficulty=4, minutes=20,
    task="Write torchvision's bottleneck: a 1 x 1 convolution to `channels`, a 3 x 3 convolution that takes the "
         "stride, and a 1 x 1 convolution to 4 * channels. Each is followed by BatchNorm, with a ReLU after the first "
         "two and one after the addition. If the shape changes, the shortcut is a 1 x 1 convolution with the stride, "
         "followed by BatchNorm; otherwise it is x itself. No convolution has a bias. Create the layers in the order "
         "in which the data passes through them, each BatchNorm right after its convolution, the shortcut last: the "
         "next exercise needs that.",
    cases=(
        *_SHAPES, parameters(8, 2), parameters(4, 2), parameters(8, 3, 2), parameters(8, 2, 3), output(_X, 8, 2),
        output(_NARROW, 4, 2), output(_X, 8, 3, 2), output(_X, 8, 2, 3), *beyond(_X, 8, 3, 2),
        *beyond(_X, 8, 2)[::2],
        Case("{name}(8, 3, 2)(x) with its parameters refilled one by one, in their order", _in_order,
             ("made-in-another-order", "Your block computes the right result, but from layers in another order. Create "
              "them in the order in which it uses them, the shortcut last.")),
        as_built(_NARROW, 4, 3, 2, alone=("starts-dead", "Your block starts where it cannot learn well: all filters "
                 "of a convolution are alike, or the scales of BatchNorm are 0.")),
    ),
    mistakes=(
        *shortcut_mistakes("4 * channels"),
        Mistake("widens-only", "The channels can become fewer, too. Project x then.", ("!= 4 *", "< 4 *")),
        Mistake("no-inner-relu", "A ReLU inside the branch is missing.",
                (("F.relu(self.bn1", "(self.bn1"), ("F.relu(self.bn2", "(self.bn2")), ("F.relu(self.bn1", "(self.bn1"),
                ("F.relu(self.bn2", "(self.bn2")),
        Mistake("stride-on-first", "The 3 x 3 convolution, and only that, takes the stride. (In the paper's version, "
                "v1, the first convolution takes it.)",
                (("(in_channels, channels, 1", "(in_channels, channels, 1, stride"), ("3, stride", "3")),
                (("4 * channels, 1, bias", "4 * channels, 1, stride, bias"), ("3, stride", "3")),
                ("(in_channels, channels, 1", "(in_channels, channels, 1, stride")),
        Mistake("stride-on-one-path", "The branch or the shortcut takes the stride, but not both, so their sizes "
                "differ.",
                ("1, stride", "1")),
        Mistake("no-expansion", "Your last convolution outputs `channels` channels. It should output four times as "
                "many.",
                (("(channels, 4 * ", "(channels, "), ("bn3 = nn.BatchNorm2d(4 * ", "bn3 = nn.BatchNorm2d("),
                       ("!= 4 * ", "!= "), ("(in_channels, 4 * ", "(in_channels, "), ("2d(4 * ", "2d("))),
        Mistake("expands-early", "Your 3 x 3 convolution works on 4 * channels channels. It belongs in the narrow "
                "part.",
                (("(channels, 4", "(4 * channels, 4"), ("channels, 3", "4 * channels, 3"),
                       ("bn2 = nn.BatchNorm2d(", "bn2 = nn.BatchNorm2d(4 * ")),
                (("super().__init__()", "super().__init__()\n        channels *= 4"),
                       ("(channels, 4 * ", "(channels, "), ("self.bn3 =", "channels //= 4\n        self.bn3 ="))),
        Mistake("all-three-by-three", "Your kernels are all the same size. They should be 1 x 1, 3 x 3, and 1 x 1.",
                (("(in_channels, channels, 1", "(in_channels, channels, 3, padding=1"),
                       ("4 * channels, 1, bias", "4 * channels, 3, padding=1, bias")),
                ("3, stride, padding=1", "1, stride")),
        Mistake("bias-before-norm", "Your convolutions have biases, which BatchNorm subtracts again.",
                ("stride, padding=1, bias=False", "stride, padding=1"), symptom=_has_biases),
        Mistake("norm-forgotten", "One of your convolutions is not followed by BatchNorm.",
                ("shortcut = nn.Identity()", "bn1 = self.bn2 = self.bn3 = self.shortcut = nn.Identity()"),
                ("shortcut = nn.Identity()", "bn3 = self.shortcut = nn.Identity()")),
        Mistake("shared-norm", "Two convolutions share one BatchNorm: each needs its own.",
                ("bn2 = nn.BatchNorm2d(channels)", "bn2 = self.bn1")),
        Mistake("no-padding", "Pad the 3 x 3 convolution, and no other, so that the size stays the same.",
                (", padding=1", ""),
                (("(in_channels, channels, 1", "(in_channels, channels, 1, padding=1"),
                       ("4 * channels, 1, bias", "4 * channels, 1, padding=1, bias"))),
    ),
    hints=(
        "It is the basic block of lesson 06 with a different branch. How many channels does that branch output?",
        "conv1: 1 x 1, in_channels to channels. conv2: 3 x 3 with the stride and padding=1. conv3: 1 x 1, to 4 * "
        "channels. Each has its own BatchNorm2d.",
        "The shape changes if stride != 1 or in_channels != 4 * channels.",
    ),
)  # fmt: skip


# --- torchvision's weights in a block ---------------------------------------------------------------------------------


def load_torchvision(block, state):
    """Fill block with the tensors of state, torchvision's state dict of a block: same order, different names."""
    renamed = dict(zip(block.state_dict(), state.values(), strict=True))
    block.load_state_dict(renamed)


class _Other(nn.Module):
    """A bottleneck whose layers have different names."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        block = Bottleneck(in_channels, channels, stride)
        layers = ("conv1", "bn1", "", "conv2", "bn2", "", "conv3", "bn3")
        names = ("narrow", "narrow_norm", "act1", "look", "look_norm", "act2", "widen", "widen_norm")
        self.branch = nn.Sequential(
            OrderedDict((name, getattr(block, layer, nn.ReLU())) for name, layer in zip(names, layers, strict=True))
        )
        self.around = block.shortcut

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.around(x))


def _state(*case: int) -> OrderedDict[str, Tensor]:
    """The state dict of torchvision's block, with running statistics that are not those of a fresh one."""
    state: OrderedDict[str, Tensor] = OrderedDict()
    for seed, (name, tensor) in enumerate(Bottleneck(*case).state_dict().items()):
        name = name.replace("shortcut", "downsample")
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif name.endswith("running_var"):
            state[name] = 0.5 + normal(*tensor.shape, seed=seed).abs()
        else:
            state[name] = normal(*tensor.shape, seed=seed)
    return state


def _loaded(answer: Any, *case: int) -> tuple[nn.Module, OrderedDict[str, Tensor]]:
    fits(answer, nn.Identity(), {})
    block, state = built(_Other, *case), _state(*case)
    called(answer, block, state)
    return block, state


def _loads(mode: str, *case: int) -> Case:
    def run(answer: Any) -> Tensor:
        block, _ = _loaded(answer, *case)
        return block.train(mode == "train")(_X[:, : case[0]]).detach()

    words = f"what a bottleneck({', '.join(map(str, case))}) outputs in {mode} mode, after {{name}}(block, state)"
    return Case(words, run)


def _independent(answer: Any) -> bool:
    """Training the block further leaves the state dict alone."""
    block, state = built(_Other, 8, 2, 1), _state(8, 2, 1)
    before = {name: tensor.clone() for name, tensor in state.items()}
    answer(block, state)
    with torch.no_grad():
        for tensor in (*block.parameters(), *block.buffers()):
            tensor.add_(1)
    return all(torch.equal(state[name], before[name]) for name in before)


def _sorts_names(answer: Any) -> bool:
    """It loads the right numbers where the names on both sides sort alike, and elsewhere pairs others."""
    block, state = built(_Other, 8, 2, 1), _state(8, 2, 1)
    answer(block, {f"0.{name}": tensor for name, tensor in zip(block.state_dict(), state.values(), strict=True)})
    loaded = all(map(torch.equal, block.state_dict().values(), state.values()))
    return loaded and raises(RuntimeError, "size", lambda answer: _loaded(answer, 8, 2, 1))(answer)


_INDEPENDENT = Case("whether `state` stays as it was when the block is trained afterward", _independent)


def _every(answer: Any) -> dict[str, Any]:
    block, state = built(_Other, 8, 2, 1), _state(8, 2, 1)
    before = block.state_dict(keep_vars=True)
    called(answer, block, {name: tensor.double() if tensor.ndim else tensor for name, tensor in state.items()})
    after = block.state_dict(keep_vars=True)
    if any(after[name] is not tensor or tensor.dtype == torch.float64 for name, tensor in before.items()):
        raise Fault("not-in-place", "it replaces tensors of the block, or changes their dtype. Copy numbers into them.")
    sums = [round(float(tensor.double().sum()), 3) for tensor in after.values()]
    takes = sum(p.requires_grad for p in block.parameters())
    return {"sums": sums, "parameters that take a gradient": takes, "block.training": block.training}


def _only(condition: str) -> tuple[str, str]:
    """The patch that loads only what meets a condition on `name`, the block's own, and `tensor`."""
    some = f"{{name: tensor for name, tensor in renamed.items() if {condition}}}"
    return "(renamed)", f"({some}, strict=False)"


LOAD_TORCHVISION = Exercise(
    reference=load_torchvision, difficulty=3, minutes=8,
    task="`state` is torchvision's state dict of a bottleneck: {'conv1.weight': tensor, 'bn1.weight': ...}. `block` "
         "is a bottleneck whose layers were created in the same order, but have different names. Copy every tensor of "
         "`state` into `block`, in place.",
    cases=(
        _loads("train", 8, 2, 1), _loads("eval", 8, 2, 1), _loads("train", 4, 2, 1), _loads("eval", 4, 2, 1),
        _loads("eval", 8, 3, 2),
        Case("the sums of block's tensors, after {name}(block, state) with a state in float64", _every), _INDEPENDENT,
    ),
    mistakes=(
        Mistake("nothing-loaded", "The block has not changed: strict=False skips unknown names, and assigning to a "
                "loop variable, or loading into a copy, does nothing.", ("(renamed)", "(state, strict=False)")),
        Mistake("statistics-forgotten", "BatchNorm's running statistics, or their counter, are not loaded.",
                _only('"running" not in name and tensor.ndim'), _only("tensor.ndim")),
        Mistake("convolutions-only", "You load only some of the layers. Load them all: convolutions, BatchNorms, and "
                "the shortcut.", _only("tensor.ndim == 4"), _only("tensor.ndim < 4"), _only('"around" not in name')),
        Mistake("goes-by-shape", "You match tensors by shape. Several tensors have the same one.",
                ("(renamed)",
                       "({n: next(t for t in renamed.values() if t.shape == renamed[n].shape) for n in renamed})")),
        Mistake("goes-by-sorted-names", "You sort the names, but sorting puts the block's names in a different order "
                "from torchvision's: keep the original order.",
                ("(zip(block.state_dict(), state.values(),",
                       "(zip(sorted(block.state_dict()), (state[name] for name in sorted(state)),"),
                symptom=_sorts_names),
        Mistake("names-not-changed", "torchvision's names are not those in this block.", ("(renamed)", "(state)"),
                symptom=raises(RuntimeError, "Missing key(s)", lambda answer: _loaded(answer, 8, 2, 1))),
        Mistake("lists-not-aligned", "Your pairs do not match: a state dict includes BatchNorm's statistics, and "
                "parameters() does not.",
                ("    block.load_state_dict(renamed)",
                       "    for p, tensor in zip(block.parameters(), renamed.values()):\n        "
                       "p.data.copy_(tensor)"),
                symptom=raises(RuntimeError, "must match the size of tensor", lambda answer: _loaded(answer, 8, 2, 1))),
        Mistake("shares-memory", "Your block holds the tensors of `state` themselves, so training it changes `state`. "
                "Copy them.", ("(renamed)", "(renamed, assign=True)"),
                symptom=right_but_not_on(load_torchvision, [_loads("train", 8, 2, 1)], [_INDEPENDENT])),
    ),
    hints=(
        "block.state_dict() has the block's names in order, and state.values() has the tensors in order.",
        "zip(names, tensors) makes pairs, and dict(...) turns them into a state dict with the block's own names.",
        "block.load_state_dict(renamed) copies the tensors, and raises an error if a name or a shape does not fit.",
    ),
)  # fmt: skip
