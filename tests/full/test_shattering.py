"""Lesson 05's order of shattering holds for ten seeds: other weights, other images, another line each."""

import pytest
import torch

from resnet_edu import data, models, probes


@pytest.mark.parametrize("seed", range(10))
def test_depth_shatters_and_the_skip_mends(seed: int) -> None:
    train, _ = data.load("sample", size=16)
    batch, _ = next(iter(train.batches(64, shuffle=True, seed=100 * seed)))

    def mean_cosine(depth: int, residual: bool) -> float:
        torch.manual_seed(100 * seed)
        net = models.CifarNet(depth, residual=residual).to(batch.device)
        return float(probes.shattering(net, batch[0], batch[1], calibrate=batch).cosine.mean())

    plain8, resnet56, plain56 = mean_cosine(8, False), mean_cosine(56, True), mean_cosine(56, False)
    print(f"seed {seed}: plain-8 {plain8:.3f}, ResNet-56 {resnet56:.3f}, plain-56 {plain56:.3f}")
    assert plain8 - resnet56 > 0.1
    assert resnet56 - plain56 > 0.3
