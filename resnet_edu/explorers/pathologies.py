"""Pathology by depth: a way to build a network, a depth, and what its gradient looks like before training."""

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.nn import functional as F

from resnet_edu import checks, models, plots, probes
from resnet_edu.explorers import core

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
DEPTHS = range(8, 57, 6)
POINTS = 33


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
        first = 1.0 if view == "norms" else 1.5  # a cosine lies between two points
        ax.plot(first + np.arange(len(before)), before, label="previous setting", color=plots.GRAY, linewidth=1)
        x = first + np.arange(len(values))
        ax.plot(x, values, label="this setting", color=plots.BLUE, marker="o", markersize=4)
        found = _norms_on(ax, x, values) if view == "norms" else _cosines_on(ax, values)
        ax.legend(loc="lower right", ncols=3)
        title = f"{found}      loss: {loss:.3g}"
        ax.set_title(title)
        what = "Gradient norm by layer" if view == "norms" else "Cosine along a line"
        return f"{what}, {setting}, depth {depth}. {title}."

    return core.Explorer(controls, figure, draw)


def _norms_on(ax: Axes, layers: np.ndarray, norms: np.ndarray) -> str:
    """Set up the axes for norms, and return a summary."""
    ax.set_yscale("log", nonpositive="mask")
    ax.set(xlim=(0, DEPTHS[-1] + 1), ylim=(1e-46, 1e6), ylabel=core.NORM_OF_WEIGHTS, xlabel=plots.FROM_IMAGE)
    plots.draw_off_scale(ax, layers, norms, plots.VERMILLION)
    return core.first_over_last(norms)


def _cosines_on(ax: Axes, cosines: np.ndarray) -> str:
    ax.axhline(0, color=plots.GRAY, linewidth=1)
    ax.set(xlim=(0.5, POINTS + 0.5), ylim=(-1.05, 1.05), yscale="linear")
    ax.set(ylabel="cosine with the next point", xlabel="point on the line between two images")
    if not np.isfinite(cosines).any():
        return "the gradient is exactly 0 in float32: it has no direction"
    return f"mean cosine of neighbors: {cosines.mean():.2f}"
