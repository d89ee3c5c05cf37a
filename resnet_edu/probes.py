"""What happens inside a network: gradient norms, signal scale, a table of its layers, and what an output sees.

Every probe works on any `nn.Module`, and leaves it as it was.

    >>> import torch
    >>> from resnet_edu import models, probes
    >>> net = models.CifarNet(20, residual=False)
    >>> norms = probes.GradientNorms(net)
    >>> net(torch.randn(8, 3, 32, 32)).logsumexp(1).mean().backward()
    >>> norms.record()
    >>> norms.numpy().shape                                  # one row a step, one column a weight
    (1, 20)

`GradientNorms` looks at the gradient of the loss by the *weights*, step after step, and costs almost nothing.
`signal` looks at the *activations* and at the gradient of the loss by them, once, on one batch.
The two can tell different stories; lesson 03 shows when.
`layer_table` and `receptive_field` look at the net itself: its layers, and the pixels that reach one of its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from numbers import Integral

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F

# --- gradients by the weights -----------------------------------------------------------------------------------------


class GradientNorms:
    """Records the L2 norm of the gradient of every weight, a row a step.

    module: any `nn.Module`, wrapped by `torch.compile` or DistributedDataParallel or not.
    params: which parameters, as names or as (name, parameter) pairs; by default every weight of two or more dimensions.

    Call `record()` after `backward()`, or hand the object to `training.fit(..., callbacks=[norms])`. With a gradient
    scaler, call `scaler.unscale_(optimizer)` first; when accumulating, record at the last micro-step.

    Norms are taken in float64: in a deep plain net the entries are about 1e-24, their squares are below the smallest
    float32, and a float32 norm reads 0. On a device without float64 the tensor is scaled by its largest entry first.
    A row stays on the device until `numpy()`, so that recording never waits for a GPU. A gradient of None is NaN.
    """

    def __init__(self, module: nn.Module, params: Iterable[str | tuple[str, nn.Parameter]] | None = None) -> None:
        if not isinstance(module, nn.Module):
            raise TypeError(f"GradientNorms takes an nn.Module; it was given {type(module).__name__}.")
        chosen = _default_parameters(module) if params is None else _chosen_parameters(module, params)
        if not chosen:
            raise ValueError(
                f"{type(module).__name__} has no weight of two or more dimensions to record. "
                "Name the parameters: GradientNorms(module, params=[...])."
            )
        self.names = list(chosen)
        self._params = list(chosen.values())
        self._rows: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"GradientNorms({len(self.names)} weights, {len(self)} steps recorded)"

    @torch.no_grad()
    def record(self) -> None:
        """Append one row, [layers], without a host sync."""
        device = self._params[0].device
        norms = iter(_norms([p.grad for p in self._params if p.grad is not None]))
        missing = torch.full((), torch.nan, dtype=_norm_dtype(device), device=device)
        self._rows.append(torch.stack([missing if p.grad is None else next(norms).to(device) for p in self._params]))

    def on_gradients(self, step: int) -> None:
        """The hook that `training.fit` calls after every backward pass."""
        self.record()

    def numpy(self) -> np.ndarray:
        """All rows on the host: float64 [steps, layers]."""
        if not self._rows:
            return np.empty((0, len(self.names)))
        device = self._rows[-1].device  # the net may have moved since the first row
        return torch.stack([row.to(device) for row in self._rows]).cpu().double().numpy()

    def ratio(self, first: str | int | None = None, last: str | int | None = None, step: int = -1) -> float:
        """Norm of `first` over norm of `last` at one recorded step: below 1 it shrinks on its way back to the input.

        first, last: names or positions; by default the first and the last convolution (weights of three or more
        dimensions), or the first and the last weight of a module without convolutions. 0 / 0 is NaN.
        """
        if not self._rows:
            raise ValueError("Nothing is recorded yet: call record() after backward().")
        if isinstance(step, bool) or not isinstance(step, Integral):
            raise TypeError(f"step={step!r}: give a whole number, -1 for the last step.")
        if not -len(self) <= step < len(self):
            raise IndexError(f"step={step}: {len(self)} steps are recorded, 0 to {len(self) - 1}.")
        convs = [i for i, p in enumerate(self._params) if p.ndim >= 3] or list(range(len(self._params)))
        row = self._rows[step].cpu().double().numpy()
        top = row[self._position(first, convs[0])]
        bottom = row[self._position(last, convs[-1])]
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(top / bottom)

    def _position(self, layer: str | int | None, default: int) -> int:
        if layer is None:
            return default
        if isinstance(layer, str):
            if layer not in self.names:
                raise ValueError(f"{layer!r} is not recorded. The names are: {', '.join(self.names)}.")
            return self.names.index(layer)
        if isinstance(layer, bool) or not isinstance(layer, Integral):
            raise TypeError(f"layer={layer!r}: give a name or a position.")
        if not -len(self.names) <= layer < len(self.names):
            raise IndexError(f"layer {layer}: {len(self.names)} weights are recorded, 0 to {len(self.names) - 1}.")
        return layer


def _norms(tensors: list[Tensor]) -> list[Tensor]:
    """The L2 norm of each tensor, true down to the smallest float: one number on the device, [], for each."""
    dense = [t.coalesce().values() if t.is_sparse else t for t in tensors]
    if not dense:
        return []
    if any(t.device.type == "mps" for t in dense):
        return [_scaled_norm(t) for t in dense]
    return list(torch._foreach_norm(dense, 2, dtype=torch.float64))


def _norm_dtype(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64  # Apple's GPUs have no float64


def _scaled_norm(x: Tensor) -> Tensor:
    """The L2 norm in float32: x is divided by its largest entry first, so that no square under- or overflows."""
    if x.numel() == 0:
        return torch.zeros((), device=x.device)
    largest = x.abs().max().float().clamp_min(torch.finfo(torch.float32).tiny)
    norm = largest * torch.linalg.vector_norm(x.float() / largest)
    return torch.where(largest.isinf(), largest, norm)


def _clean(name: str) -> str:
    """A parameter's name without what torch.compile and DistributedDataParallel put in front of it."""
    name = name.replace("_orig_mod.", "")
    while name.startswith("module."):
        name = name.removeprefix("module.")
    return name


