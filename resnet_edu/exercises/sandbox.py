"""Run somebody's code and tell what happened; the learner's session stays as it was.

    >>> attempt(lambda: 1 / 0).trouble
    Trouble(slug='raises', sentence='it raises ZeroDivisionError: division by zero.')

`attempt`, at the end, is the whole story; above it stand its parts. They guard against accidents: loops without end,
too much memory, seeds and settings that are left changed, printed output, `input` and `exit`. They do not guard against
code that means harm.

The limit of memory works on Linux; macOS and Windows do not enforce it. On Windows, and on any other thread than the
main one, code that sleeps goes on; and so does, everywhere, a loop inside of one C call.
"""

from __future__ import annotations

import builtins
import ctypes
import dis
import inspect
import io
import os
import random
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import numpy as np
import torch

SECONDS = 0.6  # of computing, after which code counts as endless
PATIENCE = 5  # times as long by the clock, on a machine that is busy with something else
MEMORY = 2**30  # bytes beyond what is in use
SEED = 271_828_183  # before each run; another one afterwards means that the code has reseeded
KEPT = 2_000  # characters of what the code prints


class Wrong(Exception):
    """What is wrong with an answer: the mistake's slug, and the sentence that a learner reads."""

    def __init__(self, slug: str, sentence: str) -> None:
        super().__init__(sentence)
        self.slug, self.sentence = slug, sentence


class TimeUp(BaseException):
    """Raised inside code that runs for too long. No `except Exception` catches it."""


@dataclass(frozen=True)
class Trouble:
    """Something that happened in place of a result. Two troubles are equal if they read the same."""

    slug: str
    sentence: str


@dataclass(frozen=True)
class Outcome:
    """What came of running some code: a value, or the trouble."""

    value: Any = None
    trouble: Trouble | None = None
    where: str = ""  # the line of the learner's that raised
    printed: str = ""
    seconds: float = 0.0
    hopeless: bool = False  # the next run would end in the same way, and take long
    unwritten: str = ""  # the function that still raises NotImplementedError


# --- what stays as it was ---------------------------------------------------------------------------------------------


#: What is global, and code may change by accident: how to read it, and how to set it back.
SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "torch.is_grad_enabled()": (torch.is_grad_enabled, torch.set_grad_enabled),
    "torch.initial_seed()": (torch.initial_seed, lambda before: None),  # goes back with the state of the generator
    "torch.get_default_dtype()": (torch.get_default_dtype, torch.set_default_dtype),
    "torch.get_default_device()": (
        lambda: torch.empty(0).device,  # torch 2.9's get_default_device fails once None was set
        lambda before: torch.set_default_device(None if before.type == "cpu" else before),
    ),
    "torch.get_num_threads()": (torch.get_num_threads, torch.set_num_threads),
    "torch.is_anomaly_enabled()": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "numpy.get_printoptions()": (np.get_printoptions, lambda before: np.set_printoptions(**before)),
}
# Slug and advice where they are not the usual ones.
GRADIENTS = "switches-gradients", "`with torch.no_grad():` switches gradients off for its own lines only."
SEEDS = "reseeds", "Everybody's random numbers would repeat from here on: leave the seed to who calls you."
ADVICE = {"torch.is_grad_enabled()": GRADIENTS, "torch.initial_seed()": SEEDS}


@contextmanager
def settings_kept() -> Iterator[Callable[[], Trouble | None]]:
    """All SETTINGS are afterwards as they were. Gives a function that tells the first that has changed so far."""
    before = {name: read() for name, (read, _) in SETTINGS.items()}

    def change() -> Trouble | None:
        for name, was in before.items():
            if (now := SETTINGS[name][0]()) != was:
                is_now = "is not what it was" if isinstance(was, dict) else f"is {now}, and it was {was}"
                slug, advice = ADVICE.get(name, ("changes-settings", "Leave it as it is."))
                return Trouble(slug, f"after it, {name} {is_now}, for the whole notebook. {advice}")
        return None

    try:
        yield change
    finally:
        for name, (read, write) in SETTINGS.items():
            if read() != before[name]:
                write(before[name])


@contextmanager
def randomness_kept() -> Iterator[None]:
    """The generators of torch, NumPy and Python go on afterwards where they were; torch's starts at SEED."""
    numpys, pythons = np.random.get_state(), random.getstate()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices):
            torch.manual_seed(SEED)
            yield
    finally:
        np.random.set_state(numpys)
        random.setstate(pythons)


@contextmanager
def silence() -> Iterator[None]:
    """No warnings, and the filters afterwards as they were."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def once_a_check() -> Iterator[None]:
    """One thread, which is much faster on a busy machine; matplotlib's rcParams are kept, too slow for each case."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with sys.modules["matplotlib"].rc_context() if "matplotlib" in sys.modules else nullcontext():
            yield
    finally:
        torch.set_num_threads(threads)


# --- limits -----------------------------------------------------------------------------------------------------------


