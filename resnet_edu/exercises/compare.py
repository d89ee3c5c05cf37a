"""Two results: are they the same, and if not, how does a learner read the difference?

>>> difference(found=torch.zeros(2, 3), expected=torch.zeros(3, 2)).sentence
'expected a tensor of shape [3, 2], but got shape [2, 3].'
"""

import math
from collections.abc import Coroutine, Generator, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from resnet_edu.exercises.sandbox import Trouble

RTOL, ATOL = 1e-4, 1e-5  # what another order of summation changes in float32
FEW = 24  # numbers that are shown as they are
ALIKE = {("an int", "a float"), ("a list", "a tuple"), ("a tuple", "a list")}  # the first passes for the second
LONG = 100  # characters, beyond which a tensor is no longer read: then only its first wrong number is shown


def same(found: Any, expected: Any) -> bool:
    """Whether a learner's result matches the reference's: equal up to rounding, in any float type and layout."""
    match expected:
        case Tensor():
            return _same_tensor(found, expected)
        case bool() | Integral() | float():
            return _same_number(found, expected)
        case Mapping():
            return (
                isinstance(found, Mapping)
                and found.keys() == expected.keys()
                and all(same(found[key], expected[key]) for key in expected)
            )
        case list() | tuple():
            return (
                isinstance(found, list | tuple)
                and len(found) == len(expected)
                and all(same(one, other) for one, other in zip(found, expected, strict=True))
            )
    return type(found) is type(expected) and bool(found == expected)


def _same_tensor(found: Any, expected: Tensor) -> bool:
    if not isinstance(found, Tensor) or found.shape != expected.shape or found.device != expected.device:
        return False
    if not expected.is_floating_point():
        return found.dtype == expected.dtype and torch.equal(found, expected)
    if not found.is_floating_point():
        return False
    return bool(_close(found, expected).all())


def _close(found: Tensor, expected: Tensor) -> Tensor:
    """Which numbers are equal up to rounding: in float64, if both are."""
    rtol, atol = (1e-9, 1e-9) if found.dtype == expected.dtype == torch.float64 else (RTOL, ATOL)
    return torch.isclose(found.detach().double(), expected.detach().double(), rtol=rtol, atol=atol, equal_nan=True)


def _same_number(found: Any, expected: bool | Integral | float) -> bool:
    found = plain(found)
    if isinstance(expected, bool) or isinstance(found, bool):
        return found is expected
    if isinstance(expected, Integral):
        return isinstance(found, Integral) and int(found) == int(expected)
    if not isinstance(found, Real):
        return False
    if math.isnan(expected):
        return math.isnan(found)
    return math.isclose(found, expected, rel_tol=RTOL, abs_tol=1e-300)


def plain(value: Any) -> Any:
    """Python's own number for a 0-dimensional tensor or array and for NumPy scalars; all else unchanged."""
    if isinstance(value, np.generic) or (isinstance(value, Tensor | np.ndarray) and value.ndim == 0):
        return value.item()
    return value


# --- in a learner's words ---------------------------------------------------------------------------------------------


def difference(found: Any, expected: Any, printed: str = "") -> Trouble:
    """What is different about the result, in one sentence: its kind, its shape, or its numbers."""
    if found is None and printed.strip():
        return Trouble("prints", f"it prints {_cut(printed.strip())} and returns nothing. Use `return`.")
    if found is None:
        return Trouble("returns-nothing", f"expected {shown(expected)}, but nothing was returned (None).")
    if isinstance(found, type):
        return Trouble(
            "class-for-instance", f"it returns the class {found.__name__}. Call it: `{found.__name__}(...)`."
        )
    if isinstance(found, Generator | Coroutine):
        return Trouble("yields", "it returns a generator or coroutine. Use `return`, not `yield`, and no `async`.")
    if isinstance(expected, Tensor):
        if isinstance(found, nn.Module):
            return Trouble("layer-for-result", layer_for_result(found))
        if isinstance(found, np.ndarray):
            return Trouble("numpy", "it returns a NumPy array. Stay in torch: autograd cannot track NumPy.")
        if not isinstance(found, Tensor):
            return Trouble("kind", f"expected a tensor of shape {list(expected.shape)}, but got {_told(found)}.")
        if found.device != expected.device:
            return Trouble("device", f"expected a tensor on {expected.device}, but got one on {found.device}.")
        if found.shape != expected.shape:
            shapes = f"expected a tensor of shape {list(expected.shape)}, but got shape {list(found.shape)}."
            return Trouble("shape", shapes)
        if found.dtype != expected.dtype and not (found.is_floating_point() and expected.is_floating_point()):
            return Trouble("kind", f"expected {expected.dtype}, but got {found.dtype}.")
        if expected.numel() > FEW or len(shown(expected)) > LONG:
            wrong = ~_close(found, expected)
            at = tuple(wrong.nonzero()[0].tolist())
            there = f"first at {list(at)}: {_instead(found[at], expected[at])}"
            return Trouble("result", f"{int(wrong.sum())} of {wrong.numel()} numbers are wrong, {there}")
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in expected:
            if key not in found:
                return Trouble("result", f"expected an entry {key!r}, but got only {_cut(str(list(found)))}.")
            if not same(found[key], expected[key]):
                inner = difference(found[key], expected[key])
                return Trouble(inner.slug, f"{key}: {inner.sentence}")
        return Trouble("result", f"expected the entries {shown(list(expected))}, but got {shown(list(found))}.")
    if isinstance(expected, list | tuple) and isinstance(found, list | tuple) and shown(found) == shown(expected):
        place = next((i for i, pair in enumerate(zip(found, expected, strict=False)) if not same(*pair)), None)
        if place is not None:  # [1.0] for [1], which read the same
            inner = difference(found[place], expected[place])
            return Trouble(inner.slug, f"at [{place}], {inner.sentence}")
    kinds = _kind(found), _kind(expected)
    if kinds[0] != kinds[1] and kinds not in ALIKE:  # such as 3.0 and 3, which read the same
        slug = "whole-but-a-float" if kinds == ("a float", "an int") and plain(found) == expected else "kind"
        return Trouble(slug, f"expected {_told(expected)}, but got {_told(found)}.")
    return Trouble("result", _instead(found, expected))


