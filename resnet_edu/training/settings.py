"""The settings of a run, checked; a checkpoint holds them, and a run goes on with the same ones only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from resnet_edu import checks
from resnet_edu.data import Images


@dataclass
class Settings:
    """All numbers become plain ones, since a checkpoint holds no others: numpy's are taken, as from np.logspace."""

    images: int
    classes: list[str]
    epochs: int
    batch_size: int
    lr: float
    schedule: str
    optimizer: str
    momentum: float
    weight_decay: float
    augment: bool
    precision: str
    seed: int
    max_steps: int | None
    compile: bool

    def __post_init__(self) -> None:
        self.epochs = checks.whole("epochs", self.epochs, at_least=1)
        self.batch_size = checks.whole("batch_size", self.batch_size, at_least=1)
        self.lr = checks.number("lr", self.lr, at_least=0)
        self.momentum = checks.number("momentum", self.momentum, at_least=0, below=1)
        self.weight_decay = checks.number("weight_decay", self.weight_decay, at_least=0)
        self.augment = checks.flag("augment", self.augment)
        self.seed = checks.seed(self.seed)
        self.compile = checks.flag("compile", self.compile)
        if self.max_steps is not None:
            self.max_steps = checks.whole("max_steps", self.max_steps, at_least=1)

    def batch_sizes(self, world: int) -> list[int]:
        """How many images each step of an epoch sees, over all processes, which share every batch equally.

        A short last batch that would leave a process with a single image is dropped: BatchNorm cannot compare one
        image with anything. Under `compile` every short last batch is, but for that of a set smaller than a batch.
        """
        starts = range(0, self.images, self.batch_size)
        sizes = [min(self.batch_size, self.images - start) // world * world for start in starts]
        least = self.batch_size if self.compile else world + 1
        return [n for k, n in enumerate(sizes) if n >= min(least, self.batch_size) or (n and k == 0)]

    def check_same(self, stored: dict[str, Any], path: Path) -> None:
        """Raises ValueError that names what differs from the settings that a checkpoint holds."""
        stored = {"optimizer": "SGD", "compile": False, **stored}  # files of before these were settings
        now = asdict(self)
        odd = [f"{key} {stored.get(key)!r}, now {now[key]!r}" for key in now if stored.get(key) != now[key]]
        if odd:
            raise ValueError(
                f"{path} is of another run: {'; '.join(odd)}. Give the same settings, or another checkpoint."
            )


def check_net(net: Any) -> None:
    """Raises for a net that `fit` cannot train."""
    checks.module("fit", net)
    if not any(p.requires_grad for p in net.parameters()):
        raise ValueError(f"{type(net).__name__} has no parameter that requires a gradient: there is nothing to train.")
    if odd := {str(p.dtype) for p in net.parameters() if p.is_floating_point()} - {"torch.float32"}:
        raise ValueError(f"fit trains nets of torch.float32; this one holds {', '.join(odd)}. Convert it: net.float().")


def check_images(name: str, images: Any) -> Images:
    if not isinstance(images, Images):
        raise TypeError(
            f"{name} has to be Images, such as data.load('sample') returns; it was given {type(images).__name__}."
            + (" data.load returns a pair: train, test = data.load(...)." if isinstance(images, tuple) else "")
        )
    if len(images) == 0:
        raise ValueError(f"{name} holds no image.")
    return images


def check_pair(train: Images, val: Images | None) -> None:
    """Raises where training and validation images do not belong together."""
    check_images("train", train)
    if val is None:
        return
    check_images("val", val)
    if val.images.device != train.images.device:
        raise ValueError(
            f"The training images are on {train.images.device}, the validation images on {val.images.device}: "
            "bring them together with val.to(device)."
        )
    if val.classes != train.classes:
        raise ValueError(f"train has the classes {train.classes}, val has {val.classes}: they have to be the same.")


def check_checkpoint(checkpoint: Any, resume: Any) -> Path | None:
    """The path of the checkpoint. Raises FileExistsError where a run would write over another one."""
    path = None if checkpoint is None else checks.path("checkpoint", checkpoint)
    if checks.flag("resume", resume):
        if path is None:
            raise ValueError("resume=True needs checkpoint=, the path of the file to go on from.")
    elif path is not None and path.exists():
        raise FileExistsError(f"{path} holds a run already: resume=True goes on with it; or choose another path.")
    return path


def check_shares(images: int, batch_size: int, world: int) -> None:
    """Raises ValueError where so many processes cannot share the images, or a batch, equally."""
    if images < world:
        raise ValueError(f"There are {images} images for {world} processes: each needs at least one.")
    if batch_size % world:
        raise ValueError(
            f"batch_size={batch_size} cannot be shared equally by {world} processes: choose a multiple of {world}, "
            f"such as {max(1, batch_size // world) * world}."
        )


def check_logits(logits: object, images: int, classes: int) -> None:
    shape = list(logits.shape) if isinstance(logits, Tensor) else []
    if len(shape) != 2 or shape[0] != images or shape[1] < classes:
        got = shape if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"The net has to return logits [{images}, {classes}], one a class; it returned {got}.")
