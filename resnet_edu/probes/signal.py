"""Activations, and the gradient of the loss with respect to them, layer by layer on one batch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F

from resnet_edu.probes.norms import l2, rms
from resnet_edu.probes.parts import named, own_parameters, parts
from resnet_edu.probes.state import as_it_was, listening, loss_of, numbered, tensors_in, unwrapped


@dataclass(frozen=True)
class Signal:
    """One forward and one backward pass, layer by layer, in execution order.

    names: the layers; a layer that ran twice has " (2)" appended to its name the second time.
    activation: float64 [layers], root mean square of the layer's output, before any in-place change.
    gradient: float64 [layers], L2 norm of dLoss/doutput; NaN where the loss ignores that output.
    """

    names: list[str]
    activation: np.ndarray
    gradient: np.ndarray


def signal(
    module: nn.Module,
    batch: Tensor,
    labels: Tensor | None = None,
    loss_fn: Callable[..., Tensor] = F.cross_entropy,
    *,
    layers: Iterable[str] | None = None,
) -> Signal:
    """The scale of each layer's output h and of dL/dh, for every layer that has a weight of two or more dimensions.

    layers: names of modules to measure instead, such as the blocks of a network.
    labels: int64 [N], given to `loss_fn(output, labels)`. Without labels, cross-entropy gets dummy labels 0, 1, 2, ...
    (an untrained network has no preference), and any other loss is called as `loss_fn(output)`.

    The pass runs in train mode, as in training: BatchNorm uses the batch. In-place ReLU and `+=` do no harm: the node
    in the graph is kept, not the tensor.

    Raises ValueError for labels or a loss without a gradient, for a network in which no such layer runs, and for
    anything that hides its layers: torch.jit and reentrant checkpoints. Compiled modules run uncompiled.
    """
    module = unwrapped("signal", module, batch)
    if layers is None:  # with a weight of their own, which excludes BatchNorm and the like
        chosen = [(name, part) for name, part in parts(module) if any(p.ndim >= 2 for p in own_parameters(part))]
    else:
        chosen = list(named(module, layers).items())

    names: list[str] = []
    scales: list[float] = []
    edges: list[GradientEdge | None] = []

    def heard(name: str, _layer: nn.Module, _inputs: object, output: object) -> None:
        h = next(tensors_in(output), None)
        if h is not None and h.is_floating_point():
            names.append(numbered(name, names))
            scales.append(rms(h.detach()))
            edges.append(get_gradient_edge(h) if h.requires_grad else None)

    with as_it_was(module), torch.enable_grad():
        module.train()
        x = batch.detach().clone()
        if x.is_floating_point():
            x.requires_grad_()  # so that a frozen network has a graph, too
        with listening(chosen, heard):
            output = module(x.clone())  # in-place operations are allowed on a copy, but not on a leaf
        if not names:
            raise ValueError(f"signal: none of the layers to measure in {type(module).__name__} ran on this batch.")
        loss = loss_of("signal", output, labels, loss_fn)
        wanted = [edge for edge in edges if edge is not None]
        grads = iter(torch.autograd.grad(loss, wanted, allow_unused=True) if wanted else ())
    gradient = [torch.nan if (g := None if edge is None else next(grads)) is None else l2(g) for edge in edges]
    return Signal(names, np.array(scales, dtype=np.float64), np.array(gradient, dtype=np.float64))
