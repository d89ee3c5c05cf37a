"""What follows a training run, one row per step: the gradients of the weights, and how far each step moves them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from resnet_edu import checks
from resnet_edu.models.wrappers import clean_name
from resnet_edu.probes.norms import true_norms
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

    Norms are taken in float64: in a deep plain network the entries are about 1e-24, and in float32 their squares are 0.
    A gradient of None gives NaN.
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
        layers = [i for i, weight in enumerate(self._weights) if weight.is_of_a_layer]
        convolutions = [i for i, weight in enumerate(self._weights) if weight.is_convolution]
        ends = next((found for found in (convolutions, layers) if len(found) >= 2), range(len(self._weights)))
        row = self._rows[step].cpu().double().numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(row[self._position(first, ends[0])] / row[self._position(last, ends[-1])])

    def _position(self, layer: str | int | None, default: int) -> int:
        if isinstance(layer, str) and layer not in self.names:
            raise ValueError(f"{layer!r} is not recorded. The names are: {', '.join(self.names)}.")
        return default if layer is None else self.names.index(layer) if isinstance(layer, str) else layer


class UpdateRatio(Recorder):
    """Records |w_after - w_before| / |w_before| of every weight, one row per step: the update-to-weight ratio.

    module, params: as for `GradientNorms`. In your own loop and, as a callback, in `training.fit`:

        ratios.start()
        optimizer.step()
        ratios.record()

        training.fit(net, train, epochs=1, callbacks=[ratios])

    Measured on the weights themselves, the update includes everything that moves them: learning rate, momentum, weight
    decay, clipping, whatever the optimizer. Changes that float32 rounds away are not included. About 1e-3 is a common
    rule of thumb (Karpathy, CS231n notes). The probe keeps one copy of the weights that it follows. An all-zero weight
    gives NaN if it stayed and infinity if it moved.
    """

    _before: list[Tensor] | None = None
    _due = -1  # the training step at which the copy is one step old

    def start(self) -> None:
        """Keep a copy of the weights, before the step."""
        self._before = [weight.value().clone() for weight in self._weights]

    def record(self) -> None:
        """Append one row, [layers], after the step, without a host sync."""
        if self._before is None:
            raise ValueError("UpdateRatio: call start() before the optimizer's step and record() after it.")
        self._check_still_there()
        after = [weight.value() for weight in self._weights]
        device = after[0].device
        before = [b.to(a.device) for b, a in zip(self._before, after, strict=True)]
        moved = true_norms(list(torch._foreach_sub(after, before)))
        sizes = true_norms(before)
        self._rows.append(torch.stack([m.to(device) / s.to(device) for m, s in zip(moved, sizes, strict=True)]))
        self._before = None

    def on_gradients(self, step: int) -> None:
        """Called by `training.fit` before every step: the previous step is complete by now."""
        if self._before is not None and step == self._due:  # else the copy is left over from an interrupted run
            self.record()
        self.start()
        self._due = step + 1

    def on_epoch(self, history: object) -> None:
        """Called by `training.fit` after an epoch's last step."""
        if self._before is not None:
            self.record()
