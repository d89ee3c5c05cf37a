"""What the claims of lesson 12 rest on."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from premises.core import Premise
from premises.patches import (
    always_eval,
    answer_with,
    changed,
    every_answer_is_right,
    fit_with,
    in_place_of,
    predictions,
    swap,
    together,
    wrap,
)
from resnet_edu import data, training
from resnet_edu.models import weights

nothing_is_loaded = wrap(weights, "load", lambda original: lambda net, name: original(copy.deepcopy(net), name))
nothing_can_be_frozen = swap(nn.Module, "requires_grad_", lambda self, requires_grad=True: self)
no_noise = swap(torch, "randn", lambda shape, generator: torch.zeros(shape))
modest = predictions(lambda probabilities: (probabilities / 50).softmax(1))
all_end_perfect = together(swap(training, "fit", lambda *args, **options: training.History()), every_answer_is_right)


def frozen_in_train_mode(net: nn.Module) -> list[nn.Parameter]:
    net.train()
    return list(net.fc.parameters())


@partial(changed, data.Images, "only")
def one_class_only(images: data.Images) -> data.Images:
    return data.Images(images.images, torch.full_like(images.labels, len(images.classes) - 1), images.classes)


def gradients_are_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    original, generator = torch.autograd.grad, torch.Generator().manual_seed(0)

    def grad(*args: Any, **options: Any) -> tuple[torch.Tensor, ...]:
        found = original(*args, **options)
        return tuple(torch.randn(g.shape, dtype=g.dtype, generator=generator) for g in found)

    monkeypatch.setattr(torch.autograd, "grad", grad)


def activations_alone(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    return activations.sum(1)


@in_place_of(nn.Module, "get_submodule")
def stages_are_exchanged(original: Any, self: nn.Module, name: str) -> nn.Module:
    return original(self, {"stage1": "stage3", "stage3": "stage1"}.get(name, name))


@in_place_of(training, "predict")
def classes_in_turn(_: Any, net: nn.Module, images: data.Images) -> torch.Tensor:
    return F.one_hot(torch.arange(len(images)) % 6, 6).float()


PREMISES = [
    Premise(
        "the net is not trained",
        nothing_is_loaded,
        "nets",
        "unseen-run: called",
        "auroc-run",
        "transfer-claims: Linear probe on the fewest",
        "channels-run: Share",
        "depth-run",
        "own-pictures",
    ),
    Premise("nothing can be frozen", nothing_can_be_frozen, "freeze-run: Parameters"),
    Premise("train mode is eval mode", always_eval, "freeze-run: Running", "freeze-run: The old head"),
    Premise("the frozen body is in train mode", answer_with(freeze=frozen_in_train_mode), "features-run"),
    Premise(
        "every training ends in a perfect net", all_end_perfect, "transfer-claims: minus", "longer-run", budget="laptop"
    ),
    Premise("nothing is fine-tuned", fit_with(lr=0.0), "paired-run", budget="laptop"),
    Premise("all images are of one class", one_class_only, "channels-run: The same"),
    Premise("gradients are noise", gradients_are_noise, "check-run", "sanity-claims: uided"),
    Premise(
        "gradients are noise, on more pictures",
        gradients_are_noise,
        "erase-run: darkest",
        "erase-run: Mean fall",
        "moved-run",
        budget="laptop",
    ),
    Premise(
        "the maps are empty",
        answer_with(grad_cam=lambda activations, gradients: torch.zeros_like(activations[:, 0])),
        "maps-run: Maps",
    ),
    Premise(
        "the map knows no class",
        answer_with(grad_cam=activations_alone),
        "maps-run: Largest",
        "sanity-claims: Grad-CAM",
    ),
    Premise("stages 1 and 3 are exchanged", stages_are_exchanged, "erase-run: The same", budget="laptop"),
    Premise(
        "the net is never sure",
        modest,
        "unseen-run: Mean",
        "mistakes-run",
        "shift-claims: Unchanged",
        "shift-claims: mean confidence",
        "shift-claims: Classes",
        "temperature-run: found on unchanged",
    ),
    Premise(
        "there is no noise",
        no_noise,
        "shift-claims: accuracy lost",
        "temperature-run: found on images",
        "temperature-run: with the temperature of unchanged",
        "classes-run: Strongest noise: accuracy",
    ),
    Premise(
        "the answers are the classes in turn", classes_in_turn, "temperature-run: its own", "classes-run: commonest"
    ),
    Premise("the net is always right", every_answer_is_right, "classes-run: Unchanged"),
]
