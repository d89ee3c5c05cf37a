"""Checkpoints: a training run as an atomically written file, from which it resumes bit for bit.

    >>> training.fit(net, train, epochs=30, checkpoint="run/checkpoint.pt")            # written after every epoch
    >>> training.fit(net, train, epochs=30, checkpoint="run/checkpoint.pt", resume=True)   # continues where it stopped

`write` makes a new file next to the old one, waits until it is on disk, and then renames it: a run killed at any
moment leaves the last complete checkpoint. `read` loads tensors and plain values only, never code.
"""

import io
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from resnet_edu import files

FORMAT = "resnet_edu checkpoint 1"


def write(path: str | os.PathLike[str], state: dict[str, Any]) -> None:
    """Write tensors and plain values to `path`, completely or not at all; create the folder if it is missing."""
    path = Path(path)
    buffer = io.BytesIO()  # when writing to a file, torch.save reports a full disk as "unexpected pos 90624 vs 90520"
    torch.save({"format": FORMAT, **state}, buffer)
    files.write_atomically(path, buffer.getbuffer())
    _sync_folder(path.parent)
    for draft in path.parent.glob(f".{path.name}.*"):  # partial files of killed runs
        draft.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Load what `write` wrote, onto the CPU. Raises FileNotFoundError, or ValueError for a damaged or foreign file."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint {path}.")
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not check the checksums that torch.save wrote
            if (bad := archive.testzip()) is not None:
                raise ValueError(f"{bad} is damaged")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged zip or pickle can raise nearly anything
        reason = str(error).partition("\n")[0][:120]
        raise ValueError(
            f"{path} is not a complete checkpoint ({reason}): delete it, or resume from another."
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} is not a checkpoint of this package: resume from one that `fit` wrote.")
    return state


def _sync_folder(folder: Path) -> None:
    """Flush the rename to disk, too; not every system can open a folder for that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