@contextmanager
def memory_limit(extra: int = MEMORY) -> Iterator[None]:
    """At most `extra` bytes more than now, where the system can hold a process to that (Linux)."""
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (min([used + extra, *(n for n in before if n >= 0)]), before[1]))
    except (ImportError, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeUp in this thread after so many seconds of computing, or PATIENCE times as many by the clock.

    On the main thread of Linux and macOS a signal does it, which also wakes code that sleeps; elsewhere another thread,
    which cannot do that.
    """
    clock, computing, late = time.perf_counter(), time.process_time(), 0

    def is_up() -> bool:
        nonlocal late
        by_clock, used = time.perf_counter() - clock, time.process_time() - computing
        late += by_clock > PATIENCE * seconds  # where the whole machine stood still for a moment, it is late once
        return late > 2 or min(by_clock, used) > seconds  # other threads compute, too

    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():

        def on_alarm(number: int, frame: FrameType | None) -> None:
            if is_up() and _runs_the_code(frame):
                raise TimeUp

        handler = signal.signal(signal.SIGALRM, on_alarm)
        timer = signal.setitimer(signal.ITIMER_REAL, seconds, seconds / 16)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, *timer)
            signal.signal(signal.SIGALRM, handler)
    else:
        me, done = threading.get_ident(), threading.Event()

        def watch() -> None:
            while not done.wait(seconds / 16):
                if is_up() and _runs_the_code(sys._current_frames().get(me)):
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(me), ctypes.py_object(TimeUp))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(me), None)


def _inside(code: Callable[[], Any]) -> Any:
    """Runs the code; that its frame is on the stack tells that the code is running, and not what cleans up after it."""
    return code()


def _runs_the_code(frame: FrameType | None) -> bool:
    while frame and frame.f_code is not _inside.__code__:
        frame = frame.f_back
    return frame is not None


# --- what the code finds in place of the real thing -------------------------------------------------------------------


class Paper(io.StringIO):
    def close(self) -> None:
        """It stays open: what was printed is still to be read."""


def asks(*_: object, **__: object) -> Any:
    raise Wrong("asks", "it waits for somebody to type something. Take what it needs from its arguments.")


def ends(*_: object, **__: object) -> Any:
    raise SystemExit


@contextmanager
def stand_ins(paper: Paper) -> Iterator[None]:
    """Nobody to talk to, no way out, no warnings. (A recursion that is deep enough would end Python itself.)"""
    here: dict[str, Any] = {
        "stdout": paper,
        "stderr": paper,
        "breakpointhook": asks,
        "setrecursionlimit": lambda limit: None,
    }
    everywhere: dict[str, Any] = {"input": asks, "exit": ends, "quit": ends}
    with mock.patch.multiple(sys, **here), mock.patch.multiple(builtins, create=True, **everywhere), silence():
        yield


# --- exceptions, told -------------------------------------------------------------------------------------------------

LIBRARIES = tuple(str(Path(inspect.getfile(module)).parent) for module in (torch, np, os))
COURSE = str(Path(__file__).parent)


def _unwritten(error: BaseException) -> str:
    """The function whose own `raise NotImplementedError` this is; "" if somebody else raised it."""
    last = error.__traceback__
    if not isinstance(error, NotImplementedError) or last is None:
        return ""
    while last.tb_next:
        last = last.tb_next
    code = last.tb_frame.f_code
    raised_here = code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]  # and not by torch's C++ below
    return code.co_name if raised_here and not code.co_filename.startswith(LIBRARIES) else ""


def _where(error: BaseException) -> str:
    """The last line that is the learner's own, as it is written."""
    lines = [
        line.strip()
        for entry in traceback.extract_tb(error.__traceback__)
        if (line := entry.line) and not entry.filename.startswith((*LIBRARIES, COURSE))
    ]
    return lines[-1][:100] if lines else ""


TOLD: dict[type[BaseException], tuple[str, str]] = {
    TimeUp: ("endless", "it does not come to an end. Is there a loop whose condition never changes?"),
    RecursionError: ("endless-recursion", "it calls itself without end."),
    MemoryError: ("memory", f"it asks for more than {MEMORY // 2**30} GiB of memory. Look at the shapes it makes."),
    SystemExit: ("exits", "it ends the whole program. Say `return` to end a function."),
    KeyboardInterrupt: ("interrupted", "it was interrupted (KeyboardInterrupt) before it came to an end."),
}


def _told(error: BaseException) -> Trouble:
    if isinstance(error, Wrong):
        return Trouble(error.slug, error.sentence)
    try:
        text = " ".join(str(error).split())
    except Exception:  # an exception may fail to say what it is
        text = ""
    kind = MemoryError if "can't allocate memory" in text else type(error)
    for known, told in TOLD.items():
        if issubclass(kind, known):
            return Trouble(*told)
    if kind is NotImplementedError and 'missing the required "forward" function' in text:
        return Trouble("no-forward", "the module has no `forward`. Is it spelled so, and indented into the class?")
    return Trouble("raises", f"it raises {kind.__name__}" + (f": {text:.300}" if text else "") + ".")


# --- the whole story --------------------------------------------------------------------------------------------------


def attempt(code: Callable[[], Any], *, seconds: float = SECONDS) -> Outcome:
    """Run `code` within limits, with nobody to talk to; then set back what it has changed around it.

    seconds: of computing. Raises nothing that the code raises.
    """
    value, trouble, where, unwritten, paper = None, None, "", "", Paper()
    started = time.perf_counter()
    with randomness_kept(), settings_kept() as change:
        try:
            with stand_ins(paper), memory_limit(), time_limit(seconds):
                value = _inside(code)
        except BaseException as error:  # also SystemExit, KeyboardInterrupt and TimeUp
            trouble, where, unwritten = _told(error), _where(error), _unwritten(error)
        took = time.perf_counter() - started
        trouble = trouble or change()
    hopeless = trouble is not None and trouble.slug in ("endless", "memory", "exits", "interrupted", "asks")
    return Outcome(value, trouble, where, paper.getvalue()[:KEPT], took, hopeless, unwritten)


def attempt_trusted(code: Callable[[], Any]) -> Outcome:
    """The same for the course's own code, which needs no limits: quicker."""
    state, started = torch.get_rng_state(), time.perf_counter()
    torch.manual_seed(SEED)
    try:
        with silence():
            value, trouble = code(), None
    except Exception as error:
        value, trouble = None, _told(error)
    finally:
        torch.set_rng_state(state)
    return Outcome(value, trouble, seconds=time.perf_counter() - started)
