"""What `lesson` promises: budgets that agree with each other, claims that can fail, figures with words."""

import base64
import json
import math
import re
import struct
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from samples import cifar, pictures

from resnet_edu import files, lesson, plots, training
from resnet_edu.lesson import LivePlot, budget, claim, seed, show


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(lesson, "pick_device", lambda device: torch.device("cpu"))


def chart(values=(1.0, 2.0)):
    return plots.training_curves({"plain": values})


# --- budget and seed --------------------------------------------------------------------------------------------------

SETTINGS = {"smoke": {"epochs": 1, "lr": 0.1}, "laptop": {"epochs": 8, "lr": 0.1}, "gpu": {"epochs": 30, "lr": 0.4}}


@pytest.mark.parametrize("name", ["smoke", "laptop", "gpu"])
def test_the_environment_names_the_budget(name, monkeypatch, capsys):
    monkeypatch.setenv("RESNET_EDU_BUDGET", name)
    run = budget(**SETTINGS)
    assert vars(run) == {"name": name, **SETTINGS[name]}
    assert capsys.readouterr().out == f"Budget '{name}': epochs {run.epochs}, lr {run.lr}\n"


@pytest.mark.parametrize("value", [None, ""])
def test_without_it_the_machine_decides(value, monkeypatch):
    monkeypatch.delenv("RESNET_EDU_BUDGET") if value is None else monkeypatch.setenv("RESNET_EDU_BUDGET", value)
    assert budget(**SETTINGS).name == "laptop"
    monkeypatch.setattr(lesson, "pick_device", lambda device: torch.device("cuda"))
    assert budget(**SETTINGS).name == "gpu"


def test_the_notebook_s_own_variables_come_first(page, monkeypatch):
    monkeypatch.setenv("RESNET_EDU_BUDGET", "gpu")
    monkeypatch.setenv("RESNET_EDU_SEED", "3")
    names = lesson.get_ipython().user_ns
    for name, shift, expected in (("smoke", 2, ("smoke", 205)), ("", "", ("gpu", 305))):
        monkeypatch.setitem(names, "RESNET_EDU_BUDGET", name)
        monkeypatch.setitem(names, "RESNET_EDU_SEED", shift)
        assert (budget(**SETTINGS).name, seed(5)) == expected


def test_a_gpu_without_its_own_budget_gets_the_laptop_s(monkeypatch):
    monkeypatch.setenv("RESNET_EDU_BUDGET", "gpu")
    run = budget(smoke=SETTINGS["smoke"], laptop=SETTINGS["laptop"])
    assert (run.name, run.epochs) == ("gpu", 8)


