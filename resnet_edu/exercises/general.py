"""What can be said of a wrong answer that makes no known mistake: where it is right, and how its numbers are off.

`Probes` asks the answer and the reference more: the cases again, with one argument changed at a time. A sentence is
told only if it holds for all that was asked, and if a change of its own argument made the answer right, or wrong.
"""

from __future__ import annotations

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

BUDGET = 0.3  # seconds of computing
ENOUGH = 120  # probes
Named = tuple[str, str]  # slug, sentence


@dataclass(frozen=True)
class Asked:
    """How a case was made, so that another one can be: maker(*arguments, **keywords).

    first: the names of the leading arguments that are not the reference's, such as the "x" for a module that it builds.
    """

    maker: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)
    first: tuple[str, ...] = ()

    def given(self, reference: Callable[..., Any]) -> dict[str, Any]:
        """All arguments by name, defaults included."""
        own = len(self.first)
        bound = inspect.signature(reference).bind_partial(*self.arguments[own:], **self.keywords)
        bound.apply_defaults()
        return {**dict(zip(self.first, self.arguments, strict=False)), **bound.arguments}

    def changed(self, given: dict[str, Any]) -> Any:
        """The case with these arguments in place of its own."""
        return self.maker(*list(given.values())[: len(self.arguments)], **{name: given[name] for name in self.keywords})


@dataclass
class Point:
    """One question: what was given, what the answer and the reference returned, and whether they agree.

    base, names: the point that it differs from, and the arguments that were changed.
    """

    given: dict[str, Any]
    found: Outcome
    expected: Outcome
    right: bool
    words: str
    base: Point | None = None
    names: tuple[str, ...] = ()
    own: bool = True  # one of the exercise's cases


