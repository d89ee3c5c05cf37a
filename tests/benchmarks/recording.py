"""What recording gradient norms costs: `python tests/benchmarks/recording.py`.

ResNet-56 at 32 x 32, batch 128, on the CPU: one `GradientNorms.record()` against one training step, in turn in one
process, so that whatever else the machine does falls on both. Bound: at most 1 % of a step.
"""

import statistics
import sys
import time

import torch
from torch.nn import functional as F

from resnet_edu import models, probes

ROUNDS, RECORDS = 7, 20


def seconds(function, repeats=1):
    started = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - started) / repeats


def main():
    torch.manual_seed(0)
    net = models.CifarNet(56, residual=True).to(memory_format=torch.channels_last)
    norms = probes.GradientNorms(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    x = torch.randn(128, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    y = torch.arange(128) % 10

    def step():
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

    step()
    norms.record()
    pairs = [(seconds(norms.record, RECORDS), seconds(step)) for _ in range(ROUNDS)]
    parts = [record / whole for record, whole in pairs]
    record, whole = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"recording: {1e3 * record:.2f} ms of a step of {1e3 * whole:.0f} ms: "
        f"{statistics.median(parts):.3%} [{min(parts):.3%} - {max(parts):.3%}], bound 1 %, "
        f"{ROUNDS} rounds, {torch.get_num_threads()} threads"
    )
    return statistics.median(parts) > 2 * 0.01  # only twice the bound fails


if __name__ == "__main__":
    sys.exit(main())
