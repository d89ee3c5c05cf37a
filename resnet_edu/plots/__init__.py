"""Every figure of the course: recorded numbers in, a matplotlib Figure out.

    >>> from resnet_edu import plots
    >>> figure = plots.gradient_norms({"plain": plain_norms, "residual": resid_norms})
    >>> figure.savefig("norms.png")

Nothing here knows torch modules, notebooks or pyplot's global state. What is compared shares one scale. Hue says plain
or residual, line style and marker say which one of them: a figure reads the same in gray. A label that begins with
"plain" is a plain net's, one that begins with "residual" or "ResNet" a residual one's; for others, plots take `colors`:
{"56 layers with skip": "residual", "control": plots.GREEN}.
Colors: after Okabe and Ito 2008, "Color Universal Design", each at 3:1 on white at least; heatmaps: viridis.

Read it in this order:

    fonts.py        names in any script
    style.py        colors, look and line styles; what a log axis cannot hold; the checks of what is to be drawn
    images.py       the data, kernels and feature maps as pictures
    networks.py     a network, drawn from the table of its layers; a block, from the steps that its data takes
    curves.py       training and validation by epoch, depth and learning rate; functions and their slopes
    evaluation.py   which classes a net confuses, images with captions, runs of many settings, how sure it is
    explanations.py maps over images: where a net is said to look
    gradients.py    gradient norms by layer and step; which layers moved
    signals.py      scale of the signal by layer, update ratios by step, saturated and dead units
    pathologies.py  cosines of gradients along a line; profiles to be told apart
    matrices.py     tables: Jacobians, measurements and whether they are right
    lesions.py      what a net loses without a block; which paths its gradient came on
    landscapes.py   the loss on a plane through the weights
    detection.py    scenes with boxes and regions on them; precision against recall
"""

from resnet_edu.plots.curves import (
    by_rate,
    draw_epochs,
    error_by_depth,
    error_curves,
    schedules,
    side_by_side,
    throughput,
    training_curves,
    value_and_slope,
)
from resnet_edu.plots.detection import box_patches, boxes, draw_precision_recall, precision_recall, regions
from resnet_edu.plots.evaluation import (
    confusion_matrix,
    error_bars,
    gallery,
    reliability,
    small_multiples,
    spread,
    sweep,
)
from resnet_edu.plots.explanations import draw_heat, heat_maps, strength
from resnet_edu.plots.fonts import writable
from resnet_edu.plots.gradients import (
    accuracy_and_gradients,
    draw_norms,
    gradient_heatmap,
    gradient_norms,
    layers_moved,
    norm_tables,
)
from resnet_edu.plots.images import draw_kernel, draw_picture, feature_maps, kernels, pictures, sample_grid
from resnet_edu.plots.landscapes import draw_contours, landscape_norm, landscape_tables, landscapes
from resnet_edu.plots.lesions import lesions, path_lengths
from resnet_edu.plots.matrices import checks, matrices
from resnet_edu.plots.networks import blocks, network, shares
from resnet_edu.plots.pathologies import cosine_lines, cosine_maps, profile_grid
from resnet_edu.plots.signals import signal_scale, unit_parts, update_ratios
from resnet_edu.plots.style import (
    BLACK,
    BLUE,
    BROWN,
    FORWARD_AND_BACKWARD,
    FROM_IMAGE,
    GRAY,
    GREEN,
    HATCHES,
    LINES,
    LOOK,
    MARKERS,
    OTHERS,
    PALE_INK,
    PURPLE,
    VERMILLION,
    VIOLET,
    WIDTH,
    course_look,
    draw_off_scale,
    ink,
    layer_words,
    line_styles,
    log_limits,
    mark_level,
    no_ticks,
)
