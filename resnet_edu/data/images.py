"""Images on the device: what `data.load` returns, and everything that happens between it and a network.

The usual loader decodes, crops and normalizes one image at a time, in worker processes. CIFAR-10 (180 MB
as bytes) is small enough to fit on the device, so a batch takes three tensor operations: index, normalize, augment.
That is faster on a CPU, much faster on a GPU, and there are no worker processes that could hang a notebook.

Read `normalize` and `crop_and_flip` first: tensors in, tensors out. `Images` is a thin wrapper around them.

    >>> pixels = torch.full((4, 3, 32, 32), 200, dtype=torch.uint8)
    >>> train = Images(pixels, torch.tensor([0, 1, 2, 3]))
    >>> [(x.shape[0], y.tolist()) for x, y in train.batches(3)]
    [(3, [0, 1, 2]), (1, [3])]
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from resnet_edu import checks

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# Mean and standard deviation of each color channel over the 50,000 training images, in units of full brightness.
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)
GRAY = (0.4809, 0.2392)  # the same images in shades of gray (ITU-R 601)


# ---- Tensors in, tensors out ----------------------------------------------------------------------------------------


def channels_first(array: NDArray[np.uint8]) -> Tensor:
    """[N, H, W, C], the layout of image files -> [N, C, H, W], the layout of PyTorch's convolutions."""
    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous()


def shrink(images: Tensor, size: int) -> Tensor:
    """uint8 [N, C, H, H] -> uint8 [N, C, size, size], each pixel the rounded mean of the block it replaces.

    Raises ValueError if H is not a multiple of `size`.
    """
    side = images.shape[-1]
    if side % checks.whole("size", size, at_least=1, at_most=side):
        raise ValueError(f"size={size}: images of {side} x {side} can only be averaged down to a divisor of {side}.")
    factor = side // size
    if factor == 1:
        return images
    # In chunks: the full set as float32 would take 600 MB at once.
    return torch.cat([F.avg_pool2d(part.float(), factor).round().to(torch.uint8) for part in images.split(5000)])


def normalize(images: Tensor) -> Tensor:
    """uint8 [..., C, H, W], C 3 or 1 -> float32: mean 0 and standard deviation 1 per channel over CIFAR-10."""
    if images.dtype != torch.uint8 or images.dim() < 3 or images.shape[-3] not in (1, 3):
        raise ValueError(f"normalize takes uint8 images [..., C, H, W] with C 1 or 3, not {_described(images)}.")
    mean, std = _statistics(images.device, images.shape[-3])
    return images.float().sub_(mean).div_(std)


@lru_cache
def _statistics(device: torch.device, channels: int) -> tuple[Tensor, Tensor]:
    # Cached per device: creating them for each batch would copy to the GPU, and the CPU would wait for it.
    statistics = (MEAN, STD) if channels == 3 else ((GRAY[0],), (GRAY[1],))
    mean, std = (torch.tensor(values, device=device).mul(255).view(-1, 1, 1) for values in statistics)
    return mean, std


def crop_and_flip(x: Tensor, offsets: Tensor, flips: Tensor, padding: int) -> Tensor:
    """Pad each image with zeros, crop it to its old size, and flip some horizontally: the whole batch at once.

    x [N, C, H, W]; offsets int64 [N, 2]: row and column of the window, each 0 .. 2 * padding (`padding` leaves the
    image in place); flips bool [N]. Returns [N, C, H, W], contiguous.

    This is the augmentation of He et al. 2015, section 4.2. Zeros after normalization are the mean color: padding
    the raw bytes would frame the images in black.
    """
    # Reading GPU values would make the CPU wait for the GPU, so they are checked only on the CPU.
    if offsets.device.type == "cpu" and len(x) and not 0 <= int(offsets.min()) <= int(offsets.max()) <= 2 * padding:
        raise ValueError(f"offsets must be 0 to {2 * padding}, not {int(offsets.min())} to {int(offsets.max())}.")
    n, _, height, width = x.shape
    padded = F.pad(x, (padding, padding, padding, padding))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # every crop, as a view: [N, C, rows, columns, H, W]
    cropped = windows[torch.arange(n, device=x.device), :, offsets[:, 0], offsets[:, 1]]
    return torch.where(flips[:, None, None, None], cropped.flip(3), cropped).contiguous()


