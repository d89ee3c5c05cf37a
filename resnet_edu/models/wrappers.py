"""Wrapped networks: torch.compile, DataParallel and DistributedDataParallel wrap a network in another module."""

import re

from torch import nn

from resnet_edu import checks


def bare(who: str, module: nn.Module) -> nn.Module:
    """The module inside torch.compile's or DataParallel's wrapper."""
    module = getattr(checks.module(who, module), "_orig_mod", module)
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return module.module
    return module


def clean_name(name: str) -> str:
    """A parameter's name without the prefix that torch.compile or DistributedDataParallel adds."""
    return re.sub(r"^(module\.)+", "", name.replace("_orig_mod.", ""))
