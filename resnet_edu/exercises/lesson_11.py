"""The exercises of lesson 11: the Highway gate, grouped and separable convolutions counted, squeeze and excite."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from __future__ import annotations

from typing import Any

import torch

from resnet_edu.exercises.writing import Exercise, Mistake, call, gradients, integers, normal, raises

# --- the Highway gate -------------------------------------------------------------------------------------------------


def highway(x, f, logit):
    """x, f = F(x), logit: tensors of one shape -> t f + (1 - t) x with the gate t = sigmoid(logit)."""
    t = torch.sigmoid(logit)
    return t * f + (1 - t) * x


_X, _F = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([5.0, 5.0, 5.0])
_LOGIT = torch.tensor([-20.0, 0.0, 20.0])

HIGHWAY = Exercise(
    reference=highway, difficulty=1, minutes=4,
    task="x, f and logit are tensors of one shape. Give t f + (1 - t) x, where the gate t is the sigmoid of logit: t "
         "= 0 lets x pass, t = 1 lets f pass.",
    cases=(
        call(_X, _F, torch.full((3,), -20.0), words="{name}(x, f, logit) with logit = -20: a closed gate"),
        call(_X, _F, torch.full((3,), 20.0), words="{name}(x, f, logit) with logit = 20: an open gate"),
        call(_X, _F, _LOGIT), call(_X, _F, torch.full((3,), -200.0), words="{name}(x, f, logit) with logit = -200"),
        call(_X, _F, torch.full((3,), 200.0), words="{name}(x, f, logit) with logit = 200"),
        call(normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1), normal(2, 3, 4, 4, seed=2),
             words="{name}(x, f, logit) with tensors [2, 3, 4, 4]"),
        gradients(_X, _F, torch.tensor([-1.0, 0.0, 2.0])),
    ),
    mistakes=(
        Mistake("no-sigmoid", "Your gate is logit itself. The gate is its sigmoid, a number from 0 to 1.",
                patch=("torch.sigmoid(logit)", "logit")),
        Mistake("overflows", "Your formula of the sigmoid is right, but e to the power of 200 is more than a float32 "
                "can hold.", patch=("torch.sigmoid(logit)", "logit.exp() / (1 + logit.exp())")),
        Mistake("gate-never-learns", "You detach the gate, so it gets no gradient and never learns.",
                patch=("torch.sigmoid(logit)", "torch.sigmoid(logit.detach())")),
        Mistake("gates-exchanged", "Your closed gate lets f pass, and your open one x: the two factors are exchanged.",
                patch=("torch.sigmoid(logit)", "torch.sigmoid(-logit)")),
        Mistake("x-not-gated", "You let all of x pass, however wide the gate is open: x has a factor, too.",
                patch=("(1 - t) * x", "x")),
        Mistake("f-not-gated", "You let all of f pass, however far the gate is closed: f has a factor, too.",
                patch=("t * f", "f")),
        Mistake("one-gate-for-both", "x and f get the same factor. What f does not get is for x.",
                patch=("(1 - t) * x", "t * x")),
        Mistake("x-forgotten", "Where the gate is closed, nothing is left: x is missing.",
                patch=(" + (1 - t) * x", "")),
        Mistake("gate-forgotten", "You add x and f whatever logit says: that is the residual block.",
                lambda x, f, logit: x + f),
        Mistake("tanh-for-sigmoid", "Your gate goes below 0: tanh runs from -1 to 1, the sigmoid from 0 to 1.",
                patch=("torch.sigmoid", "torch.tanh")),
        Mistake("softmax-for-sigmoid", "Your gates depend on one another: softmax makes all of them add up to 1. Each "
                "number of logit is a gate by itself.", patch=("torch.sigmoid(logit)", "logit.softmax(-1)")),
        Mistake("relu-on-f", "You send f through a ReLU. In the block that is done already when f comes here.",
                patch=("t * f", "t * f.relu()")),
        Mistake("relu-at-the-end", "You send the sum through a ReLU. Nothing comes after this addition.",
                lambda x, f, logit: highway(x, f, logit).relu()),
        Mistake("subtracts", "The two parts are added, and you take one from the other.", patch=("* f +", "* f -")),
    ),
    hints=(
        "First the gate: a number from 0 to 1 for each number of logit.",
        "torch.sigmoid(logit) is t. What is the factor of x, if the two factors add up to 1?",
        "In one line: return t * f + (1 - t) * x.",
    ),
)  # fmt: skip


# --- grouped convolution ----------------------------------------------------------------------------------------------


def grouped_parameters(in_channels, out_channels, kernel, groups):
    """The weights of a kernel x kernel convolution with groups, without bias."""
    return out_channels * (in_channels // groups) * kernel * kernel


GROUPED_PARAMETERS = Exercise(
    reference=grouped_parameters, difficulty=2, minutes=4,
    task="A convolution with groups cuts its input channels and its output channels into as many parts, and each part "
         "of the output sees one part of the input. How many weights does it have, with a kernel x kernel window and "
         "no bias? Both numbers of channels can be divided by groups.",
    cases=(
        call(4, 8, 1, 1), call(4, 8, 1, 2), call(6, 4, 3, 2), call(8, 8, 3, 8), call(48, 48, 3, 8), call(12, 36, 5, 3),
    ),
    mistakes=(
        Mistake("groups-ignored", "You count every output as if it saw all the inputs. It sees those of its group.",
                patch=(" // groups", "")),
        Mistake("divided-twice", "You divide the inputs and the outputs by groups. That is one group; there are more.",
                patch=("out_channels *", "out_channels // groups *")),
        Mistake("kernel-not-squared", "Your window is a line of kernel numbers. It has kernel x kernel.",
                patch=("kernel * kernel", "kernel")),
        Mistake("kernel-forgotten", "The window is missing: each output sees kernel x kernel numbers of each input.",
                patch=(" * kernel * kernel", "")),
        Mistake("times-groups", "More groups make your number larger. Each output sees fewer inputs then.",
                patch=("//", "*")),
        Mistake("with-bias", "You count a bias for each output. The task is without bias.",
                patch=("kernel * kernel", "kernel * kernel + out_channels")),
        Mistake("outputs-forgotten", "You count the weights of one output. There are out_channels of them.",
                patch=("out_channels * ", "")),
        Mistake("adds-channels", "You add the numbers of channels. Every output has a window on each of its inputs: "
                "that is a product.", lambda i, o, k, g: (o + i // g) * k * k),
        Mistake("not-whole", "Your number is right, and a float: / divides to a float, // to a whole number.",
                patch=("//", "/")),
        Mistake("depthwise-always", "You let each output see one single input. That is so only where groups is the "
                "number of inputs.", patch=(" * (in_channels // groups)", "")),
    ),
    hints=(
        "How many input channels does one output channel see?",
        "in_channels // groups, and through a window of kernel x kernel.",
        "Times the number of output channels.",
    ),
)  # fmt: skip


# --- separable convolution --------------------------------------------------------------------------------------------


def separable_cost(in_channels, out_channels, kernel, size):
    """Multiply-adds of a depthwise kernel x kernel and a 1 x 1 convolution on maps of size x size."""
    return size * size * (in_channels * kernel * kernel + in_channels * out_channels)


SEPARABLE_COST = Exercise(
    reference=separable_cost, difficulty=2, minutes=5,
    task="A separable convolution is two: a depthwise one, kernel x kernel with each input channel by itself, and a 1 "
         "x 1 from in_channels to out_channels. The maps are size x size and stay so. Count the multiplications for "
         "one image.",
    cases=(call(1, 1, 1, 1), call(2, 5, 3, 1), call(2, 5, 3, 4), call(16, 32, 3, 8), call(7, 3, 5, 6)),
    mistakes=(
        Mistake("whole-convolution", "You count a whole convolution, in which every output sees all inputs through "
                "the window. A separable one does the two things one after the other.",
                patch=("kernel + in_channels *", "kernel *")),
        Mistake("no-depthwise", "You count the 1 x 1 alone. The depthwise convolution works as well.",
                patch=("in_channels * kernel * kernel + ", "")),
        Mistake("no-pointwise", "You count the depthwise convolution alone. The 1 x 1 works as well.",
                patch=(" + in_channels * out_channels", "")),
        Mistake("weights-for-work", "You count weights. Every weight is used at each of the size x size places.",
                patch=("size * size * ", "")),
        Mistake("size-not-squared", "You count the places of one row. There are size rows.",
                patch=("size * size", "size")),
        Mistake("kernel-not-squared", "Your window is a line of kernel numbers. It has kernel x kernel.",
                patch=("kernel * kernel", "kernel")),
        Mistake("depthwise-of-the-outputs", "Your depthwise convolution works on the outputs. It comes first, on the "
                "inputs.", patch=("(in_channels *", "(out_channels *")),
        Mistake("depthwise-not-depthwise", "In your first convolution each channel sees all the others. Depthwise "
                "means that it sees itself alone.", patch=("(in_channels *", "(in_channels**2 *")),
        Mistake("multiplied-for-added", "You multiply the work of the two convolutions. They come one after the other.",
                patch=("+", "*")),
        Mistake("counts-additions", "You count each addition as well. The task asks for the multiplications.",
                patch=("return ", "return 2 * ")),
        Mistake("pointwise-at-one-place", "You count the 1 x 1 at one place. It works at every place, too.",
                lambda i, o, k, s: s * s * i * k * k + i * o),
        Mistake("shrinks", "Your map shrinks by the window. The task says that it keeps its size.",
                patch=("size * size", "(size - kernel + 1) ** 2")),
    ),
    hints=(
        "How many multiplications does the depthwise convolution take at one place? And the 1 x 1?",
        "The first takes kernel x kernel for each input channel, the second in_channels for each output channel.",
        "Add the two, and multiply by the number of places.",
    ),
)  # fmt: skip


# --- squeeze and excite -----------------------------------------------------------------------------------------------


def squeeze_excite(f, down, up):
    """f [N, C, H, W]; down [R, C], up [C, R] -> f, each channel times its factor sigmoid(up relu(down mean))."""
    mean = f.mean((2, 3))  # [N, C]
    factor = torch.sigmoid(torch.relu(mean @ down.T) @ up.T)  # [N, C]
    return f * factor[:, :, None, None]


_ONES = call(torch.full((1, 1, 2, 2), 2.0), torch.tensor([[1.0]]), torch.tensor([[1.0]]))
_MAPS = call(normal(3, 4, 2, 5, seed=4) + 0.5, normal(2, 4, seed=5), normal(4, 2, seed=6),
             words="{name}(f, down, up) with f [3, 4, 2, 5], down [2, 4], up [4, 2]")  # fmt: skip
_SQUARE = call(normal(2, 3, 4, 4, seed=7), normal(3, 3, seed=8), normal(3, 3, seed=9),
               words="{name}(f, down, up) with f [2, 3, 4, 4], down [3, 3], up [3, 3]")  # fmt: skip


def _mixes_up_sides(answer: Any) -> bool:
    """Only where the matrices are not square they do not fit."""
    misfits = raises(RuntimeError, "shapes cannot be multiplied", _MAPS.run)
    return misfits(answer) and _SQUARE.run(answer).shape == (2, 3, 4, 4)


SQUEEZE_EXCITE = Exercise(
    reference=squeeze_excite, difficulty=3, minutes=8,
    task="f is [N, C, H, W], down [R, C], up [C, R]. Squeeze: the mean of each channel over its places. Excite: "
         "multiply by down, ReLU, multiply by up, sigmoid: one factor for each channel of each image. Give f with "
         "every channel times its factor.",
    cases=(
        _ONES, call(torch.full((1, 1, 2, 2), 2.0), torch.tensor([[-1.0]]), torch.tensor([[3.0]])),
        call(integers(1, 2, 2, 2, seed=3), torch.tensor([[1.0, -1.0]]), torch.tensor([[1.0], [-2.0]])), _MAPS, _SQUARE,
        call(torch.full((1, 1, 2, 2), 200.0), torch.tensor([[1.0]]), torch.tensor([[1.0]])),
        gradients(normal(2, 3, 2, 2), normal(2, 3, seed=1), normal(3, 2, seed=2),
                  words="{name}(f, down, up) with f [2, 3, 2, 2], down [2, 3], up [3, 2]"),
    ),
    mistakes=(
        Mistake("sum-for-mean", "You squeeze by the sum over the places. The task asks for the mean.",
                patch=("f.mean", "f.sum")),
        Mistake("max-for-mean", "You squeeze by the largest number of each channel. The task asks for the mean.",
                patch=("f.mean", "f.amax")),
        Mistake("no-relu", "Between down and up a ReLU is missing.", patch=("torch.relu", "")),
        Mistake("no-sigmoid", "After up the sigmoid is missing: your factors can have any size.",
                patch=("torch.sigmoid", "")),
        Mistake("relu-at-the-end", "Your last function is a ReLU. The factors come from a sigmoid.",
                patch=("torch.sigmoid", "torch.relu")),
        Mistake("sigmoid-twice", "You take the sigmoid in the middle, too. There a ReLU belongs.",
                patch=("torch.relu", "torch.sigmoid")),
        Mistake("sigmoid-then-relu", "Your sigmoid stands in the middle and your ReLU at the end. They change places.",
                patch=("torch.sigmoid(torch.relu", "torch.relu(torch.sigmoid")),
        Mistake("up-before-down", "You multiply by up first and by down second. The shapes fit so, too, but down "
                "comes first.", patch=("down.T) @ up.T", "up) @ down")),
        Mistake("softmax-for-sigmoid", "Your factors add up to 1 over the channels: that is softmax. Each channel has "
                "a sigmoid of its own.", patch=(("torch.sigmoid", ""), ("up.T)", "up.T).softmax(1)"))),
        Mistake("adds-the-factor", "You add the factor to f. f is multiplied by it.", patch=("f *", "f +")),
        Mistake("adds-f", "You add f once more. The task asks for f times its factor.", patch=("f *", "f + f *")),
        Mistake("factors-returned", "You return the factors. f times its factors is asked for.",
                patch=("f *", "0 * f +")),
        Mistake("factors-not-shaped-to-f", "You return the factors themselves. f times its factors is asked for.",
                patch=("f * factor[:, :, None, None]", "factor")),
        Mistake("not-squeezed", "Each place gets a factor of its own. Squeeze first: one mean for each channel.",
                patch=(("mean((2, 3))", "permute(0, 2, 3, 1)"),
                       ("factor[:, :, None, None]", "factor.permute(0, 3, 1, 2)"))),
        Mistake("mean-over-images", "You take the mean over the images, too. Each image has factors of its own.",
                patch=("mean((2, 3))", "mean((0, 2, 3))[None]")),
        Mistake("factors-need-dimensions", "There is one factor for each image and channel, [N, C], and it does not "
                "fit f: give it two dimensions of size 1 at the end.", patch=("[:, :, None, None]", ""),
                symptom=raises(RuntimeError, "must match the size of tensor", _MAPS.run)),
        Mistake("not-transposed", "Your matrices do not fit: down is [R, C], so it takes C numbers to R when it "
                "stands on the left, or transposed on the right.", patch=("down.T", "down"), symptom=_mixes_up_sides),
        Mistake("squeezed-to-another-shape", "What you multiply by down is not [N, C]. Squeeze each map to one "
                "number: over rows and columns, and over nothing else.", patch=("(2, 3)", "2"),
                symptom=raises(RuntimeError, "shapes cannot be multiplied", _ONES.run)),
    ),
    hints=(
        "f.mean((2, 3)) is the squeeze: [N, C].",
        "mean @ down.T is [N, R]; after the ReLU, @ up.T makes [N, C] of it.",
        "Give the factors two more dimensions, factor[:, :, None, None], and multiply.",
    ),
)  # fmt: skip
