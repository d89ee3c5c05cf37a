"""The exercises of lesson 01: what one convolution does to a size, to an image, and to what a pixel sees."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from resnet_edu.exercises.core import Exercise, Mistake
from resnet_edu.exercises.writing import call, does_as, integers, raises, right_but_not_on

# --- output size ------------------------------------------------------------------------------------------------------


def output_size(size, kernel, stride=1, padding=0, dilation=1):
    """Side of the output of a convolution, from the side of its input: whole pixels."""
    reach = dilation * (kernel - 1) + 1  # pixels that a dilated kernel spans
    return (size + 2 * padding - reach) // stride + 1


def _one_sided_padding(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


def _rounds_up(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    return -(-(size + 2 * padding - dilation * (kernel - 1) - 1) // stride) + 1


def _rounds_to_nearest(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    return round((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1


def _pads_the_output(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    return (size - dilation * (kernel - 1) - 1) // stride + 1 + 2 * padding


OUTPUT_SIZE = Exercise(
    task="Give the side of a convolution's output.",
    difficulty=1,
    minutes=5,
    reference=output_size,
    cases=(
        call(5, 3),
        call(5, 1),
        call(5, 3, 2),
        call(6, 3, 2),
        call(5, 3, 1, 1),
        call(7, 3, 1, 0, 2),
        call(32, 3, 2, 1),
        call(10, 3, 4, 0),
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
        Mistake(
            "whole-but-a-float",
            "Your number is right, but it is a float: a size is an int, and nn.Conv2d and range() take nothing else.",
            lambda size, kernel, stride=1, padding=0, dilation=1: float(
                output_size(size, kernel, stride, padding, dilation)
            ),
        ),
        Mistake("rounds-up", "A kernel that hangs over the edge does not count: round down, not up.", _rounds_up),
        Mistake(
            "rounds-to-nearest",
            "`round` goes up as often as down. A kernel that hangs over the edge does not count, however little.",
            _rounds_to_nearest,
        ),
        Mistake("padding-once", "Padding is added on both sides of the image.", _one_sided_padding),
        Mistake(
            "pads-the-output",
            "You add the padding to the result. It makes the image larger before the kernel moves, and the stride "
            "counts there, too.",
            _pads_the_output,
        ),
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
            "ignores-kernel",
            "You divide the image by the stride. That is right only where the padding makes up for the kernel.",
            lambda size, kernel, stride=1, padding=0, dilation=1: size // stride,
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


def _conv(x: Tensor, w: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv2d(x[None], w, stride=stride, padding=padding)[0]


def _windows(x: Tensor, w: Tensor, stride: int, padding: int) -> Tensor:
    """[C, H', W', k, k]"""
    k = w.shape[-1]
    return F.pad(x, (padding,) * 4).unfold(1, k, stride).unfold(2, k, stride)


def _mixes_windows(x, w, stride=1, padding=0):
    windows = _windows(x, w, stride, padding)
    out = windows.reshape(-1, w[0].numel()) @ w.reshape(len(w), -1).T
    return out.T.reshape(len(w), *windows.shape[1:3])


def _mixes_outputs(x, w, stride=1, padding=0):
    out = _conv(x, w, stride, padding)
    return out.permute(1, 2, 0).reshape(out.shape)


def _stride_in_the_size_only(x, w, stride=1, padding=0):
    rows, columns = _conv(x, w, stride, padding).shape[1:]
    return _conv(x, w, 1, padding)[:, :rows, :columns]


def _strides_the_image(x, w, stride=1, padding=0):
    return _conv(F.pad(x, (padding,) * 4)[:, ::stride, ::stride], w)


def _numbers(*shape: int) -> Tensor:
    """1, 2, 3 ... in reading order."""
    return torch.arange(1.0, 1 + torch.Size(shape).numel()).reshape(shape)


_SQUARE = (
    (_numbers(1, 3, 3), _numbers(1, 1, 2, 2)),
    (integers(2, 5, 5), integers(3, 2, 3, 3), 2, 1),
    (integers(3, 4, 4), integers(2, 3, 2, 2), 1, 0),
)
_WIDE = (
    (_numbers(1, 3, 4), integers(1, 1, 2, 2)),
    (_numbers(1, 4, 3), integers(1, 1, 2, 2)),
    (integers(2, 7, 4), integers(3, 2, 3, 3), 2, 1),
)
_SWAPPED = ((integers(2, 4, 4), integers(2, 2, 2, 2)), (integers(3, 5, 5), integers(3, 3, 3, 3), 2, 1))
_STRIDED = ((_numbers(1, 6, 6), _numbers(1, 1, 2, 2), 2), (integers(2, 7, 9), integers(2, 2, 3, 3), 2, 1))
_EVEN = ((_numbers(1, 3, 3), _numbers(1, 1, 2, 2)), (integers(2, 6, 6), integers(2, 2, 4, 4)))
_ODD = (_SQUARE[1], (integers(2, 5, 5), integers(3, 2, 3, 3)))

CONVOLVE = Exercise(
    task=(
        "Convolve by hand: at each place, multiply the window of x [C, H, W] by each kernel of w [O, C, k, k] and add "
        "up all C * k * k products. Pad with zeros on all four sides; no bias. The result is [O, H', W']."
    ),
    difficulty=3,
    minutes=15,
    reference=convolve,
    cases=(
        call(_numbers(1, 2, 2), torch.full((1, 1, 1, 1), 2.0)),
        call(_numbers(1, 2, 2), _numbers(1, 1, 2, 2)),
        call(_numbers(1, 3, 3), _numbers(1, 1, 2, 2)),
        call(_numbers(2, 2, 2), _numbers(1, 2, 2, 2)),
        call(_numbers(1, 2, 2), _numbers(3, 1, 1, 1)),
        call(_numbers(1, 3, 4), integers(1, 1, 2, 2)),
        call(_numbers(1, 4, 3), integers(1, 1, 2, 2)),
        call(_numbers(1, 4, 4), torch.ones(1, 1, 1, 1), 2),
        call(_numbers(1, 4, 4), integers(1, 1, 3, 3), 2),
        call(_numbers(1, 3, 3), _numbers(1, 1, 3, 3), 1, 1),
        call(_numbers(1, 2, 3), torch.ones(1, 1, 1, 1), 1, 1),
        call(integers(3, 7, 5), integers(4, 3, 3, 3)),
        call(integers(3, 7, 5), integers(4, 3, 3, 3), 2, 1),
        call(integers(2, 6, 9), integers(3, 2, 2, 2), 3, 2),
    ),
    mistakes=(
        Mistake(
            "only-squares",
            "Your answer is right where the image is as wide as it is high, and only there.",
            symptom=right_but_not_on(convolve, _SQUARE, _WIDE),
        ),
        Mistake(
            "rows-and-columns-swapped",
            "Your picture lies on its side: rows and columns of the result have changed places.",
            symptom=does_as(lambda *case: _conv(*case).transpose(1, 2), *_SQUARE),
        ),
        Mistake(
            "outputs-for-inputs",
            "w is [outputs, inputs, k, k], and you read it as [inputs, outputs, k, k].",
            symptom=does_as(lambda x, w, *more: _conv(x, w.transpose(0, 1), *more), *_SWAPPED),
        ),
        Mistake(
            "only-odd-kernels",
            "Your answer is right where the kernel has a pixel in its middle, and only there. A window starts at its "
            "corner.",
            symptom=right_but_not_on(convolve, _ODD, _EVEN),
        ),
        Mistake(
            "flips-the-kernel",
            "You turn the kernel by 180 degrees. In mathematics a convolution does so; in networks it does not.",
            lambda x, w, stride=1, padding=0: _conv(x, w.flip(2, 3), stride, padding),
        ),
        Mistake(
            "transposes-the-kernel",
            "Rows and columns of the kernel have changed places.",
            lambda x, w, stride=1, padding=0: _conv(x, w.transpose(2, 3), stride, padding),
        ),
        Mistake(
            "ignores-stride",
            "The stride changes nothing in your answer.",
            lambda x, w, stride=1, padding=0: _conv(x, w, 1, padding),
        ),
        Mistake(
            "stride-only-in-the-size",
            "You make as many windows as the stride asks for, but the window moves by one pixel only.",
            _stride_in_the_size_only,
        ),
        Mistake(
            "strides-the-image",
            "You take every stride-th pixel of the image first. The stride moves the window; inside it stays whole.",
            symptom=does_as(_strides_the_image, *_STRIDED),
        ),
        Mistake(
            "ignores-padding",
            "The padding changes nothing in your answer.",
            lambda x, w, stride=1, padding=0: _conv(x, w, stride),
        ),
        Mistake(
            "pads-only-after",
            "You pad at the right and at the bottom only: the other two sides are missing.",
            lambda x, w, stride=1, padding=0: _conv(F.pad(x, (0, padding, 0, padding)), w, stride),
        ),
        Mistake(
            "pads-only-before",
            "You pad at the left and at the top only: the other two sides are missing.",
            lambda x, w, stride=1, padding=0: _conv(F.pad(x, (padding, 0, padding, 0)), w, stride),
        ),
        Mistake(
            "pads-only-the-width",
            "You pad left and right, not top and bottom. F.pad takes two numbers a dimension, the last one first.",
            lambda x, w, stride=1, padding=0: _conv(F.pad(x, (padding, padding)), w, stride),
        ),
        Mistake(
            "one-step-short",
            "Your last row and column are missing: the kernel fits at its first place, too.",
            lambda x, w, stride=1, padding=0: _conv(x, w, stride, padding)[:, :-1, :-1],
        ),
        Mistake(
            "mean-for-sum",
            "You take the mean of the products. A convolution adds them up.",
            lambda x, w, stride=1, padding=0: _conv(x, w, stride, padding) / w[0].numel(),
        ),
        Mistake(
            "channels-kept-apart",
            "Each kernel gives one map: you have not added up over the input's channels.",
            lambda x, w, stride=1, padding=0: torch.einsum("chwij,ocij->ochw", _windows(x, w, stride, padding), w),
        ),
        Mistake(
            "first-channel-only",
            "Only the first channel of the input counts in your answer.",
            lambda x, w, stride=1, padding=0: _conv(x[:1], w[:, :1], stride, padding),
        ),
        Mistake(
            "last-channel-only",
            "Only the last channel of the input counts in your answer. Does each one overwrite the one before?",
            lambda x, w, stride=1, padding=0: _conv(x[-1:], w[:, -1:], stride, padding),
        ),
        Mistake(
            "one-kernel-for-all-channels",
            "You use the kernel's first table for every channel. It has one for each.",
            lambda x, w, stride=1, padding=0: _conv(x.sum(0, keepdim=True), w[:, :1], stride, padding),
        ),
        Mistake(
            "one-output-only",
            "w holds many kernels, and you use the first one only.",
            lambda x, w, stride=1, padding=0: _conv(x, w[:1], stride, padding),
        ),
        Mistake(
            "dimension-lost",
            "Your result has lost its first dimension: with one kernel it is [1, H', W'].",
            lambda x, w, stride=1, padding=0: _conv(x, w, stride, padding).squeeze(0),
        ),
        Mistake(
            "dimension-too-many",
            "Your result has a dimension for the batch in front. x has none, so the result has none.",
            lambda x, w, stride=1, padding=0: _conv(x, w, stride, padding)[None],
        ),
        Mistake(
            "view-mixes-windows",
            "A reshape has mixed channels and places: it reads the numbers on in their order in memory. Bring the "
            "dimensions into the right order before you merge them.",
            _mixes_windows,
        ),
        Mistake(
            "view-mixes-outputs",
            "Your numbers are right, but in the wrong places: a reshape moves no dimension, it only cuts the row of "
            "numbers anew.",
            _mixes_outputs,
        ),
        Mistake(
            "dimensions-not-a-tuple",
            "`sum` takes the dimensions as one tuple.",
            symptom=raises(TypeError, "sum()", *_SQUARE[0]),
        ),
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
)


# --- receptive field --------------------------------------------------------------------------------------------------


def receptive_field(layers):
    """[(kernel, stride), ...], the first layer first -> pixels along one side that one output sees."""
    field, step = 1, 1  # step: how far one step in this layer's input is in the picture
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step *= stride
    return field


def _walk(layers, *, start=1, less=1, own_stride=False, grow=lambda step, stride: step * stride):
    """The reference, with one thing changed."""
    field, step = start, 1
    for kernel, stride in layers:
        after = grow(step, stride)
        field += (kernel - less) * (after if own_stride else step)
        step = after
    return field


def _wrong_direction(layers):
    field = 1
    for kernel, stride in layers:
        field = (field - 1) * stride + kernel
    return field


def _product(layers):
    field = 1
    for kernel, _ in layers:
        field *= kernel
    return field


RECEPTIVE_FIELD = Exercise(
    task=(
        "Give the side of the receptive field: how many pixels in a row of the picture can change one output of this "
        "stack of convolutions. layers is a list of (kernel, stride), the first layer first."
    ),
    difficulty=2,
    minutes=10,
    reference=receptive_field,
    cases=(
        call([(1, 1)]),
        call([(3, 1)]),
        call([(3, 2)]),
        call([(3, 1), (3, 1)]),
        call([(3, 2), (3, 1)]),
        call([(1, 2), (3, 1)]),
        call([(3, 1), (5, 2)]),
        call([(3, 2), (3, 2), (3, 2)]),
        call([(7, 2), (3, 2), (3, 1), (3, 3), (1, 1), (2, 1)]),
    ),
    mistakes=(
        Mistake(
            "ignores-stride",
            "The strides change nothing in your answer. After a stride of 2, a step in the map is two in the picture.",
            lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
        ),
        Mistake(
            "own-stride-too-soon",
            "A layer's own stride counts already for its own kernel. It moves the kernel, and so it spreads only what "
            "comes after.",
            lambda layers: _walk(layers, own_stride=True),
        ),
        Mistake(
            "own-stride-only",
            "Each layer counts with its own stride. It is the strides of the layers before it that spread its kernel.",
            lambda layers: 1 + sum((kernel - 1) * stride for kernel, stride in layers),
        ),
        Mistake(
            "kernel-not-minus-one",
            "You add the whole kernel for each layer. One of its pixels has been counted before.",
            lambda layers: _walk(layers, less=0),
        ),
        Mistake(
            "starts-at-zero",
            "You begin with a field of 0. Without any layer an output sees one pixel: itself.",
            lambda layers: _walk(layers, start=0),
        ),
        Mistake(
            "kernel-not-minus-one-from-zero",
            "You add up whole kernels. Two kernels in a row overlap: how many pixels does the second one add?",
            lambda layers: _walk(layers, start=0, less=0),
        ),
        Mistake(
            "strides-added",
            "You add the strides up. Each one spreads what the others have spread already.",
            lambda layers: _walk(layers, grow=lambda step, stride: step + stride - 1),
        ),
        Mistake(
            "strides-added-from-one",
            "You add the strides up, on top of 1. Each one spreads what the others have spread already.",
            lambda layers: _walk(layers, grow=lambda step, stride: step + stride),
        ),
        Mistake(
            "last-stride-only",
            "Only the stride of the layer before counts in your answer. All that came before spread, too.",
            lambda layers: _walk(layers, grow=lambda step, stride: stride),
        ),
        Mistake(
            "wrong-direction",
            "Your rule goes from the output back to the picture, and your loop from the picture to the output.",
            _wrong_direction,
        ),
        Mistake(
            "kernels-multiplied",
            "You multiply the kernels. Each layer adds some pixels at the rim.",
            _product,
        ),
        Mistake(
            "kernels-added",
            "You add up the kernels. Two kernels in a row overlap, and strides spread them.",
            lambda layers: sum(kernel for kernel, _ in layers),
        ),
        Mistake(
            "returns-too-soon",
            "Only the first layer counts: `return` stands inside of the loop.",
            lambda layers: receptive_field(layers[:1]),
        ),
        Mistake(
            "last-layer-missing",
            "The last layer does not count in your answer.",
            lambda layers: receptive_field(layers[:-1]),
        ),
        Mistake(
            "area",
            "You count all the pixels of the square. The task asks for its side.",
            lambda layers: receptive_field(layers) ** 2,
        ),
        Mistake(
            "steps-for-field",
            "You give how far two neighbours of the output are apart in the picture, not how much one of them sees.",
            lambda layers: math.prod(stride for _, stride in layers),
        ),
        Mistake(
            "kernel-and-stride-swapped",
            "Each layer is (kernel, stride), and you read it as (stride, kernel).",
            lambda layers: receptive_field([(stride, kernel) for kernel, stride in layers]),
        ),
        Mistake(
            "whole-but-a-float",
            "Your number is right, but it is a float: pixels are counted in ints.",
            lambda layers: float(receptive_field(layers)),
        ),
    ),
    hints=(
        "Begin with one pixel. A 3 x 3 layer lets it see one more on each side: 3. A second one: 5. So what does a "
        "layer add?",
        "After a layer with stride 2, neighbours in its map are two pixels of the picture apart, so all that later "
        "layers add counts double. Keep that distance in a second variable, `step`.",
        "For each layer, in this order: the field grows by (kernel - 1) steps, then the step grows stride times.",
    ),
)
