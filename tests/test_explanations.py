"""Maps over images, calibration, error bars, and the explorer of lesson 12: what is drawn is what was given."""

from datetime import datetime, timezone
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from readable import drawn
from samples import cifar, pictures
from torch import nn

from resnet_edu import data, explorers, plots

PIXELS = pictures(3).images


@pytest.mark.parametrize("form", [torch.tensor, np.array, list])
def test_each_map_lies_over_its_gray_image_as_parts_of_its_largest_number(form):
    one, other = np.arange(12.0).reshape(3, 2, 2), np.zeros((3, 4, 4))
    maps = {"a": form(one.tolist()), "b": form(other.tolist())}
    figure = drawn(plots.heat_maps(PIXELS, maps, captions=list("xyz")))
    assert [ax.get_title() for ax in figure.axes] == ["x", "y", "z"] + [""] * 6
    assert [text.get_text() for text in figure.texts] == ["image", "a", "b"]
    for i, image in enumerate(PIXELS.numpy()):
        np.testing.assert_array_equal(figure.axes[i].images[0].get_array(), image.transpose(1, 2, 0))
        below, heat = figure.axes[3 + i].images
        np.testing.assert_allclose(below.get_array(), image.mean(0))
        np.testing.assert_allclose(heat.get_array(), one[i] / one[i].max())
        assert heat.get_extent() == [-0.5, 7.5, 7.5, -0.5]  # the map covers the image, whatever its size
        assert not figure.axes[6 + i].images[1].get_array().any()  # an empty map is dark, not NaN


def test_a_point_stands_at_mean_confidence_and_accuracy_of_its_part():
    confidence, right = [0.12, 0.18, 0.95, 0.97, 1.0], [False, True, True, True, False]
    upper, lower = drawn(plots.reliability({"a": (confidence, right)})).axes
    diagonal, line = upper.lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_allclose(line.get_xydata(), [[0.15, 0.5], [2.92 / 3, 2 / 3]])  # 1 is in the last part
    (steps,) = lower.patches
    np.testing.assert_allclose(steps.get_data().values, [0, 0.4, 0, 0, 0, 0, 0, 0, 0, 0.6])


def test_a_line_goes_through_the_means_with_bars_of_one_deviation():
    runs = {10: [0.2, 0.4], 100: [0.5, 0.6, 0.7]}
    (ax,) = drawn(plots.spread({"a": runs}, xlabel="n", ylabel="accuracy", chance=0.25)).axes
    (container,) = ax.containers
    line, _, (bars,) = container
    np.testing.assert_allclose(line.get_xydata(), [[10, 0.3], [100, 0.6]])
    for (low, high), values in zip(bars.get_segments(), runs.values(), strict=True):
        deviation = np.sqrt(np.sum((np.array(values) - np.mean(values)) ** 2) / (len(values) - 1))
        np.testing.assert_allclose([low[1], high[1]], [np.mean(values) - deviation, np.mean(values) + deviation])
    dots = [y for line in ax.lines if line.get_markerfacecolor() == "white" for y in line.get_ydata()]
    assert dots == [0.2, 0.4, 0.5, 0.6, 0.7]
    assert any(np.allclose(line.get_ydata(), 0.25) for line in ax.lines)


def test_one_run_has_no_bar_but_is_drawn():
    (ax,) = drawn(plots.spread({"a": {20: [0.5]}, "b": {20: [0.4]}}, xlabel="n", ylabel="accuracy")).axes
    assert [container[0].get_ydata().tolist() for container in ax.containers] == [[0.5], [0.4]]


def test_pictures_side_by_side_share_scale_and_styles():
    given = {"noise": {"a": [0.9, 0.5], "b": [0.8, 0.7]}, "blur": {"b": [0.1, 0.2], "a": [0.3, 0.4]}}
    left, right = drawn(plots.side_by_side(given, xlabel="strength", ylabel="part")).axes
    assert left.get_ylim() == right.get_ylim() == (0, 1) and [left.get_title(), right.get_title()] == ["noise", "blur"]
    styles = {}
    for ax, of in zip((left, right), given.values(), strict=True):
        for line in ax.lines:
            np.testing.assert_array_equal(line.get_ydata(), of[line.get_label()])
            styles.setdefault(line.get_label(), set()).add((line.get_color(), line.get_marker()))
    assert all(len(of) == 1 for of in styles.values()) and styles["a"] != styles["b"]


