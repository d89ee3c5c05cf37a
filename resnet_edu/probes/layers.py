"""The layers of a net as a table: names, kinds, shapes, parameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from resnet_edu.probes.care import as_it_was, listening, unwrapped


@dataclass(frozen=True)
class Layer:
    """One row of `layer_table`: what ran, on what shape, with how many numbers of its own."""

    name: str
    kind: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int


def layer_table(module: nn.Module, batch: Tensor) -> list[Layer]:
    """Run one batch in eval mode and list, in the order in which they ran, the layers that hold no further layers.

    A layer with weights of its own beside those of its layers is listed, too, and one that ran twice has two rows.
    The shapes leave out the batch dimension. `plots.network` draws this table.
    """
    module = unwrapped("layer_table", module, batch)
    table: list[Layer] = []

    def heard(name: str, layer: nn.Module, inputs: object, output: object) -> None:
        x, y = (v[0] if isinstance(v, tuple) and v else v for v in (inputs, output))
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            count = sum(p.numel() for p in layer.parameters(recurse=False))
            table.append(Layer(name, type(layer).__name__, tuple(x.shape[1:]), tuple(y.shape[1:]), count))

    layers = [
        (name, m)
        for name, m in module.named_modules()
        if not any(m.children()) or any(True for _ in m.parameters(recurse=False))
    ]
    with as_it_was(module), torch.no_grad(), listening(layers, heard):
        module.eval()(batch)
    return table
