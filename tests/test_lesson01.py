"""Lesson 01 by hand equals PyTorch, over random settings. What runs here is the source of the lesson's own cells."""

import numpy as np
import torch
from premises import cell_sources
from torch import nn
from torch.nn import functional as F

from resnet_edu import exercises, probes

SETTINGS = 500


def function(name, *cells):
    """A function as the reader meets it: the cells are run in order, and what they define under this name is taken."""
    sources, namespace = cell_sources("01_convolutional_networks"), {"torch": torch, "F": F}
    for cell in cells:
        exec(compile(sources[cell], f"cell {cell}", "exec"), namespace)
    return namespace[name]


def reference(name):
    return exercises.find(name).reference


def random_settings(seed, largest=12):
    """(image [H, W], kernel [k, k], options), such that the kernel fits into the padded image."""
    generator, numbers = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    made = 0
    while made < SETTINGS:
        height, width, k, stride, padding, dilation = map(
            int, numbers.integers((1, 1, 1, 1, 0, 1), (largest, largest, 5, 4, 3, 3), endpoint=True)
        )
        if min(height, width) + 2 * padding < dilation * (k - 1) + 1:
            continue
        made += 1
        image, kernel = (
            torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((height, width), (k, k))
        )
        yield image, kernel, {"stride": stride, "padding": padding, "dilation": dilation}


def test_the_first_window_that_slides_is_a_convolution():
    slide = function("slide", "slide")
    for image, kernel, _ in random_settings(0):
        if len(kernel) <= min(image.shape):
            expected = F.conv2d(image[None, None], kernel[None, None])[0, 0]
            torch.testing.assert_close(slide(image, kernel), expected)


def test_the_window_with_stride_padding_and_dilation_is_a_convolution():
    slide = function("slide", "slide", "slide-options")
    for image, kernel, options in random_settings(1):
        expected = F.conv2d(image[None, None], kernel[None, None], **options)[0, 0]
        torch.testing.assert_close(slide(image, kernel, **options), expected, msg=str(options))


def test_output_size_is_the_size_of_the_output():
    output_size = reference("output_size")
    for image, kernel, options in random_settings(2, largest=40):
        expected = F.conv2d(image[None, None].to("meta"), kernel[None, None].to("meta"), **options).shape[2:]
        assert tuple(output_size(side, len(kernel), **options) for side in image.shape) == expected


def test_the_whole_convolution_is_a_convolution():
    convolve = reference("convolve")
    generator, numbers = torch.Generator().manual_seed(3), np.random.default_rng(3)
    for _ in range(100):
        channels, outputs, k, stride, padding, side = map(
            int, numbers.integers((1, 1, 1, 1, 0, 4), (3, 3, 4, 3, 2, 8), endpoint=True)
        )
        x = torch.randn(channels, side, side + 1, generator=generator, dtype=torch.float64)
        w = torch.randn(outputs, channels, k, k, generator=generator, dtype=torch.float64)
        expected = F.conv2d(x[None], w, stride=stride, padding=padding)[0]
        torch.testing.assert_close(convolve(x, w, stride=stride, padding=padding), expected)


def test_the_receptive_field_is_what_autograd_measures():
    receptive_field, numbers = reference("receptive_field"), np.random.default_rng(4)
    for _ in range(SETTINGS):
        layers = [
            (int(k), int(s)) for k, s in numbers.integers((1, 1), (5, 3), (numbers.integers(1, 5), 2), endpoint=True)
        ]
        module = nn.Sequential(*[nn.Conv1d(1, 1, k, stride=s) for k, s in layers])
        for conv in module:
            nn.init.ones_(conv.weight)
        size = receptive_field(layers)
        assert size == probes.receptive_field_formula(layers)
        assert probes.receptive_field(module, (1, size + 5), samples=1).size == (size,)
