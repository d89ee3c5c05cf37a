"""What an exercise is, and how an answer to it is judged: by what it does, never by how it is written.

An exercise holds *cases*: small inputs, smallest first, on which the answer and the reference have to agree. It also
holds the *mistakes* that learners are known to make, each as a wrong answer. An answer that fails a case is compared
with every mistake, and the learner is told the one that it agrees with on all cases. If there is none, the learner is
told the first case that failed, and what can be said of any answer: that it is random, that it keeps something from one
call to the next, that only its gradient is wrong.

    Exercise(
        reference=double,
        cases=(call(1), call(torch.tensor([1.0, -2.0]))),
        mistakes=(Mistake("square", "You multiply x by itself.", ("2 * x", "x * x")),),
        ...
    )
"""

import inspect
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import nn

from resnet_edu.exercises.compare import difference, same, shown
from resnet_edu.exercises.faults import Fault, Trouble
from resnet_edu.exercises.general import Asked, Named, Questions, fact
from resnet_edu.exercises.sandbox import SECONDS, SEED, Outcome, attempt, attempt_trusted, once_a_check

#: A list that holds itself, a sparse tensor, an object that raises whenever it is looked at.
INCOMPARABLE = Trouble("kind", "it returns something that cannot be compared with the correct result.")
UNNAMED = {"result", "shape", "kind", "raises"}  # slugs that say that something is wrong, and not what
REMEMBERS = "remembers", "Later calls return something else: does it keep something, such as a cache or a counter?"
RANDOM = "random", "It returns something else each time, for the same arguments. What in it is random?"
CORRECT, WRONG, NOT_ATTEMPTED = "correct", "wrong", "not attempted"
ALLOWANCE = 3.0  # seconds at most that a slow reference earns an answer


Patch = tuple[str, str] | tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Verdict:
    """status: "correct", "wrong" or "not attempted". mistake: its slug, if it is wrong. message: for the learner."""

    status: str
    mistake: str | None = None
    message: str = ""


@dataclass(frozen=True)
class Case:
    """One question to an answer. words: how a learner would write it, with {name} for the exercise's name.

    run: answer -> a number, tensor, or list, tuple or dict of these, which is compared with the reference's result.
    It may raise `Fault(slug, sentence)`.
    alone: the slug and the sentence for an answer that is wrong here, and right in all the cases that have none.
    asked: how it was made, so that it can be asked again with other arguments.
    """

    words: str
    run: Callable[[Any], Any]
    alone: Named | None = None
    asked: Asked | None = field(default=None, compare=False)


