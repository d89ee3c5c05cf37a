"""A premise: what is broken, and which claims must fail then."""

from __future__ import annotations

import contextlib
import dis
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any

import nbformat
import pytest
import torch

from resnet_edu import lesson
from resnet_edu.authoring.claims import unwrapped
from resnet_edu.authoring.lessons import CONTENTS, NOTEBOOKS

Patch = Callable[[pytest.MonkeyPatch], None]
Claim = tuple[str, str]  # the id of its cell, and its sentence


class Premise:
    """Break something with `patch`: each of the claims has to fail.

    claims: "cell" stands for all claims of the cell with this id, "cell: words" for those with the words in them.
    budget: where the claims count, and so where breaking them means something.
    also: cells that have to run, too, although no name leads to them: they fill what another cell has begun.
    """

    def __init__(
        self, name: str, patch: Patch, *claims: str, budget: str = "smoke", also: tuple[str, ...] = ()
    ) -> None:
        self.name, self.patch, self.marks, self.budget, self.also = name, patch, claims, budget, also

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


def failed_claims(lesson_name: str, premise: Premise, monkeypatch: pytest.MonkeyPatch) -> dict[Claim, bool]:
    """Run the cells with the premise broken; {claim: whether it failed}. No claim raises, all are recorded."""
    failed: dict[Claim, bool] = {}
    running = ""

    def record(sentence: str, value: Any, *, since: str = "smoke", **bounds: Any) -> None:
        low, high, _ = lesson.bounds_of(**bounds)
        failed[running, sentence] = not low <= torch.as_tensor(value).item() <= high

    wanted = {*premise.also, *(id_ for id_, _ in premise.claims(lesson_name))}
    cells = cells_to_run(lesson_name, {cell.id for cell in code_cells(lesson_name) if experiment(cell.id) in wanted})
    monkeypatch.setattr(lesson, "claim", record)
    premise.patch(monkeypatch)
    namespace: dict[str, Any] = {"__name__": "lesson"}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in cells:
            running = experiment(cell.id)
            exec(cell.code, namespace)
    return failed


def experiment(cell_id: str) -> str:
    """The cell whose claims a folded cell holds: "shift-run" for "shift-run-checked"."""
    return cell_id.removesuffix("-checked")


@lru_cache
def claimed(lesson_name: str) -> frozenset[Claim]:
    """The claims that a lesson makes, from its stored outputs."""
    notebook = nbformat.read(NOTEBOOKS / f"{lesson_name}.ipynb", as_version=4)
    return frozenset(
        (experiment(cell.id), sentence)
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for sentence in re.findall(r"^[✓–] (.+): \S+ \(", unwrapped(output.get("text", "")), re.MULTILINE)
    )


def lessons() -> list[str]:
    return sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb") if path.stem != CONTENTS)
