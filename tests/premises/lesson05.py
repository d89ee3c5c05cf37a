"""What the claims of lesson 05 rest on."""

from premises.core import Premise
from premises.patches import (
    always_eval,
    deep_nets_are_perfect,
    fit_with,
    force,
    he_always,
    memorised_training_images,
    no_part_of_a_state_is_loaded,
    no_weights_loaded,
    nothing_is_learned,
    nothing_is_set,
    opposite_gradients,
    pixels_of_another_scale,
    recorder_of_powers,
    recorder_without_the_last,
    swap_depths,
    together,
)

START = ("imports", "data")
TRAINED = (*START, "train-run", "train-claims")
FINISHED = (*TRAINED, "finished-nets", "finished-run", "gap-run")
BUILT = (*START, "finished-nets", "exercise-identity_conv", "exercise-identity_conv-check", "construct-code",
         "naive-run", "construct-run")  # fmt: skip
CONTINUED = (*BUILT, "continue-run", "continue-claims")
LINES = (*START, "exercise-gradient_cosine", "exercise-gradient_cosine-check", "shatter-by-hand")
CASES = (*START, "finished-nets", "which-run", "which-claims")

PREMISES = [
    # --- plain-20 and plain-56 ---
    Premise(
        "nothing is learned",
        nothing_is_learned,
        (*TRAINED, "rates-run", "rates-claims", "heatmap-claims", *CONTINUED),
        (
            "plain-20 minus plain-56, training accuracy",
            "plain-20 at 0.1 minus plain-56 at its best rate",
            "smallest lead of plain-20 at one and the same rate",
            "second half: median norm, plain-56 / plain-20",
            "rate 0.1: plain-20 continued minus constructed",
            "rate 0.1: constructed, after minus before",
        ),
        budget="laptop",
    ),
    Premise(
        "the finished nets are fresh",
        together(nothing_is_learned, no_weights_loaded),
        FINISHED,
        (
            "longer training: plain-20 minus plain-56, training accuracy",
            "longer training: plain-20 minus plain-56, test accuracy",
        ),
    ),
    Premise(
        "the training images are memorised",
        together(nothing_is_learned, memorised_training_images),
        FINISHED,
        ("plain-56: training minus test accuracy", "plain-56, longer: training minus test accuracy"),
        budget="laptop",
    ),
    Premise(
        "no norm, PyTorch's initialisation",
        force(norm=None, init="default"),
        (*TRAINED, "heatmap-claims"),
        (
            "plain-56, first step: first / last convolution",
            "plain-56, last step: smallest / largest norm of a convolution",
            "plain-56: smallest norm at any step",
            "plain-56: smallest norm of a step, median",
        ),
    ),
    Premise(
        "the learning rate is next to nothing",
        fit_with(lr=1e-7),
        (*TRAINED, "moved-run"),
        ("plain-56: smallest relative change of a layer", "that change / the most that weight decay can do"),
    ),
    Premise(
        "the depths are swapped",
        swap_depths,
        (*TRAINED, "moved-run"),
        ("plain-56: largest relative change / plain-20's", "plain-56: largest relative change"),
    ),
    # --- the constructed net ---
    Premise(
        "tanh in place of ReLU",
        force(activation="tanh"),
        BUILT,
        (
            "naive: largest difference of a logit in eval mode",
            "constructed: largest difference of a logit in eval mode",
            "constructed: train-mode loss / plain-20's",
        ),
    ),
    Premise(
        "no layer is copied",
        no_part_of_a_state_is_loaded,
        (*BUILT, "trained-run"),
        ("constructed minus plain-20",),
    ),
    Premise("train mode is eval mode", always_eval, BUILT, ("naive: train-mode loss / plain-20's",)),
    Premise(
        "the recorder leaves out the classifier",
        recorder_without_the_last,
        BUILT,
        ("its convolutions and its classifier, together",),
    ),
    Premise(
        "every rate is 0.5",
        fit_with(lr=0.5),
        CONTINUED,
        ("rate 0.001: constructed, after minus before", "rate 0.001: plain-20 continued, after minus before"),
    ),
    Premise(
        "the recorder returns powers of ten",
        recorder_of_powers,
        CONTINUED,
        ("constructed, first step: first / last gradient",),
    ),
    Premise(
        "deep nets are perfect",
        together(nothing_is_learned, deep_nets_are_perfect),
        CONTINUED,
        ("constructed at its best rate minus plain-20 at its best",),
        budget="laptop",
    ),
    # --- shattering ---
    Premise(
        "the pixels have another scale",
        pixels_of_another_scale,
        LINES,
        ("neighbours differ, in grey levels of 255 a pixel, by",),
    ),
    Premise(
        "all gradients are opposite",
        opposite_gradients,
        (*LINES, "finished-nets", "shatter-claims", "fine-run", "which-run", "which-claims"),
        (
            "plain-8: cosine by hand minus the probe's",
            "ResNet-56: cosine by hand minus the probe's",
            "plain-56: cosine by hand minus the probe's",
            "least plain-8 minus ResNet-56",
            "least ResNet-56 minus plain-56",
            "plain-56, the furthest from 0",
            "plain-56, a line 3,969 times shorter: cosine",
            "A: cosine without its sign",
            "B: cosine",
            "E: cosine",
            "G: cosine",
        ),
    ),
    Premise(
        "the deep trained net is a fresh one",
        no_weights_loaded,
        (*BUILT, "trained-run"),
        ("plain-56, trained: mean cosine",),
    ),
    # --- the eight cases ---
    Premise(
        "the recorder returns powers of ten, in every case",
        recorder_of_powers,
        CASES,
        (
            "A: largest norm / smallest",
            "B: largest norm / smallest",
            "D: smallest norm of a convolution",
            "F: first / last convolution",
            "G: smallest norm / largest",
        ),
    ),
    Premise(
        "no trained case", no_weights_loaded, CASES, ("B: loss", "G: loss", "G: loss minus plain-20's, as long trained")
    ),
    Premise("every net has BatchNorm", force(norm="batch"), CASES, ("D: loss",)),
    Premise("every net has He's initialisation", he_always, CASES, ("C: layers whose recorded norm is 0",)),
    Premise(
        "every activation is a sigmoid",
        force(activation="sigmoid"),
        CASES,
        ("C: zeros among the entries of the first gradient",),
    ),
    Premise(
        "no gamma starts at 0", force(zero_init_residual=False), CASES, ("E: layers of 56 whose norm is 0", "E: cosine")
    ),
    Premise("no beta is thrown off", nothing_is_set, CASES, ("H: layers of 20 whose norm is 0",)),
]
