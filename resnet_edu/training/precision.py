"""The arithmetic of a run: which floating-point type, and the memory format of the images."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from resnet_edu import checks

#: The dtype of autocast; None is float32. "tf32" rounds the factors of its products to 10-bit mantissas on a GPU.
PRECISIONS = {"fp32": None, "tf32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def precision_name(precision: str, device: torch.device) -> str:
    """Resolve `precision` on `device`: itself, or for "auto" the fastest type supported in hardware.

    That is bf16 if the GPU or CPU has it, otherwise fp16 on a GPU (a T4 only emulates bf16), and fp32 elsewhere.
    Raises ValueError for an unknown name, and for fp16 or tf32 without a GPU.
    """
    checks.choice("precision", precision, (*PRECISIONS, "auto"))
    if precision == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        return "bf16" if device.type == "cpu" and _cpu_has_bf16() else "fp32"
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision='fp16' needs a GPU: on a CPU choose 'fp32', or 'bf16'.")
    if precision == "tf32" and device.type != "cuda":
        raise ValueError("precision='tf32' needs an NVIDIA GPU: elsewhere choose 'fp32', or 'bf16'.")
    return precision


def choose_precision(precision: str, device: torch.device) -> torch.dtype | None:
    """The autocast dtype for `precision` on `device`; None is float32. Raises like `precision_name`."""
    return PRECISIONS[precision_name(precision, device)]


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Context manager that allows or forbids rounding the factors of float32 products to TF32 on a GPU.

    PyTorch's default is mixed: cuDNN's convolutions are rounded, matrix products are not, which gives relative errors
    of 1e-3 in what is called float32. The previous setting is restored. No effect without CUDA.
    """
    # The older of PyTorch's two switches: torch.compile of 2.9 to 2.11 fails where the newer one was used (#166387).
    switches: tuple[Any, Any] = torch.backends.cuda.matmul, torch.backends.cudnn
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation warnings
        before = [switch.allow_tf32 for switch in switches]
        for switch in switches:
            switch.allow_tf32 = allowed
    try:
        yield
    finally:
        for switch, setting in zip(switches, before, strict=True):
            switch.allow_tf32 = setting


def layout(net: nn.Module, device: torch.device) -> dict[str, Any]:
    """Options of `to` for a network and its images: channels-last format, except where it computes wrong gradients.

    On MPS those are BatchNorm's (PyTorch issue 175189); on a CPU, those of the weights of a 1 x 1 convolution with a
    stride and few channels, which are also written past the end of their buffer (oneDNN issue 6035).
    """
    strided = (m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1) and max(m.stride) > 1)
    few = any(m.in_channels // m.groups < 16 for m in strided)
    last = device.type == "cuda" or (device.type == "cpu" and not few)
    return {"device": device, "memory_format": torch.channels_last if last else torch.contiguous_format}


def _cpu_has_bf16() -> bool:
    """Whether this processor has bf16 hardware, according to torch; False with an older torch, which cannot say."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
