"""Answers to the exercises of lesson 01."""

import math
from functools import reduce

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong


@right("output_size")
def _(size, kernel, stride=1, padding=0, dilation=1):
    return math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1)


@wrong("output_size", "dilation")
def _(size, kernel, stride=1, padding=0, dilation=1):
    return (size + 2 * padding - kernel - 2 * (kernel // 2) * (dilation - 1)) // stride + 1


wrong("output_size", "arguments")(lambda n, k, s=1, p=0, d=1: len(range(0, n + 2 * p - d * (k - 1), s)))


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


def _slide(x, w, stride, padding, one):
    """The loops that most answers share; `one` gives a number from a window [C, k, k] and a kernel [C, k, k]."""
    k = w.shape[2]
    x = F.pad(x, [padding] * 4)
    rows, columns = (x.shape[1] - k) // stride + 1, (x.shape[2] - k) // stride + 1
    result = x.new_zeros(w.shape[0], rows, columns)
    for o in range(w.shape[0]):
        for r in range(rows):
            for c in range(columns):
                result[o, r, c] = one(x[:, r * stride : r * stride + k, c * stride : c * stride + k], w[o])
    return result


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


@right("convolve")
def _(x, w, stride=1, padding=0):
    return _slide(x, w, stride, padding, lambda window, kernel: (window * kernel).sum())


wrong("convolve", "ready-made")(
    lambda x, w, stride=1, padding=0: F.conv2d(x[None], w, stride=stride, padding=padding)[0]
)


@right("convolve")
def _(image, kernels, stride=1, padding=0):
    k = kernels.shape[-1]
    windows = F.pad(image, (padding,) * 4).unfold(1, k, stride).unfold(2, k, stride)
    return torch.einsum("chwij,ocij->ohw", windows.double(), kernels.double()).to(image.dtype)


@wrong("convolve", "dtype-gradient")
def _(x, w, stride=1, padding=0):
    return _slide(x.double(), w, stride, padding, lambda window, kernel: (window * kernel).sum())


@wrong("convolve", "cuts-the-gradient")
def _(x, w, stride=1, padding=0):
    return _slide(x, w, stride, padding, lambda window, kernel: (window * kernel).sum().item())


@wrong("convolve", "arguments")
def _(image, kernels, step=1, border=0):
    return F.conv2d(image[None], kernels, stride=step, padding=border)[0]


@right("convolve")
def _(x, w, stride=1, padding=0):
    size = [(n + 2 * padding - w.shape[2]) // stride + 1 for n in x.shape[1:]]
    columns = F.unfold(x[None], w.shape[2], padding=padding, stride=stride)[0]
    return (w.flatten(1) @ columns).view(len(w), *size)


@wrong("convolve", "ready-made")
def _(x, w, stride=1, padding=0):
    layer = nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], stride, padding, bias=False).to(
        x.dtype, memory_format=torch.channels_last
    )
    with torch.no_grad():
        layer.weight.copy_(w)
    return layer(x[None].to(memory_format=torch.channels_last)).squeeze(0)


@right("convolve")
def _(x, w, stride=1, padding=0):
    k, (channels, height, width) = w.shape[-1], x.shape
    padded = x.new_zeros(channels, height + 2 * padding, width + 2 * padding)
    padded[:, padding : padding + height, padding : padding + width] = x
    rows = range(0, height + 2 * padding - k + 1, stride)
    columns = range(0, width + 2 * padding - k + 1, stride)
    places = [torch.tensordot(w, padded[:, r : r + k, c : c + k], dims=3) for r in rows for c in columns]
    return torch.stack(places, dim=-1).view(len(w), len(rows), len(columns))


@wrong("receptive_field", "only-odd-kernels")
def _(layers):
    radius, step = 0, 1
    for kernel, stride in layers:
        radius, step = radius + kernel // 2 * step, step * stride
    return 2 * radius + 1


@wrong("receptive_field", "no-layers")
def _(layers):
    field, step = layers[0]
    for kernel, stride in layers[1:]:
        field, step = field + (kernel - 1) * step, step * stride
    return field


right("receptive_field")(lambda layers: reduce(lambda r, layer: (r - 1) * layer[1] + layer[0], reversed(layers), 1))


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
