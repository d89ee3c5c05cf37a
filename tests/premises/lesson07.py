"""What the claims of lesson 07 rest on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from premises.core import Premise
from premises.patches import (
    force,
    memorized_training_images,
    no_weights_loaded,
    nothing_is_learned,
    on_record,
    plain_always,
    recorder_of_ones,
    recorder_of_powers,
    seeds_do_nothing,
    together,
)
from resnet_edu.training import recipes

START = ("imports", "nets", "drawing")
FAIR = ("imports", "nets", "exercise-same_start", "exercise-same_start-check", "nets-claims")
RESULT = (*START, "train-run", "result-run", "result-claims")
FULL = ("imports", "full-run", "full-claims")


def errors_on_record(error: Callable[[int], float]) -> Callable[[pytest.MonkeyPatch], None]:
    """Every run on record has the training error `error(depth)`."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = recipes.recorded

        def recorded() -> dict[str, Any]:
            return {name: {**run, "training_error": error(run["depth"])} for name, run in original().items()}

        monkeypatch.setattr(recipes, "recorded", recorded)

    return patch


def vanishing_norms_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    original = recipes.recorded_norms

    def recorded_norms(name: str) -> recipes.RecordedNorms:
        kept = original(name)
        row = 10.0 ** np.arange(len(kept.names)) * (1 if "plain" in name else 100)
        return recipes.RecordedNorms(kept.names, kept.steps, np.tile(row, (len(kept.steps), 1)))

    monkeypatch.setattr(recipes, "recorded_norms", recorded_norms)


def no_deep_residual_network(study: Any) -> Any:
    return {**study, "ResNet": {**study["ResNet"], "56": study["plain"]["56"]}}


PREMISES = [
    Premise(
        "every shortcut is a projection",
        force(shortcut="B"),
        FAIR,
        ("Parameters of ResNet-20 minus those of plain-20", "Parameters of ResNet-56 minus those of plain-56"),
    ),
    Premise(
        "seeds do nothing",
        seeds_do_nothing,
        FAIR,
        ("At depth 20 all parameters start equal (1 = yes)", "At depth 56 all parameters start equal (1 = yes)"),
    ),
    Premise(
        "the recorder returns ones",
        recorder_of_ones,
        (*START, "start-run"),
        ("Before training, plain-56: first over last gradient norm",),
    ),
    Premise(
        "the model ignores `residual`",
        plain_always,
        (*START, "start-run"),
        ("Before training, ResNet-56: first over last gradient norm",),
    ),
    # --- the five networks that the reader trains ---
    Premise(
        "nothing is learned",
        nothing_is_learned,
        RESULT,
        (
            "Plain-56 ends above chance (0.1) on the training images, at",
            "Plain-56 ends below plain-32 on the training images, by",
            "Plain-32 ends below plain-20 on the training images, by",
            "ResNet-56 ends above plain-20 on the training images, by",
        ),
        budget="laptop",
    ),
    Premise(
        "ResNet-56 on record is plain-56",
        on_record(no_deep_residual_network),
        RESULT,
        ("Of three seeds on record, ResNet-56 is within 0.05 of ResNet-20 in",),
    ),
    Premise(
        "the training images are memorized",
        together(nothing_is_learned, memorized_training_images),
        RESULT,
        ("Plain-56: training minus test accuracy",),
        budget="laptop",
    ),
    Premise(
        "no norm, PyTorch's initialization",
        force(norm=None, init="default"),
        (*START, "train-run", "late-code", "heatmap-claims"),
        (
            "Plain-56, late in training: smallest over largest gradient norm of a convolution",
            "Late median gradient norms of the five networks: largest over smallest",
            "Late median gradient norm, plain-56 over ResNet-56",
        ),
        budget="laptop",
    ),
    # --- the four networks on record ---
    Premise(
        "the error on record grows with depth, whatever the network",
        errors_on_record(lambda depth: depth / 60),
        FULL,
        (
            "On record, plain-56: accuracy on the 50,000 training images",
            "On record, ResNet-56 ends above ResNet-20, by",
        ),
    ),
    Premise(
        "all errors on record are equal",
        errors_on_record(lambda depth: 0.1),
        FULL,
        ("On record, plain-56 ends below plain-20, by",),
    ),
    Premise(
        "the networks on record are fresh ones",
        no_weights_loaded,
        FULL,
        ("Test accuracy here and at the end of the recorded run, largest difference of the four",),
    ),
    Premise(
        "the gradients on record vanish, most of all in plain networks",
        vanishing_norms_on_record,
        (*FULL, "late-code", "record-figure"),
        (
            "On record, late: smallest over largest gradient norm, least of the four networks",
            "On record, late gradient norm layer by layer, plain-56 over ResNet-56: median",
        ),
    ),
    Premise(
        "the recorder returns powers of ten",
        recorder_of_powers,
        (*FULL, "full-gradients"),
        ("Measured here, plain-56: smallest over largest gradient norm of a convolution",),
    ),
]
