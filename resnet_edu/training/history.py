"""What a run leaves behind, and what `fit` calls on the way."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from resnet_edu import files


@dataclass
class History:
    """What `fit` saw, as lists of plain numbers.

    One entry an epoch: train_loss and train_accuracy (means over the epoch, while the net was changing), val_loss and
    val_accuracy (at the epoch's end; empty without validation images), seconds. One entry a step: step_loss, step_lr.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    step_loss: list[float] = field(default_factory=list)
    step_lr: list[float] = field(default_factory=list)
    interrupted: bool = False

    def add_epoch(
        self, sizes: Sequence[int], losses: Sequence[float], correct: int, val: Metrics | None, seconds: float
    ) -> None:
        """An epoch that has ended: the size and the loss of each batch, and how many images were right."""
        self.step_loss += losses
        self.train_loss.append(sum(n * loss for n, loss in zip(sizes, losses, strict=True)) / sum(sizes))
        self.train_accuracy.append(correct / sum(sizes))
        if val is not None:
            self.val_loss.append(val.loss)
            self.val_accuracy.append(val.accuracy)
        self.seconds.append(seconds)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the lists as JSON. A number that is not finite becomes null, which JSON can hold."""
        lists = {
            name: [x if math.isfinite(x) else None for x in value] if isinstance(value, list) else value
            for name, value in asdict(self).items()
        }
        files.write_atomically(path, json.dumps(lists, indent=1) + "\n")

    def last_epoch(self) -> str:
        """One line on the last epoch, for a progress bar."""
        line = f"training accuracy {self.train_accuracy[-1]:.3f}"
        return line + (f", validation {self.val_accuracy[-1]:.3f}" if self.val_accuracy else "")

    def summary(self, epochs: int) -> str:
        """One line on a run of so many epochs."""
        done = len(self.train_loss)
        count = f"{done} epoch{'s' if done != 1 else ''}"
        if self.interrupted:
            count = f"interrupted after {done} of {epochs} epochs"
        return f"{count}, {sum(self.seconds):.1f} s" + (f": {self.last_epoch()}" if done else "")


@dataclass(frozen=True)
class Metrics:
    """Mean cross-entropy (nats) and the part of the images whose largest logit is the right class, 0 to 1."""

    loss: float
    accuracy: float


class DivergenceError(RuntimeError):
    """The loss is NaN or infinite. `.step` and `.layer` say where it began, `.history` holds what was before."""

    def __init__(self, message: str, step: int, layer: str | None, history: History) -> None:
        super().__init__(message)
        self.step, self.layer, self.history = step, layer, history


class GradientCallback(Protocol):
    """A callback of `fit` that looks at gradients; an object may be both kinds of callback."""

    def on_gradients(self, step: int) -> object:
        """Called after the backward pass (gradients unscaled), before the optimizer moves the weights."""


class EpochCallback(Protocol):
    """A callback of `fit` that looks at the history."""

    def on_epoch(self, history: History) -> object:
        """Called at the end of every epoch, as a plain function `callback(history)` is."""


Callback = GradientCallback | EpochCallback | Callable[[History], object]


class Callbacks:
    """The callbacks of a run by what they are called for; `stateful` are those whose state a checkpoint holds."""

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        try:
            callbacks = list(callbacks)
        except TypeError:
            raise TypeError(f"callbacks={callbacks!r:.60}: give a list, such as callbacks=[norms].") from None
        self.on_gradients: list[Callable[[int], object]] = []
        self.on_epoch: list[Callable[[History], object]] = []
        for callback in callbacks:
            kinds = [kind for kind in ("on_gradients", "on_epoch") if hasattr(callback, kind)]
            for kind in kinds:
                getattr(self, kind).append(getattr(callback, kind))
            if not kinds:
                if callable(callback):
                    self.on_epoch.append(callback)
                    continue
                raise TypeError(
                    f"callbacks holds {callback!r}: give functions of the history, or objects with on_gradients(step) "
                    "or on_epoch(history), such as probes.GradientNorms(net)."
                )
        self.stateful: list[Any] = [c for c in callbacks if hasattr(c, "state_dict") and hasattr(c, "load_state_dict")]
