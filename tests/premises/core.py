"""A premise: what is broken, and which claims must fail then.

A lesson runs once, cell by cell, with nothing broken. At the cell where a premise breaks, the process forks: the copy
breaks it, runs on to the claims, and tells which of them failed. So no cell runs twice that does not have to, and
whatever the copy has broken ends with it.
"""

from __future__ import annotations

import contextlib
import dis
import io
import multiprocessing
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any, TypeVar

import nbformat
import pytest
import torch

from resnet_edu import lesson
from resnet_edu.authoring.lessons import CONTENTS, NOTEBOOKS

Patch = Callable[[pytest.MonkeyPatch], None]
Claim = tuple[str, str]  # the id of its cell, and its sentence
T = TypeVar("T")


class Premise:
    """Break something with `patch`: each of the claims has to fail.

    claims: "cell" stands for all claims of the cell with this id, "cell: words" for those with the words in them.
    budget: where the claims count, and so where breaking them means something.
    since: the first cell that runs broken. By default the first that belongs to one with a claim, as `scale-run` and
        `scale-code` belong to `scale-claims`.
    also: cells that have to run, too, although no name leads to them: they fill what another cell has begun.
    """

    def __init__(
        self, name: str, patch: Patch, *claims: str, budget: str = "smoke", since: str = "", also: tuple[str, ...] = ()
    ) -> None:
        self.name, self.patch, self.marks, self.budget = name, patch, claims, budget
        self.since, self.also = since, also

    def claims(self, lesson_name: str) -> set[Claim]:
        """The claims that have to fail. Raises ValueError for a mark that stands for none."""
        found: set[Claim] = set()
        for mark in self.marks:
            id_, _, words = mark.partition(": ")
            here = [sentence for cell, sentence in claimed(lesson_name) if cell == id_]
            meant = [words] if words in here else [sentence for sentence in here if words in sentence]
            if not meant:
                raise ValueError(f"{self.name}: lesson {lesson_name} has no claim {mark!r}")
            found |= {(id_, sentence) for sentence in meant}
        return found


@dataclass(frozen=True)
class Cell:
    """A code cell: the names that it binds, and those that it takes from the cells before it."""

    id: str
    source: str
    code: CodeType
    binds: frozenset[str]
    takes: frozenset[str]


@lru_cache
def code_cells(lesson_name: str) -> tuple[Cell, ...]:
    notebook = nbformat.read(NOTEBOOKS / f"{lesson_name}.ipynb", as_version=4)
    return tuple(as_cell(lesson_name, c.id, c.source) for c in notebook.cells if c.cell_type == "code")


def cell_sources(lesson_name: str) -> dict[str, str]:
    """{id: source} of the lesson's code cells: what the reader sees is what a test runs."""
    return {cell.id: cell.source for cell in code_cells(lesson_name)}


def as_cell(lesson_name: str, id_: str, source: str) -> Cell:
    code = compile(source, f"{lesson_name}, cell {id_}", "exec")
    binds, takes = set(), set()
    for step in dis.get_instructions(code):
        if step.opname == "STORE_NAME":
            binds.add(step.argval)
        elif step.opname == "LOAD_NAME" and step.argval not in binds:
            takes.add(step.argval)
    takes |= set(names_inside(code)) - binds
    return Cell(id_, source, code, frozenset(binds), frozenset(takes))


