"""Where the lessons are, and how to name a lesson or one of its cells.

The lessons are in a clone of the course, next to the package. An install without a clone has none, and says so with
`Refusal`, the error of the whole command line.
"""

import json
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]  # the clone, if there is one
NOTEBOOKS = ROOT / "notebooks"
CONTENTS = "00_start_here"  # the contents page, which has no sections, claims or exercises of its own


class Refusal(Exception):
    """An expected error. Its text is the message that the user reads."""


def lessons(folder: Path | None = None) -> list[Path]:
    """The contents page and every lesson in the folder (by default the course's own), ordered by number."""
    folder = folder or NOTEBOOKS
    if not folder.is_dir():
        raise Refusal(
            "This resnet_edu was installed without its lessons. Clone the course's repository, run "
            "`python -m pip install -r requirements.txt` in it, and then this command."
        )
    found = sorted(path for path in folder.glob("*.ipynb") if path.name[0] != ".")  # macOS leaves ._03_name.ipynb
    if not found:
        raise Refusal(f"There are no lessons in {folder}. `git status` in that folder shows which are missing.")
    return found


def find_lesson(name: str, folder: Path | None = None) -> Path:
    """Find a lesson by number ("3", "03"), name ("vanishing_gradients"), or file, with or without a folder."""
    wanted = name.removesuffix(".ipynb")
    found = lessons(folder)
    for path in found:
        number, _, title = path.stem.partition("_")
        names = (path.stem, title, number, number.lstrip("0") or "0")
        if wanted in names or path.resolve() == Path(f"{wanted}.ipynb").resolve():
            return path
    raise Refusal(f'There is no lesson "{name}". Available: {", ".join(path.stem for path in found)}.')


def find_lessons(names: Iterable[str]) -> list[Path]:
    """The lessons with these names; all of them if no name is given."""
    return [find_lesson(name) for name in names] or lessons()


def read(path: Path) -> Any:
    """The notebook, repaired by nbformat, which gives each cell an id. Raises Refusal if it is not a notebook."""
    import nbformat  # imported here, as the command line imports this module and must start at once

    stored = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what nbformat repairs is reported by `check`
            text = stored.decode()
            if not isinstance(json.loads(text), dict):
                raise ValueError("it has no cells")
            notebook = nbformat.convert(nbformat.reader.reads(text), to_version=4)
            nbformat.validate(notebook, relax_add_props=True)
    except Exception as error:  # nbformat raises many kinds
        told = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise Refusal(f"{path.name} cannot be read as a notebook: {told}") from None
    return notebook


def minutes(source: str) -> str | None:
    """The minutes of reading that a lesson's objectives name."""
    found = re.search(r"\*\*Time:\*\* about (\d+) minutes", source)
    return found[1] if found else None


def records(root: Path, name: str) -> dict[str, Any]:
    """What `data/runs/NAME.json` holds, by lesson; nothing if there is no such file."""
    path = root / "data" / "runs" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def readme_row(lesson: str) -> re.Pattern[str]:
    """The lesson's row in the README's table: the part before its time, the time, and the end of the row."""
    return re.compile(rf"^(\|.*\(notebooks/{lesson}\.ipynb\).*\| )([^|]*)( \|)$", re.MULTILINE)


def cell_name(notebook: Any, index: int) -> str:
    """A cell as readers see it: `cell [5] (net = CifarNet(56))`, with the number that Jupyter shows."""
    cell = notebook.cells[index]
    first_line = next(iter(cell.source.strip().splitlines()), "")
    if cell.cell_type != "code":
        return f"text ({first_line})"
    count = sum(other.cell_type == "code" and bool(other.source.strip()) for other in notebook.cells[: index + 1])
    return f"cell [{count}] ({first_line})"
