"""CIFAR-10, ready to train on: images that live on the device, batches without a DataLoader.

    from resnet_edu import data

    train, test = data.load("sample")                   # 5,000 + 1,000 real images that ship with the course
    train, val = train.split(0.1, seed=0)               # 4,500 + 500, stratified by class
    for x, y in train.batches(128, shuffle=True, augment=True, seed=0):
        print(x.shape, y.shape)                         # [128, 3, 32, 32] float32 and [128] int64
        break

`load("cifar10")` gives the full set, 50,000 + 10,000 images, in the same form; `from_folder` loads your own pictures.

Read it in this order:

    images.py    the idea: uint8 images on the device, normalization, split, batches, crop and flip; which device
    __init__.py  `load`: takes a name, returns two `Images`
    sample.py    the bundled sample: PNG sheets, their manifest, and how to rebuild both from the full set
    cifar10.py   the full set: where to look for it, which archives to open, and how to verify them
    download.py  one download, complete within the time limit or not at all
    folder.py    your own pictures, one folder per class
    scenes.py    pictures pasted onto a background, with boxes and masks known by construction (lesson 13)
    tones.py     made-up sounds that differ in how the pitch moves (lesson 13)
    sentences.py sentences whose verb agrees with its subject, or does not (lesson 13)

`sample` and `cifar10` share one format: `Arrays`, the four NumPy arrays in which CIFAR-10 is commonly distributed.
Images and labels keep CIFAR-10's own order everywhere, so that image 17 is the same image in every program.
"""

from pathlib import Path

import torch

from resnet_edu import checks

from .cifar10 import Arrays, read_cifar10
from .folder import from_folder, read_picture
from .images import CLASSES, MEAN, STD, Images, channels_first, crop_and_flip, normalize, pick_device, shrink
from .sample import build_sample, read_sample, write_sample
from .scenes import Scenes, compose_scenes
from .sentences import LETTERS, NOUNS, Sentences, agreement_sentences
from .tones import TONES, tone_words

SIZES = (32, 16, 8)
#: To add one: a function from `root` to `Arrays` in the form of CIFAR-10, 32 x 32 pixels with its ten classes, and its
#: name in `--data` (__main__.py). Other classes or sizes need a function of their own that returns two `Images`,
#: such as `from_folder`.
READERS = {"sample": read_sample, "cifar10": read_cifar10}


def load(
    name: str = "sample", *, device: str | torch.device | None = None, size: int = 32, root: str | Path | None = None
) -> tuple[Images, Images]:
    """The training and the test images of "sample" (bundled, needs no network) or "cifar10" (the full set).

    device: where the images will live. None picks CUDA if available, else the CPU; name any other device ("mps").
    size:   32 as published; 16 or 8 by averaging each 2 x 2 or 4 x 4 square of pixels.
    root:   a folder to look in before the usual places (the course's `data/`, then `files.cache_folder()`).

    The pixels are checked against SHA-256 sums on every load. Raises TypeError or ValueError for an invalid argument,
    ConnectionError if "cifar10" is not on this machine and cannot be downloaded, OSError if the bundled sample is
    missing or damaged.
    """
    checks.choice("name", name, READERS)
    checks.choice("size", checks.whole("size", size), SIZES)
    target = pick_device(device)  # before reading, so that a typo costs no download

    arrays = READERS[name](root)
    train, test = (
        Images(shrink(channels_first(arrays[f"x_{part}"]), size), torch.from_numpy(arrays[f"y_{part}"]).long())
        for part in ("train", "test")
    )
    return train.to(target), test.to(target)
