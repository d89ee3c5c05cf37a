"""For each claim of each lesson: what has to be broken so that the claim fails.

A claim that holds whatever the code does claims nothing. Each `Premise` breaks one thing (a model that ignores
`residual`, a recorder that returns ones, an initialization swapped) and names the cells whose claims must fail then.
Which other cells have to run follows from the names that these use. `test_premises.py` breaks them one by one;
`tests/test_premises.py` checks that no claim of a lesson is left out.

    core.py      `Premise`, and how one is run
    patches.py   what can be broken
    lessonNN.py  the premises of one lesson
"""

import importlib

from premises.core import Premise, cell_sources, claimed, failed_claims, lessons

#: {lesson: its premises}, from `lessonNN.py`.
PREMISES: dict[str, list[Premise]] = {
    name: importlib.import_module(f"premises.lesson{name[:2]}").PREMISES for name in lessons()
}

__all__ = ["PREMISES", "Premise", "cell_sources", "claimed", "failed_claims", "lessons"]
