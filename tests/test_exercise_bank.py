"""Every wrong answer gets the diagnosis that names its mistake, and every right one passes.

The wrong answers are the mistakes' own, and those of `exercise_bank/` for what these do not show. A general "wrong
result" is a miss: who reads it does not know what to change.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from exercise_bank import RIGHT_ANSWERS, WRONG_ANSWERS

from resnet_edu import exercises
from resnet_edu.exercises import Exercise, Verdict
from resnet_edu.exercises.compare import same
from resnet_edu.exercises.core import Case
from resnet_edu.exercises.sandbox import attempt, attempt_trusted

#: What learners write may well earn a warning.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

#: Diagnoses that say that something is wrong, and not what.
GENERAL = {"result", "shape", "kind", "raises"}
#: CPU seconds that one check may take; twice as much fails, for machines differ.
BOUND = 1.0


def what_is_right() -> dict[str, list[object]]:
    """What the reference gives for each case of each exercise."""
    return {
        one.name: [attempt_trusted(partial(case.run, one.reference)).value for case in one.cases]
        for one in exercises.all_exercises()
    }


@pytest.fixture(scope="module", autouse=True)
def no_answer_changes_what_the_next_one_is_asked():
    before = what_is_right()
    yield
    after = what_is_right()
    assert [name for name in before if not same(after[name], before[name])] == []


all_exercises = pytest.mark.parametrize(
    "exercise", [pytest.param(one, id=one.name) for one in exercises.all_exercises()]
)


def check(name: str, answer: object) -> Verdict:
    """The verdict, within the time that a reader waits for it."""
    started = time.process_time()
    verdict = exercises.check(name, answer)
    took = time.process_time() - started
    assert took < 2 * BOUND, f"this check of {name} takes {took:.1f} s"
    return verdict


def wrong_answers(exercise: Exercise) -> list[tuple[str, Callable[..., Any]]]:
    """The mistakes' own answers, patches of the reference and functions, each with its slug."""
    return [(known.slug, answer) for known in exercise.mistakes for answer in exercise.answers[known.slug]]


@pytest.mark.parametrize(
    ("name", "slug", "answer"),
    [
        pytest.param(name, slug, answer, id=f"{name}-{number}-{slug}")
        for name, answers in WRONG_ANSWERS.items()
        for number, (slug, answer) in enumerate(answers)
    ],
)
def test_a_wrong_answer_is_told_its_mistake(name: str, slug: str, answer: object) -> None:
    verdict = check(name, answer)
    assert (verdict.status, verdict.mistake) == ("wrong", slug), verdict.message


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param(name, answer, id=f"{name}-{number}")
        for name, answers in RIGHT_ANSWERS.items()
        for number, answer in enumerate(answers)
    ],
)
def test_a_right_answer_passes_however_it_is_written(name: str, answer: object) -> None:
    verdict = check(name, answer)
    assert verdict == Verdict("correct"), verdict.message


@all_exercises
def test_every_exercise_has_six_wrong_answers_and_four_right_ones(exercise: Exercise) -> None:
    assert len(wrong_answers(exercise)) + len(WRONG_ANSWERS[exercise.name]) >= 6
    assert len(RIGHT_ANSWERS[exercise.name]) >= 4


def test_the_bank_is_large_and_holds_answers_to_exercises_only() -> None:
    assert set(WRONG_ANSWERS) | set(RIGHT_ANSWERS) <= set(exercises.names())
    assert (
        sum(map(len, WRONG_ANSWERS.values())) + sum(len(wrong_answers(one)) for one in exercises.all_exercises()) >= 700
    )
    assert sum(map(len, RIGHT_ANSWERS.values())) >= 180


@all_exercises
def test_no_wrong_answer_of_the_bank_repeats_a_mistake(exercise: Exercise) -> None:
    """It gives something else than the mistake's own answer in one case at least."""
    known, bank = wrong_answers(exercise), WRONG_ANSWERS[exercise.name]
    compared = [(slug, one, other) for slug, one in bank for its, other in known if its == slug]
    assert not [
        slug for slug, one, other in compared if all(gives_the_same(case, one, other) for case in exercise.cases)
    ]


def gives_the_same(case: Case, one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    first, second = (attempt(partial(case.run, answer)) for answer in (one, other))
    return first.trouble == second.trouble and (first.trouble is not None or same(first.value, second.value))


def test_no_wrong_answer_of_the_bank_may_get_a_general_diagnosis() -> None:
    assert not GENERAL & {slug for answers in WRONG_ANSWERS.values() for slug, _ in answers}


@all_exercises
def test_each_known_mistake_is_told_from_all_others(exercise: Exercise) -> None:
    told = [(slug, check(exercise.name, answer).mistake) for slug, answer in wrong_answers(exercise)]
    assert [pair for pair in told if pair[0] != pair[1]] == []


@all_exercises
def test_every_mistake_is_shown_by_an_example_or_an_answer_of_the_bank(exercise: Exercise) -> None:
    slugs = {known.slug for known in exercise.mistakes}
    assert slugs <= {slug for slug, _ in wrong_answers(exercise) + WRONG_ANSWERS[exercise.name]}


@all_exercises
def test_no_diagnosis_and_no_first_hint_gives_a_line_of_the_solution_away(exercise: Exercise) -> None:
    lines = {line.strip() for line in exercise.solution.splitlines()}
    telling = {line.removeprefix("return ") for line in lines if len(line) > 15 and not line.startswith(('"', "def"))}
    said = [exercise.hints[0], *(known.sentence for known in exercise.mistakes)]
    assert not [line for line in telling for sentence in said if line in sentence]


@all_exercises
def test_each_diagnosis_is_made_of_whole_sentences(exercise: Exercise) -> None:
    for known in exercise.mistakes:
        assert known.sentence.rstrip(")")[-1] in ".?", known.sentence
