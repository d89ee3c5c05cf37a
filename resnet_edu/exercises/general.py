"""What can be said of a wrong answer that makes no known mistake: where it is right, or how its numbers are off.

def map_size(size, stride=1, layers=1):
    return size // stride                 # and not size // stride**layers

So the answer and the reference are asked more: each case again, with one argument changed at a time. Each question is a
`Point`. Here, those with one layer are right, and most others wrong: "Yours is right where `layers == 1`, but often
wrong elsewhere." A sentence is told only if no point contradicts it, and if some questions that differ in the argument
that it is about are answered differently.
"""

import inspect
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from resnet_edu.exercises.compare import plain, same, shown
from resnet_edu.exercises.sandbox import Outcome, attempt, attempt_trusted

SECONDS, ENOUGH = 0.5, 120  # of computing for all questions, and how many of them
Given = dict[str, Any]  # the arguments by name
Named = tuple[str, str]  # slug, sentence


@dataclass(frozen=True)
class Asked:
    """How a case was made, so that another one can be: maker(*arguments, **keywords).

    first: the names of the leading arguments that are not the reference's, such as the "x" for a module that it builds.
    """

    maker: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: Given = field(default_factory=dict)
    first: tuple[str, ...] = ()

    def given(self, reference: Callable[..., Any]) -> Given:
        """All arguments by name, defaults included."""
        own = len(self.first)
        bound = inspect.signature(reference).bind_partial(*self.arguments[own:], **self.keywords)
        bound.apply_defaults()
        return {**dict(zip(self.first, self.arguments, strict=False)), **bound.arguments}

    def changed(self, given: Given) -> Any:
        """The case with these arguments in place of its own."""
        return self.maker(*list(given.values())[: len(self.arguments)], **{name: given[name] for name in self.keywords})


@dataclass
class Point:
    """A question and both results. base: the point that it differs from, in the arguments called names."""

    given: Given
    words: str
    found: Outcome
    expected: Outcome
    right: bool
    base: "Point | None" = None
    names: tuple[str, ...] = ()
    own: bool = False


