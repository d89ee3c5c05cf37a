"""Crop and flip on the CPU: `python tests/benchmarks/augmentation.py`.

From stored images to normalized, cropped, mirrored batches of 128: `Images.batches` against the PIL transforms that one
usually writes, one image after the other. Nine rounds in turn in one process; wanted: at least 8 times as fast.
"""

import statistics
import sys
import time

import torch
from throughput import Pictures
from torch.utils.data import DataLoader

from resnet_edu import data

ROUNDS, COUNT, BATCH = 9, 2560, 128


def main():
    torch.manual_seed(0)
    train, _ = data.load("sample", device="cpu")
    images = train[:COUNT]
    one_by_one = DataLoader(Pictures(images), BATCH, shuffle=True)
    ways = {"PIL": lambda: one_by_one, "batched": lambda: images.batches(BATCH, shuffle=True, augment=True)}
    rates = {name: [] for name in ways}
    for turn in range(ROUNDS + 1):
        for name, batches in ways.items():
            started = time.perf_counter()
            for _ in batches():
                pass
            if turn:  # the first round warms up
                rates[name].append(COUNT / (time.perf_counter() - started))
    ratios = [a / b for a, b in zip(rates["batched"], rates["PIL"], strict=True)]
    middle = statistics.median(ratios)
    print(
        f"crop and flip: {statistics.median(rates['batched']):,.0f} images/s batched, "
        f"{statistics.median(rates['PIL']):,.0f} by PIL: {middle:.1f} [{min(ratios):.1f} - {max(ratios):.1f}] times as "
        f"fast; wanted 8; {ROUNDS} rounds, {torch.get_num_threads()} threads"
    )
    return middle < 8 / 2  # only half of what is wanted fails


if __name__ == "__main__":
    sys.exit(main())
