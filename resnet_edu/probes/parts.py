"""The parts of a net as its reader knows them: layers, their names and their weights.

A part that `torch.compile` wraps is that part. A layer whose weight is computed from other tensors
(`torch.nn.utils.parametrizations`) is one layer, whatever computes its weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


def parts(module: nn.Module, *, every_name: bool = False) -> Iterator[tuple[str, nn.Module]]:
    """As `named_modules`, without the wrappers of compiled parts and the inner modules of parametrized layers.

    every_name: a part that stands in several places is listed at each of them.
    """
    for name, part in module.named_modules(remove_duplicate=not every_name):
        path = name.split(".")
        if "parametrizations" not in path and "_orig_mod" not in dict(part.named_children()):
            yield ".".join(step for step in path if step != "_orig_mod"), part


def named(module: nn.Module, names: Iterable[str]) -> dict[str, nn.Module]:
    """The parts of these names, each once."""
    known, found = dict(parts(module, every_name=True)), {}
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r} is no part of {type(module).__name__}: give names as named_modules() has them.")
        found[name] = known[name]
    return found


def is_leaf(part: nn.Module) -> bool:
    """Whether it holds no further layers."""
    return all(name == "parametrizations" for name, _ in part.named_children())


def own_parameters(part: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters of the part without those of the layers in it; a parametrized layer's are its own."""
    yield from part.parameters(recurse=False)
    for inner in getattr(part, "parametrizations", {}).values():
        yield from inner.parameters()


@dataclass(frozen=True)
class Weight:
    """One weight of a net: a parameter, or the direction and gain of weight norm, w = gain * direction / |direction|.

    layer: the module that holds it, None where nothing is known of it.
    """

    name: str
    layer: nn.Module | None
    parameter: nn.Parameter
    gain: nn.Parameter | None = None

    def value(self) -> Tensor:
        """What the layer computes with, outside of any graph. It shares its memory with a plain parameter."""
        direction = self.parameter.detach()
        return direction if self.gain is None else direction * (self.gain.detach() / self._length())

    def grad(self) -> Tensor | None:
        """The gradient G of the loss with respect to it, None where there is none.

        Of weight norm, with u = direction / |direction|: the direction's gradient is gain / |direction| (G - (G.u) u),
        the gain's is G.u (Salimans and Kingma 2016, arXiv 1602.07868, equation 3). Together they give G.
        """
        along = self.parameter.grad
        if self.gain is None or along is None or self.gain.grad is None:
            return along if self.gain is None else None
        length = self._length()
        return along * (length / self.gain.detach()) + self.gain.grad * (self.parameter.detach() / length)

    def _length(self) -> Tensor:
        """The L2 norm of the direction, along the dimensions in which the gain has the size 1."""
        direction, gain = self.parameter.detach(), self.gain
        if gain is None or gain.ndim == 0:
            return torch.linalg.vector_norm(direction)
        dims = [dim for dim in range(direction.ndim) if gain.shape[dim] == 1]
        return torch.linalg.vector_norm(direction, dim=dims, keepdim=True)

    @property
    def is_of_a_layer(self) -> bool:
        """Whether it multiplies what comes in; a position embedding or a scale for each channel does not."""
        return self.layer is None or is_leaf(self.layer) or "weight" in self.name.rpartition(".")[2]

    @property
    def is_convolution(self) -> bool:
        if self.layer is None:
            return self.parameter.ndim >= 3
        written_by_hand = is_leaf(self.layer) and self.parameter.ndim >= 4 and len(self.parameter) > 1
        return isinstance(self.layer, nn.modules.conv._ConvNd) or written_by_hand


def weights(module: nn.Module) -> list[Weight]:
    """Every weight of two or more dimensions, in the order in which the layers are defined; a shared one once."""
    found: dict[int, Weight] = {}
    for name, layer in parts(module):
        for own, parameter, gain in _weights_of(layer):
            if parameter.ndim >= 2:
                found.setdefault(id(parameter), Weight(f"{name}.{own}".lstrip("."), layer, parameter, gain))
    return list(found.values())


def _weights_of(layer: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Parameter | None]]:
    """(name, parameter or direction, gain) of each parameter of a layer.

    Of other parametrizations nothing is known but the tensors that they compute the weight from: the largest one of
    each stands here, as `weight.original`.
    """
    own = dict(layer.named_parameters(recurse=False))
    hooks: Iterable[Any] = layer._forward_pre_hooks.values()  # torch.nn.utils.weight_norm, the older way, is one
    for hook in hooks:
        if type(hook).__name__ == "WeightNorm":
            yield hook.name, own.pop(f"{hook.name}_v"), own.pop(f"{hook.name}_g")
    yield from ((name, parameter, None) for name, parameter in own.items())
    for name, how in getattr(layer, "parametrizations", {}).items():
        if [type(step).__name__ for step in how] == ["_WeightNorm"]:
            yield name, how.original1, how.original0
        elif originals := list(how.parameters(recurse=False)):  # a parametrized buffer has none
            yield f"{name}.original", max(originals, key=Tensor.numel), None