def test_a_budget_leaves_its_table_alone():
    table = {name: dict(settings) for name, settings in SETTINGS.items()}
    budget(**table).epochs = 99
    assert table == SETTINGS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"smoke": {"epochs": 1}}, "smoke.* lr"), ({"gpu": {"epochs": 1, "lr": 1, "images": 9}}, "gpu.*images"),
        ({"smoke": None}, "smoke=None"), ({"laptop": 3}, "laptop=3"), ({"gpu": [("epochs", 1)]}, "gpu="),
    ],
)  # fmt: skip
def test_budgets_have_to_agree(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        budget(**{**SETTINGS, **change})


@pytest.mark.parametrize("key", ["name", 3, "two words"])
def test_a_setting_needs_a_name_of_its_own(key):
    with pytest.raises(ValueError, match=re.escape(repr(key))):
        budget(smoke={key: 1}, laptop={key: 1})


def test_an_unknown_budget_is_an_error(monkeypatch):
    monkeypatch.setenv("RESNET_EDU_BUDGET", "Laptop")
    with pytest.raises(ValueError, match="'Laptop'"):
        budget(**SETTINGS)


def test_one_variable_moves_every_seed(monkeypatch):
    monkeypatch.delenv("RESNET_EDU_SEED", raising=False)
    assert [seed(), seed(3), seed(np.int64(4))] == [0, 3, 4]
    monkeypatch.setenv("RESNET_EDU_SEED", "")
    assert seed(3) == 3
    monkeypatch.setenv("RESNET_EDU_SEED", "2")
    assert [seed(), seed(3)] == [200, 203]
    assert len({seed(base) for base in range(100)}) == 100
    for wrong in ("-1", "two", "1.5", " "):
        monkeypatch.setenv("RESNET_EDU_SEED", wrong)
        with pytest.raises(ValueError, match="RESNET_EDU_SEED"):
            seed()


@pytest.mark.parametrize("base", [-1, 1.0, "1", True, None])
def test_a_seed_is_a_whole_number(base):
    with pytest.raises((TypeError, ValueError), match=f"seed={base!r}"):
        seed(base)


# --- claims -----------------------------------------------------------------------------------------------------------


def test_a_claimed_count_is_printed_in_full(capsys):
    claim("parameters", 24_234, within=(24_234, 30_000))
    claim("a factor", 2.5e15, within=(1e12, 1e18))
    claim("a measured number", 12_345.6, within=(0, math.inf))
    assert capsys.readouterr().out == (
        "✓ parameters: 24,234 (from 24,234 to 30,000)\n"
        "✓ a factor: 2.5e+15 (from 1e+12 to 1e+18)\n"
        "✓ a measured number: 1.235e+04 (at least 0)\n"
    )


@pytest.mark.parametrize(
    ("bound", "holds", "fails", "words"),
    [
        ({"at_least": 0.5}, (0.5, 3), (0.4999, math.nan), "at least 0.5"),
        ({"at_most": 3}, (3, -1), (3.001, math.nan), "at most 3"),
        ({"equals": 55}, (55,), (54, 56, 55.001), "equals 55"),
        ({"within": (0.1, 2)}, (0.1, 2, True), (0.0999, 2.0001, -math.inf, math.inf, math.nan), "from 0.1 to 2"),
        ({"within": (0.5, math.inf)}, (0.5, 3), (0.4999, math.nan), "at least 0.5"),
        ({"within": (-math.inf, 3)}, (3, -1), (3.001, math.nan), "at most 3"),
        ({"within": (1, 1)}, (1,), (0.999, 1.001), "from 1 to 1"),
    ],
)
def test_a_bound_is_named_by_its_direction(bound, holds, fails, words, capsys):
    for value in holds:
        claim("it holds", value, **bound)
        assert capsys.readouterr().out == f"✓ it holds: {value:g} ({words})\n"
    for value in fails:
        with pytest.raises(lesson.ClaimError, match=f"it holds.*{words}"):
            claim("it holds", value, **bound)
    assert capsys.readouterr().out == "" and issubclass(lesson.ClaimError, AssertionError)


def test_the_recorded_runs_stand_beside_the_bound_at_the_budget_they_were_made_with(monkeypatch, capsys):
    monkeypatch.setattr(lesson, "_recorded_claims", lambda: {"it learns": [0.31, 0.28, 0.33]})
    monkeypatch.setenv("RESNET_EDU_BUDGET", "laptop")
    claim("it learns", 0.3, at_least=0.2)
    with pytest.raises(lesson.ClaimError, match=r"at least 0.5; 3 recorded runs: 0.28 to 0.33"):
        claim("it learns", 0.3, at_least=0.5)
    monkeypatch.setenv("RESNET_EDU_BUDGET", "smoke")
    claim("it learns", 0.3, at_least=0.2)
    assert capsys.readouterr().out == (
        "✓ it learns: 0.3 (at least 0.2; 3 recorded runs: 0.28 to 0.33)\n✓ it learns: 0.3 (at least 0.2)\n"
    )


def test_an_experiment_is_run_where_it_is_recorded_and_read_everywhere_else(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(files, "course_folder", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no recorded result grid\.json"):
        lesson.recorded("grid", lambda: 1 / 0)
    monkeypatch.setenv("RESNET_EDU_RECORD", "1")
    (tmp_path / "runs").mkdir()
    assert lesson.recorded("grid", lambda: {"plain": [0.25, 0.5]}) == {"plain": [0.25, 0.5]}
    monkeypatch.setenv("RESNET_EDU_RECORD", "0")
    assert lesson.recorded("grid", lambda: 1 / 0) == {"plain": [0.25, 0.5]}
    kept = json.loads((tmp_path / "runs" / "grid.json").read_text())
    assert {"commit", "machine", "versions", "seconds", "seed", "budget"} <= set(kept)


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(0.5), torch.tensor([[0.5]], requires_grad=True), torch.tensor(0.5, dtype=torch.bfloat16),
        np.float32(0.5), np.array([0.5]), np.array(0.5),
    ],
)  # fmt: skip
def test_claims_take_tensors_and_arrays_of_one_number(value, capsys):
    claim("a half", value, within=(torch.tensor(0.4), np.float64(0.6)))
    assert "a half: 0.5 (from 0.4 to 0.6)" in capsys.readouterr().out


@pytest.mark.parametrize("budget_name", ["smoke", "laptop", "gpu"])
@pytest.mark.parametrize("since", ["smoke", "laptop", "gpu"])
def test_a_claim_counts_from_its_budget_on(since, budget_name, monkeypatch, capsys):
    monkeypatch.setenv("RESNET_EDU_BUDGET", budget_name)
    order = ["smoke", "laptop", "gpu"]
    if order.index(budget_name) < order.index(since):
        claim("it is small", 5, within=(0, 1), since=since)
        assert capsys.readouterr().out == f"– it is small: 5 (checked from the budget '{since}' on)\n"
    else:
        with pytest.raises(lesson.ClaimError):
            claim("it is small", 5, within=(0, 1), since=since)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sentence": ""}, "sentence"), ({"sentence": 0.5}, "sentence"),
        ({"value": None}, "value.* None"), ({"value": "0.5"}, "value.*'0.5'"), ({"value": 1j}, "value.*1j"),
        ({"value": torch.zeros(2)}, "value.*tensor"), ({"value": np.zeros(0)}, "value.*array"),
        ({"value": torch.zeros((), device="meta")}, "value.*tensor"),
        ({"within": 3}, "within=3"), ({"within": (1, 2, 3)}, "within="), ({"within": "12"}, "within='12'"),
        ({"within": (2, 1)}, "within="), ({"within": (math.nan, 1)}, "within="),
        ({"within": (-math.inf, math.inf)}, "they claim nothing"),
        ({"within": None}, "exactly one"), ({"at_least": 0}, "exactly one"),
        ({"within": None, "at_least": math.inf}, "at_least=inf"), ({"within": None, "equals": "1"}, "'1'"),
        ({"since": "cpu"}, "since='cpu'"), ({"since": None}, "since=None"),
    ],
)  # fmt: skip
def test_a_claim_that_cannot_be_one_is_an_error(options, message):
    arguments = {"sentence": "it holds", "value": 1.0, "within": (0, 2), **options}
    with pytest.raises((TypeError, ValueError), match=message):
        claim(arguments.pop("sentence"), arguments.pop("value"), **arguments)


