"""How an answer is put into the bank.

@wrong("output_size", "arguments")
def _(n, k, s=1, p=0, d=1): ...

@right("output_size")
def output_size(size, kernel, stride=1, padding=0, dilation=1): ...

wrong_by_patch("output_size", output_size, ("no-padding", ("2 * padding", "0")))
"""

import inspect
import sys
import textwrap
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from resnet_edu.exercises.core import Mistake

#: {exercise: [(the diagnosis that it must get, the answer), ...]}
WRONG_ANSWERS: dict[str, list[tuple[str, Any]]] = defaultdict(list)
#: {exercise: [an answer that must pass, ...]}
RIGHT_ANSWERS: dict[str, list[Any]] = defaultdict(list)


def wrong(exercise: str, slug: str) -> Callable[[Any], Any]:
    def put(answer: Any) -> Any:
        WRONG_ANSWERS[exercise].append((slug, answer))
        return answer

    return put


def right(exercise: str) -> Callable[[Any], Any]:
    def put(answer: Any) -> Any:
        RIGHT_ANSWERS[exercise].append(answer)
        return answer

    return put


def wrong_by_patch(exercise: str, answer: Any, *mistakes: tuple[Any, ...]) -> None:
    """Put in what becomes of a right answer with some of its text replaced: (slug, (old, new), ...) each."""
    source = textwrap.dedent(inspect.getsource(answer)).partition("\n")[2]  # without its decorator
    for slug, *changes in mistakes:
        names = dict(vars(sys.modules[answer.__module__]))
        exec(Mistake(slug, "", tuple(changes)).patched(tuple(changes), source), names)
        wrong(exercise, slug)(names[answer.__name__])
