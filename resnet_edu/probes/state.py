"""How a probe looks into a net and leaves it as it was: hooks, modes, statistics, and the checks of its input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from resnet_edu.models.wrappers import bare, clean_name


def unwrapped(who: str, module: nn.Module, batch: Tensor) -> nn.Module:
    """The module inside torch.compile's or DataParallel's wrapper, where hooks are heard; checks what was given."""
    module = bare(who, module)
    if not isinstance(batch, Tensor):
        raise TypeError(f"{who} takes one batch as a tensor; it was given {type(batch).__name__}.")
    if batch.ndim == 0 or len(batch) == 0:
        raise ValueError(f"{who} needs at least one example; the batch has the shape {list(batch.shape)}.")
    device = next((p.device for p in module.parameters()), batch.device)
    if device != batch.device:
        raise ValueError(f"{who}: the net is on {device}, the batch on {batch.device}. Move one with .to(device).")
    return module


def listed(values: Any) -> list[Any]:
    """A list of what is given: its items, or what cannot be gone through, a text among it, as the only item."""
    try:
        return [values] if isinstance(values, str) else list(values)
    except TypeError:
        return [values]


def number_from(who: str, value: object) -> float:
    """A score as a float; a tensor of one element is one, too."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{who}: the score has to return one number; it returned {type(value).__name__}.")
    return float(value)


def labels_for(who: str, output: object, labels: Tensor | None) -> Tensor:
    """Labels that cross-entropy can take with `output`, made up or checked."""
    if not isinstance(output, Tensor) or output.ndim < 2 or (labels is None and output.ndim > 2):
        got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"{who} needs logits [N, classes] for cross-entropy; the net returned {got}. Give a loss_fn.")
    classes, expected = output.shape[1], (len(output), *output.shape[2:])
    if labels is None:
        return torch.arange(len(output), device=output.device) % classes
    if not isinstance(labels, Tensor):
        raise TypeError(f"labels have to be a tensor; they are {type(labels).__name__}.")
    needed = f"torch.int64 {list(expected)} on {output.device}"
    given = f"{labels.dtype} {list(labels.shape)} on {labels.device}"
    if given != needed:
        raise ValueError(f"labels have to be {needed}; they are {given}.")
    if not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels have to be 0 to {classes - 1}; they are {int(labels.min())} to {int(labels.max())}.")
    return labels


def weighted_layers(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers with a weight of two or more dimensions of their own: BatchNorm and its like are not among them."""
    layers = [(n, m) for n, m in module.named_modules() if any(p.ndim >= 2 for p in m.parameters(recurse=False))]
    if not layers:
        raise ValueError(f"{type(module).__name__} has no layer with a weight of two or more dimensions to listen to.")
    return layers


def numbered(name: str, names: list[str]) -> str:
    """The name of a layer that runs now; from its second run on with " (2)" and so on behind it."""
    runs = 1 + sum(n == name or n.startswith(f"{name} (") for n in names)
    return name if runs == 1 else f"{name} ({runs})"


@contextmanager
def listening(layers: Iterable[tuple[str, nn.Module]], heard: Callable[..., None]) -> Iterator[None]:
    """Calls `heard(name, layer, inputs, output)` each time that one of the layers has run; no hook stays behind."""
    handles = [layer.register_forward_hook(partial(heard, clean_name(name) or "(module)")) for name, layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def as_it_was(module: nn.Module) -> Iterator[None]:
    """Puts back train/eval modes, buffers (BatchNorm's running statistics) and random state, whatever happens."""
    modes = [(m, m.training) for m in module.modules()]
    buffers = [(m, n, b, b.clone()) for m in module.modules() for n, b in m.named_buffers(recurse=False)]
    devices = sorted({p.device.index or 0 for p in module.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            for m, training in modes:
                m.training = training
            with torch.no_grad():
                for m, name, buffer, saved in buffers:
                    setattr(m, name, buffer.copy_(saved))


@contextmanager
def weights_as_they_were(module: nn.Module) -> Iterator[None]:
    """As `as_it_was`, and puts back every parameter and its gradient, bit for bit, with its type and device."""
    saved = [(p, p.detach().clone(), p.grad, None if p.grad is None else p.grad.clone()) for p in module.parameters()]
    with as_it_was(module):
        try:
            yield
        finally:
            with torch.no_grad():
                for p, weight, grad, numbers in saved:
                    p.grad = None  # it may be of another type than the weight that comes back
                    _put_back(p, weight)
                    if grad is not None and numbers is not None:
                        _put_back(grad, numbers)
                    p.grad = grad


def _put_back(tensor: Tensor, saved: Tensor) -> None:
    """Gives the very same tensor its numbers back, and its type and device, should the net have been moved."""
    if (tensor.dtype, tensor.device) == (saved.dtype, saved.device):
        tensor.copy_(saved)
    else:
        tensor.data = saved


@contextmanager
def on_copies(module: nn.Module) -> Iterator[None]:
    """The net runs on copies of its buffers and random state: what a graph made here holds, nobody changes later."""
    buffers = [(m, name, b) for m in module.modules() for name, b in m.named_buffers(recurse=False)]
    copies = {id(b): b.clone() for _, _, b in buffers}  # a buffer that is shared has one copy
    devices = sorted({p.device.index or 0 for p in module.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices):
        try:
            for m, name, b in buffers:
                m._buffers[name] = copies[id(b)]
            yield
        finally:
            for m, name, b in buffers:
                m._buffers[name] = b
