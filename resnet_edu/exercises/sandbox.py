"""Run a learner's code and report what happened; the learner's session stays as it was.

    >>> attempt(lambda: 1 / 0).trouble
    Trouble(slug='raises', sentence='it raises ZeroDivisionError: division by zero.')

`attempt`, at the end, ties everything together; its parts come before it. They guard against accidents (endless loops,
too much memory, seeds and settings that are left changed, printed output, `input` and `exit`), not against attackers.

The memory limit works on Linux only. On Windows, and on any thread but the main one, sleeping code is not interrupted;
a loop inside a single C call is not interrupted anywhere.
"""

import builtins
import ctypes
import gc
import io
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import numpy as np
import torch

from resnet_edu.data import pick_device
from resnet_edu.exercises.faults import MEMORY, Fault, TimeUp, Trouble, told, unwritten, where

SECONDS = 0.6  # of computing, after which code counts as endless
PATIENCE = 5  # times as long by the clock, on a machine that is busy with something else
SEED = 271_828_183  # before each run; another one afterward means that the code has reseeded
HOPELESS = {"endless", "memory", "exits", "interrupted", "asks"}  # slugs
PRINTED = 2_000  # characters that are kept of what the code prints


@dataclass(frozen=True)
class Outcome:
    """The outcome of running some code: a value, or what went wrong."""

    value: Any = None
    trouble: Trouble | None = None
    where: str = ""  # the line of the learner's that raised
    printed: str = ""
    seconds: float = 0.0
    unwritten: str = ""  # the function that still raises NotImplementedError

    @property
    def hopeless(self) -> bool:
        """Whether the next run would end in the same way, and take long."""
        return self.trouble is not None and self.trouble.slug in HOPELESS


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
GRADIENTS = "switches-gradients", "`with torch.no_grad():` disables gradients only for the lines inside it."
SEEDS = "reseeds", "All random numbers would repeat from here on: leave seeding to the caller."
#: Slug and advice, where they are not the usual ones.
ADVICE = {"torch.is_grad_enabled()": GRADIENTS, "torch.initial_seed()": SEEDS}


@contextmanager
def settings_restored() -> Iterator[Callable[[], Trouble | None]]:
    """Restores all SETTINGS afterward. Yields a function that names the first one that has changed so far."""
    before = {name: read() for name, (read, _) in SETTINGS.items()}

    def changed() -> list[str]:
        return [name for name, was in before.items() if SETTINGS[name][0]() != was]

    def tell() -> Trouble | None:
        for name in changed():
            slug, advice = ADVICE.get(name, ("changes-settings", "Leave it as it is."))
            values = f"is {SETTINGS[name][0]()!s:.60}, but it was {before[name]!s:.60}"
            return Trouble(slug, f"after it, {name} {values}, for the whole notebook. {advice}")
        return None

    try:
        yield tell
    finally:
        for name in changed():
            SETTINGS[name][1](before[name])


@contextmanager
def randomness_restored(seed: int) -> Iterator[None]:
    """The generators of torch, NumPy, and Python continue afterward from where they were; torch's starts at `seed`."""
    numpys, pythons = np.random.get_state(), random.getstate()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            yield
    finally:
        np.random.set_state(numpys)
        random.setstate(pythons)


