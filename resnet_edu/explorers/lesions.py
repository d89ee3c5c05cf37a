"""Take blocks out of trained nets, and see what is left of their accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from resnet_edu import plots, probes
from resnet_edu.explorers.core import Explorer, check_batch


def lesion_answers(
    net: nn.Module, blocks: Sequence[str], images: Tensor, labels: Tensor, *, first: int, count: int
) -> tuple[float, np.ndarray]:
    """Accuracy without `count` blocks from number `first` (1 is the first) on, and how often each class is the answer.

    Returns (0 to 1, float64 [10], whose sum is 1). Blocks beyond the last one are nothing to take out. The net answers
    in eval mode and is left as it was.
    """
    check_batch(images, labels)
    for name, number in (("first", first), ("count", count)):
        if not isinstance(number, Integral) or isinstance(number, bool) or number < (name == "first"):
            raise ValueError(f"{name}={number!r:.40}: give a whole number of at least {int(name == 'first')}.")
    gone = list(blocks)[first - 1 : first - 1 + count]
    with probes.without(net, *gone), torch.no_grad():
        answers = net.eval()(images).argmax(1)
    accuracy = float((answers == labels).double().mean())
    return accuracy, np.bincount(answers.cpu().numpy(), minlength=10)[:10] / len(labels)


@plots.course_look
def lesion(
    nets: Mapping[str, tuple[nn.Module, Sequence[str]]], images: Tensor, labels: Tensor, classes: Sequence[str]
) -> Explorer:
    """Two sliders, the first block to go and how many go; accuracy and answers of every net without them.

    nets: {label: (net, the names of its blocks)}, all with the same number of blocks. images, labels: as in
    `gradient_flow`; some hundred small images keep it quick. classes: the ten names.
    """
    check_batch(images, labels)
    if (
        not isinstance(nets, Mapping)
        or not nets
        or not all(isinstance(v, tuple) and len(v) == 2 for v in nets.values())
    ):
        raise TypeError("lesion takes {label: (net, names of its blocks)}.")
    numbers = {label: len(list(blocks)) for label, (_, blocks) in nets.items()}
    if len(set(numbers.values())) != 1 or 0 in numbers.values():
        raise ValueError(f"lesion needs the same number of blocks in every net; it was given {numbers}.")
    if len(classes) != 10:
        raise ValueError(f"classes: give the ten names; there are {len(classes)}.")
    last = next(iter(numbers.values()))
    whole = {label: lesion_answers(net, b, images, labels, first=1, count=0)[0] for label, (net, b) in nets.items()}

    figure = Figure(figsize=(plots.WIDTH, 3.4))
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1, 2]})
    figure.subplots_adjust(left=0.08, right=0.98, top=0.88, bottom=0.2, wspace=0.22)
    styles = plots.line_styles(nets)
    places, width = np.arange(len(nets)), 0.8 / len(nets)
    colors = [style["color"] for style in styles.values()]
    left.bar(places, list(whole.values()), 0.6, fill=False, edgecolor=colors, linewidth=1.2, linestyle="--")
    accuracies = left.bar(places, 0, 0.6, color=colors)
    left.axhline(0.1, color=plots.GRAY, linewidth=1)
    left.set(ylim=(0, 1.25 * max(*whole.values(), 0.2)), ylabel="accuracy (dashed: whole net)")
    left.set_xticks(places, list(nets))
    answers = [
        right.bar(
            np.arange(10) + (i - (len(nets) - 1) / 2) * width,
            0,
            width,
            label=label,
            color=colors[i],
            hatch=plots.HATCHES[i % len(plots.HATCHES)],
            edgecolor="white",
            linewidth=0,
        )
        for i, label in enumerate(nets)
    ]
    right.set(ylim=(0, 1), ylabel="part of the answers")
    right.set_xticks(range(10), list(classes), rotation=35, ha="right", fontsize=9)
    right.legend()

    controls = {
        "first": widgets.IntSlider(value=1, min=1, max=last, description="first to go", continuous_update=False),
        "count": widgets.IntSlider(value=1, min=0, max=last, description="how many", continuous_update=False),
    }

    @plots.course_look
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
        return f"Accuracy and answers {title}."

    explorer = Explorer(controls, figure, draw)
    explorer.show()
    return explorer
