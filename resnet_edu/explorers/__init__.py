"""Explorers: sliders and menus over a probe, with the picture redrawn in place.

    from resnet_edu import explorers
    explorers.gradient_flow(images, labels)

Each explorer is a pure function (settings in, numbers out) and `Explorer`, which ties controls to it. Only widgets that
ipywidgets 7 and 8 share are used. A reader without a kernel sees the picture of the first setting.

Read it in this order:

    core.py            what all are made of: controls, pictures, `Explorer`, which ties them together, fresh nets
    convolutions.py    a kernel on a real image; activations and their slopes; the receptive field of a stack
    training.py        learning rate, momentum and schedule, on a tiny net that is trained anew at every change
    gradients.py       gradient norms of a fresh net by its settings, and of a training run step by step
    initialization.py  the scale of the signal in a fresh net, by the scale of its weights
    pathologies.py     what goes wrong with depth in a fresh net, by how it is built
    blocks.py          the strength of the skip connection
    lesions.py         blocks taken out of trained nets, and what is left of their accuracy
    explanations.py    maps of an image by class and layer
    landscapes.py      a walk over loss landscapes
    precision.py       what is rounded away in 16 bits
    relatives.py       a block put into the skeleton of lesson 11
    detection.py       a detector's threshold: the boxes that are left, precision and recall
    sounds.py          a word in noise: its spectrogram, and what a net takes it for
    stages.py          the way of an image through a ResNet, block by block
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
    stack_of_convolutions,
)
from resnet_edu.explorers.core import Explorer
from resnet_edu.explorers.detection import detection_threshold, precision_and_recall
from resnet_edu.explorers.explanations import ClassMap, class_map_of, class_maps
from resnet_edu.explorers.gradients import gradient_flow, gradient_profile, gradient_steps
from resnet_edu.explorers.initialization import initialization, scale_profile
from resnet_edu.explorers.landscapes import landscape_walk
from resnet_edu.explorers.lesions import lesion, lesion_answers
from resnet_edu.explorers.pathologies import pathologies, pathology
from resnet_edu.explorers.precision import FORMATS, precision, rounded_path, rounding_error
from resnet_edu.explorers.relatives import block_profile, swap_block
from resnet_edu.explorers.sounds import tone_noise
from resnet_edu.explorers.stages import block_maps, stages
from resnet_edu.explorers.training import learning_rate, sgd_losses
