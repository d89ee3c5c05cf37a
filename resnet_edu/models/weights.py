"""Trained weights as safetensors files: large tensors in half precision, with metadata on how they were made.

    >>> from resnet_edu import models
    >>> from resnet_edu.models import weights
    >>> net = models.CifarNet(56, residual=True)
    >>> facts = weights.load(net, "resnet56_cifar10")  # trained on the full CIFAR-10; ships with the course
    >>> facts["epochs"], facts["torch"]

Only `python -m resnet_edu authoring keep` writes to the course's own `data/weights/`.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from resnet_edu import checks, files
from resnet_edu.data.download import fetch
from resnet_edu.models.wrappers import bare, clean_name

#: torchvision's weights IMAGENET1K_V1. A name ends in the first eight digits of the file's SHA-256.
OFFICIAL = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "resnet152": "resnet152-394f9c45.pth",
}
SOURCE = "https://download.pytorch.org/models/"
PATIENCE, SLOWEST = 10.0, 500_000.0  # seconds, bytes per second: below this, a lesson continues without the download


def save(net: nn.Module, path: str | os.PathLike[str], /, **facts: object) -> Path:
    """Write the network's state dict and `facts` (as text) to `path`, completely or not at all.

    Weights of two or more dimensions are stored as float16. The rest is small and stays unchanged: a running variance
    of a deep plain network can exceed 65504, the largest float16.
    """
    path = Path(path)
    stored = bare("save", net).state_dict()
    # Copies: a layer may have two names in the network, and safetensors rejects shared memory.
    tensors = {
        name: _small(t).detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in stored.items()
    }
    told = {"torch": torch.__version__, **{key: str(value) for key, value in facts.items()}}
    files.write_atomically(path, with_sorted_facts(to_bytes(tensors, told)))
    return path


def with_sorted_facts(data: bytes) -> bytes:
    """Sort a safetensors file's metadata, so that every run writes the same bytes: the library's order varies."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors start at a multiple of 8
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def load(net: nn.Module, name: str | os.PathLike[str]) -> dict[str, str]:
    """Fill `net` with stored weights and return the facts stored with them.

    name: a file written by `save` or `torch.save` (.pt, .pth, .th), or the name of one in the course's
        `data/weights/` or in the cache folder.
    Raises FileNotFoundError, or ValueError when the file is damaged or belongs to another network.
    """
    path = _find(name)
    state, facts = _read(path)
    net = bare("load", net)
    try:
        fill(net, state)  # copies to the network's own dtype and device
    except ValueError as error:
        made = f" It was made by {facts['net']}." if "net" in facts else ""
        raise ValueError(f"{path} does not fit this {type(net).__name__}: {error}.{made}") from None
    return facts


def fill(net: nn.Module, state: dict[str, Any] | str | os.PathLike[str]) -> None:
    """`net.load_state_dict(state)`, all or nothing: ValueError says what differs, and leaves the network unchanged.

    state: tensors by name, or a dict that holds them as "state_dict", or a file with either. The "module." and
        "_orig_mod." prefixes that a wrapper adds to names are removed.
    """
    if isinstance(state, str | os.PathLike):
        state, _ = _read(checks.path("state", state))
    if not isinstance(state, dict):
        raise ValueError(f"it holds a {type(state).__name__}, not a dict of weights by name")
    if isinstance(inside := state.get("state_dict"), dict):
        state = inside
    here = net.state_dict()
    tensors = {name if name in here else clean_name(str(name)): tensor for name, tensor in state.items()}
    for name in sorted(here.keys() | tensors.keys()):
        if name not in tensors and name.endswith("num_batches_tracked"):
            continue  # older files, including torchvision's, lack it: PyTorch adds it
        if name not in tensors or name not in here:
            raise ValueError(f"{name} is only in the {'network' if name in here else 'file'}")
        ours, theirs = here[name], tensors[name]
        if isinstance(ours, Tensor) != isinstance(theirs, Tensor):
            raise ValueError(f"{name} is a tensor only in the {'network' if isinstance(ours, Tensor) else 'file'}")
        if isinstance(ours, Tensor) and not is_lazy(ours) and ours.shape != theirs.shape:
            raise ValueError(f"{name} is {list(ours.shape)} in the network and {list(theirs.shape)} in the file")
    net.load_state_dict(tensors)


def pretrained(net: nn.Module, name: str, *, download: bool = True) -> bool:
    """Fill `net` with torchvision's ImageNet weights of `name` ("resnet18" ... "resnet152").

    Returns True if they were loaded; otherwise prints why not and returns False. Looks for the official file in the
    course's `data/weights/`, in the cache folder and in torch.hub's cache; else downloads it (45 to 230 MB) into the
    cache folder, unless `download` is False. Without a network, it gives up within seconds.
    Raises ValueError if a file is damaged or belongs to another network.
    """
    file, kept = OFFICIAL[checks.choice("name", name, OFFICIAL)], files.cache_folder() / "weights"
    folders = (files.course_folder() / "weights", kept, Path(torch.hub.get_dir()) / "checkpoints")
    path = next((folder / file for folder in folders if (folder / file).is_file()), None)
    if path is None:
        try:
            path = _downloaded(file, kept) if download else None
        except (OSError, ValueError) as error:
            print(f"{SOURCE}{file} could not be downloaded: {error}")
        if path is None:
            print(f"{name}: no trained weights found, so the network keeps its random ones.")
            print(f"To use them, put {file} into data/weights/.")
            return False
    load(net, path)
    print(f"{name}: torchvision's weights, trained on ImageNet, from {path.name}")
    return True


def _downloaded(file: str, folder: Path) -> Path:
    """Download the official file into `folder` and verify it. Raises OSError or ValueError."""
    body = fetch(f"{SOURCE}{file}", patience=PATIENCE, slowest=SLOWEST)
    expected = Path(file).stem.rpartition("-")[2]
    if not hashlib.sha256(body).hexdigest().startswith(expected):
        raise ValueError(f"its SHA-256 does not start with {expected}")
    files.write_atomically(folder / file, body)
    return folder / file


def _read(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The file's contents by name, and the facts stored with the tensors, as text. Raises ValueError."""
    try:
        if path.suffix in (".pt", ".pth", ".th"):
            state = torch.load(path, map_location="cpu", weights_only=True)
            return state, {key: str(value) for key, value in state.items() if isinstance(value, str | int | float)}
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(
            f"{path} is not a complete weights file ({error!s:.80}): delete it, and download or train it again."
        ) from None


def _small(tensor: Tensor) -> Tensor:
    half = tensor.half() if tensor.is_floating_point() and tensor.ndim >= 2 else tensor
    return half if bool(torch.isfinite(half).all()) else tensor


def _find(name: str | os.PathLike[str]) -> Path:
    if (path := checks.path("name", name)).is_file():
        return path
    folders = (files.cache_folder(), files.course_folder())  # where both have the name, the course's counts
    stored = {file.stem: file for folder in folders for file in (folder / "weights").glob("*.safetensors")}
    if str(name) not in stored:
        there = ", ".join(sorted(stored)) or "none yet"
        raise FileNotFoundError(f"There are no weights {str(name)!r}; available: {there}.")
    return stored[str(name)]
