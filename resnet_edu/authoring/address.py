"""`authoring address`: write the address of the published course into every lesson and the README, or remove it.

The cell `setup` is the same in all lessons (`SETUP`), except for one line: the address to install the package from
when the notebook is opened without the rest of the course, as in Colab. Colab opens notebooks from GitHub, so only an
address there also gets a badge. The course itself has neither address nor badge.
"""

import re
from pathlib import Path

from nbformat import NotebookNode, v4

from resnet_edu.authoring.lessons import Refusal, lessons, read
from resnet_edu.authoring.normalize import to_text
from resnet_edu.files import write_atomically

SETUP = """\
# Setup: in a clone, this cell has nothing to do; elsewhere, it fetches the package.
import importlib.util
import pathlib
import subprocess
import sys

ADDRESS = ""  # where the course is published
RESNET_EDU_BUDGET = ""  # "smoke", "laptop" or "gpu"; "": what suits this machine
RESNET_EDU_SEED = ""  # a number shifts every seed

if importlib.util.find_spec("resnet_edu") is None:
    here = pathlib.Path.cwd()
    clone = next(
        (p for p in (here, *here.parents) if (p / "resnet_edu" / "__init__.py").exists()),
        None,
    )
    if clone is not None:
        sys.path.insert(0, str(clone))
    elif ADDRESS:  # --no-deps: an installed torch stays as it is
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*pip, f"git+{ADDRESS}"], check=True)
        importlib.invalidate_caches()
    else:
        raise ModuleNotFoundError(
            "This notebook needs the course's package: see 'Open the course' in its README."
        )"""

LINE = re.compile(r'^ADDRESS = "([^"]*)"', re.MULTILINE)
BADGE = re.compile(r"\n\n\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)")
# A repository at GitHub, or a page of it, as in https://github.com/owner/course/tree/autumn?tab=readme-ov-file
GITHUB = re.compile(r"https?://(?:www\.)?github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?(?:/tree/([\w.-]+))?/?(?:[?#].*)?")
OTHER = re.compile(r"(?:https?|ssh|file)://(?!(?:www\.)?github\.com/)(?!.*/tree/)[^\s\"'\\?#]+")
PICTURE = "https://colab.research.google.com/assets/colab-badge.svg"


def stamp(address: str, root: Path, branch: str | None = None) -> list[Path]:
    """Write the address into every lesson and the README below `root`; "" removes it. Returns the changed files.

    branch: what pip installs and Colab opens; by default that of the pasted page, or the repository's own and main.
    Raises Refusal for an address that pip cannot install from, and for a lesson whose setup cell was changed.
    """
    if page := GITHUB.fullmatch(address):
        address, branch = f"https://github.com/{page[1]}/{page[2]}", branch or page[3]
    if (address and not page and not OTHER.fullmatch(address)) or re.search(r"[\s\"'\\?#]", branch or ""):
        raise Refusal(
            f"{address!r} is not the address of a git repository, or {branch!r} no branch of it: give https://..., "
            "ssh://... or file:///..., such as https://github.com/owner/course, and the branch after --branch."
        )
    paths = lessons(root / "notebooks")
    texts = {path: stamped(path, address, branch) for path in paths}
    readme = root / "README.md"
    texts[readme] = with_badge(readme.read_text(encoding="utf-8"), badge(address, branch, paths[0].name))
    changed = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    for path in changed:
        write_atomically(path, texts[path])
    return changed


def stamped(path: Path, address: str, branch: str | None) -> str:
    """The lesson's text with this address."""
    notebook = read(path)
    if setup_address(notebook) is None:
        raise Refusal(
            f"{path.name}: its setup cell is missing or differs from the other lessons', so it cannot take an address."
        )
    cell = setup_cell(notebook)
    source = f"{address}@{branch}" if address and branch else address
    cell.source = LINE.sub(lambda _: f'ADDRESS = "{source}"', cell.source)
    title = notebook.cells[0]
    title.source = with_badge(title.source, badge(address, branch, path.name))
    return to_text(notebook)


def setup_address(notebook: NotebookNode) -> str | None:
    """The address in the lesson's setup cell, as pip takes it; None if that cell is not the course's."""
    source = setup_cell(notebook).source
    found = LINE.search(source)
    return found[1] if found and LINE.sub('ADDRESS = ""', source) == SETUP else None


def setup_cell(notebook: NotebookNode) -> NotebookNode:
    """The code cell with the id "setup"; an empty one if there is none."""
    found = (cell for cell in notebook.cells if cell.cell_type == "code" and cell.get("id") == "setup")
    return next(found, v4.new_code_cell())


def badge(address: str, branch: str | None, lesson: str) -> str:
    """Markdown that opens the lesson in Colab; "" for an address that Colab cannot open."""
    found = GITHUB.fullmatch(address)
    if not found:
        return ""
    page = f"https://colab.research.google.com/github/{found[1]}/{found[2]}/blob/{branch or 'main'}/notebooks/{lesson}"
    return f"[![Open in Colab]({PICTURE})]({page})"


def with_badge(text: str, new: str) -> str:
    """The text with this badge below its first line, replacing any badge there; "" removes it."""
    first, line_end, rest = BADGE.sub("", text, count=1).partition("\n")
    return first + (f"\n\n{new}" if new else "") + line_end + rest
