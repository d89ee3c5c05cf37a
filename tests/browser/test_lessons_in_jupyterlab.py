"""A real JupyterLab in a real browser: every lesson is opened and run, every control moved by keyboard.

    pip install -e '.[dev,browser]' && pytest tests/browser

Needs Chromium (on Debian: `apt-get install chromium`). Screenshots are kept in `tests/browser/screenshots/`, or in the
folder that RESNET_EDU_SCREENSHOTS names. The lessons run at the smoke budget unless RESNET_EDU_BUDGET says otherwise,
in a copy of the course, so that JupyterLab's autosave changes nothing here.
"""

from __future__ import annotations

import json
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

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install -e '.[browser]'"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no Chromium here: apt-get install chromium", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SCREENSHOTS = Path(os.environ.get("RESNET_EDU_SCREENSHOTS", Path(__file__).parent / "screenshots"))
RUN_LIMIT = 600_000  # ms for a whole lesson; it hangs if it takes longer


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`python -m resnet_edu open`, as a reader calls it, in a copy of the course."""
    course = tmp_path_factory.mktemp("course")
    for folder in ("notebooks", "resnet_edu", "data"):
        shutil.copytree(
            ROOT / folder, course / folder, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        )
    settings = course / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # All cells in the page at once, so that the test can see the ones that are scrolled out of view.
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    environment = {
        "RESNET_EDU_BUDGET": "smoke",
        **os.environ,
        "CI": "1",
        "JUPYTERLAB_SETTINGS_DIR": str(course / "settings"),
        "RESNET_EDU_CACHE": str(course / "cache"),
        "IPYTHONDIR": str(course / "ipython"),
    }
    command = [sys.executable, "-m", "resnet_edu", "open"]
    with (course / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=course, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield printed_address(server, course / "log")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)


def printed_address(server: subprocess.Popen[bytes], log: Path) -> str:
    """The address that the command prints, with the lesson left open: `.../lab/tree/{lesson}.ipynb?token=...`."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"(http://\S+/lab/tree/)\S+?(\?token=\S+)", log.read_text()):
            return f"{found[1]}{{lesson}}.ipynb{found[2]}"
        time.sleep(0.2)
    pytest.fail(f"`resnet_edu open` printed no address:\n{log.read_text()}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson_runs_and_every_control_moves_its_picture(lesson: str, address: str, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    try:
        page.goto(address.format(lesson=lesson))
        run_all(page)
        errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]').all_inner_texts()
        assert not errors, errors
        moved = [move_every_control(cell) for cell in explorer_cells(page)]
        assert sum(moved), "the lesson has no control that moves a picture"
        assert not page.locator('[data-mime-type="application/vnd.jupyter.error"]').count()
    finally:
        screenshot(page, lesson)
        page.close()


def run_all(page: Any) -> None:
    page.locator(".jp-CodeCell").first.wait_for(timeout=60_000)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Restart Kernel and Run All Cells").click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    page.wait_for_function("() => document.querySelector('.jp-InputArea-prompt')?.innerText.includes('[*]') || true")
    # Every cell with code has a number, counted from 1: none is waiting, none was left out.
    page.wait_for_function(
        """() => {
            const cells = [...document.querySelectorAll('.jp-CodeCell')];
            const text = cells.map(cell => cell.querySelector('.jp-InputPrompt').innerText.trim());
            const idle = document.querySelector('.jp-Notebook-ExecutionIndicator').dataset.status === 'idle';
            return idle && text.every((prompt, i) => prompt === `[${i + 1}]:`);
        }""",
        timeout=RUN_LIMIT,
        polling=500,
    )


def explorer_cells(page: Any) -> list[Any]:
    cells = page.locator(".jp-CodeCell:has(.jupyter-widgets)")
    return [cells.nth(i) for i in range(cells.count())]


def move_every_control(cell: Any) -> int:
    """Press a key on each slider, menu and checkbox; each time the picture has to become another one."""
    seconds: list[float] = []
    cell.scroll_into_view_if_needed()
    for selector, key in ((".noUi-handle", "ArrowLeft"), ("select", "ArrowDown"), ('input[type="checkbox"]', "Space")):
        controls = cell.locator(selector)
        for i in range(controls.count()):
            before = picture(cell)
            controls.nth(i).focus()
            started = time.perf_counter()
            controls.nth(i).press("ArrowRight" if at_lower_end(controls.nth(i), selector) else key)
            deadline = time.perf_counter() + 20
            while picture(cell) == before:
                assert time.perf_counter() < deadline, f"{selector} number {i + 1} does not change the picture"
                time.sleep(0.01)
            seconds.append(time.perf_counter() - started)
    print(f"{len(seconds)} controls, median answer {1000 * statistics.median(seconds):.0f} ms")
    return len(seconds)


def at_lower_end(control: Any, selector: str) -> bool:
    """Whether a slider stands at its minimum, where ArrowLeft would do nothing."""
    if selector != ".noUi-handle":
        return False
    return control.get_attribute("aria-valuenow") == control.get_attribute("aria-valuemin")


def picture(cell: Any) -> str:
    return cell.locator(".jp-OutputArea img").last.get_attribute("src")


def screenshot(page: Any, lesson: str) -> None:
    """The whole notebook in one picture, for a person to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    height = page.evaluate(
        "() => document.querySelector('.jp-WindowedPanel-inner, .jp-Notebook')?.scrollHeight ?? 1000"
    )
    page.set_viewport_size({"width": 1280, "height": min(height + 200, 16_000)})
    page.wait_for_timeout(1000)
    page.locator(".jp-Notebook").first.screenshot(path=SCREENSHOTS / f"{lesson}.png")
