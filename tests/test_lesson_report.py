"""What `pytest notebooks/` says of lessons that are broken, each in another way."""

import json
import os
import shutil
import subprocess
import sys

from nbformat.v4 import new_code_cell, new_notebook

from resnet_edu.authoring.lessons import NOTEBOOKS, ROOT

CELLS = {
    "01_right": ["x = 1", "", "assert x == 1"],
    "02_endless": ["x = 1", "", "while x:\n    pass"],
    "03_dead": ["import os\nos._exit(1)"],
    "04_wrong": ["x = 1", "# a comment\n1 / 0", "x", "y"],
}
REPORT = """\
lesson 02_endless, cell [2] (while x:): Timeout of 3 seconds exceeded executing cell
lesson 03_dead, cell [1] (import os): the kernel died: out of memory, or ended by the cell
lesson 04_wrong, cell [2] (# a comment): ZeroDivisionError: division by zero (1 later cells of this lesson failed too)
lesson 05_text, it cannot be read as a notebook: """


def test_each_broken_lesson_is_named_with_its_first_broken_cell_and_the_reason(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(NOTEBOOKS / "conftest.py", tmp_path)
    for name, sources in CELLS.items():
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "05_text.ipynb").write_text("no JSON")
    command = [sys.executable, "-m", "pytest", "--nbval-cell-timeout=3", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False).stdout
    assert f"broken lessons ================================\n{REPORT}" in said
    assert "FAILED 02_endless.ipynb::Cell 2" in said and "4 failed, 5 passed, 1 error" in said
