"""The code and the lessons are linted, formatted and typed. A failure shows what the tool says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("command", ["ruff check --no-fix", "ruff format --check", "mypy"])
def test_nothing_is_found_by(command):
    result = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        pytest.fail(f"{command}:\n{result.stdout}{result.stderr}", pytrace=False)
