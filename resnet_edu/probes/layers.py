"""The layers of a net as a table: names, kinds, shapes, parameters, multiply-adds, memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from numbers import Integral

import torch
from torch import Tensor, nn

from resnet_edu.probes.state import as_it_was, listening, unwrapped

#: Layers that multiply each number they give out of as many weights as one of their outputs has.
PRODUCTS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Layer:
    """One row of `layer_table`: what ran, on what shape, with how many numbers of its own, and what it cost.

    multiply_adds: products with a weight, for one example, in convolutions and linear layers; 0 in all other kinds, as
    published tables have it. out_bytes: the size of its output in memory, for one example.
    """

    name: str
    kind: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    out_bytes: int


def layer_table(module: nn.Module, batch: Tensor) -> list[Layer]:
    """Run one batch in eval mode and list, in the order in which they ran, the layers that hold no further layers.

    A layer with weights of its own beside those of its layers is listed, too, and one that ran twice has two rows.
    The shapes leave out the batch dimension. `plots.network` draws this table. Net and batch may be on the device
    "meta", where nothing is computed.
    """
    module = unwrapped("layer_table", module, batch)
    table: list[Layer] = []

    def heard(name: str, layer: nn.Module, inputs: object, output: object) -> None:
        x, y = (v[0] if isinstance(v, tuple) and v else v for v in (inputs, output))
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            count = sum(p.numel() for p in layer.parameters(recurse=False))
            size = y[:1].numel() * y.element_size()
            kind, work = type(layer).__name__, _multiply_adds(layer, x, y)
            table.append(Layer(name, kind, tuple(x.shape[1:]), tuple(y.shape[1:]), count, work, size))

    layers = [
        (name, m)
        for name, m in module.named_modules()
        if not any(m.children()) or any(True for _ in m.parameters(recurse=False))
    ]
    with as_it_was(module), torch.no_grad(), listening(layers, heard):
        module.eval()(batch.clone())  # a net that starts in place writes into what it is given
    return table


def layer_groups(table: Sequence[Layer], level: int = 1) -> list[Layer]:
    """The rows of `layer_table` added up by the first `level` parts of their names: stages (1), blocks (2).

    A group takes what its first row takes and gives what its last row gives; its kind says how many rows it holds.
    A layer that ran twice has two rows, and its parameters count twice; `models.count_parameters` counts them once.
    """
    if not isinstance(table, Sequence) or not all(isinstance(row, Layer) for row in table):
        raise TypeError("layer_groups takes the table that layer_table(net, batch) returns.")
    if not isinstance(level, Integral) or isinstance(level, bool) or level < 1:
        raise ValueError(f"level={level!r}: give a whole number of at least 1.")
    groups = []
    for name, members in groupby(table, key=lambda row: ".".join(row.name.split(".")[:level])):
        rows = list(members)
        whole = replace(rows[0], name=name, out_shape=rows[-1].out_shape)
        if len(rows) > 1:
            whole = replace(whole, kind=f"{len(rows)} layers")
        for what in ("parameters", "multiply_adds", "out_bytes"):
            whole = replace(whole, **{what: sum(getattr(row, what) for row in rows)})
        groups.append(whole)
    return groups


def _multiply_adds(layer: nn.Module, x: Tensor, y: Tensor) -> int:
    """For one example: every number that comes out is a sum over one filter (transposed: every one that goes in)."""
    if isinstance(layer, PRODUCTS):
        return y[:1].numel() * layer.weight[0].numel()
    if isinstance(layer, TRANSPOSED):
        return x[:1].numel() * layer.weight[0].numel()
    return 0
