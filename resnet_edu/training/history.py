"""The record of a run, and the callbacks of `fit`."""

import json
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from resnet_edu import files


@dataclass
class History:
    """What `fit` measured, as lists of plain numbers.

    One entry per epoch: train_loss and train_accuracy (means over the epoch, while the network was changing), val_loss
    and val_accuracy (at the epoch's end; empty without validation images), seconds. One entry per step: step_loss,
    step_lr.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    step_loss: list[float] = field(default_factory=list)
    step_lr: list[float] = field(default_factory=list)
    interrupted: bool = False

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the lists as JSON. Non-finite numbers become null, as JSON has none."""
        lists = {
            name: [x if math.isfinite(x) else None for x in value] if isinstance(value, list) else value
            for name, value in asdict(self).items()
        }
        files.write_atomically(path, json.dumps(lists, indent=1) + "\n")

    def last_epoch(self) -> str:
        """One line about the last epoch, for a progress bar."""
        line = f"training accuracy {self.train_accuracy[-1]:.3f}"
        return line + (f", validation {self.val_accuracy[-1]:.3f}" if self.val_accuracy else "")

    def summary(self, epochs: int) -> str:
        """One line about the whole run of `epochs` epochs."""
        done = len(self.train_loss)
        count = f"{done} epoch{'s' if done != 1 else ''}"
        if self.interrupted:
            count = f"interrupted after {done} of {epochs} epochs"
        return f"{count}, {sum(self.seconds):.1f} s" + (f": {self.last_epoch()}" if done else "")


@dataclass(frozen=True)
class Metrics:
    """Mean cross-entropy (nats) and the fraction of images whose largest logit is the correct class."""

    loss: float
    accuracy: float


class DivergenceError(RuntimeError):
    """The loss is NaN or infinite. `.step` and `.layer` say where it started; `.history` holds everything before."""

    def __init__(self, message: str, step: int, layer: str | None, history: History) -> None:
        super().__init__(message)
        self.step, self.layer, self.history = step, layer, history


class GradientCallback(Protocol):
    """A callback of `fit` that reads gradients; an object may be both kinds of callback."""

    def on_gradients(self, step: int) -> object:
        """Called after the backward pass (gradients unscaled), before the optimizer moves the weights."""


class EpochCallback(Protocol):
    """A callback of `fit` that reads the history."""

    def on_epoch(self, history: History) -> object:
        """Called at the end of every epoch, like a plain function `callback(history)`."""


Callback = GradientCallback | EpochCallback | Callable[[History], object]


class Callbacks:
    """The callbacks of a run, by event; `stateful` lists those whose state is checkpointed."""

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        every: list[Any] = list(callbacks)
        self.on_gradients = [c.on_gradients for c in every if hasattr(c, "on_gradients")]
        self.on_epoch = [
            getattr(c, "on_epoch", c) for c in every if hasattr(c, "on_epoch") or not hasattr(c, "on_gradients")
        ]
        self.stateful = [c for c in every if hasattr(c, "state_dict") and hasattr(c, "load_state_dict")]

    def stop_recording(self) -> None:
        """Call only those that can change a step, such as clipping, and not those that a checkpoint holds."""
        recorders = set(map(id, self.stateful))
        self.on_gradients = [call for call in self.on_gradients if id(getattr(call, "__self__", None)) not in recorders]
