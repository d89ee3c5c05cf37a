"""A disk that is really full, folders that are really read-only, and lessons rendered twice.

The first two mount a small disk for themselves in a namespace of their own, which takes Linux and root (as in a
container); elsewhere they are skipped, and tests/test_robust_start.py has the same cases with errors put in place.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAIN = f"{sys.executable} -m resnet_edu train --data sample --depth 8 --epochs 1 --out"


def mounted(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The shell script in a mount namespace, with `folder` as $1."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=1m none "$1" || exit 77\n{script}', "sh"]
    if not shutil.which("unshare"):
        pytest.skip("no unshare here")
    done = subprocess.run([*command, str(folder)], env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("no right to mount a disk")
    return done


@pytest.mark.parametrize(("room", "left"), [(0, []), (100, []), (750, ["checkpoint.pt", "history.json"])])
def test_on_a_full_disk_training_stops_with_a_sentence_and_goes_on_when_there_is_room(room, left, tmp_path):
    """room: kB that are free. A checkpoint of this net has 630, its weights 160."""
    fill = f'head -c {(1024 - room) * 1024} /dev/zero > "$1/fill"; {TRAIN} "$1/run"; echo rc=$?; ls "$1/run"'
    done = mounted(f'{fill}; rm "$1/fill"; {TRAIN} "$1/run" --resume; ls -A "$1/run"', tmp_path)
    _before, _, after = done.stdout.partition("rc=1\n")
    assert "the disk is full. Free some space" in done.stderr and "Traceback" not in done.stderr
    names = [line for line in after.splitlines() if not line.startswith("epoch")]
    assert names == [*left, "checkpoint.pt", "history.json", "run.json", "weights.safetensors"]


def test_in_a_read_only_home_and_folder_the_course_opens_and_says_what_it_cannot_write(tmp_path):
    script = f"""mount -o remount,ro "$1"; cd "$1"; export HOME="$1" RESNET_EDU_CACHE="$1"
{sys.executable} -m resnet_edu doctor
{TRAIN} "$1/run"
timeout -s TERM 60 {sys.executable} -m resnet_edu open --no-browser & sleep 15; kill $!; wait
"""
    done = mounted(script, tmp_path)
    said = done.stdout + done.stderr
    assert f"{tmp_path} cannot be written (Read-only file system). Set RESNET_EDU_CACHE" in said
    assert f"resnet_edu: {tmp_path}/run cannot be written: Read-only file system. Choose a folder" in said
    assert "Your home folder is not writable" in said and "The course is open at" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("lesson", ["01", "03", "06", "07", "08", "09"])
def test_a_lesson_rendered_twice_differs_only_where_it_measures_time(lesson, tmp_path):
    clone = tmp_path / "ä b/c d"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(clone), "RESNET_EDU_CACHE": str(tmp_path)}
    runs = []
    for _ in range(2):
        command = [sys.executable, "-m", "resnet_edu", "authoring", "render", lesson, "--budget", "smoke"]
        subprocess.run(command, cwd=clone, env=environment, check=True)
        (path,) = (clone / "notebooks").glob(f"{lesson}_*.ipynb")
        runs.append(nbformat.read(path, as_version=4))
    for first, second in zip(*(run.cells for run in runs), strict=True):
        assert first == second or "timing" in first.metadata.get("tags", []), first.id
    assert [{**run, "cells": []} for run in runs[:1]] == [{**run, "cells": []} for run in runs[1:]]
    changed = subprocess.run(["git", "status", "--short"], cwd=clone, capture_output=True, text=True, check=True).stdout
    assert {line[3:] for line in changed.splitlines()} <= {f"notebooks/{path.name}", "data/runs/lessons.json"}
