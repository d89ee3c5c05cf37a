"""Exercises: each knows its task, its solution, and the mistakes that learners make.

    >>> from resnet_edu import exercises
    >>> exercises.check("output_size", lambda size, kernel, stride=1, padding=0, dilation=1: size - kernel + 1)
    Verdict(status='wrong', mistake='ignores-stride', message='...')

Read it in this order:

    harness.py     run somebody's code: within limits, and the world stays as it was
    values.py      compare two results, and tell the difference
    core.py        `Exercise`: probes, known mistakes, the verdict
    lesson_NN.py   the exercises of one lesson; to add one, write it there
    progress.py    what a reader has solved so far, in a small file
    widgets.py     the buttons in the notebook: the only part that knows Jupyter
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from resnet_edu.exercises.core import Exercise, Verdict


def all_exercises() -> list[Exercise]:
    """Every exercise, by lesson, and in each in the order of its module."""
    lessons = sorted(module.name for module in iter_modules(__path__) if module.name.startswith("lesson_"))
    values = [value for name in lessons for value in vars(import_module(f"{__name__}.{name}")).values()]
    return [value for value in values if isinstance(value, Exercise)]


def names() -> list[str]:
    return [exercise.name for exercise in all_exercises()]


def find(name: str) -> Exercise:
    """The exercise of this name. Raises ValueError that lists them all."""
    for exercise in all_exercises():
        if exercise.name == name:
            return exercise
    raise ValueError(f"There is no exercise {name!r}. There are: {', '.join(names())}.")


def check(name: str, answer: Any) -> Verdict:
    """Judge an answer. Whatever it does, nothing is raised, and the world around it is left as it was.

    Raises ValueError if there is no exercise of this name.
    """
    return find(name).check(answer)
