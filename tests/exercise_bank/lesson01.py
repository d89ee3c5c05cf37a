"""Answers to the exercises of lesson 01."""

import math
from functools import reduce

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong

# --- output_size: wrong -----------------------------------------------------------------------------------------------


@wrong("output_size", "no-plus-one")
def _(size, kernel, stride=1, padding=0, dilation=1):
    return (size - dilation * (kernel - 1) + 2 * padding - 1) // stride


@wrong("output_size", "rounds-up")
def _(size, kernel, stride=1, padding=0, dilation=1):
    effective = kernel + (kernel - 1) * (dilation - 1)
    return math.ceil((size + 2 * padding - effective) / stride) + 1


@wrong("output_size", "rounds-to-nearest")
def _(size, kernel, stride=1, padding=0, dilation=1):
    effective = kernel + (kernel - 1) * (dilation - 1)
    return int(round((size + 2 * padding - effective) / stride, 0)) + 1


@wrong("output_size", "true-division")
def _(size, kernel, stride=1, padding=0, dilation=1):
    return 1 + (size + 2 * padding - dilation * (kernel - 1) - 1) / stride


@wrong("output_size", "whole-but-a-float")
def _(size, kernel, stride=1, padding=0, dilation=1):
    return np.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1)


@wrong("output_size", "padding-once")
def _(size, kernel, stride=1, padding=0, dilation=1):
    padded = size + padding
    return (padded - (dilation * (kernel - 1) + 1)) // stride + 1


@wrong("output_size", "pads-the-output")
def _(size, kernel, stride=1, padding=0, dilation=1):
    places = len(range(0, size - dilation * (kernel - 1), stride))
    return places + padding + padding


@wrong("output_size", "ignores-padding")
def _(size, kernel, stride=1, padding=0, dilation=1):
    return len(range(0, size - dilation * (kernel - 1), stride))


@wrong("output_size", "ignores-stride")
def _(size, kernel, stride=1, padding=0, dilation=1):
    return len(range(size + 2 * padding - dilation * (kernel - 1)))


@wrong("output_size", "ignores-dilation")
def _(size, kernel, stride=1, padding=0, dilation=1):
    return math.floor((size + 2 * padding - (kernel - 1) - 1) / stride + 1)


@wrong("output_size", "dilates-the-kernel-itself")
def _(size, kernel, stride=1, padding=0, dilation=1):
    kernel = kernel * dilation
    return (size + 2 * padding - kernel) // stride + 1


@wrong("output_size", "divides-too-late")
def _(size, kernel, stride=1, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel - 1)) // stride


@wrong("output_size", "ignores-kernel")
def _(size, kernel, stride=1, padding=0, dilation=1):
    return int(size / stride)


@wrong("output_size", "prints")
def _(size, kernel, stride=1, padding=0, dilation=1):
    print((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)


@wrong("output_size", "arguments")
def _(size, kernel, stride=1, padding=0):
    return (size + 2 * padding - kernel) // stride + 1


# --- output_size: right -----------------------------------------------------------------------------------------------


@right("output_size")
def _(size, kernel, stride=1, padding=0, dilation=1):
    return math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1)


@right("output_size")
def _(n, k, s=1, p=0, d=1):
    return len(range(0, n + 2 * p - d * (k - 1), s))


@right("output_size")
def _(size, kernel, stride=1, padding=0, dilation=1):
    image, weight = torch.empty(1, 1, size, size), torch.empty(1, 1, kernel, kernel)
    return F.conv2d(image, weight, stride=stride, padding=padding, dilation=dilation).shape[-1]


@right("output_size")
def _(size, kernel, stride=1, padding=0, dilation=1):
    places, last = 0, dilation * (kernel - 1)
    while last < size + 2 * padding:
        places += 1
        last += stride
    return places


@right("output_size")
def _(size, kernel, stride=1, padding=0, dilation=1):
    span = torch.tensor(size + 2 * padding - dilation * (kernel - 1) - 1)
    return torch.div(span, stride, rounding_mode="floor") + 1


# --- convolve: wrong --------------------------------------------------------------------------------------------------


