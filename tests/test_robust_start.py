"""Places and machines that are not as one expects: each works, or says in a sentence what is in the way.

A full disk is an error put in its place, so that these tests need no rights; tests/full/test_places.py
has a disk that is really full or read-only.
"""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from resnet_edu import __main__ as cli
from resnet_edu import data, doctor, files, models
from resnet_edu.authoring.address import SETUP
from resnet_edu.exercises import progress
from resnet_edu.models import weights
from resnet_edu.training import History, checkpoints

ROOT = Path(__file__).resolve().parents[1]
ODD = "ä b/c d"  # a space, and a letter that is not ASCII


def python(*arguments: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **variables}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def no_home(monkeypatch, tmp_path):
    """A user without a name and a home, as in a container that runs under a number."""
    for name in ("HOME", "USERPROFILE", "RESNET_EDU_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(*_):
        raise KeyError("no such user")

    if sys.platform == "win32":
        pytest.skip("on Windows everybody has a home")
    monkeypatch.setattr("pwd.getpwuid", unknown)


# ---- No home folder --------------------------------------------------------------------------------------------------


def test_without_a_home_things_are_kept_among_temporary_files(no_home, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert files.cache_folder() == tmp_path / f"resnet_edu-{os.getuid()}"
    assert progress.add("output_size") == "" and progress.solved() == {"output_size"}
    assert doctor._finding("write access", doctor.write_access).state == "fine"
    assert len(data.load("sample", size=8, device="cpu")[0]) == 5000


def test_a_tilde_that_leads_nowhere_is_no_place(no_home, monkeypatch):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")  # as an old platformdirs does
    assert files.cache_folder().is_absolute()
    monkeypatch.setenv("RESNET_EDU_CACHE", "~/cache")
    assert files.cache_folder().is_absolute()


@pytest.mark.parametrize("place", ["none", "a file"])
def test_jupyterlab_gets_a_home_where_there_is_none(place, request, monkeypatch, tmp_path, capsys):
    if place == "none":
        request.getfixturevalue("no_home")
    else:
        (tmp_path / "file").touch()
        monkeypatch.setenv("HOME", str(tmp_path / "file"))
        monkeypatch.setenv("USERPROFILE", str(tmp_path / "file"))
    look = "import os; home = os.environ['HOME']; open('seen', 'w').write(home); open(home + '/x', 'w').close()"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "jupyter_command", lambda folder, port: [sys.executable, "-c", look])
    monkeypatch.setattr(cli, "wait_until_it_answers", lambda server, port: None)
    assert cli.main(["open", "--no-browser"]) == 0
    assert "home folder is not writable" in capsys.readouterr().out
    assert Path("seen").read_text() and not Path(Path("seen").read_text()).exists()


def test_a_home_that_can_be_written_is_left_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr(cli, "jupyter_command", lambda folder, port: [sys.executable, "-c", ""])
    monkeypatch.setattr(cli, "wait_until_it_answers", lambda server, port: None)
    assert cli.main(["open", "--no-browser", "--published"]) == 0
    assert "home folder" not in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


# ---- A full disk, a folder that cannot be written --------------------------------------------------------------------


def fails(number, place=None):
    """A function that the system refuses."""

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number), place)

    return refuse


@pytest.fixture
def full(monkeypatch):
    """A disk that takes names, but no bytes: what the writers find out when they ask for their bytes to be there."""
    monkeypatch.setattr(os, "fsync", fails(errno.ENOSPC))


