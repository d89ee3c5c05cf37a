"""An exercise in the notebook: its verdict, its hints, and what the lesson continues with.

    from resnet_edu.exercises.page import exercise, progress

    output_size = exercise("output_size", output_size)     # yours where it is correct, else the course's
    progress()                                             # what is solved so far, in all lessons

Everything is plain HTML, which needs no kernel: hints and solution unfold on a saved page, too.
"""

import html
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython import get_ipython
from IPython.display import display

from resnet_edu.exercises import LESSONS, find, names
from resnet_edu.exercises import progress as record
from resnet_edu.exercises.core import CORRECT, NOT_ATTEMPTED, WRONG, Exercise, Verdict
from resnet_edu.exercises.sandbox import ends

#: The sign, color, and words of each verdict; the colors are those of the figures, which everyone can tell apart.
SIGNS = {
    CORRECT: ("✓", "#0072B2", "correct"),
    NOT_ATTEMPTED: ("–", "inherit", "not attempted yet"),
    WRONG: ("✗", "#D55E00", "not yet: "),
}

LEFT = 'style="text-align: left"'

_handed_in: dict[str, Any] = {}  # the latest answer to each exercise


def exercise(name: str, answer: Any) -> Any:
    """Check an answer, show the verdict, the hints and the solution, and return what the lesson continues with.

    That is the answer if it is correct, else the course's own solution.
    """
    asked = find(name)
    same = answer is asked.reference  # what an earlier check has put in the answer's place
    if same:
        answer = _handed_in.get(name, answer)
    _handed_in[name] = answer
    with no_way_out():
        verdict = asked.check(answer)
    unsaved = record.add(name) if verdict.status == CORRECT else ""
    _put(verdict, _remarks(name, verdict, same, unsaved), asked)
    return answer if verdict.status == CORRECT else asked.reference


def progress() -> None:
    """Show which exercises are solved, lesson by lesson; kept between sessions."""
    solved = record.solved()
    rows = []
    for lesson, listed in LESSONS.items():
        marks = ", ".join(f"<b>✓ {name}</b>" if name in solved else name for name in listed)
        done = sum(name in solved for name in listed)
        rows.append(f"<tr><td>{lesson:02d}</td><td>{done} of {len(listed)}</td><td {LEFT}>{marks}</td></tr>")
    head = "".join(f"<th {LEFT}>{title}</th>" for title in ("lesson", "solved", "exercises"))
    _display(f"<table><tr>{head}</tr>{''.join(rows)}</table>", f"Solved so far: {_count()}.")


def _remarks(name: str, verdict: Verdict, same: bool, unsaved: str) -> list[str]:
    """What follows the verdict: what the lesson continues with, and what the reader should know."""
    if verdict.status == CORRECT:
        remarks = [f"The lesson continues with your {name}. Solved so far: {_count()}."]
    else:
        remarks = [f"The lesson continues with the course's {name}."]
    if same and verdict.status != CORRECT:
        remarks.append("This is the verdict on your last answer. To hand in a new one, run the cell above first.")
    elif verdict.status == WRONG:
        remarks.append("To try again, change your code, run its cell, and then run this one.")
    if unsaved:
        remedy = "Set RESNET_EDU_CACHE to a folder that you can write to."
        remarks.append(f"Your progress could not be saved ({unsaved}). {remedy}")
    return remarks


def _put(verdict: Verdict, remarks: list[str], asked: Exercise) -> None:
    sign, color, says = SIGNS[verdict.status]
    says += verdict.message if verdict.status == WRONG else ""
    said = f'<p><b style="color: {color}">{sign} {as_html(says)}</b></p>'.replace("\n", "<br>")
    parts = {f"Hint {i}": f"<p>{as_html(text)}</p>" for i, text in enumerate(asked.hints, start=1)}
    parts["Solution"] = f"<pre><code>{html.escape(asked.solution)}</code></pre>"
    unfolding = "".join(f"<details><summary>{title}</summary>{text}</details>" for title, text in parts.items())
    page = said + "".join(f"<p>{as_html(remark)}</p>" for remark in remarks) + unfolding
    _display(page, "\n".join(textwrap.fill(text, width=92) for text in (says, *remarks)))


def _display(page: str, text: str) -> None:
    if get_ipython() is None:
        print(text)
    else:
        display({"text/html": page, "text/plain": text}, raw=True)


def _count() -> str:
    every = set(names())
    return f"{len(record.solved() & every)} of {len(every)} exercises"


def as_html(text: str) -> str:
    """Text for a page: formats `code` in backticks and words between *stars*; everything else is literal."""
    text = re.sub(r"(?<![\w*])\*(\w+)\*(?![\w*])", r"<em>\1</em>", html.escape(text, quote=False))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


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
