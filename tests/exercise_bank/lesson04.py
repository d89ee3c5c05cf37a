"""Answers to the exercises of lesson 04."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong


@wrong("he_normal", "mean-of-both-fans")
def _(weight):
    nn.init.xavier_normal_(weight)


@wrong("he_normal", "one-side-of-the-kernel")
def _(weight):
    fan_in = weight.shape[1] * weight.shape[-1]
    with torch.no_grad():
        weight.copy_(torch.randn_like(weight) * math.sqrt(2 / fan_in))


@wrong("he_normal", "default-of-pytorch")
def _(weight):
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5))


wrong("he_normal", "not-in-place")(lambda weight: torch.randn(weight.shape) * math.sqrt(2 / weight[0].numel()))


@wrong("he_normal", "weight-unchanged")
def _(weight):
    weight = torch.randn(weight.shape) * math.sqrt(2 / weight[0].numel())


@wrong("he_normal", "freezes-the-weight")
def _(weight):
    weight.requires_grad_(False)
    weight.normal_(0, math.sqrt(2 / weight[0].numel()))


@wrong("he_normal", "only-convolutions")
def _(weight):
    fan_in = weight.shape[1] * weight.shape[2] * weight.shape[3]
    with torch.no_grad():
        weight.normal_(0, math.sqrt(2 / fan_in))


right("he_normal")(lambda weight: nn.init.kaiming_normal_(weight))


@right("he_normal")
def _(w):
    w.data.normal_(0, (2 / math.prod(w.shape[1:])) ** 0.5)


@right("he_normal")
def _(weight):
    fan_in = weight.shape[1]
    for side in weight.shape[2:]:
        fan_in *= side
    weight.data[...] = torch.randn(weight.shape, dtype=torch.float64).mul(math.sqrt(2 / fan_in)).float()


@wrong("he_normal", "new-memory")
def _(weight):
    weight.data = torch.randn(weight.shape) * math.sqrt(2 / weight[0].numel())


@wrong("he_normal", "standardized")
def _(weight):
    sample = torch.randn(weight.shape)
    with torch.no_grad():
        weight.copy_((sample - sample.mean()) / sample.std() * math.sqrt(2 / weight[0].numel()))


@wrong("he_normal", "filters-alike")
def _(weight):
    """One number for the whole window of a filter."""
    sample = torch.randn(weight.shape[:2]) * math.sqrt(2 / weight[0].numel())
    with torch.no_grad():
        weight.copy_(sample.view(*sample.shape, *[1] * (weight.ndim - 2)).expand_as(weight))


@wrong("he_normal", "rand-for-randn")
def _(weight):
    with torch.no_grad():
        weight.normal_(0, math.sqrt(2 / weight[0].numel())).abs_()


@right("he_normal")
def _(weight):
    numbers = np.random.default_rng(torch.randint(2**31, ()).item()).normal(0, 1, weight.shape)
    with torch.no_grad():
        weight.copy_(torch.from_numpy(numbers) * np.sqrt(2 / weight[0].numel()))


@right("he_normal")
def _(weight):
    std = math.sqrt(2 / weight.flatten(1).shape[1])
    with torch.no_grad():
        for filter in weight:
            filter.copy_(torch.normal(0.0, std, filter.shape))


def _move(running_mean, running_var, x, momentum):
    """What most answers get right: the running statistics."""
    with torch.no_grad():
        running_mean.mul_(1 - momentum).add_(momentum * x.mean(dim=(0, 2, 3)))
        running_var.mul_(1 - momentum).add_(momentum * x.var(dim=(0, 2, 3)))


def _statistics(x, running_mean, running_var, momentum, training):
    """What most answers get right: which mean and variance, as [1, C, 1, 1]."""
    if training:
        _move(running_mean, running_var, x, momentum)
        return x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
    return running_mean[None, :, None, None], running_var[None, :, None, None]


def _scaled(y, gamma, beta):
    return y * gamma[:, None, None] + beta[:, None, None]


@wrong("batch_norm", "running-statistics-in-training")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    if training:
        _move(running_mean, running_var, x, momentum)
    return F.batch_norm(x, running_mean, running_var, gamma, beta, False, momentum, eps)


@wrong("batch_norm", "running-statistics-in-training")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    out = F.batch_norm(x, running_mean, running_var, gamma, beta, False, momentum, eps)
    if training:
        _move(running_mean, running_var, x, momentum)
    return out


@wrong("batch_norm", "statistics-of-another-shape")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    if training:
        mean = x.mean((0, 2, 3), keepdim=True)
        var = x.var((0, 2, 3), keepdim=True, unbiased=False)
        running_mean += momentum * (mean - running_mean)
        running_var += momentum * (var - running_var)
    else:
        mean, var = running_mean, running_var
    return _scaled((x - mean) / torch.sqrt(var + eps), gamma, beta)


@wrong("batch_norm", "statistics-of-another-shape")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    if training:
        mean, var = x.mean((2, 3)), x.var((2, 3))  # [N, C]
        running_mean[:] = (1 - momentum) * running_mean + momentum * mean
        running_var[:] = (1 - momentum) * running_var + momentum * var
    else:
        mean, var = running_mean, running_var
    return _scaled((x - mean[..., None, None]) / torch.sqrt(var[..., None, None] + eps), gamma, beta)


@wrong("batch_norm", "channels-along-the-columns")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    if training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        _move(running_mean, running_var, x, momentum)
    else:
        mean, var = running_mean, running_var
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


@wrong("batch_norm", "channels-along-the-columns")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    mean, var = _statistics(x, running_mean, running_var, momentum, training)
    return torch.addcmul(beta, gamma, (x - mean) / torch.sqrt(var + eps))


@wrong("batch_norm", "statistics-hold-the-graph")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    if training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        running_mean.mul_(1 - momentum).add_(mean, alpha=momentum)
        running_var.mul_(1 - momentum).add_(x.var((0, 2, 3)), alpha=momentum)
    else:
        mean, var = running_mean, running_var
    return _scaled((x - mean[:, None, None]) / torch.sqrt(var[:, None, None] + eps), gamma, beta)


@wrong("batch_norm", "changes-input")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    mean, var = _statistics(x, running_mean, running_var, momentum, training)
    x -= mean
    x /= torch.sqrt(var + eps)
    return _scaled(x, gamma, beta)


@right("batch_norm")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    return F.batch_norm(x, running_mean, running_var, gamma, beta, training, momentum, eps)


@right("batch_norm")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    mean, var = _statistics(x, running_mean, running_var, momentum, training)
    return _scaled((x - mean) * torch.rsqrt(var + eps), gamma, beta)


@right("batch_norm")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    """One channel after the other."""
    channels = []
    for c in range(x.shape[1]):
        values = x[:, c].double()
        if training:
            n = values.numel()
            mean = values.sum() / n
            var = ((values - mean) ** 2).sum() / n
            running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean.item()
            running_var[c] = (1 - momentum) * running_var[c] + momentum * var.item() * n / (n - 1)
        else:
            mean, var = running_mean[c], running_var[c]
        channels.append(gamma[c] * (values - mean) / (var + eps).sqrt() + beta[c])
    return torch.stack(channels, dim=1)


@right("batch_norm")
def _(x, scale, shift, mean_so_far, var_so_far, momentum=0.1, eps=1e-5, training=True):
    flat = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])  # [N H W, C]: channels come last, so [C] lines up
    if training:
        mean, var = flat.mean(0), flat.var(0, unbiased=False)
        mean_so_far.lerp_(mean.detach(), momentum)
        var_so_far.lerp_(flat.detach().var(0), momentum)
    else:
        mean, var = mean_so_far, var_so_far
    y = (flat - mean) / (var + eps).sqrt() * scale + shift
    return y.view(x.shape[0], *x.shape[2:], -1).permute(0, 3, 1, 2)


@wrong("batch_norm", "cuts-the-gradient")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    layer = nn.BatchNorm2d(x.shape[1], eps, momentum).to(memory_format=torch.channels_last).train(training)
    layer.running_mean, layer.running_var = running_mean, running_var
    layer.weight, layer.bias = nn.Parameter(gamma), nn.Parameter(beta)
    return layer(x.contiguous(memory_format=torch.channels_last))


@wrong("batch_norm", "cuts-the-gradient")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    """In eval mode, gamma and beta get no gradient."""
    given = (gamma, beta) if training else (gamma.detach(), beta.detach())
    return F.batch_norm(x, running_mean, running_var, *given, training, momentum, eps)


@wrong("batch_norm", "eps-in-running-var")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    mean, var = _statistics(x, running_mean, running_var, momentum, training)
    if not training:
        var += eps
    return _scaled((x - mean) / torch.sqrt(var + eps * training), gamma, beta)


@wrong("batch_norm", "not-for-one-image")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    return F.batch_norm(x, running_mean, running_var, gamma, beta, training and len(x) > 1, momentum, eps)


@wrong("batch_norm", "variance-cancels")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    mean, var = _statistics(x, running_mean, running_var, momentum, training)
    if training:
        var = (x**2).mean((0, 2, 3), keepdim=True) - mean**2
    return _scaled((x - mean) / torch.sqrt(var + eps), gamma, beta)


wrong("update_ratio", "tensor-for-float")(lambda before, after: torch.dist(after, before) / before.norm())
wrong("update_ratio", "rounded")(lambda before, after: round((torch.dist(after, before) / before.norm()).item(), 5))


@wrong("update_ratio", "limits-the-norm")
def _(before, after):
    return (torch.dist(after, before) / (before.norm() + 1e-8)).item()


@wrong("update_ratio", "one-for-each-row")
def _(before, after):
    step = after - before
    return torch.sqrt((step**2).sum(-1)) / torch.sqrt((before**2).sum(-1))


right("update_ratio")(lambda before, after: (torch.dist(after, before) / before.norm()).item())
right("update_ratio")(lambda old, new: math.sqrt(((new - old) ** 2).sum() / (old**2).sum()))


@right("update_ratio")
def _(before, after):
    return np.linalg.norm((after - before).detach().numpy().ravel()) / np.linalg.norm(before.numpy().ravel())


@right("update_ratio")
def _(before, after):
    step, size = after.double() - before.double(), before.double()
    return (torch.linalg.vector_norm(step) / torch.linalg.vector_norm(size)).item()


@right("update_ratio")
def _(before, after):
    pairs = list(zip(before.flatten().tolist(), after.flatten().tolist(), strict=True))
    return math.hypot(*(b - a for a, b in pairs)) / math.hypot(*(a for a, _ in pairs))
