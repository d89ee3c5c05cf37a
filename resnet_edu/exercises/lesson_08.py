"""The exercises of lesson 08: multiply-adds of a convolution, the bottleneck, torchvision's weights in a block."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.sandbox import Wrong
from resnet_edu.exercises.writing import built, call, called, does_as, fits, gradient, integers, normal, raises

# --- multiply-adds ----------------------------------------------------------------------------------------------------


def multiply_adds(in_channels, out_channels, kernel, size, stride=1, padding=0):
    """Products with a weight that a convolution takes for one image of size x size pixels."""
    side = (size + 2 * padding - kernel) // stride + 1  # of what comes out: lesson 01
    return side**2 * out_channels * kernel**2 * in_channels


def _adds(i, o, k, size, stride=1, padding=0, *, side=None, each=None):
    """The reference, with another side or other costs of one number that comes out."""
    side = (size + 2 * padding - k) // stride + 1 if side is None else side
    return side**2 * o * (k**2 * i if each is None else each)


def _by_side(side: Callable[[int, int, int, int], int]) -> Callable[..., int]:
    return lambda i, o, k, size, stride=1, padding=0: _adds(i, o, k, size, side=side(k, size, stride, padding))


def _by_cost(each: Callable[[int, int], int]) -> Callable[..., int]:
    return lambda i, o, k, size, stride=1, padding=0: _adds(i, o, k, size, stride, padding, each=each(i, k))


MULTIPLY_ADDS = Exercise(
    task=(
        "A convolution takes in_channels maps of size x size pixels and gives out_channels maps; its kernels are "
        "kernel x kernel, and it has no bias. How many products of a pixel and a weight does it take for one image? "
        "A product with a padded zero counts."
    ),
    difficulty=2,
    minutes=6,
    reference=multiply_adds,
    cases=(
        call(1, 1, 1, 1),
        call(1, 1, 1, 4),
        call(2, 3, 1, 1),
        call(2, 3, 1, 4),
        call(1, 1, 3, 4),
        call(2, 3, 3, 5),
        call(2, 3, 3, 5, 1, 1),
        call(2, 3, 3, 6, 2, 1),
        call(4, 2, 1, 7, 2),
        call(2, 5, 3, 8, 3),
        call(3, 64, 7, 224, 2, 3),
        call(64, 64, 3, 56, 1, 1),
    ),
    mistakes=(
        Mistake("counts-weights", "You count the weights. Each of them is used once for every pixel that comes out.",
                _by_side(lambda k, size, stride, padding: 1)),
        Mistake("side-of-the-input", "You count the pixels that go in. A product is taken for each that comes out.",
                _by_side(lambda k, size, stride, padding: size)),
        Mistake("ignores-kernel-and-padding", "Your side is size // stride. The kernel and the padding change it, too.",
                _by_side(lambda k, size, stride, padding: size // stride)),
        Mistake("ignores-stride", "You leave out the stride: fewer pixels come out with it.",
                _by_side(lambda k, size, stride, padding: size + 2 * padding - k + 1)),
        Mistake("ignores-padding", "You leave out the padding: more pixels come out with it.",
                _by_side(lambda k, size, stride, padding: (size - k) // stride + 1)),
        Mistake("pads-one-side", "You pad one side only. There are two.",
                _by_side(lambda k, size, stride, padding: (size + padding - k) // stride + 1)),
        Mistake("rounds-up", "Your side is rounded up. A window that does not fit is left out.",
                _by_side(lambda k, size, stride, padding: -(-(size + 2 * padding - k) // stride) + 1)),
        Mistake("side-without-one", "Your output is one pixel short: the window stands at its first place, too.",
                _by_side(lambda k, size, stride, padding: (size + 2 * padding - k) // stride)),
        Mistake("one-row", "You count one row of pixels. The maps have rows and columns.",
                lambda i, o, k, size, stride=1, padding=0: (
                    ((size + 2 * padding - k) // stride + 1) * o * k**2 * i)),
        Mistake("kernel-not-squared", "Your kernel has one row. It is kernel x kernel.", _by_cost(lambda i, k: k * i)),
        Mistake("one-input-channel", "A kernel has a layer for every channel that goes in: you count one of them.",
                _by_cost(lambda i, k: k**2)),
        Mistake("kernel-forgotten", "You count one product for each pair of channels: the kernel has more weights.",
                _by_cost(lambda i, k: i)),
        Mistake("counts-additions-too", "You count the additions, too: that is twice as many. One product with its "
                "addition is one multiply-add.", _by_cost(lambda i, k: 2 * k**2 * i)),
        Mistake("counts-a-bias", "You count a bias for each number that comes out. There is none here, and it would be "
                "no product.", _by_cost(lambda i, k: k**2 * i + 1)),
        Mistake("one-output-channel", "You count one map that comes out. There are out_channels of them.",
                lambda i, o, k, size, stride=1, padding=0: _adds(i, 1, k, size, stride, padding)),
    ),
    hints=(
        "How many numbers come out? That is the side, squared, times the channels.",
        "How many products go into one of them? As many as one kernel has weights.",
        "Lesson 01: the side that comes out is (size + 2 * padding - kernel) // stride + 1.",
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


WIDE = integers(2, 8, 5, 6)
CASES = {(8, 2, 1): "", (4, 2, 1): "", (8, 3, 2): ", 2", (8, 2, 2): ", 2"}  # in, channels, stride


def _input(case: tuple[int, int, int]) -> Tensor:
    return WIDE[:, : case[0]]


def _words(case: tuple[int, int, int]) -> str:
    return f"{{name}}({case[0]}, {case[1]}{CASES[case]})"


def _runs(run: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """run(*arguments); where branch and shortcut do not fit, in the same words whichever of them comes first."""
    try:
        return run(*arguments)
    except RuntimeError as error:
        sizes = sorted(re.findall(r"size of tensor [ab] \((\d+)\)", str(error)), key=int)
        if len(sizes) == 2:
            sentence = f"branch and shortcut cannot be added: a side, or the channels, are {' and '.join(sizes)}."
            raise Wrong("shapes-differ", sentence) from None
        raise


def _shape(case: tuple[int, int, int]) -> Case:
    words = f"the shape of {_words(case)}(x) with x [2, {case[0]}, 5, 6]"
    return Case(words, lambda answer: list(_runs(called, built(answer, *case), _input(case)).shape))


def _parameters(case: tuple[int, int, int]) -> Case:
    words = f"the number of parameters of {_words(case)}"
    return Case(words, lambda answer: sum(p.numel() for p in built(answer, *case).parameters()))


def _output(case: tuple[int, int, int], mode: str) -> Case:
    def run(answer: Any) -> Tensor:
        block = built(answer, *case)
        result = _runs(called, block, _input(case))  # moves the running statistics
        return result if mode == "train" else _runs(called, block.eval(), _input(case))

    return Case(f"{_words(case)}(x) in {mode} mode with x [2, {case[0]}, 5, 6]", run)


def _input_gradient(answer: Any) -> Tensor:
    block, x = built(answer, 8, 3, 2), WIDE.clone().requires_grad_()
    return gradient(_runs(block, x), x)


def _shapes(answer: Any) -> list[list[int]]:
    return [list(p.shape) for p in built(answer, 4, 3, 2).parameters()]


def _has_biases(answer: Any) -> bool:
    """Some convolution has a bias, in branch or shortcut, and the shapes are right."""
    layers = [module for case in CASES for module in built(answer, *case).modules()]
    biased = any(isinstance(layer, nn.Conv2d) and layer.bias is not None for layer in layers)
    return biased and does_as(Bottleneck, *(_shape(case) for case in CASES))(answer)


def _ordered_otherwise(answer: Any) -> bool:
    """It computes what it should, of the same tensors, made in another order."""
    theirs, ours = _shapes(answer), _shapes(Bottleneck)
    computes = does_as(Bottleneck, _output((8, 2, 1), "train"), _output((8, 3, 2), "train"))
    return theirs != ours and sorted(theirs) == sorted(ours) and computes(answer)


class _NoSkip(Bottleneck):
    def forward(self, x):
        out = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(self.bn3(self.conv3(out)))


class _SkipTwice(Bottleneck):
    def forward(self, x):
        out = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(self.bn3(self.conv3(out)) + 2 * self.shortcut(x))


class _ReluFirst(Bottleneck):
    def forward(self, x):
        out = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(self.bn3(self.conv3(out))) + self.shortcut(x)


class _ReluTwice(Bottleneck):
    def forward(self, x):
        out = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(F.relu(self.bn3(self.conv3(out))) + self.shortcut(x))


class _NoLastRelu(Bottleneck):
    def forward(self, x):
        out = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return self.bn3(self.conv3(out)) + self.shortcut(x)


class _NoFirstRelu(Bottleneck):
    def forward(self, x):
        out = F.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))))
        return F.relu(self.bn3(self.conv3(out)) + self.shortcut(x))


class _NoSecondRelu(Bottleneck):
    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(self.bn3(self.conv3(out)) + self.shortcut(x))


class _NoInnerRelu(Bottleneck):
    def forward(self, x):
        out = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        return F.relu(self.bn3(self.conv3(out)) + self.shortcut(x))


def _strides(first: bool, second: bool, third: bool, shortcut: bool = True) -> type[Bottleneck]:
    """The reference with the stride on these convolutions."""

    class Changed(Bottleneck):
        def __init__(self, in_channels, channels, stride=1):
            super().__init__(in_channels, channels, stride)
            self.conv1.stride = (stride if first else 1,) * 2
            self.conv2.stride = (stride if second else 1,) * 2
            self.conv3.stride = (stride if third else 1,) * 2
            if isinstance(self.shortcut, nn.Sequential) and not shortcut:
                self.shortcut[0].stride = (1, 1)

    return Changed


def _shortcut(needed: Callable[[bool, bool], bool], norm: bool = True) -> type[Bottleneck]:
    """The reference with a projection where `needed(stride is not 1, channels change)` says so."""

    class Changed(Bottleneck):
        def __init__(self, in_channels, channels, stride=1):
            super().__init__(in_channels, channels, stride)
            layers: list[nn.Module] = [nn.Conv2d(in_channels, 4 * channels, 1, stride, bias=False)]
            layers += [nn.BatchNorm2d(4 * channels)] if norm else []
            self.shortcut = nn.Identity()
            if needed(stride != 1, in_channels != 4 * channels):
                self.shortcut = nn.Sequential(*layers)

    return Changed


class _NoExpansion(Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv3, self.bn3 = nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != channels:
            convolution = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(channels))


class _ExpandsEarly(Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv2 = nn.Conv2d(channels, 4 * channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * channels)
        self.conv3 = nn.Conv2d(4 * channels, 4 * channels, 1, bias=False)


class _NotNarrowed(Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        wide = 4 * channels
        self.conv1, self.bn1 = nn.Conv2d(in_channels, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.conv3 = nn.Conv2d(wide, wide, 1, bias=False)


class _AllThreeByThree(Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 3, padding=1, bias=False)


class _AllOneByOne(Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv2 = nn.Conv2d(channels, channels, 1, stride, bias=False)


class _NoNorms(Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.bn1, self.bn2, self.bn3 = nn.Identity(), nn.Identity(), nn.Identity()


class _NoLastNorm(Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.bn3 = nn.Identity()


class _SharedNorm(Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.bn2 = self.bn1


class _NoPadding(Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv2.padding = (0, 0)


class _PadsOneByOne(Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv1.padding = self.conv3.padding = (1, 1)


BOTTLENECK = Exercise(
    task=(
        "Write torchvision's bottleneck: a 1 x 1 convolution to `channels`, a 3 x 3 convolution that takes the stride, "
        "a 1 x 1 convolution to 4 * channels. Each is followed by BatchNorm; a ReLU stands behind the first two, and "
        "one after the addition. Where the shape changes, the shortcut is a 1 x 1 convolution with the stride, "
        "followed by BatchNorm; else it is x itself. No convolution has a bias. Make the layers in the order in which "
        "data meets them, each norm next to its convolution, the shortcut last: the next exercise needs that."
    ),
    difficulty=4,
    minutes=20,
    reference=Bottleneck,
    cases=(
        *(_shape(case) for case in CASES),
        *(_parameters(case) for case in CASES),
        *(_output(case, "train") for case in CASES),
        _output((8, 3, 2), "eval"),
        Case("the gradient of (y * y).sum() by x, for y = {name}(8, 3, 2)(x)", _input_gradient),
        Case("the shapes of the parameters of {name}(4, 3, 2), in their order", _shapes),
    ),
    mistakes=(
        Mistake("skip-forgotten", "The shortcut is not added: this is a plain block.", _NoSkip),
        Mistake("skip-twice", "The shortcut is added twice.", _SkipTwice),
        Mistake("relu-before-addition", "The last ReLU comes before the addition. It belongs behind it.", _ReluFirst),
        Mistake("relu-on-both", "There is a ReLU before the addition, too: what the branch adds cannot be negative.",
                _ReluTwice),
        Mistake("no-last-relu", "After the addition a ReLU is missing.", _NoLastRelu),
        Mistake("no-first-relu", "Behind the first norm a ReLU is missing.", _NoFirstRelu),
        Mistake("no-second-relu", "Behind the second norm a ReLU is missing.", _NoSecondRelu),
        Mistake("no-inner-relu", "Inside of the branch there is no ReLU: three convolutions in a row are one.",
                _NoInnerRelu),
        Mistake("stride-on-first", "Your first convolution takes the stride, as in the paper (v1). The task asks for "
                "torchvision's block.", _strides(True, False, False)),
        Mistake("stride-on-last", "Your last convolution takes the stride. The 3 x 3 one should.",
                _strides(False, False, True)),
        Mistake("stride-twice", "Two convolutions of the branch take the stride, so it shrinks twice.",
                _strides(True, True, False)),
        Mistake("stride-on-one-path", "Only one of branch and shortcut takes the stride. What is added has one size.",
                _strides(False, True, False, shortcut=False)),
        Mistake("projection-without-norm", "The shortcut's convolution is not followed by BatchNorm.",
                _shortcut(lambda stride, channels: stride or channels, norm=False)),
        Mistake("projection-always", "Where the shape stays, the shortcut should be x itself, without weights: "
                "compare in_channels with the number that the block gives.",
                _shortcut(lambda stride, channels: True)),
        Mistake("projects-only-for-stride", "The channels change without a stride, too: in the first block of the "
                "first stage.", _shortcut(lambda stride, channels: stride)),
        Mistake("projects-only-for-channels", "The size can change while the channels stay: the shortcut must follow.",
                _shortcut(lambda stride, channels: channels)),
        Mistake("never-projects", "Where the shape changes, x cannot be added as it is.",
                _shortcut(lambda stride, channels: False)),
        Mistake("no-expansion", "Your last convolution gives `channels`. A bottleneck opens again: four times as many.",
                _NoExpansion),
        Mistake("expands-early", "Your 3 x 3 convolution gives 4 * channels already. It works on the narrow part.",
                _ExpandsEarly),
        Mistake("not-narrowed", "Your 3 x 3 convolution works on 4 * channels, so nothing is saved.", _NotNarrowed),
        Mistake("all-three-by-three", "All your kernels are 3 x 3. The first and the last are 1 x 1.",
                _AllThreeByThree),
        Mistake("all-one-by-one", "All your kernels are 1 x 1: no pixel sees its neighbour.", _AllOneByOne),
        Mistake("bias-before-norm", "Your convolutions have biases; BatchNorm subtracts the mean, so they do nothing.",
                symptom=_has_biases),
        Mistake("norm-forgotten", "The convolutions are not followed by BatchNorm.", _NoNorms),
        Mistake("no-last-norm", "The last convolution is not followed by BatchNorm.", _NoLastNorm),
        Mistake("shared-norm", "Two convolutions use one BatchNorm: each needs its own.", _SharedNorm),
        Mistake("no-padding", "Your 3 x 3 convolution lacks padding, so it cuts off the border.", _NoPadding),
        Mistake("pads-one-by-one", "Your 1 x 1 convolutions pad, so a border of zeros grows.", _PadsOneByOne),
        Mistake("made-in-another-order", "What your block computes is right. Only make its layers in the order in "
                "which data meets them: convolution, norm, convolution, norm, convolution, norm, shortcut.",
                symptom=_ordered_otherwise),
    ),
    hints=(
        "It is the basic block of lesson 06 with another branch. How many channels does that branch give?",
        "conv1: 1 x 1, in_channels to channels. conv2: 3 x 3 with the stride and padding=1. conv3: 1 x 1, to "
        "4 * channels. Each has its own BatchNorm2d.",
        "The shape changes if stride != 1 or in_channels != 4 * channels.",
    ),
)  # fmt: skip


# --- torchvision's weights in a block ---------------------------------------------------------------------------------


def load_torchvision(block, state):
    """Fill block with the tensors of state, torchvision's state dict of a block: same order, other names."""
    renamed = dict(zip(block.state_dict(), state.values(), strict=True))
    block.load_state_dict(renamed)


