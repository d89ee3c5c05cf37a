"""The exercise cells of every lesson, in three variants: as they ship, solved, and with a wrong answer.

Only the imports and the exercise cells run; that whole lessons run as they ship is seen in `notebooks/`.
"""

import ast
import contextlib
import inspect
import io
import re

import pytest
from exercise_bank import WRONG_ANSWERS
from premises import cell_sources, lessons

from resnet_edu import exercises
from resnet_edu.exercises import page


def exercise_names(lesson):
    """NAME for each pair of cells `exercise-NAME` and `exercise-NAME-check`."""
    found = (re.fullmatch(r"exercise-(\w+)", name) for name in cell_sources(lesson))
    return [match[1] for match in found if match]


EVERY = [
    pytest.param(lesson, name, id=f"{lesson[:2]}-{name}") for lesson in lessons() for name in exercise_names(lesson)
]


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Nothing is handed in yet, and nothing is written into the user's own folder."""
    monkeypatch.setattr(page, "_handed_in", {})
    monkeypatch.setenv("RESNET_EDU_CACHE", str(tmp_path))


@pytest.fixture
def verdicts(monkeypatch):
    """The verdicts that the reader is shown, in order."""
    shown = []
    monkeypatch.setattr(page, "_put", lambda verdict, remarks, asked: shown.append(verdict))
    return shown


def run(lesson, name, answer=None):
    """Run the imports, the stub and the check, with an answer put in place of the stub; what the cells define."""
    names = {"__name__": "__main__"}
    sources = cell_sources(lesson)
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(sources["imports"], f"{lesson}, imports", "exec"), names)
        exec(compile(sources[f"exercise-{name}"], f"{lesson}, exercise-{name}", "exec"), names)
        if isinstance(answer, str):
            exec(compile(answer, f"an answer to {name}", "exec"), names)
        elif answer is not None:
            names[name] = answer
        handed_in = names[name]
        exec(compile(sources[f"exercise-{name}-check"], f"{lesson}, exercise-{name}-check", "exec"), names)
    return names[name], handed_in


@pytest.mark.parametrize("lesson", lessons())
def test_a_lesson_has_the_exercises_of_its_number(lesson):
    number = int(lesson[:2])
    assert sorted(exercise_names(lesson)) == sorted(
        one.name for one in exercises.all_exercises() if one.lesson == number
    )


@pytest.mark.parametrize(("lesson", "name"), EVERY)
def test_the_stub_is_followed_by_its_check_which_is_one_line(lesson, name):
    sources = cell_sources(lesson)
    order = list(sources)
    assert order[order.index(f"exercise-{name}") + 1] == f"exercise-{name}-check"
    assert sources[f"exercise-{name}-check"].strip() == f'{name} = exercise("{name}", {name})'
    assert "raise NotImplementedError" in sources[f"exercise-{name}"]


@pytest.mark.parametrize(("lesson", "name"), EVERY)
def test_the_stub_has_the_signature_of_the_exercise(lesson, name, verdicts):
    _, stub = run(lesson, name)
    reference = exercises.find(name).reference
    assert shape(stub) == shape(reference)
    if isinstance(reference, type):
        for method, function in vars(reference).items():
            if inspect.isfunction(function):
                assert shape(vars(stub)[method]) == shape(function)


def shape(function):
    """Names, kinds and defaults of the parameters, without what they are annotated with."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def called_by_name():
    """(exercise, parameter) for every parameter that a lesson gives by its name."""
    for lesson in lessons():
        names = exercise_names(lesson)
        for source in cell_sources(lesson).values():
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
                    yield from ((node.func.id, keyword.arg) for keyword in node.keywords if keyword.arg)


@pytest.mark.parametrize(("name", "parameter"), sorted(set(called_by_name())))
def test_what_a_lesson_gives_by_name_may_not_have_another_name_in_an_answer(name, parameter):
    reference = exercises.find(name).reference
    signature = inspect.signature(reference)
    renamed = [p.replace(name="other") if p.name == parameter else p for p in signature.parameters.values()]

    def answer(*arguments, **options):
        return reference(*arguments, **options)

    answer.__signature__ = signature.replace(parameters=renamed)
    assert exercises.check(name, answer).mistake == "arguments"


@pytest.mark.parametrize(("lesson", "name"), EVERY)
def test_as_it_ships_the_exercise_is_not_attempted_and_the_lesson_goes_on(lesson, name, verdicts):
    goes_on_with, _ = run(lesson, name)
    assert [verdict.status for verdict in verdicts] == ["not attempted"]
    assert goes_on_with is exercises.find(name).reference


@pytest.mark.parametrize(("lesson", "name"), EVERY)
def test_solved_it_is_correct_and_the_lesson_goes_on_with_the_reader_s(lesson, name, verdicts):
    goes_on_with, handed_in = run(lesson, name, exercises.find(name).solution)
    assert [verdict.status for verdict in verdicts] == ["correct"]
    assert goes_on_with is handed_in is not exercises.find(name).reference


@pytest.mark.parametrize(("lesson", "name"), EVERY)
def test_a_wrong_answer_is_told_its_mistake_and_the_lesson_goes_on_with_the_course_s(lesson, name, verdicts):
    found = exercises.find(name)
    own = [(known.slug, answer) for known in found.mistakes for answer in found.answers[known.slug]]
    mistake, answer = next(pair for pair in [*own, *WRONG_ANSWERS[name]] if pair[1])
    goes_on_with, _ = run(lesson, name, answer)
    assert [(verdict.status, verdict.mistake) for verdict in verdicts] == [("wrong", mistake)]
    assert goes_on_with is exercises.find(name).reference
