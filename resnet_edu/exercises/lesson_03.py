"""The exercises of lesson 03: a norm that does not underflow, the factor of a layer, the layers that have changed."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from resnet_edu.exercises.cases import as_float, call, fits, names_changed, snapshot
from resnet_edu.exercises.compare import same
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.faults import Fault
from resnet_edu.exercises.writing import raises, right_but_not_on

# --- norms of gradients -----------------------------------------------------------------------------------------------


def layer_norms(net):
    """{name: L2 norm of its gradient} for each parameter that has one, computed in float64."""
    return {
        name: parameter.grad.double().norm().item()
        for name, parameter in net.named_parameters()
        if parameter.grad is not None
    }


def _net(**gradients: Tensor) -> nn.Module:
    """A net with the parameters scale (frozen), stem.weight, stem.bias and head.0.weight, and these gradients."""
    net = nn.Module()
    net.scale = nn.Parameter(torch.ones(2), requires_grad=False)
    net.stem, net.head = nn.Linear(2, 1), nn.Sequential(nn.Linear(1, 2, bias=False))
    for parameter in net.parameters():
        parameter.data.fill_(2.0)
    for name, gradient in gradients.items():
        parameter = net.get_parameter(name.replace("_", "."))
        parameter.data, parameter.grad = torch.full_like(gradient, 2.0), gradient.clone()
    return net


def _norms(words: str, alone: Any = None, **gradients: Tensor) -> Case:
    def run(answer: Any) -> Any:
        net = _net(**gradients)
        before = snapshot(net)
        fits(answer, net)
        result = answer(net)
        if names := [name for name in names_changed(before, snapshot(net)) if not name.endswith(".training")]:
            raise Fault("changes-the-gradients", f"it changes {names[-1]} or its dtype. Leave the net as it is.")
        return dict(result) if isinstance(result, dict) else result

    return Case("{name}(net), where " + words, run, alone)


_FULL = {
    "stem_weight": torch.tensor([[3.0, -4.0]]),
    "stem_bias": torch.tensor([-2.0]),
    "head_0_weight": torch.tensor([[6.0], [8.0]]),
}


_ONE = _norms("only stem.weight has a gradient, [[3, -4]]", stem_weight=_FULL["stem_weight"])
_ALL = _norms("stem.weight has the gradient [[3, -4]], stem.bias [-2], head.0.weight [[6], [8]]", **_FULL)
_ORDINARY = (_ONE, _ALL)


def _sized(size: str) -> Case:
    numbers = torch.tensor([[float(f"3{size}"), -float(f"4{size}")]])
    return _norms(f"the entries of stem.weight's gradient are 3{size} and -4{size}", **_FULL | {"stem_weight": numbers})


_TINY, _HUGE, _SMALL = map(_sized, ("e-30", "e30", "e-23"))


def _one_factor_for_all(answer: Callable[[Any], Any]) -> bool:
    """Tiny gradients come out right, and something larger becomes infinite."""
    tiny, ordinary, huge = (case.run(answer)["stem.weight"] for case in (_TINY, _ONE, _HUGE))
    return same(tiny, 5e-30) and math.inf in (ordinary, huge)


def _instead_of_none(value: Any) -> Callable[[nn.Module], Any]:
    return lambda net: {name: layer_norms(net).get(name, value) for name, _ in net.named_parameters()}


def _by_modules(net: nn.Module) -> dict[str, float]:
    weights = {name: module.weight.grad for name, module in net.named_modules() if hasattr(module, "weight")}
    return {name: grad.norm().item() for name, grad in weights.items() if grad is not None}


LAYER_NORMS = Exercise(
    reference=layer_norms, difficulty=2, minutes=10,
    task="Return a dict {name: L2 norm of the gradient, as a float} for the network's parameters, with their names in "
         "net.named_parameters(). Leave out parameters whose gradient is None. Norms of tiny gradients (entries of "
         "1e-30) and of huge ones must be correct, too: float32 cannot hold their squares.",
    cases=(
        _ONE, _ALL, _norms("the gradient of stem.weight is [[0, 0]]", **_FULL | {"stem_weight": torch.zeros(1, 2)}),
        _TINY, _HUGE, _norms("no parameter has a gradient"),
        Case(_SMALL.words, lambda answer: as_float(_SMALL.run(answer), _SMALL.run(layer_norms)),
             ("loses-digits", "In float32, a tiny square loses digits long before it becomes 0.")),
        _norms("stem.weight has the gradient [[3, 0], [0, 4]], head.0.weight [[[[3], [4]]]]",
               ("some-shapes-only", "Your norm is not the L2 norm for every shape: sum the squares of all entries. "
                "(A matrix has other norms, too, such as the spectral one; and dim=... leaves dimensions out.)"),
               stem_weight=torch.diag(torch.tensor([3.0, 4.0])), head_0_weight=torch.tensor([[[[3.0], [4.0]]]])),
        _norms("net.scale, a frozen parameter of net itself, has the gradient [3, 4], stem.weight [[3, -4]]",
               ("some-parameters-only", "Include every parameter that has a gradient, wherever it is, frozen or not, "
               "by its name in net.named_parameters()."),
               scale=torch.tensor([3.0, 4.0]), stem_weight=_FULL["stem_weight"]),
    ),
    mistakes=(
        Mistake("none-has-no-norm", "A parameter that the loss does not use has the gradient None: leave it out.",
                symptom=raises(AttributeError, "'NoneType' object has no attribute", lambda f: f(_net()))),
        Mistake("squares-underflow", "You square in float32, where 1e-30 squared becomes 0 and 1e30 squared infinite. "
                "Convert before you square.", (".double()", "")),
        Mistake("one-factor-for-all", "You scale every gradient by the same factor. A factor large enough for 1e-30 "
                "makes larger gradients infinite.", symptom=_one_factor_for_all),
        Mistake("divides-by-zero", "You divide by the largest entry, even where it is 0: 0 / 0 is nan.",
                ("parameter.grad.double().norm().item()",
                       "((largest := parameter.grad.abs().max()) * (parameter.grad / largest).norm()).item()")),
        # Seen on gradients of ordinary size: who makes one of these often squares in float32, too, and that can wait.
        Mistake("weights-for-gradients", "You return the norms of the weights, not of `.grad`.",
                (".grad.double()", ".double()"),
                ((".grad.double()", ".double()"), ("if parameter.grad is not None", "")), on=_ORDINARY),
        Mistake("root-forgotten", "You return the norm squared.", ("norm()", "square().sum()"), on=_ORDINARY),
        Mistake("absolute-sum", "You return another measure of the gradient's size, not its L2 norm.",
                ("norm()", "abs().sum()"),
                ("norm()", "abs().mean()"), ("norm()", "sum()"), ("norm()", "abs().max()"), on=_ORDINARY),
        Mistake("mean-for-sum", "You take the mean of the squares, so the size of a layer no longer counts. Take their "
                "sum.", ("norm()", "square().mean().sqrt()"), on=_ORDINARY),
        Mistake("one-norm-for-all", "You return one norm for the whole network. The task asks for one per parameter.",
                lambda net: math.hypot(*layer_norms(net).values()), on=_ORDINARY),
        Mistake("names-missing", "You return a list. The task asks for a dict that maps names to norms.",
                lambda net: list(layer_norms(net).values()), lambda net: list(layer_norms(net).items()), on=_ORDINARY),
        Mistake("numbered", "Your keys are not the names of the parameters, such as stem.weight and stem.bias.",
                lambda net: dict(enumerate(layer_norms(net).values())), _by_modules, on=_ORDINARY),
        Mistake("first-only", "You leave out some of the parameters that have a gradient.",
                lambda net: dict(list(layer_norms(net).items())[:1]),
                ("is not None", "is not None and parameter.ndim > 1"), on=_ORDINARY),
        Mistake("none-as-zero", "You return a value where there is no gradient. Leave the parameter out.",
                _instead_of_none(0.0), _instead_of_none(math.nan), _instead_of_none(None), on=_ORDINARY),
    ),
    hints=(
        "net.named_parameters() yields pairs (name, parameter); parameter.grad is its gradient, or None.",
        "The norm is the square root of the sum of squares. Which type can hold the square of 1e-30? Or how could you "
        "make the entries larger first, and the result smaller again?",
        "gradient.double() is the same gradient in float64: convert before you square, not after. `.item()` converts "
        "the result to a float.",
    ),
)  # fmt: skip


# --- the factor of a layer --------------------------------------------------------------------------------------------


def factor(fan_in, variance):
    """Factor by which one layer with ReLU, whose weights have this fan-in and variance, changes the gradient's norm."""
    return math.sqrt(fan_in * variance / 2)


