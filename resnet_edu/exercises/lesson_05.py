"""The exercises of lesson 05: the convolution that does nothing, and the angle between two gradients."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from typing import Any

import torch
from torch import Tensor, nn

from resnet_edu.exercises.cases import as_float, call, called, fits, integers
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.faults import Fault
from resnet_edu.exercises.writing import agrees, right_but_not_on

# --- a convolution that is the identity -------------------------------------------------------------------------------


def identity_conv(channels):
    """A 3 x 3 convolution, channels -> channels, with padding 1 and without bias, whose output is its input."""
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        for c in range(channels):
            conv.weight[c, c, 1, 1] = 1.0
    return conv


def _made(answer: Any, channels: int) -> nn.Conv2d:
    fits(answer, channels)
    conv = answer(channels)
    if isinstance(conv, Tensor):
        raise Fault("weights-for-layer", "it returns a tensor, not an nn.Conv2d with that weight.")
    if not isinstance(conv, nn.Conv2d):
        raise Fault("no-convolution", f"it should return an nn.Conv2d, but yours returns {type(conv).__name__}.")
    return conv


def _shape(channels: int) -> Case:
    def run(answer: Any) -> Any:
        conv, other = _made(answer, channels), _made(answer, channels)
        if conv.weight.data_ptr() == other.weight.data_ptr():
            raise Fault("shared-between-calls", "two calls return the same layer or weight. Create new ones each time.")
        found = {name: getattr(conv, name) for name in ("kernel_size", "padding", "dilation", "groups", "padding_mode")}
        return {**found, "has a bias": conv.bias is not None, **({"padding": (1, 1)} if conv.padding == "same" else {})}

    return Case(f"the layer {{name}}({channels})", run)


def _output(x: Tensor) -> Case:
    def run(answer: Any) -> Any:
        return _made(answer, x.shape[1])(x.clone()).detach()

    return Case(f"{{name}}({x.shape[1]})(x), where x has the shape {list(x.shape)}", run)


def _weight(answer: Any) -> Any:
    conv = _made(answer, 2)
    if not isinstance(conv.weight, nn.Parameter) or not conv.weight.requires_grad:
        raise Fault("frozen", "its weight cannot be trained: it has to remain a parameter with requires_grad=True.")
    result = conv(integers(1, 2, 4, 4))
    if not result.requires_grad:
        raise Fault("weight-unused", "the output does not depend on it, so it cannot learn.")
    (integers(*result.shape, seed=1) * result).sum().backward()
    others = (conv.weight != 0) & (conv.weight != 1)
    return {"entries other than 0 and 1": int(others.sum()), "its gradient": conv.weight.grad}


def _off_center(answer: Any) -> bool:
    weight = _made(answer, 1).weight.detach()
    return bool(weight.count_nonzero() == 1 == weight.sum() and weight[0, 0, 1, 1] == 0)


IDENTITY_CONV = Exercise(
    reference=identity_conv, difficulty=1, minutes=5,
    task="Return an nn.Conv2d from channels to channels with a 3 x 3 kernel, padding 1, and no bias, whose output is "
         "exactly its input.",
    cases=(
        _shape(1), _output(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])), _output(integers(1, 2, 3, 3)), _shape(3),
        _output(integers(2, 3, 4, 5, seed=1)), Case("{name}(2).weight", _weight),
    ),
    mistakes=(
        Mistake("still-random", "Your layer still has random weights. All but the 1s must be 0.",
                ("conv.weight.zero_()", "pass"),
                symptom=lambda answer: not torch.equal(_made(answer, 2).weight, _made(answer, 2).weight)),
        Mistake("sums-the-channels", "Each output channel sums all the inputs.", ("[c, c, 1, 1]", "[c, :, 1, 1]")),
        Mistake("sums-the-window", "Each output pixel sums its whole 3 x 3 window. It should look only at the pixel in "
                "the center.", ("[c, c, 1, 1]", "[c, c]")),
        Mistake("all-ones", "All weights are 1: you sum the window over all channels.", ("zero_()", "fill_(1.0)")),
        Mistake("off-center", "Your 1 is not at the center of the kernel, so the image shifts.",
                ("[c, c, 1, 1]", "[c, c, 0, 0]"), symptom=_off_center),
        Mistake("all-zeros", "All weights are 0: nothing gets through. That is F = 0, the identity of a residual "
                "block, not of a plain one.", ("= 1.0", "= 0.0")),
        Mistake("mean-of-window", "Your kernel blurs the image.", ("[c, c, 1, 1] = 1.0", "[c, c] = 1 / 9")),
    ),
    hints=(
        "The weight has the shape [out, in, 3, 3]. Which of its entries should be 1, and which 0?",
        "Output channel c looks at input channel c only, at the center, position (1, 1).",
        "Create the layer, set its weight to zero inside torch.no_grad(), then weight[c, c, 1, 1] = 1 for each c. Or "
        "look up nn.init.dirac_.",
    ),
)  # fmt: skip


# --- the angle between two gradients ----------------------------------------------------------------------------------


def gradient_cosine(a, b):
    """Cosine of the angle between two gradients of the same shape, a float from -1 to 1."""
    a, b = a.double().flatten(), b.double().flatten()
    return float(a @ b / (a.norm() * b.norm()))


_A, _B = torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0])
_FLAT = (call(_A, _B), call(_A, 5 * _B), call(torch.tensor([1.0, -2.0]), torch.tensor([-2.0, 4.0])))
_SQUARE = call(torch.tensor([[1.0, 2.0], [-2.0, 4.0]]), torch.tensor([[2.0, 1.0], [2.0, 4.0]]))
_TINY = call(1e-24 * _A, 1e-24 * _B, words="{name}(a, b) with entries of 1e-24")
_LARGE = call(1e6 * _A, _B)


GRADIENT_COSINE = Exercise(
    reference=gradient_cosine, difficulty=1, minutes=5,
    task="Return the cosine of the angle between two gradients of the same shape, whatever that is, as a float: the "
         "sum of the products of their entries divided by the product of their norms. It must be correct for entries "
         "of 1e-24, too.",
    cases=(
        call(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 0.0])),
        call(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0])), *_FLAT, _SQUARE,
        call(integers(2, 3, 3, seed=3).mT, integers(2, 3, 3, seed=4).mT, words="{name}(a.mT, b.mT), both [2, 3, 3]"),
        call(-_A, _B, alone=("signed-maximum", "Do you divide by the largest entry? Take the largest absolute value.")),
        Case("{name}(a, b) with a and b in float64",
             lambda answer: as_float(called(answer, _A.double(), _B.double()), 0.96)),
        _TINY, _LARGE,
        call(1e-24 * _A, _B, words="{name}(a, b) with entries of 1e-24 in a only",
             alone=("one-factor-for-both", "You scale both by the same number. Scale each by its own.")),
    ),
    mistakes=(
        Mistake("divides-by-eps", "You divide by at least eps (1e-8 in F.cosine_similarity), and the norms are far "
                "smaller. Make the entries larger first.",
                symptom=lambda answer: (
                    all(agrees(answer, gradient_cosine, case) for case in (*_FLAT, _SQUARE))
                    and abs(float(_TINY.run(answer))) < 0.5
                )),
        Mistake("one-factor-for-all", "You multiply by a fixed factor. One large enough for 1e-24 makes larger "
                "entries overflow.", ("a.double().flatten(), b.double().flatten()",
                                      "(1e24 * a).flatten(), (1e24 * b).flatten()"),
                symptom=right_but_not_on(gradient_cosine, [_TINY], [_LARGE])),
        Mistake("underflows", "You multiply in float32: 1e-24 times 1e-24 underflows to 0, and 0 / 0 is nan. Lesson 03 "
                "has the remedy.", ("a.double().flatten(), b.double().flatten()", "a.flatten(), b.flatten()"),
                symptom=right_but_not_on(gradient_cosine, (*_FLAT, _SQUARE), [_TINY])),
        Mistake("only-vectors", "Your answer is correct only for vectors. Treat all entries of a gradient as one long "
                "vector.", ("a.double().flatten(), b.double().flatten()", "a.double(), b.double()"),
                symptom=right_but_not_on(gradient_cosine, _FLAT, [_SQUARE])),
        # Seen on gradients of ordinary size: who makes one of these often squares in float32, too, and that can wait.
        Mistake("not-normalized", "Divide by the product of the two norms.", (" / (a.norm() * b.norm())", ""),
                ("(a.norm() * b.norm())", "a.norm()"), ("(a.norm() * b.norm())", "b.norm()"),
                ("(a.norm() * b.norm())", "(a @ a * (b @ b))"), ("a.norm() * b", "a.norm() + b"), on=_FLAT),
        Mistake("mean-for-sum", "You average the products. Sum them.", ("a @ b", "(a * b).mean()"), on=_FLAT),
        Mistake("angle-for-cosine", "You return the angle. The task asks for its cosine.",
                (("float(", "float(torch.acos(("), ("b.norm()))", "b.norm())).clamp(-1, 1)))")), on=_FLAT),
        Mistake("distance", "You return 1 minus the cosine.", ("a @ b", "1 - a @ b"), on=_FLAT),
        Mistake("correlation", "You subtract the means first. That gives the correlation of the entries.",
                ("    return", "    a, b = a - a.mean(), b - b.mean()\n    return"), on=_FLAT),
    ),
    hints=(
        "Flatten both first: a.flatten() is one long vector, whatever the shape was.",
        "(a * b).sum() divided by (a.norm() * b.norm()).",
        "1e-24 squared fits into float64 but not into float32: convert both with .double() before you multiply.",
    ),
)  # fmt: skip
