"""A lesson that was run, saved and closed is opened again: it can be read, and its hints and quizzes unfold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nbformat.v4

CELLS = (
    "from resnet_edu import data, explorers\nfrom resnet_edu.exercises.page import exercise, progress",
    'output_size = exercise("output_size", lambda size, kernel, **_: size - kernel)',
    'explorer = explorers.kernel_on_image(data.load("sample")[0], kernel="Sobel x", image=7)',
    "progress()",
)
QUIZ = "**Quiz.** One?\n\n<details><summary>A. 1</summary>\n\n**Right.** So it is.\n</details>"


def test_hints_quizzes_and_pictures_are_there_when_a_saved_lesson_is_opened_again(
    open_notebook: Callable[..., Any],
) -> None:
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_markdown_cell(QUIZ)])
    page = open_notebook("99_saved", notebook)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.get_by_text("0 of 3").first.wait_for()  # progress, the last cell
    for _ in range(2):  # the second time nobody says that the file has changed on disk
        page.get_by_role("menuitem", name="File", exact=True).click()
        page.get_by_role("menuitem", name="Save Notebook", exact=False).first.click()
        page.get_by_text("Saving completed").wait_for()
        page.get_by_text("Saving completed").wait_for(state="hidden")
    assert page.locator(".jp-Dialog").count() == 0
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    page.get_by_text("No Kernel").first.wait_for()
    page.reload()
    hint = page.get_by_text("Hint 1", exact=True)
    hint.wait_for()
    folded = page.get_by_text("at how many positions does a kernel of size 3 fit")
    assert not folded.is_visible()
    hint.click()
    folded.wait_for()
    assert page.get_by_text("✗ not yet").is_visible()
    quiz = page.locator(".jp-RenderedMarkdown")
    assert not quiz.get_by_text("So it is.").is_visible()
    quiz.get_by_text("A. 1").click()
    quiz.get_by_text("So it is.").wait_for()
    assert page.locator(".jp-OutputArea-output img").count() == 1  # the explorer's picture
    assert page.get_by_text("To use the controls of this picture, run this cell.").is_visible()
    assert page.get_by_text("model not found").count() == 0
