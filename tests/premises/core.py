"""A premise: what is broken, which cells run, and which claims must fail then."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch

from resnet_edu import lesson

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@dataclass(frozen=True)
class Premise:
    """Break something with `patch`, run the cells with these ids: each of `claims` has to fail."""

    name: str
    patch: Callable[[pytest.MonkeyPatch], None]
    cells: tuple[str, ...]
    claims: tuple[str, ...]
    budget: str = "smoke"  # where the claims count, and so where breaking them means something


def cell_sources(lesson_name: str) -> dict[str, str]:
    """{id: source} of the lesson's code cells: what the reader sees is what a test runs."""
    notebook = nbformat.read(NOTEBOOKS / f"{lesson_name}.ipynb", as_version=4)
    return {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "code"}


def failed_claims(lesson_name: str, premise: Premise, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Run the cells with the premise broken; {sentence: whether it failed}. No claim raises, all are recorded."""
    failed: dict[str, bool] = {}

    def record(sentence: str, value: Any, *, since: str = "smoke", **bounds: Any) -> None:
        low, high, _ = lesson.bounds_of(**bounds)
        failed[sentence] = not low <= torch.as_tensor(value).item() <= high

    monkeypatch.setattr(lesson, "claim", record)
    premise.patch(monkeypatch)
    sources = cell_sources(lesson_name)
    namespace: dict[str, Any] = {"__name__": "lesson"}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in premise.cells:
            exec(compile(sources[cell], f"{lesson_name}, cell {cell}", "exec"), namespace)
    return failed


def claimed(lesson_name: str) -> set[str]:
    """The sentences that a lesson claims, from its stored outputs."""
    notebook = nbformat.read(NOTEBOOKS / f"{lesson_name}.ipynb", as_version=4)
    sentences = set()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            sentences |= set(re.findall(r"^[✓–] (.+): \S+ \(", output.get("text", ""), re.MULTILINE))
    return sentences


def lessons() -> list[str]:
    return sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
