"""What the claims of lesson 04 rest on."""

from premises.core import Premise
from premises.patches import (
    always_training,
    batchnorm_moves_its_scale,
    batchnorm_output_off_by_one_percent,
    batchnorm_statistics_off_by_one_percent,
    every_unit_is_dead,
    fit_with,
    force,
    layers_a_quarter_too_large,
    means_off_by_one_percent,
    never_training,
    no_batchnorm,
    no_uniform_noise,
    orthogonal_is_normal,
    random_matrices_are_rotations,
    relu_leaks_backward,
    shuffling_sorts,
    tanh_is_the_identity,
    updates_twice_as_large,
)

START = ("imports", "data", "exercise-he_normal", "exercise-he_normal-check", "mlp-run", "conv-run")
BATCH_NORM = ("exercise-batch_norm", "exercise-batch_norm-check")
COLLAPSE = (*START, "explode-run", "factor-run", "collapse-run", "collapse-claims", "why-run", "lengths-run")
DRAWS = ("default", "Xavier", "He", "orthogonal")

PREMISES = [
    Premise(
        "every layer's output is a quarter too large",
        layers_a_quarter_too_large,
        "mlp-claims",
        "funnel-run",
        "conv-run",
    ),
    Premise("orthogonal weights are normal ones", orthogonal_is_normal, "directions-run: orthogonal"),
    Premise("random matrices are rotations", random_matrices_are_rotations, "directions-run: independent"),
    Premise("tanh is the identity", tanh_is_the_identity, "tanh-claims: gain 4"),
    Premise("every unit counts as saturated", every_unit_is_dead, "tanh-claims: gain 1"),
    Premise("PyTorch's BatchNorm gives 1 % too much", batchnorm_output_off_by_one_percent, "bn-forward: output"),
    Premise("PyTorch's BatchNorm sees 1 % too much", batchnorm_statistics_off_by_one_percent, "bn-forward: running"),
    Premise("means are 1 % off", means_off_by_one_percent, "bn-backward"),
    Premise(
        "BatchNorm does nothing",
        no_batchnorm,
        "explode-run: with BatchNorm",
        "factor-run: plain-56, stage",
        "factor-run: fully",
    ),
    Premise("every activation is a sigmoid", force(activation="sigmoid"), "factor-run: plain-56: the"),
    Premise("every net has BatchNorm", force(norm="batch"), "explode-run: without"),
    Premise(
        "nothing is trained",
        fit_with(lr=0.0),
        "collapse-claims",
        "why-run: stage",
        "lengths-run",
        "dead-claims: lr 0.1: dead",
    ),
    Premise("the learning rate is twice as large", fit_with(lr=0.2), "why-run: weight norms after"),
    Premise("no net has BatchNorm", force(norm=None), "why-run: largest |cosine|", "invariance-run"),
    Premise("nothing is random", no_uniform_noise, "noise-layer"),
    Premise("the probe doubles the updates", updates_twice_as_large, "ratio-by-hand"),
    Premise("every unit counts as dead", every_unit_is_dead, "dead-claims: lr 0.01", "dead-claims: lr 0.1, BatchNorm"),
    Premise("a ReLU that is off lets a little of the gradient through", relu_leaks_backward, "dead-claims: layer 2"),
    Premise("eval() does nothing", always_training, "modes-claims: Eval", "companions-run: Eval"),
    Premise(
        "train() is eval()",
        never_training,
        "modes-claims: Accuracy that",
        "companions-run: Train",
        "looking-run: Accuracy",
    ),
    Premise("shuffled images come sorted by class", shuffling_sorts, "modes-claims: Accuracy in"),
    Premise("BatchNorm moves its scale when it runs", batchnorm_moves_its_scale, "looking-run: Parameters"),
    Premise(
        "the high learning rate is the low one's tenth",
        fit_with(lr=0.001, epochs=1),
        "buys-claims: lr 0.1: with",
        "ratio-run: BatchNorm",
        budget="laptop",
    ),
    Premise(
        "every net has BatchNorm, trained for longer",
        force(norm="batch"),
        "buys-claims: without, lr",
        "buys-claims: without: lr",
        "buys-claims: BatchNorm at",
        "noise-claims",
        budget="laptop",
    ),
    Premise("nothing is trained, for longer", fit_with(lr=0.0, epochs=1), "ratio-run: nets", budget="laptop"),
]
