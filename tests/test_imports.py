"""What may import what, and how long the lessons' first line takes."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import resnet_edu

PACKAGE = Path(resnet_edu.__file__).parent
JUPYTER = {"IPython", "ipywidgets", "nbformat", "nbclient", "jupyter_client", "ipykernel"}


def rooms():
    """The rooms in reading order, as the package's own docstring has them."""
    order = re.search(r"^checks,[a-z,\s]+", resnet_edu.__doc__, re.MULTILINE)[0]
    return re.split(r",\s+", order.strip())


def modules():
    """(room, path) of every module; `__main__` stands at the end of the house and may use all of it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if room != "__init__":
            yield room, path


def imported(path):
    """Every module that the file imports, at its top or inside a function, by its full name."""
    here = ["resnet_edu", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield start
            yield from (f"{start}.{alias.name}" for alias in node.names)


def rooms_used(path):
    parts = (name.split(".") for name in imported(path) if name.startswith("resnet_edu."))
    return {name[1] for name in parts if (PACKAGE / name[1]).is_dir() or (PACKAGE / f"{name[1]}.py").exists()}


def test_every_module_stands_in_the_reading_order():
    assert {room for room, _ in modules()} - {"__main__"} == set(rooms())


def test_each_room_lists_its_files():
    for room in PACKAGE.rglob("__init__.py"):
        listed = set(
            re.findall(r"^    (\w+\.py) ", ast.get_docstring(ast.parse(room.read_text()), clean=False), re.MULTILINE)
        )
        there = {re.sub(r"_\d\d", "_NN", path.name) for path in room.parent.glob("*.py")} - {"__init__.py"}
        assert room.parent == PACKAGE or there == listed - {"__init__.py"}, room


@pytest.mark.parametrize(("room", "path"), [pytest.param(r, p, id=str(p.relative_to(PACKAGE))) for r, p in modules()])
def test_a_room_uses_only_rooms_above_it(room, path):
    above = rooms() if room == "__main__" else rooms()[: rooms().index(room)]
    assert rooms_used(path) <= {*above, room}


def test_what_files_share_has_a_public_name():
    for path in PACKAGE.rglob("*.py"):
        private = [name for name in imported(path) if re.search(r"^resnet_edu.*\._[a-z]", name)]
        assert not private, (path.name, private)


def test_the_reader_of_imports_sees_every_form(tmp_path, monkeypatch):
    source = "import resnet_edu.lesson\nfrom resnet_edu import plots as p\ndef f():\n    from ..models import conv3x3\n"
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    for name in ("lesson.py", "plots.py", "models.py"):
        (tmp_path / name).touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "images.py").write_text(source)
    assert rooms_used(tmp_path / "data" / "images.py") == {"lesson", "plots", "models"}


def top_level(path):
    return {name.partition(".")[0] for name in imported(path)}


@pytest.mark.parametrize("room", ["data", "models", "probes", "training", "plots"])
def test_only_the_teaching_rooms_know_jupyter_and_none_needs_torchvision(room):
    for path in (path for r, path in modules() if r == room):
        assert not top_level(path) & (JUPYTER | {"torchvision"})


@pytest.mark.parametrize("path", sorted((PACKAGE / "exercises").glob("*.py")), ids=lambda path: path.stem)
def test_of_the_exercises_only_their_page_knows_jupyter(path):
    if path.stem != "page":
        assert not top_level(path) & JUPYTER and "lesson" not in rooms_used(path)


def test_plots_know_nothing_of_torch():
    for path in (PACKAGE / "plots").glob("*.py"):
        assert "torch" not in top_level(path)


IMPORTS = """
import sys, time
import torch, matplotlib.figure
started = time.perf_counter()
from resnet_edu import data, models, plots, probes, training
seconds = time.perf_counter() - started
if sys.argv[1:]:
    from resnet_edu import explorers, lesson
slow = [name for name in ("torchvision", "matplotlib.pyplot", "pandas", "scipy") if name in sys.modules]
print(seconds, *slow)
"""


def test_the_lessons_first_line_is_quick():
    runs = []
    for _ in range(3):
        result = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
        seconds, *slow = result.stdout.split()
        assert slow == []
        runs.append(float(seconds))
    print(f"import beyond torch and matplotlib: {min(runs):.3f} s (bound 0.3 s)")
    assert min(runs) < 2 * 0.3


def test_no_lesson_imports_torchvision_before_it_asks_for_it():
    result = subprocess.run([sys.executable, "-c", IMPORTS, "all"], capture_output=True, text=True, check=True)
    assert "torchvision" not in result.stdout
