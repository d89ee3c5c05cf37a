"""What the claims of lesson 13 rest on."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from premises.core import Patch, Premise
from premises.patches import (
    answer_with,
    changed,
    fit_with,
    in_place_of,
    memorized_training_images,
    no_weights_loaded,
    recorder_of_powers,
    swap,
    together,
    wrap,
)
from resnet_edu import data

scenes_with = partial(changed, data, "compose_scenes")


def full_of_objects(scenes: data.Scenes) -> data.Scenes:
    return dataclasses.replace(scenes, masks=torch.ones_like(scenes.masks))


def one_pixel_too_far(scenes: data.Scenes) -> data.Scenes:
    return dataclasses.replace(scenes, masks=scenes.masks.roll(1, -1))


def small_objects(scenes: data.Scenes) -> data.Scenes:
    return dataclasses.replace(scenes, boxes=[torch.cat((b[:, :2], b[:, :2] + 2), 1) for b in scenes.boxes])


def blended(coarse: torch.Tensor, fine: torch.Tensor, lateral: Any) -> torch.Tensor:
    return F.interpolate(coarse, scale_factor=2, mode="bilinear") + lateral(fine)


def over_larger(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    first, last = torch.maximum(a[:, None, :2], b[:, :2]), torch.minimum(a[:, None, 2:], b[:, 2:])
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (a, b)]
    return (last - first).clamp(min=0).prod(2) / torch.maximum(areas[0][:, None], areas[1])


#: Features are made in train mode, so BatchNorm's statistics move.
frozen_too_late = swap(nn.Module, "eval", lambda self: self.train())
no_step = swap(torch.optim.AdamW, "step", lambda self, closure=None: None)
nothing_is_suppressed = swap(
    torchvision.ops, "batched_nms", lambda boxes, scores, kinds, most: scores.argsort(descending=True)
)


@in_place_of(data, "tone_words")
def words_of_one_pitch_and_phase(
    _: Any, count: int, *, noise: float = 0.3, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each word is the same sound whoever says it: a linear layer is enough."""
    labels = torch.randint(4, (count,), generator=torch.Generator().manual_seed(seed))
    return torch.eye(4).repeat_interleave(512, 1)[labels][:, None], labels


def sentences_with(change: Callable[[data.Sentences], data.Sentences], nouns: Any = None) -> Patch:
    @in_place_of(data, "agreement_sentences")
    def patch(original: Any, count: int, given: Any, *, seed: int) -> data.Sentences:
        return change(original(count, nouns or given, seed=seed))

    return patch


def never_misleading(sentences: data.Sentences) -> data.Sentences:
    return dataclasses.replace(sentences, misleading=torch.zeros_like(sentences.misleading))


@in_place_of(nn.Linear, "forward")
def linear_with_wide_skip(original: Any, self: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    """Every linear layer of 64 to 64 adds its input: a plain net that is none."""
    return original(self, x) + (x if self.in_features == self.out_features else 0)


@in_place_of(nn.Module, "__setattr__")
def residual_blocks_have_more(original: Any, self: nn.Module, name: str, value: Any) -> None:
    original(self, name, value)
    if name == "residual" and value is True:
        original(self, "extra", nn.Parameter(torch.zeros(3)))


@in_place_of(nn.Conv2d, "forward")
def fine_map_is_lost(original: Any, self: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """The 1 x 1 convolution of the fine map gives nothing."""
    return original(self, x) * (not (self.in_channels == self.out_channels and self.kernel_size == (1, 1)))


#: Two maps [N, C, H, W], one behind the other along the channels, are zeros.
joined_maps_are_empty = wrap(
    torch, "cat", lambda original: lambda parts, dim=0: original(parts, dim) * (dim != 1 or parts[0].dim() != 4)
)

#: Probabilities that no logit changes, so the Dice loss teaches nothing.
probabilities_are_equal = wrap(
    torch.Tensor, "softmax", lambda original: lambda self, dim: original(self, dim) * 0 + 1 / self.shape[dim]
)


@in_place_of(torchvision.ops, "sigmoid_focal_loss")
def focal_loss_is_cross_entropy(
    _: Any, logits: torch.Tensor, targets: torch.Tensor, reduction: str = "none"
) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets, reduction=reduction)


@in_place_of(F, "binary_cross_entropy_with_logits")
def cross_entropy_is_focal_loss(
    original: Any, logits: torch.Tensor, targets: torch.Tensor, reduction: str = "mean"
) -> torch.Tensor:
    with pytest.MonkeyPatch.context() as inside:  # the focal loss is made of the cross-entropy
        inside.setattr(F, "binary_cross_entropy_with_logits", original)
        return torchvision.ops.sigmoid_focal_loss(logits, targets, reduction=reduction)


PREMISES = [
    Premise("masks are moved by a pixel", scenes_with(one_pixel_too_far), "scenes-claims"),
    Premise("maps are blended", answer_with(top_down=blended), "pyramid-run"),
    Premise("there is no background", scenes_with(full_of_objects), "nothing-run"),
    Premise("the backbone stays in train mode", frozen_too_late, "segment-claims: Values"),
    Premise("boxes are compared by the larger one", answer_with(box_iou=over_larger), "iou-run"),
    Premise("the objects are of two pixels", scenes_with(small_objects), "detector-cells"),
    Premise("the focal loss is the cross-entropy", focal_loss_is_cross_entropy, "detector-run: Focal"),
    Premise("the cross-entropy is the focal loss", cross_entropy_is_focal_loss, "detector-run: Cross"),
    Premise("every average precision is 0.9", answer_with(average_precision=lambda *_: 0.9), "ap-run: Guessed"),
    Premise("each word is one sound", words_of_one_pitch_and_phase, "signal-run: A linear"),
    Premise(
        "all sentences are about the same nouns, and none misleads",
        sentences_with(never_misleading, data.NOUNS),
        "text-run: Nouns that",
        "text-run: Accuracy of the nearest-noun rule",
    ),
    Premise(
        "every linear layer has a skip, and residual blocks have more parameters",
        together(linear_with_wide_skip, residual_blocks_have_more),
        "dense-run: Parameters",
        "dense-run: Plain: first",
    ),
    Premise("every net knows its training images", memorized_training_images, "dense-train: Plain: best"),
    Premise(
        "the recorder gives powers of ten", recorder_of_powers, "dense-run: Plain, He", "dense-run: Residual: first"
    ),
    Premise(
        "no step is taken",
        no_step,
        "segment-claims: minus",
        "ap-run: The detector",
        "signal-run: The residual",
        "text-run: where the nearest noun misleads",
        "text-run: The residual",
        budget="laptop",
    ),
    Premise("no weights are loaded", no_weights_loaded, "segment-claims: Worst run", budget="laptop"),
    Premise("the fine map is lost", fine_map_is_lost, "join-run: no fine map", budget="laptop"),
    Premise("joined maps are empty", joined_maps_are_empty, "join-run: concatenated", budget="laptop"),
    Premise("the Dice loss teaches nothing", probabilities_are_equal, "join-run: Dice", budget="laptop"),
    Premise("nothing is suppressed", nothing_is_suppressed, "detector-run: Boxes", budget="laptop"),
    Premise(
        "the dense nets learn nothing",
        fit_with(lr=0.0),
        "dense-train: Plain, He",
        "dense-train: Worst",
        budget="laptop",
    ),
]
