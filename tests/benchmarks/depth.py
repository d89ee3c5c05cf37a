"""Time and memory of a training step against depth: `python tests/benchmarks/depth.py`.

ResNet-20, 32, 44, 56 and 110 at 32 x 32, batch 32, in turn in one process. Fitted: (a step's cost) = c * depth^p, the
memory being all that the forward pass keeps for the backward one. Wanted: both exponents from 0.9 to 1.1.
"""

import statistics
import sys
import time

import numpy as np
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from resnet_edu import models

ROUNDS, DEPTHS = 7, (20, 32, 44, 56, 110)


def main():
    torch.manual_seed(0)
    x = torch.randn(32, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    y = torch.arange(32) % 10
    nets = {d: models.CifarNet(d, residual=True).to(memory_format=torch.channels_last) for d in DEPTHS}

    def step(net):
        net.zero_grad()
        F.cross_entropy(net(x), y).backward()

    def kept(net):
        """Bytes that the backward pass needs, each piece of memory counted once; the weights are not counted."""
        own = {p.untyped_storage().data_ptr() for p in net.parameters()}
        seen = {}

        def pack(tensor):
            memory = tensor.untyped_storage()
            seen[memory.data_ptr()] = (memory.nbytes(), tensor)  # held, so that no address is given out twice
            return tensor

        with saved_tensors_hooks(pack, lambda tensor: tensor):
            net(x)
        return sum(size for address, (size, _) in seen.items() if address not in own)

    seconds = {d: [] for d in DEPTHS}
    for turn in range(ROUNDS + 1):
        for depth, net in nets.items():
            started = time.perf_counter()
            step(net)
            if turn:  # the first round warms up
                seconds[depth].append(time.perf_counter() - started)
    exponents = [np.polyfit(np.log(DEPTHS), np.log(row), 1)[0] for row in zip(*seconds.values(), strict=True)]
    memory = [kept(net) for net in nets.values()]
    in_time, in_memory = statistics.median(exponents), np.polyfit(np.log(DEPTHS), np.log(memory), 1)[0]
    for depth, amount in zip(DEPTHS, memory, strict=True):
        print(f"ResNet-{depth}: {1e3 * statistics.median(seconds[depth]):.0f} ms, {amount / 2**20:.0f} MiB kept")
    print(
        f"depth: time grows as depth^{in_time:.2f} [{min(exponents):.2f} - {max(exponents):.2f}], memory as "
        f"depth^{in_memory:.2f}; wanted 0.9 to 1.1; {ROUNDS} rounds, {torch.get_num_threads()} threads"
    )
    return not (0.45 < in_time < 2.2 and 0.45 < in_memory < 2.2)  # only twice the bound fails


if __name__ == "__main__":
    sys.exit(main())