class Mistake:
    """A known wrong answer. sentence: tells the learner what is wrong, without giving the right answer away.

    answers: each makes the mistake, and so does any answer that returns the same in every case. One is a function or
        class, or a patch: (old, new), or several such pairs, for the reference with this text replaced. The old text
        must occur in the reference exactly once.
    on: the only cases that count, such as those of ordinary size.
    symptom: instead of `on`, a function that decides for any answer whether it makes the mistake. It runs within the
        same limits, and an exception means no. With a symptom, `answers` are examples, and may be missing.
    """

    def __init__(
        self,
        slug: str,
        sentence: str,
        *answers: Callable[..., Any] | Patch,
        symptom: Callable[[Any], bool] | None = None,
        on: tuple[Case, ...] = (),
    ) -> None:
        if not (answers or symptom) or (symptom and on):
            raise ValueError(f"Mistake({slug!r}): pass answers or `symptom`, and not both `symptom` and `on`.")
        self.slug, self.sentence, self.answers, self.symptom, self.on = slug, sentence, answers, symptom, on

    def patched(self, patch: Patch, source: str) -> str:
        """The reference's source with the mistake in it."""
        for old, new in patch if isinstance(patch[0], tuple) else [patch]:
            if (times := source.count(old)) != 1:
                raise ValueError(f"Mistake({self.slug!r}): {old!r} is {times} times in the reference, not once.")
            source = source.replace(old, new)
        return source


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A task and everything needed to judge an answer to it. Its name is the reference's.

    task: what to do, in a sentence or two. difficulty: 1 to 5. minutes: for someone who has read the lesson.
    reference: a function, or an nn.Module class; its source is the solution that a learner may read.
    cases: smallest first. hints: at least two, each giving away more.
    """

    task: str
    difficulty: int
    minutes: int
    reference: Callable[..., Any]
    cases: tuple[Case, ...]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    _outcomes: dict[Any, list[Outcome]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        slugs = [mistake.slug for mistake in self.mistakes]
        if self.difficulty not in range(1, 6) or len(self.hints) < 2 or not self.cases or len(set(slugs)) < len(slugs):
            raise ValueError(f"{self.name}: pass a difficulty from 1 to 5, two hints, a case, and slugs that differ.")

    @property
    def name(self) -> str:
        return self.reference.__name__

    @property
    def lesson(self) -> int:
        """The number of the lesson whose module contains it."""
        return int(self.reference.__module__.rpartition("_")[2])

    @property
    def signature(self) -> str:
        """As in the lesson's stub: `output_size(size, kernel, stride=1)`."""
        parameters = inspect.signature(self.reference).parameters.values()
        plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
        return f"{self.name}{inspect.Signature(plain)}"

    @property
    def solution(self) -> str:
        return textwrap.dedent(inspect.getsource(self.reference))

    @property
    def makes_modules(self) -> bool:
        return isinstance(self.reference, type) or "Module" in str(inspect.signature(self.reference).return_annotation)

    @cached_property
    def answers(self) -> dict[str, list[Callable[..., Any]]]:
        """By slug, the wrong answers that make each mistake; patches run with the names of the reference's module."""

        def made(mistake: Mistake, way: Callable[..., Any] | Patch) -> Callable[..., Any]:
            if callable(way):
                return way
            names = dict(vars(sys.modules[self.reference.__module__]))
            code = mistake.patched(way, self.solution)
            exec(compile(code, f"<{self.name}: {mistake.slug}>", "exec"), names)
            return names[self.name]

        return {mistake.slug: [made(mistake, way) for way in mistake.answers] for mistake in self.mistakes}

    @once_a_check()
    def check(self, answer: Any) -> Verdict:
        """Judge an answer. Exceptions in the answer are not raised, and its side effects are undone."""
        if unfit := attempt(partial(self._unfit, answer)).trouble:
            return Verdict(WRONG, unfit.slug, unfit.sentence)
        expected = self._expected()
        found: list[Outcome] = []
        for case, right in zip(self.cases, expected, strict=True):
            seconds = SECONDS + min(20 * right.seconds, ALLOWANCE)
            found.append(attempt(partial(case.run, answer), seconds=seconds))
            if where := found[-1].unwritten:
                return Verdict(NOT_ATTEMPTED, None, f"{where} still raises NotImplementedError: write your code there.")
            if found[-1].hopeless:
                break
        first = next((i for i, outcome in enumerate(found) if not _agree(outcome, expected[i])), None)
        return self._diagnosis(answer, found, first) if first is not None else self._once_more(answer)

    def _once_more(self, answer: Any) -> Verdict:
        """Correct, if it is so when the cases come again, the largest first."""
        for case, right in zip(self.cases[::-1], self._expected()[::-1], strict=True):
            if _changed(attempt(partial(case.run, answer)), right):
                slug, sentence = REMEMBERS
                return Verdict(WRONG, slug, f"{sentence} For example, {self._words(case)} after larger cases.")
        return Verdict(CORRECT)

    def _expected(self) -> list[Outcome]:
        """What the reference returns for each case: computed once, and again if the reader has changed a default."""
        defaults = torch.get_default_dtype(), torch.empty(0).device, torch.is_grad_enabled()
        if defaults not in self._outcomes:
            outcomes = [attempt_trusted(partial(case.run, self.reference)) for case in self.cases]
            if failed := next((outcome.trouble for outcome in outcomes if outcome.trouble), None):
                raise RuntimeError(f"{self.name}: the course's own reference fails: {failed.sentence}")
            self._outcomes[defaults] = outcomes
        return self._outcomes[defaults]

    def _unfit(self, answer: Any) -> None:
        """Raises Fault if the answer is wrong before it is even called."""
        if answer is None:
            raise Fault("none", f"{self.name} is None. Pass the {self._kind()} itself.")
        if isinstance(answer, nn.Module) and self.makes_modules:
            kind = type(answer).__name__
            raise Fault("instance-for-class", f"You passed an instance of {kind}. Pass the class itself: {kind}.")
        if isinstance(answer, type) and not self.makes_modules:
            raise Fault("class-for-function", f"You passed the class {answer.__name__}, not a function.")
        if not callable(answer):
            raise Fault("not-callable", f"You passed {shown(answer)}. Pass the {self._kind()} itself, not its result.")

    def _kind(self) -> str:
        return "class" if isinstance(self.reference, type) else "function"

    def _words(self, case: Case) -> str:
        return case.words.replace("{name}", self.name)

    def _diagnosis(self, answer: Any, found: list[Outcome], first: int) -> Verdict:
        outcome, right = found[first], self._expected()[first]
        told = partial(difference, outcome.value, right.value, outcome.printed)
        trouble = outcome.trouble or attempt(told).value or INCOMPARABLE
        example = f"{self._words(self.cases[first])}: {trouble.sentence}"
        if outcome.where:
            example += f" The line is `{outcome.where}`."
        named = None if outcome.hopeless else self._known(answer, found, first)
        if not named and trouble.slug in UNNAMED:
            named = self._of_any_answer(answer, found, first)
        slug, sentence = named or (trouble.slug, "")
        start = "It is also wrong for" if slug == "one-argument" else "For example,"
        return Verdict(WRONG, slug, f"{sentence} {start} {example}".lstrip())

    def _of_any_answer(self, answer: Any, found: list[Outcome], first: int) -> Named | None:
        """Slug and sentence of a mistake that can be made in any exercise."""
        listed, ours = _parameters(answer), _parameters(self.reference)
        if listed != ours and sorted(listed) == sorted(ours):
            return "arguments-reordered", f"Your arguments are not in the order of {self.signature}."
        expected = self._expected()
        for case, before in zip(self.cases[: first + 1], found, strict=False):
            again = attempt(partial(case.run, answer))
            kept = isinstance(again.value, torch.Tensor | list | dict) and again.value is before.value
            if kept or _changed(again, before):
                return REMEMBERS
        ask = self.cases[first].run
        steady = isinstance(expected[first].value, torch.Tensor) or not _draws(partial(ask, self.reference))
        if steady and _changed(attempt(partial(ask, answer), seed=SEED + 1), found[first]):
            return RANDOM
        if len(found) < len(expected):
            return None
        trio = list(zip(self.cases, found, expected, strict=True))
        alone = [case.alone for case, *pair in trio if not _agree(*pair)]
        return alone[0] if None not in alone else attempt_trusted(partial(self._general, answer, trio, first)).value

    def _general(self, answer: Any, trio: list[tuple[Case, Outcome, Outcome]], first: int) -> Named | None:
        """What more questions show. An exception means nothing: what a learner returns may not even compare."""
        questions, asked = Questions(answer, self.reference, _agree), [one for one in trio if one[0].asked]
        for one in asked:
            questions.add_own(*one)
        questions.vary([case for case, *_ in asked])
        wrong = [(one, right) for _, one, right in trio if not _agree(one, right)]
        wrong += [(p.found, p.expected) for p in questions.points if not (p.own or p.right)]
        told = fact([(one.value, right.value) for one, right in wrong if not (one.trouble or right.trouble)])
        named = (asked and questions.ignored()) or told or None
        if not named and self.cases[first].asked:
            named = questions.condition() or questions.pair()
        return named and (named[0], named[1].replace("{name}", self.name))

    def _known(self, answer: Any, found: list[Outcome], first: int) -> Named | None:
        """The first mistake that explains everything: a symptom that shows, or an answer that agrees in all cases."""
        runs = {self.cases: found}  # the answer's, of all cases and of those that count for some mistakes only
        for mistake in self.mistakes:
            if mistake.symptom:
                shows = attempt(partial(mistake.symptom, answer))
                if shows.trouble is None and shows.value:
                    return mistake.slug, mistake.sentence
                continue
            cases = mistake.on or self.cases
            if cases not in runs:
                runs[cases] = [attempt(partial(case.run, answer)) for case in cases]
            pairs = list(zip(cases, runs[cases], strict=False))
            if not mistake.on:
                pairs.insert(0, pairs[first])  # where most mistakes part
            for wrong in self.answers[mistake.slug]:
                if len(runs[cases]) == len(cases) and all(
                    _agree(one, attempt_trusted(partial(case.run, wrong))) for case, one in pairs
                ):
                    return mistake.slug, mistake.sentence
        return None


def _agree(found: Outcome, expected: Outcome) -> bool:
    if found.trouble or expected.trouble:
        return found.trouble == expected.trouble
    try:
        return same(found.value, expected.value)
    except Exception:  # a value that cannot be compared is not the same
        return False


def _changed(again: Outcome, before: Outcome) -> bool:
    """Whether it is something else, as far as it can be compared; a run that takes too long says nothing."""
    return not again.hopeless and bool(attempt(lambda: _agree(before, before) and not _agree(again, before)).value)


def _draws(code: Callable[[], Any]) -> bool:
    """Whether the code uses torch's random numbers."""
    with torch.random.fork_rng([]):
        before = torch.get_rng_state()
        code()
        return not torch.equal(torch.get_rng_state(), before)


def _parameters(answer: Any) -> list[str]:
    try:
        return list(inspect.signature(answer).parameters)
    except (TypeError, ValueError):  # something built in
        return []
