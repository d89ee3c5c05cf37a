"""Rendering and checking lessons: each rule has a notebook that breaks it and no other."""

import base64
import json
import math
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from resnet_edu.authoring import lessons as course
from resnet_edu.authoring.address import SETUP
from resnet_edu.authoring.check import RULES, bare_call, below, brings_back_no_old_phrase, check, warnings
from resnet_edu.authoring.claims import bounds, is_wide, wide_claims
from resnet_edu.authoring.lessons import Refusal, find_lesson, lessons
from resnet_edu.authoring.normalize import KERNELSPEC, LANGUAGE, as_a_terminal_shows_it, normalize, to_text
from resnet_edu.authoring.render import record_claims, render, run_notebook, write_picture, write_time
from resnet_edu.exercises import progress
from resnet_edu.lesson import claim

TITLE = "# 03 · A lesson\n\n## Objectives\n\n### In detail\n\nSee [the text](../README.md#top) and `[no](link)`."
TITLE += "\n**Time:** about 50 minutes."
FENCE = "```python\n# a comment, not a title\n![](no_image.png)\n```\n\n![A curve](curve.png)\n\n## Recap"

QUIZ = "**Quiz.** One?" + "".join(
    f"\n\n<details><summary>{option}</summary>\n\n**{verdict}** So it is.\n</details>"
    for option, verdict in {"A. 1": "Right.", "B. 2": "No."}.items()
)


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "README.md").write_text("# Course\n\n| 03 | [A](notebooks/03_a_lesson.ipynb) | sees | 14 s |\n")
    (tmp_path / "data" / "runs").mkdir(parents=True)
    run = {"seconds": 14, "budget": "laptop"}
    (tmp_path / "data" / "runs" / "lessons.json").write_text(json.dumps({"03_a_lesson": run, "Untitled": run}))
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "curve.png").write_bytes(b"")
    (tmp_path / "notebooks" / "FOR_INSTRUCTORS.md").write_text("| 03 | [A](03_a_lesson.ipynb) | 50 | ... |\n")
    (tmp_path / "notebooks" / "00_start_here.ipynb").write_text("| 03 | [A](03_a_lesson.ipynb) | ... | 50 min |\n")
    (tmp_path / "tests" / "premises").mkdir(parents=True)
    (tmp_path / "tests" / "premises" / "lesson03.py").touch()
    return tmp_path


def figure(alt="A curve."):
    png = base64.b64encode(b"not really a picture").decode()
    return new_output("display_data", {"image/png": png}, metadata={"image/png": {"alt": alt}})


def good_lesson():
    """A lesson that keeps every rule."""
    cells = [
        new_markdown_cell(TITLE),
        new_code_cell("x = 1\nprint(x)", execution_count=1, outputs=[new_output("stream", text="1\n")]),
        new_markdown_cell(FENCE),
        new_code_cell("show(x)", execution_count=2, outputs=[figure()]),
        new_code_cell(""),
        new_markdown_cell("## Papers"),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    cells.append(new_code_cell(SETUP, id="setup", execution_count=3))
    cells.append(new_markdown_cell(QUIZ, id="quiz"))
    return new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})


def write(repository, notebook, name="03_a_lesson.ipynb"):
    path = repository / "notebooks" / name
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


# ---- Rules ----------------------------------------------------------------------------------------------------------


def test_a_good_lesson_has_no_problem(repository):
    assert check(write(repository, good_lesson())) == []


def edit(index, **changes):
    return lambda notebook: notebook.cells[index].update(changes)


def output(*outputs):
    return edit(1, outputs=list(outputs))


def tag(name, *outputs):
    return edit(1, metadata=NotebookNode(tags=[name]), outputs=list(outputs))


def printed(text, name="stdout"):
    return output(new_output("stream", name=name, text=text))


