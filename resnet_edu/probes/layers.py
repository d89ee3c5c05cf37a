"""The layers of a network as a table: names, kinds, shapes, parameters, multiply-adds, memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from resnet_edu import checks
from resnet_edu.probes.parts import is_leaf, own_parameters, parts
from resnet_edu.probes.state import as_it_was, listening, tensors_in, unwrapped


@dataclass(frozen=True)
class Layer:
    """One row of `layer_table`: what ran, on what shape, with how many parameters of its own, at what cost.

    parameters: those that the layer owns or uses directly; one that an earlier row counts is not counted again.
    multiply_adds: of convolutions and matrix products, including attention's, for one example. Nothing else is counted,
    as in published tables, and recurrent layers are not counted either. out_bytes: the size of its output in memory,
    for one example.
    """

    name: str
    kind: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    out_bytes: int


def layer_table(module: nn.Module, batch: Tensor) -> list[Layer]:
    """Run one batch in eval mode and list, in execution order, the layers that contain no further layers.

    A layer with weights or matrix products of its own besides those of its sublayers is listed, too, and one that ran
    twice has two rows. The rows' parameters add up to those of all layers that ran. Shapes omit the batch dimension.
    `plots.network` draws this table. Network and batch may be on the device "meta", where nothing is computed.
    """
    module = unwrapped("layer_table", module, batch, numbers=False)
    count = _Count(module, len(batch))
    with (
        as_it_was(module),
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),  # attention as matrix products, which are counted on every device
        listening(parts(module), count.leave, entering=count.enter),
        count.operations,
        count,
    ):
        module.eval()(batch.clone())  # a network that starts with an in-place operation writes into its input
    return count.table


def layer_groups(table: Sequence[Layer], level: int = 1) -> list[Layer]:
    """Group the rows of `layer_table` by the first `level` parts of their names: stages (1), blocks (2).

    A group has its first row's input and its last row's output; its kind says how many rows it holds.
    """
    level = checks.whole("level", level, at_least=1)
    groups = []
    for name, members in groupby(table, key=lambda row: ".".join(row.name.split(".")[:level])):
        rows = list(members)
        kind = f"{len(rows)} layers" if len(rows) > 1 else rows[0].kind
        costs = {what: sum(getattr(row, what) for row in rows) for what in ("parameters", "multiply_adds", "out_bytes")}
        groups.append(replace(rows[0], name=name, kind=kind, out_shape=rows[-1].out_shape, **costs))
    return groups


@dataclass
class _Running:
    """A layer that is running: the parameters that it used directly, and how many operations ran before and within."""

    used: dict[int, Tensor]
    before: int
    within: int = 0


class _Count(TorchFunctionMode):
    """Records which parameters each layer uses, and how many operations it runs, outside of its sublayers."""

    def __init__(self, module: nn.Module, examples: int) -> None:
        from torch.utils.flop_counter import FlopCounterMode  # it imports triton, which takes half a second

        super().__init__()
        self.table: list[Layer] = []
        self.operations = FlopCounterMode(display=False)
        self._examples = examples
        self._uncounted = {id(p) for p in module.parameters()}
        self._running: list[_Running] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if self._running and any(True for _ in tensors_in(out)):  # reading weight.device does not use the weight
            self._running[-1].used |= {id(x): x for x in tensors_in([args, kwargs]) if isinstance(x, nn.Parameter)}
        return out

    def enter(self, _name: str, layer: nn.Module, _inputs: object) -> None:
        used: dict[int, Tensor] = {id(p): p for p in own_parameters(layer)}
        self._running.append(_Running(used, self.operations.get_total_flops()))

    def leave(self, name: str, layer: nn.Module, inputs: object, output: object) -> None:
        done, x, y = self._running.pop(), next(tensors_in(inputs), None), next(tensors_in(output), None)
        operations = self.operations.get_total_flops() - done.before
        if self._running:
            self._running[-1].within += operations
        own = operations - done.within
        if not (done.used or own or (is_leaf(layer) and y is not None)):
            return
        count = sum(p.numel() for key, p in done.used.items() if key in self._uncounted)
        self._uncounted -= done.used.keys()
        in_shape, out_shape = (() if t is None else tuple(t.shape[1:]) for t in (x, y))
        size = 0 if y is None else y.nbytes // self._examples
        # PyTorch counts a multiplication and an addition as two operations.
        row = Layer(name, type(layer).__name__, in_shape, out_shape, count, own // 2 // self._examples, size)
        self.table.append(row)
