"""Answers to the exercises of lesson 03."""

import math

import numpy as np
import torch
from torch import nn

from exercise_bank.core import right, wrong

# --- layer_norms: wrong -----------------------------------------------------------------------------------------------


@wrong("layer_norms", "one-factor-for-all")
def _(net):
    return {n: (p.grad * 1e20).norm().item() * 1e-20 for n, p in net.named_parameters() if p.grad is not None}


@wrong("layer_norms", "one-factor-for-all")
def _(net):
    """1e15 is enough for what is tiny, and leaves room for ordinary gradients."""
    grads = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return {name: (1e15 * grad).norm().item() / 1e15 for name, grad in grads.items()}


@wrong("layer_norms", "squares-underflow")
def _(net):
    norms = {}
    for name, p in net.named_parameters():
        if p.grad is not None:
            norms[name] = p.grad.norm().item()
    return norms


@wrong("layer_norms", "squares-underflow")
def _(net):
    norms = {}
    for name, p in net.named_parameters():
        if p.grad is None:
            continue
        norms[name] = p.grad.pow(2).sum().double().sqrt()
    return norms


@wrong("layer_norms", "squares-underflow")
def _(net):
    found = [(name, p.grad) for name, p in net.named_parameters() if p.grad is not None]
    return {name: float(torch.linalg.vector_norm(g).to(torch.float64)) for name, g in found}


@wrong("layer_norms", "divides-by-zero")
def _(net):
    norms = {}
    for name, p in net.named_parameters():
        if p.grad is not None:
            scale = p.grad.abs().max().item()
            norms[name] = scale * torch.sqrt(((p.grad / scale) ** 2).sum()).item()
    return norms


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


@wrong("layer_norms", "none-as-zero")
def _(net):
    norms = dict.fromkeys(dict(net.named_parameters()), 0.0)
    for name, p in net.named_parameters():
        if p.grad is not None:
            norms[name] = p.grad.double().norm().item()
    return norms


@wrong("layer_norms", "none-as-nan")
def _(net):
    return {n: float("nan") if p.grad is None else p.grad.norm().item() for n, p in net.named_parameters()}


@wrong("layer_norms", "none-as-none")
def _(net):
    return {n: p.grad.double().norm().item() if p.grad is not None else None for n, p in net.named_parameters()}


@wrong("layer_norms", "weights-for-gradients")
def _(net):
    return {name: p.norm().item() for name, p in net.named_parameters() if p.grad is not None}


@wrong("layer_norms", "weights-of-all")
def _(net):
    return {name: torch.linalg.vector_norm(w.double()).item() for name, w in net.state_dict().items()}


@wrong("layer_norms", "root-forgotten")
def _(net):
    return {n: float((p.grad.double() ** 2).sum()) for n, p in net.named_parameters() if p.grad is not None}


@wrong("layer_norms", "absolute-sum")
def _(net):
    return {n: p.grad.norm(p=1).item() for n, p in net.named_parameters() if p.grad is not None}


@wrong("layer_norms", "plain-sum")
def _(net):
    return {n: p.grad.double().sum().item() for n, p in net.named_parameters() if p.grad is not None}


@wrong("layer_norms", "largest-entry")
def _(net):
    return {n: p.grad.norm(p=math.inf).item() for n, p in net.named_parameters() if p.grad is not None}


@wrong("layer_norms", "mean-for-sum")
def _(net):
    found = {n: p.grad.double() for n, p in net.named_parameters() if p.grad is not None}
    return {n: (g.norm() / math.sqrt(g.numel())).item() for n, g in found.items()}


@wrong("layer_norms", "mean-of-absolutes")
def _(net):
    return {n: p.grad.abs().mean().item() for n, p in net.named_parameters() if p.grad is not None}


@wrong("layer_norms", "biases-left-out")
def _(net):
    return {
        name: p.grad.norm().item()
        for name, p in net.named_parameters()
        if name.endswith("weight") and p.grad is not None
    }


