"""Input checks that every room shares. Each returns the checked value, as a plain Python number where it is one.

    epochs = whole("epochs", epochs, at_least=1)

They stand at the public signatures of the course, and wherever a wrong value would give a wrong result without a word.
Everything else fails as Python and PyTorch fail. TypeError is for a value of the wrong kind, ValueError for one that is
out of range; the message says what was given and what is possible.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from torch import Tensor, nn

#: The largest seed that torch, numpy and Python's random all take.
LARGEST_SEED = 2**32 - 1


def whole(name: str, value: Any, *, at_least: int = 0, at_most: int | None = None) -> int:
    """An int, numpy's among them, within bounds. True and False are none."""
    possible = f"at least {at_least}" + ("" if at_most is None else f" and at most {at_most}")
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name}={value!r:.60}: give a whole number, {possible}.")
    value = int(value)
    if value < at_least or (at_most is not None and value > at_most):
        raise ValueError(f"{name}={value!r:.60}: give {possible}.")
    return value


def seed(value: Any) -> int:
    """A seed that torch, numpy and Python's random all take."""
    return whole("seed", value, at_least=0, at_most=LARGEST_SEED)


def number(
    name: str, value: Any, *, at_least: float = -math.inf, above: float = -math.inf, below: float = math.inf
) -> float:
    """A finite float within bounds, from any real number or tensor of one element. True and False are none."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r:.60}: give a number.")
    given, value = value, float(value)
    if not (at_least <= value and above < value < below and math.isfinite(value)):
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (("at least", at_least), ("above", above), ("below", below))
            if math.isfinite(bound)
        ]
        raise ValueError(f"{name}={given!r:.60}: give a finite number{' ' if bounds else ''}{' and '.join(bounds)}.")
    return value


def flag(name: str, value: Any) -> bool:
    """True or False, and nothing that merely counts as one of them."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r:.60}: give True or False.")
    return value


def choice(name: str, value: Any, choices: Iterable[Any], otherwise: str = "") -> Any:
    """One of the choices. `otherwise` says what else the caller takes, such as "a function of the step"."""
    choices = list(choices)
    if not any(type(value) is type(possible) and value == possible for possible in choices):
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{name}={value!r:.60}: choose one of {listed}{', or ' if otherwise else ''}{otherwise}.")
    return value


def module(caller: str, value: Any) -> nn.Module:
    """An `nn.Module`; a class in place of one of its objects is told apart."""
    if not isinstance(value, nn.Module):
        what = f"the class {value.__name__}, not an object of it" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{caller} takes an nn.Module; it was given {what}.")
    return value


def path(name: str, value: Any) -> Path:
    """The path of a file or folder, with ~ for the home folder."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name}={value!r:.60}: give a path.")
    return Path(value).expanduser()
