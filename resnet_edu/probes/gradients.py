"""Gradients of the loss by the weights, step after step."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral

import numpy as np
import torch
from torch import Tensor, nn

from resnet_edu.probes.care import clean_name
from resnet_edu.probes.norms import norm_dtype, true_norms


class GradientNorms:
    """Records the L2 norm of the gradient of every weight, a row a step.

    module: any `nn.Module`, wrapped by `torch.compile` or DistributedDataParallel or not.
    params: which parameters, as names or as (name, parameter) pairs; by default every weight of two or more dimensions.

    Call `record()` after `backward()`, or hand the object to `training.fit(..., callbacks=[norms])`. With a gradient
    scaler, call `scaler.unscale_(optimizer)` first; when accumulating, record at the last micro-step.

    Norms are taken in float64: in a deep plain net the entries are about 1e-24, their squares are below the smallest
    float32, and a float32 norm reads 0. On a device without float64 the tensor is scaled by its largest entry first.
    A row stays on the device until `numpy()`, so that recording never waits for a GPU. A gradient of None is NaN.
    """

    def __init__(self, module: nn.Module, params: Iterable[str | tuple[str, nn.Parameter]] | None = None) -> None:
        if not isinstance(module, nn.Module):
            raise TypeError(f"GradientNorms takes an nn.Module; it was given {type(module).__name__}.")
        chosen = _default_parameters(module) if params is None else _chosen_parameters(module, params)
        if not chosen:
            raise ValueError(
                f"{type(module).__name__} has no weight of two or more dimensions to record. "
                "Name the parameters: GradientNorms(module, params=[...])."
            )
        self.names = list(chosen)
        self._params = list(chosen.values())
        self._rows: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"GradientNorms({len(self.names)} weights, {len(self)} steps recorded)"

    @torch.no_grad()
    def record(self) -> None:
        """Append one row, [layers], without a host sync."""
        device = self._params[0].device
        norms = iter(true_norms([p.grad for p in self._params if p.grad is not None]))
        missing = torch.full((), torch.nan, dtype=norm_dtype(device), device=device)
        self._rows.append(torch.stack([missing if p.grad is None else next(norms).to(device) for p in self._params]))

    def on_gradients(self, step: int) -> None:
        """The hook that `training.fit` calls after every backward pass."""
        self.record()

    def numpy(self) -> np.ndarray:
        """All rows on the host: float64 [steps, layers]."""
        if not self._rows:
            return np.empty((0, len(self.names)))
        device = self._rows[-1].device  # the net may have moved since the first row
        return torch.stack([row.to(device) for row in self._rows]).cpu().double().numpy()

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


def _named(parameters: Iterable[tuple[str, nn.Parameter]]) -> dict[str, nn.Parameter]:
    """{clean name: parameter}; the names stay as they are where two of them would become one."""
    named = dict(parameters)
    clean = {clean_name(name): p for name, p in named.items()}
    return clean if len(clean) == len(named) else named


def _default_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in _named(module.named_parameters()).items() if p.ndim >= 2}


def _chosen_parameters(module: nn.Module, params: Iterable[str | tuple[str, nn.Parameter]]) -> dict[str, nn.Parameter]:
    try:
        items = [] if isinstance(params, str) else list(params)
    except TypeError:  # not iterable
        items = []
    if not items:
        raise TypeError(f"params={params!r:.60}: give a list of names, or of (name, parameter) pairs.")
    known = _named(module.named_parameters())
    chosen: dict[str, nn.Parameter] = {}
    for item in items:
        name, p = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
        if not isinstance(name, str) or not (p is None or (isinstance(p, Tensor) and p.is_leaf)):
            raise TypeError(f"params holds {item!r:.80}: give names, or (name, parameter) pairs.")
        name = name if name in known else clean_name(name)
        if p is None and name not in known:
            raise ValueError(f"{name!r} is no parameter of {type(module).__name__}. It has: {', '.join(known)}.")
        if name in chosen:
            raise ValueError(f"params names {name!r} twice.")
        chosen[name] = known[name] if p is None else p
    return chosen