@wrong("layer_norms", "modules-for-parameters")
def _(net):
    norms = {}
    for name, layer in net.named_children():
        if isinstance(layer, nn.Linear) and layer.weight.grad is not None:
            norms[name] = layer.weight.grad.double().norm().item()
    return norms


@wrong("layer_norms", "one-norm-for-all")
def _(net):
    squares = [p.grad.double().square().sum() for p in net.parameters() if p.grad is not None]
    return float(sum(squares)) ** 0.5


@wrong("layer_norms", "names-missing")
def _(net):
    return [p.grad.double().norm().item() for p in net.parameters() if p.grad is not None]


@wrong("layer_norms", "pairs-for-dict")
def _(net):
    return [(name, p.grad.double().norm().item()) for name, p in net.named_parameters() if p.grad is not None]


@wrong("layer_norms", "numbered")
def _(net):
    norms = {}
    for p in net.parameters():
        if p.grad is not None:
            norms[len(norms)] = p.grad.double().norm().item()
    return norms


@wrong("layer_norms", "first-only")
def _(net):
    norms = {}
    for name, p in net.named_parameters():
        if p.grad is not None:
            norms[name] = p.grad.double().norm().item()
            return norms
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


@wrong("layer_norms", "prints")
def _(net):
    for name, p in net.named_parameters():
        if p.grad is not None:
            print(name, p.grad.double().norm().item())


# --- layer_norms: right -----------------------------------------------------------------------------------------------


@right("layer_norms")
def _(net):
    norms = {}
    for name, p in net.named_parameters():
        if p.grad is None:
            continue
        norms[name] = p.grad.to(torch.float64).pow(2).sum().sqrt()
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


# --- factor: wrong ----------------------------------------------------------------------------------------------------


@wrong("factor", "root-forgotten")
def _(fan_in, variance):
    return 0.5 * fan_in * variance


@wrong("factor", "half-forgotten")
def _(fan_in, variance):
    return (fan_in * variance) ** 0.5


@wrong("factor", "half-after-the-root")
def _(fan_in, variance):
    return 0.5 * (fan_in * variance) ** 0.5


@wrong("factor", "twice-for-half")
def _(fan_in, variance):
    return math.sqrt(fan_in * variance) * math.sqrt(2)


@wrong("factor", "upside-down")
def _(fan_in, variance):
    return math.sqrt(2 / fan_in / variance)


@wrong("factor", "deviation-for-variance")
def _(fan_in, variance):
    return np.sqrt(0.5 * fan_in * variance**2)


@wrong("factor", "root-of-variance-only")
def _(fan_in, variance):
    return 0.5 * fan_in * math.sqrt(variance)


@wrong("factor", "fan-in-outside")
def _(fan_in, variance):
    return math.sqrt(variance / 2) * fan_in


@wrong("factor", "ignores-variance")
def _(fan_in, variance):
    return (fan_in / 2) ** 0.5


@wrong("factor", "ignores-fan-in")
def _(fan_in, variance):
    return (variance / 2) ** 0.5


@wrong("factor", "default-of-pytorch")
def _(fan_in, variance):
    variance = 1 / (3 * fan_in)
    return math.sqrt(fan_in * variance / 2)


@wrong("factor", "added-not-multiplied")
def _(fan_in, variance):
    return math.sqrt(0.5 * (fan_in + variance))


@wrong("factor", "only-even-fan-in")
def _(fan_in, variance):
    half = fan_in // 2
    return math.sqrt(half * variance)


@wrong("factor", "rounded")
def _(fan_in, variance):
    return float(f"{math.sqrt(0.5 * fan_in * variance):.2f}")


@wrong("factor", "torch-takes-tensors")
def _(fan_in, variance):
    return torch.sqrt(fan_in * variance / 2)


@wrong("factor", "prints")
def _(fan_in, variance):
    print(math.sqrt(fan_in * variance / 2))


@wrong("factor", "returns-nothing")
def _(fan_in, variance):
    result = math.sqrt(fan_in * variance / 2)  # noqa: F841


# --- factor: right ----------------------------------------------------------------------------------------------------


@right("factor")
def _(fan_in, variance):
    return (0.5 * fan_in * variance) ** 0.5


