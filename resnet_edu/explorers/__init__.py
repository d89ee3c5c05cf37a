"""Explorers: sliders and menus over a probe, with the picture redrawn in place.

    from resnet_edu import explorers
    explorers.gradient_flow(images, labels)

Each explorer is a pure function (settings in, numbers out) and `Explorer`, which ties controls to it. Only widgets that
ipywidgets 7 and 8 share are used. A reader without a kernel sees the picture of the first setting.

Read it in this order:

    core.py          `Explorer`: controls, a function that draws, the picture on the page
    convolutions.py  a kernel on a real image; activations and their slopes; the receptive field of a stack
    gradients.py     gradient norms of a fresh net by its settings, and of a training run step by step
    blocks.py        the strength of the skip connection
    training.py      learning rate, momentum and schedule, on a tiny net that is trained anew at every change
"""

from resnet_edu.explorers.blocks import skip_profile, skip_strength, skip_training
from resnet_edu.explorers.convolutions import (
    KERNELS,
    activation_and_slope,
    activation_slopes,
    grey,
    kernel_on_image,
    kernel_response,
    receptive_fields,
    stack_of_convolutions,
)
from resnet_edu.explorers.core import Explorer
from resnet_edu.explorers.gradients import gradient_flow, gradient_profile, gradient_steps
from resnet_edu.explorers.training import learning_rate, sgd_losses
