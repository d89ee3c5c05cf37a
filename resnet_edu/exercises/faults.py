"""What can go wrong when an answer runs, and how a learner reads it.

raise Fault("no-fc", "the network that it returns has no linear layer named fc.")  # in a case: shown as it is
told(ZeroDivisionError("division by zero")).sentence                            # 'it raises ZeroDivisionError: ...'
"""

import dis
import inspect
import os
import re
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

MEMORY = 2**30  # bytes that an answer may take beyond what is in use
LIBRARIES = tuple(str(Path(inspect.getfile(module)).parent) for module in (torch, np, os))
COURSE = str(Path(__file__).parent)


class Fault(Exception):
    """What is wrong with an answer: the mistake's slug, and the sentence that a learner reads."""

    def __init__(self, slug: str, sentence: str) -> None:
        super().__init__(sentence)
        self.slug, self.sentence = slug, sentence


class TimeUp(BaseException):
    """Raised inside code that runs for too long. No `except Exception` catches it."""


@dataclass(frozen=True)
class Trouble:
    """Something that happened in place of a result. Two are equal if they read the same."""

    slug: str
    sentence: str


TOLD: dict[type[BaseException], tuple[str, str]] = {
    TimeUp: ("endless", "it does not finish. Is there a loop whose condition never changes?"),
    RecursionError: ("endless-recursion", "it calls itself forever."),
    MemoryError: ("memory", f"it asks for more than {MEMORY // 2**30} GiB of memory. Check its shapes."),
    SystemExit: ("exits", "it exits the whole program. Use `return` to end a function."),
    KeyboardInterrupt: ("interrupted", "it was interrupted (KeyboardInterrupt) before it finished."),
}


#: In torch's words, for two tensors that cannot be combined; which of them is a depends on how a sum is written.
MISFIT = re.compile(r"tensor a \((\d+)\) must match the size of tensor b \((\d+)\)")


def _in_order(sizes: re.Match[str]) -> str:
    a, b = sorted(sizes.groups(), key=int)
    return f"tensor a ({a}) must match the size of tensor b ({b})"


def told(error: BaseException) -> Trouble:
    """Describe an exception in a sentence."""
    if isinstance(error, Fault):
        return Trouble(error.slug, error.sentence)
    try:
        text = " ".join(str(error).split())
    except Exception:  # an exception may fail to say what it is
        text = ""
    text = MISFIT.sub(_in_order, text)
    if "Float but found Double" in text or "Double but found Float" in text:
        return Trouble("mixes-float64", "it mixes float32 and float64, such as NumPy's default.")
    kind = MemoryError if "can't allocate memory" in text else type(error)
    for known, (slug, sentence) in TOLD.items():
        if issubclass(kind, known):
            return Trouble(slug, sentence)
    if kind is NotImplementedError and 'missing the required "forward" function' in text:
        return Trouble("no-forward", "the module has no `forward`. Is it spelled, and indented, correctly?")
    unknown = " If it is spelled correctly, run the cell that defines it, then try again." if kind is NameError else ""
    return Trouble("raises", f"it raises {kind.__name__}" + (f": {text:.300}" if text else "") + f".{unknown}")


def where(error: BaseException) -> str:
    """The last line of the traceback that is the learner's own, as written."""
    lines = [
        line.strip()
        for entry in traceback.extract_tb(error.__traceback__)
        if (line := entry.line) and not entry.filename.startswith((*LIBRARIES, COURSE))
    ]
    return lines[-1][:100] if lines else ""


def unwritten(error: BaseException) -> str:
    """The function whose own `raise NotImplementedError` this is; "" if it was raised elsewhere."""
    last = error.__traceback__
    if not isinstance(error, NotImplementedError) or last is None:
        return ""
    while last.tb_next:
        last = last.tb_next
    code = last.tb_frame.f_code
    raised_here = code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]  # and not by torch's C++ below
    return code.co_name if raised_here and not code.co_filename.startswith(LIBRARIES) else ""
