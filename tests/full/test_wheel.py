"""However the package is installed, it works away from its clone and has the bundled images with it."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from resnet_edu.authoring.lessons import ROOT

LOAD = """
import json, sys
import resnet_edu
from resnet_edu import data
train, test = data.load("sample", device="cpu")
print(json.dumps({"package": resnet_edu.__file__, "images": [len(train), len(test)], "modules": list(sys.modules)}))
"""


def run(*command: object, cwd: Path) -> str:
    """What the command prints; the test fails with all of it if the command does."""
    result = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{result.args}:\n{result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of what git would hand out of this working tree: no ignored file, and nothing of its history."""
    folder = tmp_path_factory.mktemp("clone")
    for name in run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    run("git", *author, "commit", "--quiet", "--message", "A clone", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution, which is therefore complete too."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, cwd=clone)
    return next(folder.glob("*.whl"))


def install(folder: Path, *what: object) -> Path:
    """A Python that has resnet_edu installed, and of everything else what this Python has."""
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", *what, cwd=folder)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return python


@pytest.fixture(params=["wheel", "git+file", "editable"])
def installed(request: pytest.FixtureRequest, tmp_path: Path, clone: Path) -> tuple[Path, Path]:
    """The Python, and the folder in which the package then must be."""
    if request.param == "editable":
        return install(tmp_path / "venv", "--editable", clone), clone
    what = request.getfixturevalue("wheel") if request.param == "wheel" else f"git+{clone.as_uri()}"
    return install(tmp_path / "venv", what), tmp_path / "venv"


def test_the_sample_loads_from_another_folder(installed: tuple[Path, Path], tmp_path: Path) -> None:
    python, home = installed
    found = json.loads(run(python, "-c", LOAD, cwd=tmp_path))
    assert Path(found["package"]).is_relative_to(home)
    assert found["images"] == [5000, 1000]
    assert "torchvision" not in found["modules"]


def test_without_a_clone_the_command_says_where_the_lessons_are(tmp_path: Path, wheel: Path) -> None:
    python = install(tmp_path / "venv", wheel)
    result = subprocess.run([python, "-m", "resnet_edu", "open"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert "Clone the course's repository" in result.stderr
    assert "Traceback" not in result.stderr
