"""A real JupyterLab and a real browser for the tests in this folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT = 120  # seconds for JupyterLab, and again for the page


@pytest.fixture(scope="session")
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
def open_notebook(browser: Any, tmp_path: Path) -> Iterator[Callable[[str, dict[str, Any]], Any]]:
    """A function (name, notebook) -> the page on which JupyterLab shows it, in a copy of the course."""
    shutil.copytree(ROOT / "resnet_edu", tmp_path / "resnet_edu", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "data").symlink_to(ROOT / "data")
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
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(START_LIMIT * 1000)
    servers = []

    def open_it(name: str, notebook: dict[str, Any]) -> Any:
        notebook["metadata"].setdefault("kernelspec", {"name": "python3", "display_name": "Python 3"})
        write(tmp_path / "notebooks" / f"{name}.ipynb", notebook)
        command = [sys.executable, "-m", "resnet_edu", "open", name, "--no-browser"]
        log = tmp_path / "log"
        with log.open("w") as file:
            server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=file, stderr=subprocess.STDOUT)
        servers.append(server)
        deadline = time.monotonic() + START_LIMIT
        while not (found := re.search(r"http://\S+/lab/tree/\S+", log.read_text())):
            assert server.poll() is None and time.monotonic() < deadline, f"no address:\n{log.read_text()}"
            time.sleep(0.1)
        page.goto(found[0])
        # The status bar tells of the kernel only when there is one; the circle above the notebook is idle before that.
        page.get_by_text(re.compile(r"\| Idle$")).wait_for()
        return page

    yield open_it
    page.close()
    for server in servers:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
