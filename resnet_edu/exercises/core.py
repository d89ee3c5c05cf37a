"""What an exercise is, and how an answer to it is judged: by what it does, never by how it is written.

An exercise holds *probes*: small inputs, from the smallest on, on which the answer and the reference have to agree. It
also holds the *mistakes* that learners are known to make, each as a wrong answer. Where an answer fails a probe, it is
compared with every mistake: one whose symptoms it all shows is named. Where none is, the learner reads the first probe
that went wrong.

    Exercise(
        reference=double,
        probes=(call(1), call(torch.tensor([1.0, -2.0]))),
        mistakes=(Mistake("square", "You multiply x by itself.", lambda x: x * x),),
        ...
    )
"""

from __future__ import annotations

import copy
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from resnet_edu.exercises.harness import (
    SECONDS,
    Outcome,
    Trouble,
    Wrong,
    attempt,
    attempt_trusted,
    one_thread,
    plots_style,
)
from resnet_edu.exercises.values import difference, differing, layer_for_result, same, shown

NO_SUPER = "its __init__ does not call super().__init__(), which has to stand before any layer."
#: A list that holds itself, a sparse tensor, an object that raises whenever it is looked at.
INCOMPARABLE = Trouble("kind", "it gives something that cannot be compared with the right result.")
CORRECT, WRONG, NOT_ATTEMPTED = "correct", "wrong", "not attempted"


@dataclass(frozen=True)
class Verdict:
    """status: "correct", "wrong" or "not attempted". mistake: its slug, where it is wrong. message: for the learner."""

    status: str
    mistake: str | None = None
    message: str = ""


