"""Several processes train one net, on one machine or on several.

    torchrun --standalone --nproc_per_node=2 -m resnet_edu train --depth 20 --out run

Every process ("rank") holds the whole set of images and the whole net. Of each batch it takes its share: every world-th
image of one permutation, which all ranks draw from the same seed. DistributedDataParallel averages the gradients, so
that all nets stay equal. Losses, counts and evaluations are summed over the ranks; rank 0 alone writes.

What is not equal to one process: BatchNorm normalizes each rank's share by the share's own mean and variance, and
dropout draws masks of its own in each rank, which the ranks after the first draw anew when a run is resumed.
"""

from __future__ import annotations

import os
from types import TracebackType

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


def launched() -> bool:
    """Whether torchrun, or something that sets the same variables, started this process as one of several."""
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"))


class ProcessGroup:
    """The processes that torchrun started, as `training.fit(..., ranks=)` takes them; used in a `with` statement."""

    def __init__(self) -> None:
        if not launched():
            raise RuntimeError(
                "These are no processes that train together: start them with torchrun --standalone --nproc_per_node=2."
            )
        self.rank, self.world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self.local_rank = int(os.environ["LOCAL_RANK"])
        gpus = torch.cuda.device_count()
        if gpus and self.local_rank >= gpus:
            raise RuntimeError(f"Process {self.local_rank} of this machine has no GPU of its own; there are {gpus}.")
        self.device = torch.device("cuda", self.local_rank) if gpus else torch.device("cpu")

    def __enter__(self) -> ProcessGroup:
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        dist.destroy_process_group()

    def wrap(self, net: nn.Module) -> nn.Module:
        """The net, its gradients averaged over all ranks; weights and statistics of rank 0 are given to all."""
        # Its memory format is settled first: DDP lays out its buckets like the weights that it is given.
        net = net.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return DistributedDataParallel(net, device_ids=[self.local_rank] if self.device.type == "cuda" else None)

    def total(self, numbers: Tensor) -> Tensor:
        """The sum of a tensor over all ranks."""
        summed = numbers.clone()
        dist.all_reduce(summed)
        return summed

    def share_buffers(self, net: nn.Module) -> None:
        """Rank 0's running statistics to all ranks, so that all evaluate one and the same net."""
        for buffer in net.buffers():
            dist.broadcast(buffer, src=0)
