"""`authoring keep`: store a finished run with the course: its record and its weights.

    python -m resnet_edu train --data cifar10 --out runs/resnet20
    python -m resnet_edu authoring keep runs/resnet20 resnet20_cifar10

writes `data/runs/NAME.json`, which `recipes.recorded` reads, and `data/weights/NAME.safetensors`; if it recorded
its gradient norms (`train --norms N`), also `data/runs/NAME.npz`.
"""

import json
import re
import shutil
from pathlib import Path

from resnet_edu import files
from resnet_edu.authoring.lessons import Refusal
from resnet_edu.training import recipes


def keep_run(folder: Path, name: str) -> list[Path]:
    """Return the written files. Raises Refusal for a folder without a finished run, or for a bad name."""
    if not re.fullmatch(r"(?!(lessons|claims)$)[a-z0-9_]+", name):  # data/runs/ has files of these two names
        raise Refusal(f"{name!r} cannot be the name of a run: use a-z, 0-9 and _, but not lessons or claims.")
    try:
        result = recipes.result_of(folder)
    except (OSError, ValueError) as error:
        raise Refusal(str(error)) from None
    if result is None:
        raise Refusal(f"{folder} has no finished run: it contains no run.json.")
    runs, weights = (files.course_folder() / part for part in ("runs", "weights"))
    shutil.copyfile(folder / "weights.safetensors", weights / f"{name}.safetensors")
    files.write_checksums(weights, sorted(file.name for file in weights.glob("*.safetensors")))
    files.write_atomically(runs / f"{name}.json", json.dumps(result, indent=1) + "\n")
    written = [runs / f"{name}.json", weights / f"{name}.safetensors"]
    if (folder / "norms.npz").exists():
        shutil.copyfile(folder / "norms.npz", runs / f"{name}.npz")
        written.append(runs / f"{name}.npz")
    return written