@dataclass(frozen=True)
class Probe:
    """One question to an answer. words: how a learner would write it, with {name} for the exercise's name.

    run: answer -> a number, tensor, or list, tuple or dict of such, which is compared with what the reference gives.
    It may raise `Wrong(slug, sentence)`.
    """

    words: str
    run: Callable[[Any], Any]


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer. sentence: what is wrong, to the one who made it, without giving the right answer away.

    wrong: an answer that makes the mistake. symptom: in its place, a function of the answer that says whether it makes
    it; it runs within the same limits, and an exception means no.
    """

    slug: str
    sentence: str
    wrong: Callable[..., Any] | None = None
    symptom: Callable[[Any], bool] | None = None

    def __post_init__(self) -> None:
        if (self.wrong is None) == (self.symptom is None):
            raise ValueError(f"Mistake({self.slug!r}): give either `wrong` or `symptom`.")


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A task and all that is needed to judge an answer to it. Its name is the reference's.

    task: what to do, in a sentence or two. difficulty: 1 to 5. minutes: for someone who has read the lesson.
    reference: a function, or a class of modules; its source is the solution that a learner may read.
    probes: from the smallest on. hints: at least two, each giving away more.
    """

    task: str
    difficulty: int
    minutes: int
    reference: Callable[..., Any]
    probes: tuple[Probe, ...]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]

    def __post_init__(self) -> None:
        slugs = [mistake.slug for mistake in self.mistakes]
        if self.difficulty not in range(1, 6) or len(self.hints) < 2 or not self.probes or len(set(slugs)) < len(slugs):
            raise ValueError(f"{self.name}: difficulty 1 to 5, two hints, a probe, and a slug of its own each mistake.")

    @property
    def name(self) -> str:
        return self.reference.__name__

    @property
    def lesson(self) -> int:
        """The number of the lesson in whose module it stands."""
        return int(self.reference.__module__.rpartition("_")[2])

    @property
    def signature(self) -> str:
        """As in the lesson's stub: `output_size(size, kernel, stride=1)`."""
        plain = [
            parameter.replace(annotation=inspect.Parameter.empty)
            for parameter in inspect.signature(self.reference).parameters.values()
        ]
        return f"{self.name}{inspect.Signature(plain)}"

    @property
    def solution(self) -> str:
        return textwrap.dedent(inspect.getsource(self.reference))

    @property
    def makes_modules(self) -> bool:
        return isinstance(self.reference, type) or "Module" in str(inspect.signature(self.reference).return_annotation)

    @one_thread()
    @plots_style()
    def check(self, answer: Any) -> Verdict:
        """Judge an answer. Nothing that the answer does is raised, and the world is left as it was."""
        if unfit := attempt(partial(self._unfit, answer)).trouble:
            return Verdict(WRONG, unfit.slug, unfit.sentence)
        expected = [attempt_trusted(partial(probe.run, self.reference)) for probe in self.probes]
        found: list[Outcome] = []
        for probe, right in zip(self.probes, expected, strict=True):
            if right.trouble:
                raise RuntimeError(f"{self.name}: the course's own reference fails: {right.trouble.sentence}")
            found.append(attempt(partial(probe.run, answer), seconds=SECONDS + 20 * right.seconds))
            if found[-1].unwritten:
                where = found[-1].unwritten
                return Verdict(
                    NOT_ATTEMPTED, None, f"{where} still raises NotImplementedError: write your lines there."
                )
            if found[-1].hopeless:
                break
        wrong = [i for i, outcome in enumerate(found) if not _agree(outcome, expected[i])]
        if not wrong:
            return Verdict(CORRECT)
        return self._diagnosis(answer, found, expected, wrong[0])

    def _unfit(self, answer: Any) -> None:
        """Raises Wrong where something is wrong with it before it is called."""
        if answer is None:
            raise Wrong("none", f"{self.name} is None. Hand in the {self._kind()} itself.")
        if isinstance(answer, nn.Module) and self.makes_modules:
            kind = type(answer).__name__
            raise Wrong(
                "instance-for-class", f"You handed in one {kind} that is built already. Hand in the class: {kind}."
            )
        if isinstance(answer, type) and not self.makes_modules:
            raise Wrong(
                "class-for-function", f"You handed in the class {answer.__name__}; {self.name} has to be a function."
            )
        if not callable(answer):
            raise Wrong(
                "not-callable",
                f"You handed in {shown(answer)}. Hand in the {self._kind()} itself, without brackets behind its name.",
            )

    def _kind(self) -> str:
        return "class" if isinstance(self.reference, type) else "function"

    def _diagnosis(self, answer: Any, found: list[Outcome], expected: list[Outcome], first: int) -> Verdict:
        outcome, right = found[first], expected[first]
        words = self.probes[first].words.replace("{name}", self.name)
        told = partial(difference, outcome.value, right.value, outcome.printed)
        trouble = outcome.trouble or attempt(told).value or INCOMPARABLE
        example = f"For example, {words}: {trouble.sentence}"
        if outcome.where:
            example += f" The line is `{outcome.where}`."
        if not outcome.hopeless and (mistake := self._known(answer, found, expected, first)):
            return Verdict(WRONG, mistake.slug, f"{mistake.sentence} {example}")
        return Verdict(WRONG, trouble.slug, example)

    def _known(self, answer: Any, found: list[Outcome], expected: list[Outcome], first: int) -> Mistake | None:
        """The mistake that explains the first failure and whose symptoms the answer all shows.

        So where the mistake gives a wrong result, the answer gives the same one. Of several mistakes the one with the
        most symptoms; of equals the one that stands first.
        """
        best, most = None, 0
        order = [first, *(i for i in range(len(found)) if i != first)]
        for mistake in self.mistakes:
            if mistake.symptom is not None:
                said = attempt(partial(mistake.symptom, answer))
                if said.trouble is None and said.value:
                    return mistake
                continue
            symptoms = 0
            for i in order:
                theirs = attempt_trusted(partial(self.probes[i].run, mistake.wrong))
                if i == first or not _agree(theirs, expected[i]):
                    if not _agree(found[i], theirs):
                        break
                    symptoms += 1
            else:
                if symptoms > most:
                    best, most = mistake, symptoms
        return best


def _agree(found: Outcome, expected: Outcome) -> bool:
    if found.trouble or expected.trouble:
        return found.trouble == expected.trouble
    try:
        return same(found.value, expected.value)
    except Exception:  # a value that cannot be compared is not the same
        return False


# --- for the writers of exercises -------------------------------------------------------------------------------------


def call(*arguments: Any, words: str | None = None) -> Probe:
    """The probe that calls the answer with these arguments, by position, and compares what comes back.

    The answer gets copies; if it changes one of them in place, that is a mistake ("changes-input").
    """

    def run(answer: Any) -> Any:
        return called(answer, *arguments)

    return Probe(words or f"{{name}}({', '.join(shown(argument) for argument in arguments)})", run)


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
    made. Biases and the scales of normalisation stay as they are.
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
