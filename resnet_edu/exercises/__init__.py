"""Exercises: each knows its task, its solution, and the mistakes that learners make.

    >>> from resnet_edu import exercises
    >>> exercises.check("output_size", lambda size, kernel, stride=1, padding=0, dilation=1: size - kernel + 1)
    Verdict(status='wrong', mistake='result', message='For example, ...')

Read it in this order:

    faults.py      what can go wrong when an answer runs, in a learner's words
    sandbox.py     run a learner's code within limits, and undo its side effects
    compare.py     compare two results, and describe the difference
    general.py     what can be said of a wrong answer that makes no known mistake
    core.py        `Exercise`: cases, known mistakes, the verdict
    cases.py       the cases: what an answer is asked
    writing.py     how an exercise is written, and the tools for its mistakes
    lesson_NN.py   the exercises of one lesson; to add one, write it there and add its name to `LESSONS` below
    progress.py    what a reader has solved so far, in a small file
    page.py        an exercise in the notebook: the only part that knows Jupyter
"""

from importlib import import_module
from typing import Any

from resnet_edu.exercises.core import Exercise, Verdict

#: The exercises of each lesson, in order. Only the module that holds the wanted one is imported.
LESSONS = {
    1: ("output_size", "convolve", "receptive_field"),
    2: ("cross_entropy", "accuracy", "train_step", "crop_and_flip"),
    3: ("layer_norms", "factor", "moved"),
    4: ("he_normal", "batch_norm", "update_ratio"),
    5: ("identity_conv", "gradient_cosine"),
    6: ("residual_forward", "pad_shortcut", "projection", "BasicBlock"),
    7: ("count_parameters", "same_start", "ResNet20"),
    8: ("multiply_adds", "Bottleneck", "load_torchvision"),
    9: ("path_lengths", "filter_normalize", "drop_path"),
    10: ("paper_rate", "shard", "accumulate"),
    11: ("highway", "grouped_parameters", "separable_cost", "squeeze_excite"),
    12: ("replace_head", "freeze", "grad_cam", "calibration_error"),
    13: ("top_down", "box_iou", "average_precision", "SignalBlock"),
}


def names() -> list[str]:
    return [name for listed in LESSONS.values() for name in listed]


def find(name: str) -> Exercise:
    """The exercise with this name. If there is none, raises a ValueError that lists all names."""
    for lesson, listed in LESSONS.items():
        if name in listed:
            module = import_module(f"{__name__}.lesson_{lesson:02d}")
            return next(one for one in vars(module).values() if isinstance(one, Exercise) and one.name == name)
    raise ValueError(f"There is no exercise {name!r}. There are: {', '.join(names())}.")


def all_exercises() -> list[Exercise]:
    """Every exercise, by lesson; this imports the modules of all lessons."""
    return [find(name) for name in names()]


def check(name: str, answer: Any) -> Verdict:
    """Judge an answer. Exceptions in the answer are not raised, and its side effects are undone.

    Raises ValueError if there is no exercise of this name.
    """
    return find(name).check(answer)