def _slide(x, w, stride, padding, one):
    """The loops that most answers share; `one` gives a number from a window [C, k, k] and a kernel [C, k, k]."""
    k = w.shape[2]
    x = F.pad(x, [padding] * 4)
    rows, columns = (x.shape[1] - k) // stride + 1, (x.shape[2] - k) // stride + 1
    result = torch.zeros(w.shape[0], rows, columns)
    for o in range(w.shape[0]):
        for r in range(rows):
            for c in range(columns):
                result[o, r, c] = one(x[:, r * stride : r * stride + k, c * stride : c * stride + k], w[o])
    return result


@wrong("convolve", "flips-the-kernel")
def _(x, w, stride=1, padding=0):
    return _slide(x, w, stride, padding, lambda window, kernel: (window * torch.flip(kernel, [-1, -2])).sum())


@wrong("convolve", "flips-the-kernel")
def _(x, w, stride=1, padding=0):
    k = w.shape[-1]
    x = F.pad(x, (padding,) * 4)
    rows, columns = (x.shape[1] - k) // stride + 1, (x.shape[2] - k) // stride + 1
    out = torch.zeros(len(w), rows, columns)
    for i in range(k):
        for j in range(k):
            part = x[:, i : i + rows * stride : stride, j : j + columns * stride : stride][:, :rows, :columns]
            out += torch.einsum("chw,oc->ohw", part, w[:, :, k - 1 - i, k - 1 - j])
    return out


@wrong("convolve", "transposes-the-kernel")
def _(x, w, stride=1, padding=0):
    return _slide(x, w, stride, padding, lambda window, kernel: torch.einsum("cij,cji->", window, kernel))


@wrong("convolve", "ignores-stride")
def _(x, w, stride=1, padding=0):
    k = w.shape[-1]
    windows = F.pad(x, (padding,) * 4).unfold(1, k, 1).unfold(2, k, 1)
    return torch.einsum("chwij,ocij->ohw", windows, w)


@wrong("convolve", "ignores-padding")
def _(x, w, stride=1, padding=0):
    return _slide(x, w, stride, 0, lambda window, kernel: (window * kernel).sum())


@wrong("convolve", "stride-only-in-the-size")
def _(x, w, stride=1, padding=0):
    x, k = F.pad(x, (padding,) * 4), w.shape[-1]
    rows, columns = (x.shape[1] - k) // stride + 1, (x.shape[2] - k) // stride + 1
    out = torch.zeros(len(w), rows, columns)
    for r in range(rows):
        for c in range(columns):
            out[:, r, c] = torch.tensordot(w, x[:, r : r + k, c : c + k], dims=3)
    return out


@wrong("convolve", "strides-the-image")
def _(x, w, stride=1, padding=0):
    small = F.pad(x, (padding,) * 4)[:, ::stride, ::stride]
    return _slide(small, w, 1, 0, lambda window, kernel: (window * kernel).sum())


@wrong("convolve", "pads-only-after")
def _(x, w, stride=1, padding=0):
    padded = torch.zeros(x.shape[0], x.shape[1] + padding, x.shape[2] + padding)
    padded[:, : x.shape[1], : x.shape[2]] = x
    return _slide(padded, w, stride, 0, lambda window, kernel: (window * kernel).sum())


@wrong("convolve", "pads-only-before")
def _(x, w, stride=1, padding=0):
    padded = torch.zeros(x.shape[0], x.shape[1] + padding, x.shape[2] + padding)
    padded[:, padding:, padding:] = x
    return _slide(padded, w, stride, 0, lambda window, kernel: (window * kernel).sum())


@wrong("convolve", "pads-only-the-width")
def _(x, w, stride=1, padding=0):
    return _slide(nn.ConstantPad1d(padding, 0.0)(x), w, stride, 0, lambda window, kernel: (window * kernel).sum())


@wrong("convolve", "mean-for-sum")
def _(x, w, stride=1, padding=0):
    return _slide(x, w, stride, padding, lambda window, kernel: (window * kernel).mean())


@wrong("convolve", "one-step-short")
def _(x, w, stride=1, padding=0):
    x, k = F.pad(x, (padding,) * 4), w.shape[-1]
    rows, columns = (x.shape[1] - k) // stride, (x.shape[2] - k) // stride
    out = torch.zeros(len(w), rows, columns)
    for r in range(rows):
        for c in range(columns):
            out[:, r, c] = (w * x[:, r * stride : r * stride + k, c * stride : c * stride + k]).flatten(1).sum(1)
    return out


