"""What `explorers.stages` promises: its sliders walk through the blocks and the images, and the costs are right."""

import numpy as np
import pytest
import torch
from samples import pictures

from resnet_edu import data, explorers, models, probes

SIZE = 32


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return models.resnet50(width=4).eval()


@pytest.fixture(scope="module")
def images():
    return pictures(3)


def shown(explorer):
    """The photograph and the feature maps that the picture holds."""
    panels = [np.asarray(ax.images[0].get_array()) for ax in explorer.figure.axes if ax.images]
    return panels[0], panels[1:]


def test_the_maps_are_what_the_blocks_give(net, images):
    maps = explorers.block_maps(net, images, 1, SIZE)
    assert list(maps) == ["stem", *(f"layer{i + 1}.{j}" for i, n in enumerate((3, 4, 6, 3)) for j in range(n))]
    with torch.no_grad():
        x = torch.nn.functional.interpolate(
            data.normalize(images.images[1:2]), (SIZE, SIZE), mode="bilinear", antialias=True
        )
        stem = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        torch.testing.assert_close(maps["stem"], stem[0])
        torch.testing.assert_close(maps["layer1.2"], net.layer1(stem)[0])


def test_the_costs_add_up_to_those_of_the_net(net, images):
    explorer = explorers.stages(net, images, size=SIZE)
    table = probes.layer_table(net, torch.zeros(1, 3, SIZE, SIZE))
    bars = [ax for ax in explorer.figure.axes if ax.containers]
    for ax, what in zip(bars, ("parameters", "multiply_adds"), strict=True):
        heights = [bar.get_height() for bar in ax.containers[0]]
        expected = sum(getattr(row, what) for row in table if row.name != "fc") / 1e6
        assert len(heights) == 17 and sum(heights) == pytest.approx(expected)


def test_the_sliders_move_the_picture(net, images, page):
    explorer = explorers.stages(net, images, size=SIZE, position=3)
    photo, maps = shown(explorer)
    assert explorer.figure.get_suptitle().startswith("layer1.2: 16 × 8 × 8, stride 1")
    explorer.controls["position"].value = 4
    assert explorer.figure.get_suptitle().startswith("layer2.0: 32 × 4 × 4, stride 2")
    same_photo, other_maps = shown(explorer)
    np.testing.assert_array_equal(photo, same_photo)
    assert maps[0].shape == (8, 8) and other_maps[0].shape == (4, 4)
    np.testing.assert_allclose(other_maps[5], explorers.block_maps(net, images, 0, SIZE)["layer2.0"][5])
    explorer.controls["image"].value = 2
    last_photo, last_maps = shown(explorer)
    np.testing.assert_array_equal(last_photo, images.images[2].permute(1, 2, 0))
    assert not np.array_equal(last_maps[0], other_maps[0])
    assert len(page) == 4  # controls, picture, and two changes of it
