"""Tools for lessons: a budget for the machine, claims (checked statements), accessible figures.

    from resnet_edu.lesson import budget, claim, seed, show

    run = budget(smoke={"epochs": 1}, laptop={"epochs": 8}, gpu={"epochs": 30})
    torch.manual_seed(seed())
    show(plots.gradient_norms({"residual": norms}), alt="The norm stays level from the first layer to the last.")
    claim("first and last gradient are within 100x of each other", norms.ratio(), within=(1e-2, 1e2))

A lesson runs on three budgets: "smoke" (seconds, for tests), "laptop" (two cores, two minutes) and "gpu".
RESNET_EDU_BUDGET names the budget and RESNET_EDU_SEED shifts every seed: two variables of the notebook (in its setup
cell, or set by papermill) or, where those are empty, of the environment.
"""

import io
import json
import math
import os
import symtable
import textwrap
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from numbers import Real
from types import SimpleNamespace
from typing import Any

import torch
from IPython import get_ipython
from IPython.display import DisplayHandle
from matplotlib.figure import Figure

from resnet_edu import checks, files, training
from resnet_edu.data import pick_device
from resnet_edu.training.provenance import facts

BUDGETS = ("smoke", "laptop", "gpu")
torch.backends.cudnn.deterministic = True  # on a GPU, too, a lesson run again computes the same
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyTorch 2.9 warns about its older switch
    torch.backends.cudnn.allow_tf32 = False  # and rounds as on a CPU


# --- budget and seed --------------------------------------------------------------------------------------------------


def _setting(name: str) -> str:
    """The notebook's variable of this name, or the environment's; "" if neither is set."""
    return str(shell.user_ns.get(name, "") if (shell := get_ipython()) else "") or os.environ.get(name, "")


def budget_name() -> str:
    """RESNET_EDU_BUDGET if it is set, else "gpu" if CUDA is available, else "laptop"."""
    name = _setting("RESNET_EDU_BUDGET") or ("gpu" if pick_device(None).type == "cuda" else "laptop")
    if name not in BUDGETS:
        raise ValueError(f"RESNET_EDU_BUDGET={name!r}: choose one of {', '.join(BUDGETS)}, or leave it empty.")
    return name


def budget(
    *, smoke: Mapping[str, Any], laptop: Mapping[str, Any], gpu: Mapping[str, Any] | None = None
) -> SimpleNamespace:
    """The settings for this machine, as attributes: `budget(smoke={"epochs": 1}, laptop={"epochs": 8}).epochs`.

    All budgets have the same keys. Without `gpu`, a GPU uses the laptop settings. `.name` is the budget's name.
    """
    table = {"laptop": laptop, "smoke": smoke, "gpu": laptop if gpu is None else gpu}
    for name, settings in table.items():
        if not isinstance(settings, Mapping):
            raise TypeError(f"budget({name}={settings!r}): give a dict of settings, such as {{'epochs': 8}}.")
        if odd := set(settings) ^ set(laptop):
            odd_names = ", ".join(sorted(map(str, odd)))
            raise ValueError(f"budget: {name} and laptop must have the same settings; they differ in {odd_names}.")
    if wrong := [key for key in laptop if not str(key).isidentifier() or key == "name"]:
        raise ValueError(
            f"budget: {wrong[0]!r} cannot be a setting: use another name, as .name is the name of the budget."
        )
    name = budget_name()
    settings = dict(table[name])
    _tell(f"Budget '{name}': " + ", ".join(f"{key} {value}" for key, value in settings.items()))
    return SimpleNamespace(name=name, **settings)


def seed(base: int = 0) -> int:
    """`base`, shifted by RESNET_EDU_SEED: the same lesson with other random numbers. Lessons use it for all seeds."""
    shift = _setting("RESNET_EDU_SEED") or "0"
    if not shift.isdecimal():
        raise ValueError(f"RESNET_EDU_SEED={shift!r}: give an integer of at least 0.")
    return checks.whole("seed", base) + 100 * int(shift)


# --- claims -----------------------------------------------------------------------------------------------------------