ERROR = new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])
BREAKS = [
    ("has_the_form_of_a_lesson", "has 1,1", edit(0, source=TITLE + " " * 1_100_000)),
    ("has_the_form_of_a_lesson", "python3", lambda n: n.metadata.kernelspec.update(name="conda-env-me")),
    ("has_the_form_of_a_lesson", "widget state", lambda n: n.metadata.update(widgets={})),
    ("has_the_form_of_a_lesson", "no cell with the id setup", edit(6, id="start")),
    ("has_the_form_of_a_lesson", "no cell with the id setup", edit(6, source=SETUP.replace("--no-deps", "--upgrade"))),
    ("has_cell_ids", "text (## Papers): it has no id", lambda n: n.cells[5].pop("id")),
    ("has_cell_ids", "cell [2] (show(x)): its id cell-1", edit(3, id="cell-1")),
    ("is_executed_in_order", "cell [2] (show(x)): it was not run", edit(3, execution_count=None)),
    ("is_executed_in_order", "cell [1] (x = 1): it was run as [7]", edit(1, execution_count=7)),
    ("is_executed_in_order", "it was not run", edit(4, source="y = 2")),
    ("ends_in_no_error", "cell [1] (x = 1): it ends in an error", output(ERROR)),
    ("ends_in_no_error", "stores no error", tag("raises-exception")),
    ("is_known_to_the_course", "Add **Time:**", edit(0, source=TITLE.replace("**Time:**", "Time:"))),
    ("is_known_to_the_course", "00_start_here.ipynb, or one with other", edit(0, source=TITLE.replace("50", "51"))),
    ("says_where_time_is_measured", 'tag "timing"', printed("x\n3 epochs, 0.4 s: training accuracy 0.274\n")),
    ("prints_nothing_to_stderr", "(UserWarning: hm)", printed("UserWarning: hm\n", "stderr")),
    ("stores_what_nbval_compares", "no output to compare", tag("nbval-check-output")),
    ("has_one_title_and_skips_no_level", "has 2 headings of level 1", edit(5, source="# Papers")),
    ("has_one_title_and_skips_no_level", "has 0 headings of level 1", edit(0, source=TITLE[len("# 03 · A lesson") :])),
    ("has_one_title_and_skips_no_level", "'In detail' has level 4", edit(0, source=TITLE.replace("###", "####"))),
    ("has_its_sections", "no section 'Papers'", edit(5, source="## Literature")),
    ("describes_pictures", "image curve.png", edit(5, source="## Papers\n![](curve.png)")),
    ("describes_pictures", "<img", edit(5, source='## Papers\n<img src="curve.png" alt="">')),
    ("describes_pictures", "cell [1] (x = 1): its figure", output(figure(alt=" "))),
    ("links_to_what_is_there", "lost.md#top", edit(5, source="## Papers\n[It](lost.md#top)")),
    ("links_to_what_is_there", "../../README.md", edit(5, source="## Papers\n[It](../../README.md)")),
    ("links_to_what_is_there", "lost.png", edit(5, source='## Papers\n<img src="lost.png" alt="It">')),
    ("asks_with_a_right_and_a_wrong_answer", "needs both", edit(7, source=QUIZ.replace("No.", "Right."))),
    ("folds_what_only_checks", "cell-1-checked", edit(1, source='x = 1\nfor y in "ab":\n    claim(y, x, equals=1)')),
    ("folds_what_answers", "Begin with a comment", edit(3, source='show(x, alt="It falls.")')),
    ("folds_what_answers", "cell-3-checked", edit(2, source=FENCE + "\n\n**Predict.** What will it show?")),
    ("folds_what_answers", "cell-3-checked", edit(2, source=FENCE + "\n\n**Look at** your guess.")),
    ("names_no_local_path", "/home/ada/x.pt", edit(1, source="x = '/home/ada/x.pt'")),
    ("names_no_local_path", "/tmp/ipykernel_7/1.py", printed("in /tmp/ipykernel_7/1.py: 3")),
    ("names_no_local_path", "site-packages", printed("lib/site-packages/torch/nn.py")),
    ("names_no_local_path", r"C:\Users", edit(5, source=r"## Papers in C:\Users\ada\papers")),
    ("names_no_local_path", str(course.ROOT), printed(f"{course.ROOT}/data")),
    ("prints_no_address", "at 0x7f12ab34", printed("<object at 0x7f12ab34>")),
    ("ends_in_no_bare_call", "what manual_seed() returns", edit(1, source="import torch\ntorch.manual_seed(0)")),
    ("ends_in_no_bare_call", "what plot() returns", edit(1, source="ax.plot([1, 2])  # a curve")),
    ("installs_nothing_by_magic", "%pip", edit(1, source="%pip install torch")),
    ("installs_nothing_by_magic", "pip", edit(1, source="!python -m pip install torch")),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "says", "change"), BREAKS, ids=[f"{rule}: {says}" for rule, says, _ in BREAKS])
