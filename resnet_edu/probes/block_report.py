"""Ten measurements that any correct residual block passes.

    >>> from resnet_edu import probes
    >>> report = probes.block_report(MyBlock)                # a class: MyBlock(in_channels, out_channels, stride)
    >>> print(report)
    branch growth: 10 (right: 1)
    >>> report["branch growth"].value, report["branch growth"].right, report["branch growth"].holds
    (10.0, 1.0, False)

The reference is the original basic block of He et al. 2015 (arXiv 1512.03385): two 3 x 3 convolutions with BatchNorm,
and, where the shape changes, a projection with BatchNorm (option B). No source code is read: every number comes from
building and running blocks. `MEASUREMENTS`, at the end, lists what is measured and what is right.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from resnet_edu.models.cifar import count_parameters
from resnet_edu.probes.dataflow import dataflow, summands
from resnet_edu.probes.norms import rms
from resnet_edu.probes.parts import is_leaf, parts
from resnet_edu.probes.state import listening

IN, OUT, SIDE, BATCH = 16, 32, 16, 8  # channels in and out; a block that keeps the shape has IN
PARAMETERS = 9 * IN * OUT + 9 * OUT * OUT + IN * OUT + 3 * 2 * OUT  # 3 x 3, 3 x 3, 1 x 1, three norms

#: Builds the block: `(in_channels, out_channels, stride) -> module`, module: [N, in, H, W] -> [N, out, H / s, W / s].
Build = Callable[[int, int, int], nn.Module]


@dataclass(frozen=True)
class Measured:
    """One measurement. value: NaN where the block raises an error or has nothing to measure; right: its target."""

    value: float
    right: float

    @property
    def holds(self) -> bool:
        return math.isclose(self.value, self.right, rel_tol=0.002, abs_tol=1e-6)

    @property
    def text(self) -> str:
        """The value with at most two decimals; a dash for NaN."""
        return "–" if math.isnan(self.value) else f"{round(self.value, 2):.6g}"


class BlockReport(dict[str, Measured]):
    """{measurement: `Measured`}, in the order of `MEASUREMENTS`. Its string lists the measurements that fail."""

    @property
    def wrong(self) -> list[str]:
        return [name for name, measured in self.items() if not measured.holds]

    def __str__(self) -> str:
        lines = [f"{name}: {self[name].text} (right: {self[name].right:g})" for name in self.wrong]
        return "\n".join(lines) or f"all {len(self)} measurements are right"


def block_report(build: Build, *, parameters: int | None = None, seed: int = 0) -> BlockReport:
    """Build blocks with `build(in_channels, out_channels, stride)`, run them on the CPU, and measure them.

    parameters: the expected number from 16 to 32 channels, if it is not a basic block with a projection.
    seed: for the weights and the batches.

    If the block raises RuntimeError, ValueError or IndexError during a measurement, its value is NaN. Other errors
    propagate: a NameError, or a TypeError because `build` takes other arguments, is not a property of the block.
    """
    report = BlockReport()
    with torch.random.fork_rng(devices=[]):
        for name, (measure, right) in MEASUREMENTS.items():
            torch.default_generator.manual_seed(seed)
            try:
                value = float(measure(build))
            except (RuntimeError, ValueError, IndexError):
                value = math.nan
            report[name] = Measured(value, right)
    if parameters is not None:
        report["parameters"] = replace(report["parameters"], right=parameters)
    return report


# --- what is measured -------------------------------------------------------------------------------------------------


def _zeroed(build: Build) -> nn.Module:
    block = build(IN, IN, 1)
    for p in block.parameters():
        nn.init.zeros_(p)
    return block


def _batch(side: int = SIDE) -> Tensor:
    """What a block receives inside a network: the output of a ReLU, without negative values. [N, IN, side, side]."""
    return torch.randn(BATCH, IN, side, side).abs()


def _right_sizes(build: Build) -> int:
    """Number of input sides, 2 to 16, for which both summands and the output have the expected shape.

    Summands of different shapes can be added silently: PyTorch broadcasts a 1 x 1 map.
    """
    right = 0
    for side in range(2, 17):
        try:
            steps = dataflow(build(IN, OUT, 2), _batch(side))
        except (RuntimeError, ValueError):
            continue
        shapes = {steps[i].out_shape for pair in summands(steps) for i in pair if i >= 0}
        right += {*shapes, steps[-1].out_shape} == {(OUT, (side + 1) // 2, (side + 1) // 2)}
    return right


def _idle(build: Build) -> int:
    """Parameters with gradient 0: in float64, below 1e-9 of the largest, since rounding leaves a residue."""
    block = build(IN, OUT, 2).double()
    block(_batch().double()).square().sum().backward()
    grads = [torch.zeros_like(p) if p.grad is None else p.grad.abs() for p in block.parameters()]
    largest = max(float(g.max()) for g in grads)
    return sum(int((g < 1e-9 * largest).sum()) for g in grads)


def _passes_x(build: Build) -> float:
    """With every parameter set to 0: the output as a multiple of x."""
    block, x = _zeroed(build), _batch()
    y = block(x).detach()
    return float((y * x).sum() / (x * x).sum())


def _passes_gradient(build: Build) -> float:
    """With every parameter set to 0: dL/dx as a multiple of dL/dy."""
    block, x = _zeroed(build), _batch().requires_grad_()
    y = block(x)
    g = torch.randn_like(y)  # dL/dy of some loss
    (arrived,) = torch.autograd.grad(y, x, g)
    return float((arrived * g).sum() / (g * g).sum())


def _growth(build: Build, which: int) -> float:
    """Growth factor of a summand (0: the branch, 1: the shortcut) when all convolution weights grow tenfold."""
    block, x, sizes = build(IN, OUT, 2), _batch(), []
    for factor in (1.0, 10.0):
        for layer in block.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data *= factor
        steps = dataflow(block, x)
        position = summands(steps)[0][which]
        sizes.append(rms(x) if position < 0 else steps[position].rms)
    return sizes[1] / sizes[0]


def _overwritten(build: Build) -> int:
    """Number of layer outputs, kept by a forward hook, whose values change before the forward pass ends."""
    block, kept = build(IN, IN, 1), list[tuple[Tensor, Tensor]]()
    leaves = [(name, part) for name, part in parts(block) if is_leaf(part)]
    with torch.no_grad(), listening(leaves, lambda _name, _layer, _inputs, y: kept.append((y, y.clone()))):
        block(_batch())
    return sum(not torch.equal(now, then) for now, then in kept)


MEASUREMENTS: dict[str, tuple[Callable[[Build], float], float]] = {
    "output side": (lambda build: build(IN, OUT, 2)(_batch()).shape[-1] / SIDE, 0.5),
    "sizes of 15": (_right_sizes, 15),
    "parameters": (lambda build: count_parameters(build(IN, OUT, 2)), PARAMETERS),
    "idle parameters": (_idle, 0),
    "additions": (lambda build: len(summands(dataflow(build(IN, IN, 1), _batch()))), 1),
    "passes x": (_passes_x, 1),
    "passes gradient": (_passes_gradient, 1),
    "branch growth": (lambda build: _growth(build, 0), 1),
    "shortcut growth": (lambda build: _growth(build, 1), 1),
    "overwritten outputs": (_overwritten, 0),
}