def _named(parameters: Iterable[tuple[str, nn.Parameter]]) -> dict[str, nn.Parameter]:
    """{clean name: parameter}; the names stay as they are where two of them would become one."""
    named = dict(parameters)
    clean = {_clean(name): p for name, p in named.items()}
    return clean if len(clean) == len(named) else named


def _default_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in _named(module.named_parameters()).items() if p.ndim >= 2}


def _chosen_parameters(module: nn.Module, params: Iterable[str | tuple[str, nn.Parameter]]) -> dict[str, nn.Parameter]:
    try:
        items = [] if isinstance(params, str) else list(params)
    except TypeError:  # not iterable
        items = []
    if not items:
        raise TypeError(f"params={params!r:.60}: give a list of names, or of (name, parameter) pairs.")
    known = _named(module.named_parameters())
    chosen: dict[str, nn.Parameter] = {}
    for item in items:
        name, p = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
        if not isinstance(name, str) or not (p is None or (isinstance(p, Tensor) and p.is_leaf)):
            raise TypeError(f"params holds {item!r:.80}: give names, or (name, parameter) pairs.")
        name = name if name in known else _clean(name)
        if p is None and name not in known:
            raise ValueError(f"{name!r} is no parameter of {type(module).__name__}. It has: {', '.join(known)}.")
        if name in chosen:
            raise ValueError(f"params names {name!r} twice.")
        chosen[name] = known[name] if p is None else p
    return chosen


# --- activations, and gradients by them -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signal:
    """One forward and one backward pass, layer by layer, in the order in which the layers ran.

    names: the layers; a layer that ran twice has " (2)" behind its name the second time.
    activation: float64 [layers], root mean square of the layer's output, as it leaves the layer.
    gradient: float64 [layers], L2 norm of the gradient of the loss by that output; NaN where the loss ignores it.
    """

    names: list[str]
    activation: np.ndarray
    gradient: np.ndarray


