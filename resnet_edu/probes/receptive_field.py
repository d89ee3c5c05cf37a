"""The receptive field: which pixels can change one output, measured by autograd and by the formula."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from resnet_edu import checks
from resnet_edu.probes.state import as_it_was, differentiable, ready, unwrapped


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
    (arXiv 1701.04128) describe how it falls off from the center. The module is left as it was.
    """
    module = ready("receptive_field", module)
    weight = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    noise = torch.randn(samples, *in_shape, generator=torch.Generator().manual_seed(0))
    x = noise.to(weight.device, weight.dtype).requires_grad_()
    module = unwrapped("receptive_field", module, x, listens=False)

    with as_it_was(module), torch.enable_grad():
        output = module.eval()(x.clone())  # in-place operations are allowed on a copy, not on a leaf
        if not isinstance(output, Tensor) or output.ndim < 2 or not output.numel():
            got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"receptive_field needs an output [N, channels, ...]; the module returned {got}.")
        sides = output.shape[2:]
        place = tuple(side // 2 for side in sides) if position is None else tuple(position)
        if len(place) != len(sides) or not all(0 <= i < side for i, side in zip(place, sides, strict=True)):
            raise ValueError(f"position={position!r}: the output has the sides {list(sides)}; give a place inside it.")
        here = output.permute(*range(2, output.ndim), 0, 1)[place]  # [N, channels]
        # Different weights on the channels, so that what one adds another one does not take away.
        total = (here * torch.linspace(1, 2, here.shape[1], dtype=here.dtype, device=here.device)).sum()
        (gradient,) = torch.autograd.grad(differentiable("receptive_field: the output", total), x, allow_unused=True)
    if gradient is None or not bool(gradient.count_nonzero()):
        raise ValueError(f"No pixel of the input has any influence on the output at {place}.")
    return ReceptiveField(gradient.cpu().double().square().mean((0, 1)).sqrt().numpy(), place)


def receptive_field_formula(layers: Iterable[Sequence[int]]) -> int:
    """The side of the receptive field of convolutions and poolings in a row, in pixels of the input.

    layers: (kernel, stride) or (kernel, stride, dilation) of each one, the one next to the image first.
    Each adds dilation * (kernel - 1) steps, and a step is as many pixels as all the strides before it make it.
    """
    side, step = 1, 1
    for layer in layers:
        kernel, stride, dilation = (checks.whole("layer", n, at_least=1) for n in (*layer, 1)[: max(3, len(layer))])
        side += dilation * (kernel - 1) * step
        step *= stride
    return side
