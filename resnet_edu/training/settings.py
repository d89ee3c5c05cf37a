"""The settings of a run, validated. They are stored in checkpoints, and a run resumes only with the same settings."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from resnet_edu import checks
from resnet_edu.data import Images


@dataclass
class Settings:
    """NumPy scalars (as from np.logspace) are converted: checkpoints store plain Python numbers."""

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
        """The number of images of each step of an epoch, over all processes, which share every batch equally.

        A short last batch that would leave a process with a single image is dropped: BatchNorm needs more than one.
        With `compile`, every short last batch is dropped, unless the whole set is smaller than a batch.
        """
        starts = range(0, self.images, self.batch_size)
        sizes = [min(self.batch_size, self.images - start) // world * world for start in starts]
        least = self.batch_size if self.compile else world + 1
        return [n for k, n in enumerate(sizes) if n >= min(least, self.batch_size) or (n and k == 0)]

    def check_same(self, stored: dict[str, Any], path: Path) -> None:
        """Raise ValueError naming the settings that differ from the checkpoint's."""
        stored = {"optimizer": "SGD", "compile": False, **stored}  # defaults for older files
        now = asdict(self)
        odd = [f"{key} {stored.get(key)!r}, now {now[key]!r}" for key in now if stored.get(key) != now[key]]
        if odd:
            raise ValueError(
                f"{path} belongs to another run: {'; '.join(odd)}. Use the same settings, or another checkpoint."
            )


def check_images(name: str, images: Any) -> Images:
    if not isinstance(images, Images):
        raise TypeError(
            f"{name} must be Images, such as data.load('sample') returns; it got {type(images).__name__}."
            + (" data.load returns a pair: train, test = data.load(...)." if isinstance(images, tuple) else "")
        )
    return images


def check_pair(train: Images, val: Images | None) -> None:
    """Raise an error if training and validation images do not belong together."""
    check_images("train", train)
    if val is None:
        return
    check_images("val", val)
    if val.images.device != train.images.device:
        raise ValueError(
            f"The training images are on {train.images.device}, the validation images on {val.images.device}: "
            "move one of them, for example with val.to(device)."
        )
    if val.classes != train.classes:
        raise ValueError(f"train has the classes {train.classes}, val has {val.classes}: they must be the same.")


def check_checkpoint(checkpoint: Any, resume: Any) -> Path | None:
    """The path of the checkpoint. Raises FileExistsError if a run would overwrite another one."""
    path = None if checkpoint is None else checks.path("checkpoint", checkpoint)
    if checks.flag("resume", resume):
        if path is None:
            raise ValueError("resume=True needs checkpoint=, the path of the file to resume from.")
    elif path is not None and path.exists():
        raise FileExistsError(f"{path} already holds a run: resume it with resume=True, or choose another path.")
    return path


def check_logits(logits: object, images: int, classes: int) -> None:
    shape = list(logits.shape) if isinstance(logits, Tensor) else []
    if len(shape) != 2 or shape[0] != images or shape[1] < classes:
        got = shape if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"The network must return logits [{images}, {classes}], one per class; it returned {got}.")
