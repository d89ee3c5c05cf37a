"""Scenes for detection and segmentation: pictures pasted onto a background, so that ground truth needs no annotators.

    >>> train, _ = data.load("sample")
    >>> scenes = data.compose_scenes(train, 8, seed=0)
    >>> scenes.images.shape, scenes.boxes[0].shape, scenes.masks.shape
    (torch.Size([8, 3, 64, 64]), torch.Size([2, 4]), torch.Size([8, 64, 64]))

Easier than in photographs: every object is a complete, upright, unoccluded square with a hard edge, and its mask is
its box. Harder, on purpose: each scene also contains a *decoy*, a square with edges as sharp as the others', made
from a picture whose tiles are shuffled. It is not an object, and edges alone do not give it away.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from resnet_edu import checks

from .images import Images

TILES = 4  # a decoy is a picture cut into 4 x 4 tiles, in another order
TRIES = 40  # positions tried for a square before it is left out


@dataclass(frozen=True, eq=False)
class Scenes:
    """Composed scenes with their ground truth, on one device.

    images: uint8 [N, 3, S, S]. boxes: N tensors float32 [k, 4], corners x1, y1, x2, y2 in pixels, x to the right and y
    down, the second corner exclusive. labels: N tensors int64 [k], indices into classes.
    masks: int64 [N, S, S], 0 for background and decoys, else label + 1.
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

    pictures: what is pasted, scaled to a side sampled from `sides` (inclusive); labels and classes are theirs. The
    background is another picture, averaged to 4 x 4 colors and enlarged. A square that finds no free position in 40
    tries is left out, but never the first object. The same arguments give the same scenes.
    Raises ValueError for sides that do not fit.
    """
    draw = torch.Generator("cpu").manual_seed(checks.seed(seed))
    decoys = checks.whole("decoys", decoys)
    smallest, largest = sides
    if not 4 <= smallest <= largest <= size:
        raise ValueError(f"sides={sides}: give (smallest, largest) in pixels, from 4 to the scene's {size}.")
    if pictures.images.shape[-1] % TILES or pictures.images.shape[-2] % TILES:
        raise ValueError(f"The pictures' sides must be multiples of {TILES}, not {list(pictures.images.shape[-2:])}.")
    on_cpu = pictures.to("cpu")
    with torch.device("cpu"):
        made = [_scene(on_cpu, size, objects, sides, decoys, draw) for _ in range(count)]
    images, masks, boxes, labels = ([one.to(pictures.device) for one in part] for part in zip(*made, strict=True))
    return Scenes(torch.stack(images), boxes, labels, torch.stack(masks), pictures.classes)


def _scene(
    pictures: Images, size: int, objects: int, sides: tuple[int, int], decoys: int, draw: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One image, mask, boxes and labels, as in `Scenes`."""
    behind = pictures.images[_integer(0, len(pictures) - 1, draw)][None].float()
    scene = F.interpolate(F.adaptive_avg_pool2d(behind, 4), size=(size, size), mode="bicubic")[0]
    mask = torch.zeros(size, size, dtype=torch.int64)
    taken = torch.zeros(size, size, dtype=torch.bool)
    boxes: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    number = _integer(1, objects, draw)
    for k in range(number + decoys):
        which, side = _integer(0, len(pictures) - 1, draw), _integer(*sides, draw)
        if (place := _free_place(taken, side, draw)) is None:
            continue
        x, y = place
        square = slice(y, y + side), slice(x, x + side)
        picture = pictures.images[which] if k < number else _shuffled(pictures.images[which], draw)
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
    """x and y of a free square; None if none was found."""
    for _ in range(TRIES):
        x, y = (_integer(0, len(taken) - side, draw) for _ in range(2))
        if not taken[y : y + side, x : x + side].any():
            return x, y
    return None


def _integer(low: int, high: int, draw: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=draw))


def _shuffled(picture: Tensor, draw: torch.Generator) -> Tensor:
    """uint8 [3, H, W] -> the same pixels, with its 4 x 4 tiles in random order."""
    tiles = [tile for row in picture.chunk(TILES, 1) for tile in row.chunk(TILES, 2)]
    tiles = [tiles[i] for i in torch.randperm(len(tiles), generator=draw).tolist()]
    return torch.cat([torch.cat(tiles[i : i + TILES], 2) for i in range(0, len(tiles), TILES)], 1)
