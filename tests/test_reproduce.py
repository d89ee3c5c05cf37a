"""`python -m resnet_edu reproduce`: the grid, its table and figure; `authoring keep`, which puts a run on record."""

import hashlib
import json

import pytest
from test_recipes import COMMAND, small  # noqa: F401 - a fixture

from resnet_edu import data, files, models, plots, training
from resnet_edu.__main__ import main
from resnet_edu.models import weights
from resnet_edu.training import recipes, reproduce

SMALL = ["reproduce", "--data", "sample", "--recipe", "fast", "--epochs", "2", "--depths", "8"]


@pytest.fixture
def grid(small, tmp_path):  # noqa: F811
    out = tmp_path / "grid"
    assert main([*SMALL, "--out", str(out)]) == 0
    return out


def test_the_grid_leaves_table_numbers_and_figure(grid, capsys):
    runs = json.loads((grid / "results.json").read_text())
    assert [(run["net"], run["depth"]) for run in runs] == [("plain", 8), ("resnet", 8)]
    assert all(len(run["history"]["val_accuracy"]) == 2 and run["commit"] for run in runs)
    assert f"| ResNet-8 | fast | {runs[1]['precision']} | 75,290 |" in (grid / "table.md").read_text()
    assert (grid / "figure6.png").read_bytes().startswith(b"\x89PNG")


def test_what_has_ended_is_not_run_again_and_another_seed_joins_it(grid, monkeypatch, capsys):
    trained = []
    real = recipes.train
    monkeypatch.setattr(recipes, "train", lambda *args, **options: trained.append(args[:2]) or real(*args, **options))
    assert main([*SMALL, "--out", str(grid)]) == 0 and trained == []
    assert main([*SMALL, "--out", str(grid), "--nets", "plain", "--seeds", "2"]) == 0
    assert trained == [("plain", 8)]
    errors = [100 * run["test_error"] for run in reproduce.results(grid) if run["net"] == "plain"]
    mean, deviation = sum(errors) / 2, abs(errors[0] - errors[1]) / 2**0.5
    assert f"| {mean:.2f} ± {deviation:.2f}% |" in (grid / "table.md").read_text()


def test_runs_that_differ_in_more_than_the_seed_are_lines_of_their_own(grid):
    (run,) = [run for run in reproduce.results(grid) if run["net"] == "resnet"]
    others = [{**run, "precision": "fp16"}, {**run, "width": 64}, {**run, "recipe": "paper"}, {**run, "seed": 1}]
    old = {name: value for name, value in run.items() if name not in ("precision", "width")}
    lines = reproduce.table([run, *others, old]).splitlines()[2:]
    names = [line.split(" | ")[0].removeprefix("| ResNet-8") for line in lines]
    assert names == ["", "", ", width 64", "", ""]
    assert [line.split(" | ")[2] for line in lines if "auto" in line] == ["auto"]  # what the old record's recipe says


@pytest.mark.parametrize(
    ("option", "value"),
    [("--recipe", "paper"), ("--data", "cifar10"), ("--epochs", "3"), ("--batch-size", "64"), ("--lr", "0.1")],
)
def test_runs_of_two_kinds_are_not_mixed(grid, option, value, capsys):
    assert main([*SMALL, "--out", str(grid), option, value]) == 1
    assert option.strip("-").replace("-", "_") in capsys.readouterr().err


def test_an_early_record_without_batch_size_and_rate_is_of_its_recipe(grid, monkeypatch):
    for path in grid.glob("*/run.json"):
        run = json.loads(path.read_text())
        path.write_text(json.dumps({name: run[name] for name in run if name not in ("batch_size", "lr")}))
    monkeypatch.delattr(recipes, "train")  # nothing is left to train
    assert main([*SMALL, "--out", str(grid)]) == 0
    assert main([*SMALL, "--out", str(grid), "--lr", "0.1"]) == 1


