"""What a reader has solved so far: one small JSON file, {"solved": ["output_size", ...]}, in the user's own folder.

A file that is missing or damaged counts as nothing solved; one that cannot be written changes nothing in the lesson.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path


def place() -> Path:
    """progress.json in $RESNET_EDU_CACHE if that is set, else in the user's data folder, which no cleaner empties."""
    if chosen := os.environ.get("RESNET_EDU_CACHE"):
        return Path(chosen).expanduser() / "progress.json"
    import platformdirs

    return Path(platformdirs.user_data_dir("resnet_edu")) / "progress.json"


def solved() -> set[str]:
    """The names of the exercises that have been solved."""
    try:
        names = json.loads(place().read_text(encoding="utf-8"))["solved"]
        return {name for name in names if isinstance(name, str)}
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):  # not there, no home folder, or damaged
        return set()


def keep(name: str) -> str:
    """Note that an exercise is solved; returns "", or why that could not be written down."""
    names = solved() | {name}
    try:
        path = place()
        if names == solved() and path.exists():
            return ""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # whole or not at all
            draft = Path(folder) / path.name
            draft.write_text(json.dumps({"solved": sorted(names)}, indent=1) + "\n", encoding="utf-8")
            os.replace(draft, path)
    except (OSError, RuntimeError) as error:
        return str(error)
    return ""
