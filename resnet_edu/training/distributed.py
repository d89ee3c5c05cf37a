"""Several processes train one network, on one machine or several.

    torchrun --standalone --nproc_per_node=2 -m resnet_edu train --depth 20 --out run

Every process ("rank") holds all images and the whole network. From each batch it takes its share: every world-th image
of one permutation, which all ranks generate from the same seed. DistributedDataParallel averages the gradients, so that
all copies stay equal. Losses, counts and evaluations are summed over the ranks; only rank 0 writes files.

What differs from one process: BatchNorm normalizes each rank's share with the share's own mean and variance, and
dropout uses a different mask on each rank. Ranks other than 0 start from new dropout masks when a run resumes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from resnet_edu.training.precision import layout


@dataclass
class Ranks:
    """The processes that train a network: by default one, which gets all of each batch."""

    rank: int = 0
    world: int = 1

    def total(self, numbers: Tensor) -> Tensor:
        """The sum of a tensor over all ranks."""
        if self.world > 1:
            numbers = numbers.clone()
            dist.all_reduce(numbers)
        return numbers

    def share_buffers(self, net: nn.Module) -> None:
        """Broadcast rank 0's running statistics, so that all ranks evaluate the same network."""
        if self.world > 1:
            for buffer in net.buffers():
                dist.broadcast(buffer, src=0)


def launched() -> bool:
    """Whether torchrun, or a launcher that sets the same variables, started this process as one of several."""
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"))


class ProcessGroup(Ranks):
    """The processes that torchrun started, to pass to `training.fit(..., ranks=)`; use it in a `with` statement."""

    def __init__(self) -> None:
        self.rank, self.world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        gpu = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        self.device = gpu if torch.cuda.device_count() else torch.device("cpu")

    def __enter__(self) -> ProcessGroup:
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            dist.barrier()  # a process that left first could end the connections of one that still works
        dist.destroy_process_group()

    def wrap(self, net: nn.Module) -> nn.Module:
        """Wrap the network so that gradients are averaged over all ranks; broadcast rank 0's weights and statistics."""
        # Set the memory format first: DDP lays out its buckets like the weights it gets.
        return DistributedDataParallel(net.to(**layout(net, self.device)))
