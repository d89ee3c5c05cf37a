"""Answers to the exercises of lesson 04."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong

# --- he_normal: wrong -------------------------------------------------------------------------------------------------


@wrong("he_normal", "variance-for-deviation")
def _(weight):
    fan_in = weight[0].numel()
    with torch.no_grad():
        weight.normal_(mean=0.0, std=2 / fan_in)


@wrong("he_normal", "root-twice")
def _(weight):
    std = math.sqrt(2 / weight[0].numel())
    nn.init.normal_(weight, 0.0, std**0.5)


@wrong("he_normal", "fan-out-for-fan-in")
def _(weight):
    nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


@wrong("he_normal", "fan-out-for-fan-in")
def _(weight):
    fan = weight.shape[0] * weight[0][0].numel()
    weight.data = torch.randn(weight.shape) * (2 / fan) ** 0.5


@wrong("he_normal", "fan-out-without-kernel")
def _(weight):
    weight.data.normal_(0, (2 / len(weight)) ** 0.5)


@wrong("he_normal", "mean-of-both-fans")
def _(weight):
    nn.init.xavier_normal_(weight)


@wrong("he_normal", "mean-of-both-fans")
def _(weight):
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(weight)
    nn.init.normal_(weight, std=math.sqrt(4 / (fan_in + fan_out)))


@wrong("he_normal", "kernel-not-counted")
def _(weight):
    with torch.no_grad():
        weight.copy_(torch.randn_like(weight) * math.sqrt(2 / weight.shape[1]))


@wrong("he_normal", "one-side-of-the-kernel")
def _(weight):
    fan_in = weight.shape[1] * weight.shape[-1]
    with torch.no_grad():
        weight.copy_(torch.randn_like(weight) * math.sqrt(2 / fan_in))


@wrong("he_normal", "counts-all-weights")
def _(weight):
    with torch.no_grad():
        weight.copy_(torch.randn_like(weight) * math.sqrt(2 / weight.numel()))


@wrong("he_normal", "one-for-two")
def _(weight):
    nn.init.kaiming_normal_(weight, nonlinearity="linear")


@wrong("he_normal", "default-of-pytorch")
def _(weight):
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5))


@wrong("he_normal", "uniform-with-that-bound")
def _(weight):
    bound = math.sqrt(2 / weight[0].numel())
    nn.init.uniform_(weight, -bound, bound)


@wrong("he_normal", "uniform")
def _(weight):
    nn.init.kaiming_uniform_(weight, nonlinearity="relu")


@wrong("he_normal", "rand-for-randn")
def _(weight):
    std = math.sqrt(2 / weight[0].numel())
    weight.data = torch.rand(weight.shape) * std


@wrong("he_normal", "no-random-numbers")
def _(weight):
    nn.init.constant_(weight, math.sqrt(2 / weight[0].numel()))


@wrong("he_normal", "filters-alike")
def _(weight):
    std = math.sqrt(2 / weight[0].numel())
    one = torch.randn(weight.shape[1:]) * std
    with torch.no_grad():
        for filter in weight:
            filter.copy_(one)


@wrong("he_normal", "same-numbers-each-time")
def _(weight):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        weight.normal_(0, math.sqrt(2 / weight[0].numel()), generator=generator)


@wrong("he_normal", "reseeds")
def _(weight):
    torch.manual_seed(0)
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


@wrong("he_normal", "adds-to-the-old")
def _(weight):
    with torch.no_grad():
        weight.add_(torch.randn_like(weight), alpha=math.sqrt(2 / weight[0].numel()))


@wrong("he_normal", "multiplies-the-old")
def _(weight):
    with torch.no_grad():
        weight.mul_(torch.randn_like(weight) * math.sqrt(2 / weight[0].numel()))


@wrong("he_normal", "not-in-place")
def _(weight):
    return torch.randn(weight.shape) * math.sqrt(2 / weight[0].numel())


@wrong("he_normal", "weight-unchanged")
def _(weight):
    weight = torch.randn(weight.shape) * math.sqrt(2 / weight[0].numel())


@wrong("he_normal", "in-place-on-a-parameter")
def _(weight):
    weight.normal_(0, math.sqrt(2 / weight[0].numel()))


@wrong("he_normal", "in-place-on-a-parameter")
def _(weight):
    weight[:] = torch.randn(weight.shape) * math.sqrt(2 / weight[0].numel())


@wrong("he_normal", "freezes-the-weight")
def _(weight):
    weight.requires_grad_(False)
    weight.normal_(0, math.sqrt(2 / weight[0].numel()))


@wrong("he_normal", "only-convolutions")
def _(weight):
    fan_in = weight.shape[1] * weight.shape[2] * weight.shape[3]
    with torch.no_grad():
        weight.normal_(0, math.sqrt(2 / fan_in))


@wrong("he_normal", "only-convolutions")
def _(weight):
    _, channels, height, width = weight.shape
    with torch.no_grad():
        weight.normal_(0, math.sqrt(2 / (channels * height * width)))


@wrong("he_normal", "only-square-kernels")
def _(weight):
    k = weight.shape[-1] if weight.ndim == 4 else 1
    with torch.no_grad():
        weight.normal_(0, math.sqrt(2 / (weight.shape[1] * k**2)))


@wrong("he_normal", "torch-takes-tensors")
def _(weight):
    with torch.no_grad():
        weight.normal_(0, torch.sqrt(2 / weight[0].numel()))


# --- he_normal: right -------------------------------------------------------------------------------------------------


@right("he_normal")
def _(weight):
    return nn.init.kaiming_normal_(weight)


@right("he_normal")
def _(w):
    w.data.normal_(0, (2 / math.prod(w.shape[1:])) ** 0.5)


@right("he_normal")
def _(weight):
    fan_in = weight.shape[1]
    for side in weight.shape[2:]:
        fan_in *= side
    weight.data = torch.randn(weight.shape, dtype=torch.float64).mul(math.sqrt(2 / fan_in)).float()


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


# --- batch_norm: wrong ------------------------------------------------------------------------------------------------


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


@wrong("batch_norm", "unbiased-for-normalizing")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    if training:
        mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3))
        running_mean += momentum * (mean - running_mean)
        running_var += momentum * (var - running_var)
    else:
        mean, var = running_mean, running_var
    y = (x - mean[:, None, None]) / torch.sqrt(var[:, None, None] + eps)
    return gamma[:, None, None] * y + beta[:, None, None]


@wrong("batch_norm", "one-mean-for-all")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    if training:
        mean, var = x.mean(), x.var(unbiased=False)
        running_mean += momentum * (mean - running_mean)
        running_var += momentum * (x.var() - running_var)
    else:
        mean, var = running_mean[:, None, None], running_var[:, None, None]
    return _scaled((x - mean) / torch.sqrt(var + eps), gamma, beta)


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


@wrong("batch_norm", "cuts-the-gradient")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    with torch.no_grad():
        return F.batch_norm(x, running_mean, running_var, gamma, beta, training, momentum, eps)


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


@wrong("batch_norm", "arguments")
def _(x, gamma, beta, eps=1e-5):
    return F.batch_norm(x, None, None, gamma, beta, True, 0.1, eps)


# --- batch_norm: right ------------------------------------------------------------------------------------------------


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
def _(x, scale, shift, mean_so_far, var_so_far, part=0.1, epsilon=1e-5, learns=True):
    flat = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])  # [N H W, C]: channels come last, so [C] lines up
    if learns:
        mean, var = flat.mean(0), flat.var(0, unbiased=False)
        mean_so_far.lerp_(mean.detach(), part)
        var_so_far.lerp_(flat.detach().var(0), part)
    else:
        mean, var = mean_so_far, var_so_far
    y = (flat - mean) / (var + epsilon).sqrt() * scale + shift
    return y.view(x.shape[0], *x.shape[2:], -1).permute(0, 3, 1, 2)


@right("batch_norm")
def _(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    layer = nn.BatchNorm2d(x.shape[1], eps, momentum).to(memory_format=torch.channels_last).train(training)
    layer.running_mean, layer.running_var = running_mean, running_var
    layer.weight, layer.bias = nn.Parameter(gamma), nn.Parameter(beta)
    return layer(x.contiguous(memory_format=torch.channels_last))


# --- update_ratio: wrong ----------------------------------------------------------------------------------------------


@wrong("update_ratio", "mean-of-ratios")
def _(before, after):
    return torch.mean(torch.abs(after - before) / torch.abs(before)).item()


@wrong("update_ratio", "one-for-each-entry")
def _(before, after):
    return abs(after - before) / abs(before)


@wrong("update_ratio", "one-for-each-entry")
def _(before, after):
    return (after - before) / torch.linalg.vector_norm(before)


@wrong("update_ratio", "one-for-each-row")
def _(before, after):
    step = after - before
    return torch.sqrt((step**2).sum(-1)) / torch.sqrt((before**2).sum(-1))


@wrong("update_ratio", "changes-input")
def _(before, after):
    after -= before
    return (after.norm() / before.norm()).item()


@wrong("update_ratio", "prints")
def _(before, after):
    print(f"{((after - before).norm() / before.norm()).item():.1e}")


# --- update_ratio: right ----------------------------------------------------------------------------------------------


@right("update_ratio")
def _(before, after):
    return torch.dist(after, before) / before.norm()


@right("update_ratio")
def _(old, new):
    return math.sqrt(((new - old) ** 2).sum() / (old**2).sum())


@right("update_ratio")
def _(before, after):
    return np.linalg.norm((after - before).numpy().ravel()) / np.linalg.norm(before.numpy().ravel())


@right("update_ratio")
def _(before, after):
    step, size = after.double() - before.double(), before.double()
    return (torch.linalg.vector_norm(step) / torch.linalg.vector_norm(size)).item()


@right("update_ratio")
def _(before, after):
    pairs = list(zip(before.flatten().tolist(), after.flatten().tolist(), strict=True))
    return math.hypot(*(b - a for a, b in pairs)) / math.hypot(*(a for a, _ in pairs))
