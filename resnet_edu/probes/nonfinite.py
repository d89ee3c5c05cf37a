"""Where a NaN or an infinity first appears."""

import torch
from torch import Tensor, nn

from resnet_edu.probes.parts import is_leaf, own_parameters, parts
from resnet_edu.probes.state import as_it_was, listening, tensors_in, unwrapped


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
