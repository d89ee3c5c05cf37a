"""Does the gradient with respect to the input agree at nearby points? (Balduzzi et al. 2017, 1702.08591)"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_edu import checks
from resnet_edu.probes.state import as_it_was, differentiable, unwrapped


@dataclass(frozen=True)
class Shattering:
    """The gradients with respect to the input at points on a line, compared with each other.

    norm: float64 [points], L2 norm of the gradient at each point.
    matrix: float64 [points, points], cosine between the gradients at each pair of points; NaN where one of them is 0.
    """

    norm: np.ndarray
    matrix: np.ndarray

    @property
    def cosine(self) -> np.ndarray:
        """float64 [points - 1], cosine between each point and the next: near 1 if smooth, near 0 if noisy."""
        return self.matrix.diagonal(1).copy()

    def __repr__(self) -> str:
        return f"Shattering({len(self.norm)} points, mean cosine of neighbors {self.cosine.mean():.3f})"


def shattering(
    module: nn.Module, start: Tensor, end: Tensor, *, points: int = 64, calibrate: Tensor | None = None
) -> Shattering:
    """The gradient of the summed output with respect to the input, at evenly spaced points between two inputs.

    start, end: two inputs without batch dimension, such as float images [C, H, W]; both ends are among the points.
    calibrate: a batch of inputs [N, ...], used to set BatchNorm's running statistics for this measurement: in a fresh
        network they are still 0 and 1 and do not describe images. Without it, the module's own are used.

    The points run in eval mode, where BatchNorm does not mix them.
    """
    points = checks.whole("points", points, at_least=2)
    line = torch.stack([start, end]).detach()
    module = unwrapped("shattering", module, line, listens=False)
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    if any(m.running_mean is None for m in norms):
        raise ValueError("A BatchNorm without running statistics mixes the points of a batch, also in eval mode.")

    where = torch.linspace(0, 1, points, dtype=line.dtype, device=line.device).view(-1, *[1] * start.ndim)
    x = ((1 - where) * line[0] + where * line[1]).requires_grad_()
    with as_it_was(module), torch.enable_grad():
        module.eval()
        if calibrate is not None:
            _calibrate(module, norms, calibrate.detach())
        output = module(x.clone())  # in-place operations are allowed on a copy, but not on a leaf
        if not isinstance(output, Tensor) or len(output) != points:
            raise ValueError(f"shattering needs an output with one row per point, [{points}, ...].")
        (gradient,) = torch.autograd.grad(differentiable("shattering: the output", output.sum()), x)
    gradients = gradient.flatten(1).cpu().double()
    norm = torch.linalg.vector_norm(gradients, dim=1)
    directions = gradients / norm[:, None]  # 0 / 0 is NaN
    return Shattering(norm.numpy(), (directions @ directions.T).clamp(-1, 1).numpy())


@torch.no_grad()
def _calibrate(module: nn.Module, norms: list[_BatchNorm], batch: Tensor) -> None:
    """Set BatchNorm's running statistics to those of one batch; dropout and the like stay off."""
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # None averages over all batches seen: here, one
            norm.train()
        module(batch.clone())  # a network that starts with an in-place operation writes into its input
        module.eval()
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
