"""What the probes that follow a training run share: one row a step, one number a weight, all on the device."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from resnet_edu.models.wrappers import clean_name


class Recorder:
    """Rows of numbers, one for each of the chosen parameters, in module order.

    module: any `nn.Module`, wrapped by `torch.compile` or DistributedDataParallel or not.
    params: which parameters, as names or as (name, parameter) pairs; by default every weight of two or more dimensions.
    """

    def __init__(self, module: nn.Module, params: Iterable[str | tuple[str, nn.Parameter]] | None = None) -> None:
        who = type(self).__name__
        if not isinstance(module, nn.Module):
            raise TypeError(f"{who} takes an nn.Module; it was given {type(module).__name__}.")
        chosen = default_parameters(module) if params is None else chosen_parameters(module, params)
        if not chosen:
            raise ValueError(
                f"{type(module).__name__} has no weight of two or more dimensions to record. "
                f"Name the parameters: {who}(module, params=[...])."
            )
        self.names = list(chosen)
        self._params = list(chosen.values())
        self._rows: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.names)} weights, {len(self)} steps recorded)"

    def numpy(self) -> np.ndarray:
        """All rows on the host: float64 [steps, layers]."""
        if not self._rows:
            return np.empty((0, len(self.names)))
        device = self._rows[-1].device  # the net may have moved since the first row
        return torch.stack([row.to(device) for row in self._rows]).cpu().double().numpy()


def _named(parameters: Iterable[tuple[str, nn.Parameter]]) -> dict[str, nn.Parameter]:
    """{clean name: parameter}; the names stay as they are where two of them would become one."""
    named = dict(parameters)
    clean = {clean_name(name): p for name, p in named.items()}
    return clean if len(clean) == len(named) else named


def default_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in _named(module.named_parameters()).items() if p.ndim >= 2}


def chosen_parameters(module: nn.Module, params: Iterable[str | tuple[str, nn.Parameter]]) -> dict[str, nn.Parameter]:
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
