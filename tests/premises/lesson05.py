"""What the claims of lesson 05 rest on."""

from typing import Any

from premises.core import Premise
from premises.patches import (
    always_eval,
    deep_nets_are_perfect,
    fit_with,
    force,
    he_always,
    memorized_training_images,
    no_clipping,
    no_part_of_a_state_is_loaded,
    no_weights_loaded,
    nothing_is_learned,
    nothing_is_set,
    on_record,
    opposite_gradients,
    pixels_of_another_scale,
    recorder_of_powers,
    recorder_without_the_last,
    together,
)


def all_alike(result: Any) -> Any:
    """The same tables with one network throughout."""
    if isinstance(result, dict) and "training" in result:
        return {"training": 0.5, "test": 0.5, "late norms": [1.0, 1.0]}
    items = result.items() if isinstance(result, dict) else enumerate(result)
    alike = {key: all_alike(value) for key, value in items}
    return alike if isinstance(result, dict) else list(alike.values())


PREMISES = [
    # --- plain-20, plain-56, and the networks on record ---
    Premise(
        "nothing is learned",
        nothing_is_learned,
        "train-claims",
        "moved-run: Plain-56",
        "first-steps-run: Thirty",
        "continue-claims: Rate 0.02",
        "trained-run: Plain-56",
        budget="laptop",
    ),
    Premise(
        "the records hold one network throughout",
        on_record(all_alike),
        "depths-claims",
        "gap-run: The control",
        "starts-claims",
        "rates-run",
    ),
    Premise(
        "the training images are memorized",
        together(nothing_is_learned, memorized_training_images),
        "gap-run: Your",
        budget="laptop",
    ),
    Premise(
        "no norm, PyTorch's initialization",
        force(norm=None, init="default"),
        "late-run: Late",
        "late-run: Plain-56",
        budget="laptop",
    ),
    Premise(
        "every network has He's initialization, the control, too",
        he_always,
        "late-run: The control",
        "moved-run: The control",
    ),
    Premise("nothing is clipped", no_clipping, "first-steps-run: clipped steps", budget="laptop"),
    # --- the constructed network ---
    Premise(
        "tanh in place of ReLU",
        force(activation="tanh"),
        "naive-run: Naive construction: largest",
        "construct-run: Constructed network: largest",
    ),
    Premise(
        "tanh in place of ReLU, trained for longer",
        force(activation="tanh"),
        "construct-run: Constructed network: train-mode",
        budget="laptop",
    ),
    Premise("no layer is copied", no_part_of_a_state_is_loaded, "trained-run: The constructed"),
    Premise("train mode is eval mode", always_eval, "naive-run: Naive construction: train-mode"),
    Premise(
        "the recorder leaves out the classifier", recorder_without_the_last, "construct-run: number of convolutions"
    ),
    Premise("every rate is 0.5", fit_with(lr=0.5), "continue-claims: Rate 0.001", budget="laptop"),
    Premise(
        "the recorder returns powers of ten", recorder_of_powers, "continue-claims: The constructed network, first"
    ),
    Premise(
        "deep networks are perfect",
        together(nothing_is_learned, deep_nets_are_perfect),
        "continue-claims: The constructed network at",
        budget="laptop",
    ),
    # --- shattering ---
    Premise("the pixels have another scale", pixels_of_another_scale, "shatter-by-hand"),
    Premise(
        "all gradients are opposite",
        opposite_gradients,
        "shatter-run",
        "shatter-claims",
        "fine-run",
        "which-claims: A: absolute",
    ),
    # --- the eight cases ---
    Premise("the recorder returns powers of ten, in every case", recorder_of_powers, "which-claims: largest"),
    Premise("no trained case", no_weights_loaded, "which-claims: B: loss", "which-claims: G: loss"),
    Premise("every network has BatchNorm", force(norm="batch"), "which-claims: D: loss"),
    Premise("every network has He's initialization", he_always, "which-claims: F: norm", "which-claims: C: layers"),
    Premise("every activation is a sigmoid", force(activation="sigmoid"), "which-claims: C: zeros"),
    Premise("no gamma starts at 0", force(zero_init_residual=False), "which-claims: E: layers"),
    Premise("no beta is thrown off", nothing_is_set, "which-claims: H: layers"),
]
