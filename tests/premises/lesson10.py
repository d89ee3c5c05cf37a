"""What the claims of lesson 10 rest on."""

import contextlib
import itertools
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import swa_utils
from torchvision import transforms

from premises.core import Patch, Premise
from premises.patches import (
    answer_with,
    changed,
    every_answer_is_right,
    fit_with,
    force,
    in_place_of,
    swap,
    together,
    wrap,
)
from resnet_edu import models, training
from resnet_edu.training import checkpoints, recipes

half_the_rate_all_the_time = swap(recipes, "warm_up", lambda step, total: 0.5)
sixteen_bits_are_thirty_two = swap(torch, "bfloat16", torch.float32)
every_seed_is_zero = wrap(torch, "manual_seed", lambda original: lambda seed: original(0))
every_layer_in_float32 = swap(torch, "autocast", lambda *a, **k: contextlib.nullcontext())
averaging_keeps_the_last = swap(
    swa_utils, "AveragedModel", lambda net, **_: SimpleNamespace(module=net, update_parameters=lambda net: None)
)


def fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recipes.RECIPES, "paper", replace(recipes.RECIPES["paper"], max_steps=50_000))


@in_place_of(sys.modules["resnet_edu.data.images"], "crop_and_flip")
def batches_from_one_corner(
    original: Any, x: torch.Tensor, offsets: torch.Tensor, flips: torch.Tensor, padding: int
) -> torch.Tensor:
    return original(x, offsets.clamp(max=padding), flips, padding)


def towards_one_corner(top: int, left: int, *size: int) -> tuple[int, ...]:
    return (min(top, 4), min(left, 4), *size)


pictures_from_one_corner = wrap(
    transforms.RandomCrop,
    "get_params",
    lambda original: staticmethod(lambda *args: towards_one_corner(*original(*args))),
)


