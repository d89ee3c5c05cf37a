"""The arithmetic of a run: which floating-point type, and how images lie in memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from resnet_edu import checks

#: The type that autocast computes in; None is float32, whose products "tf32" rounds to 10 bits of mantissa on a GPU.
PRECISIONS = {"fp32": None, "tf32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def precision_name(precision: str, device: torch.device) -> str:
    """What `precision` comes to on `device`: itself, or for "auto" the fastest type that the hardware computes in.

    That is bf16 where a GPU or CPU has it, otherwise fp16 on a GPU (a T4 only emulates bf16), and fp32 elsewhere.
    Raises ValueError for an unknown name, and for fp16 or tf32 where there is no GPU.
    """
    if not isinstance(device, torch.device):
        raise TypeError(f"device={device!r:.60}: give a torch.device, such as images.device.")
    checks.choice("precision", precision, (*PRECISIONS, "auto"))
    if precision == "auto":
        if device.type == "cpu":
            return "bf16" if _cpu_has_bf16() else "fp32"
        if device.type != "cuda":
            return "fp32"
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision='fp16' needs a GPU: on a CPU choose 'fp32', or 'bf16'.")
    if precision == "tf32" and device.type != "cuda":
        raise ValueError("precision='tf32' needs an NVIDIA GPU: elsewhere choose 'fp32', or 'bf16'.")
    return precision


def choose_precision(precision: str, device: torch.device) -> torch.dtype | None:
    """The type that autocast computes in, for `precision` on `device`; None is float32. Raises as `precision_name`."""
    return PRECISIONS[precision_name(precision, device)]


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Inside, a GPU may round the factors of float32 products to TF32, or it may not; PyTorch's default is both ways.

    By default cuDNN's convolutions are rounded and matrix products are not: relative errors of 1e-3 in what is called
    float32. What was set before is put back. No effect without CUDA.
    """
    # The older of PyTorch's two switches: torch.compile of 2.9 to 2.11 fails where the newer one was used (#166387).
    switches: tuple[Any, Any] = torch.backends.cuda.matmul, torch.backends.cudnn
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of their age
        before = [switch.allow_tf32 for switch in switches]
        for switch in switches:
            switch.allow_tf32 = allowed
    try:
        yield
    finally:
        for switch, setting in zip(switches, before, strict=True):
            switch.allow_tf32 = setting


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels last where it is faster and right. On MPS its BatchNorm gradients are wrong (pytorch issue 175189)."""
    return torch.channels_last if device.type in ("cpu", "cuda") else torch.contiguous_format


def _cpu_has_bf16() -> bool:
    """Whether this processor multiplies in bf16, as torch tells it; an older torch does not tell."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
