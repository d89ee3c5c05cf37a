"""What `probes.receptive_field` promises: the pixels that can change an output, in any module, and the formula."""

import numpy as np
import pytest
import torch
from test_probes import assert_as_it_was, mixed_modes, state
from torch import nn

from resnet_edu import models, probes


def stack(*layers, channels=1):
    """Convolutions (kernel, stride[, dilation]) in a row, without padding."""
    convs = []
    for kernel, stride, dilation in ((*layer, 1)[:3] for layer in layers):
        inputs = channels if convs else 1
        convs.append(nn.Conv2d(inputs, channels, kernel, stride=stride, dilation=dilation))
    return nn.Sequential(*convs)


def seen_by_changing_pixels(module, size):
    """The slow way: change one pixel, and see whether the center of the output changes."""
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(1, 1, size, size, generator=generator, dtype=torch.float64)
    module = module.double().eval()
    seen = np.zeros((size, size), dtype=bool)
    with torch.no_grad():
        before = module(image)[0]
        center = before.shape[-1] // 2
        for row, column in np.ndindex(size, size):
            for change in (3.0, -3.0):
                changed = image.clone()
                changed[0, 0, row, column] += change
                seen[row, column] |= not torch.equal(module(changed)[0, :, center, center], before[:, center, center])
    return seen


@pytest.mark.parametrize(
    "layers", [[(3, 1)], [(3, 1), (3, 2)], [(5, 2), (3, 1)], [(3, 1, 2)], [(2, 2), (3, 1, 2)], [(1, 1), (4, 3)]]
)
def test_the_field_is_what_changing_pixels_shows(layers):
    torch.manual_seed(0)
    module = stack(*layers)
    field = probes.receptive_field(module, (1, 15, 15))
    expected = seen_by_changing_pixels(module, 15)
    np.testing.assert_array_equal(field.influence > 0, expected)
    rows, columns = np.flatnonzero(expected.any(1)), np.flatnonzero(expected.any(0))
    assert field.size == (np.ptp(rows) + 1, np.ptp(columns) + 1)
    assert field.influence[field.box].shape == field.size


def test_measured_and_formula_agree_on_500_random_stacks():
    generator = np.random.default_rng(0)
    for _ in range(500):
        layers = [
            tuple(generator.integers((1, 1, 1), (5, 3, 3), endpoint=True)) for _ in range(generator.integers(1, 4))
        ]
        formula = probes.receptive_field_formula(layers)
        module = nn.Sequential(*[nn.Conv1d(1, 1, k, stride=s, dilation=d) for k, s, d in layers])
        for conv in module:
            nn.init.ones_(conv.weight)
        field = probes.receptive_field(module, (1, formula + int(generator.integers(0, 9))), samples=1)
        assert field.size == (formula,), layers


def test_pooling_and_activations_hide_nothing():
    """A maximum lets one pixel through and a ReLU may be off: over several inputs all pixels show."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3), nn.ReLU())
    field = probes.receptive_field(net, (1, 30, 30), samples=32)
    assert field.size == (probes.receptive_field_formula([(3, 1), (2, 2), (3, 1)]),) * 2 == (8, 8)
    pool = nn.MaxPool2d(4)
    assert np.count_nonzero(probes.receptive_field(pool, (1, 4, 4), samples=1).influence) == 1
    assert np.count_nonzero(probes.receptive_field(pool, (1, 4, 4), samples=200).influence) == 16


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("depth", "expected"), [(8, 25), (20, 81)])
def test_the_field_of_the_course_s_net(residual, depth, expected):
    torch.manual_seed(0)
    net = models.CifarNet(depth, residual=residual)
    features = nn.Sequential(net.stem, net.stage1, net.stage2, net.stage3)
    n = (depth - 2) // 6
    layers = [(3, 1)] * (2 * n + 1) + [(3, 2)] + [(3, 1)] * (2 * n - 1) + [(3, 2)] + [(3, 1)] * (2 * n - 1)
    assert probes.receptive_field_formula(layers) == expected
    assert probes.receptive_field(features, (3, 96, 96), samples=2).size == (expected, expected)


def test_a_field_is_cut_off_at_the_border_and_logits_see_everything():
    net = models.CifarNet(8, residual=True)
    assert probes.receptive_field(net, (3, 16, 12)).size == (16, 12)
    assert probes.receptive_field(nn.Conv2d(1, 1, 15, padding=7), (1, 9, 9)).box == (slice(0, 9), slice(0, 9))


def test_channels_that_cancel_each_other_are_still_seen():
    conv = nn.Conv2d(1, 2, 3, bias=False)
    with torch.no_grad():
        conv.weight[1] = -conv.weight[0]
    assert probes.receptive_field(conv, (1, 5, 5)).size == (3, 3)


def test_the_field_of_a_net_that_starts_in_place():
    conv = nn.Conv2d(1, 1, 3)
    found, expected = (
        probes.receptive_field(nn.Sequential(nn.ReLU(inplace=inplace), conv), (1, 9, 9)) for inplace in (True, False)
    )
    assert found.size == (3, 3)
    np.testing.assert_array_equal(found.influence, expected.influence)


def test_the_module_and_the_random_state_stay_as_they_were():
    net = mixed_modes(models.CifarNet(8, residual=True))
    before = state(net)
    with torch.no_grad():
        probes.receptive_field(net, (3, 16, 16))
    assert_as_it_was(net, before)


def blind():
    net = stack((3, 1))
    nn.init.zeros_(net[0].weight)
    return net


@pytest.mark.parametrize(
    ("module", "message"),
    [(stack((3, 1)).to("meta"), "meta"), (nn.Flatten(0), "needs an output"), (blind(), "influence")],
)
def test_what_has_no_field_is_refused(module, message):
    with pytest.raises(ValueError, match=message):
        probes.receptive_field(module, (1, 8, 8))


@pytest.mark.parametrize("layers", [[(3, 0)], [(2.5, 1)], [(3, 1, 1, 1)]])
def test_the_formula_takes_whole_numbers(layers):
    with pytest.raises((ValueError, TypeError)):
        probes.receptive_field_formula(layers)


def test_no_layer_at_all_sees_its_own_pixel():
    assert probes.receptive_field_formula([]) == 1
