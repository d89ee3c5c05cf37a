"""What the claims of lesson 07 rest on."""

from collections.abc import Callable
from typing import Any

import numpy as np

from premises.core import Patch, Premise
from premises.patches import (
    changed,
    force,
    in_place_of,
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


def errors_on_record(error: Callable[[int], float]) -> Patch:
    """Every run on record has the training error `error(depth)`."""

    def with_errors(runs: dict[str, Any]) -> dict[str, Any]:
        return {name: {**run, "training_error": error(run["depth"])} for name, run in runs.items()}

    return changed(recipes, "recorded", with_errors)


@in_place_of(recipes, "recorded_norms")
def vanishing_norms_on_record(original: Any, name: str) -> recipes.RecordedNorms:
    kept = original(name)
    row = 10.0 ** np.arange(len(kept.names)) * (1 if "plain" in name else 100)
    return recipes.RecordedNorms(kept.names, kept.steps, np.tile(row, (len(kept.steps), 1)))


def no_deep_residual_network(study: Any) -> Any:
    return {**study, "ResNet": {**study["ResNet"], "56": study["plain"]["56"]}}


PREMISES = [
    Premise("every shortcut is a projection", force(shortcut="B"), "nets-claims: Parameters"),
    Premise("seeds do nothing", seeds_do_nothing, "nets-claims: At depth"),
    Premise("the recorder returns ones", recorder_of_ones, "start-run: Before training, plain-56"),
    Premise("the model ignores `residual`", plain_always, "start-run: Before training, ResNet-56"),
    # --- the five networks that the reader trains ---
    Premise(
        "nothing is learned",
        nothing_is_learned,
        "result-claims: Training accuracy",
        "result-claims: final accuracy",
        budget="laptop",
    ),
    Premise("ResNet-56 on record is plain-56", on_record(no_deep_residual_network), "result-claims: out of three"),
    Premise(
        "the training images are memorized",
        together(nothing_is_learned, memorized_training_images),
        "result-claims: Plain-56: training",
        budget="laptop",
    ),
    Premise("no norm, PyTorch's initialization", force(norm=None, init="default"), "heatmap-claims", budget="laptop"),
    # --- the four networks on record ---
    Premise(
        "the error on record grows with depth, whatever the network",
        errors_on_record(lambda depth: depth / 60),
        "full-claims: ResNet-56 minus",
        "full-claims: Recorded run of plain-56",
    ),
    Premise("all errors on record are equal", errors_on_record(lambda depth: 0.1), "full-claims: plain-20 minus that"),
    Premise("the networks on record are fresh ones", no_weights_loaded, "full-claims: Test"),
    Premise(
        "the gradients on record vanish, most of all in plain networks", vanishing_norms_on_record, "record-figure"
    ),
    Premise("the recorder returns powers of ten", recorder_of_powers, "full-gradients"),
]