class _Other(nn.Module):
    """A bottleneck whose layers have other names."""

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
        return block.train(mode == "train")(_input((case[0], 0, 0))).detach()

    words = f"what a bottleneck({', '.join(map(str, case))}) gives in {mode} mode, once {{name}}(block, state) is done"
    return Case(words, run)


def _independent(answer: Any) -> bool:
    """The block, trained on, leaves the state dict alone."""
    block, state = built(_Other, 8, 2, 1), _state(8, 2, 1)
    before = {name: tensor.clone() for name, tensor in state.items()}
    answer(block, state)
    with torch.no_grad():
        for tensor in (*block.parameters(), *block.buffers()):
            tensor.add_(1)
    return all(torch.equal(state[name], before[name]) for name in before)


def _every(answer: Any) -> list[float]:
    block, _ = _loaded(answer, 8, 2, 1)
    return [round(float(tensor.double().sum()), 3) for tensor in block.state_dict().values()]


def _load_some(keep: Callable[[str], bool]) -> Callable[[nn.Module, Any], None]:
    """The reference, for some of torchvision's names."""

    def answer(block, state):
        own = block.state_dict()
        for name, (key, tensor) in zip(own, state.items(), strict=True):
            if keep(key):
                own[name].copy_(tensor)

    return answer


