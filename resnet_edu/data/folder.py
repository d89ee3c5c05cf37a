"""Your own pictures: a folder that contains one folder per class.

flowers/daisy/1.jpg
flowers/daisy/2.jpg
flowers/rose/a.png
...

train, val = data.from_folder("flowers", size=32, split=0.1)      # train.classes == ("daisy", "rose")
"""

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from resnet_edu import checks

from .images import Images, channels_first, pick_device


def from_folder(
    path: str | Path, *, size: int = 32, split: float = 0.1, seed: int = 0, device: str | torch.device | None = None
) -> tuple[Images, Images]:
    """Load `path/class_name/*` as a training and a held-out set, divided like `Images.split(split, seed)`.

    Any file that Pillow can read will do, of any size and mode: its central square is scaled to [3, size, size].
    Classes and files are in alphabetical order; hidden ones (leading dot) are skipped. device: as in `load`.
    Raises ValueError for a file that is not an image, a class without images, or fewer than two classes.
    """
    folder, size, target = checks.path("path", path), checks.whole("size", size, at_least=1), pick_device(device)
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
    if len(classes) < 2:
        raise ValueError(
            f"{folder} must contain a folder of pictures for each of at least two classes; found {classes}."
        )
    pixels, labels = [], []
    for label, name in enumerate(classes):
        inside = (file for file in (folder / name).rglob("*") if file.is_file())
        files = sorted(file for file in inside if not any(part[0] == "." for part in file.relative_to(folder).parts))
        if not files:
            raise ValueError(f"{folder / name} contains no pictures: add some, or remove the folder.")
        pixels += [read_picture(file, size) for file in files]
        labels += [label] * len(files)
    images = Images(channels_first(np.stack(pixels)), torch.tensor(labels, device="cpu"), tuple(classes))
    rest, held_out = images.split(split, seed)
    return rest.to(target), held_out.to(target)


def read_picture(file: Path | BytesIO, size: int) -> NDArray[np.uint8]:
    """[size, size, 3]: the central square of the picture, upright and scaled. Raises ValueError if unreadable."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as picture:
            upright = ImageOps.exif_transpose(picture)  # phones store the orientation as metadata
            if upright.mode.startswith("I"):  # 16-bit, which `convert` would clip at 255
                upright = Image.fromarray((np.asarray(upright) // 256).clip(0, 255).astype(np.uint8))
            return np.asarray(ImageOps.fit(upright.convert("RGB"), (size, size)))
    except Exception as error:  # a damaged file can raise nearly anything
        name = file if isinstance(file, Path) else "The file"
        raise ValueError(f"{name} cannot be read as a picture ({error}): remove it.") from error
