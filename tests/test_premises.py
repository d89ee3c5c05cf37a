"""Every claim of every lesson fails when what it rests on is broken.

At the smoke budget: the claims that count there. `RESNET_EDU_BUDGET=laptop pytest tests/test_premises.py`: the others.
"""

import builtins

import pytest
from premises import PREMISES, claimed, failed_claims, lessons
from premises.core import cells_to_run, code_cells

from resnet_edu import exercises
from resnet_edu.lesson import budget_name


@pytest.fixture(autouse=True)
def no_exercise_keeps_what_its_reference_gave_meanwhile():
    yield
    for one in exercises.all_exercises():
        one._outcomes.clear()


@pytest.mark.parametrize(
    ("lesson", "premise"),
    [
        pytest.param(lesson, premise, id=f"{lesson[:2]}-{premise.name}")
        for lesson, premises in PREMISES.items()
        for premise in premises
        if premise.budget == budget_name()
    ],
)
def test_claims_fail_when_their_premise_is_broken(lesson, premise, monkeypatch):
    failed = failed_claims(lesson, premise, monkeypatch)
    still_hold = [claim for claim in premise.claims(lesson) if not failed[claim]]
    assert not still_hold, f"although {premise.name}, lesson {lesson} still claims {still_hold}"


def test_the_lessons_are_found():
    assert lessons() and set(PREMISES) == set(lessons())  # else all tests here pass by testing nothing


@pytest.mark.parametrize("lesson", lessons())
def test_every_claim_of_a_lesson_has_a_premise_and_half_of_them_at_smoke(lesson):
    at_smoke = {claim for one in PREMISES[lesson] if one.budget == "smoke" for claim in one.claims(lesson)}
    at_all = {claim for one in PREMISES[lesson] for claim in one.claims(lesson)}
    assert at_all == claimed(lesson) and 2 * len(at_smoke) >= len(at_all)


@pytest.mark.parametrize("lesson", lessons())
def test_the_cells_that_run_before_a_cell_bind_all_that_it_takes(lesson):
    for last in code_cells(lesson):
        bound = {*dir(builtins), "__name__"}
        for cell in cells_to_run(lesson, {last.id}):
            assert cell.takes <= bound, (last.id, cell.id)
            bound |= cell.binds
