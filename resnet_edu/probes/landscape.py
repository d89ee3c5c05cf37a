"""The loss around a network, on a line or a plane through its weights (Li et al. 2018).

    >>> directions = [probes.direction(net, seed=0), probes.direction(net, seed=1)]
    >>> steps = np.linspace(-1, 1, 21)
    >>> probes.landscape(net, lambda net: training.evaluate(net, few).loss, directions, steps)   # [21, 21]

Li, Xu, Taylor, Studer, Goldstein: "Visualizing the Loss Landscape of Neural Nets", arXiv 1712.09913.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from resnet_edu import checks
from resnet_edu.probes.lesion import Score, scored
from resnet_edu.probes.parts import weights
from resnet_edu.probes.state import ready, weights_as_they_were

#: A step in weight space: {name of a parameter: tensor of its shape}. Parameters not named stay fixed.
Direction = Mapping[str, Tensor]


def direction(module: nn.Module, *, seed: int = 0, normalize: str | None = "filter") -> dict[str, Tensor]:
    """A random direction from the weights of `module`: Gaussian, for every weight of two or more dimensions.

    normalize: "filter" gives each filter (the weights of one output channel) the norm of the network's own filter, so
    that a step of 1 means the same for every filter, layer and network (1712.09913, section 4); None keeps the random
    norm. Biases and BatchNorm's parameters stay fixed, as in the authors' own code with its option `biasbn`.
    The same seed gives the same direction on every device.
    """
    module = ready("direction", module)
    checks.choice("normalize", normalize, ("filter", None))
    generator = torch.Generator().manual_seed(checks.seed(seed))
    chosen = {id(weight.parameter) for weight in weights(module)}
    found = {}
    for name, p in module.named_parameters():
        if id(p) not in chosen:
            continue
        step = torch.randn(p.shape, generator=generator).to(p.device, p.dtype)
        found[name] = step * (_filter_norms(p) / _filter_norms(step).clamp_min(1e-30)) if normalize else step
    if not found:
        raise ValueError(f"{type(module).__name__} has no weight of two or more dimensions to move along.")
    return found


def landscape(module: nn.Module, score: Score, directions: Sequence[Direction], x: Iterable[float]) -> np.ndarray:
    """The score at weights + a * directions[0] (+ b * directions[1]), for every a and b in `x`.

    Returns float64 [len(x)] for one direction; [len(x), len(x)] for two, a row for each b. The network keeps its mode,
    and is restored bit for bit after each.
    """
    steps = list(x)

    def at(*point: float) -> float:
        return scored(score, moved(module, directions, point))

    if len(directions) == 1:
        return np.array([at(a) for a in steps], dtype=np.float64)
    return np.array([[at(a, b) for a in steps] for b in steps], dtype=np.float64)


@contextmanager
def moved(module: nn.Module, directions: Sequence[Direction], steps: Sequence[float]) -> Iterator[nn.Module]:
    """Within a `with` block, set the weights to weights + steps[0] * directions[0] + steps[1] * directions[1] + ..."""
    module = ready("moved", module)
    parameters = dict(module.named_parameters())
    for toward in directions:
        for name, change in toward.items():
            if name not in parameters or change.shape != parameters[name].shape:  # add_ would broadcast
                needed = f"has the shape {list(parameters[name].shape)}" if name in parameters else "is not a parameter"
                raise ValueError(f"The direction does not fit: {name!r} {needed}; it holds {list(change.shape)}.")
    with weights_as_they_were(module):
        with torch.no_grad():
            for toward, step in zip(directions, steps, strict=True):
                for name, change in toward.items():
                    parameters[name].add_(change, alpha=float(step))
        yield module


def _filter_norms(weight: Tensor) -> Tensor:
    """The L2 norm of each output channel's weights, shaped to multiply them: [O, 1, ...]."""
    return weight.detach().flatten(1).norm(dim=1).view(-1, *[1] * (weight.ndim - 1))