class ClaimError(AssertionError):
    """A claim of the lesson did not hold in this run."""


def claim(
    sentence: str,
    value: Any,
    *,
    within: tuple[float, float] | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    equals: float | None = None,
    since: str = "smoke",
) -> None:
    """Print a sentence and its measured value; raise ClaimError if the value is out of bounds.

    value: a number, or a tensor or array with one element.
    within=(low, high), inclusive; or at_least=, at_most=, equals=: exactly one of the four.
    since: the smallest budget at which the claim is checked; below it, the value is only printed.

    If the course has recorded the same claim with other seeds (`authoring render --seeds`), their range is printed
    next to the bound.
    """
    if not isinstance(sentence, str) or not sentence.strip():
        raise TypeError(f"claim({sentence!r}, ...): the first argument must be the claimed sentence.")
    checks.choice("since", since, BUDGETS)
    number = _as_number(value)
    low, high, bounds = bounds_of(within, at_least, at_most, equals)
    if path := os.environ.get("RESNET_EDU_CLAIMS"):  # `authoring render --seeds` collects the values of this run
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps([sentence, number]) + "\n")
        print(f"recorded: {sentence}: {_written(number)}")
        return
    if BUDGETS.index(budget_name()) < BUDGETS.index(since):
        _tell(f"– {sentence}: {_written(number)} (checked from the budget '{since}' on)")
        return
    if not low <= number <= high:  # also if it is NaN
        raise ClaimError(
            f"{sentence}: measured {_written(number)}, expected {bounds}{_recorded_range(sentence)}. If you changed "
            "something above, this is the effect of your change. If a cell was stopped or run twice, rerun the lesson "
            "from the top. Otherwise please report it with your versions: the lesson is wrong on your machine."
        )
    _tell(f"✓ {sentence}: {_written(number)} ({bounds}{_recorded_range(sentence)})")


def _tell(text: str) -> None:
    """Print it in lines that fit into a window 700 pixels wide: JupyterLab breaks longer ones inside a word."""
    print(textwrap.fill(text, 70, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))


def _recorded_range(sentence: str) -> str:
    """The values of this claim's recorded runs: "; 5 recorded runs: 0.26 to 0.29", or "" if there are none."""
    values = _recorded_claims().get(sentence, []) if budget_name() == "laptop" else []
    if len(set(values)) < 2:
        return ""
    return f"; {len(values)} recorded runs: {_written(min(values))} to {_written(max(values))}"


@lru_cache
def _recorded_claims() -> dict[str, list[float]]:
    """{sentence: its values}, for all lessons, from `data/runs/claims.json`."""
    path = files.course_folder() / "runs" / "claims.json"
    lessons = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {sentence: values for lesson in lessons.values() for sentence, values in lesson["values"].items()}


def _written(number: float) -> str:
    """Four significant digits; counts in full, such as the 24,234 parameters of a network."""
    return f"{number:,.0f}" if number.is_integer() and 1e3 <= abs(number) < 1e9 else f"{number:.4g}"


def _as_number(value: Any) -> float:
    try:
        number = value.item() if hasattr(value, "item") else value
    except (RuntimeError, ValueError, TypeError):  # several elements, none, or a device without values
        number = None
    if not isinstance(number, Real):
        raise TypeError(f"claim: the value must be one number; it is {value!r:.80}.")
    return float(number)


def bounds_of(
    within: Any = None, at_least: Any = None, at_most: Any = None, equals: Any = None
) -> tuple[float, float, str]:
    """A claim's bounds as (low, high, in words)."""
    given = {"within": within, "at_least": at_least, "at_most": at_most, "equals": equals}
    given = {name: bound for name, bound in given.items() if bound is not None}
    if len(given) != 1:
        raise TypeError(f"claim: give exactly one of within=, at_least=, at_most=, equals=; given: {list(given)}.")
    ((name, bound),) = given.items()
    if name != "within":
        number = checks.number(name, _as_number(bound))
        low, high = -math.inf if name == "at_most" else number, math.inf if name == "at_least" else number
        return low, high, f"{name.replace('_', ' ')} {_written(number)}"
    try:
        low, high = (_as_number(end) for end in within)
    except (TypeError, ValueError):
        raise TypeError(f"claim(within={within!r:.80}): give a pair of numbers (low, high).") from None
    if not low <= high:
        raise ValueError(f"claim(within={within!r}): the lower bound comes first.")
    if math.isinf(low) and math.isinf(high):
        raise ValueError(f"claim(within={within!r}): every number is within these bounds, so they claim nothing.")
    if math.isinf(low) or math.isinf(high):
        return low, high, f"at most {_written(high)}" if math.isinf(low) else f"at least {_written(low)}"
    return low, high, f"from {_written(low)} to {_written(high)}"


