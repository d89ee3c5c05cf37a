"""An exercise and a quiz on the page: what their buttons do, what a page without a kernel says, what is kept."""

import json
import os
import re
from pathlib import Path

import pytest

from resnet_edu import exercises, lesson
from resnet_edu.exercises import progress as record
from resnet_edu.exercises.widgets import Panel, exercise, progress, progress_table
from resnet_edu.lesson import Quiz, quiz

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """Nothing is handed in yet, nothing solved, and nothing is written into the user's own folder."""
    monkeypatch.setattr(Panel, "handed_in", {})
    monkeypatch.setenv("RESNET_EDU_CACHE", str(tmp_path / "cache"))


def right(size, kernel, stride=1, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def wrong(size, kernel, stride=1, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride


def stub(size, kernel, stride=1, padding=0, dilation=1):
    raise NotImplementedError


def judged(name, answer):
    panel = Panel(exercises.find(name))
    panel.judge(answer)
    return panel


REFERENCE = exercises.find("output_size").reference


# --- the verdict ------------------------------------------------------------------------------------------------------


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


def test_on_a_page_the_verdict_is_text_and_the_buttons_have_a_page_to_stand_in_for_them(page):
    exercise("output_size", stub)
    verdict, buttons = page
    assert verdict["data"] == {"text/plain": "not attempted yet\nThe lesson continues with the course's output_size."}
    assert set(buttons["data"]) == {WIDGET, "text/html", "text/plain"}
    instead = buttons["data"]["text/html"]
    assert instead.count("<details>") == len(exercises.find("output_size").hints) + 1
    assert (
        "<summary>Hint 1</summary>" in instead and "<summary>Solution</summary><pre><code>def output_size(" in instead
    )
    assert "Hint 1" in buttons["data"]["text/plain"] and "<" not in buttons["data"]["text/plain"]


# --- the buttons ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shell(page):
    from IPython import get_ipython

    return get_ipython()


def test_the_check_button_judges_what_the_notebook_now_calls_by_that_name(shell, page):
    panel = judged("output_size", stub)
    panel.show()
    shell.user_ns["output_size"] = panel.choice
    panel.check()
    assert "run the cell above" in panel.below.value and shell.user_ns["output_size"] is REFERENCE
    shell.user_ns["output_size"] = right
    panel.check()
    assert panel.text.startswith("correct") and shell.user_ns["output_size"] is right
    assert "Solved so far: 1 of" in panel.below.value
    shell.user_ns["output_size"] = wrong
    panel.check()
    assert panel.text.startswith("not yet: ") and shell.user_ns["output_size"] is REFERENCE
    panel.check()
    assert "run the cell above" in panel.below.value and panel.text.startswith("not yet: ")
    verdicts = [one["data"]["text/plain"][:7] for one in page if set(one["data"]) == {"text/plain"}]
    assert verdicts == ["not att", "correct", "not yet"]
    assert len({one["transient"]["display_id"] for one in page if set(one["data"]) == {"text/plain"}}) == 1


def test_without_a_cell_that_was_run_there_is_nothing_to_check(shell):
    panel = judged("output_size", stub)
    panel.show()
    shell.user_ns.pop("output_size", None)  # as in a kernel that was started anew
    panel.check()
    assert "run the cell above" in panel.below.value and panel.verdict.status == "not attempted"


def test_hints_come_one_by_one_and_the_solution_when_it_is_asked_for(shell):
    panel = judged("BasicBlock", None)
    panel.show()
    count = len(panel.exercise.hints)
    for shown in [*range(1, count + 1), count]:
        panel.hint()
        assert panel.below.value.count("<b>Hint") == shown
    assert "class BasicBlock" not in panel.below.value
    panel.solve()
    assert "class BasicBlock(nn.Module):" in panel.below.value


def test_every_button_does_what_it_says(shell, monkeypatch):
    pressed = []
    for name in ("check", "hint", "solve"):
        monkeypatch.setattr(Panel, name, lambda self, name=name: pressed.append(name))
    panel = judged("output_size", stub)
    panel.show()
    for label, action in panel.buttons.items():
        panel._button(label, action).click()
    assert pressed == ["check", "hint", "solve"]


def test_what_would_end_the_kernel_is_there_again_after_the_check(shell):
    before = shell.user_ns["exit"], shell.user_ns["quit"]
    exec("def answer(*_): quit()", shell.user_ns)
    judged("output_size", shell.user_ns["answer"])
    assert (shell.user_ns["exit"], shell.user_ns["quit"]) == before


# --- what is solved ---------------------------------------------------------------------------------------------------


def test_what_is_solved_is_kept_and_shown(page):
    assert record.solved() == set()
    exercise("output_size", stub)
    exercise("output_size", wrong)
    assert not record.place().exists()
    exercise("output_size", right)
    exercise("output_size", wrong)  # once solved, solved
    assert json.loads(record.place().read_text()) == {"solved": ["output_size"]}
    table = progress_table(record.solved())
    assert "<b>✓ output_size</b>" in table and "✓ BasicBlock" not in table and "BasicBlock" in table
    progress()
    assert page[-1]["data"]["text/html"] == "<p>Run this cell to see which exercises you have solved.</p>"


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


# --- quiz -------------------------------------------------------------------------------------------------------------

RIGHT = {"the identity": "It has no weights, so `F` can be 0."}
WRONG = {"a gate": "That is Highway.", "a sum & <b>": "Of what?", "nothing": "Then it is plain."}


def test_every_option_has_a_button_and_its_reason(page):
    asked = Quiz("What is added?", RIGHT, WRONG)
    asked.show()
    assert sorted(asked.options) == sorted([*RIGHT, *WRONG])
    for option, reason in {**RIGHT, **WRONG}.items():
        assert asked.pick(option) == (option in RIGHT)
        assert lesson.as_html(reason) in asked.reason.value
        assert ("right." in asked.reason.value) == (option in RIGHT)


def test_the_order_of_the_options_is_the_same_in_each_run_and_not_that_of_the_source():
    orders = {tuple(Quiz(f"Question {i}?", RIGHT, WRONG).options) for i in range(30)}
    assert len(orders) > 5
    assert Quiz("What?", RIGHT, WRONG).options == Quiz("What?", RIGHT, dict(reversed(WRONG.items()))).options


def test_a_page_without_a_kernel_has_the_question_and_can_unfold_every_answer(page):
    quiz("What is `added`?", right=RIGHT, wrong=WRONG)
    (output,) = page
    assert set(output["data"]) == {WIDGET, "text/html", "text/plain"}
    instead, (question, answers) = output["data"]["text/html"], output["data"]["text/html"].split("<details>")
    assert "What is <code>added</code>?" in question and "a sum &amp; &lt;b&gt;" in question
    assert not any(lesson.as_html(reason) in question for reason in [*RIGHT.values(), *WRONG.values()])
    assert all(lesson.as_html(reason) in answers for reason in [*RIGHT.values(), *WRONG.values()])
    assert instead.count("right.") == 1


def test_words_are_set_as_code_or_with_stress_and_formulas_stay():
    assert lesson.as_html("the *variance* of `a < b`") == "the <em>variance</em> of <code>a &lt; b</code>"
    for formula in ("2 * a * b", "2*a*b", "$a * b$", "`x ** 2 * y ** 2`"):
        assert "<em>" not in lesson.as_html(formula)


def test_in_plain_python_a_quiz_asks_nothing(capsys):
    assert quiz("What is added?", right=RIGHT, wrong=WRONG) is None
    assert capsys.readouterr().out == ""


def test_in_plain_python_a_picked_option_is_answered_in_words(capsys):
    asked = Quiz("What is added?", RIGHT, WRONG)
    asked.show()
    assert asked.pick("the identity") and not asked.pick("a sum & <b>")
    right, wrong = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"[A-D]: right. It has no weights, so F can be 0.", right)
    assert re.fullmatch(r"[A-D]: no. Of what\?", wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"question": " "}, "question"), ({"right": {}}, "right"), ({"wrong": ["a", "b"]}, "wrong"),
        ({"wrong": {"a": ""}}, "''"), ({"wrong": {3: "Three."}}, "3"), ({"wrong": RIGHT}, "the identity"),
    ],
)  # fmt: skip
def test_a_quiz_says_what_it_needs(options, message):
    arguments = {"question": "What?", "right": RIGHT, "wrong": WRONG, **options}
    with pytest.raises((TypeError, ValueError), match=message):
        quiz(arguments.pop("question"), **arguments)
