"""Scenes for detection and segmentation: pictures put on a background, so that the truth is known without annotators.

    >>> train, _ = data.load("sample")
    >>> scenes = data.compose_scenes(train, 8, seed=0)
    >>> scenes.images.shape, scenes.boxes[0].shape, scenes.masks.shape
    (torch.Size([8, 3, 64, 64]), torch.Size([2, 4]), torch.Size([8, 64, 64]))

What this makes easy, compared with photographs: every object is a whole upright square that nothing hides, with a hard
edge, and its mask is its box. One thing is made harder on purpose: each scene also holds a *decoy*, a square as sharp
as the others, of a picture whose tiles have been shuffled. It is no object, and an edge alone does not tell it apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from resnet_edu import checks

from .images import Images

TILES = 4  # a decoy is a picture cut into 4 x 4 tiles, in another order
TRIES = 40  # places that are tried for a square before it is left out


@dataclass(frozen=True, eq=False)
class Scenes:
    """Composed scenes with what is true about them, on one device.

    images: uint8 [N, 3, S, S]. boxes: N tensors float32 [k, 4], corners x1, y1, x2, y2 in pixels, x to the right and y
    down, the second corner outside of the object. labels: N tensors int64 [k], indices into classes.
    masks: int64 [N, S, S], 0 where there is background or a decoy, else label + 1.
    """

    images: Tensor
    boxes: list[Tensor]
    labels: list[Tensor]
    masks: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


def compose_scenes(
    pictures: Images,
    count: int,
    *,
    size: int = 64,
    objects: int = 3,
    sides: tuple[int, int] = (14, 30),
    decoys: int = 1,
    seed: int = 0,
) -> Scenes:
    """`count` scenes [3, size, size], each with 1 to `objects` pictures and `decoys` shuffled ones, none overlapping.

    pictures: what is put on, scaled to a side drawn from `sides` (first and last included); labels and classes are
    theirs. The background is another picture, averaged to 4 x 4 colors and blown up. A square for which 40 places were
    taken is left out, but never the first object. The same arguments give the same scenes.
    Raises ValueError for sides that do not fit.
    """
    draw = torch.Generator("cpu").manual_seed(checks.seed(seed))
    decoys = checks.whole("decoys", decoys)
    smallest, largest = sides
    if not 4 <= smallest <= largest <= size:
        raise ValueError(f"sides={sides}: give (smallest, largest) in pixels, from 4 to the scene's {size}.")
    if pictures.images.shape[-1] % TILES or pictures.images.shape[-2] % TILES:
        raise ValueError(
            f"The pictures' sides have to be multiples of {TILES}, not {list(pictures.images.shape[-2:])}."
        )
    on_cpu = pictures.to("cpu")
    with torch.device("cpu"):
        made = [_scene(on_cpu, size, objects, sides, decoys, draw) for _ in range(count)]
    images, masks, boxes, labels = zip(*made, strict=True)
    device = pictures.device
    return Scenes(
        torch.stack(images).to(device),
        [b.to(device) for b in boxes],
        [k.to(device) for k in labels],
        torch.stack(masks).to(device),
        pictures.classes,
    )


def _scene(
    pictures: Images, size: int, objects: int, sides: tuple[int, int], decoys: int, draw: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One image, mask, boxes and labels, as `Scenes` has them."""
    behind = pictures.images[_integer(0, len(pictures) - 1, draw)][None].float()
    scene = F.interpolate(F.adaptive_avg_pool2d(behind, 4), size=(size, size), mode="bicubic")[0]
    mask = torch.zeros(size, size, dtype=torch.int64)
    taken = torch.zeros(size, size, dtype=torch.bool)
    boxes: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    number = _integer(1, objects, draw)
    for k in range(number + decoys):
        which, side = _integer(0, len(pictures) - 1, draw), _integer(*sides, draw)
        place = _free_place(taken, side, draw)
        if place is None:
            continue
        x, y = place
        square = slice(y, y + side), slice(x, x + side)
        picture = pictures.images[which]
        if k >= number:
            picture = _shuffled(picture, draw)
        scene[(slice(None), *square)] = F.interpolate(
            picture[None].float(), size=(side, side), mode="bilinear", antialias=True
        )[0]
        taken[square] = True
        if k < number:
            labels.append(int(pictures.labels[which]))
            mask[square] = labels[-1] + 1
            boxes.append((x, y, x + side, y + side))
    image = scene.round().clamp(0, 255).to(torch.uint8)
    return image, mask, torch.tensor(boxes, dtype=torch.float32), torch.tensor(labels)


def _free_place(taken: Tensor, side: int, draw: torch.Generator) -> tuple[int, int] | None:
    """x and y of a square of which no pixel is taken; None where none was found."""
    for _ in range(TRIES):
        x, y = (_integer(0, len(taken) - side, draw) for _ in range(2))
        if not taken[y : y + side, x : x + side].any():
            return x, y
    return None


def _integer(low: int, high: int, draw: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=draw))


def _shuffled(picture: Tensor, draw: torch.Generator) -> Tensor:
    """uint8 [3, H, W] -> the same pixels, its 4 x 4 tiles in an order drawn by chance."""
    tiles = [tile for row in picture.chunk(TILES, 1) for tile in row.chunk(TILES, 2)]
    tiles = [tiles[i] for i in torch.randperm(len(tiles), generator=draw).tolist()]
    return torch.cat([torch.cat(tiles[i : i + TILES], 2) for i in range(0, len(tiles), TILES)], 1)
