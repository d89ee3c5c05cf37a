"""The loss around a net, on a line or a plane through its weights (Li et al. 2018).

    >>> directions = [probes.direction(net, seed=0), probes.direction(net, seed=1)]
    >>> steps = np.linspace(-1, 1, 21)
    >>> probes.landscape(net, lambda net: training.evaluate(net, few).loss, directions, steps)   # [21, 21]

Li, Xu, Taylor, Studer, Goldstein: "Visualizing the Loss Landscape of Neural Nets", arXiv 1712.09913.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
import torch
from torch import Tensor, nn

from resnet_edu.models.wrappers import bare
from resnet_edu.probes.lesion import Score, check_callable
from resnet_edu.probes.state import listed, number_from, weights_as_they_were

#: A step in weight space: {name of a parameter: tensor of its shape}. A parameter that is not named stays.
Direction = Mapping[str, Tensor]
NORMALIZATIONS = ("filter", None)


def direction(module: nn.Module, *, seed: int = 0, normalize: str | None = "filter") -> dict[str, Tensor]:
    """A random direction from the weights of `module`: Gaussian, for every weight of two or more dimensions.

    normalize: "filter" gives each filter (the weights of one output channel) the length of the net's own filter, so
    that a step of 1 means the same for every filter, layer and net (1712.09913, section 4); None leaves the length
    that chance gives. Biases and BatchNorm's parameters stay where they are, as in the
    authors' own code with its option `biasbn`.
    The global random state is not touched; the same seed gives the same direction on every device.
    """
    module = bare("direction", module)
    if not isinstance(seed, Integral) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise ValueError(f"seed={seed!r:.40}: give a whole number of at least 0.")
    if normalize is not None and (not isinstance(normalize, str) or normalize not in NORMALIZATIONS):
        raise ValueError(f"normalize={normalize!r:.40}: choose one of 'filter', None.")
    generator = torch.Generator().manual_seed(int(seed))
    found = {}
    for name, p in module.named_parameters():
        if p.ndim < 2:
            continue
        step = torch.randn(p.shape, generator=generator).to(p.device, p.dtype)
        found[name] = step * (_filter_norms(p) / _filter_norms(step).clamp_min(1e-30)) if normalize else step
    if not found:
        raise ValueError(f"{type(module).__name__} has no weight of two or more dimensions to move.")
    return found


def landscape(
    module: nn.Module,
    score: Score,
    directions: Sequence[Direction],
    x: Iterable[float],
    y: Iterable[float] | None = None,
) -> np.ndarray:
    """The score at weights + a * directions[0] (+ b * directions[1]), for every a in `x` and b in `y`.

    Returns float64 [len(x)] for one direction, [len(y), len(x)] for two; y is x where it is not given.
    score: a function of the net that returns one number; it finds the net in the mode that it is in.

    Weights are bit for bit as they were afterwards, and so are gradients, modes, statistics and the random state,
    whatever happens; each score starts from them, too.
    """
    module = bare("landscape", module)
    check_callable("landscape", score=score)
    if isinstance(directions, Mapping) or not isinstance(directions, Sequence) or len(directions) not in (1, 2):
        raise TypeError("landscape: give one or two directions in a list, such as [probes.direction(net)].")
    columns = _steps("x", x)
    if len(directions) == 1:
        if y is not None:
            raise ValueError("landscape: y needs a second direction.")
        rows = [0.0]
    else:
        rows = columns if y is None else _steps("y", y)

    def at(*steps: float) -> float:
        with moved(module, directions, steps):
            return number_from("landscape", score(module))

    if len(directions) == 1:
        return np.array([at(a) for a in columns], dtype=np.float64)
    return np.array([[at(a, b) for a in columns] for b in rows], dtype=np.float64)


@contextmanager
def moved(module: nn.Module, directions: Sequence[Direction], steps: Sequence[float]) -> Iterator[nn.Module]:
    """While it lasts, the weights are weights + steps[0] * directions[0] + steps[1] * directions[1] + ..."""
    module = bare("moved", module)
    if isinstance(directions, Mapping) or not isinstance(directions, Sequence) or not isinstance(steps, Sequence):
        raise TypeError("moved: give a list of directions and a list of as many steps.")
    parameters = dict(module.named_parameters())
    for toward in directions:
        _check_direction(toward, parameters)
    if len(_steps("steps", steps)) != len(directions):
        raise ValueError(f"moved: {len(directions)} directions need as many steps; there are {len(steps)}.")
    with weights_as_they_were(module):
        with torch.no_grad():
            for toward, step in zip(directions, steps, strict=True):
                for name, change in toward.items():
                    parameters[name].add_(change, alpha=float(step))
        yield module


def _filter_norms(weight: Tensor) -> Tensor:
    """The L2 norm of each output channel's weights, shaped to multiply them: [O, 1, ...]."""
    return weight.detach().flatten(1).norm(dim=1).view(-1, *[1] * (weight.ndim - 1))


def _check_direction(toward: object, parameters: Mapping[str, Tensor]) -> None:
    if not isinstance(toward, Mapping) or not toward:
        raise TypeError("A direction is {name of a parameter: tensor}, such as probes.direction(net) returns.")
    for name, change in toward.items():
        there = parameters.get(name)
        if there is None or not isinstance(change, Tensor) or change.shape != there.shape:
            got = list(change.shape) if isinstance(change, Tensor) else type(change).__name__
            needed = "no parameter of this net" if there is None else f"of the shape {list(there.shape)}"
            raise ValueError(f"The direction does not fit: {name!r:.60} is {needed}; the direction holds {got}.")
        if change.device != there.device or change.dtype != there.dtype:
            raise ValueError(
                f"The direction does not fit: {name!r:.60} is {there.dtype} on {there.device}, "
                f"the direction {change.dtype} on {change.device}. Make it anew with probes.direction(net)."
            )


def _steps(name: str, values: Iterable[float]) -> list[float]:
    numbers = listed(values)
    if not numbers or not all(isinstance(v, Real) and np.isfinite(float(v)) for v in numbers):
        raise ValueError(f"{name} has to be a list of finite numbers, such as np.linspace(-1, 1, 21).")
    return [float(v) for v in numbers]
