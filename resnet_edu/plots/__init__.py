"""Every figure of the course: recorded numbers in, a matplotlib Figure out.

    >>> from resnet_edu import plots
    >>> figure = plots.gradient_norms({"plain": plain_norms, "residual": resid_norms})
    >>> figure.savefig("norms.png")

Nothing here knows torch modules, notebooks or pyplot's global state. What is compared shares one scale. Hue says plain
or residual, line style and marker say which one of them: a figure reads the same in grey.
Colours: Okabe and Ito 2008, "Color Universal Design"; heatmaps: viridis.

Read it in this order:

    style.py      colours, look and line styles; the checks of what is to be drawn
    gradients.py  gradient norms by layer and step; which layers moved
    curves.py     training and validation by epoch; functions and their slopes
    evaluation.py which classes a net confuses, images with captions, a sweep of a setting
    images.py     the data, kernels and feature maps as pictures
    matrices.py   tables: Jacobians, measurements and whether they are right
    networks.py   a network, drawn from the table of its layers; a block, from the steps that its data takes
"""

from resnet_edu.plots.curves import METRICS, training_curves, value_and_slope
from resnet_edu.plots.evaluation import confusion_matrix, gallery, sweep
from resnet_edu.plots.gradients import draw_norms, gradient_heatmap, gradient_norms, layers_moved, norm_tables
from resnet_edu.plots.images import draw_kernel, draw_picture, feature_maps, kernels, pictures, sample_grid
from resnet_edu.plots.matrices import checks, matrices
from resnet_edu.plots.networks import blocks, network
from resnet_edu.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LINES,
    LOOK,
    MARKERS,
    ORANGE,
    OTHERS,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH,
    course_look,
    line_styles,
)