class Questions:
    def __init__(self, answer: Any, reference: Any, agree: Callable[[Outcome, Outcome], bool]) -> None:
        self.answer, self.reference, self.agree = answer, reference, agree
        self.points: list[Point] = []

    def add_own(self, case: Any, found: Outcome, expected: Outcome) -> None:
        given = case.asked.given(self.reference)
        point = Point(given, case.words, found, expected, self.agree(found, expected), own=True)
        if len(given) == 1 and self.points:  # all cases differ in this argument only
            point.base, point.names = self.points[-1], tuple(given)
        self.points.append(point)

    def vary(self, cases: list[Any]) -> None:
        """Ask each case again, with one argument changed, in turn, until time is up."""
        end, bases = time.process_time() + SECONDS, list(self.points)
        rounds = [_variations(case.asked, base.given, bases) for case, base in zip(cases, bases, strict=True)]
        for changes in itertools.zip_longest(*rounds):
            for case, base, ways in zip(cases, bases, changes, strict=True):
                if time.process_time() > end or len(self.points) > ENOUGH or self.points[-1].found.hopeless:
                    return
                any(self._ask(case, base, given) for given in ways or ())

    def _ask(self, case: Any, base: Point, given: Given) -> bool:
        """False if it was asked before, or makes no sense to the reference."""
        if any(list(point.given) == list(given) and same(given, point.given) for point in self.points):
            return False
        try:
            other = case.asked.changed(given)
        except Exception:  # a case that cannot be made
            return False
        expected = attempt_trusted(partial(other.run, self.reference))
        if expected.trouble or not _sensible(expected.value):
            return False
        found = attempt(partial(other.run, self.answer))
        names = tuple(name for name in given if given[name] is not base.given[name])
        self.points.append(Point(given, other.words, found, expected, self.agree(found, expected), base, names))
        return True

    def ignored(self) -> Named | None:
        """The one argument whose change changes the reference's result, and never the answer's."""
        without, usable = [], [p for p in self.points if p.base and not p.found.trouble and _sensible(p.found.value)]
        for name in self.points[0].given:
            pairs = [(p, p.base) for p in usable if p.base and p.names == (name,)]
            moved = [p for p, base in pairs if not same(p.expected.value, base.expected.value)]
            if len(moved) > 2 and all(same(p.found.value, base.found.value) for p, base in pairs):
                without.append(name)
        return (f"ignores-{without[0]}", f"`{without[0]}` has no effect on your result.") if len(without) == 1 else None

    def condition(self) -> Named | None:
        """The simplest condition under which the answer is right, and without which it is always, or often, wrong."""
        for always, often in ((True, ""), (False, "often ")):
            for code in _conditions([point.given for point in self.points]):
                if (always or "%" not in code) and self._separates(code, always):
                    return "right-where", f"Yours is right where `{code}`, but {often}wrong elsewhere."
        return None

    def _separates(self, code: str, always: bool) -> bool:
        """Whether the answer is right where this is true, and wrong, or often wrong, where it is not."""
        compiled = compile(code, "<condition>", "eval")
        try:
            true = {id(point): bool(eval(compiled, {**point.given})) for point in self.points}
        except Exception:  # a case without this argument
            return False
        inside = [point.right for point in self.points if true[id(point)]]
        outside = [point.right for point in self.points if not true[id(point)]]
        own = {true[id(point)] for point in self.points if point.own}
        if min(len(own), len(inside) - (not always), len(outside)) < 2 or not all(inside):
            return False
        if sum(outside) > (0 if always else 0.25) * len(outside):
            return False
        across = [p for p, base in self._flips() if true[id(p)] != true[id(base)]]
        return any(set(compiled.co_names) & set(point.names) for point in across)

    def _flips(self) -> list[tuple[Point, Point]]:
        """The points, with their base, of which one is right, and the other one wrong."""
        return [(p, p.base) for p in self.points if p.base and p.base.right != p.right]

    def pair(self) -> Named | None:
        """Two questions that differ in a number, or a shape, of which one is answered right, and the other wrong."""
        flips = [(p, base) for p, base in self._flips() if len(p.names) == 1 and len(p.given) > 1]
        names = [point.names for point, _ in flips]
        for point, base in flips:
            good, bad = (point, base) if point.right else (base, point)
            (name,), value = point.names, bad.given[point.names[0]]
            told = f"{name}={shown(value)}" if isinstance(value, int | float) and value != 1 else ""
            if isinstance(value, Tensor) and sum(isinstance(one, Tensor) for one in bad.given.values()) == 1:
                told = f"{name} of shape {list(value.shape)}" if value.shape != good.given[name].shape else ""
            if told and names.count(point.names) > 1:
                return "one-argument", f"Yours is right for {good.words}, but wrong with {told}."
        return None


def _sensible(value: Any) -> bool:
    """Whether a result is a size, or finite: an argument that makes no sense often gives something else."""
    if isinstance(value, Tensor):
        return value.numel() > 0 and bool(value.isfinite().all())
    return value > 0 if type(value) is int else not isinstance(value, float) or abs(value) < float("inf")


def _variations(asked: Asked, given: Given, points: list[Point]) -> Iterator[list[Given]]:
    """Each a list of ways to make one change, of which the first that makes sense to the reference counts."""
    values, sizes = [], []  # the changes of one value, or of one size of a tensor, take turns with those of the others
    for name in [*list(given)[: len(asked.arguments)], *asked.keywords]:
        used = [point.given[name] for point in points if name in point.given] + [1] * (len(given) > 1)
        values.append([[{**given, name: other}] for other in _others(given[name], used)])
        for dim, size in enumerate(given[name].shape if isinstance(given[name], Tensor) else ()):
            new = [one for one in (1 if dim < 2 else size - 1, size + 1, 2 * size) if one not in (0, size)]
            sizes.append([[_resized(given, name, dim, one, tied) for tied in (False, True)] for one in new])
    yield from itertools.chain.from_iterable(itertools.zip_longest(*values, *sizes, fillvalue=[]))


def _resized(given: Given, name: str, dim: int, new: int, tied: bool) -> Given:
    """One dimension gets this size, and if tied, so does everything else that has the same size."""
    old, changed = given[name].shape[dim], dict(given)
    for key, value in given.items():
        if isinstance(value, Tensor):
            for i, size in enumerate(value.shape):
                if size == old and ((tied and i < 2) or (key, i) == (name, dim)):
                    changed[key] = changed[key].index_select(i, torch.arange(new) % old)
        elif tied and type(value) is int and value == old:
            changed[key] = new
    return changed


