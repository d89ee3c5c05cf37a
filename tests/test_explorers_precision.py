"""What the explorer of 16-bit numbers promises, against numbers worked out from the formats themselves."""

import math

import numpy as np
import pytest
import torch

from resnet_edu import explorers

FRACTION_BITS = {torch.float32: 23, torch.bfloat16: 7, torch.float16: 10}


@pytest.mark.parametrize("dtype", FRACTION_BITS)
def test_below_half_a_distance_a_weight_stays_and_above_it_takes_the_whole(dtype):
    distance = 2.0 ** -FRACTION_BITS[dtype]  # of the numbers just above 1
    assert (explorers.rounded_path(0.49 * distance, dtype, 20) == 1).all()
    np.testing.assert_array_equal(explorers.rounded_path(0.51 * distance, dtype, 20), 1 + distance * np.arange(21))
    np.testing.assert_array_equal(explorers.rounded_path(distance, dtype, 20), 1 + distance * np.arange(21))


@pytest.mark.parametrize("dtype", FRACTION_BITS)
def test_a_number_that_fits_is_off_by_at_most_half_a_distance(dtype):
    sizes = np.linspace(1, 2, 1001)
    half = 2.0 ** -FRACTION_BITS[dtype] / 2
    assert 0.95 * half < (sizes * explorers.rounding_error(sizes, dtype)).max() <= half
    assert (explorers.rounding_error(2.0 ** np.arange(-10, 10), dtype) == 0).all()


def test_fp16_loses_small_gradients_and_a_scale_moves_both_ends():
    small, large = 2.0**-26, 2.0**17
    assert explorers.rounding_error([small, large], torch.float16).tolist() == [1.0, math.inf]
    assert explorers.rounding_error([small, large], torch.bfloat16).tolist() == [0.0, 0.0]
    assert explorers.rounding_error([small], torch.float16, scale=2.0**10).tolist() == [0.0]
    assert explorers.rounding_error([100.0], torch.float16, scale=2.0**10).tolist() == [math.inf]


def test_every_slider_changes_the_picture():
    explorer = explorers.precision()
    left, right = explorer.figure.axes

    def curves():
        return [line.get_ydata().copy() for ax in (left, right) for line in ax.lines]

    before = curves()
    explorer.controls["update"].value = 10**-2.25
    moved = curves()
    assert any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(before, moved, strict=True))
    explorer.controls["log2_scale"].value = 12
    changed = [not np.array_equal(a, b, equal_nan=True) for a, b in zip(moved, curves(), strict=True)]
    assert sum(changed) == 1  # the loss scale is for fp16 alone
    assert "2^{12}" in explorer.figure.axes[1].get_legend().get_texts()[2].get_text()
