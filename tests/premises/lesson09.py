"""What the claims of lesson 09 rest on."""

import contextlib
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from premises.core import Patch, Premise
from premises.patches import (
    always_eval,
    changed,
    fit_with,
    force,
    in_place_of,
    no_batchnorm,
    no_step,
    no_weights_loaded,
    plain_always,
    residual_always,
    swap,
    together,
    with_depths,
    wrap,
)
from resnet_edu import models, probes
from resnet_edu.models import weights


def loading(renamed: Callable[[str], str]) -> Patch:
    """Stored weights come under another name."""
    return wrap(weights, "load", lambda original: lambda net, name: original(net, renamed(name)))


def only_residual(**options: Any) -> Patch:
    """A CifarNet that, where it is residual, always takes these options."""

    @in_place_of(models.CifarNet, "__init__")
    def patch(original: Any, self: models.CifarNet, depth: int, **asked: Any) -> None:
        original(self, depth, **{**asked, **(options if asked["residual"] else {})})

    return patch


lengths_changed = partial(changed, probes.Paths, "by_length")
path_ignored = wrap(probes.Paths, "along", lambda original: lambda self, path: original(self, []))
nothing_is_taken_out = swap(probes.PassOn, "forward", lambda self, x: self._shape_of[0](x))
always_normalized = wrap(
    probes, "direction", lambda original: lambda net, *, seed=0, normalize="filter": original(net, seed=seed)
)
weights_stay_moved = swap(
    sys.modules["resnet_edu.probes.surgery"], "weights_as_they_were", lambda module: contextlib.nullcontext()
)
blocks_stay_in_order = swap(probes, "reordered", lambda module, *_: contextlib.nullcontext(module))
#: The branch is scaled as if it had been dropped at times, and never is.
nothing_is_dropped = together(
    swap(torch.Tensor, "bernoulli_", lambda self, *_, **__: self.fill_(1.0)),
    swap(torch, "bernoulli", lambda p, *_, **__: torch.ones_like(p)),
    swap(torch, "rand", lambda *size, **options: torch.full(size, 1 - 1e-6)),
)
#: The whole network is said to be perfect, so that removing any block costs much.
last_block_matters = changed(probes, "lesions", lambda found: replace(found, intact=1.0))


@in_place_of(probes, "lesions")
def stage_starts_stay(
    original: Any, net: nn.Module, blocks: list[str], score: Callable[[nn.Module], float]
) -> probes.Lesions:
    """The score without the first block of a stage is the mean score."""
    found = original(net, blocks, score)
    starts = [i for i, name in enumerate(blocks) if name.endswith(".0")]
    found.scores[starts] = found.scores.mean()
    return found


as_deep_as_the_other = loading(lambda name: name.replace("20", "56"))
residual_are_plain = together(plain_always, loading(lambda name: name.replace("resnet", "plain")))


PREMISES = [
    Premise(
        "a ReLU stands after every addition",
        force(preactivation=False),
        "unroll-run: Backward",
        "unroll-lone: Pre-activation",
    ),
    Premise(
        "the networks are linear",
        force(activation="identity"),
        "unroll-run: Forward",
        "unroll-lone: Backward",
        "unroll-lone: Original",
        "push-run: The same",
    ),
    Premise(
        "every length is a hundred times too large",
        lengths_changed(lambda parts: 100 * parts),
        "lengths-claims: ResNet-56: relative",
        "single-run: Paths",
    ),
    Premise(
        "long paths are counted as short ones",
        lengths_changed(lambda parts: parts.flip(0)),
        "lengths-claims: mean",
        "lengths-claims: Share",
    ),
    Premise(
        "lengths are counted from 5 on",
        lengths_changed(lambda parts: parts.roll(-5, 0)),
        "lengths-claims: Trained ResNet-56: share",
    ),
    Premise("every path goes around all branches", path_ignored, "single-run: One path"),
    Premise("nothing is taken out", nothing_is_taken_out, "lesion-claims: Plain-20", "lesion-claims: Plain-56"),
    Premise(
        "the residual networks are plain",
        residual_are_plain,
        "lesion-claims: ResNet-20 without",
        "lesion-claims: ResNet-56 without",
        "order-run: ResNet-20",
        "order-run: ResNet-56",
    ),
    Premise(
        "the networks of 20 layers have 56",
        together(with_depths({20: 56}), as_deep_as_the_other),
        "lesion-claims: Without",
    ),
    Premise(
        "every network has 56 layers",
        together(with_depths({20: 56, 110: 56}), as_deep_as_the_other),
        "sizes-claims: median",
    ),
    Premise(
        "the branches are still at 0, and the last block matters",
        together(only_residual(zero_init_residual=True), no_weights_loaded, last_block_matters),
        "sizes-claims: Trained ResNet-56",
    ),
    Premise("blocks stay in order", blocks_stay_in_order, "order-run: Plain-20", "order-run: Plain-56"),
    Premise(
        "BatchNorm does nothing",
        no_batchnorm,
        "scale-run: Filters",
        "scale-run: Normalized",
        "push-run: gamma",
        "push-run: Branch",
    ),
    Premise("every direction is filter-normalized", always_normalized, "scale-run: Raw direction"),
    Premise("weights stay where the walk moved them", weights_stay_moved, "surface-claims: that"),
    Premise(
        "plain-56 is ResNet-56",
        together(residual_always, loading(lambda name: name.replace("plain", "resnet"))),
        "surface-claims: Median",
        budget="laptop",
    ),
    Premise(
        "the first block of a stage costs what a later one does", stage_starts_stay, "lesion-claims: ResNet-56: mean"
    ),
    Premise("train mode is eval mode", always_eval, "walls-run"),
    Premise("every model is residual", residual_always, "thousand-claims: Plain"),
    Premise(
        "the model ignores `residual`", plain_always, "thousand-claims: Residual", "thousand-claims: Pre-activation"
    ),
    Premise(
        "the branches do not start at 0", force(zero_init_residual=False), "zero-claims: Zero", "zero-claims: Step 0"
    ),
    Premise("no step is taken", no_step, "zero-claims: Step 1"),
    Premise(
        "there is always BatchNorm",
        force(norm="batch"),
        "variance-run: without normalization",
        "fixup-claims: He's start",
    ),
    Premise("BatchNorm does nothing, in a fresh network", no_batchnorm, "variance-run: with BatchNorm"),
    Premise("the skip doubles", only_residual(skip_scale=2.0), "fixup-claims: highest first loss"),
    Premise("nothing is learned", fit_with(lr=0.0), "fixup-claims: lowest training accuracy", budget="laptop"),
    Premise("nothing is dropped", nothing_is_dropped, "depth-run: 4,000 outputs"),
    Premise("branches are dropped less often", only_residual(stochastic_depth_prob=0.2), "depth-run: nine branches"),
    Premise("the training drops nothing", only_residual(stochastic_depth_prob=0.0), "depth-claims", budget="laptop"),
    Premise("every shortcut is a projection", together(force(shortcut="B"), no_weights_loaded), "reads-run"),
]