FACTOR = Exercise(
    reference=factor, difficulty=1, minutes=5,
    task="Return the factor by which one layer with ReLU changes the norm of the gradient, as a float. Each output "
         "has fan_in inputs (and each input as many outputs), the weights are independent and have the given "
         "variance, and the ReLU blocks half of the gradient that arrives.",
    cases=(
        call(2, 1.0), call(8, 1.0), call(9, 2.0), call(1, 0.5), call(144, 2 / 144), call(27, 1 / 81), call(576, 0.01),
        call(9, 1e-12), Case("{name}(4608, 1.0)", lambda answer: as_float(answer(4608, 1.0), 48.0)),
    ),
    mistakes=(
        Mistake("half-forgotten", "Your ReLU does not block anything.", (" / 2", "")),
        Mistake("half-after-the-root", "You halve the norm. The ReLU halves the squared norm.", (" / 2)", ") / 2")),
        Mistake("fan-in-outside", "Everything belongs under the root.", ("math.sqrt(fan_in * ", "fan_in * math.sqrt("),
                ("math.sqrt(fan_in * variance / 2)", "fan_in * math.sqrt(variance) / 2"),
                ("math.sqrt(fan_in * variance / 2)", "fan_in * variance / math.sqrt(2)")),
        Mistake("default-of-pytorch", "You return the factor of PyTorch's default initialization.",
                ("fan_in * variance / 2", "1 / 6")),
        Mistake("added-not-multiplied", "Multiply fan_in by the variance itself: do not add the two, and do not "
                "square the variance.",
                ("fan_in * variance", "(fan_in + variance)"), ("variance / 2", "variance**2 / 2")),
        Mistake("never-above-one", "Your factor never exceeds 1, but a gradient can grow from layer to layer, too.",
                ("math.sqrt(fan_in * variance / 2)", "min(1.0, math.sqrt(fan_in * variance / 2))")),
        Mistake("torch-takes-tensors", "torch.sqrt takes tensors, and these are plain numbers: use `math`.",
                symptom=raises(TypeError, "must be Tensor", call(8, 1.0).run)),
    ),
    hints=(
        "Each entry of the layer's input feeds several outputs, and the gradient with respect to that entry sums one "
        "independent term for each of them. How does the sum of squares over all entries of this gradient compare "
        "with that of the gradient with respect to the layer's output?",
        "Each entry of the output appears in fan_in of these terms, once for each of its inputs. So the *squared* "
        "norm grows by a factor of fan_in times the variance of the weights, and ReLU lets half of it through.",
        "So the norm grows by the square root of fan_in times the variance, with ReLU's factor of one half also under "
        "the root: math.sqrt(...).",
    ),
)  # fmt: skip


