"""What goes wrong inside a layer: saturated and dead units, which pass no gradient; the first NaN or infinity."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from resnet_edu.probes.parts import is_leaf, own_parameters, parts
from resnet_edu.probes.state import as_it_was, listening, numbered, tensors_in, unwrapped

#: Elementwise activations, and the largest derivative of each.
STEEPEST: dict[type[nn.Module], float] = {
    **dict.fromkeys((nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.Softplus, nn.Tanh, nn.Hardtanh), 1.0),
    nn.SELU: 1.7581,
    nn.GELU: 1.1289,
    nn.SiLU: 1.0998,
    nn.Mish: 1.0885,
    nn.Hardswish: 1.5,
    nn.Sigmoid: 0.25,
    nn.Hardsigmoid: 1 / 6,
}
NEAR_ZERO = 0.05  # of the largest derivative: |tanh| >= 0.975, a sigmoid below 0.013 or above 0.987, a ReLU that is off


@dataclass(frozen=True)
class UnitHealth:
    """Saturated entries and dead units of each activation layer on one batch, in execution order.

    names: an activation that ran twice has " (2)" appended to its name the second time.
    saturated: float64 [layers], fraction of entries where the derivative is near zero (for ReLU: where it is off).
    dead: float64 [layers], fraction of units for which that holds at every entry: no example and no position of
        this batch sends a gradient through them.
    """

    names: list[str]
    saturated: np.ndarray
    dead: np.ndarray


def unit_health(module: nn.Module, batch: Tensor, *, unit_dim: int = 1) -> UnitHealth:
    """Return the fractions of saturated entries and of dead units of every activation module, on one batch.

    unit_dim: the dimension of an activation that indexes units: 1 for [N, C, H, W] and [N, F], -1 for [N, T, F].

    An entry is saturated where the derivative is at most 5% of its maximum. Only activations that are modules are
    measured (`STEEPEST` lists them), not functions called in `forward`. The pass runs in train mode, as in training.
    """
    module = unwrapped("unit_health", module, batch)
    activations = [(name, part) for name, part in parts(module) if type(part) in STEEPEST]
    if not activations:
        raise ValueError(
            f"{type(module).__name__} has no activation that is a module, such as nn.ReLU(): "
            "a function called in forward() cannot be measured."
        )

    names: list[str] = []
    found: list[Tensor] = []

    def heard(name: str, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        x = inputs[0]
        if not -x.ndim <= unit_dim < x.ndim or unit_dim % x.ndim == 0:
            raise ValueError(f"unit_dim={unit_dim}: {name!r} takes an input {list(x.shape)}, the batch first.")
        off = _derivative(layer, x).abs() <= NEAR_ZERO * STEEPEST[type(layer)]
        others = tuple(dim for dim in range(x.ndim) if dim != unit_dim % x.ndim)
        names.append(numbered(name, names))
        found.append(torch.stack([off.float().mean(), off.all(others).float().mean()]))

    with as_it_was(module), torch.no_grad(), listening(activations, entering=heard):
        module.train()(batch.clone())  # a network that starts with an in-place operation writes into its input
    table = torch.stack(found).cpu().double().numpy() if found else np.empty((0, 2))
    return UnitHealth(names, table[:, 0], table[:, 1])


def _derivative(layer: nn.Module, x: Tensor) -> Tensor:
    """The activation's derivative at every entry of x, from autograd, in the shape of x."""
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        y = layer.forward(x.clone())  # layer(x) would fire the hooks; cloned because the layer may work in place
        return torch.autograd.grad(y.sum(), x)[0]


def first_nonfinite_layer(module: nn.Module, batch: Tensor) -> tuple[str | None, bool]:
    """Name of the first layer whose output on `batch` holds a NaN or an infinity, and whether its weights are finite.

    The pass runs in the module's own mode; returns (None, True) if every output is finite.
    """
    module = unwrapped("first_nonfinite_layer", module, batch)
    found: list[tuple[str, bool]] = []

    def heard(name: str, layer: nn.Module, _inputs: object, output: object) -> None:
        if not found and not all(bool(torch.isfinite(y).all()) for y in tensors_in(output)):
            found.append((name, all(bool(torch.isfinite(p).all()) for p in layer.parameters())))

    layers = [(name, part) for name, part in parts(module) if is_leaf(part) or any(True for _ in own_parameters(part))]
    with as_it_was(module), torch.no_grad(), listening(layers, heard):
        module(batch.clone())  # a network that starts with an in-place operation writes into its input
    return found[0] if found else (None, True)
