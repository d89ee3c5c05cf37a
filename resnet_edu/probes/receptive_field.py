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

    influence: float64, one number per pixel, [H, W] for images: RMS of the output's gradient with respect to it.
    position: the output position that was measured, (row, column) for images.
    """

    influence: np.ndarray
    position: tuple[int, ...]

    @property
    def box(self) -> tuple[slice, ...]:
        """The smallest window containing every pixel with influence: `influence[field.box]` cuts it out."""
        seen = [np.flatnonzero(self._along(axis)) for axis in range(self.influence.ndim)]
        return tuple(slice(int(at[0]), int(at[-1]) + 1) for at in seen)

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of the box, in pixels. A field larger than the input is cut off at its border."""
        return tuple(side.stop - side.start for side in self.box)

    def _along(self, axis: int) -> np.ndarray:
        return self.influence.max(axis=tuple(i for i in range(self.influence.ndim) if i != axis))


def receptive_field(
    module: nn.Module, in_shape: Sequence[int], *, position: Sequence[int] | None = None, samples: int = 8
) -> ReceptiveField:
    """The receptive field of one output position, measured: the pixels with respect to which its gradient is not zero.

    in_shape: the shape of one input, such as (3, 32, 32), channels first. position: where in the output, such as
    (row, column); by default its center. An output without spatial dimensions, such as logits, is taken whole.

    The network runs in eval mode on `samples` random inputs: where a ReLU is off or another pixel is the maximum, a
    single input would hide pixels that can matter. A pixel's influence depends on the weights; Luo et al. 2016
    (arXiv 1701.04128) describe how it decays from the center. The module is left unchanged.
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
            raise ValueError(f"position={position!r}: the output's size is {list(sides)}; give a position inside it.")
        here = output.permute(*range(2, output.ndim), 0, 1)[place]  # [N, channels]
        # Different weights on the channels, so that their contributions do not cancel.
        total = (here * torch.linspace(1, 2, here.shape[1], dtype=here.dtype, device=here.device)).sum()
        (gradient,) = torch.autograd.grad(differentiable("receptive_field: the output", total), x, allow_unused=True)
    if gradient is None or not bool(gradient.count_nonzero()):
        raise ValueError(f"No input pixel has any influence on the output at {place}.")
    return ReceptiveField(gradient.cpu().double().square().mean((0, 1)).sqrt().numpy(), place)


def receptive_field_formula(layers: Iterable[Sequence[int]]) -> int:
    """Side length, in input pixels, of the receptive field of a sequence of convolutions and poolings.

    layers: (kernel, stride) or (kernel, stride, dilation) of each one, starting next to the image.
    Each adds dilation * (kernel - 1) steps; a step is as many pixels as the product of all the strides before it.
    """
    side, step = 1, 1
    for layer in layers:
        kernel, stride, dilation = (checks.whole("layer", n, at_least=1) for n in (*layer, 1)[: max(3, len(layer))])
        side += dilation * (kernel - 1) * step
        step *= stride
    return side
