"""L2 norms that do not underflow: correct even for entries of 1e-24."""

import torch
from torch import Tensor


def true_norms(tensors: list[Tensor]) -> list[Tensor]:
    """The L2 norm of each tensor, accurate down to the smallest float: one scalar tensor on the device for each."""
    dense = [t.coalesce().values() if t.is_sparse else t for t in tensors]
    if not dense:
        return []
    if any(t.device.type == "mps" for t in dense):  # Apple's GPUs have no float64
        return [scaled_norm(t) for t in dense]
    return list(torch._foreach_norm(dense, 2, dtype=torch.float64))


def scaled_norm(x: Tensor) -> Tensor:
    """The L2 norm in float32: x is first divided by its largest entry, so that no square underflows or overflows."""
    if x.numel() == 0:
        return torch.zeros((), device=x.device)
    largest = x.abs().max().float().clamp_min(torch.finfo(torch.float32).tiny)
    norm = largest * torch.linalg.vector_norm(x.float() / largest)
    return torch.where(largest.isinf(), largest, norm)


def l2(x: Tensor) -> float:
    return float(true_norms([x if x.is_floating_point() or x.is_complex() else x.float()])[0])


def rms(x: Tensor) -> float:
    return l2(x) / max(1, x.numel()) ** 0.5