def test_a_lesson_that_breaks_one_rule_is_told_so(repository, rule, says, change):
    notebook = good_lesson()
    change(notebook)
    path = write(repository, notebook)
    assert broken_rules(path) == [rule]
    assert [problem for problem in check(path) if problem.startswith(f"{path.name} ") and says in problem]


def test_a_lesson_has_a_number_and_a_name(repository):
    path = write(repository, good_lesson(), "Untitled.ipynb")
    assert broken_rules(path) == ["has_the_form_of_a_lesson", "is_known_to_the_course"]


def test_a_new_lesson_is_told_where_it_is_not_known(repository):
    record = repository / "data" / "runs" / "lessons.json"
    record.write_text(record.read_text().replace("Untitled", "04_b"))
    path = write(repository, good_lesson(), "04_b.ipynb")
    assert broken_rules(path) == ["is_known_to_the_course"]
    places = ("README.md", "FOR_INSTRUCTORS.md", "00_start_here.ipynb", "lesson04.py")
    for place, problem in zip(places, check(path), strict=True):
        assert place in problem


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("README.md", "| 03 | [A](notebooks/03_a_lesson.ipynb) | sees | 41 s |", "takes 41 s"),
        ("README.md", "| 03 | [A](notebooks/03_a_lesson.ipynb) | sees | 14 min |", "takes 14 min"),
        ("data/runs/lessons.json", "{}", "has no time"),
        ("data/runs/lessons.json", "damaged", "has no time"),
        ("data/runs/lessons.json", '{"03_a_lesson": {"seconds": 14, "budget": "smoke"}}', "of the budget smoke"),
    ],
)
def test_the_time_in_the_readme_is_the_measured_one(repository, file, text, says):
    path = write(repository, good_lesson())
    (repository / file).write_text(text)
    assert broken_rules(path) == ["tells_the_time_that_it_took"]
    assert says in check(path)[0]


def test_every_rule_is_seen_to_be_broken_above():
    apart = {"tells_the_time_that_it_took"}
    assert {rule.__name__ for rule in RULES} == {rule for rule, _, _ in BREAKS} | apart


def broken_rules(path):
    notebook = nbformat.reader.reads(path.read_text(encoding="utf-8"))
    return [rule.__name__ for rule in RULES if list(rule(notebook, path))]


def test_a_meant_error_is_no_problem(repository):
    notebook = good_lesson()
    tag("raises-exception", ERROR)(notebook)
    assert check(write(repository, notebook)) == []


NO_CELLS = '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}'
BROKEN = ["", "[]", "null", "{}", "\0", '{"nbformat": 4}', '{"nbformat": 9}', '{"cells": [', NO_CELLS]


@pytest.mark.parametrize("text", BROKEN)
def test_whatever_stands_in_the_file_it_is_one_sentence(repository, text):
    path = repository / "notebooks" / "04_text.ipynb"
    path.write_text(text)
    (problem,) = check(path)
    assert problem.startswith("04_text.ipynb cannot be read as a notebook: ") and "\n" not in problem
    with pytest.raises(Refusal, match=r"^04_text\.ipynb cannot be read as a notebook: .+$"):
        render(path, "smoke", repository)
    assert path.read_text() == text


