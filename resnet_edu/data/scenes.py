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
from numbers import Integral

import torch
import torch.nn.functional as F
from torch import Tensor

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
    Raises TypeError or ValueError for what cannot be.
    """
    _check(pictures, count, size, objects, sides, decoys, seed)
    draw = torch.Generator().manual_seed(seed)
    source, source_labels = pictures.images.cpu(), pictures.labels.cpu()

    def integer(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=draw))

    images, masks, boxes, labels = [], [], [], []
    for _ in range(count):
        behind = source[integer(0, len(source) - 1)][None].float()
        scene = F.interpolate(F.adaptive_avg_pool2d(behind, 4), size=(size, size), mode="bicubic")[0]
        mask = torch.zeros(size, size, dtype=torch.int64)
        taken = torch.zeros(size, size, dtype=torch.bool)
        found: list[tuple[int, int, int, int]] = []
        kinds: list[int] = []
        number = integer(1, objects)
        for k in range(number + decoys):
            which, side = integer(0, len(source) - 1), integer(*sides)
            place = None
            for _ in range(TRIES):
                x, y = integer(0, size - side), integer(0, size - side)
                if not taken[y : y + side, x : x + side].any():
                    place = x, y
                    break
            if place is None:
                continue
            x, y = place
            picture = source[which]
            if k >= number:
                picture = _shuffled(picture, draw)
            small = F.interpolate(picture[None].float(), size=(side, side), mode="bilinear", antialias=True)[0]
            scene[:, y : y + side, x : x + side] = small
            taken[y : y + side, x : x + side] = True
            if k < number:
                kind = int(source_labels[which])
                mask[y : y + side, x : x + side] = kind + 1
                found.append((x, y, x + side, y + side))
                kinds.append(kind)
        images.append(scene.round().clamp(0, 255).to(torch.uint8))
        masks.append(mask)
        boxes.append(torch.tensor(found, dtype=torch.float32))
        labels.append(torch.tensor(kinds))
    device = pictures.device
    return Scenes(
        torch.stack(images).to(device),
        [b.to(device) for b in boxes],
        [k.to(device) for k in labels],
        torch.stack(masks).to(device),
        pictures.classes,
    )


def _shuffled(picture: Tensor, draw: torch.Generator) -> Tensor:
    """uint8 [3, H, W] -> the same pixels, its 4 x 4 tiles in an order drawn by chance."""
    tiles = [tile for row in picture.chunk(TILES, 1) for tile in row.chunk(TILES, 2)]
    tiles = [tiles[i] for i in torch.randperm(len(tiles), generator=draw).tolist()]
    return torch.cat([torch.cat(tiles[i : i + TILES], 2) for i in range(0, len(tiles), TILES)], 1)


def _check(
    pictures: object, count: object, size: object, objects: object, sides: object, decoys: object, seed: object
) -> None:
    if not isinstance(pictures, Images) or not len(pictures):
        raise TypeError(
            f"compose_scenes takes Images with at least one picture, such as data.load returns; not {pictures!r:.60}"
        )
    for name, value, low in (
        ("count", count, 1),
        ("size", size, 8),
        ("objects", objects, 1),
        ("decoys", decoys, 0),
        ("seed", seed, 0),
    ):
        if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < low:
            raise ValueError(f"{name}={value!r:.60}: give a whole number of at least {low}")
    whole = isinstance(sides, tuple) and len(sides) == 2 and all(isinstance(s, int) for s in sides)
    if not whole or not 4 <= sides[0] <= sides[1] <= size:  # type: ignore[index, operator]
        raise ValueError(f"sides={sides!r:.60}: give (smallest, largest) in pixels, from 4 to the scene's {size}")
    if pictures.images.shape[-1] % TILES or pictures.images.shape[-2] % TILES:
        raise ValueError(
            f"the pictures are {list(pictures.images.shape[-2:])}: their sides have to be multiples of {TILES}"
        )