def _by_shape(block, state):
    for tensor in block.state_dict().values():
        tensor.copy_(next(given for given in state.values() if given.shape == tensor.shape))


def _by_sorted_names(block, state):
    own = block.state_dict()
    block.load_state_dict({name: state[key] for name, key in zip(sorted(own), sorted(state), strict=True)})


LOAD_TORCHVISION = Exercise(
    task=(
        "`state` is torchvision's state dict of a bottleneck: {'conv1.weight': tensor, 'bn1.weight': ...}. `block` is "
        "a bottleneck whose layers were made in the same order, under other names. Copy every tensor of `state` into "
        "`block`, in place."
    ),
    difficulty=3,
    minutes=8,
    reference=load_torchvision,
    cases=(
        _loads("train", 8, 2, 1),
        _loads("eval", 8, 2, 1),
        _loads("train", 4, 2, 1),
        _loads("eval", 4, 2, 1),
        _loads("eval", 8, 3, 2),
        Case("the sum of each tensor in block's state dict, once {name}(block, state) is done", _every),
        Case("whether `state` stays as it was when the block is trained afterwards", _independent),
    ),
    mistakes=(
        Mistake("nothing-loaded", "The block is as it was before. (load_state_dict with strict=False passes over "
                "every name that it does not know, and says nothing. A new dict, or a loop's variable that is given "
                "another tensor, does not reach the block.)", lambda block, state: None),
        Mistake("statistics-forgotten", "BatchNorm's running statistics are not loaded. They are in the state dict, "
                "and not among the parameters.",
                _load_some(lambda key: "running" not in key and "num_batches" not in key)),
        Mistake("counter-forgotten", "num_batches_tracked, BatchNorm's counter of batches, is not loaded.",
                _load_some(lambda key: "num_batches" not in key)),
        Mistake("convolutions-only", "You load the convolutions only. The norms have weights, too.",
                _load_some(lambda key: "conv" in key or key == "downsample.0.weight")),
        Mistake("norms-only", "You load the norms only. The convolutions stay as they were.",
                _load_some(lambda key: "bn" in key or "downsample.1" in key)),
        Mistake("shortcut-forgotten", "The shortcut's weights are not loaded.",
                _load_some(lambda key: "downsample" not in key)),
        Mistake("goes-by-shape", "You go by the shapes. Several tensors have the same one.", _by_shape),
        Mistake("goes-by-sorted-names", "You sort the names. Other names sort otherwise: keep the order they have.",
                symptom=raises(RuntimeError, "size mismatch", run=lambda answer: answer(_Other(4, 2, 1),
                                                                                        _state(4, 2, 1)))),
        Mistake("names-not-changed", "The names of torchvision are not those of this block. Which of them belong "
                "together?",
                symptom=raises(RuntimeError, "Missing key(s) in state_dict", run=lambda answer: answer(
                    _Other(8, 2, 1), _state(8, 2, 1)))),
        Mistake("lists-not-aligned", "You pair tensors of different kinds: a state dict holds BatchNorm's statistics, "
                "parameters() does not.",
                symptom=raises(RuntimeError, "must match the size of tensor", run=lambda answer: answer(
                    _Other(8, 2, 1), _state(8, 2, 1)))),
        Mistake("shares-memory", "Your block holds the tensors of `state` themselves, so training it changes `state`. "
                "Copy them.",
                symptom=lambda answer: not _independent(answer) and does_as(
                    load_torchvision, _loads("train", 8, 2, 1))(answer)),
    ),
    hints=(
        "block.state_dict() has the block's names in their order, state.values() the tensors in theirs.",
        "zip(names, tensors) makes pairs, and dict(...) of pairs a state dict under the block's own names.",
        "block.load_state_dict(renamed) copies, and complains where a name or a shape does not fit.",
    ),
)  # fmt: skip
