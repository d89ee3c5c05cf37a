"""What the pictures of `plots` promise: the numbers that were given, on a scale that the figure states."""

import numpy as np
import pytest
import torch
from readable import drawn

from resnet_edu import plots


def shown(figure):
    """{label: what is drawn}, of every panel that can be seen."""
    return {ax.get_title(): ax.images[0] for ax in figure.axes if ax.get_visible()}


GRAY = torch.tensor([[0.0, 0.5], [1.0, 2.0]])


def test_pictures_shows_what_it_was_given():
    color = torch.randint(256, (3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    figure = drawn(plots.pictures({"gray": GRAY, "edges": GRAY - 1.5, "color": color}))
    images = shown(figure)
    assert list(images) == ["gray", "edges", "color"]
    np.testing.assert_array_equal(images["gray"].get_array(), GRAY)
    np.testing.assert_array_equal(images["color"].get_array(), color.permute(1, 2, 0))
    assert images["gray"].get_clim() == (0, 2)
    assert images["edges"].get_clim() == (-1.5, 1.5)  # gray is 0 where there are negative numbers
    words = [ax.get_xlabel() for ax in figure.axes]
    assert words == ["0 to 2", "-1.5 to 0.5", ""]


@pytest.mark.parametrize(("count", "columns"), [(1, 6), (5, 2), (13, 6), (6, 6)])
def test_labels_and_pictures_keep_clear_of_each_other(count, columns):
    figure = drawn(plots.pictures({f"picture {i}\nof {count}": GRAY for i in range(count)}, columns=columns))
    boxes = [artist.get_window_extent() for ax in figure.axes for artist in (ax.title, ax.images[0], ax.xaxis.label)]
    edge = figure.bbox
    for i, box in enumerate(boxes):
        assert box.x0 >= edge.x0 and box.x1 <= edge.x1 and box.y0 >= edge.y0 and box.y1 <= edge.y1
        for other in boxes[:i]:
            assert not (
                box.x0 < other.x1 - 1 and other.x0 < box.x1 - 1 and box.y0 < other.y1 - 1 and other.y0 < box.y1 - 1
            )


def test_a_picture_of_zeros_can_be_drawn():
    drawn(plots.pictures({"nothing": torch.zeros(3, 3)}))
    drawn(plots.kernels({"nothing": np.zeros((3, 3))}))
    drawn(plots.matrices({"nothing": [[0.0, -0.0]]}))
    drawn(plots.feature_maps({"dead": torch.zeros(2, 3, 3)}))


def test_kernels_share_one_scale_around_gray():
    figure = drawn(plots.kernels({"a": [[1.0, -2.0], [0.0, 0.5]], "b": np.full((2, 2), 4.0)}))
    a, b = shown(figure).values()
    assert a.get_clim() == b.get_clim() == (-4, 4)
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "-2", "0", "0.5"]


def test_the_kernels_of_a_layer_are_color_pictures_on_one_scale():
    weight = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    images = shown(drawn(plots.kernels(weight)))
    assert list(images) == ["1", "2", "3", "4", "5"]
    most = weight.abs().max().item()
    for kernel, image in zip(weight, images.values(), strict=True):
        back = (np.asarray(image.get_array()) - 0.5) * 2 * most
        np.testing.assert_allclose(back.transpose(2, 0, 1), kernel, atol=1e-5)
    gray = shown(drawn(plots.kernels(weight[:, :1])))
    np.testing.assert_allclose(gray["2"].get_array(), weight[1, 0])


def test_feature_maps_are_one_row_a_layer_with_one_scale_each():
    maps = {"first": torch.rand(10, 6, 6), "second": torch.rand(3, 3, 3) * 9 - 1}
    maps["first"][9, 0, 0] = 50.0
    figure = drawn(plots.feature_maps(maps, columns=4))
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert len(panels) == 4 + 3
    for ax, expected in zip(panels, [*maps["first"][:4], *maps["second"]], strict=True):
        np.testing.assert_allclose(ax.images[0].get_array(), expected)
    scales = [ax.images[0].get_clim() for ax in panels]
    assert len({*scales[:4]}) == len({*scales[4:]}) == 1
    assert scales[0][0] == 0 and 0.9 < scales[0][1] <= 1  # the one strong number of 360 does not count
    second = maps["second"].flatten().sort().values
    assert scales[4][0] == second[0] and second[-2] <= scales[4][1] <= second[-1]
    few = torch.zeros(1, 20, 20)
    few[0, 3, 3] = 2.0  # 1 number of 400: white is what there is
    assert drawn(plots.feature_maps({"few": few})).axes[0].images[0].get_clim() == (0, 2)
    assert panels[0].get_ylabel() == "first\n10 × 6 × 6" and panels[4].get_ylabel() == "second\n3 × 3 × 3"


def test_value_and_slope_draws_both_of_each_function():
    x = np.linspace(-1, 1, 5)
    functions = {"square": (x**2, 2 * x), "cube": (torch.tensor(x**3), list(3 * x**2))}
    figure = drawn(plots.value_and_slope(x, functions, xlabel="logit", labels=("loss", "its slope")))
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "its slope"]
    assert {ax.get_xlabel() for ax in figure.axes} == {"logit"}
    for i, ax in enumerate(figure.axes):
        for line, (label, pair) in zip(ax.lines, functions.items(), strict=True):
            assert line.get_label() == label
            np.testing.assert_array_equal(line.get_xdata(), x)
            np.testing.assert_array_equal(line.get_ydata(), np.asarray(pair[i]))
        widths = [line.get_linewidth() for line in ax.lines]
        assert widths == sorted(widths, reverse=True)  # the later one does not hide the earlier one
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["square", "cube"]
