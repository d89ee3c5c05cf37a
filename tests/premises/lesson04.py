"""What the claims of lesson 04 rest on."""

import pytest

from premises.core import Premise
from premises.patches import (
    always_eval,
    always_training,
    batchnorm_moves_its_scale,
    batchnorm_output_off_by_one_percent,
    batchnorm_statistics_off_by_one_percent,
    every_unit_is_dead,
    fit_with,
    force,
    layers_a_quarter_too_large,
    means_off_by_one_percent,
    no_batchnorm,
    no_uniform_noise,
    orthogonal_is_normal,
    random_matrices_are_rotations,
    relu_leaks_backward,
    shuffling_sorts,
    tanh_is_the_identity,
    updates_twice_as_large,
)
from resnet_edu import probes


def signal_of_the_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    original = probes.signal
    monkeypatch.setattr(probes, "signal", lambda *args, layers=None, **options: original(*args, **options))


PREMISES = [
    Premise(
        "every layer's output is a quarter too large",
        layers_a_quarter_too_large,
        "conv-run",
        "mlp-claims",
        "funnel-run",
    ),
    Premise("orthogonal weights are normal ones", orthogonal_is_normal, "directions-run: Orthogonal"),
    Premise(
        "random matrices are rotations",
        random_matrices_are_rotations,
        "directions-run: 1/100",
        "directions-run: squared",
    ),
    Premise(
        "tanh is the identity",
        tanh_is_the_identity,
        "tanh-claims: 4: fraction",
        "tanh-claims: gradient",
        "tanh-claims: measured",
    ),
    Premise("every unit counts as saturated", every_unit_is_dead, "tanh-claims: gain 1:"),
    Premise("PyTorch's BatchNorm gives 1 % too much", batchnorm_output_off_by_one_percent, "bn-forward"),
    Premise("PyTorch's BatchNorm sees 1 % too much", batchnorm_statistics_off_by_one_percent, "bn-forward"),
    Premise("means are 1 % off", means_off_by_one_percent, "bn-backward", "norms-by-hand"),
    Premise(
        "BatchNorm does nothing",
        no_batchnorm,
        "explode-run: With BatchNorm: norm of dL/dh",
        "explode-run: of dL/dW",
        "explode-run: convolution's",
        "factor-run: connected,",
        "factor-run: 1: factor",
        "factor-run: weights ten",
    ),
    Premise("every activation is a sigmoid", force(activation="sigmoid"), "factor-run: BatchNorm:"),
    Premise(
        "every net has BatchNorm",
        force(norm="batch"),
        "explode-run: Without",
        "norms-claims: LayerNorm,",
        "norms-claims: GroupNorm,",
        "norms-claims: LayerNorm:",
    ),
    Premise("train() is eval(), where batches are small", always_eval, "norms-claims: BatchNorm:"),
    Premise(
        "nothing is trained",
        fit_with(lr=0.0),
        "collapse-claims",
        "why-run: median",
        "lengths-run: dL/dW,",
        "lengths-run: Old lengths,",
        "dead-claims: rate 0.1:",
    ),
    Premise("the learning rate is twice as large", fit_with(lr=0.2), "why-run: largest"),
    Premise(
        "the probe listens to the convolutions, not to the norms after them",
        signal_of_the_convolutions,
        "lengths-run: old directions: norm of dL/dh",
    ),
    Premise("no net has BatchNorm", force(norm=None), "why-run: Largest", "invariance-run"),
    Premise(
        "weight decay is forgotten",
        fit_with(optimizer=None, lr=0.1),
        "decay-run: Length",
        "decay-run: Update-to-weight",
    ),
    Premise("BatchNorm does nothing, where weights decay", no_batchnorm, "decay-run: Decayed"),
    Premise("nothing is random", no_uniform_noise, "noise-layer"),
    Premise("the probe doubles the updates", updates_twice_as_large, "ratio-by-hand"),
    Premise("every unit counts as dead", every_unit_is_dead, "dead-claims: rate 0.01:", "dead-claims: BatchNorm:"),
    Premise("a ReLU that is off lets a little of the gradient through", relu_leaks_backward, "dead-claims: entries"),
    Premise("eval() does nothing", always_training, "modes-claims: Eval mode:", "companions-run: Eval mode:"),
    Premise(
        "train() is eval()",
        always_eval,
        "modes-claims: sorted",
        "modes-claims: costs when",
        "companions-run: Train mode:",
        "looking-run: Accuracy",
    ),
    Premise("shuffled images come sorted by class", shuffling_sorts, "modes-claims: shuffled"),
    Premise("BatchNorm moves its scale when it runs", batchnorm_moves_its_scale, "looking-run: Parameters"),
    Premise(
        "the high learning rate is the low one's tenth",
        fit_with(lr=0.001, epochs=1),
        "ratio-run: BatchNorm:",
        budget="laptop",
    ),
    Premise("every net has BatchNorm, trained for longer", force(norm="batch"), "buys-claims", budget="laptop"),
    Premise("no net has BatchNorm, trained for longer", force(norm=None), "noise-claims: noise:", budget="laptop"),
    Premise("there is no noise", no_uniform_noise, "noise-claims: Training", budget="laptop"),
    Premise("nothing is trained, for longer", fit_with(lr=0.0, epochs=1), "ratio-run: learn:", budget="laptop"),
]
