"""Base class of the probes that follow a training run: one row per step, one number per weight, on the device."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from resnet_edu.models.wrappers import clean_name
from resnet_edu.probes.parts import Weight, parts, weights
from resnet_edu.probes.state import ready

Params = Iterable[str | tuple[str, nn.Parameter]] | None


class Recorder:
    """Rows of numbers, one number per chosen weight. module, params: as for `GradientNorms`.

    A row stays on the device until `numpy()`, so that recording never waits for a GPU.
    """

    def __init__(self, module: nn.Module, params: Params = None) -> None:
        module = ready(type(self).__name__, module)
        self._weights = weights(module) if params is None else _chosen(module, params)
        if not self._weights:
            raise ValueError(
                f"{type(module).__name__} has no weight of two or more dimensions to record. "
                f"Give the parameters: {type(self).__name__}(module, params=[...])."
            )
        self.names = [weight.name for weight in self._weights]
        self._module = module
        held = {id(p) for p in module.parameters()}
        self._held = {id(w.parameter): w.name for w in self._weights if id(w.parameter) in held}
        self._rows: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.names)} weights, {len(self)} steps recorded)"

    def numpy(self) -> np.ndarray:
        """All rows on the host: float64 [steps, layers]."""
        if not self._rows:
            return np.empty((0, len(self.names)))
        device = self._rows[-1].device  # the network may have moved since the first row
        return torch.stack([row.to(device) for row in self._rows]).cpu().double().numpy()

    def clear(self) -> None:
        """Forget the rows recorded so far."""
        self._rows = []

    def _check_still_there(self) -> None:
        """If a layer was replaced, its old weights still hold their last gradients."""
        if gone := self._held.keys() - {id(p) for p in self._module.parameters()}:
            raise ValueError(
                f"{self._held[min(gone)]!r} is no longer a parameter of the network, which was changed after this "
                f"{type(self).__name__} was created. Create a new one."
            )


def _chosen(module: nn.Module, params: Iterable[str | tuple[str, nn.Parameter]]) -> list[Weight]:
    inside, known, chosen = dict(parts(module, every_name=True)), {}, list[Weight]()
    for name, parameter in module.named_parameters(remove_duplicate=False):
        name = name.replace("_orig_mod.", "")
        known[name] = Weight(name, inside.get(name.rpartition(".")[0]), parameter)
    known |= {weight.name: weight for weight in weights(module)}
    layers = {id(weight.parameter): weight.layer for weight in known.values()}
    for item in params:
        if isinstance(item, str):
            name = item if item in known else clean_name(item)
            if name not in known:
                raise ValueError(f"{name!r} is not a parameter of {type(module).__name__}. It has: {', '.join(known)}.")
            chosen.append(known[name])
        elif isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], Tensor) and item[1].is_leaf:
            chosen.append(Weight(clean_name(item[0]), layers.get(id(item[1])), item[1]))
        else:
            raise TypeError(f"params contains {item!r:.80}: give names, or (name, parameter) pairs.")
    return chosen