@pytest.mark.parametrize("text", ["C:/course/a", r"'C:\course\a'", r"'C:\\course\\a'"])
def test_paths_into_the_course_are_seen_with_every_separator(text):
    assert below(PureWindowsPath(r"C:\course")).search(text)
    assert not below(PurePosixPath("/srv/course")).search(text + " /srv/courses/a")
    assert below(PurePosixPath("/srv/course")).search("in /srv/course/a")


@pytest.mark.parametrize("source", ["ax.plot(x);", "y = ax.plot(x)", "plots.hist(x)", "net(x)", "%timeit plot(x)", ""])
def test_a_cell_may_end_in(source):
    assert bare_call(source) is None


@pytest.mark.parametrize("path", sorted(course.NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_lessons_of_the_course_keep_every_rule(path):
    assert check(path) == []


# ---- Warnings: bounds that are too wide, phrases that must not come back ---------------------------------------------


@pytest.mark.parametrize(
    ("bound", "log_scale", "wide"),
    [
        # recorded: 0.2 to 0.3, so from 0.1 to 0.45; on a log scale from 0.2 / 3 to 0.9
        ((0.11, math.inf), False, False), ((0.09, math.inf), False, True), ((0.07, math.inf), True, False),
        ((0.06, math.inf), True, True), ((-math.inf, 0.44), False, False), ((-math.inf, 0.46), False, True),
        ((-math.inf, 0.89), True, False), ((-math.inf, 0.91), True, True), ((0.15, 0.46), False, True),
        ((0.25, 0.25), False, False), ((-math.inf, 1e-4), False, False),
    ],
)  # fmt: skip
def test_a_bound_may_lie_outside_the_recorded_range_by_its_width_or_half_of_its_end(bound, log_scale, wide):
    assert is_wide(*bound, [0.2, 0.3, 0.25], log_scale=log_scale) is wide


LINES = (
    "✓ A: loss: 2.3 (from 2.2 to 2.4; 5 recorded\n  runs: 2.29 to 2.31)\n✓ counted: 24,234 (equals 24,234)\n"
    "  net   error\n– later: 3 (checked from the budget 'laptop' on)\n"
    "✓ small: 1e-07 (at most 1e-06)\n✓ large (x): 3 (at least 2)\n"
)


def test_a_long_claim_is_printed_in_short_lines_and_its_bounds_are_read(capsys):
    claim("word " * 30 + "end", 0.5, at_most=1)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 74
    assert bounds(new_code_cell("", outputs=[new_output("stream", text=out)])) == {"word " * 30 + "end": (-math.inf, 1)}


def test_the_bounds_of_claims_are_read_from_the_outputs():
    assert bounds(new_code_cell("", outputs=[new_output("stream", text=LINES)])) == {
        "A: loss": (2.2, 2.4), "counted": (24_234, 24_234), "small": (-math.inf, 1e-6), "large (x)": (2, math.inf),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('claim("A: loss", x, at_least=1)\nclaim("B", x, at_least=1)  # wide: no', True),
        ('claim("A: loss", x, at_least=1)  # wide: the data decide', False),
        ('# wide: the data decide\nclaim("A: loss", x, at_least=1)', False),
        ('for k in "A":\n    claim(\n        f"{k}: loss",\n        x,\n        at_least=1,  # wide: so\n    )', False),
        ('for sentence, x in claims:\n    claim(sentence, x, at_least=1)  # log scale', False),
        ('claim("A: loss", x, at_least=1)  # wide:', True),
    ],
)  # fmt: skip
def test_a_wide_claim_is_told_of_unless_its_reason_stands_beside_it(repository, source, told):
    notebook = good_lesson()
    text = "✓ A: loss: 2.3 (at least 1)\n✓ never recorded: 1 (at least -100)\n"
    edit(1, source=source, outputs=[new_output("stream", text=text)])(notebook)
    record = {"03_a_lesson": {"values": {"A: loss": [math.nan, 2.29, 2.31]}}}
    (repository / "data" / "runs" / "claims.json").write_text(json.dumps(record))
    found = warnings(write(repository, notebook))
    assert len(found) == told and all("claim 'A: loss'" in warning for warning in found)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [("The block *hands on* x.", "hands on"), ("The gradient by\nthe weights", "gradient by the"),
     ("Colour it", "Colour"), ("Nobody commends a hands-on day that is handed out.", None)],
)  # fmt: skip
def test_a_phrase_that_has_come_back_is_told_with_what_to_write(text, phrase):
    found = list(brings_back_no_old_phrase(new_notebook(cells=[new_markdown_cell(text)]), Path("03_a_lesson.ipynb")))
    assert len(found) == (phrase is not None) and all(f"'{phrase}'" in one and "Write: " in one for one in found)


