"""Every claim of every lesson fails when what it rests on is broken.

At the smoke budget: the claims that count there. `RESNET_EDU_BUDGET=laptop pytest tests/test_premises.py`: the others.
"""

import builtins

import pytest
import torch
from premises import PREMISES, lessons
from premises.core import Lesson, cells_before, cells_to_run, claimed, code_cells, failed_claims, start

from resnet_edu.lesson import budget_name


def claims_of(lesson):
    """The tests of one lesson, in a class of its own: so xdist can hand the lessons to several workers."""
    premises = [one for one in PREMISES[lesson] if one.budget == budget_name()]
    premises.sort(key=lambda one: start(lesson, one))

    class Claims:
        @pytest.fixture(scope="class")
        def unbroken(self):
            """The lesson, run as far as the tests have come; in one thread, for a fork has no others."""
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            yield Lesson(lesson)
            torch.set_num_threads(threads)

        @pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # pytest-xdist has a thread
        @pytest.mark.parametrize("premise", premises, ids=lambda one: one.name)
        def test_fail_when_their_premise_is_broken(self, premise, unbroken):
            claims = premise.claims(lesson)
            unbroken.run(cells_before(lesson, premises, start(lesson, premise)))
            failed = failed_claims(unbroken, premise)
            still_hold = [claim for claim in claims if not failed[claim]]
            assert not still_hold, f"although {premise.name}, lesson {lesson} still claims {still_hold}"

    return Claims


globals().update({f"TestClaimsOfLesson{name[:2]}": claims_of(name) for name in lessons()})


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
