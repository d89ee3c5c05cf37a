"""How an answer is put into the bank.

@wrong("output_size", "arguments")
def _(n, k, s=1, p=0, d=1): ...

@right("output_size")
def _(size, kernel, stride=1, padding=0, dilation=1): ...
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

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