@pytest.mark.parametrize(("rule", "most"), [(wide_claims, 0), (brings_back_no_old_phrase, 1)])
def test_the_course_has_no_more_warnings_than_it_had(rule, most):
    """Lower the number after removing some."""
    found = [warning for path in lessons() for warning in rule(nbformat.read(path, 4), path)]
    assert len(found) <= most, found


# ---- Normalizing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\n", "a\nb\n"),
        ("10 %\r20 %\r30 %\n", "30 %\n"),
        ("a long line\rshort\n", "shortg line\n"),
        ("progress\r        \r", ""),
        ("a\r\nb\r\n", "a\nb\n"),
        ("kept space \n", "kept space \n"),
    ],
)
def test_carriage_returns_end_as_on_a_terminal(text, shown):
    assert as_a_terminal_shows_it(text) == shown


def test_what_was_printed_in_pieces_is_one_output():
    pieces = [
        new_output("stream", text="a"),
        new_output("stream", text="b\n"),
        figure(),
        new_output("stream", text="c"),
    ]
    assert [out.get("text") for out in normalized(pieces)] == ["ab\n", None, "c"]


def test_a_bar_that_was_cleared_leaves_nothing():
    bar = [new_output("stream", name="stderr", text="50 %"), new_output("stream", name="stderr", text="\r    \r")]
    assert normalized(bar) == []


def test_a_widget_is_dropped_and_the_figure_beside_it_stays():
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "IntSlider()"}
    with_html = {**widget, "text/html": "<b>3</b>"}
    kept = normalized([new_output("display_data", widget), figure(), new_output("display_data", with_html)])
    assert [sorted(out.data) for out in kept] == [["image/png"], ["text/html", "text/plain"]]
    assert kept[0].metadata["image/png"]["alt"] == "A curve."


def test_who_ran_it_when_and_where_is_dropped_and_tags_stay():
    notebook = good_lesson()
    notebook.metadata.update(
        widgets={}, colab={"provenance": []}, language_info={"name": "python", "version": "3.11.7"}
    )
    notebook.cells[1].metadata = NotebookNode(tags=["nbval-check-output"], execution={"busy": "9 o'clock"}, id="colab1")
    result = normalize(notebook)
    assert result.metadata == {"kernelspec": KERNELSPEC, "language_info": LANGUAGE}
    assert LANGUAGE["file_extension"] == ".py" and LANGUAGE["nbconvert_exporter"] == "python"  # nbconvert --to script
    assert result.cells[1].metadata == {"tags": ["nbval-check-output"]}
    assert [cell.id for cell in result.cells] == [cell.id for cell in notebook.cells]


def test_the_source_of_a_cell_that_only_checks_is_folded():
    notebook = good_lesson()
    notebook.cells[1].source, notebook.cells[3].source = 'claim("One", x)\nclaim("Two", y)', 'y = 1\nclaim("One", y)'
    result = normalize(notebook)
    assert result.cells[1].metadata == {"jupyter": {"source_hidden": True}, "cellView": "form"}
    assert result.cells[3].metadata == {}


