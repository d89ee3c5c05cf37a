"""A real JupyterLab in a real browser: every lesson is opened and run, every control moved by keyboard.

    pip install -e '.[dev,browser]' && pytest tests/browser -s

Needs Chromium (on Debian: `apt-get install chromium`); without it the lessons are skipped, but with CI set they fail.
Pictures of each page are kept in `tests/browser/screenshots/`, or in the folder that RESNET_EDU_SCREENSHOTS names. The
lessons run at the smoke budget unless RESNET_EDU_BUDGET says otherwise, in a copy of the course, so that JupyterLab's
autosave changes nothing here.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resnet_edu.authoring.lessons import CONTENTS, lessons

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [path.stem for path in lessons() if path.stem != CONTENTS]
SCREENSHOTS = Path(os.environ.get("RESNET_EDU_SCREENSHOTS", Path(__file__).parent / "screenshots"))

RUN_LIMIT = 900  # for all cells of a lesson: a slow machine needs minutes
ANSWER_LIMIT = 30  # for a control; the usual answer takes less than one

SLIDER, MENU, CHECKBOX = ".noUi-handle", "select", 'input[type="checkbox"]'
NUMBER, RADIO, BUTTON = 'input[type="number"]', 'input[type="radio"]', "button.jupyter-button:not(.widget-upload)"
CONTROLS = ", ".join((SLIDER, MENU, CHECKBOX, NUMBER, RADIO, BUTTON))
ERRORS = '[data-mime-type="application/vnd.jupyter.stderr"]'  # so JupyterLab marks tracebacks and warnings alike
# Home and End, because JupyterLab takes the arrow keys from a closed menu, and goes to another cell with them. In a
# number field the arrows are one step up and down. A button and an answer of a quiz are pressed once.
KEYS_THERE_AND_BACK = """control => {
    if (control.matches('button')) return ['Enter'];
    if (control.type === 'radio') return ['Space'];
    if (control.type === 'number') return ['ArrowUp', 'ArrowDown'];
    if (control.type === 'checkbox') return ['Space', 'Space'];
    const slider = control.matches('.noUi-handle');
    const atStart = slider ? control.ariaValueNow === control.ariaValueMin : control.selectedIndex === 0;
    return atStart ? ['End', 'Home'] : ['Home', 'End'];
}"""
# What stands beside the control or on it. A reader of the screen aloud hears it: of a slider just before its number.
NAME = """control => control.matches('button') ? control.innerText
    : control.closest('.widget-slider, label, .jupyter-widgets').innerText.replace(/^[\\d.\\s+e-]*$/, '')"""
# What a reader sees of a cell's output: its pictures, and its words.
PICTURES = "cell => [...cell.querySelectorAll('.jp-OutputArea-output img')].map(image => image.src).join()"
WORDS = """cell => [...cell.querySelectorAll('.jp-OutputArea-output')].map(output => {
    const copy = output.cloneNode(true);
    copy.querySelectorAll('.widget-readout').forEach(readout => readout.remove());
    return copy.innerText;
}).join()"""
LAST_CELL_HAS_RUN_OR_ALL_STOPPED = """errors => {
    const last = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].at(-1);
    return /\\d/.test(last.innerText) || document.querySelector(errors + ', .jp-Dialog');
}"""


def unexecuted(lesson: str) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads((ROOT / "notebooks" / f"{lesson}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(execution_count=None, outputs=[])
            cell["metadata"].pop("jupyter", None)  # a cell whose source is folded shows no number
    return notebook


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson_runs_and_every_control_moves_its_picture(open_notebook: Callable[..., Any], lesson: str) -> None:
    page = open_notebook(lesson, unexecuted(lesson))
    try:
        run_all(page)
        answers = [seconds for cell in page.locator(".jp-CodeCell").all() for seconds in move_every_control(cell)]
        assert answers or "explorers." not in str(unexecuted(lesson)), "no control moves a picture"
        assert not page.locator(ERRORS).count(), page.locator(ERRORS).all_inner_texts()
        blank = page.locator(".jp-CodeCell select").evaluate_all(
            "menus => menus.filter(m => m.selectedIndex < 0).length"
        )
        assert not blank, "a menu shows none of its options: ipywidgets does so when an option's value is None"
        if answers:
            print(f"\n{lesson}: {len(answers)} moves, median {1000 * statistics.median(answers):.0f} ms", end=" ")
    finally:
        take_pictures(page, lesson)


def run_all(page: Any) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(LAST_CELL_HAS_RUN_OR_ALL_STOPPED, arg=ERRORS, timeout=RUN_LIMIT * 1000, polling=200)
    stopped = page.locator(f"{ERRORS}, .jp-Dialog")
    assert not stopped.count(), stopped.all_inner_texts()
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
    assert prompts == [f"[{i + 1}]:" for i in range(len(prompts))]


def move_every_control(cell: Any) -> list[float]:
    """Move each slider, menu, field and checkbox to its other end and back, press each button and answer once.

    Returns the seconds that each change took. The picture has to change both times: it may show the setting before,
    and so change once for a dead control.
    """
    answers = []
    for control in cell.locator(CONTROLS).all():
        assert control.evaluate(NAME).strip(), f"a control without a name: {control.evaluate('c => c.outerHTML')}"
        for key in control.evaluate(KEYS_THERE_AND_BACK):
            control.focus()
            answers.append(answer(cell, control, key))
    for button in cell.locator("button.widget-upload").all():
        upload(cell, button)
    return answers


def answer(cell: Any, control: Any, key: str) -> float:
    """Press the key, and return the seconds until the reader sees something else."""
    seen = what_may_answer(cell, control)
    before = seen()
    started = time.perf_counter()
    control.page.keyboard.press(key)
    while seen() == before:
        waited = time.perf_counter() - started
        assert waited < ANSWER_LIMIT, f"{key} does nothing: {control.evaluate('c => c.outerHTML')}"
        time.sleep(0.01)
    return time.perf_counter() - started


def upload(cell: Any, button: Any) -> None:
    """Press the button, choose a picture, and wait until the reader sees something else."""
    seen = what_may_answer(cell, button)
    before = seen()
    with cell.page.expect_file_chooser() as chooser:
        button.press("Enter")
    chooser.value.set_files(next((ROOT / "data" / "figures").glob("*.png")))
    until = time.perf_counter() + ANSWER_LIMIT
    while seen() == before:
        assert time.perf_counter() < until, "the picture that was chosen is not shown"
        time.sleep(0.01)


def what_may_answer(cell: Any, control: Any) -> Callable[[], str]:
    """The picture, where the cell has one and the control is no button; else words or picture."""
    pressed = control.evaluate("c => c.matches('button, input[type=\"radio\"]')")
    if cell.evaluate(PICTURES) and not pressed:
        return lambda: cell.evaluate(PICTURES)
    return lambda: cell.evaluate(PICTURES) + cell.evaluate(WORDS)


def take_pictures(page: Any, lesson: str, height: int = 3000) -> None:
    """The whole notebook as a reader has it, for a person to look at: LESSON-1.png and so on, one below the other."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for old in SCREENSHOTS.glob(f"{lesson}-*.png"):
        old.unlink()
    page.set_viewport_size({"width": 1280, "height": height + 200})
    notebook = page.locator(".jp-WindowedPanel-outer")
    cells = page.locator(".jp-WindowedPanel-inner")  # without the empty page that JupyterLab leaves below the last cell
    for i in range(math.ceil(cells.evaluate("n => n.scrollHeight") / height)):
        notebook.evaluate("(n, top) => n.scrollTo({top, behavior: 'instant'})", i * height)
        notebook.screenshot(path=SCREENSHOTS / f"{lesson}-{i + 1}.png")
