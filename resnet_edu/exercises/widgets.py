"""An exercise in the notebook: its verdict, its buttons, and what the lesson continues with.

    from resnet_edu.exercises.widgets import exercise, progress

    output_size = exercise("output_size", output_size)     # yours where it is correct, else the course's
    progress()                                             # what is solved so far, in all lessons

Only widgets that ipywidgets 7 and 8 share are used. A reader without a kernel sees the verdict of the stored run, and
can unfold the hints and the solution.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from IPython import get_ipython
from IPython.display import DisplayHandle

from resnet_edu.exercises import LESSONS, find, names
from resnet_edu.exercises import progress as record
from resnet_edu.exercises.core import CORRECT, NOT_ATTEMPTED, Exercise, Verdict
from resnet_edu.exercises.sandbox import ends
from resnet_edu.lesson import as_html, put_widget


def exercise(name: str, answer: Any) -> Any:
    """Check an answer, show the verdict and the buttons, and return what the lesson continues with.

    That is the answer if it is correct, else the course's own solution.
    """
    panel = Panel(find(name))
    panel.judge(answer)
    panel.show()
    return panel.choice


def progress() -> None:
    """Show which exercises are solved, lesson by lesson; kept between sessions."""
    import ipywidgets as widgets

    panel = widgets.HTML(progress_table(record.solved()))
    put_widget(panel, "<p>Run this cell to see which exercises you have solved.</p>")


def progress_table(solved: set[str]) -> str:
    rows = []
    for lesson, listed in LESSONS.items():
        marks = ", ".join(f"<b>✓ {name}</b>" if name in solved else name for name in listed)
        done = sum(name in solved for name in listed)
        rows.append(f"<tr><td>{lesson:02d}</td><td>{done} of {len(listed)}</td><td>{marks}</td></tr>")
    head = "".join(f'<th style="text-align: left">{title}</th>' for title in ("lesson", "solved", "exercises"))
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


class Panel:
    """One exercise on the page: the verdict as text, three buttons, and below them what they were asked for.

    Call `judge` first: it takes an answer and keeps the verdict.
    """

    handed_in: ClassVar[dict[str, Any]] = {}  # the latest answer to each exercise

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.verdict = Verdict(NOT_ATTEMPTED)
        self.unsaved = ""  # why a solved exercise could not be written down
        self.hints = 0  # shown so far
        self._handle: DisplayHandle | None = None

    @property
    def choice(self) -> Any:
        """What the lesson continues with."""
        return self.handed_in[self.exercise.name] if self.verdict.status == CORRECT else self.exercise.reference

    @property
    def text(self) -> str:
        """The verdict, and what the lesson continues with."""
        whose = "your" if self.verdict.status == CORRECT else "the course's"
        paragraphs = [says(self.verdict), f"The lesson continues with {whose} {self.exercise.name}."]
        if self.unsaved:
            remedy = "Set RESNET_EDU_CACHE to a folder that you can write to."
            paragraphs.append(f"Your progress could not be saved ({self.unsaved}). {remedy}")
        return "\n".join(textwrap.fill(paragraph, width=92) for paragraph in paragraphs)

    def judge(self, answer: Any) -> None:
        """Check an answer; record the exercise if it is solved."""
        if answer is self.exercise.reference:  # what an earlier check has put in the answer's place
            answer = self.handed_in.get(self.exercise.name, answer)
        self.handed_in[self.exercise.name] = answer
        with no_way_out():
            self.verdict = self.exercise.check(answer)
        self.unsaved = record.add(self.exercise.name) if self.verdict.status == CORRECT else ""

    def show(self) -> None:
        if get_ipython() is None:
            print(self.text)
            return
        import ipywidgets as widgets

        self._handle = DisplayHandle()
        self._handle.display({"text/plain": self.text}, raw=True)
        self.below = widgets.HTMLMath("")
        self.buttons = {
            "Check again": self.check,
            f"Hint (of {len(self.exercise.hints)})": self.hint,
            "Solution": self.solve,
        }
        row = [self._button(label, action) for label, action in self.buttons.items()]
        put_widget(widgets.VBox([widgets.HBox(row), self.below]), self._unfolding())

    def check(self) -> None:
        """Judge what the notebook now calls by the exercise's name; let the notebook continue with the right one."""
        variables = get_ipython().user_ns
        answer = variables.get(self.exercise.name)
        if answer is None or answer is self.exercise.reference:  # what the last check has put there
            self.below.value = "<p>Nothing new to check: first run the cell above, which contains your answer.</p>"
            return
        self.judge(answer)
        variables[self.exercise.name] = self.choice
        if self._handle:
            self._handle.update({"text/plain": self.text}, raw=True)
        every = set(names())
        count = f"{len(record.solved() & every)} of {len(every)}"
        self.below.value = f"<p>Checked: {self.verdict.status}. Solved so far: {count}.</p>"

    def hint(self) -> None:
        """Show one more hint."""
        self.hints = min(self.hints + 1, len(self.exercise.hints))
        shown = enumerate(self.exercise.hints[: self.hints], start=1)
        self.below.value = "".join(f"<p><b>Hint {i}.</b> {as_html(text)}</p>" for i, text in shown)

    def solve(self) -> None:
        self.below.value = solution_html(self.exercise)

    def _button(self, label: str, action: Callable[[], None]) -> Any:
        import ipywidgets as widgets

        button = widgets.Button(description=label)
        button.on_click(lambda _: action())
        return button

    def _unfolding(self) -> str:
        """Hints and solution for a page without a kernel."""
        parts = {f"Hint {i}": f"<p>{as_html(text)}</p>" for i, text in enumerate(self.exercise.hints, start=1)}
        parts["Solution"] = solution_html(self.exercise)
        return "".join(f"<details><summary>{title}</summary>{text}</details>" for title, text in parts.items())


def says(verdict: Verdict) -> str:
    if verdict.status == CORRECT:
        return "correct"
    return "not attempted yet" if verdict.status == NOT_ATTEMPTED else f"not yet: {verdict.message}"


def solution_html(exercise: Exercise) -> str:
    return f"<pre><code>{html.escape(exercise.solution)}</code></pre>"


@contextmanager
def no_way_out() -> Iterator[None]:
    """`exit()` and `quit()` in a cell end the kernel, even if they are only inside a function that is checked."""
    shell = get_ipython()
    variables = shell.user_ns if shell else {}
    before = {name: variables[name] for name in ("exit", "quit") if name in variables}
    variables.update(dict.fromkeys(before, ends))
    try:
        yield
    finally:
        variables.update(before)