class Probes:
    def __init__(self, answer: Any, reference: Any, agree: Callable[[Outcome, Outcome], bool]) -> None:
        self.answer, self.reference, self.agree = answer, reference, agree
        self.points: list[Point] = []

    def asked(self, case: Any, found: Outcome, expected: Outcome, **more: Any) -> Point:
        given = case.asked.given(self.reference)
        if len(given) == 1 and self.points and not more:  # whose cases differ in this argument only
            more = {"base": self.points[-1], "names": tuple(given)}
        point = Point(given, found, expected, self.agree(found, expected), case.words, **more)
        self.points.append(point)
        return point

    def ask(self, case: Any, **more: Any) -> Point | None:
        """None if the question makes no sense to the reference."""
        expected = attempt_trusted(partial(case.run, self.reference))
        if expected.trouble or not _sensible(expected.value):
            return None
        return self.asked(case, attempt(partial(case.run, self.answer)), expected, own=False, **more)

    def vary(self, cases: list[Any]) -> None:
        """Ask each case again, with another value for one argument (and for all sizes that are tied to it)."""
        bases = list(zip(cases, self.points, strict=True))
        end, seen = time.process_time() + BUDGET, [point.given for point in self.points]
        rounds = [list(_variations(case.asked, base.given, seen)) for case, base in bases]
        for tries in itertools.zip_longest(*rounds):
            for (case, base), ways in zip(bases, tries, strict=True):
                for names, given in ways or ():
                    if time.process_time() > end or len(self.points) > ENOUGH:
                        return
                    if any(same(one, given) and list(one) == list(given) for one in seen if _plain(given)):
                        continue
                    try:
                        point = self.ask(case.asked.changed(given), base=base, names=names)
                    except Exception:  # a case that cannot be made
                        continue
                    if point:
                        seen.append(given)
                        if point.found.hopeless:
                            return
                        break

    # --- what they show ---------------------------------------------------------------------------------------------

    def forgotten(self) -> Named | None:
        """An argument that is missing from the key of a cache: right if asked first, and the same again after that."""
        times = itertools.count(3)
        for base in self.points[:4]:
            given = base.given
            numbers = len(given) > 1 and all(type(value) is int for value in given.values())
            for name in given if numbers else ():
                others = [p.given[name] for p in self.points if p.given[name] != given[name]]
                seen = []
                for turn in (1, -1, 1) if others else ():
                    factor = next(times)
                    fresh = {key: factor * value for key, value in given.items()}
                    pair = [fresh, {**fresh, name: factor * others[0]}][::turn]
                    values = [attempt(partial(self.answer, *one.values())).value for one in pair]
                    right = [attempt_trusted(partial(self.reference, *one.values())).value for one in pair]
                    seen.append(same(values, [right[0], right[0]]) and not same(*right))
                if seen and all(seen):
                    return "remembers", f"It remembers results, but leaves `{name}` out of what it remembers them by."
        return None

    def ignored(self) -> Named | None:
        """An argument whose change changes the reference's result, and never the answer's."""
        without, all_names = [], {name for point in self.points for name in point.names}
        for name in self.points[0].given if self.points else ():
            pairs = [p for p in self.points if p.base and p.names == (name,) and not p.found.trouble]
            moved = [p for p in pairs if p.base and not same(p.expected.value, p.base.expected.value)]
            if len(moved) > 2 and all(p.base and same(p.found.value, p.base.found.value) for p in pairs):
                without.append(name)
        if len(without) > 1 and set(without) == all_names:
            return "constant", "Your result is the same, whatever the arguments are."
        return (f"ignores-{without[0]}", f"`{without[0]}` has no effect on your result.") if len(without) == 1 else None

    def condition(self) -> Named | None:
        """The simplest condition under which the answer is right, and without which it is wrong."""
        for strict in (True, False):
            for code, words in _conditions([point.given for point in self.points]):
                if self._separates(code, strict):
                    text, often = words or f"where `{code}`", "" if strict else "often "
                    return "right-where", f"Yours is right {text}, but {often}wrong elsewhere."
        return None

    def _separates(self, code: str, strict: bool) -> bool:
        compiled = compile(code, "<condition>", "eval")
        holds: dict[int, bool] = {}
        for point in self.points:
            try:
                holds[id(point)] = bool(eval(compiled, {**point.given}))
            except Exception:
                return False
            if holds[id(point)] > point.right or (strict and holds[id(point)] < point.right):
                return False
        if len({holds[id(point)] for point in self.points if point.own}) < 2:
            return False
        inside = sum(holds.values())
        outside = [point.right for point in self.points if not holds[id(point)]]
        if inside < (2 if strict else 3) or len(outside) < 2 or sum(outside) > 0.6 * len(outside):
            return False
        flips = [
            point
            for point in self.points
            if point.base and point.right != point.base.right and holds[id(point)] != holds[id(point.base)]
        ]
        names = set(compiled.co_names)
        return sum(bool(names & set(point.names)) for point in flips) > (not strict and "." in code)

    def pair(self) -> Named | None:
        """Two questions that differ in one argument, one answered right, and one wrong."""
        if sum(point.right for point in self.points) < max(2, len(self.points) / 10):  # as if by chance
            return None
        for point in self.points:
            base = point.base
            if base is None or base.right == point.right or len(point.names) != 1:
                continue
            good, bad, (name,) = *((point, base) if point.right else (base, point)), point.names
            now = shown(bad.given[name])
            if shown(good.given[name]) != now and len(now) < 60 and not good.found.trouble and not bad.found.trouble:
                others = [p for p in self.points if p.names == (name,) and p.base and p.base.right != p.right]
                if others:
                    return "one-argument", (
                        f"Yours is right for {good.words}, and no longer right with {name}={now} in its place."
                    )
        return None


def _sensible(value: Any) -> bool:
    """Whether a result is a number, or finite: an argument that makes no sense often gives something else."""
    if isinstance(value, Tensor):
        return value.numel() > 0 and bool(value.isfinite().all())
    if type(value) is int:
        return value > 0
    return not isinstance(value, float) or abs(value) < float("inf")


def _plain(given: dict[str, Any]) -> bool:
    return all(isinstance(value, int | float | list | tuple | str) for value in given.values())


