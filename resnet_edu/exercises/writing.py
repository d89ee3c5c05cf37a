"""How an exercise is written, and the tools for it. lesson_05.py is the model.

For each exercise, in this order: the reference, what its cases need, and one `Exercise(...)  # fmt: skip` with task,
difficulty, minutes, reference, cases from the smallest on, mistakes, hints. A mistake is the first of these that does:

1. A patch of the reference, where that is shorter than a function:
   `Mistake("sign", "Your sign is lost.", patch=("a @ b", "abs(a @ b)"))`, or several pairs, applied one after another.
   The old text stands in the source exactly once, docstring included.
2. A function, best by way of the reference: `lambda net: list(layer_norms(net).values())`.
3. A symptom, where many different lines make the mistake, each failing in its own way elsewhere:
   `symptom=right_but_not_on(reference, SQUARES, RECTANGLES)`. It needs an answer in `tests/exercise_bank`.

`on=CASES` names a mistake of kind 1 or 2 by these cases alone, whatever the answer does elsewhere. A mistake with `on`
or `symptom` is named at once, so it stands before those it must not be mistaken for; of the others the one wins that
explains most of what went wrong. Cases are made by `call(x, 3)` (what does the answer give for these arguments?) or by
`Case("the running mean", run)` with a function of the answer, with numbers from `integers` and `normal`.

The bank keeps every right answer in another style. It keeps a wrong one only for a symptom, for a diagnosis of the
engine itself ("prints"), or if in some case it gives something else than the mistake's own answer.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from resnet_edu.exercises.compare import differing, layer_for_result, same, shown
from resnet_edu.exercises.core import Case
from resnet_edu.exercises.sandbox import Wrong

Answer = Callable[..., Any]
Arguments = tuple[Any, ...]
Symptom = Callable[[Answer], bool]

NO_SUPER = "its __init__ does not call super().__init__(), which has to stand before any layer."

# --- cases ------------------------------------------------------------------------------------------------------------


def call(*arguments: Any, words: str | None = None) -> Case:
    """The case that calls the answer with these arguments, by position, and compares what comes back.

    The answer gets copies; if it changes one of them in place, that is a mistake ("changes-input").
    """

    def run(answer: Any) -> Any:
        return called(answer, *arguments)

    return Case(words or f"{{name}}({', '.join(shown(argument) for argument in arguments)})", run)


def called(answer: Any, *arguments: Any) -> Any:
    """answer(*arguments), with copies of them. Raises Wrong where it takes others, or changes them."""
    fits(answer, *arguments)
    copies = [argument if isinstance(argument, nn.Module) else copy.deepcopy(argument) for argument in arguments]
    result = answer(*copies)
    if isinstance(answer, nn.Module) and isinstance(result, nn.Module):
        raise Wrong("layer-for-result", layer_for_result(result))
    for number, (before, after) in enumerate(zip(arguments, copies, strict=True)):
        if not isinstance(before, nn.Module) and not same(after, before):
            was, became = differing(before, after)
            now = f"has become {became}" if became != was else "has other numbers afterwards"
            raise Wrong(
                "changes-input",
                f"it changes its input number {number + 1} in place: {was} {now}. "
                "Whoever calls it still needs that. (`+=`, `x[...] =` and names that end in _ do so.)",
            )
    return result


def fits(answer: Any, *arguments: Any) -> None:
    """Raises Wrong if the answer cannot take so many arguments."""
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # something built in
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        listed = ", ".join(signature.parameters) or "nothing"
        raise Wrong("arguments", f"it takes ({listed}), and is called with {len(arguments)}: {error}.") from None


def built(answer: Any, *arguments: Any) -> nn.Module:
    """The module that a class or a builder makes of these arguments, every weight filled anew (see `fill`)."""
    fits(answer, *arguments)
    try:
        module = answer(*arguments)
    except AttributeError as error:
        if "before Module.__init__() call" in str(error):
            raise Wrong("no-super", NO_SUPER) from None
        raise
    if not isinstance(module, nn.Module):
        raise Wrong("no-module", f"it should make an nn.Module, and yours makes {shown(module)}.")
    if not hasattr(module, "_parameters"):
        raise Wrong("no-super", NO_SUPER)
    fill(module)
    return module


def gradient(result: Any, x: Tensor) -> Tensor:
    """The gradient of the sum of squares of `result` by `x`; raises Wrong where something has cut it off."""
    if not isinstance(result, Tensor) or not result.requires_grad:
        raise Wrong("cuts-the-gradient", "the result has no gradient: detach, .data, NumPy or no_grad has cut it off.")
    (result * result).sum().backward()
    return torch.zeros_like(x) if x.grad is None else x.grad


def fill(module: nn.Module) -> None:
    """Give every parameter of 2 or more dimensions numbers that depend on its shape alone, scaled by fan-in.

    So two modules with the same layers compute the same, whatever their layers are called and in which order they were
    made. Biases and the scales of normalization stay as they are.
    """
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim >= 2:
                scale = (2 / parameter[0].numel()) ** 0.5
                parameter.copy_(scale * normal(*parameter.shape, seed=sum(parameter.shape)))


def integers(*shape: int, low: int = -3, high: int = 3, seed: int = 0) -> Tensor:
    """Small whole numbers as floats, the same in each run: easy to read, and sums of them have no rounding error."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high + 1, shape, generator=generator).float()


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Numbers of N(0, 1), the same in each run."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- symptoms ---------------------------------------------------------------------------------------------------------


def does_as(wrong: Answer, *cases: Case | Arguments) -> Symptom:
    """The answer gives on all these cases what `wrong` gives; what it does elsewhere does not count."""
    return lambda answer: all(agrees(answer, wrong, case) for case in cases)


def right_but_not_on(reference: Answer, good: Iterable[Case | Arguments], bad: Iterable[Case | Arguments]) -> Symptom:
    """The answer is right on all the good cases, and wrong on all the bad ones."""
    good, bad = tuple(good), tuple(bad)
    return lambda answer: (
        all(agrees(answer, reference, case) for case in good)
        and not any(agrees(answer, reference, case) for case in bad)
    )


def raises(kind: type[Exception], words: str, *case: Any, run: Callable[[Answer], Any] | None = None) -> Symptom:
    """The answer raises this kind of exception, with these words in its text, in this case (or where `run` uses it)."""

    def symptom(answer: Answer) -> bool:
        try:
            run(answer) if run else called(answer, *case)
        except kind as error:
            return words in str(error)
        return False

    return symptom


def agrees(answer: Answer, other: Answer, case: Case | Arguments) -> bool:
    """Whether the answer gives what the other one gives; not where it raises."""
    case = case if isinstance(case, Case) else call(*case)
    try:
        return same(case.run(answer), case.run(other))
    except Exception:
        return False
