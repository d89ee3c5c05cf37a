"""The bundled sample: 6,000 images of CIFAR-10 as PNG sheets that you can look at.

    arrays = read_sample()                              # verified, in CIFAR-10's order
    build_sample(out="data/cifar10_sample")             # rebuilt from the full set, pixel for pixel

It holds the first 500 training and the first 100 test images of each class, one sheet per class and part.
`manifest.json` records which images these are, their SHA-256, their origin and their terms. It is byte-for-byte the
same wherever it is built. The PNG files may differ, since each release of Pillow may compress a little differently:
what counts is the pixels. `SHA256SUMS` covers the files as shipped.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnet_edu import files

from .cifar10 import Arrays, check_root, digest, read_cifar10
from .images import CLASSES

FOLDER = "cifar10_sample"
PER_CLASS = {"train": 500, "test": 100}
COLUMNS = 25  # tiles side by side in a sheet


def tile(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[N, H, W, 3] -> one picture [N / COLUMNS * H, COLUMNS * W, 3], in reading order."""
    n, height, width, colors = images.shape
    grid = images.reshape(n // COLUMNS, COLUMNS, height, width, colors)
    return grid.transpose(0, 2, 1, 3, 4).reshape(n // COLUMNS * height, COLUMNS * width, colors)


def untile(sheet: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The inverse of `tile`, for images of 32 x 32."""
    grid = sheet.reshape(-1, 32, COLUMNS, 32, 3)
    return np.ascontiguousarray(grid.transpose(0, 2, 1, 3, 4)).reshape(-1, 32, 32, 3)


def read_sample(root: str | Path | None = None) -> Arrays:
    """The sample from root/cifar10_sample if that exists, else the bundled one. Raises OSError if it is damaged."""
    from PIL import Image

    folder = check_root(root)
    if folder is None or not (folder / FOLDER).is_dir():
        folder = files.course_folder()
    folder = folder / FOLDER
    path = folder / "manifest.json"
    try:
        found: dict[str, list[tuple[NDArray[Any], ...]]] = {"train": [], "test": []}
        for sheet in json.loads(path.read_text(encoding="utf-8"))["sheets"]:
            path = folder / sheet["file"]
            with Image.open(path) as picture:
                images = untile(np.asarray(picture.convert("RGB")))
            if digest(images) != sheet["sha256"]:
                raise ValueError("its pixels do not match manifest.json")
            labels = np.full(len(images), sheet["label"], dtype=np.uint8)
            found[sheet["part"]].append((np.array(sheet["official_index"]), images, labels))
        arrays: Arrays = {}
        for part, sheets in found.items():
            index, images, labels = map(np.concatenate, zip(*sheets, strict=True))
            order = index.argsort()
            arrays[f"x_{part}"], arrays[f"y_{part}"] = images[order], labels[order]
    except Exception as error:  # a damaged PNG can raise nearly anything
        raise OSError(
            f"the bundled images cannot be read: {path}: {error}. "
            "In a clone, `git checkout -- data` restores them; otherwise reinstall the package."
        ) from error
    return arrays


def build_sample(root: str | Path | None = None, out: str | Path | None = None) -> Path:
    """Rebuild the sample from the full CIFAR-10 (see `read_cifar10` for root) and return its folder.

    out: where to write. None overwrites the bundled sample, so that in a clone `git status` shows any difference.
    """
    return write_sample(read_cifar10(root), files.course_folder() / FOLDER if out is None else Path(out))


def write_sample(arrays: Arrays, out: Path) -> Path:
    """Write sheets, manifest and checksums into the folder `out`; origin and terms come from the bundled manifest."""
    from PIL import Image

    out.mkdir(parents=True, exist_ok=True)
    sheets, parts = [], {}
    for part, count in PER_CLASS.items():
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        chosen = []
        for label, name in enumerate(CLASSES):
            index = np.flatnonzero(labels == label)[:count]
            if len(index) < count:
                raise ValueError(f"the sample needs {count} {part} images of class {name}, but there are {len(index)}")
            file = f"{part}_{label}_{name}.png"
            Image.fromarray(tile(images[index])).save(out / file, optimize=True)
            sheets.append(
                {"file": file, "part": part, "label": label, "sha256": digest(images[index]),
                 "official_index": index.tolist()}
            )  # fmt: skip
            chosen.append(index)
        every = np.sort(np.concatenate(chosen))
        parts[part] = {"images": len(every), "sha256": digest(images[every])}

    shipped = json.loads((files.course_folder() / FOLDER / "manifest.json").read_text(encoding="utf-8"))
    text = json.dumps({**shipped, "parts": parts, "sheets": sheets}, indent=1)
    text = re.sub(r"\n\s*(\d)", r" \1", text)  # the indices on one line, not one line each
    (out / "manifest.json").write_bytes(text.encode() + b"\n")

    files.write_checksums(out, ["manifest.json", *(str(sheet["file"]) for sheet in sheets)])
    return out