def _others(value: Any, used: list[Any]) -> list[Any]:
    """Other values for an argument: for a number, those of other cases."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return sorted({one for one in used if type(one) is type(value) and one != value and one >= 0})[:8]
    if isinstance(value, list):
        return [value[:1], value[1:], value[:-1], value[::-1], value + value]
    return [value.flip(0), torch.cat([0 * value[:1], value[1:]])] if isinstance(value, Tensor) and value.ndim else []


def _conditions(given: list[Given]) -> Iterator[str]:
    """Conditions on the arguments, in Python, the simplest first."""
    sizes: dict[str, set[Any]] = {}
    for name, value in itertools.chain.from_iterable(one.items() for one in given):
        numbers = {name: value} if isinstance(value, int | float) else {}
        if isinstance(value, Tensor):
            numbers = {f"{name}.shape[{i}]": size for i, size in enumerate(value.shape)}
        if isinstance(value, list):
            numbers = {f"len({name})": len(value)}
        for text, number in numbers.items():
            sizes.setdefault(text, set()).add(number)
    lengths = {f"{name}.shape[0]" for name in given[0] if f"{name}.shape[1]" not in sizes}  # 1 says little
    yield from (f"{text} == {min(values)!r}" for text, values in sizes.items() if text not in lengths)
    yield from (f"{name}.shape[-1] == {name}.shape[-2]" for name in given[0] if f"{name}.shape[1]" in sizes)
    pairs = [pair for pair in itertools.permutations(sizes, 2) if any(map(str.isidentifier, pair))]
    yield from (f"{one} == {other}" for one, other in pairs if one < other)
    for text, values in sizes.items():
        yield from (f"{text} % 2 == {rest}" for rest in (1, 0) if 1 < sum(one % 2 for one in values) < len(values) - 1)
        for bound in sorted(values)[1:-1] if "." not in text else ():
            yield from (f"{text} <= {bound!r}", f"{text} >= {bound!r}")
    for one, other in pairs:
        yield from (f"{one} % {other} == 0", f"{one} <= {other}")


def fact(pairs: list[tuple[Any, Any]]) -> Named | None:
    """What is true of every wrong result (found, expected)."""
    numbers = [both for pair in pairs if (both := _numbers(*pair))]
    if not numbers or len(numbers) < len(pairs) or torch.cat([other for _, other in numbers]).unique().numel() == 1:
        return None
    one, other = (torch.cat([pair[i] for pair in numbers]) for i in range(2))
    ratio, off = float((one / other)[other != 0].median()), float((one - other).median())
    times = max(ratio, 1 / (ratio or 1), key=abs)
    if torch.allclose(one, other):  # another kind of object, with the right numbers
        return None
    whole = abs(times) < 1000 and abs(times - round(times)) < 1e-3 and round(times) != 1
    for slug, words, changed in (
        ("factor", f"{ratio:.4g} times", ratio * other if whole else other),
        ("constant-off", f"{abs(off):.6g} {'more' if off > 0 else 'less'} than", other + off),
        ("squared", "the square of", other**2),
        ("reciprocal", "the reciprocal of", 1 / other),
    ):
        if torch.allclose(one, changed, rtol=1e-4, atol=1e-6) and abs(off) < float("inf"):
            return slug, f"Every wrong result is {words} what it should be."
    for digits in range(1, 6):
        if torch.allclose(one, other.round(decimals=digits), rtol=1e-6, atol=1e-30):
            return "rounded", f"Your result is rounded to {digits} decimals."
    return None


def _numbers(found: Any, expected: Any) -> tuple[Tensor, Tensor] | None:
    """Both in one row, in float64, if they are numbers and of one shape."""
    try:
        one, other = (torch.as_tensor(plain(value)).detach() for value in (found, expected))
    except (TypeError, ValueError, RuntimeError):
        return None
    alike = one.shape == other.shape and other.numel() and torch.bool not in (one.dtype, other.dtype)
    return (one.double().flatten(), other.double().flatten()) if alike else None
