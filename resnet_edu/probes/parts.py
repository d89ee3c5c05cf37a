"""The parts of a network as seen in its source: layers, their names and their weights.

A part wrapped by `torch.compile` counts as the part itself. A layer whose weight is computed from other tensors
(`torch.nn.utils.parametrizations`) counts as one layer, whatever computes its weight.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


def parts(module: nn.Module, *, every_name: bool = False) -> Iterator[tuple[str, nn.Module]]:
    """Like `named_modules`, without the wrappers of compiled parts and the inner modules of parametrized layers.

    every_name: list a part that occurs in several places at each of them.
    """
    for name, part in module.named_modules(remove_duplicate=not every_name):
        path = name.split(".")
        if "parametrizations" not in path and "_orig_mod" not in dict(part.named_children()):
            yield ".".join(step for step in path if step != "_orig_mod"), part


def named(module: nn.Module, names: Iterable[str]) -> dict[str, nn.Module]:
    """The parts with these names, each once."""
    known, names = dict(parts(module, every_name=True)), list(names)
    if odd := [name for name in names if name not in known]:
        raise ValueError(f"{odd[0]!r} is not a submodule of {type(module).__name__}: give names from named_modules().")
    return {name: known[name] for name in names}


def is_leaf(part: nn.Module) -> bool:
    """Whether it contains no further layers."""
    return all(name == "parametrizations" for name, _ in part.named_children())


def own_parameters(part: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters of the part without those of its sublayers; a parametrized layer's count as its own."""
    yield from part.parameters(recurse=False)
    for inner in getattr(part, "parametrizations", {}).values():
        yield from inner.parameters()


@dataclass(frozen=True)
class Weight:
    """A weight of a network: a parameter, or weight norm's direction and gain, w = gain * direction / |direction|.

    layer: the module that holds it, None if unknown.
    """

    name: str
    layer: nn.Module | None
    parameter: nn.Parameter
    gain: nn.Parameter | None = None

    def value(self) -> Tensor:
        """The value that the layer computes with, detached. It shares memory with a plain parameter."""
        direction = self.parameter.detach()
        return direction if self.gain is None else direction * (self.gain.detach() / self._length())

    def grad(self) -> Tensor | None:
        """The gradient G of the loss with respect to it, or None.

        For weight norm, with u = direction / |direction|: the direction's gradient is gain / |direction| (G - (G.u) u),
        the gain's is G.u (Salimans and Kingma 2016, arXiv 1602.07868, equation 3). Together they give G.
        """
        along = self.parameter.grad
        if self.gain is None or along is None or self.gain.grad is None:
            return along if self.gain is None else None
        length = self._length()
        return along * (length / self.gain.detach()) + self.gain.grad * (self.parameter.detach() / length)

    def _length(self) -> Tensor:
        """The L2 norm of the direction, over the dimensions in which the gain has size 1."""
        direction, gain = self.parameter.detach(), self.gain
        if gain is None or gain.ndim == 0:
            return torch.linalg.vector_norm(direction)
        dims = [dim for dim in range(direction.ndim) if gain.shape[dim] == 1]
        return torch.linalg.vector_norm(direction, dim=dims, keepdim=True)

    @property
    def is_of_a_layer(self) -> bool:
        """Whether it is a layer's weight matrix or kernel; a position embedding or a per-channel scale is not."""
        return self.layer is None or is_leaf(self.layer) or "weight" in self.name.rpartition(".")[2]

    @property
    def is_convolution(self) -> bool:
        if self.layer is None:
            return self.parameter.ndim >= 3
        written_by_hand = is_leaf(self.layer) and self.parameter.ndim >= 4 and len(self.parameter) > 1
        return isinstance(self.layer, nn.modules.conv._ConvNd) or written_by_hand


def weights(module: nn.Module) -> list[Weight]:
    """Every weight of two or more dimensions, in definition order; a shared weight once."""
    found: dict[int, Weight] = {}
    for name, layer in parts(module):
        for own, parameter, gain in _weights_of(layer):
            if parameter.ndim >= 2:
                found.setdefault(id(parameter), Weight(f"{name}.{own}".lstrip("."), layer, parameter, gain))
    return list(found.values())


def _weights_of(layer: nn.Module) -> Iterator[tuple[str, nn.Parameter, nn.Parameter | None]]:
    """(name, parameter or direction, gain) of each parameter of a layer.

    For other parametrizations, only the tensors that the weight is computed from are known: the largest of each
    stands for the weight, as `weight.original`.
    """
    own = dict(layer.named_parameters(recurse=False))
    hooks: Iterable[Any] = layer._forward_pre_hooks.values()  # the older torch.nn.utils.weight_norm is such a hook
    for hook in hooks:
        if type(hook).__name__ == "WeightNorm":
            yield hook.name, own.pop(f"{hook.name}_v"), own.pop(f"{hook.name}_g")
    yield from ((name, parameter, None) for name, parameter in own.items())
    for name, how in getattr(layer, "parametrizations", {}).items():
        if [type(step).__name__ for step in how] == ["_WeightNorm"]:
            yield name, how.original1, how.original0
        elif originals := list(how.parameters(recurse=False)):  # a parametrized buffer has none
            yield f"{name}.original", max(originals, key=Tensor.numel), None
