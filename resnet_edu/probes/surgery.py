"""A trained network that is changed: blocks removed or reordered, or its weights moved along a line or a plane.

    >>> blocks = [name for name, layer in net.named_modules() if isinstance(layer, models.Block)]
    >>> probes.lesions(net, blocks, lambda net: training.evaluate(net, test).accuracy).scores

    >>> directions = [probes.direction(net, seed=0), probes.direction(net, seed=1)]
    >>> steps = np.linspace(-1, 1, 21)
    >>> probes.landscape(net, lambda net: training.evaluate(net, few).loss, directions, steps)   # [21, 21]

Veit, Wilber, Belongie 2016 (arXiv 1605.06431) remove and reorder blocks; Li, Xu, Taylor, Studer, Goldstein 2018
(arXiv 1712.09913) draw the loss around a network. `without`, `reordered` and `moved` change a network within a `with`
block and put it back afterwards.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu import checks
from resnet_edu.probes.parts import named, parts, weights
from resnet_edu.probes.state import as_it_was, ready, weights_as_they_were

#: Any evaluation of a network as one number, such as `lambda net: training.evaluate(net, test).accuracy`.
Score = Callable[[nn.Module], float]


@dataclass(frozen=True)
class Lesions:
    """names: the blocks. intact: the score of the whole network. scores: float64 [blocks], each without one block."""

    names: list[str]
    intact: float
    scores: np.ndarray


class PassOn(nn.Module):
    """Replaces a block: returns its first input, and has no parameters.

    Where the block changed the shape, every second (third, ...) pixel is kept and new channels are zero: option A of
    He et al. 2015. The first time it runs, it runs the block itself once, outside the graph, to learn the shape.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self._shape_of = (block,)  # in a tuple, so that the block is not a submodule
        self._change: tuple[int, int] | None = None  # (stride, new channels)

    def forward(self, x: Tensor, *others: Any, **options: Any) -> Tensor:
        if self._change is None:
            self._change = self._learn_change(x, *others, **options)
        stride, channels = self._change
        if (stride, channels) == (1, 0):
            return x
        return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, channels))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        """Moving the network, as with `net.to(device)`, moves the block, too: it is still needed for the shape."""
        self._shape_of[0]._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def _learn_change(self, x: Tensor, *others: Any, **options: Any) -> tuple[int, int]:
        (block,) = self._shape_of
        with as_it_was(block), torch.no_grad():
            y = block(x.clone() if isinstance(x, Tensor) else x, *others, **options)  # a block may write into its input
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            if x.shape == y.shape:
                return 1, 0
            if x.ndim == y.ndim == 4 and y.shape[1] >= x.shape[1]:
                stride = round(x.shape[-1] / y.shape[-1])
                if [-(-side // stride) for side in x.shape[2:]] == list(y.shape[2:]):
                    return stride, y.shape[1] - x.shape[1]
        shapes = " to ".join(str(list(t.shape)) if isinstance(t, Tensor) else type(t).__name__ for t in (x, y))
        raise ValueError(f"{type(block).__name__} turns {shapes}, and no layer without weights can replace it.")


def lesions(module: nn.Module, blocks: Iterable[str], score: Score) -> Lesions:
    """Score the network without each of the `blocks`, one at a time (Veit et al. 2016, 1605.06431, section 4.1).

    blocks: names of submodules, as in `named_modules`.
    """
    names = list(blocks)
    intact = scored(score, without(module))
    return Lesions(names, intact, np.array([scored(score, without(module, name)) for name in names], dtype=np.float64))


def scored(score: Score, changed: AbstractContextManager[nn.Module]) -> float:
    """The score of the network inside a `with` block."""
    with changed as net:
        value = score(net)
        return float(value.detach() if isinstance(value, Tensor) else value)


@contextmanager
def without(module: nn.Module, *blocks: str) -> Iterator[nn.Module]:
    """Context manager: inside it, each of these blocks is replaced by `PassOn`."""
    module = ready("without", module)
    with _replaced(module, {name: PassOn(block) for name, block in named(module, blocks).items()}):
        yield module


@contextmanager
def reordered(module: nn.Module, blocks: Iterable[str], order: Sequence[int]) -> Iterator[nn.Module]:
    """Context manager: inside it, `blocks[order[i]]` takes the place of `blocks[i]` (Veit et al. 2016, section 4.3).

    Blocks that swap places must take and return the same shapes.
    """
    module = ready("reordered", module)
    found = named(module, blocks)
    names = list(found)
    if sorted(order) != list(range(len(names))):
        raise ValueError(f"order={order!r:.60}: give a permutation of the numbers 0 to {len(names) - 1}.")
    with _replaced(module, {name: found[names[i]] for name, i in zip(names, order, strict=True)}):
        yield module


@contextmanager
def _replaced(module: nn.Module, replacements: dict[str, nn.Module]) -> Iterator[None]:
    inside = dict(parts(module, every_name=True))
    places = []
    for name in replacements:
        parent, _, child = name.rpartition(".")
        places.append((inside[parent]._modules, child, inside[parent]._modules[child], inside[name].training))
    with weights_as_they_were(module):
        try:
            for (siblings, child, _, training), replacement in zip(places, replacements.values(), strict=True):
                siblings[child] = replacement.train(training)
            yield
        finally:
            for siblings, child, block, _ in places:
                siblings[child] = block


# --- the loss around a network ----------------------------------------------------------------------------------------

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
        if id(p) in chosen:
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
