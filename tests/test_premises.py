"""Every claim has a premise, and the cells that a premise runs are complete. tests/premises breaks them, one by one."""

import builtins

import pytest
from premises import PREMISES, claimed, lessons
from premises.core import cells_to_run, code_cells


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