# ---- The images of a data set ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Images with their labels, on one device.

    images uint8 [N, C, H, W], C 3 (color) or 1 (gray); labels int64 [N], each an index into classes. Batches are
    normalized with CIFAR-10's statistics (see `normalize`). If pixel_mean float32 [C, H, W] is given, such as the
    mean of the training images, it is subtracted instead, and pixels are scaled to 0 .. 1.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...] = CLASSES
    pixel_mean: Tensor | None = None

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        pixels = isinstance(images, Tensor) and images.dtype == torch.uint8 and images.dim() == 4
        if not pixels or images.shape[1] not in (1, 3):
            raise ValueError(f"images must be a tensor uint8 [N, C, H, W], C 1 or 3, not {_described(images)}.")
        if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise ValueError(f"labels must be a tensor int64 [{len(images)}], not {_described(labels)}.")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.classes):
            numbers = f"{int(labels.min())} to {int(labels.max())}"
            raise ValueError(f"labels must be 0 to {len(self.classes) - 1}, one for each class, not {numbers}.")
        if self.pixel_mean is not None and self.pixel_mean.shape != images.shape[1:]:
            raise ValueError(
                f"pixel_mean must be a tensor {list(images.shape[1:])}, not {_described(self.pixel_mean)}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        n, _, height, width = self.images.shape
        return f"Images({n:,} of {height} x {width}, {len(self.classes)} classes, on {self.device})"

    @property
    def device(self) -> torch.device:
        return self.images.device

    def to(self, device: str | torch.device | None) -> Images:
        """Return the same images on another device; None picks one as `data.load` does."""
        target = pick_device(device)
        mean = None if self.pixel_mean is None else self.pixel_mean.to(target)
        return Images(self.images.to(target), self.labels.to(target), self.classes, mean)

    def __getitem__(self, key: int | slice | Sequence[int] | Sequence[bool] | NDArray[Any] | Tensor) -> Images:
        """Return a selection of the images as an Images, in the order requested.

        key: a slice; a list, array or tensor of positions (negative ones count from the end) or of N booleans; or
        one integer, which gives an Images of length 1, so that the result always has the same form.
        """
        picked = np.arange(len(self))[key.cpu().numpy() if isinstance(key, Tensor) else key]
        if picked.ndim > 1:
            raise IndexError(f"index images with an integer, a slice or a list of positions, not {key!r:.60}.")
        where = torch.from_numpy(np.array(picked, order="C", ndmin=1)).to(self.device)
        return Images(self.images[where], self.labels[where], self.classes, self.pixel_mean)

    def only(self, *classes: str) -> Images:
        """The images of these classes, in the official order; labels number the classes in the order given here.

        >>> pets = train.only("cat", "dog")      # pets.classes == ("cat", "dog"), labels 0 and 1
        """
        unknown = [name for name in classes if name not in self.classes]
        if not classes or unknown or len(set(classes)) < len(classes):
            given = ", ".join(map(repr, classes)) or "nothing"
            raise ValueError(f"only() takes distinct classes out of {', '.join(self.classes)}; it was given {given}.")
        new = torch.full((len(self.classes),), -1, device=self.device)
        new[[self.classes.index(name) for name in classes]] = torch.arange(len(classes), device=self.device)
        labels = new[self.labels]
        chosen = labels >= 0
        return Images(self.images[chosen], labels[chosen], classes, self.pixel_mean)

    def split(self, fraction: float, seed: int = 0) -> tuple[Images, Images]:
        """Return (the rest, round(fraction * N) held-out images): `train, val = train.split(0.1, seed=0)`.

        Stratified: the number held out per class differs from that class's share by less than one. Both parts keep
        the official order. The same seed holds out the same images on every device.
        """
        n = len(self)
        count = round(checks.number("fraction", fraction, above=0, below=1) * n)
        if not 0 < count < n:
            raise ValueError(f"fraction={fraction}: that holds out {count} of {n} images, and one part would be empty.")

        # Shuffle, sort by class with a stable sort, and take every (n / count)th: a fair share of each.
        shuffled = torch.randperm(n, generator=_generator(seed), device="cpu")
        by_class = shuffled[self.labels.cpu()[shuffled].argsort(stable=True)]
        every = (2 * torch.arange(count, device="cpu") + 1) * n // (2 * count)
        held_out = torch.zeros(n, dtype=torch.bool, device="cpu")
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
        """Iterate once over the images: normalized float32 [B, C, H, W] and int64 [B]; the last batch may be shorter.

        shuffle: a new order. augment: shift each image by up to H // 8 pixels (4 at 32 x 32) in both directions, and
        flip it or not (He et al. 2015). Every random choice depends on seed only, alike on every device; pass another
        seed for each epoch. PyTorch's global random state is neither read nor changed.

        shard (rank, world): of each batch, every world-th image starting at rank, for one of several processes that
        train together. All get equally many; the surplus of a short last batch is left out of this pass.
        """
        # Checked here, not in _epoch: a generator function would raise only at its first batch.
        batch_size = checks.whole("batch_size", batch_size, at_least=1)
        shuffle, augment = checks.flag("shuffle", shuffle), checks.flag("augment", augment)
        return self._epoch(batch_size, shuffle, augment, _generator(seed), *shard)

    def _epoch(
        self, batch_size: int, shuffle: bool, augment: bool, generator: torch.Generator, rank: int, world: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        # All of the epoch's random numbers are sampled on the CPU and moved once: every device gets the same numbers,
        # and the CPU never has to wait for the GPU at a batch.
        n, padding = len(self), self.images.shape[-2] // 8
        drawn: dict[str, Any] = {"generator": generator, "device": "cpu"}
        order = (torch.randperm(n, **drawn) if shuffle else torch.arange(n, device="cpu")).to(self.device)
        if augment:
            offsets = torch.randint(2 * padding + 1, (n, 2), **drawn).to(self.device)
            flips = torch.randint(2, (n,), **drawn).bool().to(self.device)
        for start in range(0, n, batch_size):
            equal = min(batch_size, n - start) // world * world
            if not equal:
                return
            batch = slice(start + rank, start + equal, world)
            picked = order[batch]
            x = self.images[picked]
            x = normalize(x) if self.pixel_mean is None else (x.float() - self.pixel_mean).div_(255)
            if augment:
                x = crop_and_flip(x, offsets[batch], flips[batch], padding)
            yield x, self.labels[picked]


# ---- Choosing a device -----------------------------------------------------------------------------------------------


def pick_device(device: str | torch.device | None) -> torch.device:
    """None: CUDA if it can compute, else the CPU. A name or a torch.device: that device, if this machine has it.

    Apple's "mps" is used only when asked for by name: PyTorch has had silent errors there that a course about
    measured gradients cannot risk.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() and _cuda_computes() else "cpu")
    here = "cpu" + "".join(f", cuda:{i}" for i in range(torch.cuda.device_count()))
    here += ", mps" if torch.backends.mps.is_available() else ""
    try:
        target = torch.device(device)
        if target.type == "meta":
            raise RuntimeError("meta tensors hold no data")
        torch.empty(1, device=target)
    except Exception as error:  # each backend raises its own: RuntimeError, AssertionError, ModuleNotFoundError, ...
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ValueError(f"device={device!r:.60} cannot be used here ({reason}); possible: {here}.") from None
    return target


@lru_cache
def _cuda_computes() -> bool:
    """Whether this PyTorch build has code for the GPU; if not, only the first kernel fails."""
    try:
        return bool((torch.ones(1, device="cuda") + 1 == 2).item())
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        warnings.warn(f"This PyTorch cannot use the GPU, so the CPU is used: {reason}.", stacklevel=3)
        return False


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of {str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return f"{type(value).__name__} {value!r:.60}"


def _generator(seed: int) -> torch.Generator:
    # Seeds may exceed the limit of `checks.seed`: an epoch's is 1000 times that of the run.
    return torch.Generator("cpu").manual_seed(checks.whole("seed", seed, at_most=2**63 - 1))