@wrong("convolve", "channels-kept-apart")
def _(x, w, stride=1, padding=0):
    each = [_slide(x[c : c + 1], w[:, c : c + 1], stride, padding, lambda a, b: (a * b).sum()) for c in range(len(x))]
    return torch.stack(each, dim=1)


@wrong("convolve", "first-channel-only")
def _(x, w, stride=1, padding=0):
    return _slide(x, w, stride, padding, lambda window, kernel: (window[0] * kernel[0]).sum())


@wrong("convolve", "last-channel-only")
def _(x, w, stride=1, padding=0):
    def one(window, kernel):
        for c in range(len(window)):
            total = (window[c] * kernel[c]).sum()
        return total

    return _slide(x, w, stride, padding, one)


@wrong("convolve", "one-kernel-for-all-channels")
def _(x, w, stride=1, padding=0):
    return _slide(x, w, stride, padding, lambda window, kernel: (window * kernel[0]).sum())


@wrong("convolve", "one-output-only")
def _(x, w, stride=1, padding=0):
    return _slide(x, w, stride, padding, lambda window, kernel: (window * kernel).sum())[:1]


@wrong("convolve", "dimension-lost")
def _(x, w, stride=1, padding=0):
    out = _slide(x, w, stride, padding, lambda window, kernel: (window * kernel).sum())
    return out[0] if len(w) == 1 else out


@wrong("convolve", "dimension-too-many")
def _(x, w, stride=1, padding=0):
    return F.conv2d(x.unsqueeze(0), w, None, stride, padding)


@wrong("convolve", "view-mixes-windows")
def _(x, w, stride=1, padding=0):
    k = w.shape[-1]
    x = F.pad(x, (padding,) * 4)
    rows, columns = (x.shape[1] - k) // stride + 1, (x.shape[2] - k) // stride + 1
    patches = x.unfold(1, k, stride).unfold(2, k, stride).contiguous().view(rows * columns, -1)
    return (w.flatten(1) @ patches.t()).view(len(w), rows, columns)


