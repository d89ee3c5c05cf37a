"""`python -m resnet_edu train`: the recipes, the folder that a run leaves, and what stops it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from resnet_edu import data, models, probes, training
from resnet_edu.__main__ import main
from resnet_edu.models import weights
from resnet_edu.training import precision, provenance, recipes

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ["train", "--depth", "8", "--data", "sample", "--recipe", "fast"]
LOAD = data.load


def small_images(*args, **options):
    """In place of `data.load`: some of the sample at 8 x 8, so that an epoch of the command takes a moment."""
    train, test = LOAD("sample", size=8, device="cpu")
    return train[:1024], test[:200]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(data, "load", small_images)


@pytest.mark.parametrize(
    ("step", "factor", "with_warm_up"),
    [(0, 1, 0.1), (399, 1, 0.1), (400, 1, 1), (31_999, 1, 1), (32_000, 0.1, 0.1), (47_999, 0.1, 0.1),
     (48_000, 0.01, 0.01), (63_999, 0.01, 0.01), (64_000, 0.01, 0.01)],
)  # fmt: skip
def test_the_papers_schedule_at_its_corners(step, factor, with_warm_up):
    paper = recipes.RECIPES["paper"]
    assert paper.schedule(step, paper.max_steps) == pytest.approx(factor)
    assert recipes.warm_up(step, paper.max_steps) == pytest.approx(with_warm_up)


def test_the_papers_steps_fit_into_its_epochs_on_the_full_set():
    paper = recipes.RECIPES["paper"]
    steps, whole_batches = -(-50_000 // paper.batch_size), 50_000 // paper.batch_size  # the latter with `compile`
    assert 163 * steps < paper.max_steps <= 164 * steps
    assert (paper.epochs - 1) * whole_batches < paper.max_steps <= paper.epochs * whole_batches


def test_the_mean_of_each_pixel_is_subtracted():
    train, test = data.load("sample", device="cpu")
    train, test = recipes.prepared(recipes.RECIPES["paper"], train, test)
    x = torch.cat([x for x, _ in train.batches(500)])
    assert x.mean(0).abs().max() < 1e-5
    mean = train.images.double().mean(0)
    expected = ((test.images[:7].double() - mean) / 255).float()
    torch.testing.assert_close(next(iter(test[:7].batches(7)))[0], expected, rtol=1e-4, atol=1e-5)
    assert test[3:5].pixel_mean is test.pixel_mean and train.split(0.1)[1].pixel_mean is train.pixel_mean


def test_a_run_leaves_weights_history_and_facts(small, tmp_path, capsys):
    out = tmp_path / "run"
    assert main([*COMMAND, "--epochs", "2", "--seed", "1", "--out", str(out)]) == 0
    assert capsys.readouterr().out.count("epoch ") == 2
    result = json.loads((out / "run.json").read_text())
    assert {"net": "resnet", "depth": 8, "seed": 1, "epochs": 2, "steps": 8}.items() <= result.items()
    assert {"command", "commit", "machine", "versions", "seconds"} <= set(result)
    net = models.CifarNet(8, residual=True)
    weights.load(net, out / "weights.safetensors")
    accuracy = training.evaluate(net, data.load()[1]).accuracy
    assert 1 - accuracy == pytest.approx(result["test_error"], abs=0.005)  # the weights are kept in half precision
    assert len(json.loads((out / "history.json").read_text())["train_loss"]) == 2
    on_train = 1 - training.evaluate(net, data.load()[0]).accuracy
    assert result["training_error"] == pytest.approx(on_train, abs=0.005)
    sample = {"training": on_train, "test": 1 - accuracy}  # `small` gives the same images for the sample
    assert result["error_on_the_sample"] == pytest.approx(sample, abs=0.005)

    assert main([*COMMAND, "--epochs", "2", "--out", str(out)]) == 1
    assert "continue it with --resume" in capsys.readouterr().err
    assert main([*COMMAND, "--epochs", "3", "--seed", "1", "--resume", "--out", str(out)]) == 1
    assert "another run: epochs 2, now 3" in capsys.readouterr().err


def test_a_network_with_other_classes_has_no_error_on_the_sample():
    digits = data.Images(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), classes=("0", "1"))
    assert recipes.errors_on_the_sample(models.CifarNet(8, residual=True, num_classes=2), digits) == {}


def test_norms_are_recorded_at_every_nth_step_and_a_resumed_run_has_them_all(small, tmp_path):
    command = [*COMMAND, "--recipe", "short", "--epochs", "3", "--norms", "3"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main([*command, "--out", str(whole)]) == 0
    once = np.load(whole / "norms.npz")
    assert once["steps"].tolist() == list(range(0, 24, 3)) and once["norms"].shape == (8, 8)
    assert once["names"][0] == "stem.conv.weight" and (once["norms"] > 0).all()

    def stop(history):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "print_epoch", stop)  # after the first epoch's checkpoint: eight steps, three rows
        assert main([*command, "--out", str(stopped)]) == 130
    assert main([*command, "--resume", "--out", str(stopped)]) == 0
    again = np.load(stopped / "norms.npz")
    np.testing.assert_array_equal(once["norms"], again["norms"])
    assert main([*command, "--norms", "2", "--resume", "--out", str(stopped)]) == 1


def test_a_net_can_be_trained_on_some_of_the_classes(small, tmp_path, capsys):
    out = tmp_path / "run"
    command = [*COMMAND, "--epochs", "1", "--out", str(out)]
    assert main([*command, "--classes", "dog", "frog", "airplane"]) == 0
    net = models.CifarNet(8, residual=True, num_classes=3)
    told = weights.load(net, out / "weights.safetensors")
    assert told["classes"] == "['dog', 'frog', 'airplane']"
    test = small_images()[1].only("dog", "frog", "airplane")
    error = json.loads((out / "run.json").read_text())["test_error"]
    assert 1 - training.evaluate(net, test).accuracy == pytest.approx(error, abs=0.03)  # kept in half precision

    assert main([*command, "--classes", "dog", "frog", "ship", "--resume"]) == 1
    assert "another run" in capsys.readouterr().err
    assert main([*command, "--classes", "dgo", "cat"]) == 1
    assert "it was given 'dgo', 'cat'" in capsys.readouterr().err


def test_what_is_given_replaces_the_recipe_s_own_and_is_recorded(small, tmp_path):
    given = {"width": 4, "precision": "fp32", "batch_size": 512, "lr": 0.05, "device": "cpu"}
    options = [text for name, value in given.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    assert main([*COMMAND, "--epochs", "1", *options, "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "run.json").read_text())
    assert {**given, "steps": 2}.items() <= result.items()
    assert result["parameters"] == models.count_parameters(models.CifarNet(8, residual=True, width=4))
    assert max(json.loads((tmp_path / "history.json").read_text())["step_lr"]) <= 0.05


@pytest.mark.parametrize("command", ["train", "reproduce"])
def test_a_device_that_is_not_there_is_answered_with_those_that_are(command, tmp_path, capsys):
    assert main([command, "--data", "sample", "--device", "gpu", "--out", str(tmp_path)]) == 1
    assert "device='gpu'" in (told := capsys.readouterr().err) and "possible: cpu" in told


def test_each_of_several_processes_has_its_own_device(monkeypatch, tmp_path, capsys):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    assert main([*COMMAND, "--device", "cpu", "--out", str(tmp_path)]) == 1
    assert "omit --device" in capsys.readouterr().err


def test_the_record_names_the_arithmetic_that_auto_chose(small, tmp_path, monkeypatch):
    for has, name in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(precision, "_cpu_has_bf16", lambda has=has: has)
        assert main([*COMMAND, "--epochs", "1", "--out", str(tmp_path / name)]) == 0
        assert json.loads((tmp_path / name / "run.json").read_text())["precision"] == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", "21"], "6n + 2"), (["--width", "0"], "from 1 on"), (["--seed", "-1"], "from 0 to 4294967295"),
        (["--seed", "5000000000"], "from 0 to 4294967295"), (["--recipe", "slow"], "invalid choice"),
        (["--batch-size", "0"], "from 1 on"), (["--lr", "0"], "positive number"), (["--lr", "x"], "positive number"),
        (["--lr", "inf"], "positive number"), (["--lr", "nan"], "positive number"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_said_with_exit_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "--out", "x", *arguments])
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_without_tensorboard_the_command_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([*COMMAND, "--tensorboard", "--out", str(tmp_path)]) == 1
    assert "pip install tensorboard" in capsys.readouterr().err


def test_tensorboard_events_hold_scalars_and_the_gradient_norm_of_each_layer(small, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert main([*COMMAND, "--epochs", "1", "--tensorboard", "--out", str(tmp_path / "run")]) == 0
    log = events.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    log.Reload()
    tags = log.Tags()["scalars"]
    assert {"train/loss", "val/accuracy", "learning_rate", "gradient_norm/stem.conv.weight"} <= set(tags)
    assert sum(tag.startswith("gradient_norm/") for tag in tags) == 8


def test_tensorboard_keeps_no_epoch_that_it_has_written(tmp_path):
    pytest.importorskip("tensorboard")
    train, test = small_images()
    net = models.CifarNet(8, residual=True, width=4)
    norms = probes.GradientNorms(net)
    callbacks = [norms, recipes.TensorBoard(tmp_path, norms)]
    training.fit(net, train[:256], test, epochs=1, progress=False, callbacks=callbacks)
    assert len(norms.numpy()) == 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="only POSIX systems can kill without warning")
def test_killed_and_resumed_the_command_ends_where_an_unstopped_run_does(small, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main([*COMMAND, "--epochs", "3", "--out", str(whole)]) == 0
    script = "import sys; from tests import test_recipes as t; t.data.load = t.small_images; t.main(sys.argv[1:])"
    command = [sys.executable, "-c", script, *COMMAND, "--epochs", "3", "--out", str(killed)]
    # The same number of threads as here: sums in another order would differ in their last digit.
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert "epoch   1" in process.stdout.readline()
    time.sleep(0.1)
    process.kill()
    process.communicate()
    assert main([*COMMAND, "--epochs", "3", "--resume", "--out", str(killed)]) == 0
    a, b = (json.loads((folder / "history.json").read_text()) for folder in (whole, killed))
    assert a["step_loss"] == b["step_loss"] and a["val_accuracy"] == b["val_accuracy"]


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_inside_a_project_of_the_readers_no_commit_is_recorded(tmp_path):
    """The package may be installed into a folder that the reader's own repository ignores."""
    git = ["git", "-c", "commit.gpgsign=false", "-c", "user.name=reader", "-c", "user.email=reader@example.org"]
    subprocess.run([*git, "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "theirs"], cwd=tmp_path, check=True)
    assert provenance.commit(tmp_path) == ""
    (tmp_path / "provenance.py").write_text("")
    subprocess.run([*git, "add", "provenance.py"], cwd=tmp_path, check=True)
    assert len(provenance.commit(tmp_path)) == 40
