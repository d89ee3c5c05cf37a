"""An exercise on the page: its verdict, what unfolds below it, what is kept."""

import json
import os
from pathlib import Path

import pytest

from resnet_edu import exercises
from resnet_edu.exercises import page as on_page
from resnet_edu.exercises import progress as record
from resnet_edu.exercises.page import as_html, exercise, progress


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Nothing is handed in yet, nothing solved, and nothing is written into the user's own folder."""
    monkeypatch.setattr(on_page, "_handed_in", {})
    monkeypatch.setenv("RESNET_EDU_CACHE", str(tmp_path / "cache"))


def right(size, kernel, stride=1, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def wrong(size, kernel, stride=1, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride


def stub(size, kernel, stride=1, padding=0, dilation=1):
    raise NotImplementedError


REFERENCE = exercises.find("output_size").reference


def test_the_lesson_goes_on_with_a_right_answer_else_with_the_course_s_and_says_so(capsys):
    assert exercise("output_size", right) is right
    assert capsys.readouterr().out.startswith("correct\n")
    assert exercise("output_size", stub) is REFERENCE
    assert capsys.readouterr().out.startswith("not attempted yet\n")
    assert exercise("output_size", wrong) is REFERENCE
    printed = capsys.readouterr().out
    assert printed.startswith("not yet: ") and max(map(len, printed.splitlines())) <= 92


def test_the_course_s_own_in_the_place_of_a_wrong_answer_does_not_become_the_reader_s(capsys):
    output_size = exercise("output_size", wrong)
    assert output_size is exercise("output_size", output_size) is REFERENCE
    assert capsys.readouterr().out.count("not yet: ") == 2
    assert exercise("output_size", right) is right


def test_a_page_without_a_kernel_has_the_verdict_and_unfolds_every_hint_and_the_solution(page):
    exercise("output_size", stub)
    (output,) = page
    assert set(output["data"]) == {"text/html", "text/plain"}
    text, html = output["data"]["text/plain"], output["data"]["text/html"]
    assert text == "not attempted yet\nThe lesson continues with the course's output_size."
    verdict, *folded = html.split("<details>")
    hints = exercises.find("output_size").hints
    assert len(folded) == len(hints) + 1 and "not attempted yet" in verdict
    for hint, part in zip(hints, folded, strict=False):
        assert as_html(hint) in part
    assert "<summary>Solution</summary><pre><code>def output_size(" in folded[-1]


def test_the_three_verdicts_differ_in_sign_and_color(page):
    for answer in (stub, right, wrong):
        exercise("output_size", answer)
    heads = [output["data"]["text/html"].split("</b>")[0] for output in page]
    assert len({head.split('">')[0] for head in heads}) == len({head.split('">')[1][0] for head in heads}) == 3
    assert "correct" in heads[1] and "not yet" in heads[2]


def test_after_a_wrong_answer_the_check_alone_says_that_nothing_new_was_handed_in(page):
    output_size = exercise("output_size", wrong)
    output_size = exercise("output_size", output_size)
    first, second = (output["data"]["text/plain"] for output in page)
    assert "run the cell above" not in first and "run the cell above" in second
    output_size = exercise("output_size", right)
    exercise("output_size", output_size)
    assert "run the cell above" not in page[-1]["data"]["text/plain"]


def test_a_counterexample_of_several_lines_and_signs_is_literal(page):
    exercise("output_size", lambda *_, **__: "a < b\n& c")
    assert "<b>a" not in page[0]["data"]["text/html"] and "a < b" not in page[0]["data"]["text/html"]


def test_words_are_set_as_code_or_with_stress_and_formulas_stay():
    assert as_html("the *variance* of `a < b`") == "the <em>variance</em> of <code>a &lt; b</code>"
    for formula in ("2 * a * b", "2*a*b", "$a * b$", "`x ** 2 * y ** 2`"):
        assert "<em>" not in as_html(formula)


def test_what_would_end_the_kernel_is_there_again_after_the_check(page):
    from IPython import get_ipython

    shell = get_ipython()
    before = shell.user_ns["exit"], shell.user_ns["quit"]
    exec("def answer(*_): quit()", shell.user_ns)
    exercise("output_size", shell.user_ns["answer"])
    assert (shell.user_ns["exit"], shell.user_ns["quit"]) == before


def test_what_is_solved_is_kept_and_shown(page):
    assert record.solved() == set()
    exercise("output_size", stub)
    exercise("output_size", wrong)
    assert not record.place().exists()
    exercise("output_size", right)
    exercise("output_size", wrong)  # once solved, solved
    assert json.loads(record.place().read_text()) == {"solved": ["output_size"]}
    progress()
    table = page[-1]["data"]["text/html"]
    assert "<b>✓ output_size</b>" in table and "✓ BasicBlock" not in table and "BasicBlock" in table
    assert page[-1]["data"]["text/plain"].startswith(f"Solved so far: 1 of {len(exercises.names())}")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"solved": 3}', '{"other": []}', '{"solved": [1, null]}', "\x00"]
)
def test_a_damaged_file_counts_as_nothing_solved_and_is_written_anew(text):
    record.place().parent.mkdir(parents=True)
    record.place().write_text(text)
    assert record.solved() == set()
    assert record.add("output_size") == ""
    assert record.solved() == {"output_size"}


def test_bytes_that_are_no_text_are_damage_too():
    record.place().parent.mkdir(parents=True)
    record.place().write_bytes(b"\xff\xfe{")
    assert record.solved() == set()


def test_a_place_that_cannot_be_written_breaks_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RESNET_EDU_CACHE", str(tmp_path / "file"))  # a file, where a folder should be
    assert record.solved() == set()
    assert "file" in record.add("output_size")
    assert exercise("output_size", right) is right
    said = capsys.readouterr().out
    assert said.startswith("correct") and "Set RESNET_EDU_CACHE" in said and "file" in said


def test_a_folder_without_a_right_to_write_breaks_nothing(monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    assert "Read-only" in record.add("output_size")
    assert record.solved() == set() and not list(record.place().parent.glob("*.json*"))


def test_without_the_variable_it_stands_in_the_user_s_data_folder(monkeypatch):
    monkeypatch.delenv("RESNET_EDU_CACHE")
    assert record.place().name == "progress.json" and "resnet_edu" in str(record.place().parent)
    monkeypatch.setenv("RESNET_EDU_CACHE", "~/x")
    assert record.place() == Path.home() / "x" / "progress.json"