def names_inside(code: CodeType) -> Iterator[str]:
    """The global names that functions, classes and comprehensions look up when they run."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            steps = dis.get_instructions(inner)
            yield from (step.argval for step in steps if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
            yield from names_inside(inner)


def cells_to_run(lesson_name: str, wanted: set[str]) -> list[Cell]:
    """The wanted cells, and those that bind the names that these take, in the order of the lesson."""
    cells, needed = code_cells(lesson_name), set(wanted)
    for k in reversed(range(len(cells))):
        if cells[k].id in needed:
            for name in cells[k].takes:
                needed |= set([cell.id for cell in cells[:k] if name in cell.binds][-1:])
    return [cell for cell in cells if cell.id in needed]


@lru_cache
def before_and_after(lesson_name: str, premise: Premise) -> tuple[list[Cell], list[Cell]]:
    """The cells that a premise needs: those that run before it is broken, and those that run then."""
    claims = {id_ for id_, _ in premise.claims(lesson_name)}
    wanted = {cell.id for cell in code_cells(lesson_name) if experiment(cell.id) in {*premise.also, *claims}}
    cells = cells_to_run(lesson_name, wanted)
    topics = {topic(id_) for id_ in claims}
    first = next(
        k for k, cell in enumerate(cells) if (cell.id == premise.since if premise.since else topic(cell.id) in topics)
    )
    return cells[:first], cells[first:]


def start(lesson_name: str, premise: Premise) -> int:
    """How many cells come before the first that runs broken; 0 where the lesson has not all of the claims."""
    try:
        return code_cells(lesson_name).index(before_and_after(lesson_name, premise)[1][0])
    except ValueError:
        return 0


def cells_before(lesson_name: str, premises: list[Premise], count: int) -> list[Cell]:
    """Of the first cells of a lesson, those that any of the premises needs to have run."""
    needed = {cell for one in premises if start(lesson_name, one) for cell in before_and_after(lesson_name, one)[0]}
    return [cell for cell in code_cells(lesson_name)[:count] if cell in needed]


def experiment(cell_id: str) -> str:
    """The cell whose claims a folded cell holds: "shift-run" for "shift-run-checked"."""
    return cell_id.removesuffix("-checked")


def topic(cell_id: str) -> str:
    """What the cells of one experiment begin with: "shift" for "shift-run" and "shift-claims"."""
    return experiment(cell_id).rpartition("-")[0] or cell_id


@dataclass
class Lesson:
    """A lesson as far as it has run. Its claims do not raise; `failed` has, for each, whether it failed."""

    name: str
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "lesson"})
    failed: dict[Claim, bool] = field(default_factory=dict)
    ran: list[Cell] = field(default_factory=list)

    def run(self, cells: list[Cell], again: bool = False) -> None:
        """Run those of the cells that have not run before; with again=True, all of them."""

        def record(sentence: str, value: Any, *, since: str = "smoke", **bounds: Any) -> None:
            low, high, _ = lesson.bounds_of(**bounds)
            self.failed[experiment(self.ran[-1].id), sentence] = not low <= torch.as_tensor(value).item() <= high

        with contextlib.redirect_stdout(io.StringIO()), pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(lesson, "claim", record)
            for cell in [cell for cell in cells if again or cell not in self.ran]:
                self.ran.append(cell)
                exec(cell.code, self.namespace)


def failed_claims(unbroken: Lesson, premise: Premise) -> dict[Claim, bool]:
    """{claim: whether it failed} in a copy of the lesson, where the premise is broken.

    The lesson has to have run up to there. Its imports run again in the copy, so that its names lead to what is broken.
    """
    imports = [cell for cell in unbroken.ran if cell.id == "imports"]
    _, cells = before_and_after(unbroken.name, premise)

    def failed() -> dict[Claim, bool]:
        torch.manual_seed(0)  # whatever has been drawn before, by tests of other lessons
        premise.patch(pytest.MonkeyPatch())
        unbroken.run([*imports, *cells], again=True)
        return unbroken.failed

    return in_a_copy(failed)


def in_a_copy(work: Callable[[], T], seconds: float = 300) -> T:
    """What `work` returns in a fork of this process. What it raises is printed there, and here an EOFError."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    copy = fork.Process(target=lambda: there.send(work()))
    copy.start()
    there.close()
    if not here.poll(seconds):
        copy.kill()
        raise TimeoutError(f"it has not come to an end within {seconds} s")
    try:
        return here.recv()
    finally:
        copy.join()


@lru_cache
def claimed(lesson_name: str) -> frozenset[Claim]:
    """The claims that a lesson makes, from its stored outputs."""
    notebook = nbformat.read(NOTEBOOKS / f"{lesson_name}.ipynb", as_version=4)
    return frozenset(
        (experiment(cell.id), sentence)
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for sentence in re.findall(r"^[✓–] (.+): \S+ \(", output.get("text", ""), re.MULTILINE)
    )


def lessons() -> list[str]:
    return sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb") if path.stem != CONTENTS)
