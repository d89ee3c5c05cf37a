"""The exercises of lesson 13: a pyramid's step from coarse to fine, IoU of boxes, average precision, a 1-D block."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
import copy

import torch
from torch import nn
from torch.nn import functional as F

from resnet_edu.exercises.cases import (
    Once,
    beyond,
    call,
    called,
    float64,
    gradients,
    integers,
    normal,
    output,
    parameters,
    shape,
)
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.writing import raises, right_but_not_on

# --- the pyramid ------------------------------------------------------------------------------------------------------


def top_down(coarse, fine, lateral):
    """coarse [N, D, H, W], fine [N, C, 2H, 2W], lateral: C -> D channels. Returns [N, D, 2H, 2W]."""
    return F.interpolate(coarse, scale_factor=2, mode="nearest") + lateral(fine)


_SMALL = call(
    torch.tensor([[[[1.0, 2.0]]]]),
    torch.tensor([[[[1.0, 0.0, 0.0, 3.0], [0.0, 0.0, 5.0, 0.0]]]]),
    Once(lambda x: 2 * x),
    words="{name}(coarse [1, 1, 1, 2], fine [1, 1, 2, 4], lateral) with lateral(x) = 2 x",
)
_MAPS = integers(2, 2, 3, 2), integers(2, 3, 6, 4, seed=1), Once(lambda x: x[:, :2])
_WORDS = "{name}(coarse [2, 2, 3, 2], fine [2, 3, 6, 4], lateral)"
_LARGER = call(*_MAPS, words=_WORDS)
_SQUARE = call(_MAPS[0][:, :, :2], _MAPS[1][:, :, :4], _MAPS[2])


TOP_DOWN = Exercise(
    reference=top_down, difficulty=1, minutes=5,
    task="Upsample the coarse map to twice its height and width, repeating each value in a 2 x 2 square, and add the "
         "fine map after passing it through `lateral`, which gives it the coarse map's channels. Do not change the "
         "inputs.",
    cases=(_SMALL, _LARGER, gradients(*_MAPS, words=_WORDS), float64(*_MAPS, words=_WORDS)),
    mistakes=(
        Mistake("lateral-forgotten", "The fine map, and nothing else, goes through `lateral`.",
                ("lateral(fine)", "fine"), (("F.inter", "lateral(F.inter"), ("lateral(fine)", "fine)")),
                (("interpolate(coarse", "interpolate(lateral(coarse)"), ("lateral(fine)", "fine")), on=(_SMALL,)),
        Mistake("bilinear", "You interpolate between neighboring values (bilinear). Repeat each value.",
                ("nearest", "bilinear"), ('"nearest"', '"bilinear", align_corners=True')),
        Mistake("tiled", "You tile the map. Repeat each value in place.", lambda c, f, g: c.repeat(1, 1, 2, 2) + g(f)),
        Mistake("concatenated", "You concatenate the channels of both maps. The task asks for their sum.",
                lambda c, f, g: torch.cat([F.interpolate(c, scale_factor=2), g(f)], 1)),
        Mistake("shrinks-the-fine", "You shrink the fine map. Upsample the coarse one instead.",
                lambda c, f, g: c + F.avg_pool2d(g(f), 2), lambda c, f, g: c + g(f)[..., ::2, ::2]),
        Mistake("only-squares", "Your answer is correct for square maps only.",
                ("scale_factor=2", "size=2 * coarse.shape[2]"),
                symptom=right_but_not_on(top_down, [_SQUARE], [_LARGER])),
        Mistake("not-enlarged", "The two maps have different sizes: first make the coarse one twice as high and as "
                "wide.", ("F.interpolate(coarse, scale_factor=2, mode=\"nearest\")", "coarse"),
                symptom=lambda answer: any(
                    raises(RuntimeError, f"at non-singleton dimension {d}", _LARGER.run)(answer)
                    for d in (2, 3)  # 1 is that of the channels
                )),
        Mistake("relu-added", "The task asks for the sum, without a ReLU.", lambda c, f, g: F.relu(top_down(c, f, g))),
    ),
    hints=(
        "Three steps: upsample the coarse map, pass the fine one through lateral, add.",
        "F.interpolate upsamples a map. Which of its modes repeats each value?",
        'F.interpolate(coarse, scale_factor=2, mode="nearest") has the size of lateral(fine).',
    ),
)  # fmt: skip


# --- intersection over union ------------------------------------------------------------------------------------------


def box_iou(a, b):
    """a [N, 4], b [M, 4], boxes as x1, y1, x2, y2 -> intersection over union of each pair, [N, M]."""
    first = torch.maximum(a[:, None, :2], b[None, :, :2])  # [N, M, 2], the upper left corner of what they share
    last = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (last - first).clamp(min=0).prod(2)
    area_a, area_b = ((boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (a, b))
    return shared / (area_a[:, None] + area_b - shared)


_A = torch.tensor([[0.0, 0.0, 4.0, 4.0]])
_INSIDE = torch.tensor([[1.0, 1.0, 3.0, 4.0]])
_APART = call(_A, torch.tensor([[6.0, 7.0, 8.0, 9.0]]))
_MANY_A = torch.tensor([[0.0, 0.0, 4.0, 4.0], [1.0, 2.0, 7.0, 5.0], [5.0, 5.0, 9.0, 6.0]])
_MANY_B = torch.tensor([[2.0, 1.0, 5.0, 4.0], [6.0, 0.0, 8.0, 9.0]])


def _square(answer):
    return called(answer, _MANY_A, _MANY_A)


_needs_equal_numbers = raises(RuntimeError, "must match the size of tensor", call(_MANY_A, _MANY_B).run)


BOX_IOU = Exercise(
    reference=box_iou, difficulty=2, minutes=10,
    task="a [N, 4] and b [M, 4] hold boxes as x1, y1, x2, y2: two corners, the second one to the right of and below "
         "the first. Return the intersection over union of each box of a with each box of b, [N, M], in "
         "their dtype. N can be 0.",
    cases=(
        call(_A, _A), call(_A, torch.tensor([[2.0, 0.0, 6.0, 4.0]])), call(_A, _INSIDE), call(_INSIDE, _A), _APART,
        call(_MANY_A, _MANY_B, words="{name}(a, b) with a [3, 4] and b [2, 4]"),
        call(0.001 * _A, 0.001 * _INSIDE, alone=("only-large-boxes", "Your answer is correct only for large boxes, or "
             "for corners at whole numbers. Coordinates can also be fractions of the image.")),
        call(_A - 4, _INSIDE - 4, alone=("negative-coordinates", "Coordinates can be negative.")),
        call(_MANY_A[:0], _MANY_B, alone=("no-boxes", "If N is 0, the result has no rows: [0, M].")),
        Case("the dtype of {name}(a, b) for float32", lambda answer: str(called(answer, _A, _A).dtype),
             alone=("other-dtype", "Your dtype is not that of a and b.")),
        call(20 * _A, torch.tensor([[79.0, 79.0, 80.0, 80.0]]), alone=("rounded", "Your result is rounded.")),
        float64(_A, _INSIDE),
    ),
    mistakes=(
        Mistake("negative-sides", "Where two boxes are apart both ways, your intersection has two negative sides. A "
                "side is at least 0.", (".clamp(min=0)", ""), on=(_APART,)),
        Mistake("union-counts-twice", "Your sum of the two areas counts the shared area twice.", (" - shared", "")),
        Mistake("dice", "You divide twice the intersection by the sum of the areas. That is the Dice coefficient.",
                (("shared / ", "2 * shared / "), (" - shared", ""))),
        Mistake("over-first-area", "You divide by the area of one box. Divide by the union.",
                (" + area_b - shared", ""), ("area_a[:, None] + area_b - shared", "area_b"),
                ("(area_a[:, None] + area_b - shared)", "torch.minimum(area_a[:, None], area_b)"),
                ("(area_a[:, None] + area_b - shared)", "torch.maximum(area_a[:, None], area_b)")),
        Mistake("intersection-only", "You return the area of the intersection. Divide it by that of the union.",
                (" / (area_a[:, None] + area_b - shared)", "")),
        Mistake("counts-pixels", "You add 1 to each side, as for corners that are whole pixels. Here, a side is x2 - "
                "x1.", (("last - first", "last - first + 1"), ("boxes[:, :2]", "boxes[:, :2] + 1"))),
        Mistake("center-and-size", "You read the four numbers as a position and a size. They are two corners.",
                ("first =",
                       "a, b = (torch.cat((c[:, :2] - c[:, 2:] / 2, c[:, :2] + c[:, 2:] / 2), 1) for c in (a, "
                       "b))\n    first ="),
                ("first =", "a, b = (torch.cat((c[:, :2], c[:, :2] + c[:, 2:]), 1) for c in (a, b))\n    first =")),
        Mistake("transposed", "Your matrix has one row per box of b, not of a.", lambda a, b: box_iou(b, a)),
        Mistake("hull-for-intersection", "You use the box around both, not what they share.",
                (("first = torch.maximum", "first = torch.minimum"), ("last = torch.minimum", "last = torch.maximum"))),
        Mistake("row-by-row", "You compare box i only with box i. The task asks for every pair: [N, M].",
                symptom=lambda answer: _needs_equal_numbers(answer) and _square(answer).shape != (3, 3)),
        Mistake("areas-row-by-row", "Part of your formula, perhaps the sum of the areas, pairs box i only with box i. "
                "That part has to be [N, M], too.",
                symptom=lambda answer: _needs_equal_numbers(answer) and _square(answer).shape == (3, 3)),
    ),
    hints=(
        "What two boxes share is also a box. Where does it begin, and where does it end?",
        "It begins at the larger x1 and the larger y1 of the two boxes, and ends at the smaller x2 and the smaller "
        "y2. If the boxes do not overlap, its width or height comes out negative: set it to 0 with clamp(min=0).",
        "a[:, None] is [N, 1, 4] and b[None] is [1, M, 4]: torch.maximum of the two is [N, M, 4]. The union is the "
        "sum of the areas minus what they share.",
    ),
)  # fmt: skip


# --- average precision ------------------------------------------------------------------------------------------------


def average_precision(scores, hits, positives):
    """scores, hits [n]; positives: how many objects there are. The mean, over them, of the precision at each hit."""
    hits = hits[scores.argsort(descending=True)].double()
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    return (precision * hits).sum().item() / positives


_FOUND_LATE = call(torch.tensor([0.3, 0.9, 0.6, 0.1]), torch.tensor([True, True, False, False]), 2)

AVERAGE_PRECISION = Exercise(
    reference=average_precision, difficulty=3, minutes=10,
    task="Go through the boxes from the highest score down. At each hit, note the precision so far: the hits up to "
         "here, divided by the boxes up to here. Return the sum of these numbers, divided by the number of objects.",
    cases=(
        call(torch.tensor([0.9]), torch.tensor([True]), 1),
        call(torch.tensor([0.9, 0.8, 0.7]), torch.tensor([True, True, False]), 2),
        _FOUND_LATE,
        call(torch.tensor([0.9, 0.8, 0.3]), torch.tensor([True, False, True]), 4),
        call(torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5]), torch.tensor([False, True, True, True, False]), 5),
        call(torch.tensor([-0.5, -2.0, -1.0, -1.0]), torch.tensor([True, False, True, True]), 3,
             alone=("some-scores", "Scores can be negative, and two boxes can have the same score.")),
        call(torch.tensor([0.5, 0.4]), torch.tensor([False, False]), 3,
             alone=("no-hits", "Without a single hit, your function divides 0 by 0. The average precision is then 0.")),
        call(torch.zeros(0), torch.zeros(0) > 0, 3, alone=("no-boxes", "Without boxes, the average precision is 0.")),
    ),
    mistakes=(
        Mistake("not-sorted", "Sort by score first, highest first.", ("[scores.argsort(descending=True)]", "")),
        Mistake("sorted-upwards", "You start with the lowest score.", ("descending=True", "")),
        Mistake("missed-not-counted", "You divide by the number of objects that were found. A missed object counts as "
                "0.", ("/ positives", "/ max(hits.sum().item(), 1)")),
        Mistake("over-boxes", "You divide by the number of boxes, not of objects.", ("/ positives", "/ len(hits)")),
        Mistake("every-rank", "You add the precision at each box. Add only those at the hits.", (" * hits", ""),
                ((" * hits", ""), ("/ positives", "/ len(hits)"))),
        Mistake("smoothed", "You raise each precision to the highest one that follows, as some benchmarks do. Take it "
                "as it is.", ("precision *", "precision.flip(0).cummax(0)[0].flip(0) *")),
        Mistake("interpolated", "You read the precision at fixed recalls, as some benchmarks do. Take it at the hits.",
                ("(precision * hits).sum().item() / positives", "sum((precision * (hits.cumsum(0) / positives >= t / "
                 "10)).max().item() for t in range(11)) / 11"), on=(_FOUND_LATE,)),
        Mistake("recall-only", "Your answer does not depend on the order of the hits.", ("precision * ", ""),
                lambda s, h, p: h.double().mean().item(), lambda s, h, p: (s.double() * h).sum().item() / p),
        Mistake("ranks-one-short", "Your count of boxes is one short: up to the second box, there are 2.",
                ("torch.arange(1, len(hits) + 1)", "torch.arange(len(hits)).clamp(min=1)")),
        Mistake("ranks-from-zero", "Your count of boxes starts at 0, so something is divided by 0. The first box is "
                "box 1.", ("1, len(hits) + 1", "len(hits)")),
    ),
    hints=(
        "Sort the hits by their scores, highest first: scores.argsort(descending=True).",
        "hits.cumsum(0) is the number of hits up to each position; torch.arange(1, n + 1) is the number of boxes.",
        "Multiply the precision by the hits: whatever is not a hit becomes 0. Sum, and divide by positives.",
    ),
)  # fmt: skip


# --- a residual block for signals -------------------------------------------------------------------------------------


class SignalBlock(nn.Module):
    """relu(F(x) + x), [N, C, T] -> [N, C, T], with two 1-D convolutions of three taps, `dilation` apart."""

    def __init__(self, channels, dilation):
        super().__init__()
        self.conv1 = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn1 = nn.BatchNorm1d(channels)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm1d(channels)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + x)


_SIGNAL = integers(3, 4, 12)


def _has(number, kind):
    """A symptom: a block has this many layers of this kind."""
    return lambda answer: sum(isinstance(module, kind) for module in answer(4, 1).modules()) == number


def _learns(answer):
    """Whether more than one parameter of a copy, with its initial weights, gets a gradient."""
    block = copy.deepcopy(answer(4, 1))
    block(_SIGNAL.clone()).square().sum().backward()
    return sum(p.grad is not None and bool(p.grad.any()) for p in block.parameters()) > 1


SIGNAL_BLOCK = Exercise(
    reference=SignalBlock, difficulty=2, minutes=10,
    task="Write the basic residual block for signals [N, C, T]: convolution, BatchNorm, ReLU, convolution, BatchNorm, "
         "plus x, ReLU. Both convolutions are 1-D, have 3 taps spaced `dilation` apart and no bias, and keep the "
         "length T.",
    cases=(
        shape(_SIGNAL, 4, 1), shape(_SIGNAL, 4, 3), parameters(4, 2), output(_SIGNAL, 4, 1), output(_SIGNAL, 4, 2),
        output(normal(3, 4, 13), 4, 3), *beyond(normal(3, 4, 12), 4, 2),
        Case("whether copy.deepcopy({name}(4, 1)) learns", _learns, alone=("learns-nothing", "In a new block, or in a "
             "copy of one, no gradient reaches the branch. Is a norm's weight 0? Does a lambda use self?")),
    ),
    mistakes=(
        Mistake("skip-forgotten", "Your block does not add x: it is a plain block.", (")) + x", "))")),
        Mistake("relu-before-addition", "Your last ReLU belongs after the addition.", (")) + x)", "))) + x")),
        Mistake("no-last-relu", "There is no ReLU after your addition.", ("F.relu(self.bn2", "(self.bn2")),
        Mistake("no-inner-relu", "There is no ReLU between your convolutions.", ("F.relu(self.bn1", "(self.bn1")),
        Mistake("norm-after-addition", "Your second BatchNorm comes after the addition, so it normalizes x, too. The "
                "identity path has to stay clear.", ("(out)) + x", "(out) + x)")),
        Mistake("causal", "You pad only at the start, so each output looks only backward. Pad both ends equally.",
                (("self.bn2 =", "self.conv1.padding = self.conv2.padding = (2 * dilation,)\n        self.bn2 ="),
                       ("conv1(x)", "conv1(x)[..., : x.shape[2]]"),
                       ("conv2(out)", "conv2(out)[..., : x.shape[2]]"))),
        Mistake("bias", "Your convolutions have biases. BatchNorm subtracts any constant right away, so set "
                "bias=False.",
                (("False)\n        self.bn1", "True)\n        self.bn1"),
                       ("False)\n        self.bn2", "True)\n        self.bn2")), on=(parameters(4, 2),)),
        Mistake("two-dimensional", "A signal [N, C, T] has one dimension to slide along: use Conv1d and BatchNorm1d.",
                (("bn1 = nn.BatchNorm1d", "bn1 = nn.BatchNorm2d"), ("bn2 = nn.BatchNorm1d", "bn2 = nn.BatchNorm2d")),
                symptom=lambda answer: any(isinstance(m, nn.Conv2d | nn.BatchNorm2d) for m in answer(4, 1).modules())),
        Mistake("shared-weights", "You use one convolution twice. The block has two, each with its own weights.",
                ("self.bn2 =", "self.conv2 = self.conv1\n        self.bn2 ="), symptom=_has(1, nn.Conv1d)),
        Mistake("shared-norm", "You use one BatchNorm twice. Each convolution is followed by its own.",
                ("bn2 = nn.BatchNorm1d(channels)", "bn2 = self.bn1"), symptom=_has(1, nn.BatchNorm1d)),
        Mistake("no-norm", "There is no BatchNorm in your block.",
                (("bn1 = nn.BatchNorm1d(channels)", "bn1 = nn.Identity()"),
                       ("bn2 = nn.BatchNorm1d(channels)", "bn2 = nn.Identity()")),
                symptom=lambda answer: _has(2, nn.Conv1d)(answer) and _has(0, nn.BatchNorm1d)(answer)),
        Mistake("length-changes", "Your branch's output is shorter than x. How many zeros does a kernel of 3 taps, "
                "`dilation` apart, need at each end?",
                symptom=raises(RuntimeError, "must match the size of tensor",
                               lambda answer: answer(4, 3)(normal(3, 4, 40)))),
    ),
    hints=(
        "It is the basic block of lesson 06 with Conv1d and BatchNorm1d instead of Conv2d and BatchNorm2d.",
        "With dilation d, a kernel of 3 taps spans 2 d + 1 samples. To keep the length, pad d zeros at each end.",
        "nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False), twice.",
    ),
)  # fmt: skip
