"""nbgrader takes the assignments as they are: hands them out, grades what comes back, and writes feedback.

Needs nbgrader: `pip install -e '.[nbgrader]'`.
"""

import copy
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from resnet_edu.exercises import all_exercises

LESSON = 6
NAME = f"lesson_{LESSON:02d}"
EXERCISES = [one for one in all_exercises() if one.lesson == LESSON]
SOLVED = {"ada": EXERCISES, "bob": EXERCISES[::2], "dan": EXERCISES, "eve": []}  # all, half of them, all, none
WRONG = "def residual_forward(x, branch):\n    return F.relu(branch(x))"

if importlib.util.find_spec("nbgrader") is None:
    pytest.skip("nbgrader is not installed: pip install -e '.[nbgrader]'", allow_module_level=True)


def run(*command: object, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader calls alembic by its name
    result = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, "RESNET_EDU_CACHE": str(folder / "cache"), "HOME": str(folder)},
    )
    assert result.returncode == 0, f"{command}:\n{result.stdout}{result.stderr}"
    return result.stderr


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course after one round: written, handed out, handed in by three students, graded, with feedback."""
    folder = tmp_path_factory.mktemp("course")
    run("resnet_edu", "authoring", "nbgrader", folder, folder=folder)
    run("nbgrader", "generate_assignment", NAME, folder=folder)
    for student, solved in SOLVED.items():
        notebook = nbformat.read(folder / "release" / NAME / f"{NAME}.ipynb", as_version=4)
        for exercise in solved:
            cell(notebook, exercise.name).source = exercise.solution
        if student == "dan":  # keeps a copy of each cell, mark and all
            notebook.cells = [copy.deepcopy(one) for one in notebook.cells for _ in range(2)]
        if student == "eve":
            cell(notebook, "residual_forward").source = WRONG
        path = folder / "submitted" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    run("nbgrader", "autograde", NAME, folder=folder)
    run("nbgrader", "generate_feedback", NAME, folder=folder)
    return folder


def cell(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(one for one in notebook.cells if one.metadata.nbgrader.grade_id == name)


def test_what_students_get_holds_no_solution(course: Path) -> None:
    notebook = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    for exercise in EXERCISES:
        source = cell(notebook, exercise.name).source
        assert "raise NotImplementedError" in source and "SOLUTION" not in source
        assert "return" not in source and "super()" not in source


@pytest.mark.parametrize("student", SOLVED)
def test_every_solved_exercise_gives_its_points_and_no_other_does(course: Path, student: str) -> None:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        submission = gradebook.find_submission(NAME, student)
        assert submission.max_score == sum(one.difficulty for one in EXERCISES)
        assert submission.score == sum(one.difficulty for one in SOLVED[student])
        assert not submission.needs_manual_grade
        points = {grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades}
    for one in EXERCISES:
        assert points[f"{one.name}-check"] == (one.difficulty if one in SOLVED[student] else 0)


@pytest.mark.parametrize("student", SOLVED)
def test_everybody_gets_feedback(course: Path, student: str) -> None:
    page = (course / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    assert ("still raises NotImplementedError" in page) == (student in ("bob", "eve"))
    assert ("You do not add x" in page) == (student == "eve")
