"""The exercises of lesson 11: the Highway gate, grouped and separable convolutions counted, squeeze and excite."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from __future__ import annotations

import torch
from torch import Tensor

from resnet_edu.exercises.core import Exercise, Mistake
from resnet_edu.exercises.writing import call, called, integers, normal, raises

# --- the Highway gate -------------------------------------------------------------------------------------------------


def highway(x, f, logit):
    """x, f = F(x), logit: tensors of one shape -> t f + (1 - t) x with the gate t = sigmoid(logit)."""
    t = torch.sigmoid(logit)
    return t * f + (1 - t) * x


_X, _F = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([5.0, 5.0, 5.0])
_LOGIT = torch.tensor([-20.0, 0.0, 20.0])

HIGHWAY = Exercise(
    task=(
        "x, f and logit are tensors of one shape. Give t f + (1 - t) x, where the gate t is the sigmoid of logit: t = "
        "0 lets x pass, t = 1 lets f pass."
    ),
    difficulty=1,
    minutes=4,
    reference=highway,
    cases=(
        call(_X, _F, torch.full((3,), -20.0), words="{name}(x, f, logit) with logit = -20: a closed gate"),
        call(_X, _F, torch.full((3,), 20.0), words="{name}(x, f, logit) with logit = 20: an open gate"),
        call(_X, _F, _LOGIT),
        call(normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1), normal(2, 3, 4, 4, seed=2),
             words="{name}(x, f, logit) with tensors [2, 3, 4, 4]"),
    ),
    mistakes=(
        Mistake("no-sigmoid", "Your gate is logit itself. The gate is its sigmoid, a number from 0 to 1.",
                lambda x, f, logit: logit * f + (1 - logit) * x),
        Mistake("gates-exchanged", "Your closed gate lets f pass, and your open one x: the two factors are exchanged.",
                lambda x, f, logit: (1 - torch.sigmoid(logit)) * f + torch.sigmoid(logit) * x),
        Mistake("x-not-gated", "You let all of x pass, however wide the gate is open: x has a factor, too.",
                lambda x, f, logit: torch.sigmoid(logit) * f + x),
        Mistake("f-not-gated", "You let all of f pass, however far the gate is closed: f has a factor, too.",
                lambda x, f, logit: f + (1 - torch.sigmoid(logit)) * x),
        Mistake("one-gate-for-both", "x and f get the same factor. What f does not get is for x.",
                lambda x, f, logit: torch.sigmoid(logit) * (f + x)),
        Mistake("x-forgotten", "Where the gate is closed, nothing is left: x is missing.",
                lambda x, f, logit: torch.sigmoid(logit) * f),
        Mistake("gate-forgotten", "You add x and f whatever logit says: that is the residual block.",
                lambda x, f, logit: x + f),
        Mistake("tanh-for-sigmoid", "Your gate goes below 0: tanh runs from -1 to 1, the sigmoid from 0 to 1.",
                lambda x, f, logit: torch.tanh(logit) * f + (1 - torch.tanh(logit)) * x),
        Mistake("softmax-for-sigmoid", "Your gates depend on one another: softmax makes all of them add up to 1. Each "
                "number of logit is a gate by itself.",
                lambda x, f, logit: logit.softmax(-1) * f + (1 - logit.softmax(-1)) * x),
        Mistake("relu-on-f", "You send f through a ReLU. In the block that is done already when f comes here.",
                lambda x, f, logit: torch.sigmoid(logit) * f.relu() + (1 - torch.sigmoid(logit)) * x),
        Mistake("relu-at-the-end", "You send the sum through a ReLU. Nothing comes after this addition.",
                lambda x, f, logit: highway(x, f, logit).relu()),
        Mistake("subtracts", "The two parts are added, and you take one from the other.",
                lambda x, f, logit: torch.sigmoid(logit) * f - (1 - torch.sigmoid(logit)) * x),
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
    task=(
        "A convolution with groups cuts its input channels and its output channels into as many parts, and each part "
        "of the output sees one part of the input. How many weights does it have, with a kernel x kernel window and no "
        "bias? Both numbers of channels can be divided by groups."
    ),
    difficulty=2,
    minutes=4,
    reference=grouped_parameters,
    cases=(call(4, 8, 1, 1), call(4, 8, 1, 2), call(6, 4, 3, 2), call(8, 8, 3, 8), call(48, 48, 3, 8),
            call(12, 36, 5, 3)),
    mistakes=(
        Mistake("groups-ignored", "You count every output as if it saw all the inputs. It sees those of its group.",
                lambda i, o, k, g: o * i * k * k),
        Mistake("divided-twice", "You divide the inputs and the outputs by groups. That is one group; there are more.",
                lambda i, o, k, g: (o // g) * (i // g) * k * k),
        Mistake("kernel-not-squared", "Your window is a line of kernel numbers. It has kernel x kernel.",
                lambda i, o, k, g: o * (i // g) * k),
        Mistake("kernel-forgotten", "The window is missing: each output sees kernel x kernel numbers of each input.",
                lambda i, o, k, g: o * (i // g)),
        Mistake("times-groups", "More groups make your number larger. Each output sees fewer inputs then.",
                lambda i, o, k, g: o * i * g * k * k),
        Mistake("with-bias", "You count a bias for each output. The task is without bias.",
                lambda i, o, k, g: o * (i // g) * k * k + o),
        Mistake("outputs-forgotten", "You count the weights of one output. There are out_channels of them.",
                lambda i, o, k, g: (i // g) * k * k),
        Mistake("adds-channels", "You add the numbers of channels. Every output has a window on each of its inputs: "
                "that is a product.", lambda i, o, k, g: (o + i // g) * k * k),
        Mistake("not-whole", "Your number is right, and a float: / divides to a float, // to a whole number.",
                lambda i, o, k, g: o * i / g * k * k),
        Mistake("depthwise-always", "You let each output see one single input. That is so only where groups is the "
                "number of inputs.", lambda i, o, k, g: o * k * k),
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
    task=(
        "A separable convolution is two: a depthwise one, kernel x kernel with each input channel by itself, and a 1 x "
        "1 from in_channels to out_channels. The maps are size x size and stay so. Count the multiplications "
        "for one image."
    ),
    difficulty=2,
    minutes=5,
    reference=separable_cost,
    cases=(call(1, 1, 1, 1), call(2, 5, 3, 1), call(2, 5, 3, 4), call(16, 32, 3, 8), call(7, 3, 5, 6)),
    mistakes=(
        Mistake("whole-convolution", "You count a whole convolution, in which every output sees all inputs through the "
                "window. A separable one does the two things one after the other.",
                lambda i, o, k, s: s * s * i * o * k * k),
        Mistake("no-depthwise", "You count the 1 x 1 alone. The depthwise convolution works as well.",
                lambda i, o, k, s: s * s * i * o),
        Mistake("no-pointwise", "You count the depthwise convolution alone. The 1 x 1 works as well.",
                lambda i, o, k, s: s * s * i * k * k),
        Mistake("weights-for-work", "You count weights. Every weight is used at each of the size x size places.",
                lambda i, o, k, s: i * k * k + i * o),
        Mistake("size-not-squared", "You count the places of one row. There are size rows.",
                lambda i, o, k, s: s * (i * k * k + i * o)),
        Mistake("kernel-not-squared", "Your window is a line of kernel numbers. It has kernel x kernel.",
                lambda i, o, k, s: s * s * (i * k + i * o)),
        Mistake("depthwise-of-the-outputs", "Your depthwise convolution works on the outputs. It comes first, on the "
                "inputs.", lambda i, o, k, s: s * s * (o * k * k + i * o)),
        Mistake("depthwise-not-depthwise", "In your first convolution each channel sees all the others. Depthwise "
                "means that it sees itself alone.", lambda i, o, k, s: s * s * (i * i * k * k + i * o)),
        Mistake("multiplied-for-added", "You multiply the work of the two convolutions. They come one after the other.",
                lambda i, o, k, s: s * s * (i * k * k) * (i * o)),
        Mistake("counts-additions", "You count each addition as well. The task asks for the multiplications.",
                lambda i, o, k, s: 2 * separable_cost(i, o, k, s)),
        Mistake("pointwise-at-one-place", "You count the 1 x 1 at one place. It works at every place, too.",
                lambda i, o, k, s: s * s * i * k * k + i * o),
        Mistake("shrinks", "Your map shrinks by the window. The task says that it keeps its size.",
                lambda i, o, k, s: (s - k + 1) ** 2 * (i * k * k + i * o)),
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


def _excite(squeeze=lambda f: f.mean((2, 3)), middle=torch.relu, gate=torch.sigmoid, use=lambda f, s: f * s):
    """The reference, with one thing changed."""

    def answer(f, down, up):
        return use(f, gate(middle(squeeze(f) @ down.T) @ up.T)[:, :, None, None])

    return answer


def _by_place(f: Tensor, down: Tensor, up: Tensor) -> Tensor:
    s = torch.sigmoid(torch.relu(f.permute(0, 2, 3, 1) @ down.T) @ up.T)
    return f * s.permute(0, 3, 1, 2)


_ONES = torch.full((1, 1, 2, 2), 2.0), torch.tensor([[1.0]]), torch.tensor([[1.0]])
_SMALL = integers(1, 2, 2, 2, seed=3), torch.tensor([[1.0, -1.0]]), torch.tensor([[1.0], [-2.0]])
_MAPS = normal(3, 4, 2, 5, seed=4) + 0.5, normal(2, 4, seed=5), normal(4, 2, seed=6)

_SQUARE = normal(2, 3, 4, 4, seed=7), normal(3, 3, seed=8), normal(3, 3, seed=9)


def _mixes_up_sides(answer):
    """Only where the matrices are not square they do not fit."""
    misfits = raises(RuntimeError, "shapes cannot be multiplied", *_MAPS)
    return misfits(answer) and called(answer, *_SQUARE).shape == _SQUARE[0].shape


SQUEEZE_EXCITE = Exercise(
    task=(
        "f is [N, C, H, W], down [R, C], up [C, R]. Squeeze: the mean of each channel over its places. Excite: "
        "multiply by down, ReLU, multiply by up, sigmoid: one factor for each channel of each image. Give f with "
        "every channel times its factor."
    ),
    difficulty=3,
    minutes=8,
    reference=squeeze_excite,
    cases=(
        call(*_ONES),
        call(torch.full((1, 1, 2, 2), 2.0), torch.tensor([[-1.0]]), torch.tensor([[3.0]])),
        call(*_SMALL),
        call(*_MAPS, words="{name}(f, down, up) with f [3, 4, 2, 5], down [2, 4], up [4, 2]"),
        call(*_SQUARE, words="{name}(f, down, up) with f [2, 3, 4, 4], down [3, 3], up [3, 3]"),
    ),
    mistakes=(
        Mistake("sum-for-mean", "You squeeze by the sum over the places. The task asks for the mean.",
                _excite(squeeze=lambda f: f.sum((2, 3)))),
        Mistake("max-for-mean", "You squeeze by the largest number of each channel. The task asks for the mean.",
                _excite(squeeze=lambda f: f.amax((2, 3)))),
        Mistake("no-relu", "Between down and up a ReLU is missing.", _excite(middle=lambda h: h)),
        Mistake("no-sigmoid", "After up the sigmoid is missing: your factors can have any size.",
                _excite(gate=lambda s: s)),
        Mistake("relu-at-the-end", "Your last function is a ReLU. The factors come from a sigmoid.",
                _excite(gate=torch.relu)),
        Mistake("sigmoid-twice", "You take the sigmoid in the middle, too. There a ReLU belongs.",
                _excite(middle=torch.sigmoid)),
        Mistake("sigmoid-then-relu", "Your sigmoid stands in the middle and your ReLU at the end. They change places.",
                _excite(middle=torch.sigmoid, gate=torch.relu)),
        Mistake("up-before-down", "You multiply by up first and by down second. The shapes fit so, too, but down comes "
                "first.",
                lambda f, down, up: f * torch.sigmoid(torch.relu(f.mean((2, 3)) @ up) @ down)[:, :, None, None]),
        Mistake("softmax-for-sigmoid", "Your factors add up to 1 over the channels: that is softmax. Each channel has "
                "a sigmoid of its own.", _excite(gate=lambda s: s.softmax(1))),
        Mistake("adds-the-factor", "You add the factor to f. f is multiplied by it.", _excite(use=lambda f, s: f + s)),
        Mistake("adds-f", "You add f once more. The task asks for f times its factor.",
                _excite(use=lambda f, s: f + f * s)),
        Mistake("factors-returned", "You return the factors. f times its factors is asked for.",
                _excite(use=lambda f, s: s.expand_as(f))),
        Mistake("factors-not-shaped-to-f", "You return the factors themselves. f times its factors is asked for.",
                lambda f, down, up: torch.sigmoid(torch.relu(f.mean((2, 3)) @ down.T) @ up.T)),
        Mistake("not-squeezed", "Each place gets a factor of its own. Squeeze first: one mean for each channel.",
                _by_place),
        Mistake("mean-over-images", "You take the mean over the images, too. Each image has factors of its own.",
                _excite(squeeze=lambda f: f.mean((0, 2, 3))[None].expand(len(f), -1))),
        Mistake("factors-need-dimensions", "There is one factor for each image and channel, [N, C], and it does not "
                "fit f: give it two dimensions of size 1 at the end.",
                symptom=raises(RuntimeError, "must match the size of tensor", *_MAPS)),
        Mistake("not-transposed", "Your matrices do not fit: down is [R, C], so it takes C numbers to R when it stands "
                "on the left, or transposed on the right.",
                symptom=_mixes_up_sides),
        Mistake("squeezed-to-another-shape", "What you multiply by down is not [N, C]. Squeeze each map to one number: "
                "over rows and columns, and over nothing else.",
                symptom=raises(RuntimeError, "shapes cannot be multiplied", *_ONES)),
    ),
    hints=(
        "f.mean((2, 3)) is the squeeze: [N, C].",
        "mean @ down.T is [N, R]; after the ReLU, @ up.T makes [N, C] of it.",
        "Give the factors two more dimensions, factor[:, :, None, None], and multiply.",
    ),
)  # fmt: skip