def test_the_source_of_a_cell_that_shows_a_figure_made_above_is_folded():
    sources = {'show(figure, alt="It falls.")\nclaim("Two", y)': True, 'show(draw(x), alt="It falls.")': False}
    for source, folded in sources.items():
        notebook = good_lesson()
        notebook.cells[1].source = source
        assert bool(normalize(notebook).cells[1].metadata) is folded


def test_counts_are_numbered_from_one():
    notebook = good_lesson()
    notebook.cells[1].update(execution_count=4, outputs=[new_output("execute_result", {"text/plain": "1"})])
    notebook.cells[3].execution_count = 9
    result = normalize(notebook)
    assert [cell.execution_count for cell in result.cells if cell.cell_type == "code"] == [1, 2, None, 3]
    assert result.cells[1].outputs[0].execution_count == 1


def test_normalizing_twice_changes_nothing():
    once = normalize(good_lesson())
    assert to_text(normalize(once)) == to_text(once)
    assert to_text(once).endswith("}\n")


def normalized(outputs):
    return normalize(new_notebook(cells=[new_code_cell("x", outputs=outputs)])).cells[0].outputs


# ---- Rendering ------------------------------------------------------------------------------------------------------

SOURCES = (
    "import os, sys\nsys.executable",
    "print(os.environ['RESNET_EDU_BUDGET'], os.environ['RESNET_EDU_RECORD'], os.path.basename(os.getcwd()))",
    "hash('a')",
    "print('one\\rtwo', end='')\nprint()",
)


def write_sources(repository, *sources):
    cells = [new_code_cell(source) for source in sources]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    return write(repository, new_notebook(cells=cells), "04_b.ipynb")


def test_rendering_twice_gives_the_same_bytes(repository, monkeypatch):
    monkeypatch.setenv("RESNET_EDU_SEED", "2")
    path = write_sources(repository, *SOURCES)
    render(path, "smoke", repository)
    first = path.read_bytes()
    render(path, "smoke", repository)
    assert path.read_bytes() == first
    executable, settings, number, progress = (cell.outputs[0] for cell in nbformat.read(path, as_version=4).cells)
    assert executable.data["text/plain"] == repr(sys.executable)
    assert settings.text == "smoke 0 notebooks\n"
    assert number.execution_count == 3
    assert progress.text == "two\n"
    record = json.loads((repository / "data" / "runs" / "lessons.json").read_text())["04_b"]
    assert sorted(record) == ["budget", "commit", "machine", "seconds", "seed", "versions"] and record["seed"] == 2
    assert not list(path.parent.glob(".*"))


