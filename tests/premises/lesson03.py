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

PREMISES = [
    Premise("the sigmoid is a tanh", sigmoid_is_tanh, "chain-run"),
    Premise("the convolution is 1 % off", convolution_off_by_one_percent, "by-hand"),
    Premise(
        "every net has He's initialization",
        he_always,
        "norms-claims",
        "depth-run",
        "factor-claims: measured",
        "factor-claims: PyTorch's",
        "factor-claims: circular padding: mean",
        "float32-claims: norm",
        "two-run: activations",
        "two-run: log10",
    ),
    Premise("padding is always zeros", padding_mode_ignored, "factor-claims: stage 3: the"),
    Premise("every activation is a sigmoid", force(activation="sigmoid"), "float32-claims: entries"),
    Premise("float64 is float32", no_float64, "float64-run"),
    Premise("the biases stay", biases_stay, "two-run: first / last, by the weights"),
    Premise("every net is residual, where images are compared", residual_always, "moved-claims: logits"),
    Premise("weight decay moves the weights", fit_with(weight_decay=1e-4), "moved-claims: plain-56"),
    Premise("nothing is trained", fit_with(lr=0.0), "moved-claims: plain-20"),
    Premise("the recorder returns ones", recorder_of_ones, "heatmap-run"),
    Premise("clipping does nothing", no_clipping, "clipping-run: with clipping"),
    Premise("clipping scales each tensor by itself", clipping_each_tensor, "clipping-ratio"),
    Premise(
        "the model ignores `residual`", plain_always, "clipping-run: without", "plus-x-claims", also=("plus-x-check",)
    ),
    Premise("the model ignores `residual`, trained for longer", plain_always, "learns-run: skip", budget="laptop"),
    Premise("every model is residual", residual_always, "learns-run: The plain", budget="laptop"),
]
