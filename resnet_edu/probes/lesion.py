"""What a trained net loses without one of its blocks, or with its blocks in another order (Veit et al. 2016).

    >>> blocks = [name for name, layer in net.named_modules() if isinstance(layer, models.Block)]
    >>> probes.lesions(net, blocks, lambda net: training.evaluate(net, test).accuracy).scores

`without` and `reordered` change a net for the length of a `with` block; `lesions` takes out one block after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu.models.wrappers import bare
from resnet_edu.probes.state import as_it_was, listed, number_from, weights_as_they_were

#: Any judgment of a net as one number, such as `lambda net: training.evaluate(net, test).accuracy`.
Score = Callable[[nn.Module], float]


@dataclass(frozen=True)
class Lesions:
    """names: the blocks. intact: the score of the whole net. scores: float64 [blocks], each without one block."""

    names: list[str]
    intact: float
    scores: np.ndarray


class PassOn(nn.Module):
    """Stands where a block was: hands its input on, and has nothing to learn.

    Where the block changed the shape, every second (third, ...) pixel and zeros for the new channels: option A of He et
    al. 2015. The first time that it runs, the block itself runs once, unseen, to tell the shape.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self._shape_of = (block,)  # in a tuple, so that the block is no part of this module
        self._change: tuple[int, int] | None = None  # (stride, new channels)

    def forward(self, x: Tensor) -> Tensor:
        if self._change is None:
            self._change = self._learn_change(x)
        stride, channels = self._change
        if (stride, channels) == (1, 0):
            return x
        return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, channels))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> PassOn:
        """What moves the net, such as `net.to(device)`, moves the block, too, which has to tell the shape."""
        self._shape_of[0]._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def _learn_change(self, x: Tensor) -> tuple[int, int]:
        (block,) = self._shape_of
        with as_it_was(block), torch.no_grad():
            y = block(x.clone() if isinstance(x, Tensor) else x)  # a block may write into what it is given
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            if x.shape == y.shape:
                return 1, 0
            if x.ndim == y.ndim == 4 and y.shape[1] >= x.shape[1]:
                stride = round(x.shape[-1] / y.shape[-1])
                if [-(-side // stride) for side in x.shape[2:]] == list(y.shape[2:]):
                    return stride, y.shape[1] - x.shape[1]
        shapes = " to ".join(str(list(t.shape)) if isinstance(t, Tensor) else type(t).__name__ for t in (x, y))
        raise ValueError(
            f"{type(block).__name__} turns {shapes}, and nothing without weights can stand in for it. "
            "Say what can: stand_in=lambda block: ..., a function from the block to a module."
        )


def lesions(
    module: nn.Module, blocks: Iterable[str], score: Score, *, stand_in: Callable[[nn.Module], nn.Module] = PassOn
) -> Lesions:
    """The score of the net without each of the `blocks`, one at a time (Veit et al. 2016, 1605.06431, section 4.1).

    module: any `nn.Module`. blocks: names of submodules, as `named_modules` has them. score: a function of the net
    that returns one number. stand_in: what takes the place of a block, as a function of the block; by default `PassOn`.

    Weights, gradients, modes, statistics and the random state are put back after each score, whatever happens.
    """
    module = bare("lesions", module)
    names = known_blocks("lesions", module, blocks)
    check_callable("lesions", score=score, stand_in=stand_in)

    def judged(*gone: str) -> float:
        with without(module, *gone, stand_in=stand_in):
            return number_from("lesions", score(module))

    intact = judged()
    return Lesions(names, intact, np.array([judged(name) for name in names], dtype=np.float64))


@contextmanager
def without(
    module: nn.Module, *blocks: str, stand_in: Callable[[nn.Module], nn.Module] = PassOn
) -> Iterator[nn.Module]:
    """While it lasts, each of these blocks is replaced by `stand_in(block)`; see `lesions`."""
    module = bare("without", module)
    names = known_blocks("without", module, blocks) if blocks else []
    check_callable("without", stand_in=stand_in)
    stand_ins = {name: stand_in(module.get_submodule(name)) for name in names}
    for name, replacement in stand_ins.items():
        if not isinstance(replacement, nn.Module):
            raise TypeError(f"stand_in returned {type(replacement).__name__} for {name!r}: it returns an nn.Module.")
    with _replaced(module, stand_ins):
        yield module


@contextmanager
def reordered(module: nn.Module, blocks: Iterable[str], order: Sequence[int]) -> Iterator[nn.Module]:
    """While it lasts, the place of `blocks[i]` holds the block `blocks[order[i]]` (Veit et al. 2016, section 4.3).

    The blocks that change places have to be of one form: the same type, with weights of the same shapes.
    """
    module = bare("reordered", module)
    names = known_blocks("reordered", module, blocks)
    asked = listed(order)
    numbers = [int(i) for i in asked if isinstance(i, Integral) and not isinstance(i, bool)]
    if len(numbers) != len(asked) or sorted(numbers) != list(range(len(names))):
        raise ValueError(f"order={order!r:.60}: give the numbers 0 to {len(names) - 1} in another order, each once.")
    found = [module.get_submodule(name) for name in names]
    for name, block, i in zip(names, found, numbers, strict=True):
        if _form(block) != _form(found[i]):
            raise ValueError(f"{names[i]!r} cannot stand in the place of {name!r}: their weights differ in shape.")
    with _replaced(module, {name: found[i] for name, i in zip(names, numbers, strict=True)}):
        yield module


@contextmanager
def _replaced(module: nn.Module, replacements: dict[str, nn.Module]) -> Iterator[None]:
    places = []
    for name in replacements:
        parent, _, child = name.rpartition(".")
        places.append((module.get_submodule(parent), child, module.get_submodule(name)))
    with weights_as_they_were(module):
        try:
            for (parent_module, child, block), replacement in zip(places, replacements.values(), strict=True):
                parent_module._modules[child] = replacement.train(block.training)
            yield
        finally:
            for parent_module, child, block in places:
                parent_module._modules[child] = block


def _form(block: nn.Module) -> tuple[type, list[tuple[str, torch.Size]]]:
    return type(block), [(name, tensor.shape) for name, tensor in block.state_dict().items()]


def known_blocks(who: str, module: nn.Module, blocks: Iterable[str]) -> list[str]:
    names = listed(blocks)
    known = [name for name, _ in module.named_modules(remove_duplicate=False) if name]
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise ValueError(
                f"{who}: {name!r:.60} is no part of {type(module).__name__}. "
                f"Give names as named_modules() has them, such as {known[-1] if known else '(it has none)'!r}."
            )
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{who} needs the name of at least one block, each once; it was given {names!r:.60}.")
    for name in names:
        if inside := [other for other in names if other.startswith(f"{name}.")]:
            raise ValueError(f"{who}: {inside[0]!r} is a part of {name!r}: give one of them.")
    return names


def check_callable(who: str, **functions: object) -> None:
    for name, function in functions.items():
        if not callable(function):
            raise TypeError(f"{who}: {name}={function!r:.60}: give a function of the module.")
