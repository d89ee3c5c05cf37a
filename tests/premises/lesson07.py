"""What the claims of lesson 07 rest on."""

from typing import Any

import pytest

from premises.core import Premise
from premises.patches import (
    force,
    memorised_training_images,
    plain_always,
    recorder_of_ones,
    seeds_do_nothing,
    swap_depths,
)
from resnet_edu import recipes

START = ("imports", "nets", "drawing")
FAIR = ("imports", "nets", "exercise-same_start", "exercise-same_start-check", "nets-claims")


def no_difference_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    original = recipes.recorded

    def recorded() -> dict[str, Any]:
        return {name: {**run, "test_error": 0.1, "training_error": 0.1} for name, run in original().items()}

    monkeypatch.setattr(recipes, "recorded", recorded)


PREMISES = [
    Premise(
        "no difference on record",
        no_difference_on_record,
        ("imports", "record-run"),
        (
            "on record: training error, plain-20 minus ResNet-20, in points",
            "on record: test error, plain-20 minus ResNet-20, in points",
        ),
    ),
    Premise(
        "every shortcut is a projection",
        force(shortcut="B"),
        FAIR,
        ("parameters, ResNet-20 minus plain-20", "parameters, ResNet-56 minus plain-56"),
    ),
    Premise(
        "seeds do nothing",
        seeds_do_nothing,
        FAIR,
        ("every weight starts equal, depth 20 (1 = yes)", "every weight starts equal, depth 56 (1 = yes)"),
    ),
    Premise(
        "the recorder returns ones",
        recorder_of_ones,
        (*START, "start-run", "train-run", "heatmap-run", "heatmap-claims"),
        (
            "plain-56: first / last gradient at the start",
            "plain-56: first / last gradient, last step over first step",
        ),
    ),
    Premise(
        "the model ignores `residual`",
        plain_always,
        (*START, "start-run"),
        ("ResNet-56: first / last gradient at the start",),
    ),
    Premise(
        "no norm, no skip, PyTorch's initialisation",
        force(residual=False, norm=None, init="default"),
        (*START, "train-run", "heatmap-run", "heatmap-claims"),
        (
            "plain-56, last step: smallest / largest gradient norm",
            "ResNet-56, last step: smallest / largest gradient norm",
            "plain-56, last step: smallest gradient norm of a convolution",
        ),
    ),
    Premise(
        "the model ignores `residual`, trained for longer",
        plain_always,
        (*START, "train-run", "result-run", "result-claims"),
        (
            "ResNet-56 minus plain-56, training accuracy",
            "ResNet-20 minus plain-20, training accuracy",
            "ResNet-56 minus plain-56, test accuracy",
        ),
        budget="laptop",
    ),
    Premise(
        "the depths are swapped",
        swap_depths,
        (*START, "train-run", "result-run", "result-claims", "heatmap-run", "heatmap-claims", "small-claims"),
        (
            "plain-20 minus plain-56, training accuracy",
            "ResNet-56 minus ResNet-20, training accuracy",
            "second half of the training: median gradient norm, plain-56 / plain-20",
        ),
        budget="laptop",
    ),
    Premise(
        "the training images are memorised",
        memorised_training_images,
        (*START, "train-run", "result-run", "result-claims"),
        ("plain-56: training minus test accuracy",),
        budget="laptop",
    ),
]
