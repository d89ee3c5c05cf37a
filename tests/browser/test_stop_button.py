"""JupyterLab's stop button, pressed while a net trains: net and history are kept, and the kernel goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import nbformat.v4

TRAIN = """\
from resnet_edu import data, models, training
train, test = data.load("sample", size=16)
net = models.CifarNet(8, residual=True)
history = training.fit(net, train, epochs=10_000)
"""
AFTERWARDS = """\
print(f"interrupted: {history.interrupted}; steps kept: {len(history.step_loss) > 0}")
print(f"the net answers: {0 <= training.evaluate(net, test).accuracy <= 1}")
again = training.fit(net, train[:256], epochs=1, progress=False)
print(f"it trains again: {len(again.train_loss) == 1}")
"""


def stop(open_notebook: Callable[..., Any], *sources: str) -> list[Any]:
    """Run all cells, and press the button as soon as the first one trains: the cells on the page."""
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, sources)))
    page = open_notebook("99_stop", notebook)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    training, afterwards = page.locator(".jp-CodeCell").all()
    training.get_by_text(re.compile(r"\b[1-9]\d*/\d+ .*step/s")).wait_for()
    page.locator('[data-command="notebook:interrupt-kernel"]').click()
    return [training, afterwards]


def test_the_stop_button_ends_the_training_and_leaves_a_usable_kernel(open_notebook: Callable[..., Any]) -> None:
    _, afterwards = stop(open_notebook, TRAIN, AFTERWARDS)
    words = afterwards.locator(".jp-OutputArea-output")
    words.get_by_text("it trains again").wait_for()
    assert words.inner_text().count("True") == 4


def test_in_a_lesson_the_stop_button_ends_the_cell_and_the_cells_behind_it_do_not_run(
    open_notebook: Callable[..., Any],
) -> None:
    training, afterwards = stop(open_notebook, f"from resnet_edu.lesson import show\n{TRAIN}", "print('it went on')")
    training.get_by_text("You stopped the training").wait_for()
    assert "Traceback" not in training.inner_text()
    assert "it went on" not in afterwards.locator(".jp-OutputArea").inner_text()