@in_place_of(nn.BatchNorm2d, "forward")
def batchnorm_wrong_in_channels_last(original: Any, self: nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    return original(self, x) * (1.0 if x.is_contiguous() else 1.1)


@in_place_of(torch.Tensor, "to")
def float32_has_sixteen_bits(original: Any, self: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
    return original(self, *args, **options) if args != (torch.float32,) else original(self, torch.bfloat16)


@in_place_of(training, "fit")
def bf16_starts_elsewhere_and_ends_in_bf16(
    original: Any, net: nn.Module, *args: Any, **options: Any
) -> training.History:
    if options["precision"] != "bf16":
        return original(net, *args, **options)
    torch.manual_seed(7)
    net.load_state_dict(models.CifarNet(8, residual=True).state_dict())
    history = original(net, *args, **{**options, "seed": 7, "lr": 1.0})
    net.bfloat16()
    return history


def read_as(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Patch:
    """What a checkpoint says is changed by `change`; a damaged one is read as the one before."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original, last = checkpoints.read, [dict[str, Any]()]

        def read(path: Any) -> dict[str, Any]:
            with contextlib.suppress(ValueError):
                last.append(original(path))
            return change(last[-1])

        monkeypatch.setattr(checkpoints, "read", read)

    return patch


def weights_a_little_larger(state: dict[str, Any]) -> dict[str, Any]:
    larger = {name: t * 1.001 if t.is_floating_point() else t for name, t in state["net"].items()}
    return {**state, "net": larger}


def mean_of_means(net: nn.Module, x: torch.Tensor, y: torch.Tensor, size: int) -> None:
    pieces = list(zip(x.split(size), y.split(size), strict=True))
    for images, labels in pieces:
        (F.cross_entropy(net(images), labels) / len(pieces)).backward()


@in_place_of(nn.BatchNorm2d, "forward")
def batchnorm_without_statistics(_: Any, self: nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    return x * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


@partial(changed, recipes, "recorded")
def another_record(runs: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {
            **run, "test_error": k / 100, "training_error": 1 - k / 100, "parameters": 1,
            "error_on_the_sample": {"test": k / 10},
        }
        for k, (name, run) in enumerate(runs.items(), start=5)
    }  # fmt: skip


def every_second_network_answers_the_next_class(monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = training.predict, itertools.count()
    monkeypatch.setattr(training, "predict", lambda net, images: original(net, images).roll(next(calls) % 2, dims=1))


@in_place_of(training, "fit")
def scaled_run_is_the_small_one(original: Any, *args: Any, **asked: Any) -> training.History:
    return original(*args, **(asked | {"batch_size": 32, "lr": 0.05} if asked.get("lr") == 0.4 else asked))


@in_place_of(training, "fit")
def batches_of_at_least_250(original: Any, *args: Any, batch_size: int = 128, **asked: Any) -> training.History:
    return original(*args, batch_size=max(batch_size, 250), **asked)


@in_place_of(F, "conv2d")
def convolutions_in_bf16(original: Any, x: torch.Tensor, w: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
    if x.dtype is not torch.float32:
        return original(x, w, *rest, **options)
    return original(x.bfloat16(), w.bfloat16(), *rest, **options).float()


PREMISES = [
    Premise(
        "the rate is halved all the time",
        half_the_rate_all_the_time,
        "schedule-claims: Learning rate",
        "schedule-claims: Steps at",
    ),
    Premise("the recipe ends early", fewer_steps, "schedule-claims: Number"),
    Premise("the rate is never divided", fit_with(schedule="constant"), "drop-run: divided rate", budget="laptop"),
    Premise("the average is the last network", averaging_keeps_the_last, "drop-run: moving average", budget="laptop"),
    Premise("crops go to one corner", together(batches_from_one_corner, pictures_from_one_corner), "augment-run"),
    Premise("BatchNorm is wrong in channels last", batchnorm_wrong_in_channels_last, "layout-run"),
    Premise("16 bits are 32", sixteen_bits_are_thirty_two, "storage-run: weights in bf16"),
    Premise("float32 has 16 bits", float32_has_sixteen_bits, "storage-run: weights in fp32"),
    Premise("autocast casts nothing", every_layer_in_float32, "autocast-dtypes: Layers", "autocast-dtypes: Memory"),
    Premise("training is always in fp32", fit_with(precision="fp32"), "autocast-run: Mean change"),
    Premise(
        "the run in bf16 starts elsewhere, and leaves its weights in bf16",
        bf16_starts_elsewhere_and_ends_in_bf16,
        "autocast-run: Mean change",
        "autocast-run: Fraction",
    ),
    Premise("the stop button does nothing", fit_with(callbacks=()), "resume-claims: Whole"),
    Premise("the checkpoint gives back other weights", read_as(weights_a_little_larger), "resume-claims: Stopped and"),
    Premise("every seed is zero", every_seed_is_zero, "resume-claims: Tensors, out of 44"),
    Premise("there is no momentum", fit_with(momentum=0.0), "forget-run: Momentum"),
    Premise("no block is skipped", force(stochastic_depth_prob=0.0), "forget-run: Random"),
    Premise("a damaged checkpoint is taken for the one before", read_as(lambda state: state), "forget-run: Half"),
    Premise(
        "every process takes the front of the batch, and short pieces weigh like long ones",
        answer_with(shard=lambda order, rank, world: order[: len(order) // world], accumulate=mean_of_means),
        "shard-run: Images",
        "shard-run: No normalization",
        "accumulate-run: No normalization",
    ),
    Premise(
        "BatchNorm has no statistics", batchnorm_without_statistics, "shard-run: BatchNorm", "accumulate-run: BatchNorm"
    ),
    Premise(
        "the record says something else",
        another_record,
        "precision-record",
        "records-claims: Recorded",
        "records-claims: errors",
    ),
    Premise(
        "every second network answers with the next class",
        every_second_network_answers_the_next_class,
        "paired-run: ResNet-20 against",
    ),
    Premise(
        "the scaled run repeats the one with batch 32",
        scaled_run_is_the_small_one,
        "scaling-run: Fraction",
        budget="laptop",
    ),
    Premise(
        "no batch has fewer than 250 images", batches_of_at_least_250, "scaling-run: Training loss", budget="laptop"
    ),
    Premise(
        "the loss stays in bf16",
        swap(F, "cross_entropy", lambda logits, labels: logits.mean()),
        "autocast-dtypes: The loss",
    ),
    Premise("convolutions of float32 are computed in bf16", convolutions_in_bf16, "tf32-run"),
    Premise("all networks answer alike", every_answer_is_right, "paired-run: plain-20"),
    Premise(
        "chance prefers the extremes", swap(math, "comb", lambda n, k: 2**n // (n + 1)), "paired-run: 10 discordant"
    ),
]
