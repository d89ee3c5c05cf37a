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
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SCREENSHOTS = Path(os.environ.get("RESNET_EDU_SCREENSHOTS", Path(__file__).parent / "screenshots"))

START_LIMIT = 120  # seconds for JupyterLab, and again for the page
RUN_LIMIT = 900  # for all cells of a lesson: a slow machine needs minutes
ANSWER_LIMIT = 30  # for a control; the usual answer takes less than one

CONTROLS = '.noUi-handle, select, input[type="checkbox"]'
ERRORS = '[data-mime-type="application/vnd.jupyter.stderr"]'  # so JupyterLab marks tracebacks and warnings alike
# Home and End, because JupyterLab takes the arrow keys from a closed menu, and goes to another cell with them.
KEYS_THERE_AND_BACK = """control => {
    if (control.type === 'checkbox') return ['Space', 'Space'];
    const slider = control.matches('.noUi-handle');
    const atStart = slider ? control.ariaValueNow === control.ariaValueMin : control.selectedIndex === 0;
    return atStart ? ['End', 'Home'] : ['Home', 'End'];
}"""
LAST_CELL_HAS_RUN_OR_ALL_STOPPED = """errors => {
    const last = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].at(-1);
    return /\\d/.test(last.innerText) || document.querySelector(errors + ', .jp-Dialog');
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed: pip install -e '.[browser]'")
    if chromium is None:
        missing("there is no Chromium here: apt-get install chromium")
    with sync_playwright() as driver:
        window = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield window
        window.close()


def missing(what: str) -> None:
    """Nobody reads the skips of CI: there it is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"The lessons were not tried in a browser: {what}", pytrace=False)
    pytest.skip(what)


@pytest.fixture
def address(lesson: str, tmp_path: Path) -> Iterator[str]:
    """What `python -m resnet_edu open LESSON` prints, in a copy of the course where no cell has run yet."""
    shutil.copytree(ROOT / "resnet_edu", tmp_path / "resnet_edu", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "data").symlink_to(ROOT / "data")
    notebook = json.loads((ROOT / "notebooks" / f"{lesson}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(execution_count=None, outputs=[])
    write(tmp_path / "notebooks" / f"{lesson}.ipynb", notebook)
    # All cells in the page at once, also those scrolled out of view; no offer of news over the page.
    settings = tmp_path / "jupyter" / "lab" / "user-settings" / "@jupyterlab"
    write(settings / "notebook-extension" / "tracker.jupyterlab-settings", {"windowingMode": "none"})
    write(settings / "apputils-extension" / "notification.jupyterlab-settings", {"fetchNews": "false"})
    environment = {
        "RESNET_EDU_BUDGET": "smoke",
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(tmp_path / "jupyter"),  # a user's own one has pages that JupyterLab opens again
        "RESNET_EDU_CACHE": str(tmp_path / "cache"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    command = [sys.executable, "-m", "resnet_edu", "open", lesson, "--no-browser"]
    log = tmp_path / "log"
    with log.open("w") as file:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_LIMIT
        while not (found := re.search(r"http://\S+/lab/tree/\S+", log.read_text())):
            assert server.poll() is None and time.monotonic() < deadline, f"no address:\n{log.read_text()}"
            time.sleep(0.1)
        yield found[0]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson_runs_and_every_control_moves_its_picture(browser: Any, lesson: str, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(START_LIMIT * 1000)
    try:
        page.goto(address)
        run_all(page)
        answers = [seconds for cell in page.locator(".jp-CodeCell").all() for seconds in move_every_control(cell)]
        assert answers, "the lesson has no control that moves a picture"
        assert not page.locator(ERRORS).count(), page.locator(ERRORS).all_inner_texts()
        blank = page.locator(".jp-CodeCell select").evaluate_all(
            "menus => menus.filter(m => m.selectedIndex < 0).length"
        )
        assert not blank, "a menu shows none of its options: ipywidgets does so when an option's value is None"
        print(f"\n{lesson}: {len(answers)} moves, median answer {1000 * statistics.median(answers):.0f} ms", end=" ")
    finally:
        take_pictures(page, lesson)
        page.close()


def run_all(page: Any) -> None:
    # The status bar tells of the kernel only when there is one; the circle above the notebook is idle before that.
    page.get_by_text(re.compile(r"\| Idle$")).wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(LAST_CELL_HAS_RUN_OR_ALL_STOPPED, arg=ERRORS, timeout=RUN_LIMIT * 1000, polling=200)
    stopped = page.locator(f"{ERRORS}, .jp-Dialog")
    assert not stopped.count(), stopped.all_inner_texts()
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
    assert prompts == [f"[{i + 1}]:" for i in range(len(prompts))]


def move_every_control(cell: Any) -> list[float]:
    """Move each slider, menu and checkbox to its other end and back; returns the seconds that each change took.

    The picture has to change both times: it may show the setting before, and so change once for a dead control.
    """
    answers = []
    for control in cell.locator(CONTROLS).all():
        for key in control.evaluate(KEYS_THERE_AND_BACK):
            before = picture(cell)
            control.focus()
            started = time.perf_counter()
            control.press(key)
            while picture(cell) == before:
                waited = time.perf_counter() - started
                assert waited < ANSWER_LIMIT, f"{key} does nothing: {control.evaluate('c => c.outerHTML')}"
                time.sleep(0.01)
            answers.append(time.perf_counter() - started)
    return answers


def picture(cell: Any) -> str:
    return cell.locator(".jp-OutputArea-output img").last.get_attribute("src")


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
