"""What a reader has solved so far: one small JSON file, {"solved": ["output_size", ...]}, in the user's own folder.

A missing or damaged file means that nothing is solved; a file that cannot be written does not affect the lesson.
"""

import json
from pathlib import Path

from filelock import FileLock

from resnet_edu.files import own_folder, write_atomically

PATIENCE = 5.0  # seconds for another kernel to write its own


def place() -> Path:
    """progress.json in $RESNET_EDU_CACHE if that is set, else in the user's data folder, which no cleanup deletes."""
    return own_folder("data") / "progress.json"


def solved() -> set[str]:
    """The names of the exercises that have been solved."""
    try:
        names = json.loads(place().read_text(encoding="utf-8"))["solved"]
        return {name for name in names if isinstance(name, str)}
    except (OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        return set()


def add(name: str) -> str:
    """Record that an exercise is solved; returns "", or why it could not be saved."""
    path = place()
    if name in solved():
        return ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=PATIENCE):  # another kernel may be writing, too
            write_atomically(path, json.dumps({"solved": sorted(solved() | {name})}, indent=1) + "\n")
    except (OSError, NotImplementedError) as error:  # the latter: a file system without locks
        return str(error)
    return ""
