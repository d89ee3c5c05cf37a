"""The exercises of lesson 07: the size of a network, a fair start, a whole ResNet-20."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from resnet_edu import models
from resnet_edu.exercises.cases import beyond, call, fits, normal, output, parameters, shape, snapshot
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.faults import Fault
from resnet_edu.exercises.lesson_06 import as_built, elsewhere
from resnet_edu.exercises.writing import agrees, raises, right_but_not_on

# --- the number of parameters -----------------------------------------------------------------------------------------


def count_parameters(depth):
    """Parameters of the plain CIFAR net of depth 6n + 2: stem, three stages of n blocks, classifier."""
    n = (depth - 2) // 6
    total = 9 * 3 * 16 + 2 * 16  # the stem: convolution and BatchNorm
    channels = 16
    for width in (16, 32, 64):
        for _ in range(n):
            total += 9 * channels * width + 2 * width
            total += 9 * width * width + 2 * width
            channels = width
    return total + 64 * 10 + 10


def _channels(depth):
    """The mistakes of all convolutions, taken together."""
    return 16 + 2 * (16 + 32 + 64) * ((depth - 2) // 6)


COUNT_PARAMETERS = Exercise(
    reference=count_parameters, difficulty=3, minutes=15,
    task="Count the parameters of the plain CIFAR network with BatchNorm: a stem from 3 to 16 channels, three stages "
         "of n blocks with 16, 32, and 64 channels, and a classifier for 10 classes. The depth is 6n + 2. Each block "
         "has two 3 x 3 convolutions without bias. Each of them is followed by a BatchNorm, and so is the stem's "
         "convolution.",
    cases=tuple(call(depth) for depth in (8, 14, 20, 56, 110)),
    mistakes=(
        Mistake("only-the-two-examples", "Your answer works only for the lesson's two depths.",
                symptom=right_but_not_on(count_parameters, [call(20), call(56)], [call(8), call(14), call(110)])),
        Mistake("in-proportion-to-depth", "The stem and the first blocks of the stages do not grow with the depth.",
                symptom=lambda answer: min(abs(answer(8) - 269_722 * part) for part in (8 / 20, 1 / 3)) <= 1),
        Mistake("convolutions-with-biases", "You count biases for the convolutions. Convolutions followed by "
                "BatchNorm have none.",
                lambda depth: count_parameters(depth) + _channels(depth)),
        Mistake("norms-forgotten", "A BatchNorm has two parameters per channel, a scale and a shift.",
                lambda depth: count_parameters(depth) - 2 * _channels(depth),
                lambda depth: count_parameters(depth) - _channels(depth)),
        Mistake("running-statistics", "You count the running mean and variance. They are measured, not learned.",
                lambda depth: count_parameters(depth) + 2 * _channels(depth)),
        Mistake("stem-forgotten", "You have left out the stem and its BatchNorm.", ("9 * 3 * 16 + 2 * 16", "0")),
        Mistake("norm-of-the-stem-forgotten", "The stem's convolution has a BatchNorm, too.", (" + 2 * 16", "")),
        Mistake("stem-of-one-channel", "Your stem does not take the three channels of an image.", ("9 * 3", "9"),
                ("9 * 3", "9 * 16")),
        Mistake("stem-of-seven", "Your stem is 7 x 7: that is the stem of the ImageNet network.", ("9 * 3", "49 * 3")),
        Mistake("classifier-forgotten", "The classifier goes from 64 means to 10 classes and has a bias: you count a "
                "different classifier, or none.",
                (" + 64 * 10 + 10", ""), ("10 + 10", "10"), ("64 * 10", "64 * 64 * 10")),
        Mistake("kernel-not-counted", "A kernel has 3 x 3 numbers for each pair of channels: you count fewer.",
                (("9 * 3", "3"), ("9 * channels", "channels"), ("9 * width", "width")),
                (("9 * 3", "3 * 3"), ("9 * channels", "3 * channels"), ("9 * width", "3 * width"))),
        Mistake("one-convolution-a-block", "A block has two convolutions.", ("9 * width * width + 2 * width", "0"),
                ("9 * width * width + 2 * width", "18 * width * width + 4 * width")),
        Mistake("twice-the-blocks", "Your number of blocks per stage is not the n in depth = 6n + 2.", ("// 6", "// 3"),
                ("// 6", "// 2"), ("// 6", "// 6 + 1"), ("// 6", "// 6 - 1"), ("(depth - 2) // 6", "1")),
        Mistake("stages-begin-wide", "A stage's first convolution, and only that one, takes the previous stage's "
                "channels.",
                ("9 * channels", "9 * width"), ("9 * channels", "9 * max(16, width // 2)")),
        Mistake("counts-projections", "You count projections. The plain network has none, and option A has no "
                "parameters.", lambda depth: count_parameters(depth) + 16 * 32 + 32 * 64 + 2 * (32 + 64),
                lambda depth: count_parameters(depth) + 16 * 32 + 32 * 64),
        Mistake("counts-tensors", "You count tensors. Count the numbers in them.", lambda depth: 3 * (depth - 1) + 2),
    ),
    hints=(
        "Go through the network from the input to the output and add up. If 6n + 2 is the depth, how many blocks does "
        "a stage have?",
        "A 3 x 3 convolution from a to b channels has 9 * a * b weights; a BatchNorm of b channels has 2 * b. The "
        "classifier has a bias.",
        "In each stage, all convolutions but one go from the stage's width to the same width. The first one takes the "
        "channels of the previous stage.",
    ),
)  # fmt: skip


# --- the same start ---------------------------------------------------------------------------------------------------


def same_start(net_a, net_b):
    """True if the two nets have the same parameters: equally many, of the same shapes, with the same numbers."""
    a, b = list(net_a.parameters()), list(net_b.parameters())
    return len(a) == len(b) and all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


def _layer(*weights: float, bias: float | None = 0.5, out: int = 1) -> nn.Linear:
    """A linear layer with these weights."""
    layer = nn.Linear(len(weights) // out, out, bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weights).view_as(layer.weight))
        if bias is not None:
            layer.bias.fill_(bias)
    return layer


def _chain(*weights: float) -> nn.Sequential:
    return nn.Sequential(*(_layer(weight) for weight in weights))


def _normed(mean: float) -> nn.Sequential:
    norm = nn.BatchNorm1d(1)
    norm.register_buffer("running_mean", torch.tensor([mean]))
    norm.register_buffer("mask", torch.tensor([mean]))
    return nn.Sequential(_layer(1.0), norm)


def _cifar(*, residual: bool, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return models.CifarNet(8, residual=residual, width=4)


def _pair(words: str, make: Callable[[], tuple[nn.Module, nn.Module]], alone: tuple[str, str] | None = None) -> Case:
    def run(answer: Any) -> Any:
        fits(answer, None, None)
        nets = make()
        before = [snapshot(net) for net in nets]
        state = torch.initial_seed(), torch.get_rng_state()
        result = answer(*nets)
        if [snapshot(net) for net in nets] != before:
            raise Fault("changes-input", "it changes a network (numbers, dtype, requires_grad, or mode). Only read it.")
        if torch.initial_seed() == state[0] and not torch.equal(torch.get_rng_state(), state[1]):
            raise Fault("draws", "it uses random numbers. Compare what the networks hold, not what they compute.")
        return result

    return Case(f"{{name}}(a, b), where {words}", run, alone)


def _wide(middle: float) -> nn.Linear:
    """So wide that printing leaves out the weight in its middle."""
    return _layer(*[1.0] * 800, middle, *[1.0] * 799, out=40)


def _nearly() -> nn.Linear:
    layer = _layer(1.0).double()
    nn.init.constant_(layer.weight, 1 + 2**-50)
    return layer


_SEVERAL = _pair("both are nn.Linear(2, 1) with the same numbers", lambda: (_layer(1.0, 2.0), _layer(1.0, 2.0)))
_LONGER = _pair("b has the two layers of a, and a third", lambda: (_chain(1.0, 2.0), _chain(1.0, 2.0, 3.0)))
_SHORTER = _pair("a has the two layers of b, and a third", lambda: (_chain(1.0, 2.0, 3.0), _chain(1.0, 2.0)))
_SHAPES = _pair("a is nn.Linear(2, 1), b is nn.Linear(3, 1)", lambda: (_layer(1.0, 2.0), _layer(1.0, 2.0, 3.0)))
_STRETCHED = _pair(
    "a is nn.Linear(1, 1), b nn.Linear(2, 1), and every weight is 1", lambda: (_layer(1.0), _layer(1.0, 1.0))
)
_EMPTY = _pair("both are nn.ReLU()", lambda: (nn.ReLU(), nn.ReLU()))
_UNIT = 1.0 + torch.finfo(torch.float32).eps


def _stops(answer: Any, case: Case) -> bool:
    """Whether the answer itself raises there, but not for two equal nets."""
    _SEVERAL.run(answer)
    try:
        case.run(answer)
    except Fault:
        return False
    except Exception:
        return True
    return False


SAME_START = Exercise(
    reference=same_start, difficulty=2, minutes=10,
    task="Return whether two networks start from the same parameters: True if they have the same number of "
         "parameters, and each has the same shape and exactly the same numbers as its counterpart in the other "
         "network; otherwise False. Buffers, such as BatchNorm's running statistics, do not count.",
    cases=(
        _pair("both are nn.Linear(1, 1) with weight 1", lambda: (_layer(1.0), _layer(1.0))),
        _pair("a has the weight 1, b the weight 2", lambda: (_layer(1.0), _layer(2.0))), _SEVERAL,
        _pair("every number differs", lambda: (_layer(1.0, 2.0, bias=0.5), _layer(3.0, 4.0, bias=0.7))),
        _pair("the weights are [1, 2] and [1, 3]", lambda: (_layer(1.0, 2.0), _layer(1.0, 3.0))),
        _pair("the weights are [1, 2] and [2, 1]", lambda: (_layer(1.0, 2.0), _layer(2.0, 1.0))),
        _pair("only the biases differ", lambda: (_layer(1.0, bias=0.5), _layer(1.0, bias=0.7))),
        _pair("the second of two layers differs", lambda: (_chain(1.0, 2.0), _chain(1.0, 3.0))),
        _pair("the first of two layers differs", lambda: (_chain(1.0, 2.0), _chain(3.0, 2.0))),
        _pair("one weight differs by one unit in its last bit", lambda: (_layer(1.0), _layer(_UNIT))), _SHAPES,
        _STRETCHED,
        _pair(
            "the weights have the shapes [1, 2] and [2, 1], and the same numbers",
            lambda: (_layer(1.0, 2.0, bias=None), _layer(1.0, 2.0, bias=None, out=2)),
        ),
        _LONGER, _SHORTER, _pair("a and b are the same net", lambda: (_chain(1.0, 2.0),) * 2),
        _pair("one weight of 1,600 differs", lambda: (_wide(1.0), _wide(2.0))),
        _pair("both are float64, and one weight differs by 2**-50", lambda: (_layer(1.0).double(), _nearly())),
        _pair("only buffers differ: a running mean, and a mask", lambda: (_normed(0.0), _normed(1.0))),
        _pair("the plain and the residual net have the same seed",
              lambda: (_cifar(residual=False), _cifar(residual=True))),
        _pair("the plain and the residual net have different seeds",
              lambda: (_cifar(residual=False), _cifar(residual=True, seed=1))),
        _pair("b has the two layers of a in another order", lambda: (_chain(1.0, 2.0), _chain(2.0, 1.0)),
              ("order-ignored", "Each parameter has to be equal to its own counterpart, not to just any parameter.")),
        _pair("two frozen nets differ", lambda: (_layer(1.0).requires_grad_(False), _layer(2.0).requires_grad_(False)),
              ("frozen-ignored", "You leave out frozen parameters. They count, too.")),
        Case("whether {name}(nn.ReLU(), nn.ReLU()) is False", lambda answer: agrees(answer, lambda a, b: False, _EMPTY),
             ("false-without-parameters", "In two networks without parameters, nothing differs: return True.")),
    ),
    mistakes=(
        Mistake("compares-tensors-as-numbers", "`==` gives one result per entry. You need one for all of them.",
                ("torch.equal(p, q)", "p == q"), symptom=raises(RuntimeError, "Boolean value", _SEVERAL.run)),
        Mistake("nearly-equal", "You allow small differences, or you round. Networks with the same start are equal to "
                "the last bit.",
                ("torch.equal(p, q)", "torch.allclose(p, q)"),
                ("torch.equal(p, q)", "p.shape == q.shape and torch.allclose(p, q)"),
                ("torch.equal(p, q)", "torch.equal(p.float(), q.float())")),
        Mistake("broadcasts", "`==` and `-` ignore the shapes: they broadcast [1, 1] to [1, 2], or raise an error.",
                symptom=lambda answer: _stops(answer, _SHAPES) and bool(_STRETCHED.run(answer))),
        Mistake("stops-at-nets-of-two-lengths", "Your function raises an error if one network has more parameters. "
                "Return False.",
                symptom=lambda answer: (
                    (_stops(answer, _LONGER) or _stops(answer, _SHORTER)) and _SHAPES.run(answer) is False
                )),
        Mistake("stops-at-two-shapes", "Your function raises an error if two parameters differ in shape. Return False.",
                symptom=lambda answer: _stops(answer, _SHAPES)),
        Mistake("always-false", "You compare the objects, and two networks never hold the same ones. Compare the "
                "numbers in them.", ("torch.equal(p, q)", "p is q")),
        Mistake("always-true", "Your answer is True whatever the networks hold.", lambda net_a, net_b: True),
        Mistake("only-the-first", "Your answer depends on one parameter only: is there a `return` in the loop, or "
                "does each pass of the loop overwrite the result?",
                ("len(a) == len(b) and all", "next"), ("and all", "and next"),
                (("net_a.parameters())", "net_a.parameters())[-1:]"),
                       ("net_b.parameters())", "net_b.parameters())[-1:]"))),
        Mistake("printed-text", "You compare the printed text. Printing leaves out digits, and most of the numbers of "
                "a large tensor.", ("torch.equal(p, q)", "str(p) == str(q)")),
        Mistake("any-for-all", "One pair of equal parameters, or of equal numbers, is not enough: all pairs have to "
                "be equal.",
                ("all(", "any("), ("torch.equal(p, q)", "p.shape == q.shape and (p == q).any()")),
        Mistake("shapes-only", "You do not compare the numbers.", ("torch.equal(p, q)", "p.shape == q.shape"),
                lambda net_a, net_b: models.count_parameters(net_a) == models.count_parameters(net_b),
                ("torch.equal(p, q)", "True")),
        Mistake("sums-only", "You compare one sum or norm per parameter. Different parameters can have the same sum "
                "or norm.",
                ("torch.equal(p, q)", "p.shape == q.shape and p.sum() == q.sum()")),
        Mistake("weights-only", "You leave out the biases. Every parameter counts.",
                ("torch.equal(p, q)", "p.ndim < 2 or torch.equal(p, q)")),
        Mistake("stops-with-the-shorter", "zip stops at the end of the shorter network: the other one can have more "
                "parameters.", (("len(a) == len(b) and ", ""), ("strict=True", "strict=False"))),
        Mistake("shapes-ignored", "You compare the numbers in one long row, so the shapes are lost.",
                lambda *nets: torch.equal(*(nn.utils.parameters_to_vector(net.parameters()) for net in nets))),
        Mistake("running-statistics", "You compare buffers, too, such as running statistics. They are not "
                "parameters.",
                (("net_a.parameters()", "net_a.state_dict().values()"),
                       ("net_b.parameters()", "net_b.state_dict().values()"))),
        Mistake("turned-round", "Your answer is inverted.", lambda net_a, net_b: not same_start(net_a, net_b)),
    ),
    hints=(
        "net.parameters() yields the tensors one by one, in the same order for every network with the same layout. "
        "Compare them in pairs.",
        "torch.equal(p, q) is True if both shapes and numbers are the same. This has to hold for all pairs; `all` "
        "takes a generator.",
        "zip silently stops at the end of the shorter list. So turn both into lists with list(net.parameters()), and "
        "compare their lengths first.",
    ),
)  # fmt: skip


# --- a whole ResNet-20 ------------------------------------------------------------------------------------------------


class ResNet20(nn.Module):
    """Images [N, 3, H, W] -> logits [N, num_classes]. He et al. 2015, section 4.2, with shortcuts of option A."""

    def __init__(self, num_classes=10):
        super().__init__()

        def conv_norm(in_channels, out_channels, stride=1):
            conv = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(out_channels))

        self.stem = conv_norm(3, 16)
        self.branches = nn.ModuleList()
        channels = 16
        for width in (16, 32, 64):
            for _ in range(3):
                stride = 1 if width == channels else 2
                branch = nn.Sequential(conv_norm(channels, width, stride), nn.ReLU(), conv_norm(width, width))
                self.branches.append(branch)
                channels = width
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        x = F.relu(self.stem(x))
        for branch in self.branches:
            out = branch(x)
            if out.shape != x.shape:  # option A: every second pixel, then channels of zeros
                x = x[:, :, ::2, ::2]
                x = F.pad(x, (0, 0, 0, 0, 0, out.shape[1] - x.shape[1]))
            x = F.relu(out + x)
        return self.fc(x.mean((2, 3)))


_IMAGES = normal(2, 3, 8, 8, seed=7)


RESNET20 = Exercise(
    reference=ResNet20, difficulty=5, minutes=40,
    task="Build ResNet-20 for CIFAR: a 3 x 3 stem from 3 to 16 channels with BatchNorm and ReLU; three stages of three "
         "basic blocks with 16, 32, and 64 channels; the mean over all pixels; a linear layer. In the first blocks of "
         "stages two and three, the first convolution has stride 2 and the shortcut is option A, with the zeros after "
         "the channels of x. The network takes square images of any size from 4 up and returns logits.",
    cases=(
        shape(_IMAGES), parameters(), shape(_IMAGES, num_classes=3), as_built(_IMAGES), output(_IMAGES),
        *beyond(_IMAGES), shape(_IMAGES[:1]), output(normal(2, 3, 14, 14), alone=(
            "only-some-sizes", "Right for 8 x 8 pixels, but not for 14 x 14. A stride of 2 leaves 4 of 7 rows.")),
        Case("{name}()(x) with x not on the default device", lambda answer: elsewhere(answer().to("meta"), _IMAGES),
             ("other-device", "You create a tensor in forward. Give it the device of x, as x.new_zeros does.")),
    ),
    mistakes=(
        Mistake("pools-a-fixed-size", "Your pooling has a fixed window, so your images must have a fixed size. Take "
                "the mean over all pixels.", ("x.mean((2, 3))", "F.avg_pool2d(x, 8).flatten(1)"),
                symptom=raises(RuntimeError, "Output size is too small", shape(_IMAGES).run)),
        Mistake("no-pooling", "Your classifier gets every pixel. Take the mean over the pixels first, which leaves 64 "
                "numbers.", (("(64,", "(4096,"), ("x.mean((2, 3))", "x.flatten(1)")),
                symptom=lambda answer: any(p.ndim == 2 and p.shape[1] > 64 for p in answer().parameters())),
        Mistake("stem-of-imagenet", "Your stem has a 7 x 7 kernel: that is the network for ImageNet.",
                ("= conv_norm(3, 16)", "= nn.Sequential(nn.Conv2d(3, 16, 7, padding=3), nn.BatchNorm2d(16))"),
                symptom=lambda answer: next(p for p in answer().parameters() if p.ndim == 4).shape[2] == 7),
        Mistake("skip-forgotten", "You do not add a shortcut: this is plain-20.", ("out + x", "out")),
        Mistake("skip-only-where-the-shape-stays", "Where the shape changes, you add nothing.",
                ("x[:, :, ::2, ::2]", "0 * out")),
        Mistake("projections", "Your shortcuts have parameters: that is option B. The task asks for option A.",
                lambda num_classes=10: models.CifarNet(20, residual=True, shortcut="B", num_classes=num_classes)),
        Mistake("projections-without-norm", "Your shortcuts have parameters, and no BatchNorm. The task asks for "
                "option A.", symptom=lambda answer: models.count_parameters(answer()) == 269_722 + 16 * 32 + 32 * 64),
        Mistake("zeros-in-front", "Your shortcut's new channels belong after all those of x, and must be zero.",
                ("0, out.shape[1] - x.shape[1]", "out.shape[1] - x.shape[1], 0"),
                ("0, out.shape[1] - x.shape[1]", "x.shape[1] // 2, x.shape[1] // 2"),
                (", ::2]", ", ::2].repeat(1, 2, 1, 1)")),
        Mistake("averages-in-the-shortcut", "Your shortcut averages pixels. Option A takes every second pixel as it "
                "is.", ("x[:, :, ::2, ::2]", "F.avg_pool2d(x, 2)"), on=(output(_IMAGES),)),
        Mistake("relu-before-addition", "A block's last ReLU belongs after the addition.", ("(out + x)", "(out) + x")),
        Mistake("no-last-relu", "The ReLU after the addition is missing.", ("F.relu(out + x)", "out + x")),
        Mistake("no-inner-relu", "The ReLU between a block's two convolutions is missing.", (" nn.ReLU(),", "")),
        Mistake("no-relu-in-the-stem", "The stem's ReLU is missing.", ("F.relu(self", "(self")),
        Mistake("no-norm-in-the-stem", "The stem's BatchNorm is missing.", ("conv_norm(3, 16)", "conv_norm(3, 16)[0]")),
        Mistake("norms-forgotten", "The BatchNorms are missing.", ("conv, nn.BatchNorm2d(out_channels)", "conv")),
        Mistake("bias-before-norm", "Your convolutions have biases, which BatchNorm subtracts.", (", bias=False", "")),
        Mistake("two-blocks-a-stage", "A stage has three blocks.", ("range(3)", "range(2)"), ("range(3)", "range(4)")),
        Mistake("shared-blocks", "A stage contains the same block more than once: `[block] * n` does not create new "
                "blocks.", ("append(branch)", "append(branch if _ < 2 else self.branches[-1])")),
        Mistake("strides-forgotten", "The first blocks of stages two and three have stride 2, and no others.",
                (("1 if width == channels else 2", "1"), ("[:, :, ::2, ::2]", "")),
                ("width == channels", "width == 16"), ("1 if width == channels else 2", "1 if _ else 2")),
        Mistake("stride-on-second", "The second convolution of a block takes the stride; the first one should take it.",
                (("width, stride)", "width)"), ("(width, width)", "(width, width, stride)"))),
        Mistake("largest-for-mean", "You take the largest pixel of each channel. Take the mean.", ("x.mean", "x.amax")),
        Mistake("softmax-at-the-end", "Your network ends with softmax or log_softmax. The loss takes logits.",
                ("(2, 3)))", "(2, 3))).softmax(1)"), ("(2, 3)))", "(2, 3))).log_softmax(1)")),
        Mistake("relu-at-the-end", "Your ReLU discards half of the logits.", ("(2, 3)))", "(2, 3))).relu()")),
        Mistake("classes-ignored", "Your network always has ten classes.", ("64, num_classes", "64, 10")),
        Mistake("classifier-without-bias", "Your classifier has no bias.",
                ("64, num_classes", "64, num_classes, bias=False")),
    ),
    hints=(
        "First write the basic block of lesson 06, with your pad_shortcut from there as its shortcut. Then stack nine "
        "of these blocks.",
        "Keep the number of channels of the previous block in a variable. If the next width differs, the stride is 2, "
        "otherwise 1. Put the blocks into nn.Sequential or nn.ModuleList.",
        "At the end x is [N, 64, H / 4, W / 4]: x.mean((2, 3)) is [N, 64], whatever the size.",
        "sum(p.numel() for p in net.parameters()) has to be 269,722. Option A has no parameters.",
    ),
)  # fmt: skip
