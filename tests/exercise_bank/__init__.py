"""The answer bank: what learners hand in, wrong and right, and the diagnosis that each wrong answer must get.

The answers are written as learners write them: other loops, other names. A wrong one stands here for a diagnosis that
is no mistake's own, or for a mistake that is known by a symptom, where it gives something else, in some case, than the
example in `resnet_edu/exercises`; a test runs those anyway.

    core.py      `wrong` and `right`, which put an answer into the bank
    lessonNN.py  the answers to the exercises of one lesson; to add some, write them there
"""

from importlib import import_module
from pathlib import Path

from exercise_bank.core import RIGHT_ANSWERS, WRONG_ANSWERS

for _file in sorted(Path(__file__).parent.glob("lesson[0-9][0-9].py")):
    import_module(f"exercise_bank.{_file.stem}")

__all__ = ["RIGHT_ANSWERS", "WRONG_ANSWERS"]