def _variations(
    asked: Asked, given: dict[str, Any], seen: list[dict[str, Any]]
) -> Iterator[list[tuple[tuple[str, ...], dict[str, Any]]]]:
    """Each a list of ways to make one change, of which the first that makes sense to the reference counts."""
    passed = [*list(given)[: len(asked.arguments)], *asked.keywords]
    for name in passed:
        value = given[name]
        if isinstance(value, Tensor):
            for dim in range(value.ndim):
                size = value.shape[dim]
                for new in dict.fromkeys((1, size - 1, size + 1, 2 * size)):
                    if new not in (0, size):
                        yield [_resized(given, name, dim, new, tied=False), _resized(given, name, dim, new, tied=True)]
        ones = [1] if len(given) > 1 and type(value) is int and value > 0 else []
        for other in _others(value, [one[name] for one in seen if name in one] + ones):
            yield [((name,), {**given, name: other})]


def _resized(given: dict[str, Any], name: str, dim: int, new: int, *, tied: bool) -> Any:
    """One dimension gets this size, and if tied, so does everything else that has the same size."""
    old, changed = given[name].shape[dim], dict(given)
    for key, value in given.items():
        if isinstance(value, Tensor):
            for i, size in enumerate(value.shape):
                if size == old and ((key, i) == (name, dim) or (tied and not _spatial(value, i))):
                    changed[key] = changed[key].index_select(i, torch.arange(new) % old)
        elif tied and type(value) is int and value == old:
            changed[key] = new
    return tuple(key for key in given if changed[key] is not given[key]), changed


def _spatial(value: Tensor, dim: int) -> bool:
    return value.ndim >= 3 and dim >= value.ndim - 2


def _others(value: Any, seen: list[Any]) -> list[Any]:
    """Other values for an argument."""
    match value:
        case bool():
            return [not value]
        case int() | float():
            return sorted({one for one in seen if type(one) is type(value) and one != value})[:8]
        case list():
            return [value[:1], value[1:], value[:-1], value[::-1], value + value, sorted(value)] if value else []
        case Tensor() if value.dtype == torch.bool:
            return [~value, value.flip(0)]
        case Tensor() if value.is_floating_point():
            first = value.clone()
            first.view(-1)[:1] = 0
            ordered = [value.sort().values, value.sort(descending=True).values] if value.ndim == 1 else []
            rows = value.clone()
            rows[0] = 0
            return [value.flip(0), value.abs(), value.abs() + 1, 10 * value, 0.1 * value, first, rows, *ordered]
        case Tensor():
            return [value.flip(0), value.sort(0).values, torch.zeros_like(value)]
    return []