# --- what has moved ---------------------------------------------------------------------------------------------------


def moved(before, after):
    """Two dicts {name: tensor} with the same names -> how many tensors differ, in any entry, however little."""
    return sum(not torch.equal(before[name], after[name]) for name in before)


def _named(dtype: torch.dtype = torch.float32, **numbers: Any) -> dict[str, Tensor]:
    return {name: torch.tensor(these, dtype=dtype) for name, these in numbers.items()}


_EARLY = _named(stem=[[1.0, 1.0], [1.0, 1.0]], head=[2.0, 3.0])
_STEPPED = _named(stem=[[1.0, 1.0], [1.0, 1.5]], head=[2.0, 3.0])
_TRAINED = {name: nn.Parameter(tensor) for name, tensor in _STEPPED.items()}


def _stem(before: list[float], after: list[float], words: str | None = None) -> Case:
    """A net of one tensor."""
    return call(_named(stem=before), _named(stem=after), words=words)


_COARSE = call(_EARLY, _EARLY), call(_EARLY, _STEPPED), call(_EARLY, _named(stem=[[6.0] * 2] * 2, head=[1.0, 7.0]))
_TURNED = _stem([1.0, 2.0], [2.0, 1.0])
_FINE, _FINEST = _stem([1e-12, 0.0], [2e-12, 0.0]), _stem([1e-30, 0.0], [2e-30, 0.0])
_DOUBLE = call(
    *(_named(torch.float64, stem=[one]) for one in (1.0, 1 + 2**-50)),
    words="{name}(before, after), where a float64 of 1 has become 1 + 2**-50",
)
_DIFFER = "not torch.equal(before[name], after[name])"  # in the reference

