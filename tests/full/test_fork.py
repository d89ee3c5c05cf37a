"""A fork, opened as Colab opens it: a notebook alone in an empty folder, torch already there, the package not."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from resnet_edu.authoring.address import stamp

ROOT = Path(__file__).resolve().parents[2]
LESSON = "01_convolutional_networks.ipynb"


def run(*command: object, **options: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A clone of this working tree, stamped with its own address."""
    folder = tmp_path / "fork with spaces é"
    run("git", "clone", "--quiet", ROOT, folder)
    stamp(folder.as_uri(), folder)
    run("git", "-c", "user.name=fork", "-c", "user.email=fork@example.org", "commit", "-qam", "Our address", cwd=folder)
    return folder


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python that has all that this one has, but for resnet_edu: an editable install is not seen through a .pth."""
    run(sys.executable, "-m", "venv", tmp_path / "colab")
    scripts = "Scripts" if os.name == "nt" else "bin"
    made = tmp_path / "colab" / scripts / "python"
    site = run(made, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(site) / "all.pth").write_text(sysconfig.get_path("purelib"))
    return made


def test_a_notebook_alone_fetches_the_package_and_leaves_torch_alone(fork: Path, python: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(fork / "notebooks" / LESSON, alone)
    found = "import importlib.util as u; s = u.find_spec('resnet_edu'); print(s and s.origin)"
    assert run(python, "-c", found, cwd=alone).strip() == "None"
    environment = {**os.environ, "RESNET_EDU_BUDGET": "smoke", "RESNET_EDU_CACHE": str(tmp_path / "cache")}
    command = [python, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300", LESSON]
    run(*command, cwd=alone, env=environment)
    assert str(tmp_path / "colab") in run(python, "-c", found, cwd=alone)
    torch = run(python, "-c", "import torch; print(torch.__file__)", cwd=alone)
    assert str(tmp_path) not in torch
