"""Explorers at the keyboard: reached by the Tab key alone, and quick enough to play with."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import nbformat.v4
import pytest
from test_lessons_in_jupyterlab import ANSWER_LIMIT, CONTROLS, KEYS_THERE_AND_BACK, PICTURES, SLIDER, answer, run_all

SETUP = """
import torch
from resnet_edu import data, explorers
train, test = data.load("sample", size=16)
images, labels = next(iter(train.batches(32)))
"""
TWO_PROFILES = """
torch.manual_seed(0)
norms = {name: 10 ** torch.randn(41, 55) for name in ("plain-56", "ResNet-56")}
"""
WITHOUT_A_FORWARD_PASS = f"{SETUP}{TWO_PROFILES}explorer = explorers.gradient_steps(norms)"
WITH_ONE = f"{SETUP}explorer = explorers.gradient_flow(images, labels, depth=56)"
WITH_A_BUTTON = f"{SETUP}explorer = explorers.skip_strength(images, labels, train)"

LOWEST = """() => {
    const page = document.querySelector('.jp-WindowedPanel-inner');
    window.lowest = page.scrollHeight;
    const look = () => { lowest = Math.min(lowest, page.scrollHeight); requestAnimationFrame(look); };
    look();
    return lowest;
}"""


@pytest.fixture
def open_cell(open_notebook: Callable[..., Any]) -> Callable[[str], Any]:
    """A function (source of a cell) -> the cell with its output, in JupyterLab."""

    def open_it(source: str) -> Any:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source.strip())])
        page = open_notebook("99_explorer", notebook)
        run_all(page)
        cell = page.locator(".jp-CodeCell")
        cell.locator("img").wait_for()
        cell.locator(SLIDER).first.wait_for()
        return cell

    return open_it


@pytest.mark.parametrize(
    ("source", "keys", "bound"),
    [(WITHOUT_A_FORWARD_PASS, ("ArrowRight",), 0.2), (WITH_ONE, ("ArrowLeft", "ArrowRight"), 0.4)],
    ids=["without a forward pass", "with one"],
)
def test_one_step_of_a_slider_at_depth_56(
    open_cell: Callable[[str], Any], source: str, keys: tuple[str, ...], bound: float
) -> None:
    cell = open_cell(source)
    slider = cell.locator(SLIDER)
    slider.focus()
    median = statistics.median(answer(cell, slider, keys[i % len(keys)]) for i in range(40))
    print(f"\nmedian of 40 answers: {1000 * median:.0f} ms (bound: {1000 * bound:.0f} ms)", end=" ")
    assert median < 2 * bound


def test_40_rapid_steps_end_in_the_last_picture_and_keep_the_page_s_height(open_cell: Callable[[str], Any]) -> None:
    cell = open_cell(WITHOUT_A_FORWARD_PASS)
    slider, page = cell.locator(SLIDER), cell.page
    slider.focus()
    answer(cell, slider, "End")
    last = cell.evaluate(PICTURES)
    answer(cell, slider, "Home")
    height = page.evaluate(LOWEST)
    started = time.perf_counter()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    pressed = time.perf_counter()
    while cell.evaluate(PICTURES) != last:
        assert time.perf_counter() - pressed < ANSWER_LIMIT, "the last picture does not come"
        time.sleep(0.01)
    came = time.perf_counter()
    time.sleep(1)
    assert page.evaluate("lowest") == height, "the page collapsed between two pictures"
    assert cell.evaluate(PICTURES) == last, "an older picture came after the last one"
    print(f"\n40 steps in {pressed - started:.2f} s; the last picture {came - pressed:.2f} s after them", end=" ")


def test_tab_reaches_every_control_and_keys_change_it(open_cell: Callable[[str], Any]) -> None:
    cell = open_cell(WITH_A_BUTTON)
    page, controls = cell.page, cell.locator(CONTROLS).all()
    kinds = [control.evaluate("c => c.tagName") for control in controls]
    assert {"DIV", "SELECT", "BUTTON"} <= set(kinds), kinds  # a slider, a menu, a button
    page.keyboard.press("Escape")  # out of the code
    for control in controls:
        for _ in range(12):
            page.keyboard.press("Tab")
            if control.evaluate("c => c === document.activeElement"):
                break
        else:
            pytest.fail(f"Tab does not come to {control.evaluate('c => c.outerHTML')}")
        for key in control.evaluate(KEYS_THERE_AND_BACK):
            answer(cell, control, key)
            assert control.evaluate("c => c === document.activeElement"), "the control lost the keyboard"