MOVED = Exercise(
    reference=moved, difficulty=1, minutes=5,
    task="Count the tensors that training has changed. before and after are dicts {name: tensor} with the same names, "
         "not always in the same order; after may hold a network's own parameters. A tensor counts as soon as one "
         "entry differs, however little.",
    cases=(
        call(_named(stem=[1.0], head=[2.0]), _named(stem=[1.0], head=[3.0])),
        _stem([1.0], [1.0]), _stem([1.0], [2.0]), _stem([1.0, 2.0], [1.0, 3.0]), _TURNED, _stem([1.0, 2.0], [2.0, 0.0]),
        _stem([3.0, 0.0], [-3.0, 0.0]), _stem([4.0, 2.0], [4.0, 1.0]), *_COARSE,
        call(_named(stem=[1.0], head=[2.0]), _named(head=[2.0], stem=[3.0])),
        call(_named(a=[0.0], b=[0.0], c=[0.0]), _named(a=[0.0], b=[1.0], c=[1.0])),
        _stem([1.0, 1.0], [1.0, 1.0 + 2**-23], "{name}(before, after), where one entry of 1 has become 1 + 2**-23"),
        call(_EARLY, _TRAINED, words="{name}(before, after), where after holds the parameters of a net"), _FINE,
        _FINEST, _DOUBLE,
        call({"conv": torch.zeros(2, 3, 3, 3), "batches": torch.tensor(3)},
             {"conv": torch.ones(2, 3, 3, 3), "batches": torch.tensor(4)},
             alone=("some-kinds-only", "Your answer does not fit every tensor: a convolution's weight has four "
                    "dimensions, and BatchNorm counts its batches in a 0-dimensional tensor of int64.")),
        call(_named(stem=[1.0, 2.0]), _named(stem=[math.nan, 2.0]),
             alone=("nan-overlooked", "A number that becomes nan has changed, but nan > 0 is False.")),
    ),
    mistakes=(
        Mistake("tolerance", "A tolerance (allclose, a threshold, rounding) overlooks small changes. A frozen layer "
                "has not changed at all.", symptom=right_but_not_on(moved, [*_COARSE, _TURNED], [_FINE])),
        Mistake("compared-in-float32", "You convert to float32 first, which rounds small differences away.",
                (_DIFFER, "not torch.equal(before[name].float(), after[name].float())")),
        Mistake("squares-underflow", "You square the difference in float32, where 1e-30 squared becomes 0. Compare the "
                "tensors themselves.", symptom=right_but_not_on(moved, [*_COARSE, _FINE, _TURNED], [_FINEST])),
        Mistake("numpy-of-a-parameter", "NumPy cannot convert a network's own parameters, which require gradients: "
                "stay in torch.", symptom=raises(RuntimeError, "Can't call numpy()", call(_EARLY, _TRAINED).run)),
        Mistake("truth-of-many", "A comparison gives one result per entry, and `if` needs a single one.",
                symptom=raises(RuntimeError, "Boolean value of Tensor", call(_EARLY, _STEPPED).run)),
        Mistake("still-for-moved", "You count the tensors that have not changed.", ("not ", "")),
        Mistake("all-for-any", "One changed entry is enough, whichever it is.",
                (_DIFFER, "bool((before[name] != after[name]).all())"),
                (_DIFFER, "bool(before[name].flatten()[0] != after[name].flatten()[0])")),
        Mistake("norms-compared", "You compare sums, norms, or absolute values, which can be equal for different "
                "tensors.", (_DIFFER, "bool(before[name].norm() != after[name].norm())"),
                (_DIFFER, "bool((before[name] - after[name]).sum() != 0)"),
                (_DIFFER, "not torch.equal(before[name].abs(), after[name].abs())")),
        Mistake("growth-only", "You count only increases.", (_DIFFER, "bool((after[name] > before[name]).any())")),
        Mistake("objects-compared", "You check whether the tensors are the same objects (`is`), not whether their "
                "numbers are equal.", (_DIFFER, "before[name] is not after[name]")),
        Mistake("by-place", "You match the tensors by their order in the dicts. Match them by name.",
                ("before[name], after[name]) for name in before",
                       "one, other) for one, other in zip(before.values(), after.values())")),
        Mistake("yes-or-no", "The task asks how many tensors have changed: not whether any have, which ones, what "
                "fraction of them, or how many entries.", ("sum(", "any("), ("in before)", "in before) / len(before)"),
                (("sum(not", "[name for name in before if not"), (" for name in before)", "]")),
                lambda before, after: min(1, moved(before, after)),
                (_DIFFER, "int((before[name] != after[name]).sum())")),
    ),
    hints=(
        "Loop over the names. Is before[name] the same, entry by entry, as after[name]?",
        "torch.equal(a, b) returns a single True or False for two whole tensors, without any tolerance.",
        "True counts as 1 in a sum: sum(... for name in before).",
    ),
)  # fmt: skip