CLASSES = ("cat", "dog", "bird")


def images():
    return data.Images(pictures(4).images, torch.tensor([0, 1, 2, 0]), CLASSES)


def net():
    return cifar(width=16, num_classes=3)


def marked(net, x, layer, label):
    """A map that tells how it was asked for."""
    found = torch.zeros(len(x), len(layer), 4)
    found[:, 1, label] = 6.0
    return found


def test_the_map_is_the_function_s_and_the_probabilities_are_the_net_s():
    made, one = net().train(), images()[2]
    values, probabilities = explorers.class_map_of(made, marked, one, layer="stage1", label=2)
    assert values.shape == (len("stage1"), 4) and values[1, 2] == values.sum() == 6
    with torch.no_grad():
        expected = made.eval()(next(iter(one.batches(1)))[0]).softmax(1)[0]
    np.testing.assert_allclose(probabilities, expected, rtol=1e-6)


def test_the_controls_choose_image_layer_and_class():
    explorer = explorers.class_maps(net(), marked, images(), ["stem", "stage1"])
    left, middle, right = explorer.figure.axes
    start = {"image": 1, "layer": "stage1", "label": "cat", "own": explorer.controls["own"].value}
    assert explorer.settings() == start  # the first image's own class
    for image, layer, label in ((1, "stem", "dog"), (3, "stage1", "bird"), (4, "stem", "cat")):
        for name, value in {"image": image, "layer": layer, "label": label}.items():
            explorer.controls[name].value = value
        number, one = CLASSES.index(label), images()[image - 1]
        values, probabilities = explorers.class_map_of(net(), marked, one, layer=layer, label=number)
        np.testing.assert_array_equal(left.images[0].get_array(), one.images[0].permute(1, 2, 0))
        np.testing.assert_allclose(middle.images[1].get_array(), values / values.max())
        np.testing.assert_allclose([bar.get_width() for bar in right.patches], probabilities)
        assert [bool(bar.get_hatch()) for bar in right.patches] == [k == number for k in range(3)]
        assert CLASSES[int(one.labels[0])] in left.get_title() and label in middle.get_title()
        drawn(explorer.figure)


def test_a_picture_of_one_s_own_is_one_more_image():
    explorer = explorers.class_maps(net(), marked, images(), ["stem"])
    control, slider = explorer.controls["own"], explorer.controls["image"]
    count, file = slider.max, BytesIO()
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(file, "PNG")
    for content, expected in ((b"words", count), (file.getvalue(), count + 1)):
        if isinstance(control.value, dict):  # ipywidgets 7
            control.value = {"mine.png": {"metadata": {}, "content": content}}
        else:
            about = {"name": "mine.png", "type": "", "size": 1, "last_modified": datetime.now(timezone.utc)}
            control.value = [{**about, "content": content}]
        assert slider.max == expected
    assert slider.value == count + 1 and (explorer.figure.axes[0].images[0].get_array() == 200).all()
    assert "yours" in explorer.figure.axes[0].get_title()


def test_an_empty_map_is_said_to_be_empty():
    explorer = explorers.class_maps(net(), lambda *_: torch.zeros(1, 2, 2), images(), ["stem"])
    assert "is empty" in explorer.draw(**explorer.settings())


def test_grad_cam_in_the_explorer_agrees_with_the_class_weights():
    """At the last stage Grad-CAM is the head's weights over the activations: computed here without any gradient."""
    from resnet_edu.exercises import find

    def by_gradient(net: nn.Module, x: torch.Tensor, layer: str, label: int) -> torch.Tensor:
        heard = []
        handle = net.get_submodule(layer).register_forward_hook(lambda m, i, o: heard.append(o))
        logits = net(x)
        handle.remove()
        return find("grad_cam").reference(heard[0], torch.autograd.grad(logits[:, label].sum(), heard[0])[0])

    made, one = net().eval(), images()[1]
    values, _ = explorers.class_map_of(made, by_gradient, one, layer="stage3", label=1)
    with torch.no_grad():
        h = made.stage3(made.stage2(made.stage1(made.stem(next(iter(one.batches(1)))[0]))))
        expected = (made.fc.weight[1].view(1, -1, 1, 1) / h[0, 0].numel() * h).sum(1)[0].relu()
    np.testing.assert_allclose(values, expected, atol=1e-6)
