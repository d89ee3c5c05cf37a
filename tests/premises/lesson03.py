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
    swap_depths,
)

PREMISES = [
    Premise("the sigmoid is a tanh", sigmoid_is_tanh, "chain-run"),
    Premise("the convolution is 1 % off", convolution_off_by_one_percent, "by-hand"),
    Premise(
        "every net has He's initialization",
        he_always,
        "norms-claims",
        "depth-run: Factor",
        "factor-claims: Largest",
        "factor-claims: Circular",
        "factor-claims: PyTorch's",
        "float32-claims: float32",
        "float32-claims: The true",
        "two-run: of dL/dh",
        "two-run: largest",
        "relative-run",
    ),
    Premise("20 and 56 layers change places", swap_depths, "depth-run: factor"),
    Premise("padding is always zeros", padding_mode_ignored, "factor-claims: circular"),
    Premise("every activation is a sigmoid", force(activation="sigmoid"), "float32-claims: Fraction"),
    Premise("float64 is float32", no_float64, "float64-run"),
    Premise("the biases stay", biases_stay, "two-run: dL/dW in the first"),
    Premise("every net is residual, where images are compared", residual_always, "moved-claims: largest"),
    Premise("weight decay moves the weights", fit_with(weight_decay=1e-4), "moved-claims: Plain-56: how many"),
    Premise("nothing is trained", fit_with(lr=0.0), "moved-claims: Plain-20:"),
    Premise("the recorder returns ones", recorder_of_ones, "heatmap-run"),
    Premise(
        "the optimizer is always SGD, and no gradient is amplified",
        fit_with(optimizer=None, callbacks=()),
        "adam-claims",
    ),
    Premise("clipping does nothing", no_clipping, "clipping-run: With clipping:"),
    Premise("clipping scales each tensor by itself", clipping_each_tensor, "clipping-ratio"),
    Premise(
        "the model ignores `residual`", plain_always, "clipping-run: Without", "plus-x-claims", also=("plus-x-check",)
    ),
    Premise(
        "the model ignores `residual`, trained for longer", plain_always, "learns-run: connection:", budget="laptop"
    ),
    Premise("every model is residual", residual_always, "adam-learns", "learns-run: network's", budget="laptop"),
]
