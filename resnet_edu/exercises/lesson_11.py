"""The exercises of lesson 11: the Highway gate, grouped and separable convolutions counted, squeeze and excitation."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from typing import Any

import torch

from resnet_edu.exercises.cases import call, float64, gradients, integers, normal
from resnet_edu.exercises.core import Exercise, Mistake
from resnet_edu.exercises.writing import raises

# --- the Highway gate -------------------------------------------------------------------------------------------------


def highway(x, f, logit):
    """x, f = F(x), logit: tensors of one shape -> t f + (1 - t) x with the gate t = sigmoid(logit)."""
    t = torch.sigmoid(logit)
    return t * f + (1 - t) * x


_X, _F = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([5.0, 5.0, 5.0])
_LOGIT = torch.tensor([-20.0, 0.0, 20.0])


def _mixes_gates(answer: Any) -> bool:
    """One entry of logit has an effect on other entries of the result."""
    x, f, logit = (normal(2, 3, 2, 2, seed=seed) for seed in range(3))
    other = logit.clone()
    other[0, 0, 0, 0] += 1
    one, again, changed = (answer(x.clone(), f.clone(), gate.clone()).flatten()[1:] for gate in (logit, logit, other))
    return torch.equal(one, again) and not torch.equal(one, changed)


_OVERFLOWS = (  # in a sigmoid that is written out
    "overflows-in-backward",
    "Your values are right, but e to the power of 200 is infinite in float32, and your gradient becomes NaN.",
)


HIGHWAY = Exercise(
    reference=highway, difficulty=1, minutes=4,
    task="x, f, and logit are tensors of the same shape. Return t f + (1 - t) x, where the gate t is the sigmoid of "
         "logit: t = 0 lets x pass, t = 1 lets f pass.",
    cases=(
        call(_X, _F, torch.full((3,), -20.0), words="{name}(x, f, logit) with logit = -20: a closed gate"),
        call(_X, _F, torch.full((3,), 20.0), words="{name}(x, f, logit) with logit = 20: an open gate"),
        call(_X, _F, _LOGIT), call(_X, _F, torch.full((3,), -200.0), words="{name}(x, f, logit) with logit = -200"),
        call(_X, _F, torch.full((3,), 200.0), words="{name}(x, f, logit) with logit = 200"),
        call(normal(2, 3, 4, 1), normal(2, 3, 4, 1, seed=1), normal(2, 3, 4, 1, seed=2),
             words="{name}(x, f, logit) with tensors [2, 3, 4, 1]"),
        gradients(_X, _F, torch.tensor([-1.0, 0.0, 2.0])),
        gradients(_X, _F, torch.full((3,), -200.0), alone=_OVERFLOWS),
        gradients(_X, _F, torch.full((3,), 200.0), alone=_OVERFLOWS), float64(_X, _F, _LOGIT),
    ),
    mistakes=(
        Mistake("no-sigmoid", "Your gate is logit itself, not its sigmoid.", ("torch.sigmoid(logit)", "logit")),
        Mistake("hard-sigmoid", "Your gate is a straight line, cut off at both ends. The sigmoid is curved.",
                ("torch.sigmoid", "torch.nn.functional.hardsigmoid")),
        Mistake("overflows", "Your formula for the sigmoid is correct, but e to the power of 200 does not fit into "
                "float32.", ("torch.sigmoid(logit)", "logit.exp() / (1 + logit.exp())")),
        Mistake("gates-exchanged", "Your closed gate lets f pass, and your open one lets x pass: the two factors are "
                "swapped.", ("torch.sigmoid(logit)", "torch.sigmoid(-logit)")),
        Mistake("x-not-gated", "You let all of x pass, even where the gate is open: there, only f should pass.",
                ("(1 - t) * x", "x")),
        Mistake("f-not-gated", "You let all of f pass, even through a closed gate.", ("t * f", "f")),
        Mistake("one-gate-for-both", "You multiply x by the factor of f. The two factors have to sum to 1.",
                ("(1 - t) * x", "t * x")),
        Mistake("x-forgotten", "Where the gate is closed, nothing is left: add x.", (" + (1 - t) * x", "")),
        Mistake("gate-forgotten", "You add x and f without a gate: a residual block.", lambda x, f, logit: x + f),
        Mistake("tanh-for-sigmoid", "tanh goes below 0. The gate is a sigmoid.", ("torch.sigmoid", "torch.tanh")),
        Mistake("gates-mixed", "Changing one number in logit changes several gates. Each belongs to one entry alone.",
                ("torch.sigmoid(logit)", "torch.sigmoid(logit).mean(0, keepdim=True)"), symptom=_mixes_gates),
        Mistake("closed-gates-apart", "Where all gates are closed, you return x alone, so no gradient reaches f. The "
                "formula holds there, too.", ("    t =", "    if (logit < -100).all():\n        return x\n    t =")),
        Mistake("relu-on-f", "You apply ReLU to f. Use f as it is, with its negative numbers.",
                ("t * f", "t * f.relu()")),
        Mistake("relu-at-the-end", "No ReLU comes after this sum.", lambda x, f, logit: highway(x, f, logit).relu()),
        Mistake("subtracts", "You subtract one term from the other. Add them.", ("* f +", "* f -")),
    ),
    hints=(
        "First the gate: a number from 0 to 1 for each number in logit.",
        "torch.sigmoid(logit) is t. What is the factor of x, if the two factors sum to 1?",
        "In one line: return t * f + (1 - t) * x.",
    ),
)  # fmt: skip


# --- grouped convolution ----------------------------------------------------------------------------------------------


def grouped_parameters(in_channels, out_channels, kernel, groups):
    """The weights of a kernel x kernel convolution with groups, without bias."""
    return out_channels * (in_channels // groups) * kernel * kernel


GROUPED_PARAMETERS = Exercise(
    reference=grouped_parameters, difficulty=2, minutes=4,
    task="A convolution with groups splits its input channels and its output channels into that many groups, and each "
         "group of outputs sees one group of inputs. How many weights does it have, with a kernel x kernel window and "
         "no bias? Both numbers of channels are divisible by groups.",
    cases=(
        call(4, 8, 1, 1), call(4, 8, 1, 2), call(4, 6, 1, 2), call(6, 4, 3, 2), call(6, 4, 1, 2), call(8, 8, 3, 8),
        call(4, 12, 3, 4), call(8, 12, 3, 4), call(48, 48, 3, 8), call(12, 36, 5, 3),
        call(1365, 1369, 3, 1, alone=("float32", "Your count is rounded: float32 holds only seven digits.")),
    ),
    mistakes=(
        Mistake("divided-twice", "You divide both the inputs and the outputs by groups. That counts one group; there "
                "are more.", ("out_channels *", "out_channels // groups *")),
        Mistake("times-groups", "With more groups, each output sees fewer inputs, not more.", ("//", "*")),
        Mistake("with-bias", "You count a bias for each output. The task's convolution has none.",
                ("kernel * kernel", "kernel * kernel + out_channels")),
        Mistake("adds-channels", "You add the numbers of channels. Every output has a window on each of its inputs: "
                "multiply.", lambda i, o, k, g: (o + i // g) * k * k),
        Mistake("one-output-an-input", "If each input is a group of its own, it can still have several outputs.",
                lambda i, o, k, g: grouped_parameters(i, i if g == i else o, k, g)),
        Mistake("depthwise-always", "You let each output see a single input. That is correct only if groups equals the "
                "number of inputs.", (" * (in_channels // groups)", "")),
    ),
    hints=(
        "How many input channels does one output channel see?",
        "It sees in_channels // groups of them, each through a kernel x kernel window.",
        "Times the number of output channels.",
    ),
)  # fmt: skip


# --- separable convolution --------------------------------------------------------------------------------------------


def separable_cost(in_channels, out_channels, kernel, size):
    """Multiply-adds of a depthwise kernel x kernel and a 1 x 1 convolution on maps of size x size."""
    return size * size * (in_channels * kernel * kernel + in_channels * out_channels)


SEPARABLE_COST = Exercise(
    reference=separable_cost, difficulty=2, minutes=5,
    task="A separable convolution consists of two: a depthwise one, kernel x kernel on each input channel separately, "
         "and a 1 x 1 convolution from in_channels to out_channels. The maps are size x size and keep this size. "
         "Count the multiplications for one image.",
    cases=(
        call(1, 1, 1, 1), call(2, 5, 3, 1), call(2, 5, 3, 4), call(2, 5, 5, 4), call(2, 6, 3, 4), call(3, 5, 3, 4),
        call(16, 32, 3, 8), call(7, 3, 5, 6),
        call(2, 3, 2, 4, alone=("only-odd-kernels", "For an even kernel, too, the maps keep their size.")),
    ),
    mistakes=(
        Mistake("whole-convolution", "You count a full convolution. A separable one first looks at each input through "
                "the window, then mixes them.", ("kernel + in_channels *", "kernel *")),
        Mistake("weights-for-work", "Every weight is used at size x size positions.", ("size * size * ", ""),
                ("size * size", "size"), lambda i, o, k, s: s * s * i * k * k + i * o),
        Mistake("depthwise-of-the-outputs", "The depthwise convolution works on each input channel by itself.",
                ("(in_channels *", "(out_channels *"), ("(in_channels *", "(in_channels**2 *")),
        Mistake("multiplied-for-added", "You multiply the two costs. Add them.", ("+", "*")),
        Mistake("shrinks", "Your map shrinks. It keeps its size.", ("size * size", "(size - kernel + 1) ** 2")),
    ),
    hints=(
        "How many multiplications does the depthwise convolution need at one position? And the 1 x 1 convolution?",
        "The first needs kernel x kernel for each input channel, the second in_channels for each output channel.",
        "Add the two, and multiply by the number of positions.",
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
             words="{name}(f, down, up) with f [3, 4, 2, 5], down [2, 4], up [4, 2]",
             alone=("only-squares", "Your answer is correct for square maps, but only for those."))  # fmt: skip
_SQUARE = call(normal(2, 3, 4, 4, seed=7).transpose(2, 3), normal(3, 3, seed=8), normal(3, 3, seed=9),
               words="{name}(f, down, up) with f [2, 3, 4, 4], down [3, 3], up [3, 3]")  # fmt: skip


def _mixes_up_sides(answer: Any) -> bool:
    """They do not fit only where the matrices are not square."""
    misfits = raises(RuntimeError, "shapes cannot be multiplied", _MAPS.run)
    return misfits(answer) and _SQUARE.run(answer).shape == (2, 3, 4, 4)


SQUEEZE_EXCITE = Exercise(
    reference=squeeze_excite, difficulty=3, minutes=8,
    task="f is [N, C, H, W], down [R, C], up [C, R]. Squeeze: the mean of each channel over its positions. Excite: "
         "multiply by down, ReLU, multiply by up, sigmoid: one factor for each channel of each image. Return f with "
         "every channel multiplied by its factor.",
    cases=(
        _ONES, call(torch.full((1, 1, 2, 2), 2.0), torch.tensor([[-1.0]]), torch.tensor([[3.0]])),
        call(integers(1, 2, 2, 2, seed=3), torch.tensor([[1.0, -1.0]]), torch.tensor([[1.0], [-2.0]])), _MAPS, _SQUARE,
        call(torch.full((1, 1, 2, 2), 200.0), torch.tensor([[1.0]]), torch.tensor([[1.0]])),
        call(integers(2, 1, 2, 3), integers(2, 1, seed=1), integers(1, 2, seed=2), alone=("one-channel", "Your "
             "answer fails for one channel, or R larger than C. Does squeeze() remove a dimension that you need?")),
        gradients(normal(2, 3, 2, 2), normal(2, 3, seed=1), normal(3, 2, seed=2),
                  words="{name}(f, down, up) with f [2, 3, 2, 2], down [2, 3], up [3, 2]"),
        gradients(torch.full((1, 1, 2, 2), 200.0), torch.tensor([[1.0]]), torch.tensor([[-1.0]]), alone=_OVERFLOWS),
        float64(normal(1, 1, 2, 2), torch.tensor([[1.0]]), torch.tensor([[1.0]])),
    ),
    mistakes=(
        Mistake("sum-for-mean", "You squeeze with the sum or the maximum. Take the mean.", ("f.mean", "f.sum"),
                ("f.mean", "f.amax")),
        Mistake("no-relu", "The ReLU between down and up is missing.", ("torch.relu", "")),
        Mistake("no-sigmoid", "Without the sigmoid, your factors are not limited to 0 to 1.", ("torch.sigmoid", "")),
        Mistake("relu-at-the-end", "ReLU belongs in the middle, sigmoid at the end.", ("torch.sigmoid", "torch.relu"),
                ("torch.relu", "torch.sigmoid"), ("torch.sigmoid(torch.relu", "torch.relu(torch.sigmoid")),
        Mistake("up-before-down", "You multiply by up first and by down second. The shapes match this way, too, but "
                "down comes first.", ("down.T) @ up.T", "up) @ down")),
        Mistake("softmax-for-sigmoid", "Your factors sum to 1 over the channels: that is softmax. Each channel has its "
                "own sigmoid.", (("torch.sigmoid", ""), ("up.T)", "up.T).softmax(1)"))),
        Mistake("adds-the-factor", "You add. Multiply f by its factor, and return that alone.", ("f *", "f +"),
                ("f *", "f + f *")),
        Mistake("factors-returned", "You return the factors. Multiply f by them.", ("f *", "0 * f +"),
                ("f * factor[:, :, None, None]", "factor")),
        Mistake("not-squeezed", "Each position gets its own factor. Squeeze first: one mean per channel.",
                (("mean((2, 3))", "permute(0, 2, 3, 1)"), ("factor[:, :, None, None]", "factor.permute(0, 3, 1, 2)"))),
        Mistake("mean-over-images", "You take the mean over the images, too. Each image has its own factors.",
                ("mean((2, 3))", "mean((0, 2, 3))[None]")),
        Mistake("factors-need-dimensions", "Your factors, [N, C], do not broadcast with f: add two dimensions.",
                ("[:, :, None, None]", ""), symptom=raises(RuntimeError, "must match the size of tensor", _MAPS.run)),
        Mistake("not-transposed", "down is [R, C]: to map C numbers to R, multiply by down on the left, or by its "
                "transpose on the right.", ("down.T", "down"), symptom=_mixes_up_sides),
        Mistake("squeezed-to-another-shape", "Squeeze each map to one number, [N, C]: over rows and columns only.",
                ("(2, 3)", "2"), symptom=raises(RuntimeError, "shapes cannot be multiplied", _ONES.run)),
    ),
    hints=(
        "f.mean((2, 3)) is the squeeze: [N, C].",
        "mean @ down.T is [N, R]; after the ReLU, @ up.T turns it into [N, C].",
        "Give the factors two more dimensions, factor[:, :, None, None], and multiply.",
    ),
)  # fmt: skip
