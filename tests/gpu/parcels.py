"""The full CIFAR-10 in three files of about 30 MiB, for a machine without network: `pack`, carry them there, `join`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

ACROSS = 100  # images side by side on a sheet


def pack(source: Path, folder: Path, parts: int = 3) -> None:
    """Write the images of `source` (cifar10.npz) as lossless WebP sheets, and the labels beside them."""
    arrays = np.load(source)
    images = np.concatenate([arrays["x_train"], arrays["x_test"]])
    labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
    folder.mkdir(parents=True, exist_ok=True)
    for k, some in enumerate(np.array_split(images, parts)):
        rows = some.reshape(-1, ACROSS, *some.shape[1:]).transpose(0, 2, 1, 3, 4)
        height, width = rows.shape[0] * rows.shape[1], rows.shape[2] * rows.shape[3]
        for n, sheet in enumerate(np.array_split(rows.reshape(height, width, 3), 2)):
            Image.fromarray(sheet).save(folder / f"cifar10_{k}_{n}.webp", lossless=True, quality=100, method=4)
    np.savez_compressed(folder / "cifar10_labels.npz", labels=labels, train=len(arrays["y_train"]))


def join(folder: Path, target: Path) -> None:
    """Write `target` (cifar10.npz) from the sheets in `folder`; loading it verifies every pixel."""
    sheets = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("cifar10_?_?.webp"))]
    whole = np.concatenate(sheets)
    images = whole.reshape(-1, 32, ACROSS, 32, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 32, 32, 3)
    with np.load(folder / "cifar10_labels.npz") as file:
        labels, train = file["labels"], int(file["train"])
    parts = {"x_train": images[:train], "y_train": labels[:train], "x_test": images[train:], "y_test": labels[train:]}
    np.savez(target, **parts)


if __name__ == "__main__":
    {"pack": pack, "join": join}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
