"""A detector's threshold: which boxes remain, and how that affects precision and recall."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from resnet_edu import plots
from resnet_edu.explorers.core import Explorer, slider

SCENES = 4
LOOKS = ("solid orange", "dashed blue", "dotted green", "dash-dotted purple")  # of the boxes that plots.boxes draws
#: Boxes [k, 4], scores [k] and classes [k] of each image.
Found = Sequence[tuple[Tensor, Tensor, Tensor]]


def precision_and_recall(scores: Tensor, hits: Tensor, positives: int, threshold: float) -> tuple[float, float]:
    """(precision, recall) of the boxes with a score of at least `threshold`; with no boxes, precision is 1.

    scores float [n], hits bool [n]: whether a box found an object that no higher-scoring box had found; positives: the
    number of objects.
    """
    kept = hits[scores >= threshold].double()
    return float(kept.mean()) if len(kept) else 1.0, float(kept.sum()) / positives


@plots.course_look
def detection_threshold(
    images: Tensor, found: Found, classes: Sequence[str], *, scores: Tensor, hits: Tensor, positives: int
) -> Explorer:
    """A slider for the minimum score: the remaining boxes on four scenes, and the point on the precision-recall curve.

    images: uint8 [N, 3, H, W], N at least 4. found: see `Found`. scores, hits, positives: over all scenes, as in
    `precision_and_recall`.
    """
    controls = {"threshold": slider("threshold", 0.4, 0.05, 0.95, 0.05)}
    classes, scores, hits = plots.writable(classes), scores.cpu(), hits.cpu()
    order = scores.argsort(descending=True)
    right = hits[order].double().cumsum(0).numpy()
    curve = {"every threshold": (right / positives, right / np.arange(1, len(right) + 1))}
    figure = Figure(figsize=(plots.WIDTH, 4.6))
    grid = figure.add_gridspec(2, 2, left=0.01, right=0.47, top=0.88, bottom=0.02, wspace=0.04, hspace=0.06)
    scenes = [figure.add_subplot(grid[i // 2, i % 2]) for i in range(SCENES)]
    ax = figure.add_axes((0.56, 0.13, 0.42, 0.74))
    plots.draw_precision_recall(ax, curve)
    (dot,) = ax.plot([0], [1], "o", color=plots.BLACK, markersize=10, label="this threshold")
    ax.legend(loc="lower left")
    drawn = []
    for scene, picture, (corners, confidences, kinds) in zip(scenes, images, found, strict=False):
        scene.imshow(picture.cpu().numpy().transpose(1, 2, 0), interpolation="nearest")
        scene.set_axis_off()
        boxes = plots.box_patches(corners, kinds.tolist(), classes=len(classes))
        for patch, score in zip(boxes, confidences.tolist(), strict=True):
            drawn.append((scene.add_patch(patch), score))

    def draw(threshold: float) -> str:
        for patch, score in drawn:
            patch.set_visible(score >= threshold)
        precision, recall = precision_and_recall(scores, hits, positives, threshold)
        dot.set_data([recall], [precision])
        left = int((scores >= threshold).sum())
        said = f"scores of at least {threshold:.2f}: {left} boxes, precision {precision:.2f}, recall {recall:.2f}"
        colors = ", ".join(f"{name}: {look}" for name, look in zip(classes, LOOKS, strict=False))
        figure.suptitle(f"{said}\n{colors}", fontsize=10, y=0.995)
        return f"Four scenes with boxes and a precision-recall curve; {said}."

    return Explorer(controls, figure, draw)
