"""The lane for a GPU, rehearsed on the CPU with tiny settings: each stage runs, and goes on when it was killed."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LANE = Path(__file__).parent


def lane(stage, out):
    return [sys.executable, str(LANE), stage, "--tiny", "--out", str(out)]


def lines(out, stage):
    path = out / f"{stage}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("stage", ["lessons", "speed", "paper"])
def test_a_stage_runs(stage, tmp_path):
    done = subprocess.run(lane(stage, tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line["ok"] for line in lines(tmp_path, stage)] == [True]


def test_a_stage_that_was_killed_goes_on_with_what_is_left(tmp_path):
    running = subprocess.Popen(lane("stems", tmp_path), stdout=subprocess.DEVNULL)
    while not lines(tmp_path, "stems"):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    first, *_ = lines(tmp_path, "stems")
    (tmp_path / "stems.jsonl").write_text(json.dumps(first) + "\n")  # the kill may come after the second part
    subprocess.run(lane("stems", tmp_path), check=True, stdout=subprocess.DEVNULL)
    found = lines(tmp_path, "stems")
    assert found[0] == first and [line["part"] for line in found] == ["imagenet", "cifar"]


def test_what_failed_is_tried_again(tmp_path):
    (tmp_path / "record.jsonl").write_text(json.dumps({"part": "seed 0", "ok": False}) + "\n")
    subprocess.run(lane("record", tmp_path), check=True, stdout=subprocess.DEVNULL)
    assert [line["ok"] for line in lines(tmp_path, "record")] == [False, True]


def test_two_machines_train_one_net_and_resume_only_with_the_checkpoint_on_both(tmp_path):
    """Two launchers on loopback, each with a working folder of its own, as on two machines without a shared disk."""

    def launch(rendezvous, *options):
        command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=1"]
        command += [f"--rdzv_id={rendezvous}", "--rdzv_backend=c10d", f"--rdzv_endpoint=127.0.0.1:{29611 + rendezvous}"]
        command += ["-m", "resnet_edu", "train", "--depth", "8", "--data", "sample", "--epochs", "1", "--out", "run"]
        both = []
        for machine in ("a", "b"):
            (tmp_path / machine).mkdir(exist_ok=True)
            log = (tmp_path / f"{machine}{rendezvous}.log").open("w")
            both.append(subprocess.Popen([*command, *options], cwd=tmp_path / machine, stdout=log, stderr=log))
        return [process.wait(timeout=300) for process in both]

    assert launch(0) == [0, 0]
    written = [folder for folder in ("a", "b") if (tmp_path / folder / "run" / "run.json").exists()]
    assert len(written) == 1  # the machine of rank 0 writes
    assert json.loads((tmp_path / written[0] / "run" / "run.json").read_text())["processes"] == 2
    assert launch(1, "--resume") == [1, 1]
    assert "different epochs, [0, 1]" in "".join(path.read_text() for path in tmp_path.glob("*1.log"))
