"""Which part of an image supports which class, seen from which layer."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from resnet_edu import data, plots
from resnet_edu.explorers.core import Explorer, menu, slider, upload, uploaded

#: (net, float images [N, 3, H, W], name of a layer, class index) -> maps [N, h, w], none below 0.
ClassMap = Callable[[nn.Module, Tensor, str, int], Tensor]


def class_map_of(
    net: nn.Module, class_map: ClassMap, image: data.Images, *, layer: str, label: int
) -> tuple[np.ndarray, np.ndarray]:
    """One image's map for a class, and the network's probabilities: (float64 [h, w], float64 [classes]).

    image: an `Images` of length 1. The network runs in eval mode.
    """
    x = next(iter(image.batches(1)))[0]
    found = class_map(net.eval(), x, layer, label)
    with torch.no_grad():
        probabilities = net(x).softmax(1)[0]
    return found[0].detach().cpu().double().numpy(), probabilities.cpu().double().numpy()


@plots.course_look
def class_maps(net: nn.Module, class_map: ClassMap, images: data.Images, layers: Sequence[str]) -> Explorer:
    """A slider for the image, menus for the layer and the class: the map over the image, and the probabilities.

    class_map: computes the map; see `ClassMap`. images: of the network's own classes. layers: names of its modules.
    A button adds a picture of the reader's own, of any size, as one more image.
    """
    controls = {
        "image": slider("image", 1, 1, len(images)),
        "layer": menu("layer", layers, layers[-1]),
        "label": menu("class", images.classes, images.classes[int(images.labels[0])]),
    }
    classes = plots.writable(images.classes)
    shown = [(images[i], classes[int(images.labels[i])]) for i in range(len(images))]
    if images.images.shape[1] == 3:
        controls["own"] = upload("your own picture")
        controls["own"].observe(lambda _: add(), names="value")

    def add() -> None:
        try:
            pixels = data.read_picture(BytesIO(uploaded(controls["own"].value)), images.images.shape[-1])
        except ValueError:
            controls["own"].description = "that is not a picture: choose another"
            return
        controls["own"].description = "your own picture"
        shown.append((replace(images[:1], images=data.channels_first(np.stack([pixels])).to(images.device)), "yours"))
        controls["image"].max = controls["image"].value = len(shown)

    figure = Figure(figsize=(plots.WIDTH, 3.4))
    places = ((0.0, 0.08, 0.29, 0.77), (0.3, 0.08, 0.29, 0.77), (0.72, 0.15, 0.265, 0.7))  # room for the classes' names
    left, middle, right = (figure.add_axes(place) for place in places)
    first = images.images[0].cpu().numpy()
    picture = left.imshow(first.transpose(1, 2, 0))
    left.set(xticks=[], yticks=[])
    left.grid(False)
    below, heat = plots.draw_heat(middle, first, np.zeros((1, 1)))
    rows = np.arange(len(classes))
    bars = right.barh(rows, np.zeros(len(rows)), 0.7)
    right.set(xlim=(0, 1), xlabel="probability")
    right.set_yticks(rows, classes)
    right.invert_yaxis()

    def draw(image: int, layer: str, label: str, own: Any = None) -> str:
        (one, name), number = shown[image - 1], images.classes.index(label)
        pixels = one.images[0].cpu().numpy()
        values, probabilities = class_map_of(net, class_map, one, layer=layer, label=number)
        picture.set_data(pixels.transpose(1, 2, 0))
        below.set_data(pixels.mean(0))
        heat.set_data(plots.strength(values))
        for k, (bar, part) in enumerate(zip(bars, probabilities, strict=True)):
            bar.set_width(part)
            bar.set_facecolor(plots.BLUE if k == number else plots.GRAY)
            bar.set_hatch("//" if k == number else "")
        left.set_title(f"image {image}: {name}")
        size = " × ".join(map(str, values.shape))
        middle.set_title(f"for {classes[number]}, {layer} ({size}), up to {values.max():.2g}", fontsize=10)
        right.set_title(f"the network says {classes[int(probabilities.argmax())]}", fontsize=10)
        row, column = np.unravel_index(int(values.argmax()), values.shape)
        where = f"brightest in row {row + 1}, column {column + 1} of {size}" if values.max() > 0 else "empty"
        return (
            f"Image {image}, {name}: the map for {label} at {layer} is {where}; "
            f"the network gives {label} {probabilities[number]:.0%}."
        )

    return Explorer(controls, figure, draw)
