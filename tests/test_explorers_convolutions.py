"""The explorers of lesson 01: the controls move the picture, and it shows what was computed."""

import numpy as np
import pytest
import torch
from samples import pictures
from torch.nn import functional as F

from resnet_edu import explorers, models, probes
from resnet_edu.data import Images


@pytest.fixture(scope="module")
def images():
    return Images(pictures(5, size=12).images[:, :, :, :10], torch.tensor([3, 1, 4, 1, 5]))


def test_each_step_shows_window_products_and_the_feature_map_so_far():
    image = torch.arange(20.0).reshape(4, 5) ** 2
    explorer = explorers.sliding_window(image, kernel="Laplacian", step=1)
    expected = F.conv2d(image[None, None], torch.tensor(explorers.KERNELS["Laplacian"]).float()[None, None])[0, 0]
    for step in (1, 4, 6):
        explorer.controls["step"].value = step
        row, column = divmod(step - 1, 3)
        picture, products, sums = panels(explorer)
        np.testing.assert_array_equal(picture, image)
        window = image[row : row + 3, column : column + 3].numpy()
        np.testing.assert_array_equal(products, window * np.array(explorers.KERNELS["Laplacian"]))
        np.testing.assert_allclose(sums.flat[:step], expected.flatten()[:step])
        assert np.isnan(sums.flat[step:]).all()
        assert f"{products.sum():.3g}" in explorer.figure.axes[1].get_title()
        assert [axes.patches[0].get_xy() for axes in explorer.figure.axes[::2]] == [(column - 0.5, row - 0.5)] * 2


@pytest.mark.parametrize("name", explorers.KERNELS)
def test_the_response_is_the_convolution_of_the_gray_image(name, images):
    kernel = torch.tensor(explorers.KERNELS[name]).double()
    gray = images.images[2].double().mean(0) / 255
    expected = F.conv2d(gray[None, None], kernel[None, None])[0, 0]
    np.testing.assert_allclose(explorers.kernel_response(images.images[2], explorers.KERNELS[name]), expected)


def test_the_kernels_do_what_their_names_say():
    kernels = {name: np.array(rows) for name, rows in explorers.KERNELS.items()}
    assert all(kernel.shape == (3, 3) for kernel in kernels.values())
    for name in ("identity", "shift", "box blur", "Gaussian blur", "sharpen", "emboss"):
        assert kernels[name].sum() == pytest.approx(1), f"{name} keeps the brightness"
    for name in ("Sobel x", "Sobel y", "Prewitt x", "Prewitt y", "Laplacian", "Laplacian with diagonals"):
        assert kernels[name].sum() == 0, f"{name} answers 0 on a flat picture"
    for name in ("Sobel", "Prewitt"):
        np.testing.assert_array_equal(kernels[f"{name} x"], kernels[f"{name} y"].T)
    step = torch.zeros(3, 5, 6, dtype=torch.uint8)
    step[:, :, 3:] = 255  # brighter on the right
    assert explorers.kernel_response(step, explorers.KERNELS["Sobel x"]).max() == 4
    assert not explorers.kernel_response(step, explorers.KERNELS["Sobel y"]).any()
    moved = explorers.kernel_response(step, explorers.KERNELS["shift"])
    np.testing.assert_array_equal(
        moved[0], [0, 0, 0, 1]
    )  # the edge has moved to the right: by one pixel less the border


def panels(explorer):
    return [np.asarray(ax.images[0].get_array()) for ax in explorer.figure.axes]


def test_the_picture_shows_image_kernel_and_result(images):
    explorer = explorers.kernel_on_image(images, kernel="emboss", image=3)
    picture, kernel, result = panels(explorer)
    np.testing.assert_allclose(picture, images.images[3].double().mean(0) / 255)
    np.testing.assert_array_equal(kernel, explorers.KERNELS["emboss"])
    np.testing.assert_allclose(result, explorers.kernel_response(images.images[3], explorers.KERNELS["emboss"]))
    assert [ax.get_title() for ax in explorer.figure.axes][:2] == ["image 3: automobile", "emboss, sum 1"]


