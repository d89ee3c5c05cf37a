"""The receptive field: which pixels can change one output, measured by autograd and by the formula."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from resnet_edu import checks
from resnet_edu.probes.state import as_it_was, differentiable, ready, unwrapped


@dataclass(frozen=True)
class ReceptiveField:
    """influence: float64, one number per pixel, [H, W] for images: RMS of the output's gradient with respect to it."""

    influence: np.ndarray

    @property
    def box(self) -> tuple[slice, ...]:
        """The smallest window containing every pixel with influence: `influence[field.box]` cuts it out."""
        return tuple(slice(int(at.min()), int(at.max()) + 1) for at in self.influence.nonzero())

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of the box, in pixels. A field larger than the input is cut off at its border."""
        return tuple(side.stop - side.start for side in self.box)


def receptive_field(module: nn.Module, in_shape: Sequence[int], *, samples: int = 8) -> ReceptiveField:
    """The receptive field of the output's center, measured: the pixels with respect to which its gradient is not zero.

    in_shape: the shape of one input, such as (3, 32, 32), channels first. An output without spatial dimensions, such
    as logits, is taken whole.

    The network runs in eval mode on `samples` random inputs: where a ReLU is off or another pixel is the maximum, a
    single input would hide pixels that can matter. A pixel's influence depends on the weights; Luo et al. 2016
    (arXiv 1701.04128) describe how it decays from the center.
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
        here = output
        for side in output.shape[2:]:
            here = here[:, :, side // 2]  # at last [N, channels]
        # Different weights on the channels, so that their contributions do not cancel.
        total = (here * torch.linspace(1, 2, here.shape[1], dtype=here.dtype, device=here.device)).sum()
        (gradient,) = torch.autograd.grad(differentiable("receptive_field: the output", total), x, allow_unused=True)
    if gradient is None or not bool(gradient.count_nonzero()):
        raise ValueError("No input pixel has any influence on the center of the output.")
    return ReceptiveField(gradient.cpu().double().square().mean((0, 1)).sqrt().numpy())


def receptive_field_formula(layers: Iterable[Sequence[int]]) -> int:
    """Side length, in input pixels, of the receptive field of a sequence of convolutions and poolings.

    layers: (kernel, stride) or (kernel, stride, dilation) of each one, starting next to the image.
    """
    side, step = 1, 1
    for layer in layers:
        kernel, stride, dilation = (checks.whole("layer", n, at_least=1) for n in (*layer, 1)[: max(3, len(layer))])
        side += dilation * (kernel - 1) * step
        step *= stride
    return side