@contextmanager
def silence() -> Iterator[None]:
    """No warnings, and the filters are restored afterward."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def once_a_check() -> Iterator[None]:
    """One thread, much faster on a busy machine; also restores matplotlib's rcParams, too slow for each case.

    No garbage collection: that of a large session can take as long as an endless loop, and it swallows a TimeUp.
    """
    threads, collects = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(1)
    gc.disable()
    try:
        with sys.modules["matplotlib"].rc_context() if "matplotlib" in sys.modules else nullcontext():
            yield
    finally:
        torch.set_num_threads(threads)
        if collects:
            gc.enable()


# --- limits -----------------------------------------------------------------------------------------------------------


@contextmanager
def memory_limit(extra: int = MEMORY) -> Iterator[None]:
    """At most `extra` bytes more than now, where the system can limit a process to that (Linux)."""
    if pick_device(None).type == "cuda":  # this starts CUDA, which reserves far more addresses than it uses
        extra *= 3  # libraries that it loads later need some
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
    """Raise TimeUp in this thread after this many seconds of computing, or PATIENCE times as many of wall-clock time.

    Imports do not count and are not interrupted: a module that is only half imported would stay broken. On the main
    thread of Linux and macOS, a signal interrupts the code, even if it is sleeping; elsewhere another thread does,
    which cannot interrupt sleeping code.
    """
    before, clock, used, late = (time.perf_counter(), time.process_time()), 0.0, 0.0, 0

    def is_up(frame: FrameType | None) -> bool:
        """Called periodically. Time counts from one call to the next."""
        nonlocal before, clock, used, late
        now = time.perf_counter(), time.process_time()
        running, importing = _state(frame)
        if not importing:
            clock, used = clock + now[0] - before[0], used + now[1] - before[1]
            late += clock > PATIENCE * seconds  # where the whole machine stood still for a moment, it is late once
        before = now
        return running and not importing and (late > 2 or min(clock, used) > seconds)  # other threads compute, too

    step = seconds / 16
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():

        def on_alarm(number: int, frame: FrameType | None) -> None:
            if is_up(frame):
                raise TimeUp

        handler = signal.signal(signal.SIGALRM, on_alarm)
        timer = signal.setitimer(signal.ITIMER_REAL, step, step)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, *timer)
            signal.signal(signal.SIGALRM, handler)
    else:
        me, done = threading.get_ident(), threading.Event()

        def watch() -> None:
            while not done.wait(step):
                if is_up(sys._current_frames().get(me)):
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(me), ctypes.py_object(TimeUp))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            for _ in range(2):  # a TimeUp that was sent just before the code ended arrives here, once
                with suppress(TimeUp):
                    done.set()
                    watcher.join()


def _inside(code: Callable[[], Any]) -> Any:
    """Runs the code; its frame on the stack shows that the code itself is running, and not the cleanup after it."""
    return code()


def _state(frame: FrameType | None) -> tuple[bool, bool]:
    """Whether the code is running, and whether it is importing something."""
    importing = False
    while frame and frame.f_code is not _inside.__code__:
        importing = importing or frame.f_code.co_filename == "<frozen importlib._bootstrap>"
        frame = frame.f_back
    return frame is not None, importing


# --- what the code finds in place of the real thing -------------------------------------------------------------------


class Paper(io.StringIO):
    def close(self) -> None:
        """It stays open: what was printed has yet to be read."""


def asks(*_: object, **__: object) -> Any:
    raise Fault("asks", "it waits for input. Use only its arguments.")


def ends(*_: object, **__: object) -> Any:
    raise SystemExit


@contextmanager
def stand_ins(paper: Paper) -> Iterator[None]:
    """No input, no exit, no warnings. (A recursion that is deep enough would crash Python itself.)"""
    with (
        mock.patch.multiple(sys, stdout=paper, stderr=paper, breakpointhook=asks, setrecursionlimit=lambda limit: None),
        mock.patch.multiple(builtins, create=True, input=asks, exit=ends, quit=ends),
        silence(),
    ):
        yield


# --- the whole story --------------------------------------------------------------------------------------------------


def attempt(code: Callable[[], Any], *, seconds: float = SECONDS, seed: int = SEED) -> Outcome:
    """Run `code` within limits and without input; then restore what it has changed around it.

    seconds: of computing. seed: of torch, while it runs. Exceptions that the code raises are not passed on.
    """
    value, trouble, line, function, paper = None, None, "", "", Paper()
    started = time.perf_counter()
    with randomness_restored(seed), settings_restored() as tell_change:
        try:
            with stand_ins(paper), memory_limit(), time_limit(seconds):
                value = _inside(code)
        except BaseException as error:  # also SystemExit, KeyboardInterrupt and TimeUp
            trouble, line, function = told(error), where(error), unwritten(error)
        took = time.perf_counter() - started
        trouble = trouble or tell_change()
    return Outcome(value, trouble, line, paper.getvalue()[:PRINTED], took, function)


def attempt_trusted(code: Callable[[], Any]) -> Outcome:
    """The same for the course's own code, which needs no limits: quicker."""
    state, started = torch.get_rng_state(), time.perf_counter()
    torch.default_generator.manual_seed(SEED)  # and leave those of GPUs alone
    try:
        with silence():
            value, trouble = code(), None
    except Exception as error:
        value, trouble = None, told(error)
    finally:
        torch.set_rng_state(state)
    return Outcome(value, trouble, seconds=time.perf_counter() - started)
