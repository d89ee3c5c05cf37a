"""The gradient of a residual network, sorted by the paths it took (Veit et al. 2016, arXiv 1605.06431).

A block x + F(x) has the Jacobian I + F'. The product of n such factors, multiplied out, is a sum of 2^n terms: one for
each way of choosing, at every block, the branch (F') or the shortcut (I). Such a choice is a *path*; its *length*
is the number of branches on it.

    >>> paths = probes.Paths(net, images, [f"{name}.branch" for name in blocks], labels)
    >>> paths.by_length().flatten(1).norm(dim=1)      # [n + 1]: norms of what came through 0, 1, ..., n branches
    >>> paths.along([])                               # the gradient that came through no branch at all
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu.probes.parts import named
from resnet_edu.probes.state import as_it_was, listening, loss_of, unwrapped


class Paths:
    """One forward pass; then the gradient of its loss with respect to the batch, along any path or by path length.

    module: any `nn.Module` in which some submodules are branches whose output is added to a shortcut.
    batch: one floating-point input batch. branches: the names of these submodules; each runs once and takes and returns
    one tensor. labels, loss_fn: as in `signal`.

    The pass runs in the module's own mode. What lies between the branches (shortcuts, a ReLU after the addition, stem
    and classifier) belongs to every path that crosses it. Then the sum over all 2^n paths is exactly the gradient, in
    any such network; but only in a pre-activation network is the path around a block the bare shortcut, with no ReLU.
    """

    def __init__(
        self,
        module: nn.Module,
        batch: Tensor,
        branches: Iterable[str],
        labels: Tensor | None = None,
        loss_fn: Callable[..., Tensor] = F.cross_entropy,
    ) -> None:
        module = unwrapped("Paths", module, batch)
        self._module = module
        wanted = named(module, branches)
        if inside := [name for name in wanted if any(name.startswith(f"{other}.") for other in wanted)]:
            raise ValueError(f"Paths: {inside[0]!r} is inside another branch: give only one of the two.")
        self.names: list[str] = []
        # Each branch is cut out of the graph at both ends: the trunk's tensor going in and the branch's output are each
        # replaced by a leaf. The trunk is then one graph without branches, and each branch a graph of its own.
        self._trunk_in: list[Tensor] = []
        self._branch_in: list[Tensor] = []
        self._branch_out: list[Tensor] = []
        self._trunk_out: list[Tensor] = []
        self._x = batch.detach().clone().requires_grad_()

        def going_in(name: str, _branch: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor]:
            if len(inputs) != 1 or not isinstance(inputs[0], Tensor) or name in self.names:
                raise ValueError(f"Paths: the branch {name!r} must run exactly once, on one tensor.")
            leaf = inputs[0].detach().clone().requires_grad_()
            self.names.append(name)
            self._trunk_in.append(inputs[0].clone())  # the trunk may continue in place
            self._branch_in.append(leaf)
            return (leaf.clone(),)  # in-place operations are allowed on a copy, not on a leaf

        def coming_out(_name: str, _branch: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            leaf = output.detach().clone().requires_grad_()
            self._branch_out.append(output)
            self._trunk_out.append(leaf)
            return leaf.clone()

        with as_it_was(module), torch.enable_grad(), listening(wanted.items(), coming_out, entering=going_in):
            self._loss = loss_of("Paths", module(self._x.clone()), labels, loss_fn)
        if absent := [name for name in wanted if name not in self.names]:
            raise ValueError(f"Paths: {absent[0]!r} did not run.")

    def by_length(self) -> Tensor:
        """[n + 1, *batch.shape]: the gradient through exactly 0, 1, ..., n branches. They sum to the full gradient.

        Exact, without sampling: the gradient is sorted by length as it propagates back, in n (n + 1) / 2 backward
        passes through one branch each.
        """
        n = len(self.names)
        result = torch.zeros(n + 1, *self._x.shape, dtype=self._x.dtype, device=self._x.device)
        with as_it_was(self._module):  # activation checkpointing runs its layers once more
            result[0], arriving = self._down_the_trunk(self._loss, None, n)
            # waiting[i][k] reached branch i through k others.
            waiting: list[dict[int, Tensor]] = [{} if g is None else {0: g} for g in arriving]
            for i in reversed(range(n)):
                for k, g in waiting[i].items():
                    at_input, arriving = self._down_the_trunk(self._trunk_in[i], self._through(i, g), i)
                    result[k + 1] += at_input
                    for before, part in zip(waiting[:i], arriving, strict=True):
                        if part is not None:
                            before[k + 1] = before[k + 1] + part if k + 1 in before else part
        return result

    def along(self, path: Iterable[int | str]) -> Tensor:
        """[*batch.shape]: the gradient through exactly these branches, given by name or position, and no others."""
        steps = sorted({self._position(step) for step in path}, reverse=True)
        output, g = self._loss, None
        with as_it_was(self._module):
            for i in steps:
                g = self._down_the_trunk(output, g, i + 1)[1][i]
                if g is None:
                    return torch.zeros_like(self._x)
                output, g = self._trunk_in[i], self._through(i, g)
            return self._down_the_trunk(output, g, 0)[0]

    def _position(self, step: int | str) -> int:
        return self.names.index(step) if isinstance(step, str) else range(len(self.names))[step]

    def _through(self, i: int, g: Tensor) -> Tensor:
        """Backward through branch i."""
        return torch.autograd.grad(self._branch_out[i], self._branch_in[i], g, retain_graph=True)[0]

    def _down_the_trunk(self, output: Tensor, g: Tensor | None, n: int) -> tuple[Tensor, list[Tensor | None]]:
        """Backward through no branch: what reaches the batch, and what reaches the outputs of the first n branches."""
        if not output.requires_grad:  # nothing comes before it
            return torch.zeros_like(self._x), [None] * n
        wanted = [self._x, *self._trunk_out[:n]]
        found = torch.autograd.grad(output, wanted, g, retain_graph=True, allow_unused=True)
        return torch.zeros_like(self._x) if found[0] is None else found[0], list(found[1:])