def test_a_render_does_not_store_what_its_author_has_solved(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("RESNET_EDU_CACHE", str(tmp_path))
    assert progress.add("factor") == "" and progress.solved() == {"factor"}
    path = write_sources(repository, "from resnet_edu.exercises import progress\nprogress.solved()")
    render(path, "smoke", repository)
    assert nbformat.read(path, as_version=4).cells[0].outputs[0].data["text/plain"] == "set()"


def test_what_claims_measure_is_recorded_by_seed_and_none_of_them_fails(repository):
    code = "from resnet_edu.lesson import claim, seed\nclaim('the seed is small', seed(), at_most=150)"
    path = write_sources(repository, code, "claim('one is one', 1, equals=1)")
    assert record_claims(path, 3, "smoke", repository) == {"the seed is small": [0, 100, 200], "one is one": [1, 1, 1]}
    kept = json.loads((repository / "data" / "runs" / "claims.json").read_text())["04_b"]
    assert kept["seeds"] == 3 and kept["values"]["the seed is small"] == [0, 100, 200]
    assert {"budget", "commit", "machine", "versions"} <= set(kept)

    path = write_sources(repository, code, "if seed():\n    claim('sometimes', 1, equals=1)")
    with pytest.raises(Refusal, match="does not make this claim exactly once with each seed: sometimes"):
        record_claims(path, 2, "smoke", repository)


def test_a_failing_cell_is_named_and_leaves_the_file_alone(repository):
    path = write_sources(repository, "x = 1", "# a comment\n1 / 0", "y = 2")
    before = path.read_bytes()
    with pytest.raises(Refusal, match=r"04_b\.ipynb cell \[2\] \(# a comment\) failed: ZeroDivisionError"):
        render(path, "smoke", repository)
    assert path.read_bytes() == before
    assert [path.name for path in (repository / "data").iterdir()] == ["runs"]


def test_a_seed_that_is_none_is_said_before_the_lesson_runs(repository, monkeypatch):
    monkeypatch.setenv("RESNET_EDU_SEED", "abc")
    path = write_sources(repository, "open('ran', 'w')")
    with pytest.raises(ValueError, match="RESNET_EDU_SEED='abc'"):
        render(path, "smoke", repository)
    assert not (path.parent / "ran").exists()


def test_a_lesson_edited_while_it_runs_is_left_alone(repository):
    path = write_sources(repository, "import pathlib\npathlib.Path('04_b.ipynb').write_text('edited')")
    with pytest.raises(Refusal, match="was edited while it ran"):
        render(path, "smoke", repository)
    assert path.read_text() == "edited"


def test_another_python3_in_the_users_home_is_not_asked(repository, tmp_path, monkeypatch):
    spec = tmp_path / "data" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["false"], "display_name": "Wrong", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    run = run_notebook(write_sources(repository, SOURCES[0]), "smoke")
    assert run.notebook.cells[0].outputs[0].data["text/plain"] == repr(sys.executable)


def test_what_printed_before_a_figure_stays_before_it(repository):
    source = "from IPython.display import HTML, display\nprint('before')\ndisplay(HTML('x'))\nprint('after')"
    run = run_notebook(write_sources(repository, source), "smoke", RESNET_EDU_SEED="1")
    assert [out.output_type for out in run.notebook.cells[0].outputs] == ["stream", "display_data", "stream"]
    assert list(run.cell_seconds) == [1]


# ---- Names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["3", "03", "03_a_lesson", "a_lesson", "notebooks/03_a_lesson.ipynb"])
def test_a_lesson_is_found_by(repository, name, monkeypatch):
    path = write(repository, good_lesson())
    monkeypatch.chdir(repository)
    assert find_lesson(name, path.parent) == path


def test_a_file_elsewhere_is_not_taken_for_the_lesson_of_its_name(repository):
    path = write(repository, good_lesson())
    assert find_lesson(str(path), path.parent) == path
    for elsewhere in ("elsewhere/03_a_lesson.ipynb", "./03_a_lesson.ipynb", str(repository / path.name)):
        with pytest.raises(Refusal, match="There is no lesson"):
            find_lesson(elsewhere, path.parent)


def test_what_macos_leaves_beside_a_file_is_no_lesson(repository):
    path = write(repository, good_lesson())
    (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7")
    assert lessons(path.parent)[1:] == [path]


def test_an_install_without_lessons_says_so(tmp_path):
    with pytest.raises(Refusal, match="Clone the course's repository"):
        lessons(tmp_path / "notebooks")
    with pytest.raises(Refusal, match="There are no lessons in"):
        lessons(tmp_path)


def test_the_picture_of_a_tagged_cell_is_stored(tmp_path):
    def cell(png, tags):
        data = {"image/png": base64.b64encode(png).decode()}
        return new_code_cell("1", outputs=[new_output("display_data", data)], metadata={"tags": tags})

    write_picture(new_notebook(cells=[cell(b"not this", []), cell(b"this", ["picture"])]), tmp_path / "a" / "03.png")
    assert (tmp_path / "a" / "03.png").read_bytes() == b"this"


def test_the_readme_gets_the_time_of_the_lesson_and_of_no_other(tmp_path):
    table = "| 03 | [A](notebooks/03_a.ipynb) | sees | {} s |\n| 07 | [B](notebooks/07_b.ipynb) | sees | 9 s |\n"
    (tmp_path / "README.md").write_text(table.format(1))
    write_time(tmp_path / "README.md", "03_a", 99.6)
    assert (tmp_path / "README.md").read_text() == table.format(100)
