"""The parts of lesson 10 that no test budget runs: the ladder, and the table when there are records."""

import re

import matplotlib as mpl
import pytest
from premises import cell_sources

from resnet_edu import data, training
from resnet_edu.authoring.normalize import as_a_terminal_shows_it
from resnet_edu.training import recipes

NAME = "10_training_for_real"


def run(cells, **namespace):
    sources = cell_sources(NAME)
    for cell in ("imports", *cells):
        exec(compile(sources[cell], f"cell {cell}", "exec"), namespace)
    return namespace


@pytest.fixture
def record():
    history = {"train_loss": [2.0, 1.5], "train_accuracy": [0.3, 0.5], "val_loss": [1.9, 1.4]}
    return {
        "net": "resnet", "depth": 20, "data": "cifar10", "classes": list(data.CLASSES), "recipe": "fast", "epochs": 2,
        "steps": 392, "parameters": 269722, "test_error": 0.05, "training_error": 0.5, "seconds": 90.0,
        "machine": "a machine", "history": {**history, "val_accuracy": [0.4, 0.95], "seconds": [45.0, 45.0]},
    }  # fmt: skip


def test_the_table_shows_full_runs_and_no_others(record, monkeypatch, capsys):
    six = {**record, "classes": list(data.CLASSES[:6]), "machine": "another machine"}
    small = {**record, "data": "sample"}
    pair = {**record, "machine": "a third machine", "test_error": 0.04}  # its training error means something else
    runs = {"resnet20_cifar10": record, "resnet20_fast_bf16": pair, "six": six, "small": small}
    monkeypatch.setattr(recipes, "recorded", lambda: runs)
    with mpl.rc_context({"savefig.dpi": 50}):
        found = run(["records-run", "images", "ladder94-run"])
    assert list(found["records"]) == ["resnet20_cifar10", "resnet20_fast_bf16"] and found["kept"] == [record]
    said = capsys.readouterr().out
    assert "resnet-20: recipe fast, 2 epochs, 392 steps, on a machine" in said
    assert "best accuracy on record: 0.9600" in said and "94% on record: yes" in said


def test_each_rung_of_the_ladder_keeps_the_changes_of_those_before_it(monkeypatch, capsys):
    climb = run(["records-run", "images", "ladder94-run"])["climb"]
    asked = []

    def fit(net, images, **options):
        asked.append({"width": net.stem.conv.out_channels, **options})
        return training.History(seconds=[1.0])

    monkeypatch.setattr(training, "fit", fit)
    train, test = data.load("sample", size=8, device="cpu")
    climb(train[:32], test[:10])
    assert [options["epochs"] for options in asked] == [30] * 5 + [60]
    assert [options["width"] for options in asked] == [16] * 4 + [64] * 2
    assert [options["lr"] for options in asked] == [0.1, 0.1] + [0.8] * 4
    assert [options.get("precision") for options in asked] == [None] + ["auto"] * 5
    assert [options.get("weight_decay") for options in asked] == [None] * 3 + [5e-4] * 3
    assert all(options["augment"] for options in asked)
    assert len(re.findall(r"^\d .+ in +1\.0 s$", capsys.readouterr().out, re.MULTILINE)) == 6


def test_the_ladder_trains(capsys):
    climb = run(["records-run", "images", "ladder94-run"])["climb"]
    train, test = data.load("sample", size=8, device="cpu")
    climb(train[:32], test[:10], epochs=1, width=4)
    printed = as_a_terminal_shows_it(capsys.readouterr().out)  # without the progress bars
    assert len(re.findall(r"^\d .+ in +\d+\.\d s$", printed, re.MULTILINE)) == 6
