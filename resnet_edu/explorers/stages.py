"""The path of an image through a ResNet, block by block: shapes, parameters, multiply-adds, feature maps."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from resnet_edu import data, models, plots, probes
from resnet_edu.explorers.core import Explorer, range_slider
from resnet_edu.probes.state import as_it_was, listening

SHOWN = 12  # feature maps per block


def block_maps(net: models.ResNet, images: data.Images, image: int, size: int) -> dict[str, torch.Tensor]:
    """Outputs of the stem and each block for one image enlarged to size x size: {name: [C, H, W]}, in execution order.

    net: runs in eval mode and is left unchanged.
    """
    found: dict[str, torch.Tensor] = {}

    def heard(name: str, _layer: Any, _inputs: Any, output: torch.Tensor) -> None:
        found["stem" if name == "maxpool" else name] = output[0].cpu()

    parts = [(n, m) for n, m in net.named_modules() if n == "maxpool" or isinstance(m, models.ResNetBlock)]
    x = F.interpolate(data.normalize(images.images[image][None]), (size, size), mode="bilinear", antialias=True)
    device = next(net.parameters()).device
    with as_it_was(net), torch.no_grad(), listening(parts, heard):
        net.eval()(x.to(device))
    return found


def costs(net: models.ResNet, size: int) -> list[probes.Layer]:
    """The stem and each block as one row: shapes, parameters, multiply-adds."""
    x = torch.zeros(1, 3, size, size, device=next(net.parameters()).device)
    rows = probes.layer_groups(probes.layer_table(net, x), 2)
    first = next(i for i, row in enumerate(rows) if row.name.startswith("layer"))
    whole = probes.layer_groups([replace(row, name="stem") for row in rows[:first]])
    return whole + [row for row in rows if row.name.startswith("layer")]


@plots.course_look
def stages(net: models.ResNet, images: data.Images, *, size: int = 224, position: int = 0) -> Explorer:
    """A slider walks from the stem (position 0) to the last block, another picks the image: each block's feature maps.

    The image is enlarged to size x size pixels and runs through the network once.
    """
    rows = costs(net, size)
    controls = {
        "position": range_slider("position", position, range(len(rows))),
        "image": range_slider("image", 0, range(len(images))),
    }
    classes = plots.writable(images.classes)
    figure = Figure(figsize=(plots.WIDTH, 5.2))
    grid = figure.add_gridspec(3, 8, height_ratios=(1, 1, 1.15), hspace=0.12, wspace=0.06)
    figure.subplots_adjust(left=0.075, right=0.99, top=0.9, bottom=0.09)
    given = figure.add_subplot(grid[:2, :2])
    panels = [figure.add_subplot(grid[i // 6, 2 + i % 6]) for i in range(SHOWN)]
    for ax in (given, *panels):
        plots.no_ticks(ax)
    photo = given.imshow(np.zeros((1, 1, 3), dtype=np.uint8), extent=(0, 1, 0, 1))
    maps = [ax.imshow(np.zeros((1, 1)), cmap="gray", extent=(0, 1, 0, 1), interpolation="nearest") for ax in panels]
    bars = []
    below = grid[2, :].subgridspec(1, 2, wspace=0.22).subplots()
    for ax, what in zip(below, ("parameters", "multiply_adds"), strict=True):
        heights = [getattr(row, what) / 1e6 for row in rows]
        bars.append(ax.bar(range(len(rows)), heights, color=plots.GRAY))
        ax.set(ylabel=f"{what.replace('_', '-')}, millions", xlabel="position: 0 is the stem")
        ax.set_xticks(range(0, len(rows), 2))
        ax.grid(axis="x", visible=False)
    seen: dict[int, dict[str, torch.Tensor]] = {}

    def draw(position: int, image: int) -> str:
        if image not in seen:
            seen.clear()
            seen[image] = block_maps(net, images, image, size)
        row = rows[position]
        output = seen[image][row.name].numpy()
        photo.set_data(images.images[image].cpu().numpy().transpose(1, 2, 0))
        given.set_xlabel(f"image {image}: {classes[int(images.labels[image])]}")
        low, high = float(output[:SHOWN].min()), float(output[:SHOWN].max())
        for picture, channel in zip(maps, output[:SHOWN], strict=False):
            picture.set_data(channel)
            picture.set_clim(low, high if high > low else low + 1)
        for container in bars:
            for i, bar in enumerate(container):
                bar.set_color(plots.BLUE if i == position else plots.GRAY)
                bar.set_hatch("//" if i == position else "")
        shape, stride = " × ".join(map(str, row.out_shape)), row.in_shape[-1] // row.out_shape[-1]
        words = (
            f"{row.name}: {shape}, stride {stride}, {row.parameters:,} parameters, "
            f"{row.multiply_adds / 1e6:,.0f} M multiply-adds"
        )
        figure.suptitle(words, fontsize=11)
        return f"The first {min(SHOWN, len(output))} feature maps of {words}; below, these costs for all blocks."

    return Explorer(controls, figure, draw)