@wrong("convolve", "view-mixes-outputs")
def _(x, w, stride=1, padding=0):
    k = w.shape[-1]
    columns = F.unfold(x[None], k, padding=padding, stride=stride)[0]  # [C k k, places]
    out = columns.t() @ w.flatten(1).t()  # [places, O]
    size = [(n + 2 * padding - k) // stride + 1 for n in x.shape[1:]]
    return out.reshape(len(w), *size)


@wrong("convolve", "only-squares")
def _(x, w, stride=1, padding=0):
    k, n = w.shape[-1], x.shape[-1]
    x = F.pad(x, (padding,) * 4)
    side = (n + 2 * padding - k) // stride + 1
    out = torch.zeros(len(w), side, side)
    for r in range(side):
        for c in range(side):
            window = x[:, r * stride : r * stride + k, c * stride : c * stride + k]
            out[:, r, c] = (window * w).sum(dim=(1, 2, 3))
    return out


@wrong("convolve", "only-squares")
def _(x, w, stride=1, padding=0):
    side = (x.shape[1] + 2 * padding - w.shape[2]) // stride + 1
    columns = F.unfold(x[None], w.shape[2], padding=padding, stride=stride)[0]
    return (w.flatten(1) @ columns).view(-1, side, side)


@wrong("convolve", "rows-and-columns-swapped")
def _(x, w, stride=1, padding=0):
    x, k = F.pad(x, (padding,) * 4), w.shape[-1]
    rows, columns = (x.shape[1] - k) // stride + 1, (x.shape[2] - k) // stride + 1
    out = torch.zeros(len(w), rows, columns)
    for r in range(rows):
        for c in range(columns):
            window = x[:, c * stride : c * stride + k, r * stride : r * stride + k]
            out[:, r, c] = (window * w).sum(dim=(1, 2, 3))
    return out


@wrong("convolve", "outputs-for-inputs")
def _(x, w, stride=1, padding=0):
    k = w.shape[-1]
    windows = F.pad(x, (padding,) * 4).unfold(1, k, stride).unfold(2, k, stride)
    return torch.einsum("chwij,coij->ohw", windows, w)


@wrong("convolve", "only-odd-kernels")
def _(x, w, stride=1, padding=0):
    x, half = F.pad(x, (padding,) * 4), w.shape[-1] // 2
    rows = range(half, x.shape[1] - half, stride)
    columns = range(half, x.shape[2] - half, stride)
    out = torch.zeros(len(w), len(rows), len(columns))
    for i, r in enumerate(rows):
        for j, c in enumerate(columns):
            window = x[:, r - half : r + half + 1, c - half : c + half + 1]
            out[:, i, j] = (window * w).sum(dim=(1, 2, 3))
    return out


@wrong("convolve", "dimensions-not-a-tuple")
def _(x, w, stride=1, padding=0):
    x, k = F.pad(x, (padding,) * 4), w.shape[-1]
    rows, columns = (x.shape[1] - k) // stride + 1, (x.shape[2] - k) // stride + 1
    out = torch.zeros(len(w), rows, columns)
    for r in range(rows):
        for c in range(columns):
            out[:, r, c] = (w * x[:, r * stride : r * stride + k, c * stride : c * stride + k]).sum(1, 2, 3)
    return out


@wrong("convolve", "numpy")
def _(x, w, stride=1, padding=0):
    x, w, k = np.pad(x.numpy(), ((0, 0), (padding, padding), (padding, padding))), w.numpy(), w.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("chwij,ocij->ohw", windows, w)


@wrong("convolve", "returns-nothing")
def _(x, w, stride=1, padding=0):
    _slide(x, w, stride, padding, lambda window, kernel: (window * kernel).sum())


# --- convolve: right --------------------------------------------------------------------------------------------------


@right("convolve")
def _(x, w, stride=1, padding=0):
    return _slide(x, w, stride, padding, lambda window, kernel: (window * kernel).sum())


@right("convolve")
def _(x, w, stride=1, padding=0):
    return F.conv2d(x[None], w, stride=stride, padding=padding)[0]


@right("convolve")
def _(image, kernels, step=1, border=0):
    k = kernels.shape[-1]
    windows = F.pad(image, (border,) * 4).unfold(1, k, step).unfold(2, k, step)
    return torch.einsum("chwij,ocij->ohw", windows.double(), kernels.double())


@right("convolve")
def _(x, w, stride=1, padding=0):
    size = [(n + 2 * padding - w.shape[2]) // stride + 1 for n in x.shape[1:]]
    columns = F.unfold(x[None], w.shape[2], padding=padding, stride=stride)[0]
    return (w.flatten(1) @ columns).view(len(w), *size)


@right("convolve")
def _(x, w, stride=1, padding=0):
    layer = nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], stride, padding, bias=False).to(
        memory_format=torch.channels_last
    )
    with torch.no_grad():
        layer.weight.copy_(w)
    return layer(x[None].to(memory_format=torch.channels_last)).squeeze(0)


@right("convolve")
def _(x, w, stride=1, padding=0):
    k, (channels, height, width) = w.shape[-1], x.shape
    padded = torch.zeros(channels, height + 2 * padding, width + 2 * padding)
    padded[:, padding : padding + height, padding : padding + width] = x
    rows = range(0, height + 2 * padding - k + 1, stride)
    columns = range(0, width + 2 * padding - k + 1, stride)
    places = [torch.tensordot(w, padded[:, r : r + k, c : c + k], dims=3) for r in rows for c in columns]
    return torch.stack(places, dim=-1).view(len(w), len(rows), len(columns))


# --- receptive_field: wrong -------------------------------------------------------------------------------------------


@wrong("receptive_field", "ignores-stride")
def _(layers):
    field = 1
    for k, _s in layers:
        field = field + k - 1
    return field


@wrong("receptive_field", "own-stride-only")
def _(layers):
    size = 1
    for k, s in layers:
        size += s * (k - 1)
    return size


@wrong("receptive_field", "own-stride-too-soon")
def _(layers):
    r, jump = 1, 1
    for k, s in layers:
        jump = jump * s
        r = r + (k - 1) * jump
    return r


@wrong("receptive_field", "kernel-not-minus-one")
def _(layers):
    r, jump = 1, 1
    for k, s in layers:
        r, jump = r + k * jump, jump * s
    return r


