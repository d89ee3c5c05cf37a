"""Learning-rate schedules: pure functions of the step."""

import math
from collections.abc import Callable
from numbers import Real

from resnet_edu import checks

#: `(step, total_steps) -> factor`: the factor of the learning rate at a step, counted from 0.
Schedule = Callable[[int, int], float]


def constant(step: int, total: int) -> float:
    """The learning rate as given, at every step."""
    return 1.0


def one_cycle(step: int, total: int) -> float:
    """Cosine from 1/25 up to 1 over the first 30% of the steps, then cosine down to 0.

    After Smith and Topin (1708.07120), in two cosine phases, as in PyTorch's `OneCycleLR` by default.
    """
    peak = 0.3 * total
    if step < peak:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * step / peak)) / 2
    return (1 + math.cos(math.pi * (step - peak) / (total - peak))) / 2


def paper(step: int, total: int) -> float:
    """He et al. 2015, section 4.2: divided by 10 at half and at three quarters (32k and 48k of 64k steps)."""
    if 2 * step < total:
        return 1.0
    return 0.1 if 4 * step < 3 * total else 0.01


SCHEDULES: dict[str, Schedule] = {"one_cycle": one_cycle, "paper": paper, "constant": constant}


def choose(schedule: str | Schedule) -> Schedule:
    """Return the schedule, given by name or as a function. Raises ValueError for anything else."""
    if callable(schedule):
        return schedule
    return SCHEDULES[checks.choice("schedule", schedule, SCHEDULES, "a function (step, total_steps) -> factor")]


def name_of(choice: str | Callable[..., object]) -> str:
    """The name of a schedule or optimizer that was given by name or as a function."""
    return choice if isinstance(choice, str) else getattr(choice, "__qualname__", type(choice).__name__)


def factor(schedule: Schedule, step: int, total: int) -> float:
    """What the schedule returns at this step. Raises ValueError if it is not a valid factor."""
    value = schedule(step, total)
    if not isinstance(value, Real) or not 0 <= float(value) < math.inf:
        raise ValueError(f"schedule({step}, {total}) returned {value!r}: it must return a nonnegative number.")
    return float(value)
