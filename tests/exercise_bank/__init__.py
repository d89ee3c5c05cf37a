"""The answer bank: what learners hand in, wrong and right, and the diagnosis that each wrong answer must get.

The answers are written as learners write them, not as `resnet_edu/exercises` imitates them: other loops, other names.

    core.py      `wrong` and `right`, which put an answer into the bank
    lessonNN.py  the answers to the exercises of one lesson; to add some, write them there
"""

from importlib import import_module
from pathlib import Path

from exercise_bank.core import RIGHT, WRONG

for _file in sorted(Path(__file__).parent.glob("lesson[0-9][0-9].py")):
    import_module(f"exercise_bank.{_file.stem}")

__all__ = ["RIGHT", "WRONG"]
