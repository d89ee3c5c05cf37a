"""The exercises as assignments for nbgrader: one notebook per lesson, with solutions, tests and points.

    python -m resnet_edu authoring nbgrader course        # course/source/lesson_06/lesson_06.ipynb and so on
    cd course
    nbgrader generate_assignment lesson_06                # course/release/lesson_06: what students get
    nbgrader autograde lesson_06                          # what they submitted to course/submitted/NAME/lesson_06
    nbgrader generate_feedback lesson_06

Points are the exercise's difficulty. A wrong answer gets none, and the feedback contains the lesson's message.
Students have the course's package, and with it the solutions: see notebooks/FOR_INSTRUCTORS.md.
"""

import ast
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from resnet_edu.authoring.lessons import Refusal
from resnet_edu.authoring.normalize import KERNELSPEC, LANGUAGE, to_text
from resnet_edu.exercises import all_exercises
from resnet_edu.exercises.core import Exercise
from resnet_edu.files import write_atomically

SETUP = """\
import copy
import math

import torch
from resnet_edu import models
from resnet_edu.exercises import check
from torch import nn
from torch.nn import functional as F"""
CONFIG = """\
from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, DeduplicateIds, OverwriteCells, OverwriteKernelspec


class ForgetCopies(DeduplicateIds):
    # nbgrader empties the mark of a cell that stands twice, takes the empty mark for an old format, and stops.
    def preprocess_cell(self, cell, resources, cell_index):
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.metadata.get("nbgrader") == {}:
            del cell.metadata["nbgrader"]
        return cell, resources


c = get_config()
c.Autograde.sanitize_preprocessors = [ClearOutput, ForgetCopies, OverwriteKernelspec, OverwriteCells, CheckCellMetadata]
c.CourseDirectory.course_id = "resnet_edu"
c.ExecutePreprocessor.timeout = 120  # seconds a cell
"""


def write_assignments(folder: Path) -> list[Path]:
    """Write nbgrader's course folder with the source of every assignment; return the notebooks.

    Raises Refusal if it already contains assignments.
    """
    if (folder / "source").exists():
        raise Refusal(f"{folder} already contains assignments. Give a new folder, or delete its subfolder source.")
    written = []
    for number, exercises in groupby(all_exercises(), lambda exercise: exercise.lesson):
        name = f"lesson_{number:02d}"
        path = folder / "source" / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        write_atomically(path, to_text(assignment(list(exercises))))
        written.append(path)
    write_atomically(folder / "nbgrader_config.py", CONFIG)
    return written


def assignment(exercises: list[Exercise]) -> NotebookNode:
    """One lesson's notebook: for each exercise its card, the solution to clear, and the test that awards points."""
    title = f"# Exercises of lesson {exercises[0].lesson:02d}\n\nWrite your code where indicated, and run every cell."
    cells = [graded(new_markdown_cell(title), "title"), graded(new_code_cell(SETUP), "setup")]
    for one in exercises:
        points = "1 point" if one.difficulty == 1 else f"{one.difficulty} points"
        card = (
            f"## {one.name}\n\n{one.task}\n\nDifficulty {one.difficulty} of 5, about {one.minutes} minutes, {points}."
        )
        test = f'verdict = check("{one.name}", {one.name})\nassert verdict.status == "correct", verdict.message'
        cells += [
            graded(new_markdown_cell(card), f"{one.name}-card"),
            graded(new_code_cell(with_regions(one.solution)), one.name, solution=True),
            graded(new_code_cell(test), f"{one.name}-check", points=one.difficulty),
        ]
    notebook = new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    nbformat.validate(notebook)
    return notebook


def graded(cell: NotebookNode, name: str, *, solution: bool = False, points: int | None = None) -> NotebookNode:
    """The cell with nbgrader's metadata, version 3: read-only, solution, or graded test."""
    cell.id = name
    cell.metadata.nbgrader = {
        "schema_version": 3,
        "grade_id": name,
        "grade": points is not None,
        "solution": solution,
        "locked": not solution,
        "task": False,
        **({} if points is None else {"points": points}),
    }
    return cell


def with_regions(source: str) -> str:
    """The source with nbgrader's markers around the body of each function and method, below its docstring."""
    lines = source.rstrip("\n").split("\n")
    for function in reversed(list(functions(ast.parse(source).body))):
        first, last = function.body[0], function.body[-1].end_lineno
        if ast.get_docstring(function) is not None:
            begin = first.end_lineno
        else:
            begin = first.lineno - 1
            while lines[begin - 1].lstrip()[:1] in ("", "#"):  # a comment above the first line belongs to the body
                begin -= 1
        indent = " " * first.col_offset
        lines.insert(last or 0, f"{indent}### END SOLUTION")
        lines.insert(begin or 0, f"{indent}### BEGIN SOLUTION")
    return "\n".join(lines)


def functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    """The functions, and the methods of classes, in source order."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef):
            yield statement
        elif isinstance(statement, ast.ClassDef):
            yield from functions(statement.body)