NET = models.CifarNet(8, residual=True)
WRITERS = {
    "checkpoint": lambda path: checkpoints.write(path, {"net": NET.state_dict()}),
    "weights": lambda path: weights.save(NET, path),
    "history": lambda path: History().save(path),
    "text": lambda path: files.write_atomically(path, "new"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_on_a_full_disk_the_file_is_named_and_the_old_one_stays(writer, full, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left") as told:
        WRITERS[writer](path)
    assert told.value.errno == errno.ENOSPC and told.value.filename == str(path)
    assert path.read_text() == "old" and [file.name for file in tmp_path.iterdir()] == ["file"]


def test_an_exercise_that_cannot_be_kept_is_a_sentence(full, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("RESNET_EDU_CACHE", str(tmp_path))
    assert "No space left" in progress.add("output_size")


@pytest.mark.parametrize(
    ("command", "out", "told"),
    [
        ("train", "file/run", "Not a directory"), ("train", "file", "File exists"),
        ("reproduce", "file/run", "Not a directory"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_made_is_said_before_anything_is_trained(
    command, out, told, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(data, "load", lambda *_, **__: pytest.fail("it went on to the images"))
    (tmp_path / "file").touch()
    assert cli.main([command, "--data", "sample", "--out", str(tmp_path / out)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("resnet_edu: ") and told in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "place: the disk is full"),
     (errno.EROFS, "place cannot be written: Read-only file system. Choose"),
     (errno.EACCES, "place cannot be written: Permission denied. Choose")],
)  # fmt: skip
@pytest.mark.parametrize("command", ["new 14 my_topic", "address https://example.org/x", "nbgrader out", "render 8"])
def test_authoring_says_what_it_cannot_write(number, told, command, monkeypatch, capsys):
    for name in ("new.new", "address.stamp", "nbgrader.write_assignments", "render.render"):
        monkeypatch.setattr(f"resnet_edu.authoring.{name}", fails(number, "place"))
    assert cli.main(["authoring", *command.split()]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"resnet_edu: {told}") and said.count("\n") == 1


# ---- A proxy that blocks ---------------------------------------------------------------------------------------------


def test_behind_a_proxy_that_blocks_the_command_says_what_to_do_and_the_sample_loads(tmp_path):
    proxy = {name: "http://127.0.0.1:9" for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")}
    place = {"RESNET_EDU_CACHE": str(tmp_path), "NO_PROXY": "", "no_proxy": ""}
    load = "from resnet_edu import data; print(len(data.load('sample', size=8)[0]))"
    assert python("-c", load, **proxy, **place).stdout == "5000\n"
    code = "import pathlib, sys; from resnet_edu import __main__, files\n"
    code += (
        f"files.course_folder = lambda: pathlib.Path({str(tmp_path)!r})\nsys.exit(__main__.main(['data', 'cifar10']))"
    )
    done = python("-c", code, **proxy, **place)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert (
        done.stderr.startswith("resnet_edu: CIFAR-10 is not on this machine") and 'data.load("sample")' in done.stderr
    )


# ---- Opened from another folder --------------------------------------------------------------------------------------


def run_setup(folder: Path) -> subprocess.CompletedProcess[str]:
    """The setup cell as the first cell of a kernel in `folder`, in a Python without any package."""
    folder.mkdir(parents=True, exist_ok=True)
    return python("-S", "-c", f"{SETUP}\nimport resnet_edu; print(resnet_edu.__file__)", cwd=folder, PYTHONPATH="")


@pytest.mark.parametrize("below", [".", "notebooks", "notebooks/mine/today"])
def test_the_setup_cell_finds_the_clone_around_it_whatever_its_path(below, tmp_path):
    package = tmp_path / ODD / "resnet_edu"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    done = run_setup(tmp_path / ODD / below)
    assert done.stdout.strip() == str(package / "__init__.py"), done.stderr


def test_the_setup_cell_elsewhere_says_what_is_missing(tmp_path):
    done = run_setup(tmp_path)
    assert done.returncode == 1
    assert "This notebook needs the course's package: see 'Open the course' in its README." in done.stderr


def test_images_and_weights_are_found_from_any_folder_and_path(tmp_path):
    """The package through a path with a space and a letter that is not ASCII, from a folder that is elsewhere."""
    (tmp_path / "ä b").mkdir()
    (tmp_path / ODD).symlink_to(ROOT, target_is_directory=True)
    code = (
        "from resnet_edu import data, files, models\nfrom resnet_edu.models import weights\n"
        "net = models.CifarNet(20, residual=True)\n"
        "epochs = weights.load(net, 'resnet20_cifar10')['epochs']\n"
        "print(len(data.load('sample', size=8)[0]), files.cache_folder(), epochs)"
    )
    place = tmp_path / "ö ü"
    done = python("-c", code, cwd=tmp_path, PYTHONPATH=str(tmp_path / ODD), RESNET_EDU_CACHE=str(place))
    assert done.stdout.endswith(f"5000 {place} 10\n"), done.stderr


# ---- Two kernels at once ---------------------------------------------------------------------------------------------

SOLVE = """
import sys, time
from resnet_edu.exercises import progress
from resnet_edu import files, models
from resnet_edu.models import weights
net = models.CifarNet(8, residual=True)
for i in range(40):
    assert progress.add(f"{sys.argv[1]}{i}") == ""
for i in range(5):
    weights.save(net, files.cache_folder() / "weights" / "net.safetensors")
    weights.load(net, "net")
"""


def test_two_kernels_lose_nothing_of_what_was_solved_and_read_whole_weights(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RESNET_EDU_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    both = [subprocess.Popen([sys.executable, "-c", SOLVE, name], env=environment) for name in "ab"]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    found = json.loads((tmp_path / "progress.json").read_text())["solved"]
    assert len(found) == 80
    assert sorted(path.name for path in tmp_path.iterdir()) == ["progress.json", "progress.lock", "weights"]
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["net.safetensors"]


def test_a_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "file"
    files.write_atomically(path, "old")
    with files.whole(path) as file:
        file.write(torch.zeros(1000).numpy().tobytes())
        assert path.read_text() == "old"
    assert path.stat().st_size == 4000
