"""Answers to the exercises of lesson 11."""

import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong

# --- highway ----------------------------------------------------------------------------------------------------------


@wrong("highway", "no-sigmoid")
def _(x, f, logit):
    return x + logit * (f - x)


@wrong("highway", "gates-exchanged")
def _(x, f, logit):
    keep = torch.sigmoid(logit)
    return keep * x + (1 - keep) * f


@wrong("highway", "x-not-gated")
def _(x, f, logit):
    return x + f * logit.sigmoid()


@wrong("highway", "f-not-gated")
def _(x, f, logit):
    return f + x * torch.sigmoid(-logit)


@wrong("highway", "one-gate-for-both")
def _(x, f, logit):
    t = torch.sigmoid(logit)
    return t * x + t * f


@wrong("highway", "x-forgotten")
def _(x, f, logit):
    return f / (1 + torch.exp(-logit))


@wrong("highway", "gate-forgotten")
def _(x, f, logit):
    return f + x


@wrong("highway", "tanh-for-sigmoid")
def _(x, f, logit):
    t = logit.tanh()
    return x + t * (f - x)


@wrong("highway", "softmax-for-sigmoid")
def _(x, f, logit):
    t = F.softmax(logit, dim=-1)
    return t * f + (1 - t) * x


@wrong("highway", "subtracts")
def _(x, f, logit):
    t = torch.sigmoid(logit)
    return t * f + (t - 1) * x


@wrong("highway", "relu-on-f")
def _(x, f, logit):
    return torch.lerp(x, F.relu(f), torch.sigmoid(logit))


@wrong("highway", "relu-at-the-end")
def _(x, f, logit):
    return torch.lerp(x, f, torch.sigmoid(logit)).clamp(min=0)


@wrong("highway", "changes-input")
def _(x, f, logit):
    t = torch.sigmoid(logit)
    x *= 1 - t
    return x + t * f


@right("highway")
def _(x, f, logit):
    return torch.lerp(x, f, torch.sigmoid(logit))


@right("highway")
def _(x, f, logit):
    return x + (f - x) * logit.sigmoid()


@right("highway")
def _(x, f, logit):
    return f * torch.sigmoid(logit) + x * torch.sigmoid(-logit)


@right("highway")
def _(x, f, logit):
    t = 1 / (1 + torch.exp(-logit))
    return t * f + (1 - t) * x


# --- grouped_parameters -----------------------------------------------------------------------------------------------


@wrong("grouped_parameters", "groups-ignored")
def _(in_channels, out_channels, kernel, groups):
    return kernel**2 * in_channels * out_channels


@wrong("grouped_parameters", "divided-twice")
def _(in_channels, out_channels, kernel, groups):
    return in_channels * out_channels * kernel**2 // groups**2


@wrong("grouped_parameters", "kernel-not-squared")
def _(in_channels, out_channels, kernel, groups):
    return in_channels * out_channels * kernel // groups


@wrong("grouped_parameters", "kernel-forgotten")
def _(in_channels, out_channels, kernel, groups):
    return in_channels * out_channels // groups


@wrong("grouped_parameters", "times-groups")
def _(in_channels, out_channels, kernel, groups):
    return in_channels * out_channels * kernel * kernel * groups


@wrong("grouped_parameters", "with-bias")
def _(in_channels, out_channels, kernel, groups):
    return sum(p.numel() for p in nn.Conv2d(in_channels, out_channels, kernel, groups=groups).parameters())


@wrong("grouped_parameters", "outputs-forgotten")
def _(in_channels, out_channels, kernel, groups):
    return in_channels // groups * kernel**2


