"""Input checks shared by all modules. Each returns the checked value, numbers as plain Python numbers.

    epochs = whole("epochs", epochs, at_least=1)

They guard the course's public functions, and every place where a wrong value would silently give a wrong result.
Everything else fails as Python and PyTorch fail. A value of the wrong kind raises TypeError, one that is out of range
ValueError; the message says what was given and what is possible.
"""

import math
import os
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from torch import Tensor, nn


def whole(name: str, value: Any, *, at_least: int = 0, at_most: int | None = None) -> int:
    """An int, or a NumPy integer, within bounds. True and False are rejected."""
    possible = f"at least {at_least}" + ("" if at_most is None else f" and at most {at_most}")
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name}={value!r:.60}: give an integer, {possible}.")
    value = int(value)
    if value < at_least or (at_most is not None and value > at_most):
        raise ValueError(f"{name}={value!r:.60}: give {possible}.")
    return value


def seed(value: Any) -> int:
    """A seed that torch, NumPy and Python's random all accept."""
    return whole("seed", value, at_most=2**32 - 1)


def number(
    name: str, value: Any, *, at_least: float = -math.inf, above: float = -math.inf, below: float = math.inf
) -> float:
    """A finite float within bounds, from any real number or one-element tensor. True and False are rejected."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r:.60}: give a number.")
    given, value = value, float(value)
    if not (at_least <= value and above < value < below and math.isfinite(value)):
        bounds = {"at least": at_least, "above": above, "below": below}
        possible = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if math.isfinite(bound))
        raise ValueError(f"{name}={given!r:.60}: give a finite number {possible}".rstrip() + ".")
    return value


def flag(name: str, value: Any) -> bool:
    """True or False; other truthy or falsy values are rejected."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r:.60}: give True or False.")
    return value


def choice(name: str, value: Any, choices: Iterable[Any], otherwise: str = "") -> Any:
    """One of the choices. `otherwise` says what else the caller accepts, such as "a function of the step"."""
    choices = list(choices)
    if not any(type(value) is type(possible) and value == possible for possible in choices):
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{name}={value!r:.60}: choose one of {listed}{', or ' if otherwise else ''}{otherwise}.")
    return value


def module(caller: str, value: Any) -> nn.Module:
    """An `nn.Module`; a class instead of an instance gets its own message."""
    if not isinstance(value, nn.Module):
        what = f"the class {value.__name__}, not an instance of it" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{caller} takes an nn.Module; it got {what}.")
    return value


def path(name: str, value: Any) -> Path:
    """The path of a file or folder, with ~ for the home folder."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name}={value!r:.60}: give a path.")
    return Path(value).expanduser()
