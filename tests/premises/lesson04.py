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
        (*START, "mlp-claims", "funnel-run"),
        (
            *(
                f"{draw}: factor per layer {way}, measured / predicted"
                for draw in DRAWS
                for way in ("forward", "backward")
            ),
            "He, each layer half as wide: factor per layer backward, of the norm",
            *(f"plain-56, {draw}: factor of dL/dh in stage 1, measured / predicted" for draw in DRAWS),
        ),
    ),
    Premise(
        "orthogonal weights are normal ones",
        orthogonal_is_normal,
        ("imports", "directions-run"),
        ("orthogonal: largest / smallest singular value",),
    ),
    Premise(
        "random matrices are rotations",
        random_matrices_are_rotations,
        ("imports", "directions-run"),
        (
            "independent: part of the directions below a hundredth of the strongest",
            "independent: part of the squares that belongs to the strongest tenth",
        ),
    ),
    Premise(
        "tanh is the identity",
        tanh_is_the_identity,
        (*START, "tanh-run", "tanh-claims"),
        (
            "gain 4: saturated part of the last layer, measured / predicted",
            "gain 4: factor of the gradient",
            "gain 4: factor of the gradient, measured / predicted",
        ),
    ),
    Premise(
        "every unit counts as saturated",
        every_unit_is_dead,
        (*START, "tanh-run", "tanh-claims"),
        ("gain 1: saturated part of the last layer",),
    ),
    Premise(
        "PyTorch's BatchNorm gives 1 % too much",
        batchnorm_output_off_by_one_percent,
        ("imports", *BATCH_NORM, "bn-forward"),
        ("output in training, largest difference", "output in eval mode, largest difference"),
    ),
    Premise(
        "PyTorch's BatchNorm sees 1 % too much",
        batchnorm_statistics_off_by_one_percent,
        ("imports", *BATCH_NORM, "bn-forward"),
        ("running mean, largest difference", "running variance, largest difference"),
    ),
    Premise(
        "means are 1 % off",
        means_off_by_one_percent,
        ("imports", *BATCH_NORM, "bn-backward"),
        (
            "gradcheck agrees with the backward pass by hand (1 = yes)",
            "the three gradients by hand and nn.BatchNorm2d's, largest difference",
        ),
    ),
    Premise(
        "BatchNorm does nothing",
        no_batchnorm,
        (*START, "explode-run", "factor-run"),
        (
            "with BatchNorm: first / last gradient, by the activations",
            "with BatchNorm: first / last gradient, by the weights",
            "with BatchNorm: last convolution's activations / first one's",
            "fully connected: factor over layers 5 to 20, over sqrt(pi / (pi - 1))",
            "plain-56, stage 1: factor of dL/dh",
            "plain-56, stage 1: the factor with weights ten times as large, over that with He's",
        ),
    ),
    Premise(
        "every activation is a sigmoid",
        force(activation="sigmoid"),
        (*START, "factor-run"),
        ("plain-56: the factor in stage 3, with its 4 x 4 maps, over that in stage 1",),
    ),
    Premise(
        "every net has BatchNorm",
        force(norm="batch"),
        (*START, "explode-run"),
        ("without: first / last gradient, by the activations",),
    ),
    Premise(
        "nothing is trained",
        fit_with(lr=0.0),
        (*COLLAPSE, "dead-run", "dead-claims"),
        (
            "first / last gradient by the weights, step 1 over step 0",
            "first / last gradient by the weights, step 5 over step 0",
            "factor of dL/dh in stage 1 after one step",
            "stage 1: median growth of the weight norms in the first step",
            "old lengths, new directions: first / last gradient, over the start's",
            "new lengths, old directions: first / last gradient, over the start's",
            "lr 0.1: dead part of layers 2 to 4",
        ),
    ),
    Premise(
        "the learning rate is twice as large",
        fit_with(lr=0.2),
        COLLAPSE,
        ("weight norms after the first step: largest measured / Pythagoras",),
    ),
    Premise(
        "no net has BatchNorm",
        force(norm=None),
        (*START, "explode-run", "factor-run", "collapse-run", "why-run", "buys-nets", "invariance-run"),
        (
            "largest |cosine| between a convolution's weights and their gradient",
            "all convolutions times 10: largest change of a logit",
            "all convolutions times 10: median factor of their gradients",
        ),
    ),
    Premise(
        "nothing is random",
        no_uniform_noise,
        ("imports", "data", "noise-layer"),
        ("the same batch twice: mean shift of a channel, in its deviations",),
    ),
    Premise(
        "the probe doubles the updates",
        updates_twice_as_large,
        (*START, "buys-nets", "exercise-update_ratio", "exercise-update_ratio-check", "ratio-by-hand"),
        ("the ratio of the first layer, by the probe / by hand",),
    ),
    Premise(
        "every unit counts as dead",
        every_unit_is_dead,
        (*START, "dead-run", "dead-claims"),
        ("lr 0.01: dead part of layers 2 to 4", "lr 0.1, BatchNorm: dead part of layers 2 to 4"),
    ),
    Premise(
        "a ReLU that is off lets a little of the gradient through",
        relu_leaks_backward,
        (*START, "dead-run", "dead-claims"),
        ("layer 2: entries of the dead units' gradient that are not 0",),
    ),
    Premise(
        "eval() does nothing",
        always_training,
        ("imports", "data", "modes-run", "modes-claims", "companions-run"),
        (
            "Eval mode: accuracy one by one minus accuracy in batches",
            "Eval mode: largest change of an image's logits when the rest of its batch changes",
        ),
    ),
    Premise(
        "train() is eval()",
        never_training,
        ("imports", "data", "modes-run", "modes-claims", "companions-run", "looking-run"),
        (
            "Accuracy that train mode costs on batches sorted by class",
            "Accuracy that train mode costs one image at a time",
            "Train mode: largest change of an image's logits when the rest of its batch changes",
            "Accuracy in eval mode lost by 30 forward passes in train mode",
        ),
    ),
    Premise(
        "shuffled images come sorted by class",
        shuffling_sorts,
        ("imports", "data", "modes-run", "modes-claims"),
        ("Accuracy in train mode with shuffled batches of 100, minus accuracy in eval mode",),
    ),
    Premise(
        "BatchNorm moves its scale when it runs",
        batchnorm_moves_its_scale,
        ("imports", "data", "modes-run", "modes-claims", "looking-run"),
        ("Parameters changed by 30 forward passes in train mode",),
    ),
    Premise(
        "the high learning rate is the low one's tenth",
        fit_with(lr=0.001, epochs=1),
        (*START, "buys-nets", "buys-run", "buys-claims", "noise-layer", "noise-run", "noise-claims", "ratio-run"),
        (
            "lr 0.1: with BatchNorm minus without",
            "BatchNorm: median ratio at lr 0.1 / at lr 0.01",
        ),
        budget="laptop",
    ),
    Premise(
        "every net has BatchNorm, trained for longer",
        force(norm="batch"),
        (*START, "buys-nets", "buys-run", "buys-claims", "noise-layer", "noise-run", "noise-claims"),
        (
            "without, lr 0.1: accuracy on the training images",
            "without: lr 0.01 minus lr 0.1",
            "BatchNorm at 0.1 minus the better one without",
            "lr 0.1: with the jumping BatchNorm minus without any",
        ),
        budget="laptop",
    ),
    Premise(
        "nothing is trained, for longer",
        fit_with(lr=0.0, epochs=1),
        (*START, "buys-nets", "buys-run", "ratio-run"),
        ("nets that learn: median ratio in the middle half, farthest from 1e-3, as a factor",),
        budget="laptop",
    ),
]
