"""Answers to the exercises of lesson 11."""

import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong

right("highway")(lambda x, f, logit: torch.lerp(x, f, torch.sigmoid(logit)))
right("highway")(lambda x, f, logit: x + (f - x) * logit.sigmoid())
right("highway")(lambda x, f, logit: f * torch.sigmoid(logit) + x * torch.sigmoid(-logit))
right("highway")(lambda x, f, logit: (torch.stack((logit, -logit)).sigmoid() * torch.stack((f, x))).sum(0))


@wrong("highway", "overflows-in-backward")
def _(x, f, logit):
    t = 1 / (1 + torch.exp(-logit))
    return t * f + (1 - t) * x


@wrong("grouped_parameters", "float32")
def _(in_channels, out_channels, kernel, groups):
    return int(torch.tensor([out_channels, in_channels // groups, kernel, kernel], dtype=torch.float32).prod())


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


def excite(f, down, up):
    return torch.sigmoid(F.linear(F.relu(F.linear(f.mean((2, 3)), down)), up))[:, :, None, None]


@wrong("squeeze_excite", "not-transposed")
def _(f, down, up):
    return f * torch.sigmoid(torch.relu(f.mean((2, 3)) @ down) @ up)[:, :, None, None]


@wrong("squeeze_excite", "squeezed-to-another-shape")
def _(f, down, up):
    """The mean over the channels."""
    return f * torch.sigmoid(F.relu(f.mean(1) @ down.T) @ up.T)[:, :, None, None]


@wrong("squeeze_excite", "one-channel")
def _(f, down, up):
    factor = torch.sigmoid(torch.relu(f.mean((2, 3)) @ down.T) @ up.T).squeeze()
    return f * factor[..., None, None]


@wrong("squeeze_excite", "overflows-in-backward")
def _(f, down, up):
    z = torch.relu(f.mean((2, 3)) @ down.T) @ up.T
    return f * (1 / (1 + torch.exp(-z)))[:, :, None, None]


right("squeeze_excite")(lambda f, down, up: f * excite(f, down, up))


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
