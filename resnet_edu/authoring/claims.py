"""The claims of a lesson, from its stored outputs, and whether their bounds are tight enough to fail.

A bound may lie outside the recorded range (`data/runs/claims.json`) by up to that range's own width or half of its
nearer end (a few seeds on one machine vary less than machines do), or by a factor of 3 if the quantity is read on a
log scale; an upper bound of at most 1e-4 leaves room for rounding alone. Comments next to the bound say so, and give
the reason for a wider one:

    claim("F: first over last norm", ratio, at_most=1e-11)  # log scale
    claim("A: loss", loss, within=(2.2, 2.4))  # wide: ln 10 = 2.303, whatever the data
"""

import ast
import math
import re
from collections.abc import Sequence
from pathlib import Path

from nbformat import NotebookNode

from resnet_edu.authoring.lessons import records

BOUNDS = re.compile(
    r"^✓ (.+): \S+ \((from|at least|at most|equals) (\S+?)(?: to (\S+?))?(?:; [^()]*)?\)(?= |$)", re.MULTILINE
)
FACTOR = 3.0
ROUNDING = 1e-4


def unwrapped(text: str) -> str:
    """The printed text, with indented lines joined to the line above them: each claim is on one line."""
    return re.sub(r"\n  (?=\S)", " ", text)


def bounds(cell: NotebookNode) -> dict[str, tuple[float, float]]:
    """{sentence: (low, high)} of the claims that were checked."""
    found = {}
    for output in cell.get("outputs", []):
        for sentence, kind, first, last in BOUNDS.findall(unwrapped(output.get("text", ""))):
            low, high = (float(text.replace(",", "")) for text in (first, last or first))
            found[sentence] = (-math.inf if kind == "at most" else low, math.inf if kind == "at least" else high)
    return found


def is_wide(low: float, high: float, values: Sequence[float], *, log_scale: bool = False) -> bool:
    """Whether a bound lies farther outside the range of the values than allowed; infinite bounds do not count."""
    least, most = min(values), max(values)
    if -math.inf == low and 0 < high <= ROUNDING:
        return False
    if log_scale and least > 0:
        return 0 < low < least / FACTOR or most * FACTOR < high < math.inf
    width = most - least
    return -math.inf < low < least - max(width, abs(least) / 2) or most + max(width, abs(most) / 2) < high < math.inf


def wide_claims(notebook: NotebookNode, path: Path) -> list[str]:
    """The claims whose bounds are wide without a reason; claims that were never recorded are skipped."""
    values = records(path.resolve().parents[1], "claims").get(path.stem, {}).get("values", {})
    problems = []
    for cell in notebook.cells:
        for sentence, (low, high) in bounds(cell).items():
            beside = comments(cell.source, sentence)
            runs = [value for value in values.get(sentence, []) if math.isfinite(value)]
            if runs and "# wide: " not in beside and is_wide(low, high, runs, log_scale="# log scale" in beside):
                problems.append(
                    f"claim '{sentence}' has the bounds {low:.4g} and {high:.4g}, far outside the recorded "
                    f"{min(runs):.4g} to {max(runs):.4g}. Tighten them, or give the reason next to them: # wide: ..."
                )
    return problems


def comments(source: str, sentence: str) -> str:
    """The lines of the call of `claim` with this sentence, and the line above it."""
    lines, beside = source.splitlines(), []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="claim"), args=[first, *_]) if re.fullmatch(pattern(first), sentence):
                beside += lines[max(node.lineno - 2, 0) : node.end_lineno]
    return "\n".join(beside)


def pattern(expression: ast.expr) -> str:
    """A regular expression for the strings that the expression may evaluate to."""
    match expression:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=parts):
            return "".join(map(pattern, parts))
    return ".*"
