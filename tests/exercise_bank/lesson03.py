"""Answers to the exercises of lesson 03."""

import math

import numpy as np
import torch
from torch import nn

from exercise_bank.core import right, wrong


@wrong("layer_norms", "one-factor-for-all")
def _(net):
    return {n: (p.grad * 1e20).norm().item() * 1e-20 for n, p in net.named_parameters() if p.grad is not None}


@wrong("layer_norms", "one-factor-for-all")
def _(net):
    """1e15 is enough for what is tiny, and leaves room for ordinary gradients."""
    grads = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return {name: (1e15 * grad).norm().item() / 1e15 for name, grad in grads.items()}


@wrong("layer_norms", "none-has-no-norm")
def _(net):
    return {name: p.grad.double().norm().item() for name, p in net.named_parameters()}


@wrong("layer_norms", "none-has-no-norm")
def _(net):
    norms = {}
    for name, p in net.named_parameters():
        grad = p.grad.float()
        norms[name] = math.sqrt(float((grad * grad).sum()))
    return norms


@wrong("layer_norms", "changes-the-gradients")
def _(net):
    norms = {}
    for name, p in net.named_parameters():
        if p.grad is not None:
            largest = p.grad.abs().max().clamp(min=1e-38)
            p.grad /= largest
            norms[name] = (largest * p.grad.norm()).item()
    return norms


@wrong("layer_norms", "changes-the-gradients")
def _(net):
    norms = {n: p.grad.double().norm().item() for n, p in net.named_parameters() if p.grad is not None}
    net.zero_grad()
    return norms


@wrong("layer_norms", "changes-the-gradients")
def _(net):
    """Its parameters and gradients stay in float64."""
    return {name: p.grad.norm().item() for name, p in net.double().named_parameters() if p.grad is not None}


@wrong("layer_norms", "tensor-for-float")
def _(net):
    return {name: p.grad.double().norm() for name, p in net.named_parameters() if p.grad is not None}


@wrong("layer_norms", "loses-digits")
def _(net):
    """float64 only where float32 has failed."""
    found = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    norms = {name: (grad.norm().item(), grad.double().norm().item()) for name, grad in found.items()}
    return {name: exact if norm in (0, math.inf) else norm for name, (norm, exact) in norms.items()}


@wrong("layer_norms", "some-shapes-only")
def _(net):
    """The largest singular value of a matrix."""
    found = {name: p.grad.double().squeeze() for name, p in net.named_parameters() if p.grad is not None}
    return {name: torch.linalg.norm(torch.atleast_1d(grad), 2).item() for name, grad in found.items()}


@wrong("layer_norms", "some-parameters-only")
def _(net):
    """It leaves out what is frozen."""
    learning = {name: p for name, p in net.named_parameters() if p.requires_grad and p.grad is not None}
    return {name: p.grad.double().norm().item() for name, p in learning.items()}


@right("layer_norms")
def _(net):
    norms = {}
    for name, p in net.named_parameters():
        if p.grad is None:
            continue
        norms[name] = p.grad.to(torch.float64).pow(2).sum().sqrt().item()
    return norms


@right("layer_norms")
def _(net):
    """In float32 throughout."""
    norms = {}
    for name, p in net.named_parameters():
        if p.grad is not None:
            largest = p.grad.abs().max()
            norms[name] = 0.0 if largest == 0 else (largest * (p.grad / largest).norm()).item()
    return norms


@right("layer_norms")
def _(net):
    found = {n: p.grad.numpy().astype(np.float64) for n, p in net.named_parameters() if p.grad is not None}
    return {n: np.linalg.norm(g.ravel()) for n, g in found.items()}


@right("layer_norms")
def _(net):
    return {
        name: math.sqrt(sum(entry**2 for entry in p.grad.flatten().tolist()))
        for name, p in net.named_parameters()
        if p.grad is not None
    }


@right("layer_norms")
def _(net):
    return {
        f"{path}.{name}".lstrip("."): torch.linalg.vector_norm(p.grad, dtype=torch.float64).item()
        for path, module in net.named_modules()
        for name, p in module.named_parameters(recurse=False)
        if p.grad is not None
    }


wrong("factor", "torch-takes-tensors")(lambda fan_in, variance: torch.sqrt(fan_in * variance / 2))
right("factor")(lambda fan_in, variance: (0.5 * fan_in * variance) ** 0.5)
right("factor")(lambda n, sigma2: float(np.sqrt(n * sigma2) / np.sqrt(2)))
right("factor")(lambda fan_in, variance: torch.tensor(fan_in * variance / 2).sqrt().item())
wrong("factor", "tensor-for-float")(lambda fan_in, variance: torch.tensor(fan_in * variance / 2).sqrt())
right("factor")(lambda fan_in, variance: math.exp(0.5 * (math.log(fan_in) + math.log(variance) - math.log(2))))


@right("factor")
def _(fan_in, variance):
    deviation = math.sqrt(variance)
    return math.hypot(*[deviation / math.sqrt(2)] * fan_in)


wrong("moved", "tolerance")(lambda before, after: sum(not torch.allclose(before[name], after[name]) for name in before))


@wrong("moved", "tolerance")
def _(before, after):
    count = 0
    for name in before:
        if (after[name] - before[name]).abs().max() > 1e-8:
            count += 1
    return count


@wrong("moved", "tolerance")
def _(before, after):
    return sum(bool((before[n].round(decimals=6) != after[n].round(decimals=6)).any()) for n in before)


@wrong("moved", "squares-underflow")
def _(before, after):
    return sum((after[name] - before[name]).norm().item() > 0 for name in before)


@wrong("moved", "squares-underflow")
def _(before, after):
    return sum(int(nn.functional.mse_loss(after[name], before[name]) != 0) for name in before)


@wrong("moved", "truth-of-many")
def _(before, after):
    count = 0
    for name in before:
        if before[name] != after[name]:
            count += 1
    return count


@wrong("moved", "numpy-of-a-parameter")
def _(before, after):
    return sum(not np.array_equal(before[name].numpy(), after[name].numpy()) for name in before)


@right("moved")
def _(before, after):
    count = 0
    for name, old in before.items():
        if (old != after[name]).any():
            count += 1
    return count


right("moved")(lambda old, new: len([name for name in old if not torch.equal(old[name], new[name])]))


@right("moved")
def _(before, after):
    pairs = [(before[k].detach().numpy(), after[k].detach().numpy()) for k in before.keys() & after.keys()]
    return int(np.sum([not np.array_equal(one, other) for one, other in pairs]))


@right("moved")
def _(before, after):
    return sum(before[name].detach().numpy().tobytes() != after[name].detach().numpy().tobytes() for name in before)


@wrong("moved", "nan-overlooked")
def _(before, after):
    return sum((before[name].double() - after[name].double()).abs().max().gt(0) for name in before)


@wrong("moved", "some-kinds-only")
def _(before, after):
    """A 0-dimensional tensor has no rows."""
    return sum(any((one != other).any() for one, other in zip(before[n], after[n], strict=True)) for n in before)
