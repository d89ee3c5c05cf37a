"""Gradients of the loss by the weights, step after step."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import nn

from resnet_edu.probes.norms import norm_dtype, true_norms
from resnet_edu.probes.recorder import Recorder


class GradientNorms(Recorder):
    """Records the L2 norm of the gradient of every weight, a row a step.

    module: any `nn.Module`, wrapped by `torch.compile` or DistributedDataParallel or not.
    params: which parameters, as names or as (name, parameter) pairs; by default every weight of two or more dimensions.
    every: as a callback of `training.fit`, record at steps 0, every, 2 * every, ...; `.steps` holds the recorded ones.

    Call `record()` after `backward()`, or hand the object to `training.fit(..., callbacks=[norms])`. With a gradient
    scaler, call `scaler.unscale_(optimizer)` first; when accumulating, record at the last micro-step.

    Norms are taken in float64: in a deep plain net the entries are about 1e-24, their squares are below the smallest
    float32, and a float32 norm reads 0. On a device without float64 the tensor is scaled by its largest entry first.
    A row stays on the device until `numpy()`, so that recording never waits for a GPU. A gradient of None is NaN.
    """

    def __init__(
        self,
        module: nn.Module,
        params: Iterable[str | tuple[str, nn.Parameter]] | None = None,
        *,
        every: int = 1,
    ) -> None:
        super().__init__(module, params)
        if isinstance(every, bool) or not isinstance(every, Integral):
            raise TypeError(f"every={every!r}: give a whole number of steps, 1 or more.")
        if every < 1:
            raise ValueError(f"every={every}: give 1 or more.")
        self.every: int = int(every)

    @torch.no_grad()
    def record(self) -> None:
        """Append one row, [layers], without a host sync."""
        device = self._params[0].device
        norms = iter(true_norms([p.grad for p in self._params if p.grad is not None]))
        missing = torch.full((), torch.nan, dtype=norm_dtype(device), device=device)
        self._rows.append(torch.stack([missing if p.grad is None else next(norms).to(device) for p in self._params]))

    def on_gradients(self, step: int) -> None:
        """Called by `training.fit` after every backward pass."""
        if step % self.every == 0:
            self.record()

    @property
    def steps(self) -> np.ndarray:
        """The training step of each recorded row: int64 [rows]."""
        return self.every * np.arange(len(self))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint of `training.fit` keeps, so that a resumed run has one recording from its first step."""
        return {"names": self.names, "every": self.every, "rows": torch.from_numpy(self.numpy())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the rows of `state`. Raises ValueError when they belong to other weights or other steps."""
        for key in ("names", "every"):
            if state[key] != getattr(self, key):
                raise ValueError(
                    f"The checkpoint holds gradient norms with {key}={state[key]!r:.80}, this recorder has "
                    f"{key}={getattr(self, key)!r:.80}: resume with the recorder that the run started with."
                )
        self._rows = list(state["rows"])

    def ratio(self, first: str | int | None = None, last: str | int | None = None, step: int = -1) -> float:
        """Norm of `first` over norm of `last` at one recorded step: below 1 it shrinks on its way back to the input.

        first, last: names or positions; by default the first and the last convolution (weights of three or more
        dimensions), or the first and the last weight of a module without convolutions. 0 / 0 is NaN.
        """
        if not self._rows:
            raise ValueError("Nothing is recorded yet: call record() after backward().")
        if isinstance(step, bool) or not isinstance(step, Integral):
            raise TypeError(f"step={step!r}: give a whole number, -1 for the last step.")
        if not -len(self) <= step < len(self):
            raise IndexError(f"step={step}: {len(self)} steps are recorded, 0 to {len(self) - 1}.")
        convs = [i for i, p in enumerate(self._params) if p.ndim >= 3] or list(range(len(self._params)))
        row = self._rows[step].cpu().double().numpy()
        top = row[self._position(first, convs[0])]
        bottom = row[self._position(last, convs[-1])]
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(top / bottom)

    def _position(self, layer: str | int | None, default: int) -> int:
        if layer is None:
            return default
        if isinstance(layer, str):
            if layer not in self.names:
                raise ValueError(f"{layer!r} is not recorded. The names are: {', '.join(self.names)}.")
            return self.names.index(layer)
        if isinstance(layer, bool) or not isinstance(layer, Integral):
            raise TypeError(f"layer={layer!r}: give a name or a position.")
        if not -len(self.names) <= layer < len(self.names):
            raise IndexError(f"layer {layer}: {len(self.names)} weights are recorded, 0 to {len(self.names) - 1}.")
        return layer