def test_slider_menu_and_numbers_move_the_picture_once_each(images, page):
    explorer = explorers.kernel_on_image(images)
    fields = explorer.controls["kernel"]
    assert fields.menu.value == "Sobel x" and fields.fields[1][2].value == 2
    shown = len(page)

    explorer.controls["image"].value = 4
    assert len(page) == shown + 1 and page[-1]["update"]
    fields.menu.value = "Gaussian blur"
    assert len(page) == shown + 2, "nine fields are filled, and the picture is drawn once"
    assert [field.value for field in fields.fields[1]] == [0.125, 0.25, 0.125]
    np.testing.assert_allclose(panels(explorer)[1], explorers.KERNELS["Gaussian blur"])
    assert "Gaussian blur" in page[-1]["metadata"]["image/png"]["alt"]

    fields.fields[0][2].value = 7.0
    assert len(page) == shown + 3
    assert fields.menu.value == "your own" and panels(explorer)[1][0, 2] == 7
    np.testing.assert_allclose(panels(explorer)[2], explorers.kernel_response(images.images[4], fields.value[1]))
    fields.menu.value = "identity"
    np.testing.assert_array_equal(panels(explorer)[1], explorers.KERNELS["identity"])
    fields.menu.value = "your own"  # the same numbers, another title
    assert len(page) == shown + 5 and "your own" in explorer.figure.axes[1].get_title()


def test_a_kernel_of_zeros_can_be_typed(images):
    explorer = explorers.kernel_on_image(images, kernel="identity")
    explorer.controls["kernel"].fields[1][1].value = 0
    assert not panels(explorer)[2].any()


@pytest.mark.parametrize("name", models.ACTIVATIONS)
def test_slopes_are_finite_differences(name):
    x = np.linspace(-7.95, 7.95, 54)  # no kink among them
    _, slope = explorers.activation_and_slope(name, x)
    above, below = (explorers.activation_and_slope(name, x + h)[0] for h in (1e-5, -1e-5))
    np.testing.assert_allclose(slope, (above - below) / 2e-5, atol=1e-8)


def test_menu_and_slider_move_point_and_tangent(page):
    explorer = explorers.activation_slopes(activation="tanh", x=1.0)
    assert list(explorer.controls["activation"].options) == list(models.ACTIVATIONS)
    for i, name in enumerate(models.ACTIVATIONS):
        x = (-2.0, 0.5)[i % 2]
        explorer.controls["activation"].value = name
        explorer.controls["x"].value = x
        value, slope = (float(v) for v in explorers.activation_and_slope(name, x))
        left, right = explorer.figure.axes
        curve, tangent, here = left.lines
        np.testing.assert_allclose(here.get_xydata(), [[x, value]])
        np.testing.assert_allclose(right.lines[1].get_xydata(), [[x, slope]])
        (x0, y0), (x1, y1) = tangent.get_xydata()
        assert (y1 - y0) / (x1 - x0) == pytest.approx(slope) and (y0 + y1) / 2 == pytest.approx(value)
        np.testing.assert_allclose(curve.get_ydata(), explorers.activation_and_slope(name, curve.get_xdata())[0])
        assert f"slope {slope:.4g}" in page[-1]["metadata"]["image/png"]["alt"]


@pytest.mark.parametrize("name", ["layers", "kernel", "stride", "dilation"])
def test_every_slider_moves_the_measured_field(name, page):
    explorer = explorers.receptive_fields()
    slider = explorer.controls[name]
    for value in range(slider.min, slider.max + 1, slider.step):
        slider.value = value
        settings = explorer.settings()
        formula = probes.receptive_field_formula(
            [(settings["kernel"], settings["stride"], settings["dilation"])] * settings["layers"]
        )
        words = f"measured {formula} × {formula}, formula {formula} × {formula}"
        assert words in page[-1]["metadata"]["image/png"]["alt"]
        left, right = explorer.figure.axes
        assert left.patches[0].get_width() == formula
        reached = np.flatnonzero(right.lines[0].get_ydata())
        assert np.ptp(reached) + 1 == min(formula, 81)


def test_the_largest_field_of_the_sliders_fits_into_the_image():
    explorer = explorers.receptive_fields(layers=5, kernel=5, stride=2, dilation=3)
    assert "measured 373 × 373, formula 373 × 373" in explorer.figure.get_suptitle()