@wrong("grouped_parameters", "adds-channels")
def _(in_channels, out_channels, kernel, groups):
    return (in_channels // groups + out_channels) * kernel**2


@wrong("grouped_parameters", "depthwise-always")
def _(in_channels, out_channels, kernel, groups):
    return out_channels * kernel**2


@wrong("grouped_parameters", "not-whole")
def _(in_channels, out_channels, kernel, groups):
    return out_channels * in_channels / groups * kernel**2


@right("grouped_parameters")
def _(in_channels, out_channels, kernel, groups):
    seen = in_channels // groups
    return sum(seen * kernel * kernel for _ in range(out_channels))


@right("grouped_parameters")
def _(in_channels, out_channels, kernel, groups):
    return groups * (in_channels // groups) * (out_channels // groups) * kernel**2


@right("grouped_parameters")
def _(in_channels, out_channels, kernel, groups):
    return nn.Conv2d(in_channels, out_channels, kernel, groups=groups, bias=False).weight.numel()


@right("grouped_parameters")
def _(in_channels, out_channels, kernel, groups):
    return in_channels * out_channels * kernel * kernel // groups


# --- separable_cost ---------------------------------------------------------------------------------------------------


@wrong("separable_cost", "whole-convolution")
def _(in_channels, out_channels, kernel, size):
    return (size * kernel) ** 2 * in_channels * out_channels


@wrong("separable_cost", "no-depthwise")
def _(in_channels, out_channels, kernel, size):
    return size**2 * in_channels * out_channels


@wrong("separable_cost", "no-pointwise")
def _(in_channels, out_channels, kernel, size):
    return (size * kernel) ** 2 * in_channels


@wrong("separable_cost", "weights-for-work")
def _(in_channels, out_channels, kernel, size):
    return in_channels * (kernel**2 + out_channels)


@wrong("separable_cost", "size-not-squared")
def _(in_channels, out_channels, kernel, size):
    return size * in_channels * (kernel**2 + out_channels)


@wrong("separable_cost", "kernel-not-squared")
def _(in_channels, out_channels, kernel, size):
    return size**2 * in_channels * (kernel + out_channels)


@wrong("separable_cost", "depthwise-of-the-outputs")
def _(in_channels, out_channels, kernel, size):
    return size**2 * out_channels * (kernel**2 + in_channels)


@wrong("separable_cost", "depthwise-not-depthwise")
def _(in_channels, out_channels, kernel, size):
    return size**2 * in_channels * (in_channels * kernel**2 + out_channels)


@wrong("separable_cost", "multiplied-for-added")
def _(in_channels, out_channels, kernel, size):
    depthwise, pointwise = in_channels * kernel**2, in_channels * out_channels
    return size**2 * depthwise * pointwise


@wrong("separable_cost", "counts-additions")
def _(in_channels, out_channels, kernel, size):
    return 2 * size**2 * in_channels * (kernel**2 + out_channels)


@wrong("separable_cost", "pointwise-at-one-place")
def _(in_channels, out_channels, kernel, size):
    return in_channels * kernel**2 * size**2 + in_channels * out_channels


@right("separable_cost")
def _(in_channels, out_channels, kernel, size):
    depthwise = in_channels * kernel**2 * size**2
    pointwise = in_channels * out_channels * size**2
    return depthwise + pointwise


@right("separable_cost")
def _(in_channels, out_channels, kernel, size):
    at_one_place = sum([in_channels] * kernel**2) + sum([in_channels] * out_channels)
    return at_one_place * size**2


@right("separable_cost")
def _(in_channels, out_channels, kernel, size):
    return in_channels * (kernel**2 + out_channels) * size**2


@right("separable_cost")
def _(in_channels, out_channels, kernel, size):
    weights = nn.Conv2d(in_channels, in_channels, kernel, groups=in_channels).weight.numel()
    return (weights + nn.Conv2d(in_channels, out_channels, 1).weight.numel()) * size * size


# --- squeeze_excite ---------------------------------------------------------------------------------------------------


def excite(f, down, up):
    return torch.sigmoid(F.linear(F.relu(F.linear(f.mean((2, 3)), down)), up))[:, :, None, None]


@wrong("squeeze_excite", "sum-for-mean")
def _(f, down, up):
    return f * torch.sigmoid(F.linear(F.relu(F.linear(f.sum((2, 3)), down)), up))[:, :, None, None]


@wrong("squeeze_excite", "max-for-mean")
def _(f, down, up):
    return f * torch.sigmoid(F.linear(F.relu(F.linear(f.flatten(2).max(2).values, down)), up))[:, :, None, None]


@wrong("squeeze_excite", "no-relu")
def _(f, down, up):
    return f * torch.sigmoid(F.linear(f.mean((2, 3)), up @ down))[:, :, None, None]


@wrong("squeeze_excite", "no-sigmoid")
def _(f, down, up):
    return f * F.linear(F.relu(F.linear(f.mean((2, 3)), down)), up)[:, :, None, None]


@wrong("squeeze_excite", "sigmoid-twice")
def _(f, down, up):
    return f * torch.sigmoid(F.linear(torch.sigmoid(F.linear(f.mean((2, 3)), down)), up))[:, :, None, None]


@wrong("squeeze_excite", "softmax-for-sigmoid")
def _(f, down, up):
    return f * F.linear(F.relu(F.linear(f.mean((2, 3)), down)), up).softmax(1)[:, :, None, None]


@wrong("squeeze_excite", "adds-the-factor")
def _(f, down, up):
    return f + excite(f, down, up)


@wrong("squeeze_excite", "adds-f")
def _(f, down, up):
    return f * (1 + excite(f, down, up))


@wrong("squeeze_excite", "factors-not-shaped-to-f")
def _(f, down, up):
    return excite(f, down, up)[:, :, 0, 0]


@wrong("squeeze_excite", "not-squeezed")
def _(f, down, up):
    s = torch.relu(torch.einsum("nchw,rc->nrhw", f, down))
    return f * torch.sigmoid(torch.einsum("nrhw,cr->nchw", s, up))


@wrong("squeeze_excite", "mean-over-images")
def _(f, down, up):
    return f * torch.sigmoid(up @ torch.relu(down @ f.mean((0, 2, 3))))[None, :, None, None]


@wrong("squeeze_excite", "factors-need-dimensions")
def _(f, down, up):
    return f * excite(f, down, up)[:, :, 0, 0]


@wrong("squeeze_excite", "not-transposed")
def _(f, down, up):
    return f * torch.sigmoid(torch.relu(f.mean((2, 3)) @ down) @ up)[:, :, None, None]


@wrong("squeeze_excite", "not-transposed")
def _(f, down, up):
    """Up and down exchanged, too."""
    return f * torch.sigmoid(F.linear(F.relu(F.linear(f.mean((2, 3)), up)), down))[:, :, None, None]


@wrong("squeeze_excite", "up-before-down")
def _(f, down, up):
    return f * torch.sigmoid(F.linear(F.relu(F.linear(f.mean((2, 3)), up.T)), down.T))[:, :, None, None]


@wrong("squeeze_excite", "sigmoid-then-relu")
def _(f, down, up):
    return f * F.relu(F.linear(torch.sigmoid(F.linear(f.mean((2, 3)), down)), up))[:, :, None, None]


@wrong("squeeze_excite", "squeezed-to-another-shape")
def _(f, down, up):
    """The mean over the channels."""
    return f * torch.sigmoid(F.relu(f.mean(1) @ down.T) @ up.T)[:, :, None, None]


@wrong("squeeze_excite", "squeezed-to-another-shape")
def _(f, down, up):
    """The mean over the columns alone."""
    return f * torch.sigmoid(F.relu(f.mean(-1) @ down.T) @ up.T)[..., None]


@wrong("squeeze_excite", "squeezed-to-another-shape")
def _(f, down, up):
    """No squeeze."""
    return f * torch.sigmoid(F.relu(f @ down.T) @ up.T)


@right("squeeze_excite")
def _(f, down, up):
    return f * excite(f, down, up)


@right("squeeze_excite")
def _(f, down, up):
    s = F.adaptive_avg_pool2d(f, 1)  # [N, C, 1, 1]
    s = F.conv2d(F.relu(F.conv2d(s, down[:, :, None, None])), up[:, :, None, None])
    return torch.sigmoid(s) * f


@right("squeeze_excite")
def _(f, down, up):
    out = []
    for image in f:
        s = torch.sigmoid(up @ torch.relu(down @ image.flatten(1).mean(1)))
        out.append(image * s.view(-1, 1, 1))
    return torch.stack(out)


@right("squeeze_excite")
def _(f, down, up):
    s = torch.einsum("nc,rc->nr", f.mean(dim=[2, 3]), down).clamp(min=0)
    return torch.einsum("nchw,nc->nchw", f, torch.einsum("nr,cr->nc", s, up).sigmoid())
