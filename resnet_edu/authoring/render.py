"""Run a lesson from top to bottom in this Python, and store its outputs if every cell ran.

If a cell fails, the lesson is left unchanged. The time of each lesson is recorded in `data/runs/lessons.json`, and with
`--seeds N` the values of its claims in `data/runs/claims.json`.
"""

import base64
import json
import os
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ipykernel.kernelspec
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from resnet_edu.authoring.lessons import CONTENTS, ROOT, Refusal, cell_name, minutes, read, readme_row, records
from resnet_edu.authoring.normalize import normalize, to_text
from resnet_edu.files import write_atomically
from resnet_edu.lesson import seed
from resnet_edu.training.provenance import facts

CELL_TIMEOUT = 900  # seconds, after which a cell counts as hanging
SLOW_CELL = 5.0  # seconds, from which a cell's time is printed


@dataclass
class Run:
    """An executed notebook and how long it took. Cells are keyed by their execution count."""

    notebook: NotebookNode
    seconds: float = 0.0
    cell_seconds: dict[int, float] = field(default_factory=dict)


class ThisPython(AsyncKernelManager):
    """Start the Python that runs this process, whatever "python3" is registered in the user's home."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(**ipykernel.kernelspec.get_kernel_dict())


def render(path: Path, budget: str = "laptop", root: Path = ROOT, *, again: bool = False) -> Run:
    """Run the lesson and save it with its outputs. Raises Refusal, and writes nothing, if a cell fails; ValueError for
    an invalid RESNET_EDU_SEED.

    The picture of a cell with the tag "picture" goes into `data/figures/`, the lesson's time into the README's table,
    and the minutes that it names into the contents page, but not at the budget smoke.
    again: rerun the experiments that the lesson keeps on record (`lesson.recorded`), however long they take.
    """
    before, moved = path.read_bytes(), seed() // 100
    print(f"{path.stem}: running at the budget {budget} ...", flush=True)
    run = run_notebook(path, budget, RESNET_EDU_RECORD=str(int(again)))
    if path.read_bytes() != before:
        raise Refusal(f"{path.name} was edited while it ran: nothing was written. Run it again.")
    write_atomically(path, to_text(normalize(run.notebook)))
    add_record(root, "lessons", path.stem, {"seconds": round(run.seconds), "budget": budget, "seed": moved, **facts()})
    if budget != "smoke":
        write_picture(run.notebook, root / "data" / "figures" / f"{path.stem}.png")
        write_time(root / "README.md", path.stem, run.seconds)
        write_minutes(path.with_name(f"{CONTENTS}.ipynb"), path)
    for count, seconds in run.cell_seconds.items():
        if seconds >= SLOW_CELL:
            print(f"    cell [{count}] {seconds:6.1f} s")
    print(f"{path.stem}: {run.seconds:.1f} s, written", flush=True)
    return run


def record_claims(path: Path, seeds: int, budget: str = "laptop", root: Path = ROOT) -> dict[str, list[float]]:
    """Run the lesson with `seeds` seeds and record the value of each of its claims, {sentence: values}, in
    `data/runs/claims.json`. No claim fails in these runs: the bounds are chosen from their values.
    """
    values: dict[str, list[float]] = {}
    for number in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "claims"
            run = run_notebook(path, budget, RESNET_EDU_SEED=str(number), RESNET_EDU_CLAIMS=str(file))
            for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
                sentence, value = json.loads(line)
                values.setdefault(sentence, []).append(value)
        print(f"{path.stem}: seed {number}, {run.seconds:.0f} s", flush=True)
    if odd := [sentence for sentence, found in values.items() if len(found) != seeds]:
        raise Refusal(
            f"{path.name} does not make this claim exactly once with each seed: {odd[0]}. Nothing was written."
        )
    add_record(root, "claims", path.stem, {"budget": budget, "seeds": seeds, **facts(), "values": values})
    return values


def run_notebook(path: Path, budget: str = "laptop", **environment: str) -> Run:
    """Run every cell, in the notebook's folder. Raises Refusal naming the cell if one fails.

    environment: variables for the kernel in addition to this process's own, such as RESNET_EDU_SEED="1".
    """
    run = Run(read(path))
    for cell in run.notebook.cells:  # a cell that does not run must not keep old outputs
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    started: dict[int, float] = {}

    def stop(cell: NotebookNode, cell_index: int, execute_reply: Any) -> None:
        run.cell_seconds[cell.execution_count] = time.perf_counter() - started[cell_index]

    client = NotebookClient(
        run.notebook,
        kernel_manager_class=ThisPython,
        timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=False,  # nbclient would merge text printed before and after a figure
        on_cell_execute=lambda cell, cell_index: started.update({cell_index: time.perf_counter()}),
        on_cell_executed=stop,
    )
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:  # not the user's, with IPython's startup files and solved exercises
        own = {"IPYTHONDIR": folder, "RESNET_EDU_CACHE": folder}
        variables = {**os.environ, **own, "PYTHONHASHSEED": "0", "RESNET_EDU_BUDGET": budget}
        reason = None
        try:
            client.execute(cwd=str(path.parent), env={**variables, **environment})
        except CellExecutionError as error:
            reason = f"{error.ename}: {error.evalue}"
        except CellTimeoutError:
            reason = f"it took more than {CELL_TIMEOUT} s."
        except (DeadKernelError, AssertionError):  # AssertionError: Ctrl-C ended the kernel that nbclient waits for
            reason = "the kernel ended while the cell ran: it was interrupted, or ran out of memory."
    if reason:
        raise Refusal(f"{path.name} {cell_name(run.notebook, max(started, default=0))} failed: {reason}")
    run.seconds = time.perf_counter() - began
    return run


def write_picture(notebook: NotebookNode, path: Path) -> None:
    """Store the last picture displayed by a cell with the tag "picture"."""
    cells = [cell for cell in notebook.cells if "picture" in cell.metadata.get("tags", [])]
    pictures = [out.data["image/png"] for cell in cells for out in cell.outputs if "image/png" in out.get("data", {})]
    if pictures:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(pictures[-1]))


def write_time(readme: Path, lesson: str, seconds: float) -> None:
    """Put the measured time into the last column of the lesson's row in the README's table."""
    text = readme.read_text(encoding="utf-8")
    write_atomically(readme, readme_row(lesson).sub(rf"\g<1>{seconds:.0f} s\3", text))


def write_minutes(contents: Path, lesson: Path) -> None:
    """Put the minutes of reading that the lesson names into its row on the contents page, if there is one."""
    named = minutes(lesson.read_text(encoding="utf-8"))
    if named and contents.is_file():
        row = re.compile(rf"(\({lesson.name}\) \|[^|]*\| )\d+( min \|)")
        write_atomically(contents, row.sub(rf"\g<1>{named}\2", contents.read_text(encoding="utf-8")))


def add_record(root: Path, name: str, lesson: str, values: dict[str, Any]) -> None:
    """Write the lesson's values into `data/runs/NAME.json`, keeping those of the other lessons."""
    path = root / "data" / "runs" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    every = {**records(root, name), lesson: values}
    write_atomically(path, json.dumps(every, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
