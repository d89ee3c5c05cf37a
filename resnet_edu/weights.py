"""Trained weights as files: safetensors, large tensors in half precision, with the facts of their making inside.

    >>> from resnet_edu import models, weights
    >>> net = models.CifarNet(56, residual=True)
    >>> facts = weights.load(net, "lesson07_resnet-56")      # trained in lesson 07; ships with the course
    >>> facts["epochs"], facts["torch"]

`keep` is what a lesson calls at its end. A reader's own run writes to the cache folder, never into the clone; only
`python -m resnet_edu authoring render` writes to the course's own `data/weights/`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from resnet_edu.data import cache_folder, course_folder


def save(net: nn.Module, path: str | os.PathLike[str], /, **facts: object) -> Path:
    """Write the net's state dict to `path`, `facts` as text; whole or not at all.

    Weights of two or more dimensions are stored as float16. The rest is small and stays as it is: a running variance
    of a deep plain net can be above 65504, the largest float16.
    """
    path = Path(path)
    tensors = {name: _small(t).detach().cpu().contiguous() for name, t in net.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        save_file(tensors, draft, {"torch": torch.__version__, **{key: str(value) for key, value in facts.items()}})
        os.replace(draft, path)
    return path


def load(net: nn.Module, name: str | os.PathLike[str]) -> dict[str, str]:
    """Fill `net` with stored weights and return the facts stored beside them.

    name: a file, or the name of one in the course's `data/weights/` or in the cache folder.
    Raises FileNotFoundError, or ValueError when the file is damaged or belongs to another net.
    """
    path = _find(name)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
            facts = dict(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(
            f"{path} is no whole safetensors file ({error}): remove it, and fetch or train it again."
        ) from None
    expected = net.state_dict()
    odd = [key for key in expected.keys() ^ tensors.keys()]
    odd += [key for key in expected.keys() & tensors.keys() if expected[key].shape != tensors[key].shape]
    if odd:
        made = f" It was made by {facts['net']}." if "net" in facts else ""
        raise ValueError(f"{path.name} does not fit this {type(net).__name__}: {sorted(odd)[0]} differs.{made}")
    net.load_state_dict(tensors)  # copies into the net's own type and device
    return facts


def keep(net: nn.Module, name: str, /, **facts: object) -> Path | None:
    """Store a lesson's trained net under `name`; where the folder cannot be written, say so and go on."""
    folder = os.environ.get("RESNET_EDU_WEIGHTS") or cache_folder() / "weights"
    try:
        path = save(net, Path(folder) / f"{name}.safetensors", **facts)
    except OSError as error:
        print(f"{name} could not be kept ({error}). Set RESNET_EDU_CACHE to a folder that can be written.")
        return None
    print(f"kept {path.name}")
    return path


def _small(tensor: torch.Tensor) -> torch.Tensor:
    half = tensor.half() if tensor.is_floating_point() and tensor.ndim >= 2 else tensor
    return half if bool(torch.isfinite(half).all()) else tensor


def _find(name: str | os.PathLike[str]) -> Path:
    if Path(name).is_file():
        return Path(name)
    folders = (course_folder() / "weights", cache_folder() / "weights")
    for folder in folders:
        if (folder / f"{name}.safetensors").is_file():
            return folder / f"{name}.safetensors"
    there = sorted({file.stem for folder in folders for file in folder.glob("*.safetensors")})
    raise FileNotFoundError(f"There are no weights {str(name)!r}; there are: {', '.join(there) or 'none yet'}.")
