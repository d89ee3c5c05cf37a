"""How an answer is put into the bank.

@wrong("output_size", "rounds-up")
def _(size, kernel, stride=1, padding=0, dilation=1): ...

@right("output_size")
def _(size, kernel, stride=1, padding=0, dilation=1): ...
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

#: {exercise: [(the diagnosis that it must get, the answer), ...]}
WRONG: dict[str, list[tuple[str, Any]]] = defaultdict(list)
#: {exercise: [an answer that must pass, ...]}
RIGHT: dict[str, list[Any]] = defaultdict(list)


def wrong(exercise: str, slug: str) -> Callable[[Any], Any]:
    def keep(answer: Any) -> Any:
        WRONG[exercise].append((slug, answer))
        return answer

    return keep


def right(exercise: str) -> Callable[[Any], Any]:
    def keep(answer: Any) -> Any:
        RIGHT[exercise].append(answer)
        return answer

    return keep
