"""What is kept of an executed notebook, so that the same run gives the same bytes.

Sources, outputs, execution counts, cell ids and the metadata below are kept. Everything else says who ran the notebook,
when, and in which program, and would change in every commit. One thing is added: JupyterLab and Colab fold the source
of a cell that sets up, or only checks and shows (each needs its own metadata for that).
"""

import ast
import re
from collections.abc import Iterator
from itertools import groupby

import nbformat
from nbformat import NotebookNode, v4

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
CELL_METADATA = ("tags", "nbgrader", "slideshow", "jupyter", "cellView", "deletable", "editable")
# Complete enough for `jupyter nbconvert --to script`. Without the version, which would differ from machine to machine.
LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
#: Where a new part of a text begins: a heading, a mark after an answer or, as group 1, a question.
PART = re.compile(r"^(?:#+ |<!-- answered -->|(\*\*(?:Predict|Think|Look at|Decide|Before you read)))", re.MULTILINE)
WIDGET = "application/vnd.jupyter.widget-view+json"


def normalize(notebook: NotebookNode) -> NotebookNode:
    """A copy of the notebook without anything that depends on the machine or the time."""
    result = nbformat.from_dict(
        {
            "cells": notebook.cells,
            "metadata": {"kernelspec": KERNELSPEC, "language_info": LANGUAGE},
            "nbformat": 4,
            "nbformat_minor": 5,  # the first version with cell ids
        }
    )
    count = 0
    for cell in result.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key in CELL_METADATA}
        if cell.cell_type == "code":
            if cell.id == "setup" or only_tells(cell.source):
                cell.metadata |= {"jupyter": {"source_hidden": True}, "cellView": "form"}
            if cell.id == "setup":
                cell.metadata["tags"] = ["parameters"]  # papermill puts its own values below this cell
            if cell.execution_count is not None:
                count += 1
                cell.execution_count = count
            cell.outputs = list(normalize_outputs(cell.outputs, cell.execution_count))
    return result


def statements(source: str) -> list[ast.stmt]:
    """The statements of a cell; none if it is not Python."""
    try:
        return ast.parse(source).body
    except SyntaxError:  # magics, or an intended mistake
        return []


def is_claim(statement: ast.stmt) -> bool:
    """Whether a statement is a claim, or a loop over claims."""
    if isinstance(statement, ast.For):
        return all(map(is_claim, statement.body))
    return ast.unparse(statement).startswith("claim(")


def only_tells(source: str) -> bool:
    """Whether a cell consists of claims and of `show(figure, alt=...)` for figures that are already made."""
    told = [is_claim(one) or re.match(r"show\(\w+, alt=", ast.unparse(one)) for one in statements(source)]
    return bool(told) and all(told)


def asks(source: str) -> bool:
    """Whether a markdown cell asks a question, which the cells below answer."""
    return any(part[1] for part in PART.finditer(source))


def normalize_outputs(outputs: list[NotebookNode], count: int | None) -> Iterator[NotebookNode]:
    for output in merge_streams(outputs):
        if output.output_type == "stream":
            output.text = as_a_terminal_shows_it(output.text)
            if not output.text:
                continue
        if output.output_type == "execute_result":
            output.execution_count = count
        if WIDGET in output.get("data", {}):
            # Without its kernel, a widget does not work, and its text form is only its repr.
            del output.data[WIDGET]
            if set(output.data) <= {"text/plain"}:
                continue
        yield output


def merge_streams(outputs: list[NotebookNode]) -> Iterator[NotebookNode]:
    """Merge adjacent outputs of the same stream: how prints are split into outputs is random."""
    for stream, group in groupby(outputs, lambda output: output.get("name")):  # only a stream has a name
        if stream:
            yield v4.new_output("stream", name=stream, text="".join(output.text for output in group))
        else:
            yield from group


def as_a_terminal_shows_it(text: str) -> str:
    r"""Each line as it finally looks: after "\r", output restarts at the left and overwrites what is there.

    >>> as_a_terminal_shows_it("epoch 1 of 9\repoch 2\n")
    'epoch 2 of 9\n'
    """
    return "\n".join(overwrite(line) if "\r" in line else line for line in text.split("\n"))


def overwrite(line: str) -> str:
    shown = ""
    for part in line.split("\r"):
        shown = part + shown[len(part) :]
    return shown.rstrip(" ")


def to_text(notebook: NotebookNode) -> str:
    """The notebook file's text: sorted keys, one space of indentation, as JupyterLab saves it."""
    return str(nbformat.writes(notebook, version=nbformat.NO_CONVERT)).removesuffix("\n") + "\n"
