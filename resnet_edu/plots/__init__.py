"""Every figure of the course: takes recorded numbers, returns a matplotlib Figure.

    >>> from resnet_edu import plots
    >>> figure = plots.gradient_norms({"plain": plain_norms, "residual": resid_norms})
    >>> figure.savefig("norms.png")

No plot depends on torch modules, notebooks or pyplot's global state. What is compared shares one scale. Hue tells plain
from residual; line style and marker tell networks of one kind apart, so a figure also reads in grayscale. A label that
starts with "plain" is a plain network's, one that starts with "residual" or "ResNet" a residual one's; for other
labels, plots take `colors`: {"56 layers with skip": "residual", "control": plots.GREEN}.
Colors: after Okabe and Ito 2008, "Color Universal Design", contrast at least 3:1 on white; heatmaps: viridis.

To add a figure, write it in the file of its subject, import it below, and give `tests/test_plots.py` an example.

Read it in this order:

    fonts.py        fonts for labels in any script
    style.py        colors, look and line styles; values off a log axis; checks of the data to be drawn
    images.py       the data, kernels, feature maps and saliency maps as pictures
    networks.py     a network, drawn from its layer table; a block: its dataflow, Jacobians and measurements
    curves.py       training and validation by epoch, depth and learning rate; functions and their derivatives
    evaluation.py   class confusion, images with captions, sweeps, repeated runs, calibration
    gradients.py    gradient norms by layer and step; which layers moved; cosines of gradients along a line
    signals.py      signal scale by layer, update ratios by step, saturated and dead units
    surgery.py      what a network loses without a block; the paths its gradient took; the loss around its weights
    detection.py    scenes with boxes and regions; precision against recall
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
from resnet_edu.plots.fonts import writable
from resnet_edu.plots.gradients import (
    accuracy_and_gradients,
    cosine_lines,
    cosine_maps,
    draw_norms,
    gradient_heatmap,
    gradient_norms,
    layers_moved,
    profile_grid,
)
from resnet_edu.plots.images import (
    draw_heat,
    draw_kernel,
    draw_picture,
    feature_maps,
    heat_maps,
    kernels,
    pictures,
    sample_grid,
    strength,
)
from resnet_edu.plots.networks import blocks, checks, matrices, network, shares
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
    LOOK,
    OTHERS,
    PALE_INK,
    PURPLE,
    VERMILLION,
    WIDTH,
    course_look,
    draw_off_scale,
    ink,
    layer_words,
    line_styles,
    log_limits,
    mark_level,
    no_ticks,
    norm_tables,
)
from resnet_edu.plots.surgery import draw_contours, landscape_norm, landscape_tables, landscapes, lesions, path_lengths
