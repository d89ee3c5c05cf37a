"""What an untrained network does to signal and gradient, by how it is built; the gradient of a training run by step."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu import checks, models, plots, probes
from resnet_edu.explorers import core

DEPTHS = range(8, 57, 6)
NORMS = (1e-46, 1e6)  # the smallest float32 is 1.4e-45: marks on the bottom line are exact zeros
LEAST = (1e-2, 1e2)  # minimum range of each axis of the signal's scale, so that a level line looks level
#: {menu label: options of `models.CifarNet`}
SETTINGS: dict[str, dict[str, Any]] = {
    "plain, He, BatchNorm": {"residual": False},
    "plain, He, no norm": {"residual": False, "norm": None},
    "plain, PyTorch's default, no norm": {"residual": False, "norm": None, "init": "default"},
    "plain, sigmoid, PyTorch's default, no norm": {
        "residual": False, "norm": None, "init": "default", "activation": "sigmoid"
    },
    "skip, He, BatchNorm": {"residual": True},
    "skip, He, BatchNorm, zero gamma": {"residual": True, "zero_init_residual": True},
    "skip, He, no norm": {"residual": True, "norm": None},
    "skip, PyTorch's default, no norm": {"residual": True, "norm": None, "init": "default"},
}  # fmt: skip
VIEWS = {"gradient norm by layer": "norms", "cosine along a line": "cosines"}
POINTS = 33  # on the line of a cosine view


def gradient_profile(
    images: Tensor, labels: Tensor, *, depth: int, activation: str, init: str, norm: str | None, skip: bool,
    seed: int = 0,
) -> tuple[np.ndarray, float]:  # fmt: skip
    """Gradient norm of every weight of an untrained `CifarNet`, and its loss, on one batch: (float64 [depth], loss)."""
    with core.seeded(seed, images.device):
        net = models.CifarNet(depth, residual=skip, activation=activation, init=init, norm=norm).to(images.device)
        return core.norms_and_loss(net, images, labels)


@plots.course_look
def gradient_flow(images: Tensor, labels: Tensor, *, seed: int = 0, depth: int = 56) -> core.Explorer:
    """Depth, activation, initialization, norm and skip connection: how each affects an untrained network's gradient."""
    controls = {
        "depth": core.range_slider("depth", depth, DEPTHS),
        "activation": core.menu("activation", ["relu", "tanh", "sigmoid", "gelu"], "relu"),
        "init": core.menu(
            "initialization", [("PyTorch's default", "default"), ("He", "he"), ("Xavier", "xavier")], "default"
        ),
        "norm": core.menu("normalization", [("none", "none"), ("BatchNorm", "batch")], "none"),
        "skip": core.checkbox("skip: y = F(x) + x"),
    }
    figure, ax = core.one_panel()
    draw = core.norms_by_setting(
        ax, lambda **settings: gradient_profile(images, labels, seed=seed, **settings), loc="lower right", ncols=3
    )
    ax.set(xlim=(0.5, DEPTHS[-1] + 0.5), ylim=NORMS, xlabel=plots.FROM_IMAGE)
    return core.Explorer(controls, figure, draw)


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

    with core.seeded(seed, images.device):
        net = models.CifarNet(depth, residual=False, activation=activation, init=draw, norm=norm).to(images.device)
        return probes.signal(net, images, labels)


@plots.course_look
def initialization(images: Tensor, labels: Tensor, *, seed: int = 0, depth: int = 20) -> core.Explorer:
    """Scale of the initial weights, BatchNorm, activation: how each affects a plain network's signal, both ways."""
    controls = {
        "gain": core.log_slider("gain (1 is He's)", 1.0, (-2, 2), 2, ".2f"),
        "norm": core.checkbox("BatchNorm"),
        "activation": core.menu("activation", ["relu", "tanh", "sigmoid"], "relu"),
    }
    figure, axes = core.page(3.6, 2, left=0.07, right=0.98, top=0.84, bottom=0.14, wspace=0.18)
    traces = [core.Trace(axes[0], loc="upper left", ncols=3), core.Trace(axes[1])]
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

    return core.Explorer(controls, figure, draw)


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


