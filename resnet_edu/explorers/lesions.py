"""Remove blocks from trained networks, and see the accuracy that remains."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from resnet_edu import checks, plots, probes
from resnet_edu.explorers.core import Explorer, page, slider

#: {label: (network, the names of its blocks)}
Nets = Mapping[str, tuple[nn.Module, Sequence[str]]]


def lesion_answers(
    net: nn.Module, blocks: Sequence[str], images: Tensor, labels: Tensor, *, first: int, count: int
) -> tuple[float, np.ndarray]:
    """Accuracy without `count` blocks from block `first` (counted from 1) on, and how often each class is chosen.

    Returns (0 to 1, float64 [10], whose sum is 1). Blocks beyond the last one are ignored. The network runs in eval
    mode and is left unchanged.
    """
    first, count = checks.whole("first", first, at_least=1), checks.whole("count", count)
    gone = list(blocks)[first - 1 : first - 1 + count]
    with probes.without(net, *gone), torch.no_grad():
        answers = net.eval()(images).argmax(1)
    accuracy = float((answers == labels).double().mean())
    return accuracy, np.bincount(answers.cpu().numpy(), minlength=10)[:10] / len(labels)


@plots.course_look
def lesion(nets: Nets, images: Tensor, labels: Tensor, classes: Sequence[str]) -> Explorer:
    """Two sliders, the first block to remove and how many; accuracy and predictions of every network without them.

    nets: as in `Nets`, all with the same number of blocks. images, labels: a few hundred small images keep it fast.
    classes: the ten names.
    """
    numbers = {label: len(blocks) for label, (_, blocks) in nets.items()}
    if len(set(numbers.values())) != 1:
        raise ValueError(f"nets: every network needs the same number of blocks; they have {numbers}.")
    last = max(numbers.values())
    controls = {"first": slider("first removed", 1, 1, last), "count": slider("how many", 1, 0, last)}
    whole = {label: lesion_answers(net, b, images, labels, first=1, count=0)[0] for label, (net, b) in nets.items()}
    figure, (left, right) = page(3.4, 2, widths=[1, 2], left=0.08, right=0.98, top=0.88, bottom=0.2, wspace=0.22)
    width = 0.8 / len(nets)
    colors = [style["color"] for style in plots.line_styles(nets).values()]
    left.bar(list(nets), list(whole.values()), 0.6, fill=False, edgecolor=colors, linewidth=1.2, linestyle="--")
    accuracies = left.bar(list(nets), 0, 0.6, color=colors)
    left.axhline(0.1, color=plots.GRAY, linewidth=1)
    left.set(ylim=(0, 1.25 * max(*whole.values(), 0.2)), ylabel="accuracy (dashed: whole network)")
    answers = []
    for i, (label, color) in enumerate(zip(nets, colors, strict=True)):
        look = {"color": color, "hatch": plots.HATCHES[i % len(plots.HATCHES)], "edgecolor": "white", "linewidth": 0}
        at = np.arange(10) + (i - (len(nets) - 1) / 2) * width
        answers.append(right.bar(at, 0, width, label=label, **look))
    right.set(ylim=(0, 1), ylabel="fraction of the predictions")
    right.set_xticks(range(10), plots.writable(classes), rotation=35, ha="right", fontsize=9)
    right.legend()

    def draw(first: int, count: int) -> str:
        said = []
        for i, (label, (net, blocks)) in enumerate(nets.items()):
            accuracy, parts = lesion_answers(net, blocks, images, labels, first=first, count=count)
            accuracies[i].set_height(accuracy)
            for bar, part in zip(answers[i], parts, strict=True):
                bar.set_height(part)
            said.append(f"{label} {accuracy:.0%}")
        end = min(first + count - 1, last)
        gone = "no block" if not count else f"block {first}" if end == first else f"blocks {first} to {end}"
        title = f"without {gone}: {', '.join(said)}"
        figure.suptitle(title, fontsize=11)
        return f"Accuracy and predictions {title}."

    return Explorer(controls, figure, draw)