def signal(
    module: nn.Module,
    batch: Tensor,
    labels: Tensor | None = None,
    loss_fn: Callable[..., Tensor] = F.cross_entropy,
) -> Signal:
    """The scale of each layer's output h and of dL/dh, for every layer that has a weight of two or more dimensions.

    batch: one input batch, such as float images [N, C, H, W]. labels: int64 [N], given to `loss_fn(output, labels)`.
    Without labels, cross-entropy takes 0, 1, 2, ... in turn, for a net that has not learned anything cannot tell, and
    any other loss is called as `loss_fn(output)`.

    The pass runs in train mode, as training would: BatchNorm uses the batch, and its running statistics, the modes, the
    gradients and the random state are put back, whatever happens. In-place ReLU and `+=` do not disturb it: the point
    in the graph is kept, not the tensor.
    """
    module = _unwrapped("signal", module, batch)
    if batch.device.type == "meta":
        raise ValueError("signal measures numbers, and tensors on the device 'meta' have none.")
    if not callable(loss_fn):
        raise TypeError(f"loss_fn={loss_fn!r}: give a function (output, labels) -> loss.")

    names: list[str] = []
    scales: list[float] = []
    edges: list[GradientEdge | None] = []

    def heard(name: str, _layer: nn.Module, _inputs: object, output: object) -> None:
        h = output[0] if isinstance(output, tuple | list) else output
        if not isinstance(h, Tensor) or not h.is_floating_point():
            return
        runs = 1 + sum(n == name or n.startswith(f"{name} (") for n in names)
        names.append(name if runs == 1 else f"{name} ({runs})")
        scales.append(_rms(h.detach()))
        edges.append(get_gradient_edge(h) if h.requires_grad else None)

    with _as_it_was(module), torch.enable_grad():
        module.train()
        x = batch.detach().clone()
        if x.is_floating_point():
            x.requires_grad_()  # so that a frozen net has a graph, too
        with _listening(_weighted_layers(module), heard):
            output = module(x)
        if loss_fn is F.cross_entropy:
            labels = _labels_for(output, labels)
        loss = loss_fn(output) if labels is None else loss_fn(output, labels)
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
            got = f"a tensor {list(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise ValueError(f"The loss has to be one number with a gradient; loss_fn returned {got}.")
        wanted = [edge for edge in edges if edge is not None]
        grads = iter(torch.autograd.grad(loss, wanted, allow_unused=True) if wanted else ())
    gradient = [torch.nan if (g := None if edge is None else next(grads)) is None else _l2(g) for edge in edges]
    return Signal(names, np.array(scales, dtype=np.float64), np.array(gradient, dtype=np.float64))


def first_nonfinite_layer(module: nn.Module, batch: Tensor) -> tuple[str | None, bool]:
    """Name of the first layer whose output on `batch` holds a NaN or an infinity; whether its weights are finite.

    The pass runs in the module's own mode; (None, True) where every output is finite.
    """
    module = _unwrapped("first_nonfinite_layer", module, batch)
    found: list[tuple[str, bool]] = []

    def heard(name: str, layer: nn.Module, _inputs: object, output: object) -> None:
        if not found and isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
            found.append((name, all(bool(torch.isfinite(p).all()) for p in layer.parameters())))

    leaves = [(name, m) for name, m in module.named_modules() if not any(m.children())]
    with _as_it_was(module), torch.no_grad(), _listening(leaves, heard):
        module(batch)
    return found[0] if found else (None, True)


def _unwrapped(who: str, module: nn.Module, batch: Tensor) -> nn.Module:
    """The module inside torch.compile's or DataParallel's wrapper, where hooks are heard; checks what was given."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"{who} takes an nn.Module; it was given {type(module).__name__}.")
    if not isinstance(batch, Tensor):
        raise TypeError(f"{who} takes one batch as a tensor; it was given {type(batch).__name__}.")
    if batch.ndim == 0 or len(batch) == 0:
        raise ValueError(f"{who} needs at least one example; the batch has the shape {list(batch.shape)}.")
    device = next((p.device for p in module.parameters()), batch.device)
    if device != batch.device:
        raise ValueError(f"{who}: the net is on {device}, the batch on {batch.device}. Move one with .to(device).")
    module = getattr(module, "_orig_mod", module)
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return module.module
    return module


def _labels_for(output: object, labels: Tensor | None) -> Tensor:
    """Labels that cross-entropy can take with `output`, made up or checked."""
    if not isinstance(output, Tensor) or output.ndim < 2 or (labels is None and output.ndim > 2):
        got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"signal needs logits [N, classes] for cross-entropy; the net returned {got}. Give a loss_fn.")
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


def _weighted_layers(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers with a weight of two or more dimensions of their own: BatchNorm and its like are not among them."""
    layers = [(n, m) for n, m in module.named_modules() if any(p.ndim >= 2 for p in m.parameters(recurse=False))]
    if not layers:
        raise ValueError(f"{type(module).__name__} has no layer with a weight of two or more dimensions to listen to.")
    return layers


def _l2(x: Tensor) -> float:
    return float(_norms([x])[0])


def _rms(x: Tensor) -> float:
    return _l2(x) / max(1, x.numel()) ** 0.5


