"""Gradients of the loss with respect to the weights, step by step."""

from typing import Any

import numpy as np
import torch
from torch import nn

from resnet_edu import checks
from resnet_edu.probes.norms import true_norms
from resnet_edu.probes.recorder import Params, Recorder


class GradientNorms(Recorder):
    """Records the L2 norm of the gradient of every weight, one row per step.

    module: any `nn.Module`, also one wrapped by `torch.compile` or DistributedDataParallel.
    params: which parameters, as names or as (name, parameter) pairs; by default every weight of two or more dimensions,
        in the order in which the network defines them. A layer with weight norm has one weight, its product; for a
        layer with another parametrization, the parameter that its weight is computed from is recorded, as
        `weight.original`.
    every: as a callback of `training.fit`, record at steps 0, every, 2 * every, ...; `.steps` holds the recorded ones.

    Call `record()` after `backward()`, or pass the object to `training.fit(..., callbacks=[norms])`. With a gradient
    scaler, call `scaler.unscale_(optimizer)` first; when accumulating, record at the last micro-step.

    Norms are taken in float64: in a deep plain network the entries are about 1e-24, so their squares are below the
    smallest float32, and a float32 norm would be 0.
    Recording never waits for a GPU. A gradient of None gives NaN.
    """

    def __init__(self, module: nn.Module, params: Params = None, *, every: int = 1) -> None:
        super().__init__(module, params)
        self.every = checks.whole("every", every, at_least=1)

    @torch.no_grad()
    def record(self) -> None:
        """Append one row, [layers], without a host sync. Raises ValueError if a recorded layer was replaced."""
        self._check_still_there()
        gradients = [weight.grad() for weight in self._weights]
        device = self._weights[0].parameter.device
        norms = iter(true_norms([g for g in gradients if g is not None]))
        missing = torch.full((), torch.nan, device=device)  # stacked, it takes the dtype of the norms
        self._rows.append(torch.stack([missing if g is None else next(norms).to(device) for g in gradients]))

    def on_gradients(self, step: int) -> None:
        """Called by `training.fit` after every backward pass."""
        if step % self.every == 0:
            self.record()

    @property
    def steps(self) -> np.ndarray:
        """The training step of each recorded row: int64 [rows]."""
        return self.every * np.arange(len(self))

    def state_dict(self) -> dict[str, Any]:
        """The state that `training.fit` checkpoints, so that a resumed run has one recording from its first step."""
        return {"names": self.names, "every": self.every, "rows": torch.from_numpy(self.numpy())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue the recording in `state`. Raises ValueError if it has other weights or other steps."""
        for key in ("names", "every"):
            if state[key] != getattr(self, key):
                raise ValueError(
                    f"The checkpoint holds gradient norms with {key}={state[key]!r:.80}, this recorder has "
                    f"{key}={getattr(self, key)!r:.80}: resume with a recorder like the original one."
                )
        self._rows = list(state["rows"])

    def ratio(self, first: str | int | None = None, last: str | int | None = None, step: int = -1) -> float:
        """Norm of `first` over norm of `last` at one recorded step: below 1, it shrinks on its way to the input.

        first, last: names or positions. By default the first and the last convolution, or, if there are fewer than two,
        the first and the last weight of a layer; class tokens and position embeddings do not count. 0 / 0 is NaN.
        """
        if not self._rows:
            raise ValueError("Nothing has been recorded yet: call record() after backward().")
        everything = range(len(self._weights))
        layers = [i for i in everything if self._weights[i].is_of_a_layer]
        convolutions = [i for i in everything if self._weights[i].is_convolution]
        ends = next((found for found in (convolutions, layers) if len(found) >= 2), everything)
        row = self._rows[step].cpu().double().numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(row[self._position(first, ends[0])] / row[self._position(last, ends[-1])])

    def _position(self, layer: str | int | None, default: int) -> int:
        if isinstance(layer, str) and layer not in self.names:
            raise ValueError(f"{layer!r} is not recorded. The names are: {', '.join(self.names)}.")
        return default if layer is None else self.names.index(layer) if isinstance(layer, str) else layer
