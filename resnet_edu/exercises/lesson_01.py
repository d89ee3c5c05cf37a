"""The exercises of lesson 01: what one convolution does to an image and its size, and what a pixel sees."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
import torch
from torch import Tensor
from torch.nn import functional as F

from resnet_edu.exercises.cases import ByHand, call, called, float64, gradients, integers
from resnet_edu.exercises.compare import plain
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.writing import agrees, raises, right_but_not_on

# --- output size ------------------------------------------------------------------------------------------------------


def output_size(size, kernel, stride=1, padding=0, dilation=1):
    """Side length of a convolution's output, in whole pixels, from the side length of its input."""
    reach = dilation * (kernel - 1) + 1  # pixels that a dilated kernel spans
    return (size + 2 * padding - reach) // stride + 1


OUTPUT_SIZE = Exercise(
    reference=output_size, difficulty=1, minutes=5,
    task="Return the side length of a convolution's output.",
    cases=(
        call(5, 3), call(5, 1), call(5, 3, stride=2), call(6, 3, stride=2), call(5, 3, padding=1),
        call(7, 3), call(7, 3, dilation=2), call(32, 3, stride=2, padding=1), call(10, 3, 4, 0), call(224, 7, 2, 3),
        call(33, 5, 3, 2, 2),
        call(6, 2, padding=1, alone=("only-odd-kernels", "Your answer is correct for odd kernels only.")),
        call(9, 2, dilation=3, alone=("dilation", "A kernel of 2 with dilation 3 should span 4 pixels.")),
        call(5, 1, padding=2, alone=("padding-limited", "You limit the padding. All of it enlarges the image.")),
    ),
    mistakes=(
        Mistake("no-plus-one", "Count the positions, not the steps between them.", (" // stride + 1", " // stride")),
        Mistake("true-division", "`/` returns a float. Which division discards the remainder?", ("//", "/")),
        Mistake("last-one-lost", "You lose the last position when the kernel reaches exactly to the edge. That "
                "position counts, too.",
                ("reach)", "reach - 1)")),
        Mistake("rounds-up", "A kernel that extends past the edge does not count: round down.",
                ("reach)", "reach + stride - 1)"), (("return (", "return round(("), ("// stride", "/ stride)"))),
        Mistake("padding-once", "Padding is added on both sides of the image.", ("2 * padding", "padding")),
        Mistake("pads-the-output", "You pad the result. Padding enlarges the image, so the stride applies to it, too.",
                ((" + 2 * padding", ""), ("stride + 1", "stride + 1 + 2 * padding"))),
        Mistake("ignores-kernel", "You divide the image size by the stride. That is correct only if the padding "
                "compensates for the kernel.", ("(size + 2 * padding - reach) // stride + 1", "size // stride")),
        Mistake("dilates-the-kernel-itself", "Dilation widens the gaps inside the kernel, and a kernel of k pixels has "
                "k - 1 gaps.", ("(kernel - 1) + 1", "kernel")),
        Mistake("divides-too-late", "First count the steps that fit, then add the starting position: the + 1 belongs "
                "outside the division.", ("reach) // stride + 1", "reach + 1) // stride")),
    ),
    hints=(
        "Without padding, dilation, and stride: at how many positions does a kernel of size 3 fit into a row of 5 "
        "pixels?",
        "Padding makes the row longer at both ends. Dilation makes the kernel longer: it spans d(k - 1) + 1 pixels.",
        "(row - kernel) // stride counts the steps that fit; add 1 for the kernel's starting position.",
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
_RICH = integers(3, 7, 5), integers(4, 3, 3, 3) * (torch.arange(9.0) > 0).reshape(3, 3), 2, 1


def _beyond(answer):
    """dtype and gradients; None where the numbers are wrong, so that these alone decide which mistake it is."""
    if not agrees(answer, convolve, call(*_RICH)):
        return None
    with ByHand("conv", "the convolution"):
        dtype = called(answer, *_RICH).dtype
    return {"its dtype": dtype, "the gradients": gradients(*_RICH).run(answer)}


CONVOLVE = Exercise(
    reference=convolve, difficulty=3, minutes=15,
    task="Implement a convolution by hand: at each position, multiply the window of x [C, H, W] by each kernel of w "
         "[O, C, k, k] and sum all C * k * k products. Pad with zeros on all four sides; there is no bias. The result "
         "is [O, H', W'], in the dtype of x, and gradients flow through it. Do not use F.conv2d and the like.",
    cases=(
        call(_numbers(1, 2, 2), torch.full((1, 1, 1, 1), 2.0)), call(_numbers(1, 2, 2), _numbers(1, 1, 2, 2)),
        _SQUARE[0], call(_numbers(2, 2, 2), _numbers(1, 2, 2, 2)), call(_numbers(1, 2, 2), _numbers(3, 1, 1, 1)),
        *_WIDE[:2], call(_numbers(1, 4, 4), torch.ones(1, 1, 1, 1), stride=2),
        call(_numbers(1, 4, 4), integers(1, 1, 3, 3), 2), call(_numbers(1, 3, 3), _numbers(1, 1, 3, 3), padding=1),
        call(_numbers(1, 2, 3), torch.ones(1, 1, 1, 1), 1, 1), call(integers(3, 7, 5), integers(4, 3, 3, 3)),
        call(*_RICH), call(integers(2, 6, 9), integers(3, 2, 2, 2), 3, 2),
        Case("{name}(x, w, 2, 1)", _beyond, ("dtype-gradient", "Your dtype or gradient is wrong, not your numbers.")),
        float64(integers(2, 5, 5), integers(3, 2, 3, 3), 2, 1),
    ),
    mistakes=(
        Mistake("only-squares", "Your answer is correct for square images only.",
                symptom=right_but_not_on(convolve, _SQUARE, _WIDE)),
        Mistake("rows-and-columns-swapped", "Your result lies on its side: its rows and columns are swapped.",
                ("return out", "return out.transpose(1, 2)"), on=_SQUARE),
        Mistake("outputs-for-inputs", "w is [outputs, inputs, k, k], but you read it as [inputs, outputs, k, k].",
                ("    k =", "    w = w.transpose(0, 1)\n    k ="), on=_SWAPPED),
        Mistake("only-odd-kernels", "Your answer is correct for kernels that have a center pixel, but only for those. "
                "A window starts at its corner.", symptom=right_but_not_on(convolve, _ODD, _EVEN)),
        Mistake("flips-the-kernel", "You rotate the kernel by 180 degrees. A convolution in mathematics does that; one "
                "in a neural network does not.", ("w * w", "w.flip(2, 3) * w")),
        Mistake("transposes-the-kernel", "The kernel is transposed.", ("w * w", "w.transpose(2, 3) * w")),
        Mistake("stride-only-in-the-size", "You compute as many windows as the stride requires, but the window moves "
                "by only one pixel.", ("row * stride, column * stride", "row, column")),
        Mistake("strides-the-image", "You take every stride-th pixel first. The stride moves the window, which stays "
                "contiguous.", ("bottom\n", "bottom\n    x, stride = x[:, ::stride, ::stride], 1\n"), on=_STRIDED),
        Mistake("ignores-padding", "The padding has no effect.", ("    k =", "    padding = 0\n    k =")),
        Mistake("pads-only-after", "You pad only one end of the rows and columns: the other two sides are missing.",
                ("(padding, padding, padding, padding)", "(0, padding, 0, padding)"),
                ("(padding, padding, padding, padding)", "(padding, 0, padding, 0)")),
        Mistake("all-padding-before", "All your padding is on the left and at the top. Each side gets its own.",
                ("(padding, padding, padding, padding)", "(2 * padding, 0, 2 * padding, 0)")),
        Mistake("pads-only-the-width", "You pad left and right only. F.pad takes two numbers per dimension, last "
                "dimension first.", ("(padding, padding, padding, padding)", "(padding, padding)")),
        Mistake("one-step-short", "Your last row and column are missing: the kernel fits at its starting position, "
                "too.", ("return out", "return out[:, :-1, :-1]")),
        Mistake("mean-for-sum", "You average. A convolution takes the sum, and that includes the channels.",
                ("sum", "mean"),
                ("sum((1, 2, 3))", "mean(1).sum((1, 2))")),
        Mistake("channels-kept-apart", "Each kernel gives a single map: sum over the input channels, too.",
                (("len(w), rows", "len(w), len(x), rows"), ("out[:,", "out[:, :,"), ("1, 2, 3", "2, 3"))),
        Mistake("first-channel-only", "Only one input channel contributes to your answer.",
                ("window).", "window)[:, :1]."), ("window).", "window)[:, -1:].")),
        Mistake("one-kernel-for-all-channels", "You use the kernel's first slice for every channel. The kernel has one "
                "slice per channel.", ("w * w", "w[:, :1] * w")),
        Mistake("one-output-only", "w holds several kernels. You use only the first.",
                ("return out", "return out[:1]")),
        Mistake("dimension-lost", "Your result has lost or gained a dimension: it should be [O, H', W'], even for a "
                "single kernel.", ("return out", "return out.squeeze(0)"), ("return out", "return out[None]")),
        Mistake("view-mixes-windows", "A reshape has mixed channels and positions: order the dimensions before you "
                "merge them.",
                ("return out",
                       "x = x.unfold(1, k, stride).unfold(2, k, stride).reshape(-1, w[0].numel())\n    return "
                       "(x @ w.flatten(1).T).T.reshape(out.shape)")),
        Mistake("view-mixes-outputs", "Your numbers are correct, but in the wrong places: a reshape does not move "
                "dimensions.", ("return out", "return out.permute(1, 2, 0).reshape(out.shape)")),
        Mistake("dimensions-not-a-tuple", "`sum` takes the dimensions as one tuple.",
                symptom=raises(TypeError, "sum()", _SQUARE[0].run)),
    ),
    hints=(
        "For one number of the result, lay the kernel on the image, multiply each pair of numbers, and sum the "
        "products. With C channels, there are C * k * k products.",
        "Pad first: F.pad(x, (left, right, top, bottom)). Then count the positions along the rows and along the "
        "columns, as output_size does.",
        "Use two loops over the positions. The window at (row, column) starts at row * stride and column * stride, and "
        "is k high and k wide: x[:, top : top + k, left : left + k].",
        "w * window is [O, C, k, k]. Sum over the last three dimensions to get one number per kernel, for out[:, row, "
        "column].",
    ),
)  # fmt: skip


# --- receptive field --------------------------------------------------------------------------------------------------


def receptive_field(layers):
    """[(kernel, stride), ...], first layer first -> side length, in pixels, of what one output sees."""
    field, step = 1, 1  # step: how far one step in this layer's input is in the picture
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step *= stride
    return field


_OVERLAPPING = [(3, 1), (3, 1)], [(3, 2), (3, 2), (3, 2)], [(3, 1), (5, 2)]
_SKIPPING = [(1, 2), (3, 1)], [(3, 1), (1, 4), (3, 2), (3, 1)]


def _without_layers(answer):
    found = plain(called(answer, []))
    return float(found) if isinstance(found, int) else found  # a float may come out, as from a measured field


RECEPTIVE_FIELD = Exercise(
    reference=receptive_field, difficulty=2, minutes=10,
    task="Return the side length of the receptive field of one output of this stack of convolutions: the number of "
         "pixels in one row of the image from the first to the last that can affect it, with any that are skipped in "
         "between. layers is a list of (kernel, stride), first layer first; it may be empty.",
    cases=(
        call([(1, 1)]), call([(3, 1)]), call([(3, 2)]), call([(3, 1), (3, 1)]), call([(3, 2), (3, 1)]),
        call([(1, 2), (3, 1)]), call([(3, 1), (5, 2)]), call([(3, 2), (3, 2), (3, 2)]),
        call([(7, 2), (3, 2), (3, 1), (3, 3), (1, 1), (5, 1)]),
        call([(2, 2), (2, 1)], alone=("only-odd-kernels", "Your answer is correct for odd kernels only.")),
        call([(3, 2)] * 9, alone=("cut-off", "Wrong for a large field. Do you measure it on a small image?")),
        Case("{name}([])", _without_layers, alone=("no-layers", "Without layers, an output sees one pixel.")),
    ),
    mistakes=(
        Mistake("ignores-stride", "The strides have no effect on your answer. After a stride of 2, one step in the "
                "feature map is two pixels in the image.", ("        step *= stride\n", "")),
        Mistake("own-stride-too-soon", "A layer's own stride does not spread its kernel. The strides of the layers "
                "before it do.", ("* step", "* step * stride"), ("* step", "* stride")),
        Mistake("kernel-not-minus-one", "You add the whole kernel size. Each kernel overlaps what came before it by "
                "one pixel, so it adds less.",
                ("(kernel - 1)", "kernel"), (("= 1, 1", "= 0, 1"), ("(kernel - 1)", "kernel"))),
        Mistake("starts-at-zero", "Without any layers, an output sees one pixel: itself.", ("= 1, 1", "= 0, 1")),
        Mistake("strides-added", "You add the strides. Their effects multiply: each stride multiplies the step that "
                "the strides before it produce.",
                ("*= stride", "+= stride - 1"), ("*= stride", "+= stride")),
        Mistake("one-stride-only", "You use only one stride: the previous layer's, or the largest. All the strides "
                "before a layer spread its kernel.", ("*= stride", "= stride"), ("*= stride", "= max(step, stride)")),
        Mistake("wrong-direction", "Your formula works from the output back to the image, but your loop runs from the "
                "image to the output.", ("+= (kernel - 1) * step", "= (field - 1) * stride + kernel")),
        Mistake("kernels-multiplied", "You multiply or add whole kernel sizes. Neighboring windows overlap, so each "
                "layer adds less than its kernel; and strides spread the windows apart.",
                ("+= (kernel - 1) * step", "*= kernel"), lambda layers: sum(kernel for kernel, _ in layers)),
        Mistake("returns-too-soon", "Your `return` is inside the loop.", ("    return", "        return")),
        Mistake("last-layer-missing", "Your answer leaves out the last layer.", ("in layers", "in layers[:-1]")),
        Mistake("kernel-below-stride", "Your answer is wrong only where a kernel is smaller than its stride, as in "
                "(1, 2). Such a layer skips pixels, which count, too, and it still spreads the kernels after it.",
                ("        field", "        if kernel == 1:\n            continue\n        field"),
                symptom=right_but_not_on(receptive_field, map(call, _OVERLAPPING), map(call, _SKIPPING))),
        Mistake("steps-for-field", "You return how far apart two neighboring outputs are in the image, not how much "
                "one of them sees.", ("return field", "return step")),
        Mistake("kernel-and-stride-swapped", "Each layer is (kernel, stride), but you read it as (stride, kernel).",
                ("for kernel, stride", "for stride, kernel")),
    ),
    hints=(
        "Start with one pixel. A 3 x 3 layer lets it see one more on each side: 3. A second one: 5. So how much does "
        "each layer add?",
        "After a layer with stride 2, neighbors in its feature map are two image pixels apart, so everything that "
        "later layers add counts double. Keep that distance in a second variable, `step`.",
        "For each layer, in this order: grow the field by (kernel - 1) steps, then multiply the step by the stride.",
    ),
)  # fmt: skip
