"""How pytest runs the lessons: at the `smoke` budget unless told otherwise.

    pytest notebooks/                                    every lesson, a few seconds of training each
    RESNET_EDU_BUDGET=laptop pytest notebooks/           every lesson as a reader runs it
    pytest notebooks/03_vanishing_gradients.ipynb        one lesson

The report ends with one line for each broken lesson: which cell, its first line, and the error.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("RESNET_EDU_BUDGET", "smoke")
if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # several kernels share the cores: one thread each is fastest
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    """Attach one line to the report of a failed cell; as a property it also travels from an xdist worker."""
    report = yield
    if report.failed and item.path.suffix == ".ipynb":
        report.user_properties.append(("broken cell", describe(item, call.excinfo.value)))
    return report


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    """Name the first broken cell of each lesson: the later ones mostly fail because of it."""
    # (The type in quotes: pytest has that name since 8.4.)
    broken: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("failed", []) + terminalreporter.stats.get(
        "error", []
    ):
        # (A file that cannot be collected has no properties.)
        for name, line in getattr(report, "user_properties", ()):
            if name == "broken cell":
                broken.setdefault(Path(report.nodeid.split("::")[0]).stem, []).append(line)
    if broken:
        terminalreporter.section("broken lessons")
    for lesson, lines in sorted(broken.items()):
        later = (
            f" ({len(lines) - 1} later cells of this lesson failed too)"
            if len(lines) > 1
            else ""
        )
        terminalreporter.write_line(f"lesson {lesson}, {lines[0]}{later}")


def describe(item: pytest.Item, error: BaseException) -> str:
    """Say `cell [6] (net = CifarNet(56)): ValueError: ...`; Jupyter shows that [6] beside the cell."""
    source = getattr(error, "source", "").strip()
    number = f"cell [{item.cell_num + 1}]" if hasattr(item, "cell_num") else "kernel"
    first_line = f" ({source.splitlines()[0]})" if source else ""
    traceback = re.sub(r"\x1b\[[0-9;]*m", "", getattr(error, "inner_traceback", None) or "")
    reasons = re.findall(
        r"^\w*(?:Error|Exception|Interrupt)\b.*", traceback, re.MULTILINE
    ) or [str(error)]
    return f"{number}{first_line}: {reasons[-1]}"
