"""How an exercise is written, and the tools for its mistakes. lesson_05.py is the model.

For each exercise, in this order: the reference, what its cases need, and one `Exercise(...)  # fmt: skip` with
reference, difficulty, minutes, task, cases (smallest first), mistakes, hints. Write a mistake as the first of these
that works:

1. A patch of the reference, if that is shorter than a function:
   `Mistake("sign", "Your sign is lost.", ("a @ b", "abs(a @ b)"))`, or a tuple of several pairs, applied one after
   another. The old text must occur in the source exactly once, docstring included.
2. A function, preferably one that calls the reference: `lambda net: list(layer_norms(net).values())`.
3. A symptom, if many different lines make the mistake, each failing in its own way elsewhere:
   `symptom=right_but_not_on(reference, SQUARES, RECTANGLES)`. Without a patch as an example, it needs an answer in
   `tests/exercise_bank`.

Several ways to make one mistake, with one correction, stand in one `Mistake`, each as an answer of its own.
A mistake of kind 1 or 2 is reported if an answer returns the same in all cases, so nothing else may be wrong with the
answer; with `on=CASES`, if it returns the same in these. The first in the tuple wins: put `on` and `symptom` before the
mistakes that they must not be confused with.

Cases are made by the functions of cases.py. They pass by keyword what a lesson passes by keyword.

Add its name to `LESSONS` in `exercises/__init__.py`, and the cells `exercise-NAME` and `exercise-NAME-check` to the
lesson. The bank keeps four correct answers in other styles, and wrong ones for each symptom and each diagnosis that
does not belong to a mistake; if the mistakes have fewer than six answers, it holds the rest of the six.
"""

from collections.abc import Callable, Iterable
from typing import Any

from resnet_edu.exercises.compare import same
from resnet_edu.exercises.core import Case, Mistake

Answer = Callable[..., Any]
Symptom = Callable[[Answer], bool]

# --- mistakes ---------------------------------------------------------------------------------------------------------


def shortcut_mistakes(out_channels: str) -> tuple[Mistake, ...]:
    """Those of a block that ends with `F.relu(out + self.shortcut(x))`, and projects x to this many channels."""
    both = f"stride != 1 or in_channels != {out_channels}"
    return (
        Mistake("skip-forgotten", "Without the shortcut, this is a plain block.", (" + self.shortcut(x)", "")),
        Mistake("skip-twice", "The shortcut is added twice.", ("out + self", "out + 2 * self")),
        Mistake("relu-before-addition", "Your last ReLU belongs after the addition.",
                ("(out + self.shortcut(x))", "(out) + self.shortcut(x)")),
        Mistake("relu-in-the-branch", "With a ReLU before the addition, the branch cannot subtract anything.",
                ("out + self", "F.relu(out) + self")),
        Mistake("no-last-relu", "The ReLU after the addition is missing.", ("F.relu(out", "(out")),
        Mistake("no-projection", "You add x as it is, even if the shape changes. Project it then.", (both, "False")),
        Mistake("projection-without-norm", "The projection has no BatchNorm.",
                (f"nn.BatchNorm2d({out_channels}),", "")),
        Mistake("projection-with-relu", "Your projection ends with a ReLU. The only ReLU for x comes after the "
                "addition.", (f"nn.BatchNorm2d({out_channels}),", f"nn.BatchNorm2d({out_channels}), nn.ReLU(),")),
        Mistake("projection-always", "If the shape stays the same, the shortcut is x itself. Does yours compare the "
                "channels right?", (both, "True")),
        Mistake("projects-only-for-stride", "Channels can change without a stride.", (both, "stride != 1")),
        Mistake("projects-only-for-channels", "The size can change while the channels stay.",
                (both, f"in_channels != {out_channels}")),
    )  # fmt: skip


# --- symptoms ---------------------------------------------------------------------------------------------------------


def right_but_not_on(reference: Answer, good: Iterable[Case], bad: Iterable[Case]) -> Symptom:
    """The answer is correct on all the good cases, and wrong on all the bad ones."""
    good, bad = tuple(good), tuple(bad)
    return lambda answer: (
        all(agrees(answer, reference, case) for case in good)
        and not any(agrees(answer, reference, case) for case in bad)
    )


def raises(kind: type[Exception], words: str, run: Callable[[Answer], Any]) -> Symptom:
    """The answer raises this kind of exception, with these words in its text, where `run` uses it."""

    def symptom(answer: Answer) -> bool:
        try:
            run(answer)
        except kind as error:
            return words in str(error)
        return False

    return symptom


def agrees(answer: Answer, other: Answer, case: Case) -> bool:
    """Whether the answer returns what the other one returns; false where it raises."""
    try:
        return same(case.run(answer), case.run(other))
    except Exception:
        return False
