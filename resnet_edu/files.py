"""Files that are whole or not there, folders that are tried before hours of work rely on them, and where they lie.

>>> files.check_folder("runs/1")                      # made if need be; OSError where nothing can be written
>>> with files.whole("runs/1/figure.png") as file:
...     figure.savefig(file)                          # a reader sees the old picture or the new one, never half
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PACKAGE = Path(__file__).resolve().parent
PROBE = 64 * 1024  # bytes: on a full disk an empty file can still be made


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file that takes the name `path` once all is written and on the disk. Raises OSError, with that name."""
    path = Path(path)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")  # its own for each process and thread
    with told_of(path):
        try:
            with draft.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        finally:
            with suppress(OSError):  # a read-only disk refuses to remove what is not there
                draft.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike[str], text: str) -> None:
    """Write the file in one step: whoever reads it meanwhile sees all of the old text or all of the new."""
    with whole(path) as file:
        file.write(text.encode())


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Make the folder where it is missing, and try to write there. Raises OSError that names it."""
    with told_of(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE))


@contextmanager
def told_of(path: str | os.PathLike[str]) -> Iterator[None]:
    """An OSError in here names `path`, whatever file it was about."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def course_folder() -> Path:
    """The course's own `data/`: inside an installed wheel `resnet_edu/_data`, in a clone the folder at the top."""
    inside = PACKAGE / "_data"
    return inside if inside.is_dir() else PACKAGE.parent / "data"


def cache_folder() -> Path:
    """Where downloads are kept: $RESNET_EDU_CACHE if set, else the user's cache folder. It may not exist yet."""
    return own_folder("cache")


def own_folder(kind: str) -> Path:
    """$RESNET_EDU_CACHE if set, else the user's "cache" or "data" folder; without a home, one among temporary files."""
    import platformdirs

    try:
        if chosen := os.environ.get("RESNET_EDU_CACHE"):
            return Path(chosen).expanduser()
        folder = Path(getattr(platformdirs, f"user_{kind}_dir")("resnet_edu"))
    except RuntimeError:  # in a container the user may have no name and no home
        folder = Path("~")
    if folder.is_absolute():  # an older platformdirs leaves "~" as it is
        return folder
    return Path(tempfile.gettempdir()) / f"resnet_edu-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