@pytest.mark.parametrize(("history", "run"), [("{}", "{}"), ("[]", "{}"), ("{", "{}"), (None, "{}"), (None, "[]")])
def test_a_folder_with_other_files_is_named(tmp_path, history, run, capsys):
    folder = tmp_path / "plain8_seed0"
    folder.mkdir()
    lists = json.dumps({name: [0.5] for name in recipes.EPOCH_LISTS})
    (folder / "history.json").write_text(lists if history is None else history)
    (folder / "run.json").write_text(run)
    assert main([*SMALL, "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"resnet_edu: {folder}: run.json and history.json do not describe a run")


def test_a_grid_that_is_stopped_goes_on_from_the_last_whole_epoch(small, tmp_path, monkeypatch, capsys):  # noqa: F811
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main([*SMALL, "--out", str(whole)]) == 0

    def stop_once(history, real=recipes.print_epoch):
        monkeypatch.setattr(recipes, "print_epoch", real)
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes, "print_epoch", stop_once)
    assert main([*SMALL, "--out", str(stopped)]) == 130
    assert "continues from the last complete epoch" in capsys.readouterr().out
    assert main([*SMALL, "--out", str(stopped)]) == 0
    a, b = (reproduce.results(folder) for folder in (whole, stopped))
    assert [run["history"]["val_loss"] for run in a] == [run["history"]["val_loss"] for run in b]


def test_the_paper_starts_resnet_110_with_its_warm_up(monkeypatch, tmp_path):
    asked = {}

    def fit(net, *args, schedule, **options):
        asked[models.count_parameters(net)] = schedule
        raise ValueError("enough")

    monkeypatch.setattr(training, "fit", fit)
    for depth in (56, 110):
        with pytest.raises(ValueError, match="enough"):
            recipes.train("resnet", depth, "paper", data_name="sample", out=tmp_path)
    assert asked == {853_018: training.paper, 1_727_962: recipes.warm_up}


def history(errors, training_errors):
    lists = {"val_accuracy": [1 - e for e in errors], "train_accuracy": [1 - e for e in training_errors]}
    return training.History(**lists)


def test_the_figure_has_both_errors_of_each_net_in_per_cent_on_one_scale():
    nets = {"plain-20": history([0.5, 0.25], [0.6, 0.2]), "plain-32": history([0.7, 0.4], [0.8, 0.3])}
    figure = plots.error_curves({"plain nets": nets, "ResNet nets": {"ResNet-20": history([0.3, 0.1], [0.4, 0.05])}})
    figure.draw_without_rendering()
    left, right = figure.axes
    drawn = [(line.get_linestyle(), [round(y, 6) for y in line.get_ydata()]) for line in left.lines]
    assert drawn == [("--", [60, 20]), ("-", [50, 25]), ("--", [80, 30]), ("-", [70, 40])]
    assert left.get_ylim() == right.get_ylim() and left.get_ylim()[0] == 0
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["ResNet-20"]


def test_a_history_without_test_images_is_refused():
    with pytest.raises(ValueError, match="plain-20, validation"):
        plots.error_curves({"plain nets": {"plain-20": training.History(train_accuracy=[0.1])}})


@pytest.fixture
def course(tmp_path, monkeypatch):
    folder = tmp_path / "course"
    (folder / "runs").mkdir(parents=True)
    (folder / "weights").mkdir()
    (folder / "runs" / "lessons.json").write_text('{"01_convolutional_networks": {"seconds": 10}}')
    (folder / "cifar10_sample").symlink_to(files.course_folder() / "cifar10_sample")
    monkeypatch.setattr(files, "course_folder", lambda: folder)
    return folder


def test_a_run_that_has_ended_is_kept_with_the_course(small, course, tmp_path, capsys):  # noqa: F811
    out = tmp_path / "run"
    assert main([*COMMAND, "--epochs", "1", "--norms", "2", "--out", str(out)]) == 0
    assert main(["authoring", "keep", str(out), "resnet8"]) == 0
    (run,) = recipes.recorded().values()
    assert run["depth"] == 8 and len(run["history"]["val_accuracy"]) == 1
    assert run["test_error"] == pytest.approx(1 - run["history"]["val_accuracy"][-1], abs=1e-4)
    net = models.CifarNet(8, residual=True)
    weights.load(net, course / "weights" / "resnet8.safetensors")
    norms = recipes.recorded_norms("resnet8")
    assert norms.steps.tolist() == list(range(0, run["steps"], 2)) and norms.numpy().shape == (len(norms.steps), 8)
    digest = hashlib.sha256((course / "weights" / "resnet8.safetensors").read_bytes()).hexdigest()
    assert (course / "weights" / "SHA256SUMS").read_text() == f"{digest}  resnet8.safetensors\n"


@pytest.mark.parametrize("name", ["../up", "Resnet", "a b", "", "lessons", "claims"])
def test_a_run_is_kept_under_a_plain_name(course, tmp_path, name, capsys):
    assert main(["authoring", "keep", str(tmp_path), name]) == 1
    assert "cannot be the name of a run" in capsys.readouterr().err
    assert "01_convolutional_networks" in (course / "runs" / "lessons.json").read_text()


def test_what_has_not_ended_is_not_kept(course, tmp_path, capsys):
    assert main(["authoring", "keep", str(tmp_path), "resnet8"]) == 1
    assert "has no finished run" in capsys.readouterr().err
    (tmp_path / "run.json").write_text("{")
    (tmp_path / "history.json").write_text("{}")
    assert main(["authoring", "keep", str(tmp_path), "resnet8"]) == 1
    assert "run.json and history.json" in capsys.readouterr().err


def test_every_recorded_run_tells_how_it_was_made():
    for run in recipes.recorded().values():
        assert {"commit", "command", "seed", "machine", "versions", "seconds"} <= run.keys() and run["commit"]


@pytest.mark.parametrize(
    "name", [path.stem for path in sorted((files.course_folder() / "weights").glob("*.safetensors"))]
)
def test_stored_weights_reach_the_error_of_their_recorded_run(name):
    """The record was measured on 10,000 images, this is on 1,000 of them (600 of six classes): 4 standard errors."""
    run = recipes.recorded()[name]
    net = models.CifarNet(run["depth"], residual=run["net"] == "resnet", num_classes=len(run["classes"]))
    weights.load(net, name)
    _, test = data.load("sample", device="cpu")
    some = test.only(*run["classes"])
    error = 1 - training.evaluate(net, some).accuracy
    assert error == pytest.approx(run["test_error"], abs=4 * (run["test_error"] / len(some)) ** 0.5)
    if "error_on_the_sample" in run:  # the same 1,000 images, with the weights before they were stored in float16
        assert error == pytest.approx(run["error_on_the_sample"]["test"], abs=0.005)
