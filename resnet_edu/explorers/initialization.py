"""The scale of activations and gradients by layer: of a fresh net, by the scale of its weights and its norm."""

from __future__ import annotations

import math
from numbers import Integral, Real

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from resnet_edu import models, plots, probes
from resnet_edu.explorers.core import Explorer, check_batch

GAINS = (-2, 2)  # powers of 2
LEAST = (1e-2, 1e2)  # what each axis shows at least, so that a level line looks level


def scale_profile(
    images: Tensor, labels: Tensor, *, gain: float, norm: str | None, activation: str = "relu", depth: int = 20,
    seed: int = 0,
) -> probes.Signal:  # fmt: skip
    """Scale of the activations and of the gradients by them in a fresh plain net, on one batch.

    images: float [N, 3, H, W]; labels: int64 [N].
    gain: the weights are normal with the variance gain^2 * 2 / fan_in, so that 1 is He's initialization and
        sqrt(1/6) has the variance of PyTorch's default. The random state is left as it was.
    """
    check_batch(images, labels)
    if not isinstance(gain, Real) or isinstance(gain, bool) or not 0 < gain < 1e3:
        raise ValueError(f"gain={gain!r}: give a number above 0, 1 for He's initialization.")

    def draw(weight: Tensor) -> Tensor:
        return nn.init.normal_(weight, std=float(gain) * math.sqrt(2 / weight[0].numel()))

    with torch.random.fork_rng(devices=[images.device] if images.device.type == "cuda" else []):
        torch.manual_seed(seed)
        net = models.CifarNet(depth, residual=False, activation=activation, init=draw, norm=norm).to(images.device)
        return probes.signal(net, images, labels)


@plots.course_look
def initialization(images: Tensor, labels: Tensor, *, seed: int = 0, depth: int = 20) -> Explorer:
    """Scale of the initial weights, BatchNorm, activation: what each does to the signal, forward and backward.

    images: one small batch, float [N, 3, H, W] (at most 32 images of 16 x 16 keep it quick); labels: int64 [N].
    depth: of the plain net, 6n + 2. The setting before the last change stays in the picture as a gray line.
    """
    check_batch(images, labels)
    if not isinstance(depth, Integral) or isinstance(depth, bool) or depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth={depth!r}: give a depth of 6n + 2, such as 20 or 56.")

    wide = {"description_width": "150px"}
    controls = {
        "gain": widgets.FloatLogSlider(
            value=1.0, base=2, min=GAINS[0], max=GAINS[1], step=0.25, description="gain (1 is He's)",
            readout_format=".2f", continuous_update=False, style=wide,
        ),
        "norm": widgets.Checkbox(value=False, description="BatchNorm", indent=True, style=wide),
        "activation": widgets.Dropdown(
            options=["relu", "tanh", "sigmoid"], value="relu", description="activation", style=wide
        ),
    }  # fmt: skip

    figure = Figure(figsize=(plots.WIDTH, 3.6))
    axes = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.07, right=0.98, top=0.84, bottom=0.14, wspace=0.18)
    titles = ("forward: root mean square of the activations", "backward: norm of the gradient by them")
    lines, zeros = [], []
    for ax, title in zip(axes, titles, strict=True):
        ax.set(yscale="log", xlim=(0, depth + 1), title=title)
        ax.set_xlabel("layer: 1 is next to the image, the last one is the classifier")
        (before,) = ax.plot([], [], color=plots.GRAY, linewidth=1, label="setting before")
        (now,) = ax.plot([], [], color=plots.BLUE, marker="o", markersize=4, label="this setting")
        (zero,) = ax.plot([], [], "x", color=plots.VERMILLION, markersize=7, clip_on=False, label="exactly 0")
        lines.append((before, now))
        zeros.append(zero)
    axes[0].legend(loc="upper left", ncols=3)

    @plots.course_look
    def draw(gain: float, norm: bool, activation: str) -> str:
        found = scale_profile(
            images, labels, gain=gain, norm="batch" if norm else None, activation=activation, depth=depth, seed=seed
        )
        layers = np.arange(1, depth + 1)
        panels = zip(axes, lines, zeros, (found.activation, found.gradient), strict=True)
        for ax, (before, now), zero, values in panels:
            before.set_data(*now.get_data())
            low, high = _decades(np.concatenate([values, before.get_ydata(), LEAST]))
            ax.set_ylim(low, high)
            now.set_data(layers, np.where(values > 0, values, np.nan))
            at_zero = layers[values == 0]
            zero.set_data(at_zero, np.full(len(at_zero), low))
        factors = _factor(found.activation[1:-1]), _factor(found.gradient[-2:0:-1])
        title = f"gain {gain:.2f}, {'BatchNorm' if norm else 'no norm'}, {activation}: factor per layer "
        title += f"forward {factors[0]}, backward {factors[1]}"
        figure.suptitle(title, fontsize=11)
        return f"Scale of activations and gradients by layer of a fresh plain-{depth}. {title}."

    explorer = Explorer(controls, figure, draw)
    explorer.show()
    return explorer


def _factor(values: np.ndarray) -> str:
    """The mean factor from one layer to the next, in the direction of travel; "none" where the signal is lost."""
    if not (np.isfinite(values) & (values > 0)).all():
        return "none"
    return f"{(values[-1] / values[0]) ** (1 / (len(values) - 1)):.2f}"


def _decades(values: np.ndarray) -> tuple[float, float]:
    """Whole pairs of decades around all positive numbers."""
    powers = np.log10(values[np.isfinite(values) & (values > 0)]) / 2
    low, high = np.clip([np.floor(powers.min()), np.ceil(powers.max())], -150, 150)
    return 10.0 ** (2 * low), 10.0 ** (2 * high)
