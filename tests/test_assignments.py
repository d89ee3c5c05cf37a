"""The assignments for nbgrader, seen without it: tests/full/test_nbgrader.py tries them for real."""

import ast

import nbformat
import pytest

from resnet_edu import __main__ as cli
from resnet_edu.authoring.nbgrader import SETUP, with_regions, write_assignments
from resnet_edu.exercises import all_exercises

ALL = all_exercises()


@pytest.mark.parametrize("exercise", ALL, ids=lambda one: one.name)
def test_a_solution_works_where_it_is_pasted(exercise):
    """As a learner does from the solution button: it needs nothing that only its own module has."""
    names = {"__name__": "__main__"}
    exec(SETUP, names)
    exec(with_regions(exercise.solution), names)
    assert exercise.check(names[exercise.name]).status == "correct"


@pytest.mark.parametrize("exercise", ALL, ids=lambda one: one.name)
def test_what_is_left_without_the_regions_is_a_stub_of_the_same_signature(exercise):
    lines, inside = [], False
    for line in with_regions(exercise.solution).split("\n"):
        if "### BEGIN SOLUTION" in line:
            inside = True
            lines.append(line.replace("### BEGIN SOLUTION", "raise NotImplementedError"))
        elif "### END SOLUTION" in line:
            inside = False
        elif not inside:
            lines.append(line)
    names = {}
    exec(SETUP, names)
    exec("\n".join(lines), names)
    assert exercise.check(names[exercise.name]).status == "not attempted"


def test_regions_begin_below_the_docstring_and_hold_comments():
    assert with_regions('def f(x):\n    """Doc.\n\n    More."""\n    # a clue\n    return x\n') == (
        'def f(x):\n    """Doc.\n\n    More."""\n    ### BEGIN SOLUTION\n    # a clue\n    return x\n'
        "    ### END SOLUTION"
    )
    assert with_regions("def f(\n    x,\n):\n    # a clue\n\n    y = [\n        x\n    ]\n    return y\n") == (
        "def f(\n    x,\n):\n    ### BEGIN SOLUTION\n    # a clue\n\n"
        "    y = [\n        x\n    ]\n    return y\n    ### END SOLUTION"
    )


def test_every_lesson_s_exercises_are_written_with_points(tmp_path, capsys):
    assert cli.main(["authoring", "nbgrader", str(tmp_path / "course")]) == 0
    numbers = sorted({one.lesson for one in ALL})
    said = capsys.readouterr().out
    assert f"{len(numbers)} assignments are in {tmp_path / 'course' / 'source'}.\n" in said
    assert said.endswith(f"Next, in {tmp_path / 'course'}: nbgrader generate_assignment lesson_{numbers[0]:02d}\n")
    for number in numbers:
        path = tmp_path / "course" / "source" / f"lesson_{number:02d}" / f"lesson_{number:02d}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        marks = {cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader for cell in notebook.cells}
        assert len(marks) == len(notebook.cells)
        for one in (one for one in ALL if one.lesson == number):
            assert marks[one.name].solution and not marks[one.name].locked
            assert marks[f"{one.name}-check"].points == one.difficulty and marks[f"{one.name}-check"].locked
    ast.parse((tmp_path / "course" / "nbgrader_config.py").read_text())


def test_nothing_is_overwritten(tmp_path, capsys):
    write_assignments(tmp_path / "course")
    assert cli.main(["authoring", "nbgrader", str(tmp_path / "course")]) == 1
    assert "already contains assignments" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert cli.main(["authoring", "nbgrader", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err
