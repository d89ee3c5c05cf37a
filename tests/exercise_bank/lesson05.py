"""Answers to the exercises of lesson 05."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong

wrong("identity_conv", "still-random")(lambda channels: nn.Conv2d(channels, channels, 3, padding=1, bias=False))
wrong("identity_conv", "weights-for-layer")(lambda channels: nn.init.dirac_(torch.empty(channels, channels, 3, 3)))
wrong("identity_conv", "no-convolution")(lambda channels: nn.Identity())


@wrong("identity_conv", "frozen")
def _(channels):
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    nn.init.dirac_(conv.weight)
    return conv.requires_grad_(False)


@right("identity_conv")
def _(channels):
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    nn.init.dirac_(conv.weight)
    return conv


@right("identity_conv")
def _(channels):
    conv = nn.Conv2d(channels, channels, (3, 3), padding="same", bias=False)
    conv.weight.data = F.pad(torch.eye(channels)[:, :, None, None], (1, 1, 1, 1))
    return conv


@right("identity_conv")
def _(channels):
    weight = torch.zeros(channels, channels, 3, 3)
    weight[torch.arange(channels), torch.arange(channels), 1, 1] = 1
    conv = nn.Conv2d(channels, channels, 3, stride=1, padding=1, bias=False)
    conv.load_state_dict({"weight": weight})
    return conv


@right("identity_conv")
def _(channels):
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    with torch.no_grad():
        for o in range(channels):
            for i in range(channels):
                conv.weight[o, i] = 0
                conv.weight[o, i, 1, 1] = float(o == i)
    return conv


wrong("gradient_cosine", "divides-by-eps")(lambda a, b: F.cosine_similarity(a.flatten(), b.flatten(), dim=0).item())


@wrong("gradient_cosine", "divides-by-eps")
def _(a, b):
    a, b = a.double(), b.double()
    return float((a * b).sum() / (a.norm() * b.norm() + 1e-12))


@wrong("gradient_cosine", "only-vectors")
def _(a, b):
    a, b = a.double(), b.double()
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0).mean())


@right("gradient_cosine")
def _(a, b):
    a, b = a.double(), b.double()
    return float((a * b).sum() / (a.norm() * b.norm()))


@right("gradient_cosine")
def _(a, b):
    return F.cosine_similarity(a.double().flatten(), b.double().flatten(), dim=0, eps=1e-300).item()


@right("gradient_cosine")
def _(a, b):
    a, b = a / a.abs().max(), b / b.abs().max()
    return float((a * b).sum() / (a.norm() * b.norm()))


@right("gradient_cosine")
def _(a, b):
    a, b = a.flatten().tolist(), b.flatten().tolist()
    return sum(p * q for p, q in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))