def _instead(found: Any, expected: Any) -> str:
    if isinstance(expected, Tensor) and shown(found) == shown(expected):  # both are in float64
        off = (found - expected).abs().max().item()
        return f"expected {shown(expected)}, and yours is off by up to {off:.0e}: too much for float64."
    return f"expected {shown(expected)}, but got {shown(found)}."


def differing(before: Any, after: Any) -> tuple[str, str]:
    """Both, as they read in a sentence; of two dicts the names, or else the first entry, that differ."""
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return shown(before), shown(after)
    if before.keys() != after.keys():
        return f"a dict with the names {_cut(str(list(before)))}", f"one with {_cut(str(list(after)))}"
    name = next(name for name in before if not same(after[name], before[name]))
    return f"its entry {name!r}, {shown(before[name])},", shown(after[name])


def layer_for_result(layer: nn.Module) -> str:
    """The answer returned nn.ReLU(x) or the like: a layer."""
    name = type(layer).__name__
    return f"it returns the layer {name} itself. Create the layer first, then call it: {name}()(x)."


def _kind(value: Any) -> str:
    """What sort of value it is, where `same` tells sorts apart: "an int", "a list"; "" where its name says it."""
    value = plain(value)
    kinds: dict[Any, str] = {
        bool: "a bool",
        Integral: "an int",
        Real: "a float",
        str: "a string",
        list: "a list",
        tuple: "a tuple",
        Mapping: "a dict",
        Tensor: "a tensor",
    }
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "")


def _told(value: Any) -> str:
    """A value and its kind."""
    kind = _kind(value)
    return f"{shown(value)}, {kind}" if kind else shown(value)


def shown(value: Any) -> str:
    """A value as it reads in a sentence."""
    try:
        return _shown(value)
    except Exception:  # a list that holds itself, a tensor without numbers, an object that fails to say what it is
        return f"an object of the class {type(value).__name__}"


def _shown(value: Any) -> str:
    value = plain(value)
    match value:
        case float():
            return _number(value)
        case Tensor() if value.numel() <= FEW and value.device.type != "meta":
            return _numbers(value.tolist())
        case Tensor():
            return f"a tensor of shape {list(value.shape)}"
        case np.ndarray():
            return f"a NumPy array of shape {list(value.shape)}"
        case nn.Module():
            return f"a {type(value).__name__}"
        case list() | tuple() if len(value) <= FEW:
            inner = ", ".join(_shown(item) for item in value)
            return f"[{inner}]" if isinstance(value, list) else f"({inner})"
        case dict() if len(value) <= FEW:
            return "{" + ", ".join(f"{key!r}: {_shown(item)}" for key, item in value.items()) + "}"
        case type():
            return f"the class {value.__name__}"
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    text = repr(value)
    return f"an object of the class {type(value).__name__}" if " at 0x" in text else _cut(text)


def _numbers(nested: Any) -> str:
    return "[" + ", ".join(_numbers(item) for item in nested) + "]" if isinstance(nested, list) else _number(nested)


def _number(value: Any) -> str:
    value = plain(value)
    return f"{value + 0.0:.6g}" if isinstance(value, float) else str(value)  # + 0.0: nobody asks for -0


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
