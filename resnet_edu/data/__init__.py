"""CIFAR-10, ready to train on: images that live on the device, batches without a DataLoader.

    from resnet_edu import data

    train, test = data.load("sample")                   # 5,000 + 1,000 real images that ship with the course
    train, val = train.split(0.1, seed=0)               # 4,500 + 500, every class in equal parts
    for x, y in train.batches(128, shuffle=True, augment=True, seed=0):
        print(x.shape, y.shape)                         # [128, 3, 32, 32] float32 and [128] int64
        break

`load("cifar10")` gives the full set, 50,000 + 10,000 images, in the same form.

Read it in this order:

    images.py    the idea: uint8 images on the device, normalization, split, batches, crop and flip
    __init__.py  `load`: a name in, two `Images` out
    sample.py    the bundled sample: PNG sheets, their manifest, and how both are rebuilt from the full set
    cifar10.py   the full set: where it is looked for, how it is downloaded and verified
    scenes.py    pictures put on a background, with boxes and masks known by construction (lesson 13)
    tones.py     made-up sounds that differ in how the pitch moves (lesson 13)
    sentences.py sentences whose verb agrees with its subject, or does not (lesson 13)

`sample` and `cifar10` speak one language: `Arrays`, the four numpy arrays in which CIFAR-10 is commonly handed on.
Images and labels keep CIFAR-10's own order everywhere, so that image 17 is the same image in every program.
"""

import difflib
from numbers import Integral
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .cifar10 import Arrays, read_cifar10
from .images import CLASSES, MEAN, STD, Images, crop_and_flip, normalize, pick_device
from .sample import build_sample, read_sample, write_sample
from .scenes import Scenes, compose_scenes
from .sentences import LETTERS, NOUNS, Sentences, agreement_sentences
from .tones import TONES, tone_words

__all__ = [
    "CLASSES", "LETTERS", "MEAN", "NOUNS", "STD", "TONES", "Arrays", "Images", "Scenes", "Sentences",
    "agreement_sentences", "build_sample", "compose_scenes", "crop_and_flip", "load",
    "normalize", "pick_device", "read_cifar10", "read_sample", "shrink", "tone_words", "write_sample",
]  # fmt: skip

SIZES = (32, 16, 8)
READERS = {"sample": read_sample, "cifar10": read_cifar10}


def load(
    name: str = "sample", *, device: str | torch.device | None = None, size: int = 32, root: str | Path | None = None
) -> tuple[Images, Images]:
    """The training and the test images of "sample" (bundled, needs no network) or "cifar10" (the full set).

    device: where the images will live. None means CUDA where there is one, else the CPU; others by name ("mps").
    size:   32 as published; 16 or 8 by averaging each 2 x 2 or 4 x 4 square of pixels.
    root:   a folder to look in before the usual places (the course's `data/`, then `files.cache_folder()`).

    The pixels are checked against SHA-256 sums on every load. Raises TypeError or ValueError for an argument that
    cannot be, ConnectionError when "cifar10" is neither on this machine nor to be downloaded, OSError when the
    bundled sample is missing or damaged.
    """
    if not isinstance(name, str):
        raise TypeError(f'name must be "sample" or "cifar10", not {name!r}')
    if name not in READERS:
        near = difflib.get_close_matches(name.lower().replace("-", ""), READERS, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise ValueError(f'there is no data set {name!r}: it is "sample" or "cifar10"{hint}')
    if isinstance(size, bool) or not isinstance(size, Integral):
        raise TypeError(f"size must be one of the integers {SIZES}, not {size!r}")
    if size not in SIZES:
        raise ValueError(f"size {size} is not possible: CIFAR-10 is 32 x 32, and is averaged down to 16 or 8")
    target = pick_device(device)  # before the reading, so that a typing mistake costs no download

    arrays = READERS[name](root)
    train, test = (
        Images(shrink(channels_first(arrays[f"x_{part}"]), size), torch.from_numpy(arrays[f"y_{part}"]).long())
        for part in ("train", "test")
    )
    return train.to(target), test.to(target)


def channels_first(array: NDArray[np.uint8]) -> Tensor:
    """[N, H, W, 3], as picture files have it -> [N, 3, H, W], as PyTorch's convolutions take it."""
    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous()


def shrink(images: Tensor, size: int) -> Tensor:
    """uint8 [N, 3, H, H] -> uint8 [N, 3, size, size], each pixel the rounded mean of the square that it replaces.

    Raises ValueError where H is no multiple of `size`.
    """
    side = images.shape[-1]
    possible = [n for n in range(1, side + 1) if side % n == 0]
    if isinstance(size, bool) or not isinstance(size, Integral) or size not in possible:
        sizes = ", ".join(map(str, possible))
        raise ValueError(f"size {size!r} is not possible: images of {side} x {side} can be averaged down to {sizes}")
    factor = side // size
    if factor == 1:
        return images
    # By parts: the full set as float32 would take 600 MB at once.
    return torch.cat([F.avg_pool2d(part.float(), factor).round().to(torch.uint8) for part in images.split(5000)])
