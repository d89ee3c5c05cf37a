"""The answer bank: what learners hand in, wrong and right, and the diagnosis that each wrong answer must get.

The answers are written as learners write them: other loops, other names. A wrong one stands here for a mistake that is
known by a symptom, for a diagnosis of the engine itself, or if it gives something else, in some case, than the
mistake's own answer in `resnet_edu/exercises` does; a test runs those anyway.

    core.py      `wrong` and `right`, which put an answer into the bank
    lessonNN.py  the answers to the exercises of one lesson; to add some, write them there
"""

from importlib import import_module
from pathlib import Path

from exercise_bank.core import RIGHT, WRONG

for _file in sorted(Path(__file__).parent.glob("lesson[0-9][0-9].py")):
    import_module(f"exercise_bank.{_file.stem}")

__all__ = ["RIGHT", "WRONG"]
