"""Atomic writes, write-access checks before long runs, and the course's and the user's folders.

>>> files.check_folder("runs/1")                      # created if needed; OSError if it is not writable
>>> with files.whole("runs/1/figure.png") as file:
...     figure.savefig(file)                          # a reader sees the old figure or the new one, never half of it
"""

import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PACKAGE = Path(__file__).resolve().parent


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary file that is renamed to `path` once it is completely on disk; create its folder if missing.

    Raises OSError naming `path`.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")  # unique per process and thread
    with told_of(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        finally:
            with suppress(OSError):  # on a read-only disk, removing even a missing file fails
                draft.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike[str], content: str | bytes | memoryview) -> None:
    """Write the file in one step: concurrent readers see either the complete old content or the complete new one."""
    with whole(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def digest(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def write_checksums(folder: Path, names: Iterable[str]) -> None:
    """Write `SHA256SUMS` next to these files, in the form that `sha256sum -c` reads."""
    write_atomically(folder / "SHA256SUMS", "".join(f"{digest(folder / name)}  {name}\n" for name in names))


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Create the folder if it is missing, and test writing there. Raises OSError naming it."""
    with told_of(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(64 * 1024))  # on a full disk an empty file can still be created


@contextmanager
def told_of(path: str | os.PathLike[str]) -> Iterator[None]:
    """Context manager that makes any OSError inside it name `path`."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def course_folder() -> Path:
    """The course's own `data/`: in an installed wheel `resnet_edu/_data`, in a clone the top-level folder."""
    inside = PACKAGE / "_data"
    return inside if inside.is_dir() else PACKAGE.parent / "data"


def cache_folder() -> Path:
    """Where downloads are kept: $RESNET_EDU_CACHE if set, else the user's cache folder. It may not exist yet."""
    return own_folder("cache")


def own_folder(kind: str) -> Path:
    """$RESNET_EDU_CACHE if set, else the user's "cache" or "data" folder; without a home, a temporary folder."""
    import platformdirs

    try:
        if chosen := os.environ.get("RESNET_EDU_CACHE"):
            return Path(chosen).expanduser()
        folder = Path(getattr(platformdirs, f"user_{kind}_dir")("resnet_edu"))
    except RuntimeError:  # in a container, the user may have neither a name nor a home folder
        folder = Path("~")
    if folder.is_absolute():  # an older platformdirs does not expand "~"
        return folder
    return Path(tempfile.gettempdir()) / f"resnet_edu-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