@right("factor")
def _(n, sigma2):
    return float(np.sqrt(n * sigma2) / np.sqrt(2))


@right("factor")
def _(fan_in, variance):
    return torch.tensor(fan_in * variance / 2).sqrt()


@right("factor")
def _(fan_in, variance):
    return math.exp(0.5 * (math.log(fan_in) + math.log(variance) - math.log(2)))


@right("factor")
def _(fan_in, variance):
    deviation = math.sqrt(variance)
    return math.hypot(*[deviation / math.sqrt(2)] * fan_in)


# --- moved: wrong -----------------------------------------------------------------------------------------------------


@wrong("moved", "tolerance")
def _(before, after):
    return sum(not torch.allclose(before[name], after[name]) for name in before)


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


@wrong("moved", "still-for-moved")
def _(before, after):
    return sum(bool((before[name] == after[name]).all()) for name in before)


@wrong("moved", "counts-entries")
def _(before, after):
    return sum(torch.count_nonzero(before[name] - after[name]).item() for name in before)


@wrong("moved", "all-for-any")
def _(before, after):
    count = 0
    for name in before:
        if not (before[name] == after[name]).any():
            count += 1
    return count


@wrong("moved", "changes-cancel")
def _(before, after):
    return sum(float((after[name] - before[name]).mean()) != 0 for name in before)


@wrong("moved", "changes-cancel")
def _(before, after):
    return sum(float((after[name] - before[name]).double().sum()) != 0 for name in before)


@wrong("moved", "norms-compared")
def _(before, after):
    return sum(before[name].norm().item() != after[name].norm().item() for name in before)


@wrong("moved", "absolutes-compared")
def _(before, after):
    return sum(bool((before[name].abs() - after[name].abs()).any()) for name in before)


@wrong("moved", "growth-only")
def _(before, after):
    return sum(float((after[name] - before[name]).max()) > 0 for name in before)


@wrong("moved", "first-entry-only")
def _(before, after):
    return sum(before[name].ravel()[0].item() != after[name].ravel()[0].item() for name in before)


@wrong("moved", "objects-compared")
def _(before, after):
    return sum(before[name] is not after[name] for name in before)


@wrong("moved", "by-place")
def _(before, after):
    olds, news = list(before.values()), list(after.values())
    return sum(1 for i in range(len(olds)) if not torch.equal(olds[i], news[i]))


@wrong("moved", "yes-or-no")
def _(before, after):
    return any(not torch.equal(before[name], after[name]) for name in before)


@wrong("moved", "part-for-count")
def _(before, after):
    return np.mean([not torch.equal(before[name], after[name]) for name in before])


@wrong("moved", "names-for-count")
def _(before, after):
    names = []
    for name, tensor in after.items():
        if not torch.equal(before[name], tensor):
            names.append(name)
    return names


@wrong("moved", "stops-at-one")
def _(before, after):
    count = 0
    for name in before:
        if not torch.equal(before[name], after[name]):
            count += 1
            break
    return count


@wrong("moved", "prints")
def _(before, after):
    print(sum(not torch.equal(before[name], after[name]) for name in before), "tensors moved")


@wrong("moved", "numpy-of-a-parameter")
def _(before, after):
    return sum(not np.array_equal(before[name].numpy(), after[name].numpy()) for name in before)


# --- moved: right -----------------------------------------------------------------------------------------------------


@right("moved")
def _(before, after):
    count = 0
    for name, old in before.items():
        if (old != after[name]).any():
            count += 1
    return count


@right("moved")
def _(old, new):
    return len([name for name in old if not torch.equal(old[name], new[name])])


@right("moved")
def _(before, after):
    pairs = [(before[k].detach().numpy(), after[k].detach().numpy()) for k in before.keys() & after.keys()]
    return int(np.sum([not np.array_equal(one, other) for one, other in pairs]))


@right("moved")
def _(before, after):
    return sum(before[name].detach().numpy().tobytes() != after[name].detach().numpy().tobytes() for name in before)


@right("moved")
def _(before, after):
    return sum((before[name].double() - after[name].double()).abs().max().gt(0) for name in before)
