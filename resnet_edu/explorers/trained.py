"""Trained networks: without some blocks, their class maps, a detector's threshold, a word in noise."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from resnet_edu import checks, data, plots, probes
from resnet_edu.explorers.core import Explorer, menu, page, slider, upload, uploaded

#: {label: (network, the names of its blocks)}
Nets = Mapping[str, tuple[nn.Module, Sequence[str]]]
#: (net, float images [N, 3, H, W], name of a layer, class index) -> maps [N, h, w], none below 0.
ClassMap = Callable[[nn.Module, Tensor, str, int], Tensor]
LOOKS = ("solid orange", "dashed blue", "dotted green", "dash-dotted purple")  # of the boxes that plots.boxes draws
#: Boxes [k, 4], scores [k] and classes [k] of each image.
Found = Sequence[tuple[Tensor, Tensor, Tensor]]
WINDOW, STEP, WORDS = 256, 32, 16  # samples per window of a spectrogram and between windows; words to choose


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


def class_map_of(
    net: nn.Module, class_map: ClassMap, image: data.Images, *, layer: str, label: int
) -> tuple[np.ndarray, np.ndarray]:
    """One image's map for a class, and the network's probabilities: (float64 [h, w], float64 [classes]).

    image: an `Images` of length 1. The network runs in eval mode.
    """
    x = next(iter(image.batches(1)))[0]
    found = class_map(net.eval(), x, layer, label)
    with torch.no_grad():
        probabilities = net(x).softmax(1)[0]
    return found[0].detach().cpu().double().numpy(), probabilities.cpu().double().numpy()


@plots.course_look
def class_maps(net: nn.Module, class_map: ClassMap, images: data.Images, layers: Sequence[str]) -> Explorer:
    """A slider for the image, menus for the layer and the class: the map over the image, and the probabilities.

    class_map: computes the map; see `ClassMap`. images: of the network's own classes. layers: names of its modules.
    A button adds a picture of the reader's own, of any size, as one more image.
    """
    controls = {
        "image": slider("image", 1, 1, len(images)),
        "layer": menu("layer", layers, layers[-1]),
        "label": menu("class", images.classes, images.classes[int(images.labels[0])]),
    }
    classes = plots.writable(images.classes)
    shown = [(images[i], classes[int(images.labels[i])]) for i in range(len(images))]
    if images.images.shape[1] == 3:
        controls["own"] = upload("your own picture")
        controls["own"].observe(lambda _: add(), names="value")

    def add() -> None:
        try:
            pixels = data.read_picture(BytesIO(uploaded(controls["own"].value)), images.images.shape[-1])
        except ValueError:
            controls["own"].description = "that is not a picture: choose another"
            return
        controls["own"].description = "your own picture"
        shown.append((replace(images[:1], images=data.channels_first(np.stack([pixels])).to(images.device)), "yours"))
        controls["image"].max = controls["image"].value = len(shown)

    figure = Figure(figsize=(plots.WIDTH, 3.4))
    places = ((0.0, 0.08, 0.29, 0.77), (0.3, 0.08, 0.29, 0.77), (0.72, 0.15, 0.265, 0.7))  # room for the classes' names
    left, middle, right = (figure.add_axes(place) for place in places)
    first = images.images[0].cpu().numpy()
    picture = left.imshow(first.transpose(1, 2, 0))
    left.set(xticks=[], yticks=[])
    left.grid(False)
    below, heat = plots.draw_heat(middle, first, np.zeros((1, 1)))
    bars = right.barh(range(len(classes)), 0, 0.7, tick_label=classes)
    right.set(xlim=(0, 1), xlabel="probability (hatched: the map's class)")
    right.invert_yaxis()

    def draw(image: int, layer: str, label: str, own: Any = None) -> str:
        (one, name), number = shown[image - 1], images.classes.index(label)
        pixels = one.images[0].cpu().numpy()
        values, probabilities = class_map_of(net, class_map, one, layer=layer, label=number)
        picture.set_data(pixels.transpose(1, 2, 0))
        below.set_data(pixels.mean(0))
        heat.set_data(plots.strength(values))
        for k, (bar, part) in enumerate(zip(bars, probabilities, strict=True)):
            bar.set_width(part)
            bar.set_facecolor(plots.BLUE if k == number else plots.GRAY)
            bar.set_hatch("//" if k == number else "")
        left.set_title(f"image {image}: {name}")
        size = " × ".join(map(str, values.shape))
        middle.set_title(f"for {classes[number]}, {layer} ({size}), up to {values.max():.2g}", fontsize=10)
        right.set_title(f"the network says {classes[int(probabilities.argmax())]}", fontsize=10)
        row, column = np.unravel_index(int(values.argmax()), values.shape)
        where = f"brightest in row {row + 1}, column {column + 1} of {size}" if values.max() > 0 else "empty"
        return (
            f"Image {image}, {name}: the map for {label} at {layer} is {where}; "
            f"the network gives {label} {probabilities[number]:.0%}."
        )

    return Explorer(controls, figure, draw)


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
    scenes = grid.subplots().flat
    ax = figure.add_axes((0.56, 0.13, 0.42, 0.74))
    plots.draw_precision_recall(ax, curve)
    (dot,) = ax.plot([0], [1], "o", color=plots.BLACK, markersize=10, label="this threshold")
    ax.legend(loc="lower left")
    drawn = []
    for scene, picture, (corners, confidences, kinds) in zip(scenes, images, found, strict=False):
        plots.draw_picture(scene, picture.cpu().numpy(), interpolation="nearest")
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


def spectrogram(sound: Tensor) -> np.ndarray:
    """float [n] -> decibels [129, frames] over windows of 256 samples, 32 apart; the loudest is 0."""
    power = torch.stft(sound, WINDOW, STEP, window=torch.hann_window(WINDOW), return_complex=True).abs().square()
    return (10 * torch.log10(power / power.max() + 1e-12)).numpy()


@plots.course_look
def tone_noise(net: nn.Module, *, seed: int = 0) -> Explorer:
    """Two sliders, for one of 16 words and the amount of noise: its spectrogram, and the network's prediction.

    net: takes [N, 1, 2048] and returns four logits.
    """
    controls = {"word": slider("word", 1, 1, WORDS), "noise": slider("noise", 0.5, 0.0, 6.0, 0.5)}
    clean, labels = data.tone_words(WORDS, noise=0.0, seed=seed)
    hiss = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    device = next(net.parameters()).device

    figure, (left, right) = page(3.2, 2, widths=[2, 1], left=0.08, right=0.98, top=0.88, bottom=0.16, wspace=0.25)
    picture = left.imshow(
        spectrogram(clean[0, 0]), origin="lower", aspect="auto", cmap="viridis", vmin=-40, vmax=0,
        extent=(0, 2048 / 2000, 0, 1000),
    )  # fmt: skip
    left.grid(False)
    left.set(xlabel="time (seconds); bright is loud", ylabel="frequency (Hz)")
    bars = right.bar(data.TONES, 0, color=plots.GRAY)
    right.set(ylim=(0, 1), ylabel="probability")

    def draw(word: int, noise: float) -> str:
        sound, label = clean[word - 1] + noise * hiss[word - 1], int(labels[word - 1])
        picture.set_data(spectrogram(sound[0]))
        with torch.no_grad():
            parts = net.eval()(sound[None].to(device)).softmax(1)[0].cpu()
        for k, (bar, part) in enumerate(zip(bars, parts.tolist(), strict=True)):
            bar.set(height=part, color=plots.BLUE if k == label else plots.GRAY)
        said = f"word {word} is {data.TONES[label]} (blue), the network says {data.TONES[int(parts.argmax())]}"
        left.set_title(f"noise {noise:.1f}: {said}", loc="left")
        return f"Spectrogram and probabilities with noise {noise:.1f}: {said}."

    return Explorer(controls, figure, draw)