# --- experiments that take too long to run in a lesson ----------------------------------------------------------------


def recorded(name: str, experiment: Callable[[], Any] | None = None) -> Any:
    """What `experiment()` returned when the course recorded it: lists, dicts, strings and numbers.

    The result is stored in `data/runs/NAME.json`, with commit, machine and versions. With RESNET_EDU_RECORD=1, as in
    `authoring render --record`, the experiment runs, however long it takes, and its result is stored there. Without
    `experiment`, read the result of another lesson's experiment.
    """
    path = files.course_folder() / "runs" / f"{name}.json"
    if experiment is not None and os.environ.get("RESNET_EDU_RECORD") == "1":
        started = time.perf_counter()
        result = experiment()
        seconds = round(time.perf_counter() - started)
        record = {"result": result, "seconds": seconds, "seed": seed(), "budget": budget_name(), **facts()}
        files.write_atomically(path, json.dumps(record, indent=1) + "\n")
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no recorded result {path.name}. Run this cell with RESNET_EDU_RECORD=1 to record it."
        )
    record = json.loads(path.read_text(encoding="utf-8"))
    print(
        f"On record: {record['seconds'] / 60:.0f} min on {record['machine']}, PyTorch {record['versions']['torch']}, "
        f"commit {record['commit'][:7] or 'unknown'}."
    )
    return record["result"]


# --- figures ----------------------------------------------------------------------------------------------------------


def show(figure: Figure, *, alt: str, sentence: str | None = None) -> None:
    """Display a figure, store its alt text, and print the sentence below it for everyone.

    JupyterLab does not show the alt text of an output image, so `sentence` (by default the alt text) is printed.
    Raises OldFigure if another cell has shown this figure: then the cell that makes this one's has not been run.
    """
    _check_alt(alt)
    if isinstance(figure, Figure) and vars(figure).setdefault("_shown_by", _running[-1]) != _running[-1]:
        raise OldFigure(
            "This cell would show a figure of another section. Run the cell above first, and then this one."
        )
    put(figure, alt)
    _tell(f"Figure: {sentence or alt}")


class LivePlot:
    """A figure that is redrawn in place after every epoch; the last one stays in the notebook.

    draw: a function of {label: History} that returns a Figure, such as `plots.training_curves`.

        live = LivePlot(plots.training_curves, alt="Training accuracy by epoch.")
        training.fit(net, train, epochs=8, callbacks=[live.watch("plain-20")])
    """

    def __init__(self, draw: Callable[[dict[str, Any]], Figure], *, alt: str) -> None:
        _check_alt(alt)
        self.draw, self.alt = draw, alt
        self.histories: dict[str, Any] = {}
        self._handle: DisplayHandle | None = None

    def watch(self, label: str) -> Callable[[Any], None]:
        """The callback for one network's `fit`."""
        if self._handle is None and get_ipython() is not None:  # above the progress bar
            self._handle = DisplayHandle()
            self._handle.display({"text/plain": "The figure appears after the first epoch."}, raw=True)

        def on_epoch(history: Any) -> None:
            self.histories[label] = history
            self.update()

        return on_epoch

    def update(self) -> None:
        self._handle = put(self.draw(self.histories), self.alt, self._handle)


