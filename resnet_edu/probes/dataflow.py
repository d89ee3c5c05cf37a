"""The path of the data through a block: each step that ran, its inputs, and the size of its output."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from resnet_edu.probes.norms import rms
from resnet_edu.probes.parts import is_leaf, parts
from resnet_edu.probes.state import as_it_was, listening, tensors_in, unwrapped

#: Labels in a drawing for kinds of steps whose names are unclear or too long.
WORDS = {
    "add": "+",
    "mul": "×",
    "relu": "ReLU",
    "getitem": "select",
    "multi_head_attention_forward": "attention",
    "max_pool2d": "max pool",
    "MaxPool2d": "max pool",
    "BatchNorm2d": "BatchNorm",
    "PadShortcut": "subsample,\npad",
}


@dataclass(frozen=True)
class Step:
    """One step of `dataflow`: a layer, or a function such as an addition.

    name: the layer's name in the module; "" for a function.
    kind: the layer's class, or the function's name: "Conv2d", "add", "relu".
    label: its text in a drawing.
    sources: positions of the steps whose outputs it takes; -1 is the module's input.
    out_shape: the shape of its output without the batch dimension; of several outputs (as from chunk), the first's.
    rms: root mean square of that output.
    """

    name: str
    kind: str
    label: str
    sources: tuple[int, ...]
    out_shape: tuple[int, ...]
    rms: float


def dataflow(module: nn.Module, batch: Tensor) -> list[Step]:
    """Run one batch in train mode and list the steps that the output depends on; the last one produces it.

    The list reflects what ran, not what the layers are called: a layer that is never called is missing, one that is
    called too early is listed too early, and an addition in `forward` is a step of its own. A layer that returns its
    input itself, such as `nn.Identity`, is not a step. `plots.blocks` draws this list.
    """
    module = unwrapped("dataflow", module, batch)
    leaves = [(name, part) for name, part in parts(module) if name and is_leaf(part)]
    x = batch.detach().clone()
    recorder = _Dataflow(x)
    with as_it_was(module), torch.no_grad(), listening(leaves, recorder.leave, entering=recorder.enter), recorder:
        output = module.train()(x)
    if not isinstance(output, Tensor):
        raise TypeError(f"dataflow follows one tensor; {type(module).__name__} returned {type(output).__name__}.")
    return recorder.steps_to(output)


def summands(steps: Sequence[Step]) -> list[tuple[int, int]]:
    """For each addition in `dataflow`'s list: the positions of its two summands, -1 for the input itself.

    The one that took more steps to compute, the branch, comes first.
    """
    behind = {-1: 0}
    for i, step in enumerate(steps):
        behind[i] = 1 + max((behind[source] for source in step.sources), default=0)
    pairs = [step.sources for step in steps if step.kind == "add" and len(step.sources) == 2]
    return [(a, b) if behind[a] >= behind[b] else (b, a) for a, b in pairs]


class _Dataflow(TorchFunctionMode):
    """Records every layer without sublayers, and every PyTorch function that is called outside of them."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.position = {id(x): -1}  # the step that a tensor comes from
        self.kept = [x]  # alive, so that no id is used twice
        self.running: list[list[int]] = []  # the input versions of each layer that is running

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        changed = args[0] if func.__name__ == "__setitem__" else out  # x[i] = y returns nothing
        if not self.running and (found := list(tensors_in(changed))):
            kind = (func.__self__ if func.__name__ == "__get__" else func).__name__.strip("_")  # x.mT gets "mT"
            label = "+=" if func.__name__ == "add_" else WORDS.get(kind, kind)
            self.note("", kind, label, [args, kwargs], found)
        return out

    def enter(self, _name: str, _layer: nn.Module, inputs: object) -> None:
        self.running.append([x._version for x in tensors_in(inputs)])

    def leave(self, name: str, layer: nn.Module, inputs: object, output: object) -> None:
        if len(self.running) == 1:
            untouched = self.running[0] == [x._version for x in tensors_in(inputs)]
            handed_on = {id(x) for x in tensors_in(inputs)} if untouched else set()
            if found := [out for out in tensors_in(output) if id(out) not in handed_on]:
                self.note(name, type(layer).__name__, _label(layer), inputs, found)
        self.running.pop()

    def note(self, name: str, kind: str, label: str, inputs: object, found: list[Tensor]) -> None:
        """Record one step, however many tensors it returned."""
        sources = tuple(self.position[id(x)] for x in tensors_in(inputs) if id(x) in self.position)
        self.steps.append(Step(name, kind, label, sources, tuple(found[0].shape[1:]), rms(found[0])))
        self.position |= {id(out): len(self.steps) - 1 for out in found}
        self.kept += found

    def steps_to(self, output: Tensor) -> list[Step]:
        """The steps that `output` depends on, in execution order."""
        needed, waiting = set[int](), [self.position.get(id(output), -1)]
        while waiting:
            here = waiting.pop()
            if here >= 0 and here not in needed:
                needed.add(here)
                waiting += self.steps[here].sources
        order = sorted(needed)
        new = {-1: -1, **{old: i for i, old in enumerate(order)}}
        return [replace(self.steps[old], sources=tuple(new[s] for s in self.steps[old].sources)) for old in order]


def _label(layer: nn.Module) -> str:
    """A layer's label in a drawing: at most two short lines."""
    if isinstance(layer, nn.Conv2d):
        size = "×".join(map(str, layer.kernel_size))
        stride = "" if set(layer.stride) == {1} else f", /{layer.stride[0]}"
        return f"conv {size}{stride}\n{layer.in_channels} → {layer.out_channels}"
    if isinstance(layer, nn.Linear):
        return f"linear\n{layer.in_features} → {layer.out_features}"
    return WORDS.get(type(layer).__name__, type(layer).__name__)
