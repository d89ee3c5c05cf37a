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

START = ("imports", "data")
TRAINED = (*START, "train-run", "train-claims")
STUDIED = (*TRAINED, "depths-run", "depths-claims", "gap-run")
MOVED = (*STUDIED, "heatmap-run", "late-run", "moved-run", "first-steps-run")
BUILT = (*TRAINED, "exercise-identity_conv", "exercise-identity_conv-check", "construct-code", "naive-run",
         "construct-run")  # fmt: skip
CONTINUED = (*BUILT, "continue-run", "continue-claims")
LINES = (*START, "exercise-gradient_cosine", "exercise-gradient_cosine-check", "shatter-by-hand", "shatter-run",
         "shatter-claims", "fine-run")  # fmt: skip
CASES = (*START, "which-run", "which-claims")


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
        (*MOVED, *CONTINUED[4:], "trained-run"),
        (
            "The accuracy of plain-56 on its training images (guessing gives 0.1)",
            "Plain-56 stays behind plain-20 on the training images, by",
            "Plain-56: smallest relative change of a layer",
            "Thirty large steps move a layer of plain-56 by up to so many times its length",
            "Rate 0.02: plain-20 continued minus the constructed network",
            "Rate 0.02: the constructed network, after minus before",
            "Plain-56 after training: mean cosine",
        ),
        budget="laptop",
    ),
    Premise(
        "the records hold one network throughout",
        on_record(all_alike),
        (*STUDIED, "starts-run", "starts-claims", "rates-run"),
        (
            "Plain networks lose training accuracy at each of three steps in depth, at least",
            "The worst ResNet-56 of three is better than the best plain-56, by",
            "The control, ResNet-20 on record: training minus test accuracy",
            "Plain-56 with large steps stays below plain-56 with small steps, by",
            "Plain-56 with clipping, the better of the two ways: training accuracy",
            "With each of the four starts plain-56 is behind plain-20, by at least",
            "Plain-20 at its worst rate is ahead of plain-56 at its best, by",
        ),
    ),
    Premise(
        "the training images are memorized",
        together(nothing_is_learned, memorized_training_images),
        STUDIED,
        ("Your plain-56: training minus test accuracy",),
        budget="laptop",
    ),
    Premise(
        "no norm, PyTorch's initialization",
        force(norm=None, init="default"),
        (*STUDIED, "heatmap-run", "late-run"),
        (
            "Plain-56, late in training: smallest over largest gradient norm of a convolution",
            "Late median gradient norm, plain-56 over plain-20",
        ),
        budget="laptop",
    ),
    Premise(
        "every network has He's initialization, the control, too",
        he_always,
        (*STUDIED, "heatmap-run", "late-run", "moved-run"),
        (
            "The control: first over last gradient norm at its last step",
            "The control: convolutions of 55 without a single changed bit",
        ),
    ),
    Premise("nothing is clipped", no_clipping, MOVED, ("With clipping, by up to",), budget="laptop"),
    # --- the constructed network ---
    Premise(
        "tanh in place of ReLU",
        force(activation="tanh"),
        BUILT,
        (
            "Naive construction: largest difference of a logit in eval mode",
            "Constructed network: largest difference of a logit in eval mode",
        ),
    ),
    Premise(
        "tanh in place of ReLU, trained for longer",
        force(activation="tanh"),
        BUILT,
        ("Constructed network: train-mode loss over plain-20's",),
        budget="laptop",
    ),
    Premise(
        "no layer is copied",
        no_part_of_a_state_is_loaded,
        (*BUILT, "trained-run"),
        ("The constructed network's cosine differs from plain-20's by",),
    ),
    Premise("train mode is eval mode", always_eval, BUILT, ("Naive construction: train-mode loss over plain-20's",)),
    Premise(
        "the recorder leaves out the classifier",
        recorder_without_the_last,
        BUILT,
        ("Its convolutions and its classifier, together",),
    ),
    Premise(
        "every rate is 0.5",
        fit_with(lr=0.5),
        CONTINUED,
        ("Rate 0.001: the constructed network, after minus before",),
        budget="laptop",
    ),
    Premise(
        "the recorder returns powers of ten",
        recorder_of_powers,
        CONTINUED,
        ("The constructed network, first step: first over last gradient norm",),
    ),
    Premise(
        "deep networks are perfect",
        together(nothing_is_learned, deep_nets_are_perfect),
        CONTINUED,
        ("The constructed network at its best rate minus plain-20 at its best",),
        budget="laptop",
    ),
    # --- shattering ---
    Premise(
        "the pixels have another scale",
        pixels_of_another_scale,
        LINES[:5],
        ("Neighbors differ, in gray levels of 255 per pixel, by",),
    ),
    Premise(
        "all gradients are opposite",
        opposite_gradients,
        (*LINES, "which-run", "which-claims"),
        (
            "Plain-8, first two points: the cosine by hand differs from the probe's by",
            "Every seed: plain-8's cosine is above ResNet-56's by",
            "Every seed: ResNet-56's cosine is above plain-56's by",
            "Plain-56's cosine that is furthest from 0",
            "Plain-56, a line 3,969 times shorter: mean cosine",
            "A: absolute value of the cosine",
        ),
    ),
    # --- the eight cases ---
    Premise(
        "the recorder returns powers of ten, in every case",
        recorder_of_powers,
        CASES,
        ("B: largest norm over smallest", "G: largest norm over smallest"),
    ),
    Premise("no trained case", no_weights_loaded, CASES, ("B: loss", "G: loss minus B's, after as many steps")),
    Premise("every network has BatchNorm", force(norm="batch"), CASES, ("D: loss",)),
    Premise(
        "every network has He's initialization",
        he_always,
        CASES,
        ("C: layers whose recorded norm is 0", "F: first over last norm of a convolution"),
    ),
    Premise(
        "every activation is a sigmoid",
        force(activation="sigmoid"),
        CASES,
        ("C: zeros among the entries of the first gradient",),
    ),
    Premise("no gamma starts at 0", force(zero_init_residual=False), CASES, ("E: layers of 56 whose norm is 0",)),
    Premise("no beta is thrown off", nothing_is_set, CASES, ("H: layers of 20 whose norm is 0",)),
]
