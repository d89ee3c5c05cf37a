"""Explorers: interactive figures, with sliders and menus for the settings of an experiment.

    from resnet_edu import explorers
    explorers.gradient_flow(images, labels)

Each explorer combines a pure function (settings in, numbers out; the random state is left unchanged) with `Explorer`,
which connects controls to it. It uses only widgets common to ipywidgets 7 and 8. Without a kernel, readers see the
picture of the first setting. `images`, `labels`: one batch, float [N, 3, H, W] and int64 [N]; at most 32 images of
16 x 16 keep an explorer fast.

Read it in this order:

    core.py            shared parts: controls, pictures, `Explorer`, which connects them, untrained networks
    convolutions.py    a kernel on a few pixels and on an image; activations and their slopes; receptive fields
    training.py        learning rate, momentum and schedule, on a tiny network that is retrained at every change
    gradients.py       signal and gradient of an untrained network by how it is built, and of a training run by step
    blocks.py          the strength of the skip connection
    landscapes.py      a walk over loss landscapes
    precision.py       what gets lost to rounding in 16 bits
    relatives.py       a block in the skeleton of lesson 11
    stages.py          the path of an image through a ResNet, block by block
    trained.py         blocks removed, class maps, a detector's threshold, a word in noise
"""

from resnet_edu.explorers.blocks import skip_profile, skip_strength, skip_training
from resnet_edu.explorers.convolutions import (
    KERNELS,
    activation_and_slope,
    activation_slopes,
    gray,
    kernel_on_image,
    kernel_response,
    receptive_fields,
    sliding_window,
    stack_of_convolutions,
)
from resnet_edu.explorers.core import Explorer
from resnet_edu.explorers.gradients import (
    gradient_flow,
    gradient_profile,
    gradient_steps,
    initialization,
    pathologies,
    pathology,
    scale_profile,
)
from resnet_edu.explorers.landscapes import landscape_walk
from resnet_edu.explorers.precision import FORMATS, precision, rounded_path, rounding_error
from resnet_edu.explorers.relatives import block_profile, swap_block
from resnet_edu.explorers.stages import block_maps, stages
from resnet_edu.explorers.trained import (
    ClassMap,
    class_map_of,
    class_maps,
    detection_threshold,
    lesion,
    lesion_answers,
    precision_and_recall,
    tone_noise,
)
from resnet_edu.explorers.training import learning_rate, sgd_losses
