"""`python -m resnet_edu doctor`: what this machine has, what it lacks, and what to do about it.

    ✓ PyTorch      2.15.0 with torchvision 0.29.2
    – CIFAR-10     not here. The sample is enough for every lesson; ...

One small function per line. It returns what it found, or raises Lack: for something that lessons need (✗) or something
optional (–). Any other error in a check becomes a line too, so the doctor always finishes.
"""

import os
import platform
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path

from resnet_edu import files

MARKS = {"fine": "✓", "optional": "–", "missing": "✗"}
FREE = 2e9  # bytes: the full CIFAR-10, its cache, and some runs
INSTALL = "`pip install -r requirements.txt` in the course's folder, in a fresh environment."


class Lack(Exception):
    """A problem, and what to do about it."""

    def __init__(self, what: str, remedy: str, *, needed: bool = True) -> None:
        super().__init__(f"{what} {remedy}")
        self.needed = needed


@dataclass(frozen=True)
class Finding:
    name: str
    state: str  # "fine", "optional" or "missing"
    text: str

    def __str__(self) -> str:
        return f"{MARKS[self.state]} {self.name:<12} {self.text}"


def examine() -> list[Finding]:
    """Run every check, in order."""
    return [_finding(name, check) for name, check in CHECKS.items()]


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Finding(name, "fine", check())
    except Lack as lack:
        return Finding(name, "missing" if lack.needed else "optional", str(lack))
    except Exception as error:  # a broken install can raise anything
        if isinstance(error, ImportError) and error.name == "torch" and name != "PyTorch":
            return Finding(name, "missing", "needs PyTorch: see above.")
        told = " ".join(str(error).split())[:200]
        return Finding(name, "missing", f"{type(error).__name__}: {told}. Install again: {INSTALL}")


def python() -> str:
    return f"{platform.python_version()} in {sys.prefix}"


def pytorch() -> str:
    import torch

    try:
        from torchvision import ops

        ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)
        installed = version("torchvision")
    except Exception as error:  # mismatched versions fail on import, in several ways
        raise Lack(
            f"torch {torch.__version__} works, but torchvision does not ({' '.join(str(error).split())[:80]}).",
            "Their versions must match: `pip install --upgrade --force-reinstall torch torchvision`.",
        ) from None
    return f"{torch.__version__} with torchvision {installed}"


def device() -> str:
    import torch

    from resnet_edu.data import images
    from resnet_edu.training import precision_name

    chosen = images.pick_device(None)
    kind = precision_name("auto", chosen)
    if chosen.type == "cuda":
        memory = torch.cuda.get_device_properties(chosen).total_memory / 2**30
        return f"{torch.cuda.get_device_name(chosen)}, {memory:.0f} GiB; fastest precision: {kind}"
    return f"no GPU that PyTorch can use; CPU with {torch.get_num_threads()} threads, fastest precision: {kind}"


def notebooks() -> str:
    found = {}
    for name in ("jupyterlab", "ipywidgets", "ipykernel", "matplotlib"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            raise Lack(f"{name} is not installed.", f"Install it: {INSTALL}") from None
    if int(found["ipywidgets"].split(".")[0]) < 8 and int(found["jupyterlab"].split(".")[0]) >= 4:
        raise Lack(
            f"ipywidgets {found['ipywidgets']} has no front end for JupyterLab {found['jupyterlab']}.",
            "`pip install 'ipywidgets>=8.1'`, and restart JupyterLab.",
        )
    return ", ".join(f"{name} {number}" for name, number in found.items())


def sample() -> str:
    from resnet_edu import data

    train, test = data.load("sample", device="cpu")
    return f"{len(train):,} training and {len(test):,} test images, all pixels verified"


def full_set() -> str:
    from resnet_edu.data.cifar10 import ARCHIVE

    for file in product((files.course_folder(), files.cache_folder()), ("cifar10.npz", ARCHIVE)):
        if Path(*file).is_file():
            return str(Path(*file))
    raise Lack(
        "not here. The sample is enough for every lesson;",
        "`python -m resnet_edu data cifar10` downloads the full set (170 MB).",
        needed=False,
    )


def weights() -> str:
    folder = files.course_folder() / "weights"
    sums = folder / "SHA256SUMS"
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.is_file() else [f"- {sums.name}"]
    for line in lines:
        digest, _, name = line.partition(" ")
        file = folder / name.strip()
        if not file.is_file() or files.digest(file) != digest:
            state = "damaged" if file.is_file() else "missing"
            raise Lack(f"{file.name} is {state}.", "`git checkout data/weights` restores it in a clone.")
    return f"{len(lines)} trained networks, checksums correct"


def disk() -> str:
    place = _cache()
    free = shutil.disk_usage(place).free
    if free < FREE:
        raise Lack(
            f"only {free / 1e9:.1f} GB free in {place}; long runs and the full set need {FREE / 1e9:.0f}.",
            "Free some space, or set RESNET_EDU_CACHE to a folder on another disk.",
            needed=False,
        )
    return f"{free / 1e9:.0f} GB free in {place}"


def write_access() -> str:
    here = "You cannot save changed notebooks here: copy the course to a folder that you can write to."
    cache = "Set RESNET_EDU_CACHE to a folder that you can write to: networks that you train are stored there."
    places = (files.cache_folder(), _cache(), cache), (Path.cwd(), Path.cwd(), here)
    for folder, nearest, remedy in places:
        try:
            with tempfile.TemporaryFile(dir=nearest):
                pass
        except OSError as error:
            raise Lack(f"{folder} is not writable ({error.strerror}).", remedy, needed=False) from None
    return f"yes, in {files.cache_folder()} and here"


def budget() -> str:
    from resnet_edu.lesson import budget_name, seed

    try:
        budget_name()
        seed()
    except ValueError as error:
        raise Lack(str(error), "No lesson runs until you fix it.") from None
    chosen, moved = (os.environ.get(name) for name in ("RESNET_EDU_BUDGET", "RESNET_EDU_SEED"))
    told = f"RESNET_EDU_BUDGET={chosen}" if chosen else "not set: gpu if there is a GPU, else laptop"
    return f"{told}; RESNET_EDU_SEED={moved}" if moved else told


def _cache() -> Path:
    """The cache folder, or its nearest existing parent."""
    folder = files.cache_folder().absolute()
    return next(place for place in (folder, *folder.parents) if place.is_dir())


CHECKS: dict[str, Callable[[], str]] = {
    "Python": python,
    "PyTorch": pytorch,
    "device": device,
    "notebooks": notebooks,
    "sample": sample,
    "CIFAR-10": full_set,
    "weights": weights,
    "disk": disk,
    "write access": write_access,
    "budget": budget,
}
