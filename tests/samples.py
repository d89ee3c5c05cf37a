"""Small inputs that many tests share; the same arguments give the same numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from resnet_edu import models
from resnet_edu.data import CLASSES, Images


class Stop(Exception):
    """What only a test raises."""


def batch(n: int = 4, size: int = 16, seed: int = 1, *, channels: int = 3) -> Tensor:
    """Normal numbers [n, channels, size, size], as a net takes them."""
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(seed))


def labels(n: int = 4, classes: int = 10) -> Tensor:
    """0, 1, 2, ... and again from 0."""
    return torch.arange(n) % classes


def pictures(n: int = 20, size: int = 8, classes: int = 10, seed: int = 0) -> Images:
    """Random pixels with labels in turn, as `data.load` would return real ones."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (n, 3, size, size), dtype=torch.uint8, generator=generator)
    return Images(pixels, labels(n, classes), CLASSES[:classes])


def cifar(depth: int = 8, *, residual: bool = True, width: int = 4, seed: int = 0, **options: Any) -> models.CifarNet:
    """A narrow CifarNet, fresh from the seed."""
    torch.manual_seed(seed)
    return models.CifarNet(depth, residual=residual, width=width, **options)