@contextmanager
def _listening(layers: Iterable[tuple[str, nn.Module]], heard: Callable[..., None]) -> Iterator[None]:
    """Calls `heard(name, layer, inputs, output)` each time that one of the layers has run; no hook stays behind."""
    handles = [layer.register_forward_hook(partial(heard, _clean(name) or "(module)")) for name, layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _as_it_was(module: nn.Module) -> Iterator[None]:
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


# --- the layers of a net ----------------------------------------------------------------------------------------------


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
    module = _unwrapped("layer_table", module, batch)
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
    with _as_it_was(module), torch.no_grad(), _listening(layers, heard):
        module.eval()(batch)
    return table


# --- what one output sees ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels of the input that can change one position of the output.

    influence: float64, one number a pixel, [H, W] for images: root mean square of the gradient of the output by it.
    position: the place in the output that was looked at, (row, column) for images.
    """

    influence: np.ndarray
    position: tuple[int, ...]

    @property
    def box(self) -> tuple[slice, ...]:
        """The smallest window that holds every pixel with influence: `influence[field.box]` cuts it out."""
        seen = [np.flatnonzero(self._along(axis)) for axis in range(self.influence.ndim)]
        return tuple(slice(int(at[0]), int(at[-1]) + 1) for at in seen)

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of the box, in pixels. A field that is larger than the input is cut off at its border."""
        return tuple(side.stop - side.start for side in self.box)

    def _along(self, axis: int) -> np.ndarray:
        return self.influence.max(axis=tuple(i for i in range(self.influence.ndim) if i != axis))


def receptive_field(
    module: nn.Module, in_shape: Sequence[int], *, position: Sequence[int] | None = None, samples: int = 8
) -> ReceptiveField:
    """The receptive field of one output position, measured: the pixels by which it has a gradient that is not zero.

    in_shape: the shape of one input, such as (3, 32, 32), channels first. position: where in the output, such as
    (row, column); by default its middle. An output without places, such as logits, is taken whole.

    The net runs in eval mode on `samples` random inputs, for where a ReLU is off or a maximum lies elsewhere, a single
    input would hide pixels that can matter. What a pixel's influence is depends on the weights; Luo et al. 2016
    (arXiv 1701.04128) describe how it falls off from the centre. The module is left as it was.
    """
    shape = _whole_numbers("in_shape", in_shape)
    _whole_numbers("samples", [samples])
    if len(shape) < 2:
        raise ValueError(f"in_shape={in_shape!r}: give channels and at least one side, such as (3, 32, 32).")
    if not isinstance(module, nn.Module):
        raise TypeError(f"receptive_field takes an nn.Module; it was given {type(module).__name__}.")
    weight = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    if weight.device.type == "meta":
        raise ValueError("receptive_field measures numbers, and tensors on the device 'meta' have none.")
    noise = torch.randn(samples, *shape, generator=torch.Generator().manual_seed(0))
    x = noise.to(weight.device, weight.dtype).requires_grad_()
    module = _unwrapped("receptive_field", module, x)

    with _as_it_was(module), torch.enable_grad():
        output = module.eval()(x)
        if not isinstance(output, Tensor) or output.ndim < 2 or not output.numel():
            got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"receptive_field needs an output [N, channels, ...]; the module returned {got}.")
        sides = output.shape[2:]
        middle = [side // 2 for side in sides]
        place = _whole_numbers("position", middle if position is None else position, least=0)
        if len(place) != len(sides) or any(i >= side for i, side in zip(place, sides, strict=True)):
            raise ValueError(f"position={position!r}: the output has the sides {list(sides)}; give a place inside it.")
        here = output.permute(*range(2, output.ndim), 0, 1)[place]  # [N, channels]
        # Different weights on the channels, so that what one adds another one does not take away.
        total = (here * torch.linspace(1, 2, here.shape[1], dtype=here.dtype, device=here.device)).sum()
        (gradient,) = torch.autograd.grad(total, x, allow_unused=True) if total.requires_grad else (None,)
    if gradient is None or not bool(gradient.count_nonzero()):
        raise ValueError(f"No pixel of the input has any influence on the output at {place}.")
    return ReceptiveField(gradient.cpu().double().square().mean((0, 1)).sqrt().numpy(), place)


def receptive_field_formula(layers: Iterable[Sequence[int]]) -> int:
    """The side of the receptive field of convolutions and poolings in a row, in pixels of the input.

    layers: (kernel, stride) or (kernel, stride, dilation) of each one, the one next to the image first.
    Each adds dilation * (kernel - 1) steps, and a step is as many pixels as all the strides before it make it.
    """
    side, step = 1, 1
    for layer in _sequence("layers", layers):
        numbers = _whole_numbers("layer", layer)
        if len(numbers) not in (2, 3):
            raise ValueError(f"A layer is (kernel, stride) or (kernel, stride, dilation); it is {layer!r:.60}.")
        kernel, stride, dilation = (*numbers, 1)[:3]
        side += dilation * (kernel - 1) * step
        step *= stride
    return side


def _sequence(name: str, values: object) -> list[object]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{name}={values!r:.60}: give a list.")
    return list(values)


def _whole_numbers(name: str, values: object, least: int = 1) -> tuple[int, ...]:
    given = _sequence(name, values)
    numbers = [int(v) for v in given if isinstance(v, Integral) and not isinstance(v, bool)]
    if len(numbers) != len(given) or any(v < least for v in numbers):
        raise ValueError(f"{name}={values!r:.60}: give whole numbers of at least {least}.")
    return tuple(numbers)
