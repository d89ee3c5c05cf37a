"""Every claim of every lesson fails when what it rests on is broken.

pytest tests/premises -n 2                              the claims that count at smoke
RESNET_EDU_BUDGET=laptop pytest tests/premises          the others
"""

import pytest

from premises import PREMISES, failed_claims
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
