"""Images on the device: what `data.load` returns, and everything that happens between it and a network.

The usual loader decodes, crops and normalizes one image at a time, in worker processes. CIFAR-10 is so small (180 MB
as bytes) that all of it fits on the device, and a batch is then three tensor operations: pick, normalize, crop and
flip. That is faster on a CPU, far faster on a GPU, and there is no worker process that could hang a notebook.

Read `normalize` and `crop_and_flip` first: numbers in, numbers out. `Images` is the thin object around them.

    >>> pixels = torch.full((4, 3, 32, 32), 200, dtype=torch.uint8)
    >>> train = Images(pixels, torch.tensor([0, 1, 2, 3]))
    >>> [(x.shape[0], y.tolist()) for x, y in train.batches(3)]
    [(3, [0, 1, 2]), (1, [3])]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# Mean and standard deviation of each color channel over the 50,000 training images, in units of full brightness.
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)


# ---- Numbers in, numbers out ----------------------------------------------------------------------------------------


def normalize(images: Tensor) -> Tensor:
    """uint8 [..., 3, H, W] -> float32 of the same shape: mean 0, deviation 1 in each channel over CIFAR-10."""
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        raise TypeError(f"normalize takes a uint8 tensor, not {_describe(images)}")
    if images.dim() < 3 or images.shape[-3] != 3:
        raise ValueError(f"normalize takes images of shape [..., 3, H, W], not {list(images.shape)}")
    mean, std = _statistics(images.device)
    return images.float().sub_(mean).div_(std)


@lru_cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    # Kept once a device: made anew for each batch, the copy to the GPU would make the program wait for it.
    mean, std = (torch.tensor(values, device=device).mul(255).view(3, 1, 1) for values in (MEAN, STD))
    return mean, std


def crop_and_flip(x: Tensor, offsets: Tensor, flips: Tensor, padding: int) -> Tensor:
    """Pad each image with zeros, cut a window of the old size out of it, mirror it or not: the whole batch at once.

    x [N, C, H, W]; offsets int64 [N, 2]: row and column of the window, each 0 .. 2 * padding (padding itself is the
    image unmoved); flips bool [N]. Returns [N, C, H, W], contiguous.

    This is the augmentation of He et al. 2015, section 4.2. Zeros after normalization are the mean color: padding
    the raw bytes would frame the images in black.
    """
    _check_crop(x, offsets, flips, padding)
    n, channels, height, width = x.shape
    padded = F.pad(x, (padding, padding, padding, padding))

    # Which pixel of the padded image goes where? A mirrored image reads its columns from right to left.
    rows = torch.arange(height, device=x.device) + offsets[:, :1]  # [N, H]
    columns = torch.arange(width, device=x.device)
    columns = torch.where(flips[:, None], width - 1 - columns, columns) + offsets[:, 1:]  # [N, W]
    pixel = rows[:, :, None] * padded.shape[-1] + columns[:, None, :]  # [N, H, W], numbered row by row

    # One gather for the batch, every channel from the same place.
    picked = padded.flatten(2).gather(2, pixel.view(n, 1, -1).expand(-1, channels, -1))
    return picked.view(n, channels, height, width)


# ---- The images of a data set ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Images with their labels, on one device.

    images uint8 [N, 3, H, W]; labels int64 [N], each an index into classes. Batches are normalized by the statistics of
    the channels; with pixel_mean float32 [3, H, W] that is subtracted instead, and full brightness is 1.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...] = CLASSES
    pixel_mean: Tensor | None = None

    def __post_init__(self) -> None:
        _check_images(self.images, self.labels, self.classes)
        mean = self.pixel_mean
        if mean is not None and (not isinstance(mean, Tensor) or mean.shape != self.images.shape[1:]):
            raise ValueError(f"pixel_mean must be a tensor {list(self.images.shape[1:])}, not {_describe(mean)}")

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        n, _, height, width = self.images.shape
        return f"Images({n:,} of {height} x {width}, {len(self.classes)} classes, on {self.device})"

    @property
    def device(self) -> torch.device:
        return self.images.device

    def to(self, device: str | torch.device | None) -> Images:
        """The same images on another device; None picks one as `data.load` does."""
        target = pick_device(device)
        mean = None if self.pixel_mean is None else self.pixel_mean.to(target)
        return Images(self.images.to(target), self.labels.to(target), self.classes, mean)

    def __getitem__(self, key: int | slice | Sequence[int] | Sequence[bool] | NDArray[Any] | Tensor) -> Images:
        """Some of the images, as an Images again, in the order asked for.

        A slice; a list, array or tensor of positions (negative ones count from the end) or of N truth values; or
        one integer, which gives an Images of length 1, so that what comes out always has the same form.
        """
        where = _positions(key, len(self))
        if isinstance(where, Tensor):
            where = where.to(self.device)
        return Images(self.images[where], self.labels[where], self.classes, self.pixel_mean)

    def only(self, *classes: str) -> Images:
        """The images of these classes, in the official order; labels count the classes as they are named here.

        >>> pets = train.only("cat", "dog")      # pets.classes == ("cat", "dog"), labels 0 and 1
        """
        unknown = [name for name in classes if name not in self.classes]
        if not classes or unknown or len(set(classes)) < len(classes):
            given = ", ".join(map(repr, classes)) or "nothing"
            raise ValueError(f"only takes classes, each once, out of {', '.join(self.classes)}; it was given {given}")
        new = torch.full((len(self.classes),), -1, device=self.device)
        for label, name in enumerate(classes):
            new[self.classes.index(name)] = label
        labels = new[self.labels]
        chosen = labels >= 0
        return Images(self.images[chosen], labels[chosen], classes, self.pixel_mean)

    def split(self, fraction: float, seed: int = 0) -> tuple[Images, Images]:
        """(the rest, round(fraction * N) images held out): `train, val = train.split(0.1, seed=0)`.

        Stratified: the number held out of a class differs from that class's share by less than one. Both parts keep
        the official order. The same seed holds out the same images on every device.
        """
        n = len(self)
        if isinstance(fraction, bool) or not isinstance(fraction, int | float | np.floating):
            raise TypeError(f"fraction must be a number between 0 and 1, such as 0.1, not {fraction!r}")
        if not 0 < fraction < 1:
            raise ValueError(f"fraction must lie between 0 and 1, both excluded, not {fraction}")
        count = round(float(fraction) * n)
        if not 0 < count < n:
            raise ValueError(f"a fraction of {fraction} of {n} images is {count}, and leaves one part empty")

        # Shuffle, sort by class without disturbing the shuffle, and take every (n / count)th: a fair share of each.
        shuffled = torch.randperm(n, generator=_generator(seed))
        by_class = shuffled[self.labels.cpu()[shuffled].argsort(stable=True)]
        every = (2 * torch.arange(count) + 1) * n // (2 * count)
        held_out = torch.zeros(n, dtype=torch.bool)
        held_out[by_class[every]] = True
        return self[~held_out], self[held_out]

    def batches(
        self,
        batch_size: int,
        *,
        shuffle: bool = False,
        augment: bool = False,
        seed: int = 0,
        shard: tuple[int, int] = (0, 1),
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the images: normalized float32 [B, 3, H, W] and int64 [B]; the last batch may be shorter.

        shuffle: a new order. augment: each image moved by up to H // 8 pixels (4 at 32 x 32) in both directions, and
        mirrored or not (He et al. 2015). Every random choice follows from seed, alike on every device; pass another
        seed for another epoch. PyTorch's global random state is neither read nor changed.

        shard (rank, world): of each batch every world-th image from rank on, for one of several processes that train
        together. All get equally many; what a short last batch has too many is left out of this pass.
        """
        # Checked here and not in _epoch: a generator function would only complain at its first batch.
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
            raise TypeError(f"batch_size must be a whole number, not {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        for name, value in (("shuffle", shuffle), ("augment", augment)):
            if not isinstance(value, bool | np.bool_):
                raise TypeError(f"{name} must be True or False, not {value!r}")
        rank, world = _shard(shard)
        return self._epoch(int(batch_size), bool(shuffle), bool(augment), _generator(seed), rank, world)

    def _normalized(self, images: Tensor) -> Tensor:
        return normalize(images) if self.pixel_mean is None else (images.float() - self.pixel_mean).div_(255)

    def _epoch(
        self, batch_size: int, shuffle: bool, augment: bool, generator: torch.Generator, rank: int, world: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        # All of the epoch's random numbers are drawn on the CPU and moved once: the same numbers on every device,
        # and no batch for which the CPU has to wait for the GPU.
        n, padding = len(self), self.images.shape[-2] // 8
        order = (torch.randperm(n, generator=generator) if shuffle else torch.arange(n)).to(self.device)
        if augment:
            offsets = torch.randint(2 * padding + 1, (n, 2), generator=generator).to(self.device)
            flips = torch.randint(2, (n,), generator=generator).bool().to(self.device)
        for start in range(0, n, batch_size):
            equal = min(batch_size, n - start) // world * world
            if not equal:
                return
            batch = slice(start + rank, start + equal, world)
            picked = order[batch]
            x = self._normalized(self.images[picked])
            if augment:
                x = crop_and_flip(x, offsets[batch], flips[batch], padding)
            yield x, self.labels[picked]


# ---- Checks: what was given, what is possible -----------------------------------------------------------------------


def pick_device(device: str | torch.device | None) -> torch.device:
    """None: CUDA where there is one, else the CPU. A name or a torch.device: that one, if this machine has it.

    Apple's "mps" is used only when asked for by name: PyTorch has had silent errors there that a course about
    measured gradients cannot risk.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not isinstance(device, str | torch.device):
        raise TypeError(f'device must be None or a name such as "cpu" or "cuda", not {device!r}')
    here = "cpu" + "".join(f", cuda:{i}" for i in range(torch.cuda.device_count()))
    here += ", mps" if torch.backends.mps.is_available() else ""
    try:
        target = torch.device(device)
        if target.type == "meta":
            raise RuntimeError("meta tensors hold no data")
        torch.empty(1, device=target)
    except Exception as error:  # each backend has its own: RuntimeError, AssertionError, ModuleNotFoundError, ...
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ValueError(f'device "{device}" cannot be used here ({reason}); possible: {here}') from None
    return target


def _describe(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of {str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return f"{type(value).__name__} {value!r:.60}"


def _check_images(images: Tensor, labels: Tensor, classes: tuple[str, ...]) -> None:
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        raise TypeError(f"images must be a tensor of uint8 [N, 3, H, W], not {_describe(images)}")
    if images.dim() != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
        raise ValueError(f"images must have the shape [N, 3, H, W], not {list(images.shape)}")
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
        raise TypeError(f"labels must be a tensor of int64 [N], not {_describe(labels)}")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"{len(images)} images need labels of shape [{len(images)}], not {list(labels.shape)}")
    if labels.device != images.device:
        raise ValueError(f"images are on {images.device} but labels on {labels.device}: both must be on one device")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
        raise ValueError(f"labels must be 0 to {len(classes) - 1}, not {int(labels.min())} to {int(labels.max())}")


def _check_crop(x: Tensor, offsets: Tensor, flips: Tensor, padding: int) -> None:
    if not isinstance(x, Tensor) or x.dim() != 4:
        raise ValueError(f"x must be a tensor [N, C, H, W], not {_describe(x)}")
    if isinstance(padding, bool) or not isinstance(padding, int) or padding < 0:
        raise ValueError(f"padding must be a whole number of pixels, 0 or more, not {padding!r}")
    if not isinstance(offsets, Tensor) or offsets.dtype != torch.int64 or offsets.shape != (len(x), 2):
        raise ValueError(f"offsets must be a tensor of int64 [{len(x)}, 2], not {_describe(offsets)}")
    if not isinstance(flips, Tensor) or flips.dtype != torch.bool or flips.shape != (len(x),):
        raise ValueError(f"flips must be a tensor of bool [{len(x)}], not {_describe(flips)}")
    if not x.device == offsets.device == flips.device:
        raise ValueError(f"all must be on one device, not on {x.device}, {offsets.device} and {flips.device}")
    # Looking at the numbers themselves would make the CPU wait for a GPU, so they are checked on the CPU only.
    if offsets.device.type == "cpu" and len(x) and not 0 <= int(offsets.min()) <= int(offsets.max()) <= 2 * padding:
        raise ValueError(f"offsets must be 0 to {2 * padding}, not {int(offsets.min())} to {int(offsets.max())}")


def _generator(seed: int) -> torch.Generator:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"seed must be a whole number, not {seed!r}")
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed must be 0 or more and below 2**63, not {seed}")
    return torch.Generator().manual_seed(int(seed))


def _shard(shard: object) -> tuple[int, int]:
    if not isinstance(shard, tuple) or len(shard) != 2 or any(type(part) is not int for part in shard):
        raise TypeError(f"shard must be (rank, world), two whole numbers, not {shard!r:.60}")
    rank, world = shard
    if not 0 <= rank < world:
        raise ValueError(f"shard must be (rank, world) with a rank from 0 to world - 1, not {shard}")
    return rank, world


def _positions(key: object, n: int) -> slice | Tensor:
    """What was written between the brackets, as a slice with a positive step or as int64 positions -n .. n - 1."""
    expected = f"images are picked by an integer, a slice, or a list of integers or of {n} truth values"
    if isinstance(key, slice):
        start, stop, step = key.indices(n)
        return slice(start, stop, step) if step > 0 else torch.tensor(range(start, stop, step), dtype=torch.int64)
    if isinstance(key, tuple):  # images[1, 2]: numpy would take this for an image and a channel
        raise TypeError(f"{expected}, not by several indices {key!r:.60}")
    try:
        where = key.detach().cpu().numpy() if isinstance(key, Tensor) else np.asarray(key)
    except Exception as error:  # ragged lists, tensors without numpy's dtype or without data
        raise TypeError(f"{expected}, not by {_describe(key)} ({error})") from None
    if where.ndim > 1:
        raise IndexError(f"{expected}: in one dimension, not of shape {list(where.shape)}")
    if where.size == 0:
        return torch.zeros(0, dtype=torch.int64)
    if where.dtype.kind == "b":
        if where.shape != (n,):
            raise IndexError(f"there are {n} images, but {where.size} truth values to pick them by")
        return torch.from_numpy(np.flatnonzero(where))
    if where.dtype.kind not in "iu":
        raise TypeError(f"{expected}, not by {_describe(key)}")
    if not -n <= int(where.min()) <= int(where.max()) < n:
        outside = where.min() if where.min() < -n else where.max()
        raise IndexError(f"there is no image {outside}: there are {n}, numbered 0 to {n - 1}")
    return torch.from_numpy(where.astype(np.int64).reshape(-1))