@wrong("receptive_field", "starts-at-zero")
def _(layers):
    r, jump = 0, 1
    for k, s in layers:
        r, jump = r + (k - 1) * jump, jump * s
    return r


@wrong("receptive_field", "last-stride-only")
def _(layers):
    r, jump = 1, 1
    for k, s in layers:
        r += (k - 1) * jump
        jump = s
    return r


@wrong("receptive_field", "strides-added-from-one")
def _(layers):
    r, jump = 1, 1
    for k, s in layers:
        r += (k - 1) * jump
        jump += s
    return r


@wrong("receptive_field", "strides-added")
def _(layers):
    r, shift = 1, 0
    for k, s in layers:
        r += (k - 1) * (1 + shift)
        shift += s - 1
    return r


@wrong("receptive_field", "wrong-direction")
def _(layers):
    return reduce(lambda r, layer: r * layer[1] + layer[0] - layer[1], layers, 1)


@wrong("receptive_field", "kernels-multiplied")
def _(layers):
    return math.prod(layer[0] for layer in layers)


@wrong("receptive_field", "kernels-added")
def _(layers):
    total = 0
    for layer in layers:
        total += layer[0]
    return total


@wrong("receptive_field", "kernel-not-minus-one-from-zero")
def _(layers):
    total, spread = 0, 1
    for layer in layers:
        total += layer[0] * spread
        spread *= layer[1]
    return total


@wrong("receptive_field", "returns-too-soon")
def _(layers):
    r, jump = 1, 1
    for k, s in layers:
        r += (k - 1) * jump
        jump *= s
        return r


@wrong("receptive_field", "last-layer-missing")
def _(layers):
    r, jump = 1, 1
    for i in range(len(layers) - 1):
        r += (layers[i][0] - 1) * jump
        jump *= layers[i][1]
    return r


@wrong("receptive_field", "area")
def _(layers):
    r, jump = 1, 1
    for k, s in layers:
        r, jump = r + (k - 1) * jump, jump * s
    return r * r


@wrong("receptive_field", "steps-for-field")
def _(layers):
    jump = 1
    for _k, s in layers:
        jump *= s
    return jump


@wrong("receptive_field", "kernel-and-stride-swapped")
def _(layers):
    r, jump = 1, 1
    for stride, kernel in layers:
        r, jump = r + (kernel - 1) * jump, jump * stride
    return r


@wrong("receptive_field", "whole-but-a-float")
def _(layers):
    r, jump = 1.0, 1.0
    for k, s in layers:
        r, jump = r + (k - 1) * jump, jump * s
    return r


@wrong("receptive_field", "prints")
def _(layers):
    r, jump = 1, 1
    for k, s in layers:
        r += (k - 1) * jump
        jump *= s
    print(r)


@wrong("receptive_field", "changes-input")
def _(layers):
    r = 1
    while layers:
        k, s = layers.pop()
        r = (r - 1) * s + k
    return r


# --- receptive_field: right -------------------------------------------------------------------------------------------


@right("receptive_field")
def _(layers):
    return reduce(lambda r, layer: (r - 1) * layer[1] + layer[0], reversed(layers), 1)


@right("receptive_field")
def _(layers):
    return 1 + sum((k - 1) * math.prod(s for _, s in layers[:i]) for i, (k, _) in enumerate(layers))


@right("receptive_field")
def _(stack):
    if not stack:
        return 1
    (kernel, stride), *above = stack
    r = 1
    for k, s in reversed(above):
        r = k + (r - 1) * s
    return kernel + (r - 1) * stride


@right("receptive_field")
def _(layers):
    kernels, strides = np.array([k for k, _ in layers]), np.array([1, *(s for _, s in layers)])
    return 1 + ((kernels - 1) * np.cumprod(strides)[:-1]).sum()


@right("receptive_field")
def _(layers):
    """By measurement: which is the last pixel that gets a gradient?"""
    width = 1 + sum(k for k, _ in layers) * math.prod(s for _, s in layers)
    x = torch.ones(1, 1, width, dtype=torch.float64, requires_grad=True)
    y = x
    for k, s in layers:
        y = F.conv1d(y, torch.ones(1, 1, k, dtype=torch.float64), stride=s)
    y[0, 0, 0].backward()
    return int(x.grad.flatten().nonzero().max()) + 1