def _conditions(given: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Conditions on the arguments, the simplest first: Python, and words, if these read better."""
    sizes: dict[str, set[Any]] = {}
    for one in given:
        for name, value in one.items():
            numbers = {name: value} if type(value) in (int, float) else {}
            if isinstance(value, Tensor):
                numbers = {f"{name}.shape[{i}]": size for i, size in enumerate(value.shape)}
            if isinstance(value, list):
                numbers = {f"len({name})": len(value)}
            for text, number in numbers.items():
                sizes.setdefault(text, set()).add(number)
    for name in (name for name, value in given[0].items() if isinstance(value, bool)):
        yield name, ""
        yield f"not {name}", ""
    for text, values in sizes.items():
        low = min(values)
        yield f"{text} == {low!r}", ""
        yield f"{text} != {low!r}", ""
    for name, value in given[0].items():
        if isinstance(value, Tensor) and value.ndim > 1:
            yield f"{name}.shape[-1] == {name}.shape[-2]", f"where {name} is square (its last two dimensions are equal)"
    pairs = [pair for pair in itertools.permutations(sizes, 2) if any(map(str.isidentifier, pair))]
    yield from ((f"{one} == {other}", "") for one, other in pairs if one < other)
    for text in sizes:
        yield f"{text} % 2 == 1", f"where `{text}` is odd"
        yield f"{text} % 2 == 0", f"where `{text}` is even"
    for text, values in sizes.items():
        for one in sorted(values)[1:-1] if ".shape" not in text else ():
            yield f"{text} <= {one!r}", ""
            yield f"{text} >= {one!r}", ""
    for name, value in given[0].items():
        if isinstance(value, Tensor) and value.dtype != torch.bool:
            yield f"({name} != 0).all()", f"where {name} has no zeros"
            yield f"({name} >= 0).all()", f"where {name} has no negative numbers"
            yield f"({name} == {name}.round()).all()", f"where {name} has whole numbers only"
            yield f"{name}.unique().numel() == {name}.numel()", f"where no number is twice in {name}"
        if isinstance(value, list):
            yield f"len(set({name})) == len({name})", f"where nothing is twice in {name}"
            yield f"{name} == sorted({name})", f"where {name} is sorted"
            if value and isinstance(value[0], tuple):
                for i in range(len(value[0])):
                    column = f"[one[{i}] for one in {name}]"
                    yield f"len(set({column})) == len({name})", f"where no two entries of {name} begin alike" * (i == 0)
                    yield f"1 not in {column}", f"where no entry of {name} has a 1 at [{i}]"
                if len(value[0]) == 2:
                    yield f"all(a >= b for a, b in {name})", ""
    for first, other in pairs:
        yield f"{first} % {other} == 0", f"where `{first}` is a multiple of `{other}`"
        yield f"{first} <= {other}", ""
        yield f"{first} == 2 * {other}", ""


# --- how the numbers are off ------------------------------------------------------------------------------------------


def fact(pairs: list[tuple[Any, Any]]) -> Named | None:
    """What is true of each wrong result (found, expected)."""
    numbers = [both for pair in pairs if (both := _numbers(*pair)) is not None]
    if len(numbers) == len(pairs) and numbers:
        distinct = torch.cat([expected.flatten() for _, expected in numbers]).unique().numel()
        if distinct > 1 and (named := next((fact for fact in _facts(numbers) if fact), None)):
            return named
    if len(pairs) > 1 and all(isinstance(plain(value), bool) for pair in pairs for value in pair):
        told = plain(pairs[0][0])
        if all(plain(one) is told for one, _ in pairs):
            return "too-often", f"Whenever yours is wrong, it returns {told} where {not told} is right."
    return None


def _numbers(found: Any, expected: Any) -> tuple[Tensor, Tensor] | None:
    """Both as tensors in float64, if they are numbers and of one shape."""
    if isinstance(expected, dict) and isinstance(found, dict) and found.keys() == expected.keys():
        parts = [_numbers(found[key], expected[key]) for key in expected]
        if any(part is None for part in parts):
            return None
        one, other = (torch.cat([part[i].flatten() for part in parts if part]) for i in range(2))
        return one, other
    try:
        one, other = (torch.as_tensor(plain(value)).detach() for value in (found, expected))
    except (TypeError, ValueError, RuntimeError):
        return None
    if isinstance(found, Tensor) != isinstance(expected, Tensor) or torch.equal(one, other):
        return None
    if one.shape != other.shape or torch.bool in (one.dtype, other.dtype) or not other.numel():
        return None
    return one.double(), other.double()


def _everywhere(pairs: list[tuple[Tensor, Tensor]], change: Callable[[Tensor], Tensor], tight: bool = False) -> bool:
    """Whether each result is this change of the right one."""
    rtol, atol = (1e-6, 1e-30) if tight else (1e-4, 1e-6)
    try:
        return all(torch.allclose(one, change(other), rtol=rtol, atol=atol, equal_nan=True) for one, other in pairs)
    except (RuntimeError, IndexError):
        return False


def _facts(pairs: list[tuple[Tensor, Tensor]]) -> Iterator[Named | None]:
    one, other = (torch.cat([pair[i].flatten() for pair in pairs]) for i in range(2))
    if (one.isnan() & ~other.isnan()).any():
        if all((a.isnan() & ~b.isnan()).any() for a, b in pairs):
            yield "nan", "Your result is not a number (NaN), as 0 / 0 or inf - inf."
        return
    big = other.abs() > 1e-6
    if big.sum() > 1:
        ratio = float((one / other)[big].median())
        if ratio and _everywhere(pairs, lambda x: ratio * x):
            times = ratio if ratio > 1 else 1 / ratio
            if ratio < 0 and abs(ratio + 1) < 1e-4:
                yield "sign", "Every wrong result has the wrong sign."
            if 1.5 < times <= 1000 and abs(times - round(times)) < 1e-4 * times:
                size = f"{times:.0f} times" if ratio > 1 else f"1/{times:.0f} of"
                yield "factor", f"Every wrong result is {size} what it should be."
    off = float((one - other).median())
    if abs(off) > 1e-3 and one.numel() > 2 and _everywhere(pairs, lambda x: x + off):
        yield "constant-off", f"Every wrong result is too {'large' if off > 0 else 'small'} by {abs(off):.4g}."
    for slug, words, change in (
        ("squared", "the square of", lambda x: x**2),
        ("root", "the square root of", torch.sqrt),
        ("reciprocal", "the reciprocal of", lambda x: 1 / x),
        ("logarithm", "the logarithm of", torch.log),
        ("exponential", "the exponential of", torch.exp),
        ("complement", "1 minus", lambda x: 1 - x),
        ("absolute", "the absolute value of", torch.abs),
    ):
        if _everywhere(pairs, change):
            yield slug, f"Every wrong result is {words} what it should be."
    for digits in range(6):
        if _everywhere(pairs, partial(torch.round, decimals=digits), tight=True):
            yield "rounded", f"Your result is rounded to {digits} decimals." if digits else "Your result is rounded."
    for slug, words, change in (
        ("rounded", "rounded down", torch.floor),
        ("rounded", "rounded up", torch.ceil),
        ("only-float16", "as inexact as float16", lambda x: x.half().double()),
        ("only-float16", "as inexact as bfloat16", lambda x: x.bfloat16().double()),
    ):
        if _everywhere(pairs, change, tight=True):
            yield slug, f"Your result is {words}."
    wrong = ~torch.isclose(one, other, rtol=1e-4, atol=1e-6)
    if wrong.any() and (tiny := other[wrong].abs().max()) < 1e-15 and not one[wrong].any() and tiny > 0:
        yield "underflows", "Very small numbers become 0: the smallest step in between was too small for a float."
    if wrong.sum() > 2 and (~wrong).any() and one[wrong].unique().numel() == 1:
        at, rest = float(one[wrong][0]), other[wrong]
        if (rest > at).all() and (other[~wrong] <= at + 1e-6).all():
            yield "clipped", f"Your result never gets above {at:.4g}."
        if (rest < at).all() and (other[~wrong] >= at - 1e-6).all():
            yield "clipped", f"Your result never gets below {at:.4g}."
    dims = {b.ndim for _, b in pairs}
    if len(dims) == 1 and (ndim := dims.pop()):
        for i in range(ndim):
            if _everywhere(pairs, lambda x: x.flip(i)):  # noqa: B023
                yield "reversed", f"Your result is reversed along dimension {i}."
        for i, j in itertools.combinations(range(ndim), 2):
            if _everywhere(pairs, lambda x: x.transpose(i, j)):  # noqa: B023
                yield "transposed", f"Dimensions {i} and {j} of your result are swapped."
        for i in range(ndim):
            if all(b.shape[i] > 1 for _, b in pairs) and _everywhere(pairs, lambda x: x.narrow(i, 0, 1).expand_as(x)):  # noqa: B023
                yield "copies", f"Along dimension {i}, your result holds copies of its first entry."
            for where, start in (("first", 0), ("last", -1)):
                parts = [(~torch.isclose(a, b, rtol=1e-4, atol=1e-6)).movedim(i, 0) for a, b in pairs]
                if all(len(part) > 2 and part[start].any() and part.sum() == part[start].sum() for part in parts):
                    yield f"only-the-{where}", f"Along dimension {i}, only the {where} entry is wrong."
    if one.numel() > 3 and all(same(a.flatten().sort().values, b.flatten().sort().values) for a, b in pairs):
        yield "order", "Your numbers are the right ones, but in other places."
    if wrong.sum() > 2 and (~wrong).any() and not one[wrong].any():
        yield "zero", "Wherever your result is wrong, it is 0."