# --- figures ----------------------------------------------------------------------------------------------------------


def png_size(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def test_a_figure_is_shown_with_its_alt_text_and_a_sentence(page, capsys):
    show(chart(), alt="Accuracy rises from 1 to 2.")
    (output,) = page
    assert output["metadata"] == {"image/png": {"alt": "Accuracy rises from 1 to 2."}}
    assert output["data"]["text/plain"] == "Accuracy rises from 1 to 2."
    assert png_size(output["data"]["image/png"]) == (900, 360)
    assert capsys.readouterr().out == "Figure: Accuracy rises from 1 to 2.\n"
    show(chart(), alt="The long alt text.", sentence="The short sentence.")
    assert capsys.readouterr().out == "Figure: The short sentence.\n"


def test_the_same_figure_is_the_same_bytes(page):
    for _ in range(2):
        show(chart(), alt="A line.")
    assert page[0]["data"]["image/png"] == page[1]["data"]["image/png"]


def test_a_shown_figure_fits_into_a_notebook_file(page):
    from jupyter_client.jsonutil import json_default

    show(chart(), alt="A line.")
    text = json_default(page[0]["data"]["image/png"])  # what the kernel does with bytes on their way
    assert png_size(base64.b64decode(text)) == (900, 360)


def test_a_live_plot_stays_in_one_place(page):
    drawn = []

    def draw(histories):
        drawn.append(dict(histories))
        return chart()

    live = LivePlot(draw, alt="Accuracy by epoch.")
    assert page == []
    first, second = live.watch("plain"), live.watch("residual")
    assert "image/png" not in page[0]["data"], "a line, above whatever the training prints"
    first("h1")
    second("h2")
    first("h3")
    assert drawn == [{"plain": "h1"}, {"plain": "h1", "residual": "h2"}, {"plain": "h3", "residual": "h2"}]
    assert [output["update"] for output in page] == [False, True, True, True]
    assert len({output["transient"]["display_id"] for output in page}) == 1
    assert all(output["metadata"]["image/png"]["alt"] == "Accuracy by epoch." for output in page[1:])
    other = LivePlot(draw, alt="Another.")
    other.update()
    assert page[-1]["transient"] != page[0]["transient"]


def test_in_plain_python_nothing_is_displayed(capsys):
    show(chart(), alt="A line.")
    LivePlot(lambda histories: chart(), alt="A line.").update()
    assert capsys.readouterr().out == "Figure: A line.\n"


@pytest.mark.parametrize(
    ("figure", "alt", "message"),
    [
        (None, "A line.", "NoneType"), (Figure().subplots(), "A line.", "Axes"),
        (Figure(), "", "alt"), (Figure(), " ", "alt"), (Figure(), None, "alt"),
    ],
)  # fmt: skip
def test_a_figure_needs_words(figure, alt, message):
    with pytest.raises(TypeError, match=message):
        show(figure, alt=alt)
    with pytest.raises(TypeError, match=message):
        LivePlot(lambda histories: figure, alt=alt).update()


def test_a_live_plot_needs_words_before_the_first_epoch():
    with pytest.raises(TypeError, match="alt"):
        LivePlot(lambda histories: chart(), alt=" ")


# --- the stop button --------------------------------------------------------------------------------------------------


def stopped_run():
    def press_stop(history):
        raise KeyboardInterrupt

    return training.fit(cifar(), pictures(), epochs=3, batch_size=8, callbacks=[press_stop], progress=False)


def test_in_a_lesson_a_stop_ends_the_cell_and_elsewhere_the_training_only(page):
    with pytest.raises(lesson.Stopped, match="after 1 of 3 epochs"):
        stopped_run()
    InteractiveShell.clear_instance()
    assert stopped_run().interrupted


def test_another_stop_is_one_sentence_that_names_the_line(page, capsys):
    shell = InteractiveShell.instance()
    shell.set_custom_exc((KeyboardInterrupt,), lesson._in_one_sentence)
    shell.run_cell("def f():\n    raise KeyboardInterrupt\nf()")
    assert "line 3, `f()`" in (sentence := said(capsys)) and "Traceback" not in sentence


def ended(source, error=None, before=None, **cell):
    info = SimpleNamespace(raw_cell=source, **cell)
    lesson._after_cell(SimpleNamespace(info=info, error_before_exec=before, error_in_exec=error))


def said(capsys):
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("error", [lesson.Stopped(), ValueError()])
def test_a_cell_that_uses_what_an_unfinished_one_makes_says_which_to_run_again(capsys, error):
    ended("x = train()\nshow(x)", error, cell_id="a")
    ended("claim(x)", NameError(), cell_id="b")
    ended("y = x + 1", cell_id="c")  # it may use what an earlier run left behind
    ended("claim(y)", cell_id="d")  # and so may what is made from it
    ended("x = train(", before=SyntaxError(), cell_id="a")
    assert said(capsys).count("begins with `x = train()`") == 3
    ended("claim(z)", cell_id="e")
    ended("for x in range(3): print(x)", cell_id="f")
    assert not said(capsys)
    ended("claim(z)", NameError(), cell_id="e")
    assert said(capsys) == lesson.MISSING_NAME
    ended("x = train(epochs=1)\nshow(x)", cell_id="a")  # the reason to stop a cell may be to change it
    ended("claim(x, y)", cell_id="b")
    assert not said(capsys)


def test_a_cell_that_makes_the_names_anew_needs_no_unfinished_one(capsys):
    ended("x = train()", lesson.Stopped(), cell_id="a")
    ended("def late(x):\n    return [x for x in x]", cell_id="e")
    ended("x = 3", cell_id="b")
    ended("claim(x)", cell_id="c")
    ended("%%time\nclaim(x)", cell_id="d")
    assert not said(capsys)


def test_a_figure_is_shown_by_one_cell_only(page, monkeypatch):
    figure = chart()
    for _ in range(2):
        lesson.show(figure, alt="A line.")
    monkeypatch.setattr(lesson, "_running", ["another cell"])
    with pytest.raises(lesson.OldFigure):
        lesson.show(figure, alt="A line.")


def test_a_missing_name_is_answered_even_in_the_first_cell_after_a_restart(monkeypatch):
    monkeypatch.setenv("PYTHONSTARTUP", lesson.__file__.replace("lesson.py", "authoring/startup.py"))  # as `open` does
    notebook = new_notebook(cells=[new_code_cell("slide(1)")])
    NotebookClient(notebook, allow_errors=True, kernel_name="python3").execute()
    assert any("Run All Above" in output.get("text", "") for output in notebook.cells[0].outputs)


def test_on_a_gpu_a_lesson_rounds_as_on_a_cpu():
    assert not torch.backends.cudnn.allow_tf32 and torch.backends.cudnn.deterministic
