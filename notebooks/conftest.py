"""How pytest runs the lessons: at the `smoke` budget unless told otherwise.

    pytest notebooks/                                    every lesson, a few seconds of training each
    RESNET_EDU_BUDGET=laptop pytest notebooks/           every lesson as a reader runs it
    pytest notebooks/03_vanishing_gradients.ipynb        one lesson

The report ends with one line for each broken lesson: which cell, its first line, and the error. "Cell 6" of the report
is the cell that Jupyter numbers [6].
"""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile

os.environ.setdefault("RESNET_EDU_BUDGET", "smoke")
if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # several kernels share the cores: one thread each is fastest
    os.environ["OMP_NUM_THREADS"] = "1"


def pytest_configure(config: pytest.Config) -> None:
    """A file that is no notebook stops no other one, with or without xdist."""
    config.option.continue_on_collection_errors = True


class Lesson(IPyNbFile):
    """nbval's notebook, with its cells numbered as in Jupyter, which notices a dead kernel at once."""

    def collect(self) -> Iterator[IPyNbCell]:
        try:
            cells = [one for one in super().collect() if one.cell.source.strip()]
        except Exception as error:  # nbformat raises many kinds
            raise self.CollectError(f"it cannot be read as a notebook: {error}") from None
        for number, one in enumerate(cells, start=1):
            yield IPyNbCell.from_parent(
                self,
                name=f"Cell {number}",
                cell_num=number,
                cell=one.cell,
                options=one.options,
            )

    def setup(self) -> None:
        super().setup()
        self.kernel.await_reply = self.await_reply

    def await_reply(self, msg_id: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                return RunningKernel.await_reply(self.kernel, msg_id, timeout=1)
            except Empty:
                if not self.kernel.is_alive():
                    raise RuntimeError(
                        "the kernel died: out of memory, or ended by the cell"
                    ) from None
                if time.monotonic() > deadline:
                    raise


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Iterator[None]:
    found = yield
    return [
        Lesson.from_parent(parent, path=file_path) if isinstance(one, IPyNbFile) else one
        for one in found
    ]


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
        if isinstance(report, pytest.CollectReport) and report.nodeid.endswith(".ipynb"):
            broken[Path(report.nodeid).stem] = [report.longreprtext]
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


def describe(item: IPyNbCell, error: BaseException) -> str:
    """Say `cell [6] (net = CifarNet(56)): ValueError: ...`; Jupyter shows that [6] beside the cell."""
    first_line = item.cell.source.strip().splitlines()[0]
    traceback = re.sub(r"\x1b\[[0-9;]*m", "", getattr(error, "inner_traceback", None) or "")
    reasons = re.findall(r"^\w*(?:Error|Exception|Interrupt)\b.*", traceback, re.MULTILINE)
    reason = reasons[-1] if reasons and not str(error).startswith("Timeout") else str(error)
    return f"cell [{item.cell_num}] ({first_line}): {reason}"
