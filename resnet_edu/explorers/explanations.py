"""Which part of an image speaks for which class, seen from which layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from resnet_edu import data, plots
from resnet_edu.explorers.core import Explorer

#: (net, float images [N, 3, H, W], name of a layer, number of a class) -> maps [N, h, w], none below 0.
ClassMap = Callable[[nn.Module, Tensor, str, int], Tensor]


def class_map_of(
    net: nn.Module, class_map: ClassMap, image: data.Images, *, layer: str, label: int
) -> tuple[np.ndarray, np.ndarray]:
    """One image's map for a class, and the net's probabilities: (float64 [h, w], float64 [classes]).

    image: an `Images` of length 1. The net answers in eval mode. Raises ValueError where the map is none of
    one image.
    """
    if not isinstance(image, data.Images) or len(image) != 1:
        raise ValueError("class_map_of takes an Images of length 1, such as test[7].")
    x = next(iter(image.batches(1)))[0]
    found = class_map(net.eval(), x, layer, label)
    if not isinstance(found, Tensor) or found.ndim != 3 or len(found) != 1:
        got = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"The map of one image has to be a tensor [1, h, w]; it is {got}.")
    with torch.no_grad():
        probabilities = net(x).softmax(1)[0]
    return found[0].detach().cpu().double().numpy(), probabilities.cpu().double().numpy()


@plots.course_look
def class_maps(net: nn.Module, class_map: ClassMap, images: data.Images, layers: Sequence[str]) -> Explorer:
    """A slider for the image, menus for the layer and the class: the map, over the image, and the net's probabilities.

    class_map: what makes the map; see `ClassMap`. images: some of the net's own classes. layers: names of its modules.
    """
    if not isinstance(images, data.Images) or not len(images):
        raise ValueError("class_maps takes an Images with at least one image, such as test[:20].")
    names = [name for name, _ in net.named_modules()]
    if isinstance(layers, str) or not layers or any(layer not in names for layer in layers):
        raise ValueError(f"layers={layers!r:.60}: give a list of names of the net's modules, such as {names[1:3]}.")
    controls = {
        "image": widgets.IntSlider(value=1, min=1, max=len(images), description="image", continuous_update=False),
        "layer": widgets.Dropdown(options=list(layers), value=layers[-1], description="layer"),
        "label": widgets.Dropdown(
            options=list(images.classes), value=images.classes[int(images.labels[0])], description="class"
        ),
    }
    figure = Figure(figsize=(plots.WIDTH, 3.4))
    places = ((0.0, 0.08, 0.29, 0.77), (0.3, 0.08, 0.29, 0.77), (0.72, 0.15, 0.265, 0.7))  # room for the classes' names
    left, middle, right = (figure.add_axes(place) for place in places)
    first = images.images[0].cpu().numpy()
    picture = left.imshow(first.transpose(1, 2, 0))
    left.set(xticks=[], yticks=[])
    left.grid(False)
    below, heat = plots.draw_heat(middle, first, np.zeros((1, 1)))
    rows = np.arange(len(images.classes))
    bars = right.barh(rows, np.zeros(len(rows)), 0.7)
    right.set(xlim=(0, 1), xlabel="probability")
    right.set_yticks(rows, images.classes)
    right.invert_yaxis()

    @plots.course_look
    def draw(image: int, layer: str, label: str) -> str:
        one, number = images[image - 1], images.classes.index(label)
        pixels, true = one.images[0].cpu().numpy(), int(one.labels[0])
        values, probabilities = class_map_of(net, class_map, one, layer=layer, label=number)
        picture.set_data(pixels.transpose(1, 2, 0))
        below.set_data(pixels.mean(0))
        heat.set_data(plots.strength(values))
        for k, (bar, part) in enumerate(zip(bars, probabilities, strict=True)):
            bar.set_width(part)
            bar.set_facecolor(plots.BLUE if k == number else plots.GRAY)
            bar.set_hatch("//" if k == number else "")
        left.set_title(f"image {image}: {images.classes[true]}")
        size = " × ".join(map(str, values.shape))
        middle.set_title(f"for {label}, {layer} ({size}), up to {values.max():.2g}", fontsize=10)
        right.set_title(f"the net says {images.classes[int(probabilities.argmax())]}", fontsize=10)
        row, column = np.unravel_index(int(values.argmax()), values.shape)
        where = f"brightest in row {row + 1}, column {column + 1} of {size}" if values.max() > 0 else "empty"
        return (
            f"Image {image}, {images.classes[true]}: the map for {label} at {layer} is {where}; "
            f"the net gives {label} {probabilities[number]:.0%}."
        )

    explorer = Explorer(controls, figure, draw)
    explorer.show()
    return explorer
