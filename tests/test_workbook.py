"""The learner's copy of the lessons: without outputs, up to date where it was not touched, and never written over."""

import json

import nbformat
import pytest
from nbformat import v4

from resnet_edu.authoring.workbook import FOLD, leave_out_controls, stripped, update


def lesson(folder, text, outputs=({"output_type": "stream", "name": "stdout", "text": "the answer"},)):
    cell = {"cell_type": "code", "id": "a", "source": text, "metadata": {}, "outputs": outputs, "execution_count": 3}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "01_one.ipynb").write_text(json.dumps(notebook))


def source_of(path):
    return json.loads(path.read_text())["cells"][0]["source"]


@pytest.fixture
def course(tmp_path):
    (tmp_path / "notebooks").mkdir()
    lesson(tmp_path / "notebooks", "first")
    (tmp_path / "notebooks" / "conftest.py").touch()
    update(tmp_path / "notebooks", tmp_path / "mine")
    return tmp_path / "notebooks", tmp_path / "mine"


def test_a_copy_holds_the_lesson_without_its_answers(course):
    source, mine = course
    assert sorted(path.name for path in mine.iterdir()) == [".versions.json", "01_one.ipynb"]
    text = (mine / "01_one.ipynb").read_text()
    assert "the answer" in (source / "01_one.ipynb").read_text() and "the answer" not in text
    assert json.loads(text)["cells"][0]["execution_count"] is None


def test_what_was_not_touched_follows_the_lesson(course):
    source, mine = course
    lesson(source, "second")
    assert update(source, mine) == []
    assert source_of(mine / "01_one.ipynb") == "second" and len(list(mine.iterdir())) == 2


def test_what_was_worked_on_stays_and_the_newer_version_is_put_beside_it_once(course):
    source, mine = course
    lesson(mine, "my work")
    assert update(source, mine) == []  # the lesson has not changed
    lesson(source, "second")
    (message,) = update(source, mine)
    assert "01_one.new.ipynb" in message
    assert source_of(mine / "01_one.ipynb") == "my work" and source_of(mine / "01_one.new.ipynb") == "second"
    assert update(source, mine) == []


def test_the_text_that_answers_a_question_is_folded(tmp_path):
    texts = [
        "**Predict.** Which?",
        "This one.\n\n## Next\n\n**Think** again.",
        "Yes.\n\n<!-- answered -->\n\nAll read this.",
        "No question.",
    ]
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell(text) for text in texts]), tmp_path / "01_one.ipynb")
    first, second, *rest = ("".join(one["source"]) for one in json.loads(stripped(tmp_path / "01_one.ipynb"))["cells"])
    assert first == texts[0] and rest == [
        f"{FOLD}\n\nYes.\n\n</details>\n\n<!-- answered -->\n\nAll read this.",
        texts[3],
    ]
    assert second == f"{FOLD}\n\nThis one.\n\n</details>\n\n## Next\n\n**Think** again."


def test_a_saved_lesson_keeps_what_is_left_of_a_control_without_its_kernel():
    data = {"application/vnd.jupyter.widget-view+json": {}, "text/html": "run this cell"}
    output = v4.new_output("display_data", data)
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell(), v4.new_code_cell(outputs=[output])])
    leave_out_controls({"type": "file", "content": "text"})
    leave_out_controls({"type": "notebook", "content": notebook}, path="a")
    assert output.data == {"text/html": "run this cell"}


def test_new_outputs_of_a_lesson_are_no_newer_version(course):
    source, mine = course
    lesson(mine, "my work")
    lesson(source, "first", outputs=())
    assert update(source, mine) == [] and not (mine / "01_one.new.ipynb").exists()


def test_a_file_that_was_there_before_is_not_written_over(tmp_path):
    for folder in ("notebooks", "mine"):
        (tmp_path / folder).mkdir()
        lesson(tmp_path / folder, folder)
    assert len(update(tmp_path / "notebooks", tmp_path / "mine")) == 1
    assert source_of(tmp_path / "mine" / "01_one.ipynb") == "mine"
