"""The exercises of lesson 01: what one convolution does to a size, to an image, and to what a pixel sees."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from resnet_edu.exercises.writing import Exercise, Mistake, call, integers, raises, right_but_not_on

# --- output size ------------------------------------------------------------------------------------------------------


def output_size(size, kernel, stride=1, padding=0, dilation=1):
    """Side of the output of a convolution, from the side of its input: whole pixels."""
    reach = dilation * (kernel - 1) + 1  # pixels that a dilated kernel spans
    return (size + 2 * padding - reach) // stride + 1


OUTPUT_SIZE = Exercise(
    reference=output_size, difficulty=1, minutes=5,
    task="Give the side of a convolution's output.",
    cases=(
        call(5, 3), call(5, 1), call(5, 3, stride=2), call(6, 3, stride=2), call(5, 3, padding=1),
        call(7, 3, dilation=2), call(32, 3, stride=2, padding=1), call(10, 3, 4, 0), call(224, 7, 2, 3),
        call(33, 5, 3, 2, 2),
    ),
    mistakes=(
        Mistake("no-plus-one", "The kernel fits at its first place, too: count the places, not the steps between them.",
                patch=(" // stride + 1", " // stride")),
        Mistake("true-division", "A size is a whole number: `/` gives a float. Which division drops the rest?",
                patch=("//", "/")),
        Mistake("whole-but-a-float", "Your number is right, but it is a float: a size is an int, and nn.Conv2d and "
                "range() take nothing else.", patch=("return (", "return float(")),
        Mistake("rounds-up", "A kernel that hangs over the edge does not count: round down, not up.",
                patch=("reach)", "reach + stride - 1)")),
        Mistake("rounds-to-nearest", "`round` goes up as often as down. A kernel that hangs over the edge does not "
                "count, however little.", patch=(("return (", "return round(("), ("// stride", "/ stride)"))),
        Mistake("padding-once", "Padding is added on both sides of the image.", patch=("2 * padding", "padding")),
        Mistake("pads-the-output", "You add the padding to the result. It makes the image larger before the kernel "
                "moves, and the stride counts there, too.",
                patch=((" + 2 * padding", ""), ("stride + 1", "stride + 1 + 2 * padding"))),
        Mistake("ignores-padding", "The padding changes nothing in your answer.", patch=(" + 2 * padding", "")),
        Mistake("ignores-stride", "The stride changes nothing in your answer.", patch=(" // stride", "")),
        Mistake("ignores-kernel", "You divide the image by the stride. That is right only where the padding makes up "
                "for the kernel.", patch=("(size + 2 * padding - reach) // stride + 1", "size // stride")),
        Mistake("ignores-dilation", "The dilation changes nothing in your answer.",
                patch=("dilation * (kernel - 1) + 1", "kernel")),
        Mistake("dilates-the-kernel-itself", "Dilation spreads the gaps of the kernel, and a kernel of k pixels has k "
                "- 1 of them.", patch=("(kernel - 1) + 1", "kernel")),
        Mistake("divides-too-late", "First count the steps that fit, then add the first place: the + 1 stands outside "
                "of the division.", patch=("reach) // stride + 1", "reach + 1) // stride")),
    ),
    hints=(
        "Without padding, dilation and stride: at how many places does a kernel of 3 fit into a row of 5?",
        "Padding makes the row longer on both sides. Dilation makes the kernel longer: it spans d(k - 1) + 1 pixels.",
        "(row - kernel) // stride counts the steps that fit; the place where the kernel starts comes on top.",
    ),
)  # fmt: skip


# --- convolution by hand ----------------------------------------------------------------------------------------------


def convolve(x, w, stride=1, padding=0):
    """x [C, H, W], w [O, C, k, k] -> [O, H', W']."""
    k = w.shape[-1]
    x = F.pad(x, (padding, padding, padding, padding))  # left, right, top, bottom
    rows = (x.shape[1] - k) // stride + 1
    columns = (x.shape[2] - k) // stride + 1
    out = x.new_zeros(len(w), rows, columns)
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            window = x[:, top : top + k, left : left + k]  # [C, k, k]
            out[:, row, column] = (w * window).sum((1, 2, 3))  # over C, k and k
    return out


def _numbers(*shape: int) -> Tensor:
    """1, 2, 3 ... in reading order."""
    return torch.arange(1.0, 1 + torch.Size(shape).numel()).reshape(shape)


_SQUARE = (
    call(_numbers(1, 3, 3), _numbers(1, 1, 2, 2)),
    call(integers(2, 5, 5), integers(3, 2, 3, 3), 2, 1),
    call(integers(3, 4, 4), integers(2, 3, 2, 2), 1, 0),
)
_WIDE = (
    call(_numbers(1, 3, 4), integers(1, 1, 2, 2)),
    call(_numbers(1, 4, 3), integers(1, 1, 2, 2)),
    call(integers(2, 7, 4), integers(3, 2, 3, 3), 2, 1),
)
_SWAPPED = (call(integers(2, 4, 4), integers(2, 2, 2, 2)), call(integers(3, 5, 5), integers(3, 3, 3, 3), 2, 1))
_STRIDED = (call(_numbers(1, 6, 6), _numbers(1, 1, 2, 2), 2), call(integers(2, 7, 9), integers(2, 2, 3, 3), 2, 1))
_EVEN = (_SQUARE[0], call(integers(2, 6, 6), integers(2, 2, 4, 4)))
_ODD = (_SQUARE[1], call(integers(2, 5, 5), integers(3, 2, 3, 3)))


CONVOLVE = Exercise(
    reference=convolve, difficulty=3, minutes=15,
    task="Convolve by hand: at each place, multiply the window of x [C, H, W] by each kernel of w [O, C, k, k] and "
         "add up all C * k * k products. Pad with zeros on all four sides; no bias. The result is [O, H', W'].",
    cases=(
        call(_numbers(1, 2, 2), torch.full((1, 1, 1, 1), 2.0)), call(_numbers(1, 2, 2), _numbers(1, 1, 2, 2)),
        _SQUARE[0], call(_numbers(2, 2, 2), _numbers(1, 2, 2, 2)), call(_numbers(1, 2, 2), _numbers(3, 1, 1, 1)),
        *_WIDE[:2], call(_numbers(1, 4, 4), torch.ones(1, 1, 1, 1), stride=2),
        call(_numbers(1, 4, 4), integers(1, 1, 3, 3), 2), call(_numbers(1, 3, 3), _numbers(1, 1, 3, 3), padding=1),
        call(_numbers(1, 2, 3), torch.ones(1, 1, 1, 1), 1, 1), call(integers(3, 7, 5), integers(4, 3, 3, 3)),
        call(integers(3, 7, 5), integers(4, 3, 3, 3), 2, 1), call(integers(2, 6, 9), integers(3, 2, 2, 2), 3, 2),
    ),
    mistakes=(
        Mistake("only-squares", "Your answer is right where the image is as wide as it is high, and only there.",
                symptom=right_but_not_on(convolve, _SQUARE, _WIDE)),
        Mistake("rows-and-columns-swapped", "Your picture lies on its side: rows and columns of the result have "
                "changed places.", patch=("return out", "return out.transpose(1, 2)"), on=_SQUARE),
        Mistake("outputs-for-inputs", "w is [outputs, inputs, k, k], and you read it as [inputs, outputs, k, k].",
                patch=("    k =", "    w = w.transpose(0, 1)\n    k ="), on=_SWAPPED),
        Mistake("only-odd-kernels", "Your answer is right where the kernel has a pixel in its middle, and only there. "
                "A window starts at its corner.", symptom=right_but_not_on(convolve, _ODD, _EVEN)),
        Mistake("flips-the-kernel", "You turn the kernel by 180 degrees. In mathematics a convolution does so; in "
                "networks it does not.", patch=("w * w", "w.flip(2, 3) * w")),
        Mistake("transposes-the-kernel", "Rows and columns of the kernel have changed places.",
                patch=("w * w", "w.transpose(2, 3) * w")),
        Mistake("ignores-stride", "The stride changes nothing in your answer.",
                patch=("    k =", "    stride = 1\n    k =")),
        Mistake("stride-only-in-the-size", "You make as many windows as the stride asks for, but the window moves by "
                "one pixel only.", patch=("row * stride, column * stride", "row, column")),
        Mistake("strides-the-image", "You take every stride-th pixel of the image first. The stride moves the window; "
                "inside it stays whole.", patch=("bottom\n", "bottom\n    x, stride = x[:, ::stride, ::stride], 1\n"),
                on=_STRIDED),
        Mistake("ignores-padding", "The padding changes nothing in your answer.",
                patch=("    k =", "    padding = 0\n    k =")),
        Mistake("pads-only-after", "You pad at the right and at the bottom only: the other two sides are missing.",
                patch=("(padding, padding, padding, padding)", "(0, padding, 0, padding)")),
        Mistake("pads-only-before", "You pad at the left and at the top only: the other two sides are missing.",
                patch=("(padding, padding, padding, padding)", "(padding, 0, padding, 0)")),
        Mistake("pads-only-the-width", "You pad left and right, not top and bottom. F.pad takes two numbers a "
                "dimension, the last one first.", patch=("(padding, padding, padding, padding)", "(padding, padding)")),
        Mistake("one-step-short", "Your last row and column are missing: the kernel fits at its first place, too.",
                patch=("return out", "return out[:, :-1, :-1]")),
        Mistake("mean-for-sum", "You take the mean of the products. A convolution adds them up.",
                patch=("sum", "mean")),
        Mistake("channels-kept-apart", "Each kernel gives one map: you have not added up over the input's channels.",
                patch=(("len(w), rows", "len(w), len(x), rows"), ("out[:,", "out[:, :,"), ("1, 2, 3", "2, 3"))),
        Mistake("first-channel-only", "Only the first channel of the input counts in your answer.",
                patch=("window).", "window)[:, :1].")),
        Mistake("last-channel-only", "Only the last channel of the input counts in your answer. Does each one "
                "overwrite the one before?", patch=("window).", "window)[:, -1:].")),
        Mistake("one-kernel-for-all-channels", "You use the kernel's first table for every channel. It has one for "
                "each.", patch=("w * w", "w[:, :1] * w")),
        Mistake("one-output-only", "w holds many kernels, and you use the first one only.",
                patch=("return out", "return out[:1]")),
        Mistake("dimension-lost", "Your result has lost its first dimension: with one kernel it is [1, H', W'].",
                patch=("return out", "return out.squeeze(0)")),
        Mistake("dimension-too-many", "Your result has a dimension for the batch in front. x has none, so the result "
                "has none.", patch=("return out", "return out[None]")),
        Mistake("view-mixes-windows", "A reshape has mixed channels and places: it reads the numbers on in their "
                "order in memory. Bring the dimensions into the right order before you merge them.",
                patch=("return out",
                       "x = x.unfold(1, k, stride).unfold(2, k, stride).reshape(-1, w[0].numel())\n    return "
                       "(x @ w.flatten(1).T).T.reshape(out.shape)")),
        Mistake("view-mixes-outputs", "Your numbers are right, but in the wrong places: a reshape moves no dimension, "
                "it only cuts the row of numbers anew.",
                patch=("return out", "return out.permute(1, 2, 0).reshape(out.shape)")),
        Mistake("dimensions-not-a-tuple", "`sum` takes the dimensions as one tuple.",
                symptom=raises(TypeError, "sum()", _SQUARE[0].run)),
    ),
    hints=(
        "One number of the result: lay the kernel on the image, multiply each pair of numbers, add all up. With C "
        "channels that are C * k * k products.",
        "Pad first: F.pad(x, (left, right, top, bottom)). Then count the places: once along the rows and once along "
        "the columns, as output_size does.",
        "Two loops go over the places. The window at (row, column) begins at row * stride and column * stride, and is "
        "k high and k wide: x[:, top : top + k, left : left + k].",
        "w * window is [O, C, k, k]. Sum the last three dimensions: one number for each kernel, out[:, row, column].",
    ),
)  # fmt: skip


# --- receptive field --------------------------------------------------------------------------------------------------


def receptive_field(layers):
    """[(kernel, stride), ...], the first layer first -> pixels along one side that one output sees."""
    field, step = 1, 1  # step: how far one step in this layer's input is in the picture
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step *= stride
    return field


RECEPTIVE_FIELD = Exercise(
    reference=receptive_field, difficulty=2, minutes=10,
    task="Give the side of the receptive field: how many pixels in a row of the picture can change one output of this "
         "stack of convolutions. layers is a list of (kernel, stride), the first layer first.",
    cases=(
        call([(1, 1)]), call([(3, 1)]), call([(3, 2)]), call([(3, 1), (3, 1)]), call([(3, 2), (3, 1)]),
        call([(1, 2), (3, 1)]), call([(3, 1), (5, 2)]), call([(3, 2), (3, 2), (3, 2)]),
        call([(7, 2), (3, 2), (3, 1), (3, 3), (1, 1), (2, 1)]),
    ),
    mistakes=(
        Mistake("ignores-stride", "The strides change nothing in your answer. After a stride of 2, a step in the map "
                "is two in the picture.", patch=("        step *= stride\n", "")),
        Mistake("own-stride-too-soon", "A layer's own stride counts already for its own kernel. It moves the kernel, "
                "and so it spreads only what comes after.", patch=("* step", "* step * stride")),
        Mistake("own-stride-only", "Each layer counts with its own stride. It is the strides of the layers before it "
                "that spread its kernel.", patch=("* step", "* stride")),
        Mistake("kernel-not-minus-one", "You add the whole kernel for each layer. One of its pixels has been counted "
                "before.", patch=("(kernel - 1)", "kernel")),
        Mistake("starts-at-zero", "You begin with a field of 0. Without any layer an output sees one pixel: itself.",
                patch=("= 1, 1", "= 0, 1")),
        Mistake("kernel-not-minus-one-from-zero", "You add up whole kernels. Two kernels in a row overlap: how many "
                "pixels does the second one add?", patch=(("= 1, 1", "= 0, 1"), ("(kernel - 1)", "kernel"))),
        Mistake("strides-added", "You add the strides up. Each one spreads what the others have spread already.",
                patch=("*= stride", "+= stride - 1")),
        Mistake("strides-added-from-one", "You add the strides up, on top of 1. Each one spreads what the others have "
                "spread already.", patch=("*= stride", "+= stride")),
        Mistake("last-stride-only", "Only the stride of the layer before counts in your answer. All that came before "
                "spread, too.", patch=("*= stride", "= stride")),
        Mistake("wrong-direction", "Your rule goes from the output back to the picture, and your loop from the "
                "picture to the output.", patch=("+= (kernel - 1) * step", "= (field - 1) * stride + kernel")),
        Mistake("kernels-multiplied", "You multiply the kernels. Each layer adds some pixels at the rim.",
                patch=("+= (kernel - 1) * step", "*= kernel")),
        Mistake("kernels-added", "You add up the kernels. Two kernels in a row overlap, and strides spread them.",
                lambda layers: sum(kernel for kernel, _ in layers)),
        Mistake("returns-too-soon", "Only the first layer counts: `return` stands inside of the loop.",
                patch=("    return", "        return")),
        Mistake("last-layer-missing", "The last layer does not count in your answer.",
                patch=("in layers", "in layers[:-1]")),
        Mistake("area", "You count all the pixels of the square. The task asks for its side.",
                patch=("return field", "return field**2")),
        Mistake("steps-for-field", "You give how far two neighbors of the output are apart in the picture, not how "
                "much one of them sees.", patch=("return field", "return step")),
        Mistake("kernel-and-stride-swapped", "Each layer is (kernel, stride), and you read it as (stride, kernel).",
                patch=("for kernel, stride", "for stride, kernel")),
        Mistake("whole-but-a-float", "Your number is right, but it is a float: pixels are counted in ints.",
                patch=("return field", "return float(field)")),
    ),
    hints=(
        "Begin with one pixel. A 3 x 3 layer lets it see one more on each side: 3. A second one: 5. So what does a "
        "layer add?",
        "After a layer with stride 2, neighbors in its map are two pixels of the picture apart, so all that later "
        "layers add counts double. Keep that distance in a second variable, `step`.",
        "For each layer, in this order: the field grows by (kernel - 1) steps, then the step grows stride times.",
    ),
)  # fmt: skip
