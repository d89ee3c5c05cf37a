"""What the claims of lesson 03 rest on."""

from premises.core import Premise
from premises.patches import (
    biases_stay,
    clipping_each_tensor,
    convolution_off_by_one_percent,
    fit_with,
    force,
    he_always,
    no_clipping,
    no_float64,
    padding_mode_ignored,
    plain_always,
    recorder_of_ones,
    residual_always,
    sigmoid_is_tanh,
)

START = ("imports", "data")
FACTOR = ("exercise-factor", "exercise-factor-check", "factor-run", "factor-claims")
MOVED = ("exercise-moved", "exercise-moved-check", "moved-run")

PREMISES = [
    Premise(
        "the sigmoid is a tanh", sigmoid_is_tanh, ("imports", "chain-run"), ("the derivative of the sigmoid at 0",)
    ),
    Premise(
        "the convolution is 1 % off",
        convolution_off_by_one_percent,
        ("imports", "by-hand"),
        ("by hand and autograd differ in dL/dx by", "by hand and autograd differ in dL/dw by"),
    ),
    Premise(
        "every net has He's initialization",
        he_always,
        (
            *(*START, "norms-run", "norms-claims", "depth-run", *FACTOR),
            *("float32-run", "float32-claims", "two-run"),
        ),
        (
            "sigmoid: entries of the first gradient that are not 0",
            "ReLU: first gradient / last gradient",
            "tanh: first gradient / last gradient",
            "plain-8 / plain-20, ratio of the ratios",
            "plain-20 / plain-56, ratio of the ratios",
            "stage 1: measured / predicted factor",
            "stage 2: measured / predicted factor",
            "stage 3: measured / predicted factor",
            "circular padding: mean factor over the stages / sqrt(1/6)",
            "PyTorch's default: 3 n times the variance of the weights",
            "the norm that float32 reports",
            "log10 of the true norm",
            "first / last, by the activations",
            "activations: last convolution / first",
            "log10 of the largest weight gradient of a convolution",
        ),
    ),
    Premise(
        "padding is always zeros",
        padding_mode_ignored,
        (*START, *FACTOR),
        ("stage 3: the factor with circular padding / with zeros",),
    ),
    Premise(
        "every activation is a sigmoid",
        force(activation="sigmoid"),
        (*START, "float32-run", "float32-claims"),
        ("entries of the first gradient that are exactly 0, as a part",),
    ),
    Premise(
        "float64 is float32",
        no_float64,
        (*START, "float64-run"),
        (
            "sigmoid in float64: entries of the first gradient that are 0, as a part",
            "sigmoid in float64: log10 of the norm of the first gradient",
        ),
    ),
    Premise(
        "every net is residual, where images are compared",
        residual_always,
        (*START, *MOVED, "moved-claims"),
        ("plain-56: largest difference between two images' logits, over the largest logit",),
    ),
    Premise("the biases stay", biases_stay, (*START, "two-run"), ("first / last, by the weights",)),
    Premise(
        "weight decay moves the weights",
        fit_with(weight_decay=1e-4),
        (*START, *MOVED, "moved-claims"),
        ("plain-56: convolutions of 55 that are bit for bit as they were",),
    ),
    Premise(
        "nothing is trained",
        fit_with(lr=0.0),
        (*START, *MOVED, "moved-claims"),
        ("plain-20: convolutions of 19 that are bit for bit as they were",),
    ),
    Premise(
        "the recorder returns ones",
        recorder_of_ones,
        (*START, *MOVED, "heatmap-run"),
        ("plain-56, last step: first / last gradient",),
    ),
    Premise(
        "clipping does nothing",
        no_clipping,
        (*START, "clipping-run"),
        ("with clipping: last loss / first loss",),
    ),
    Premise(
        "clipping scales each tensor by itself",
        clipping_each_tensor,
        (*START, "clipping-ratio"),
        ("plain-56: first / last after clipping, over the same before",),
    ),
    Premise(
        "the model ignores `residual`",
        plain_always,
        (*START, "clipping-run", *MOVED, "plus-x", "plus-x-check", "plus-x-claims"),
        (
            "without clipping: losses of ten that are not finite",
            "with the skip: convolutions of 55 that are bit for bit as they were",
            "with the skip, at the start: first / last gradient",
        ),
    ),
    Premise(
        "the model ignores `residual`, trained for longer",
        plain_always,
        (*START, *MOVED, "plus-x", "plus-x-check", "learns-run"),
        (
            "With the skip connection: accuracy on the training images",
            "The skip connection adds to the training accuracy",
        ),
        budget="laptop",
    ),
    Premise(
        "every model is residual",
        residual_always,
        (*START, *MOVED, "plus-x", "plus-x-check", "learns-run"),
        ("The plain network's accuracy on its training images (guessing gives 0.1)",),
        budget="laptop",
    ),
]
