"""The learner's own copy of the lessons: nothing in it gives an answer away, and it is never overwritten.

It has no outputs, and the text that answers a question is folded, up to the next heading or question, or to
`<!-- answered -->`, which no reader sees.

When JupyterLab saves it, controls that work only until the kernel ends are left out.

The file `.versions.json` in the folder records which version of a lesson each copy was made from. An unchanged copy is
updated with its lesson; next to a changed one, the newer version is stored under another name.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from resnet_edu.authoring.lessons import lessons
from resnet_edu.authoring.normalize import PART, asks
from resnet_edu.files import write_atomically

FOLD = "<details><summary>Read on (after running the cells above)</summary>"


def update(source: Path, target: Path) -> list[str]:
    """Create or update copies of the lessons of `source` in `target`; return messages for the learner."""
    target.mkdir(parents=True, exist_ok=True)
    record = target / ".versions.json"
    versions: dict[str, str] = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    messages = []
    for lesson in lessons(source):
        text, copy = stripped(lesson), target / lesson.name
        now, known = digest(text), versions.get(lesson.name)
        if copy.exists() and known == now:
            continue
        if copy.exists() and digest(copy.read_text(encoding="utf-8")) != known:  # edited, or not ours
            newer = copy.with_name(f"{copy.stem}.new.ipynb")
            write_atomically(newer, text)
            messages.append(f"{copy.name} has a newer version: {newer.name}. Your copy is unchanged.")
        else:
            write_atomically(copy, text)
        versions[lesson.name] = now
    write_atomically(record, json.dumps(versions, indent=1) + "\n")
    return messages


def stripped(lesson: Path) -> str:
    """The notebook's text without outputs and execution counts, and with every answer to a question folded."""
    notebook, asked = json.loads(lesson.read_text(encoding="utf-8")), False
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
        elif cell["cell_type"] == "markdown":
            source = "".join(cell["source"])
            if asked:
                cell["source"] = fold(source).splitlines(keepends=True)
            asked = asks(source)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def fold(source: str) -> str:
    """A markdown cell with the answer at its beginning folded."""
    part = PART.search(source)
    answer, rest = (source[: part.start()], source[part.start() :]) if part else (source, "")
    return f"{FOLD}\n\n{answer.rstrip()}\n\n</details>\n\n{rest}" if answer.strip() else source


def leave_out_controls(model: dict[str, Any], **_: Any) -> None:
    """Before JupyterLab saves a lesson: what is left of a widget says "run this cell", not "model not found"."""
    if model["type"] == "notebook":
        for cell in model["content"]["cells"]:
            for output in cell.get("outputs", []):
                output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
