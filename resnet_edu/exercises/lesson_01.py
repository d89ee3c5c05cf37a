"""The exercises of lesson 01: what one convolution does to a size, to an image, and to what a pixel sees."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from __future__ import annotations

from resnet_edu.exercises.core import Exercise, Mistake, call

# --- output size ------------------------------------------------------------------------------------------------------


def output_size(size, kernel, stride=1, padding=0, dilation=1):
    """Side of the output of a convolution, from the side of its input: whole pixels."""
    reach = dilation * (kernel - 1) + 1  # pixels that a dilated kernel spans
    return (size + 2 * padding - reach) // stride + 1


def _one_sided_padding(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


def _rounds_up(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    return -(-(size + 2 * padding - dilation * (kernel - 1) - 1) // stride) + 1


OUTPUT_SIZE = Exercise(
    task="Give the side of a convolution's output.",
    difficulty=1,
    minutes=5,
    reference=output_size,
    probes=(
        call(5, 3),
        call(5, 1),
        call(5, 3, 2),
        call(6, 3, 2),
        call(5, 3, 1, 1),
        call(7, 3, 1, 0, 2),
        call(32, 3, 2, 1),
        call(224, 7, 2, 3),
        call(33, 5, 3, 2, 2),
    ),
    mistakes=(
        Mistake(
            "no-plus-one",
            "The kernel fits at its first place, too: count the places, not the steps between them.",
            lambda size, kernel, stride=1, padding=0, dilation=1: (
                (size + 2 * padding - dilation * (kernel - 1) - 1) // stride
            ),
        ),
        Mistake(
            "true-division",
            "A size is a whole number: `/` gives a float. Which division drops the rest?",
            lambda size, kernel, stride=1, padding=0, dilation=1: (
                (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1
            ),
        ),
        Mistake("rounds-up", "A kernel that hangs over the edge does not count: round down, not up.", _rounds_up),
        Mistake("padding-once", "Padding is added on both sides of the image.", _one_sided_padding),
        Mistake(
            "ignores-padding",
            "The padding changes nothing in your answer.",
            lambda size, kernel, stride=1, padding=0, dilation=1: (size - dilation * (kernel - 1) - 1) // stride + 1,
        ),
        Mistake(
            "ignores-stride",
            "The stride changes nothing in your answer.",
            lambda size, kernel, stride=1, padding=0, dilation=1: size + 2 * padding - dilation * (kernel - 1),
        ),
        Mistake(
            "ignores-dilation",
            "The dilation changes nothing in your answer.",
            lambda size, kernel, stride=1, padding=0, dilation=1: (size + 2 * padding - kernel) // stride + 1,
        ),
        Mistake(
            "dilates-the-kernel-itself",
            "Dilation spreads the gaps of the kernel, and a kernel of k pixels has k - 1 of them.",
            lambda size, kernel, stride=1, padding=0, dilation=1: (
                (size + 2 * padding - dilation * kernel) // stride + 1
            ),
        ),
        Mistake(
            "divides-too-late",
            "First count the steps that fit, then add the first place: the + 1 stands outside of the division.",
            lambda size, kernel, stride=1, padding=0, dilation=1: (
                (size + 2 * padding - dilation * (kernel - 1) - 1 + 1) // stride
            ),
        ),
    ),
    hints=(
        "Without padding, dilation and stride: at how many places does a kernel of 3 fit into a row of 5?",
        "Padding makes the row longer on both sides. Dilation makes the kernel longer: it spans d(k - 1) + 1 pixels.",
        "(row - kernel) // stride counts the steps that fit; the place where the kernel starts comes on top.",
    ),
)
