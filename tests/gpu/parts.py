"""The full CIFAR-10 in parts that are small enough to travel: see the README beside this file."""

import hashlib
import io
import lzma
import sys
from pathlib import Path

import numpy as np

from resnet_edu import files
from resnet_edu.data import cifar10

PART = 60 * 2**20


def split(folder: Path) -> list[Path]:
    """Write the parts; returns their paths. Differences between neighboring pixels compress better than pixels."""
    arrays = cifar10.read_cifar10()
    packed = {
        name: np.diff(array, axis=2, prepend=np.uint8(0)) if array.ndim == 4 else array
        for name, array in arrays.items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, **packed)
    data = lzma.compress(buffer.getvalue(), preset=1)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"cifar10.part{k}" for k in range(-(-len(data) // PART))]
    for k, path in enumerate(paths):
        path.write_bytes(data[k * PART : (k + 1) * PART])
    return paths


def join(folder: Path, target: Path | None = None) -> Path:
    """Put the parts together into `target` (default: the course's data folder), every array verified."""
    data = b"".join(path.read_bytes() for path in sorted(folder.glob("cifar10.part*")))
    with np.load(io.BytesIO(lzma.decompress(data))) as packed:
        arrays = {
            name: np.cumsum(packed[name], axis=2, dtype=np.uint8) if packed[name].ndim == 4 else packed[name]
            for name in packed.files
        }
    for name, digest in cifar10.SHA256.items():
        if hashlib.sha256(np.ascontiguousarray(arrays[name]).tobytes()).hexdigest() != digest:
            raise ValueError(f"{name} is damaged")
    path = (target or files.course_folder()) / "cifar10.npz"
    with files.whole(path) as file:
        np.savez(file, **arrays)
    return path


if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[2])
    print(*(split(folder) if what == "split" else [join(folder)]), sep="\n")
