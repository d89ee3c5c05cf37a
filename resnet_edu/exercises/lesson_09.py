"""The exercises of lesson 09: how many paths have each length, filter normalization, stochastic depth."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
import math
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from resnet_edu.exercises.cases import CUT, FLOAT64, Once, call, called, fits, float64, gradients, normal
from resnet_edu.exercises.compare import same
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.faults import Fault
from resnet_edu.exercises.writing import raises

# --- paths ------------------------------------------------------------------------------------------------------------


def path_lengths(n):
    """[n + 1]: how many of the 2**n paths go through exactly 0, 1, ..., n branches."""
    return [math.comb(n, k) for k in range(n + 1)]


def _again(answer: Any) -> Any:
    answer(3).append(0)
    return answer(3)


PATH_LENGTHS = Exercise(
    reference=path_lengths, difficulty=1, minutes=3,
    task="A network of n blocks has 2**n paths: at each block, a path takes the branch or bypasses it. Return a list "
         "of n + 1 whole numbers: how many paths go through exactly 0, 1, ..., n branches.",
    cases=(call(1), call(2), call(3), call(4), call(9), call(27),
           Case("{name}(3), after something was appended to its first result", _again,
                ("own-list", "Return a list, and a new one each time: the caller may append to it.")),
           call(70, alone=("inexact", "Your numbers are right only while they are small: floats are rounded, and the "
                           "integers of NumPy and torch overflow. Count with Python's ints.")),
           call(0, alone=("no-blocks", "A network without blocks has one path, which goes through no branch."))),
    mistakes=(
        Mistake("ends-too-early", "Your list lacks the path through every branch.", ("range(n + 1)", "range(n)")),
        Mistake("middle-twice", "For an even n, your list has its middle number twice.",
                lambda n: (half := path_lengths(n)[: n // 2 + 1]) + half[::-1]),
        Mistake("starts-at-one", "One path goes through no branch: start at length 0.", ("range(n", "range(1, n")),
        Mistake("one-of-each", "You count one path per length, but several paths can have the same length and go "
                "through different branches.",
                ("math.comb(n, k)", "1")),
        Mistake("powers-of-two", "Your numbers are powers of two. Only their sum is one.", ("math.comb(n, k)", "2**k")),
        Mistake("order-counts", "You count the same choice of branches several times, once for each order. A path "
                "takes them in the order of the network.", ("comb", "perm")),
        Mistake("parts-for-numbers", "You return fractions of the total. The task asks how many paths there are.",
                ("math.comb(n, k)", "math.comb(n, k) / 2**n")),
        Mistake("adds-up", "For each length, you count the paths of at most that length.",
                lambda n: list(accumulate(path_lengths(n)))),
        Mistake("lengths-for-numbers", "You return lengths, not how many paths have them.", ("math.comb(n, k)", "k")),
        Mistake("one-number", "You return one number for all the paths. Return one per length.", lambda n: 2**n),
    ),
    hints=(
        "Write down the four paths of two blocks. How many have length 0, 1, 2?",
        "A path of length k is a choice of k blocks out of n.",
        "The math module counts such choices for you: math.comb.",
    ),
)  # fmt: skip


# --- filter normalization ---------------------------------------------------------------------------------------------


def filter_normalize(direction, weights):
    """direction, weights [O, ...] -> the direction, each filter scaled to the norm of the same filter of weights."""
    sizes = [len(weights)] + [1] * (weights.ndim - 1)
    length = weights.flatten(1).norm(dim=1) / direction.flatten(1).norm(dim=1)
    return direction * length.view(sizes)


def _norms(x: Tensor, *dims: int) -> Tensor:
    return x.norm(dim=dims, keepdim=True)


_D = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
_W = torch.tensor([[6.0, 8.0], [1.0, 0.0]])
_DRAW = torch.Generator().manual_seed(0)
_D4, _W4 = (torch.randn(3, 2, 2, 2, generator=_DRAW) for _ in range(2))
_D3, _W3 = (normal(3, 2, 4, seed=seed).transpose(1, 2) for seed in range(2))


FILTER_NORMALIZE = Exercise(
    reference=filter_normalize, difficulty=2, minutes=5,
    task="direction and weights have the same shape, [O, ...]: O filters with any number of dimensions. Return the "
         "direction with each filter scaled so that its L2 norm equals that of the corresponding filter of weights.",
    cases=(
        call(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 10.0]])), call(_D, _W),
        call(torch.tensor([[1.0, 0.0], [2.0, 2.0]]), torch.tensor([[0.0, 0.0], [3.0, -4.0]])),
        call(_D4, _W4, words="{name}(direction, weights) of shape [3, 2, 2, 2]",
             alone=("only-matrices", "Your answer is right for [O, I], but a filter can have more dimensions.")),
        call(_D3, _W3, words="{name}(direction, weights) of shape [3, 4, 2], not contiguous in memory",
             alone=("any-dimensions", "A filter can have any number of dimensions, in any layout in memory.")),
        call(1e-7 * _D, 1e-3 * _W, alone=("adds-to-the-norm", "Your eps or lower bound is too large "
                                          "next to a small norm.")),
        float64(normal(2, 3, seed=3), normal(2, 3, seed=4)),
    ),
    mistakes=(
        Mistake("whole-tensor", "Each filter has its own norm.", lambda d, w: d * (w.norm() / d.norm())),
        Mistake("unit-length", "You scale each filter to norm 1. It should have the norm of the network's filter.",
                ("weights.flatten(1).norm(dim=1) /", "1 /")),
        Mistake("upside-down", "Your factor is upside down.", ("* length", "/ length")),
        Mistake("not-divided", "You multiply by the norm of the network's filter, but keep the direction's own random "
                "norm.", (" / direction.flatten(1).norm(dim=1)", "")),
        Mistake("absolute-sums", "You use sums, squares, or deviations instead of L2 norms.",
                (("norm(dim=1) /", "norm(1, dim=1) /"), ("norm(dim=1)\n", "norm(1, dim=1)\n")),
                (("weights.flatten(1).norm", "weights.flatten(1).std"),
                       ("direction.flatten(1).norm", "direction.flatten(1).std")),
                ("length.view", "length.square().view")),
        Mistake("inputs-for-outputs", "A filter is all the weights of one output: all dimensions but the first.",
                lambda d, w: d * _norms(w, 0, *range(2, w.ndim)) / _norms(d, 0, *range(2, d.ndim)),
                lambda d, w: d * _norms(w, -2, -1) / _norms(d, -2, -1) if d.ndim > 2 else filter_normalize(d, w),
                lambda d, w: d * _norms(w, -1) / _norms(d, -1)),
        Mistake("factors-not-shaped", "Your factors, one per filter, do not broadcast with the direction: add "
                "dimensions of size 1.", (".view(sizes)", ""),
                symptom=raises(RuntimeError, "must match the size of tensor", call(_D4, _W4).run)),
    ),
    hints=(
        "What is the norm of one filter? It has all the dimensions but the first.",
        "x.flatten(1) turns x into [O, everything else]; norm(dim=1) is then one norm per filter.",
        "Divide one norm by the other, and reshape the O factors to [O, 1, ...]: view(-1, 1, 1, 1) for four "
        "dimensions. How many dimensions does your direction have?",
    ),
)  # fmt: skip


# --- stochastic depth -------------------------------------------------------------------------------------------------


def drop_path(x, branch, p, training):
    """x + F(x), [N, ...]; in training, F is dropped for each image with probability p, and otherwise scaled."""
    out = branch(x)
    if training:
        kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= p
        out = out * kept / (1 - p or 1)  # with p = 1, none is kept
    return x + out


def _double(x: Tensor) -> Tensor:
    return 2 * x


_X = torch.tensor([[1.0, 2.0], [3.0, -1.0]])


def _factors(answer: Any, p: float) -> Tensor:
    """What F was multiplied by, [400, 16, 4]: in 400 batches of 16 images."""
    fits(answer, _X, _double, p, True)
    x = torch.ones(16, 2, 1, 2)
    return torch.stack([((answer(x.clone(), _double, p, True) - x) / 2).reshape(16, 4) for _ in range(400)])


def _drawn(p: float) -> Case:
    """Which factors occur, whether one image has one of them, and about what fraction of the images has the first."""

    def run(answer: Any) -> Any:
        factors = _factors(answer, p)
        occur = sorted({round(value, 3) + 0.0 for value in factors.flatten().tolist()})[:4]
        one_each = bool((factors == factors[..., :1]).all())
        return {
            "what F is multiplied by": occur,
            "the same for all of an image": one_each,
            "different images each time": bool((factors != factors[0]).any()),
            "the same number dropped in each batch": len((factors[..., 0] == factors.min()).sum(1).unique()) == 1,
            "fraction of the lowest, to 0.05": round(20 * float((factors == factors.min()).double().mean())) / 20,
        }

    return Case(f"{{name}}(x, F, {p}, True), sampled 6,400 times", run)


def _kept_or_not(answer: Any) -> Tensor:
    """What F was multiplied by. Raises Fault if these are not its factors in the gradient, or not those of float64."""
    x = normal(64, 2, 3).double().requires_grad_()
    y, f = called(answer, x, Once(torch.sigmoid), 0.5, True), x.sigmoid()
    factors, slopes = (y - x) / f, (torch.autograd.grad(y.sum(), x)[0] - 1) / (f * (1 - f))
    if (factors - factors.round()).abs().max() > 1e-3:
        raise Fault("drops-the-input", "a result is neither x nor x + F(x) / (1 - p). Drop what F returns.")
    if y.dtype != torch.float64 or not same(factors, factors.round(decimals=3)):
        raise Fault(FLOAT64[0], f"it loses digits of float64. {FLOAT64[1]}")
    if not same(slopes, factors):
        raise Fault("wrong-gradient", f"its values are right, but not their gradient: {CUT}.")
    return factors.detach().round().unique()


def _all_alike(answer: Any) -> bool:
    """In each batch, all images share one factor, and not all batches do."""
    batches = _factors(answer, 0.3).flatten(1)
    return bool((batches == batches[:, :1]).all()) and bool((batches != batches[0, 0]).any())


def _each_entry(answer: Any) -> bool:
    factors = _factors(answer, 0.3)
    return bool((factors != factors[..., :1]).any())


def _by_the_kept_fraction(answer: Any) -> bool:
    means = _factors(answer, 0.3).mean((1, 2))  # of each batch
    return torch.allclose(means, torch.ones(400)) and _factors(answer, 0.3).unique().numel() > 2


def _same_images(answer: Any) -> bool:
    """Images differ, but no batch differs from another."""
    factors = _factors(answer, 0.3)
    return bool((factors == factors[0]).all()) and bool((factors[0, :, 0] != factors[0, 0, 0]).any())


def _as_many(answer: Any) -> bool:
    """Each batch has some images with the lowest factor: the same number of them."""
    factors = _factors(answer, 0.3)
    return (factors == factors.min()).sum((1, 2)).unique().numel() == 1


def _drops(answer: Any, training: bool, branch: Any = _double) -> bool:
    x = torch.ones(200, 2)
    left_out = (answer(x.clone(), branch, 0.5, training) == x).all(1)
    return bool(left_out.any()) and not bool(left_out.all())


DROP_PATH = Exercise(
    reference=drop_path, difficulty=3, minutes=8,
    task="Return x + branch(x). In training, drop the branch for each image (x is [N, ...]) with probability p; where "
         "it is kept, scale it so that the expected output is x + branch(x). When not training, nothing is dropped "
         "and nothing is scaled.",
    cases=(
        call(_X, Once(_double), 0.5, False, words="{name}(x, F, 0.5, False) with F(x) = 2 x"),
        call(_X, nn.Identity(), 0.5, False, words="{name}(x, F, 0.5, False) with F = nn.Identity()"),
        call(_X, Once(_double), 0.0, True, words="{name}(x, F, 0.0, True) with F(x) = 2 x"),
        gradients(_X, torch.sin, 0.0, True, words="{name}(x, torch.sin, 0.0, True)"), _drawn(0.5), _drawn(0.25),
        _drawn(0.7), float64(_X, _double, 0.0, True, words="{name}(x, F, 0.0, True) with F(x) = 2 x"),
        Case("what F is multiplied by in {name}(x, torch.sigmoid, 0.5, True), x [64, 2, 3] in float64", _kept_or_not),
        Case("how many images {name}(x, F, 0.5, True) drops from a batch of one, and of two, in any of 64 calls",
             lambda answer: [sorted({int((answer(torch.ones(n, 1), _double, 0.5, True) == 1).sum()) for _ in range(64)})
                             for n in (1, 2)],
             ("not-independent", "Drop each image independently, even in a small batch: all may be dropped, or none.")),
    ),
    mistakes=(
        Mistake("mode-of-the-branch", "You follow the mode that the branch is in. Follow the argument `training`.",
                ("if training", 'if getattr(branch, "training", training)'),
                symptom=lambda answer: _drops(answer, False, nn.Tanh()) and not _drops(answer, False)),
        Mistake("not-rescaled", "Your branch is too small on average. Scale what is kept.", (" / (1 - p or 1)", "")),
        Mistake("paper-s-scaling", "You scale when not training, as the paper does. Scale during training: nothing is "
                "scaled afterward.", (" / (1 - p or 1)", "\n    else:\n        out = out * (1 - p)")),
        Mistake("scales-in-use", "You scale when not training, too.", ("kept / (1", "kept\n    out = out / (1")),
        Mistake("fraction-of-the-batch", "You divide by the fraction that was kept in this batch, not by the "
                "probability of keeping it.",
                ("(1 - p or 1)", "kept.double().mean().clamp(min=1e-9)"), symptom=_by_the_kept_fraction),
        Mistake("divides-by-p", "You divide by the probability of dropping the branch.", ("(1 - p or 1)", "(p or 1)")),
        Mistake("times-for-divided", "You shrink the branch where it is kept. It has to grow.", ("/ (1", "* (1")),
        Mistake("keeps-with-p", "You keep the branch with probability p. That is the probability of dropping it.",
                ((">= p", "< p"), ("(1 - p or 1)", "(p or 1)"))),
        Mistake("drops-when-in-use", "You drop the branch when not training, too.", ("if training", "if True"),
                symptom=lambda answer: _drops(answer, False) and _drops(answer, True)),
        Mistake("drops-only-in-use", "You drop the branch only when not training.", ("if training", "if not training"),
                symptom=lambda answer: _drops(answer, False) and not _drops(answer, True)),
        Mistake("drops-x-too", "Where you drop the branch, you drop x, too.", ("out = out *", "return (x + out) *")),
        Mistake("skip-forgotten", "Your output is the branch, without x.", ("return x + out", "return out")),
        Mistake("never-drops", "You never drop the branch.", ("if training", "if False")),
        Mistake("whole-batch", "You decide once for the whole batch. The task asks for a decision per image.",
                ("rand(len(x)", "rand(1"), symptom=_all_alike),
        Mistake("same-images", "You drop the branch for the same images in every batch. Sample again each time.",
                ("device=x.device", "generator=torch.Generator().manual_seed(0)"), symptom=_same_images),
        Mistake("each-entry", "You drop only parts of an image's branch, as dropout does. Drop it as a whole.",
                ("len(x), *[1] * (x.ndim - 1)", "x.shape"), symptom=_each_entry),
        Mistake("as-many-in-each-batch", "You drop the same number of images in every batch. Decide for each image "
                "independently.", (">= p", ".argsort(0) >= round(p * len(x))"), symptom=_as_many),
        Mistake("not-with-p", "You drop images even if p is 0. Compare p with uniform numbers between 0 and 1.",
                (">= p", ">= 0.5"), symptom=lambda answer: bool((_factors(answer, 0.0) == 0).any())),
    ),
    hints=(
        "Sample one number between 0 and 1 for each image. For which of them is the branch kept?",
        "torch.rand(len(x)) samples N numbers; add dimensions of size 1, so that they broadcast with x.",
        "The branch is kept with probability 1 - p. What do you have to divide it by so that the mean is branch(x)?",
    ),
)  # fmt: skip
