"""Symptoms: how to see a mistake that many different lines of code make, each failing in its own way elsewhere.

Each function here makes a `symptom` for a `Mistake`, from cases: tuples of arguments.

    Mistake("only-squares", "...", symptom=right_but_not_on(reference, SQUARES, RECTANGLES))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from resnet_edu.exercises.core import Probe, called
from resnet_edu.exercises.values import same

Answer = Callable[..., Any]
Case = tuple[Any, ...]
Symptom = Callable[[Answer], bool]


def agrees(answer: Answer, other: Answer, case: Case) -> bool:
    """Whether the answer gives what the other one gives; not where it raises."""
    try:
        return same(called(answer, *case), other(*case))
    except Exception:
        return False


def does_as(wrong: Answer, *cases: Case) -> Symptom:
    """The answer gives on all these cases what `wrong` gives; what it does elsewhere does not count."""
    return lambda answer: all(agrees(answer, wrong, case) for case in cases)


def does_as_on(wrong: Answer, *probes: Probe) -> Symptom:
    """The same, where the cases are probes of the exercise."""
    return lambda answer: all(same(probe.run(answer), probe.run(wrong)) for probe in probes)


def right_but_not_on(reference: Answer, good: Iterable[Case], bad: Iterable[Case]) -> Symptom:
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
