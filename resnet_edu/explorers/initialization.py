"""The scale of activations and gradients by layer: of an untrained network, by weight scale and norm."""

import math

import numpy as np
from torch import Tensor, nn

from resnet_edu import models, plots, probes
from resnet_edu.explorers.core import Explorer, Trace, checkbox, log_slider, menu, page, seeded

GAINS = (-2, 2)  # powers of 2
LEAST = (1e-2, 1e2)  # minimum range of each axis, so that a level line looks level


def scale_profile(
    images: Tensor, labels: Tensor, *, gain: float, norm: str | None, activation: str = "relu", depth: int = 20,
    seed: int = 0,
) -> probes.Signal:  # fmt: skip
    """Scale of the activations and of their gradients in an untrained plain network, on one batch.

    gain: the weights are normal with variance gain^2 * 2 / fan_in, so that 1 is He's initialization and
        sqrt(1/6) has the variance of PyTorch's default.
    """

    def draw(weight: Tensor) -> Tensor:
        return nn.init.normal_(weight, std=gain * math.sqrt(2 / weight[0].numel()))

    with seeded(seed, images.device):
        net = models.CifarNet(depth, residual=False, activation=activation, init=draw, norm=norm).to(images.device)
        return probes.signal(net, images, labels)


@plots.course_look
def initialization(images: Tensor, labels: Tensor, *, seed: int = 0, depth: int = 20) -> Explorer:
    """Scale of the initial weights, BatchNorm, activation: how each affects the signal, forward and backward.

    depth: of the plain network, 6n + 2.
    """
    controls = {
        "gain": log_slider("gain (1 is He's)", 1.0, GAINS, 2, ".2f"),
        "norm": checkbox("BatchNorm"),
        "activation": menu("activation", ["relu", "tanh", "sigmoid"], "relu"),
    }
    figure, axes = page(3.6, 2, left=0.07, right=0.98, top=0.84, bottom=0.14, wspace=0.18)
    traces = [Trace(axes[0], loc="upper left", ncols=3), Trace(axes[1])]
    for ax, title in zip(axes, plots.FORWARD_AND_BACKWARD, strict=True):
        ax.set(xlim=(0, depth + 1), title=title, xlabel=plots.FROM_IMAGE)

    def draw(gain: float, norm: bool, activation: str) -> str:
        found = scale_profile(
            images, labels, gain=gain, norm="batch" if norm else None, activation=activation, depth=depth, seed=seed
        )
        for ax, trace, values in zip(axes, traces, (found.activation, found.gradient), strict=True):
            ax.set_ylim(*_decades(np.concatenate([values, trace.values, LEAST])))
            trace.show(values)
        factors = _factor(found.activation[1:-1]), _factor(found.gradient[-2:0:-1])
        title = f"gain {gain:.2f}, {'BatchNorm' if norm else 'no norm'}, {activation}: factor per layer "
        title += f"forward {factors[0]}, backward {factors[1]}"
        figure.suptitle(title, fontsize=11)
        return f"Scale of activations and gradients by layer of an untrained plain-{depth}. {title}."

    return Explorer(controls, figure, draw)


def _factor(values: np.ndarray) -> str:
    """The mean factor from one layer to the next, in the direction of propagation; "none" if the signal is lost."""
    if not (np.isfinite(values) & (values > 0)).all():
        return "none"
    return f"{(values[-1] / values[0]) ** (1 / (len(values) - 1)):.2f}"


def _decades(values: np.ndarray) -> tuple[float, float]:
    """Limits around all positive numbers, rounded to whole pairs of decades."""
    powers = np.log10(values[np.isfinite(values) & (values > 0)]) / 2
    low, high = np.clip([np.floor(powers.min()), np.ceil(powers.max())], -150, 150)
    return 10.0 ** (2 * low), 10.0 ** (2 * high)
