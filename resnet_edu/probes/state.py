"""How a probe runs a network and leaves it unchanged: hooks, modes, statistics, weights, random state."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy

from resnet_edu.models.wrappers import bare


def ready(who: str, module: nn.Module) -> nn.Module:
    """The module inside torch.compile's or DataParallel's wrapper, after checking that no layer is uninitialized."""
    module = bare(who, module)
    if lazy := [name for name, tensor in (*module.named_parameters(), *module.named_buffers()) if is_lazy(tensor)]:
        raise ValueError(f"{who}: {lazy[0]!r} has no shape yet. Run one batch through the network first.")
    return module


def unwrapped(who: str, module: nn.Module, batch: Tensor, *, numbers: bool = True, listens: bool = True) -> nn.Module:
    """Like `ready`, for a probe that runs a batch. numbers, listens: whether it reads values, and uses layer hooks."""
    module = ready(who, module)
    if listens and (deaf := [n for n, part in module.named_modules() if isinstance(part, torch.jit.ScriptModule)]):
        raise ValueError(f"{who} cannot hook into {deaf[0]!r}, which torch.jit compiled. Pass the original network.")
    if not isinstance(batch, Tensor):
        raise TypeError(f"{who} takes one batch as a tensor; it got {type(batch).__name__}.")
    if batch.ndim == 0 or len(batch) == 0:
        raise ValueError(f"{who} needs at least one example; the batch has the shape {list(batch.shape)}.")
    if numbers and any(tensor.device.type == "meta" for tensor in (batch, *module.parameters())):
        raise ValueError(f"{who} needs values, and tensors on the device 'meta' have none.")
    return module


def tensors_in(value: object) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(item)


def loss_of(who: str, output: Any, labels: Tensor | None, loss_fn: Callable[..., Tensor]) -> Tensor:
    """The loss as a scalar with a gradient. Checks cross-entropy's labels; without labels, uses 0, 1, 2, ..."""
    if loss_fn is F.cross_entropy:
        labels = _labels_for(who, output, labels)
    loss = loss_fn(output) if labels is None else loss_fn(output, labels)
    return differentiable(f"{who}: the loss", loss)


def differentiable(what: str, number: Tensor) -> Tensor:
    """Return the number if it is a scalar that `torch.autograd.grad` can differentiate; else raise ValueError."""
    if not isinstance(number, Tensor) or number.numel() != 1 or not number.requires_grad:
        got = f"a tensor {list(number.shape)}" if isinstance(number, Tensor) else type(number).__name__
        raise ValueError(f"{what} must be one number with a gradient; it is {got}.")
    seen, waiting = set[Any](), [number.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        if node.name() == "CheckpointFunctionBackward":
            raise ValueError(
                f"{what} comes from a reentrant checkpoint, which hides its layers: pass use_reentrant=False to it."
            )
        seen.add(node)
        waiting += [before for before, _ in node.next_functions]
    return number


def _labels_for(who: str, output: object, labels: Tensor | None) -> Tensor:
    if not isinstance(output, Tensor) or output.ndim < 2 or (labels is None and output.ndim > 2):
        got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(
            f"{who} needs logits [N, classes] for cross-entropy; the network returned {got}. Pass a loss_fn."
        )
    classes = output.shape[1]
    if labels is None:
        return torch.arange(len(output), device=output.device) % classes
    if not 0 <= int(labels.min()) <= int(labels.max()) < classes:  # on a GPU, PyTorch would end the session
        raise ValueError(f"labels must be 0 to {classes - 1}; they are {int(labels.min())} to {int(labels.max())}.")
    return labels


def numbered(name: str, names: list[str]) -> str:
    """The name of a layer that is running, with " (2)" and so on appended from its second run on."""
    runs = 1 + sum(n == name or n.startswith(f"{name} (") for n in names)
    return name if runs == 1 else f"{name} ({runs})"


Hook = Callable[..., Any] | None


@contextmanager
def listening(
    layers: Iterable[tuple[str, nn.Module]], leaving: Hook = None, *, entering: Hook = None
) -> Iterator[None]:
    """Call entering(name, layer, inputs) and leaving(name, layer, inputs, output) around each layer; no hook stays."""
    with ExitStack() as hooks:
        for name, layer in layers:
            if entering is not None:
                hooks.enter_context(layer.register_forward_pre_hook(partial(entering, name or "(module)")))
            if leaving is not None:
                hooks.enter_context(layer.register_forward_hook(partial(leaving, name or "(module)")))
        yield


@contextmanager
def as_it_was(module: nn.Module) -> Iterator[None]:
    """Restore train/eval modes, buffers (BatchNorm's running statistics) and random state, even after an error.

    The network runs on copies of its buffers, so that a graph built here never changes later; compiled parts run
    uncompiled, so that hooks fire.
    """
    modes = [(m, m.training) for m in module.modules()]
    buffers = [(m, name, b) for m in module.modules() for name, b in m.named_buffers(recurse=False)]
    copies = {id(b): b.clone() for _, _, b in buffers}  # a shared buffer has one copy
    devices = sorted({p.device.index or 0 for p in module.parameters() if p.device.type == "cuda"})
    # If dynamo was never imported, nothing is compiled, and importing it takes a second.
    uncompiled = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    with torch.random.fork_rng(devices=devices), uncompiled:
        try:
            for m, name, b in buffers:
                m._buffers[name] = copies[id(b)]
            yield
        finally:
            for m, training in modes:
                m.training = training
            for m, name, b in buffers:
                m._buffers[name] = b


@contextmanager
def weights_as_they_were(module: nn.Module) -> Iterator[None]:
    """Like `as_it_was`, and restore every parameter and its gradient bit for bit, with its dtype and device."""
    grads = [(p, p.grad) for p in module.parameters()]
    saved = [(tensor, tensor.detach().clone()) for pair in grads for tensor in pair if tensor is not None]
    with as_it_was(module):
        try:
            yield
        finally:
            for p, _ in grads:
                p.grad = None  # its dtype may differ from the restored weight's
            with torch.no_grad():
                for tensor, values in saved:
                    if (tensor.dtype, tensor.device) == (values.dtype, values.device):
                        tensor.copy_(values)
                    else:  # the network was moved
                        tensor.data = values
            for p, grad in grads:
                p.grad = grad
