"""The arithmetic of a run: which floating-point type, and how images lie in memory."""

from __future__ import annotations

import torch

from resnet_edu import checks

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(precision: str, device: torch.device) -> torch.dtype | None:
    """The autocast type for `precision` on `device`; None is plain float32.

    "auto" takes bf16 where the hardware computes with it, on a GPU or on a CPU; else fp16 on a GPU (a T4 only emulates
    bf16), and float32 on everything else.
    """
    if not isinstance(device, torch.device):
        raise TypeError(f"device={device!r:.60}: give a torch.device, such as images.device.")
    checks.choice("precision", precision, (*PRECISIONS, "auto"))
    if precision == "auto":
        if device.type == "cpu":
            return torch.bfloat16 if _cpu_has_bf16() else None
        if device.type != "cuda":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision='fp16' needs a GPU: on a CPU choose 'fp32', or 'bf16'.")
    return PRECISIONS[precision]


def precision_name(precision: str, device: torch.device) -> str:
    """What `choose_precision` comes to, as a word: "fp32", "bf16" or "fp16"."""
    chosen = choose_precision(precision, device)
    return next(name for name, dtype in PRECISIONS.items() if dtype is chosen)


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels last where it is faster and right. On MPS its BatchNorm gradients are wrong (pytorch issue 175189)."""
    return torch.channels_last if device.type in ("cpu", "cuda") else torch.contiguous_format


def _cpu_has_bf16() -> bool:
    """Whether this processor multiplies in bf16, as torch tells it; an older torch does not tell."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