def pathology(
    images: Tensor, labels: Tensor, *, setting: str, depth: int, view: str, seed: int = 0
) -> tuple[np.ndarray, float]:
    """The chosen view of an untrained `CifarNet`, and its loss on the batch.

    setting: a key of `SETTINGS`. view: "norms" gives the gradient norm of every weight, float64 [depth]; "cosines"
    compares the gradient with respect to the input at neighboring points of the line between the first two images,
    float64 [POINTS - 1], with calibrated BatchNorm.
    """
    checks.choice("view", view, VIEWS.values())
    with core.seeded(seed, images.device):
        net = models.CifarNet(depth, **SETTINGS[setting]).to(images.device)
        if view == "norms":
            return core.norms_and_loss(net, images, labels)
        with torch.no_grad():  # this pass moves BatchNorm's running statistics only halfway: hence `calibrate`
            loss = F.cross_entropy(net(images), labels)
        found = probes.shattering(net, images[0], images[1], points=POINTS, calibrate=images)
        return found.cosine, float(loss)


@plots.course_look
def pathologies(images: Tensor, labels: Tensor, *, seed: int = 0, depth: int = 56) -> core.Explorer:
    """How a network is built, how deep it is, and what to view: gradient norms by layer, or cosines along a line."""
    layout = {"width": "420px"}
    controls = {
        "setting": core.menu("net", SETTINGS, next(iter(SETTINGS)), layout=layout),
        "view": core.menu("view", VIEWS.items(), "norms", layout=layout),
        "depth": core.range_slider("depth", depth, DEPTHS, layout=layout),
    }
    figure, ax = core.one_panel()
    last: dict[str, np.ndarray] = {}  # {view: values drawn last}

    def draw(setting: str, view: str, depth: int) -> str:
        values, loss = pathology(images, labels, setting=setting, depth=depth, view=view, seed=seed)
        before = last.pop(view, np.empty(0))
        last.clear()
        last[view] = values
        ax.clear()
        first = 1.0 if view == "norms" else 0.5  # a cosine lies between two points
        (line,) = ax.plot(first + np.arange(len(before)), before, "--", color=plots.GRAY, linewidth=1)
        line.set_label("previous setting" if len(before) else "_")  # the legend omits it
        x = first + np.arange(len(values))
        ax.plot(x, values, label="this setting", color=plots.BLUE, marker="o", markersize=4)
        if view == "norms":
            what, found = "Gradient norm by layer", core.first_over_last(values)
            ax.set_yscale("log", nonpositive="mask")
            ax.set(xlim=(0.5, DEPTHS[-1] + 0.5), ylim=NORMS, ylabel=core.NORM_OF_WEIGHTS, xlabel=plots.FROM_IMAGE)
            plots.draw_off_scale(ax, x, values, plots.VERMILLION)
        else:
            what, found = "Cosine along a line", f"mean cosine of neighbors: {values.mean():.2f}"
            if not np.isfinite(values).any():
                found = "the gradient is exactly 0 in float32: it has no direction"
            ax.axhline(0, color=plots.GRAY, linewidth=1)
            ax.set(xlim=(-0.5, POINTS - 0.5), ylim=(-1.05, 1.05))
            ax.set(ylabel="cosine with the next point", xlabel="point on the line between two images")
        ax.legend(loc="lower right", ncols=3)
        title = f"{found}      loss: {loss:.3g}"
        ax.set_title(title)
        return f"{what}, {setting}, depth {depth}. {title}."

    return core.Explorer(controls, figure, draw)


@plots.course_look
def gradient_steps(recordings: Mapping[str, Any]) -> core.Explorer:
    """One slider over the steps of a training run: the gradient norm by layer of every network at that step.

    recordings: {label: probes.GradientNorms, or an array [rows, layers]}, all with the same number of rows. If the
    first one has `.steps`, they number the rows, and must be evenly spaced.
    """
    tables = plots.norm_tables(recordings)
    lengths = {label: len(table) for label, table in tables.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"recordings: every network needs the same number of recorded steps; they have {lengths}.")
    steps = list(getattr(next(iter(recordings.values())), "steps", range(max(lengths.values()))))
    apart = int(steps[1] - steps[0]) if len(steps) > 1 else 1
    controls = {"step": core.slider("step", int(steps[0]), int(steps[0]), int(steps[-1]), apart)}
    figure, ax = core.one_panel()
    limits = plots.log_limits(np.concatenate([table.ravel() for table in tables.values()]))

    def draw(step: int) -> str:
        ax.clear()
        row = steps.index(step)
        plots.draw_norms(ax, {label: table[row] for label, table in tables.items()}, limits=limits)
        ax.set(title=f"step {step}", ylabel=core.NORM_OF_WEIGHTS, xlabel=plots.layer_words(recordings))
        return f"Gradient norm by layer at step {step} of training, for {', '.join(tables)}."

    return core.Explorer(controls, figure, draw)