def put(figure: Figure, alt: str, handle: DisplayHandle | None = None) -> DisplayHandle:
    """Display a figure, or replace the one that `handle` shows; without a kernel, readers see an ordinary picture.

    In plain Python, without a notebook, nothing happens.
    """
    if not isinstance(figure, Figure):
        raise TypeError(f"show takes a matplotlib Figure; it got {type(figure).__name__}.")
    if get_ipython() is None:
        return handle or DisplayHandle()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    output = {"image/png": buffer.getvalue(), "text/plain": alt}
    metadata = {"image/png": {"alt": alt}}
    if handle is None:
        handle = DisplayHandle()
        handle.display(output, raw=True, metadata=metadata)
    else:
        handle.update(output, raw=True, metadata=metadata)
    return handle


def _check_alt(alt: object) -> None:
    if not isinstance(alt, str) or not alt.strip():
        raise TypeError("show needs alt: one sentence that says what the figure shows, for readers who cannot see it.")


# --- cells that are stopped, or run out of order ----------------------------------------------------------------------


class Stopped(KeyboardInterrupt):
    """The reader stopped training, and with it the cell."""


class OldFigure(RuntimeError):
    """A figure is shown a second time, by another cell."""


def _in_one_sentence(shell: Any, kind: type, error: BaseException, trace: Any, tb_offset: int | None = None) -> None:
    """Show one of these, or any other stop, without a traceback."""
    stop = traceback.extract_tb(trace.tb_next or trace, limit=1)[0]
    sentence = str(error) or f"You stopped this cell at line {stop.lineno}, `{stop.line}`. Run it again."
    shell._showtraceback(kind, error, [textwrap.fill(sentence, 70)])


def _end_the_cell(history: training.History, epochs: int) -> None:
    if get_ipython() is not None:
        raise Stopped(
            f"You stopped the training after {len(history.train_loss)} of {epochs} epochs, and this cell with it. Its "
            "results are incomplete: rerun the whole cell before you continue."
        )


def _after_cell(result: Any) -> None:
    """If this cell uses what one that did not finish should have made, name that one; or explain a NameError."""
    source, error = result.info.raw_cell, result.error_before_exec or result.error_in_exec
    cell, (used, made) = getattr(result.info, "cell_id", None) or source, _names(source)
    if error is None:
        _unfinished.pop(cell, None)
    for unfinished, missing in () if isinstance(error, KeyboardInterrupt) else reversed(_unfinished.values()):
        if (used - made) & missing:
            first = next(iter(unfinished.strip().splitlines()), "")
            _tell(f"The cell that begins with `{first}` did not finish. Run it again, and then this one.")
            missing |= made
            break
        missing -= set() if error else made
    else:
        if isinstance(error, NameError):
            _tell(MISSING_NAME)
    if result.error_in_exec is not None:
        _unfinished[cell] = source, made


def _names(source: str) -> tuple[set[str], set[str]]:
    """The names that a cell uses, without those local to its functions, and those that it makes."""
    try:
        tables = [symtable.symtable(source, "", "exec")]
    except SyntaxError:  # not Python
        return set(), set()
    made = {one.get_name() for one in tables[0].get_symbols() if one.is_assigned()}
    for table in tables:  # of the cell, and of the functions and comprehensions in it
        tables += table.get_children()
    symbols = [one for table in tables for one in table.get_symbols() if table is tables[0] or one.is_global()]
    return {one.get_name() for one in symbols if one.is_referenced()}, made


_running = [""]  # the cells that have been run, the current one last
_unfinished: dict[str, tuple[str, set[str]]] = {}  # {cell: source, names} of those that ended early
MISSING_NAME = "If the name is spelled correctly, a cell above has not been run yet: Run > Run All Above Selected Cell."
training.loop.after_interrupt = _end_the_cell
if (_shell := get_ipython()) is not None:
    torch.compiler.reset()  # imports much at its first call, also by an optimizer: a stop would leave half of it
    _shell.events.register(
        "pre_run_cell", lambda info: _running.append(getattr(info, "cell_id", None) or info.raw_cell)
    )
    _shell.events.register("post_run_cell", _after_cell)
    _shell.set_custom_exc((KeyboardInterrupt, OldFigure), _in_one_sentence)
