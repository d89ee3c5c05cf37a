"""The lane for a GPU, rehearsed on the CPU with tiny settings: each stage runs, and goes on when it was killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import parcels
import pytest

LANE = Path(__file__).parent


def lane(stage, out):
    return [sys.executable, str(LANE), stage, "--tiny", "--out", str(out)]


def lines(out, stage):
    path = out / f"{stage}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_tests_run(tmp_path):
    done = subprocess.run(lane("tests", tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "passed" in lines(tmp_path, "tests")[0]["last line"]


@pytest.mark.parametrize("stage", ["lessons", "speed", "record", "stems"])
def test_a_stage_that_was_killed_goes_on_with_what_is_left(stage, tmp_path):
    running = subprocess.Popen(lane(stage, tmp_path), stdout=subprocess.DEVNULL)
    while not lines(tmp_path, stage):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    first, *_ = lines(tmp_path, stage)
    (tmp_path / f"{stage}.jsonl").write_text(json.dumps(first) + "\n")  # the kill may come after the second part
    subprocess.run(lane(stage, tmp_path), check=True, stdout=subprocess.DEVNULL)
    found = lines(tmp_path, stage)
    assert found[0] == first and all(line["ok"] for line in found)
    assert len({line["part"] for line in found}) == len(found) == 2


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, or asks the kernel to end a child")


@on_linux
def test_no_training_run_outlives_its_stage(tmp_path):
    running = subprocess.Popen(lane("paper", tmp_path), stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob("paper/*.txt")):  # its first training run has started
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    time.sleep(1)
    assert str(tmp_path) not in subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True).stdout
    subprocess.run(lane("paper", tmp_path), check=True, stdout=subprocess.DEVNULL)
    assert [line["ok"] for line in lines(tmp_path, "paper")] == [True, True]


def test_what_failed_is_tried_again(tmp_path):
    (tmp_path / "record.jsonl").write_text(json.dumps({"part": "seed 0", "ok": False}) + "\n")
    subprocess.run(lane("record", tmp_path), check=True, stdout=subprocess.DEVNULL)
    assert [line["ok"] for line in lines(tmp_path, "record")] == [False, True, True]


def test_a_part_that_raises_is_recorded_and_the_others_run(tmp_path):
    """Lessons without their notebooks, say."""
    script = "import runpy, sys, resnet_edu.training as t; t.evaluate = None; sys.argv = sys.argv[1:]; "
    command = [*lane("record", tmp_path)]
    command[1:2] = ["-c", script + "runpy.run_path(sys.argv[0], run_name='__main__')", str(LANE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    found = lines(tmp_path, "record")
    assert [line["ok"] for line in found] == [False, False] and "TypeError" in found[0]["error"]


def test_the_full_set_travels_in_parcels(tmp_path):
    draw = np.random.default_rng(0)
    arrays = {
        f"x_{name}": draw.integers(0, 256, (n, 32, 32, 3), np.uint8) for name, n in (("train", 500), ("test", 100))
    }
    arrays |= {f"y_{name}": draw.integers(0, 10, n, np.uint8) for name, n in (("train", 500), ("test", 100))}
    np.savez(tmp_path / "cifar10.npz", **arrays)
    parcels.pack(tmp_path / "cifar10.npz", tmp_path / "parcels")
    parcels.join(tmp_path / "parcels", tmp_path / "joined.npz")
    with np.load(tmp_path / "joined.npz") as joined:
        assert all(np.array_equal(joined[name], array) for name, array in arrays.items())


def two_machines(folder, *options):
    """Two launchers on loopback, each with a working folder of its own, as on two machines without a shared disk."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=1", f"--rdzv_id={port}"]
    command += ["--rdzv_backend=c10d", f"--rdzv_endpoint=127.0.0.1:{port}", "-m", "resnet_edu", "train"]
    command += ["--depth", "8", "--width", "4", "--data", "sample", "--out", "run", *options]
    launchers = {}
    for machine in ("a", "b"):
        (folder / machine).mkdir(exist_ok=True)
        log = (folder / f"{machine}.log").open("w")
        launchers[machine] = subprocess.Popen(command, cwd=folder / machine, stdout=log, stderr=log)
    return launchers


def test_two_machines_train_one_net_and_resume_only_with_the_checkpoint_on_both(tmp_path):
    assert [process.wait(timeout=300) for process in two_machines(tmp_path, "--epochs", "1").values()] == [0, 0]
    written = [folder for folder in ("a", "b") if (tmp_path / folder / "run" / "run.json").exists()]
    assert len(written) == 1  # the machine of rank 0 writes
    assert json.loads((tmp_path / written[0] / "run" / "run.json").read_text())["processes"] == 2
    again = two_machines(tmp_path, "--epochs", "1", "--resume")
    assert [process.wait(timeout=300) for process in again.values()] == [1, 1]
    assert "different epochs, [0, 1]" in "".join(path.read_text() for path in tmp_path.glob("*.log"))


@on_linux
def test_a_run_on_two_machines_ends_when_one_is_lost(tmp_path):
    launchers = two_machines(tmp_path, "--epochs", "1000", "--batch-size", "500")
    while not list(tmp_path.glob("?/run")):
        assert all(launcher.poll() is None for launcher in launchers.values())
        time.sleep(0.1)
    lost = [path.parent for path in Path("/proc").glob("[0-9]*/cwd") if os.path.realpath(path) == str(tmp_path / "b")]
    assert len(lost) >= 2  # the launcher, and the process that trains
    for process in lost:
        os.kill(int(process.name), signal.SIGKILL)
    assert launchers["a"].wait(timeout=120) == 1
