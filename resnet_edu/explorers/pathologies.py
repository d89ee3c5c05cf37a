"""Pathology by depth: a way to build a net, a depth, and what the gradient looks like in it before training."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from resnet_edu import models, plots, probes
from resnet_edu.explorers.core import Explorer, check_batch

#: {what the menu says: the options of `models.CifarNet`}
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
    """What the chosen view shows of a fresh `CifarNet`, and its loss on the batch. The random state is left as it was.

    images: float [N, 3, H, W], at least two; labels: int64 [N]. setting: a key of `SETTINGS`. view: "norms" gives the
    gradient norm of every weight, float64 [depth]; "cosines" compares the gradient by the input at neighboring points
    of the line between the first two images, float64 [POINTS - 1], with BatchNorm set by the batch.
    """
    check_batch(images, labels)
    if len(images) < 2:
        raise ValueError("pathology draws a line between two images: give a batch of at least 2.")
    if not isinstance(setting, str) or setting not in SETTINGS:
        raise ValueError(f"setting={setting!r}: choose one of {', '.join(map(repr, SETTINGS))}.")
    if not isinstance(view, str) or view not in VIEWS.values():
        raise ValueError(f"view={view!r}: choose 'norms' or 'cosines'.")
    with torch.random.fork_rng(devices=[images.device] if images.device.type == "cuda" else []):
        torch.manual_seed(seed)
        net = models.CifarNet(depth, **SETTINGS[setting]).to(images.device)
        norms = probes.GradientNorms(net)
        with torch.set_grad_enabled(view == "norms"):
            loss = F.cross_entropy(net(images), labels)
        if view == "cosines":  # that pass has set BatchNorm's running statistics halfway: calibrate
            values = probes.shattering(net, images[0], images[1], points=POINTS, calibrate=images).cosine
        else:
            loss.backward()
            norms.record()
            values = norms.numpy()[0]
    return values, float(loss.detach())


@plots.course_look
def pathologies(images: Tensor, labels: Tensor, *, seed: int = 0, depth: int = 56) -> Explorer:
    """How a net is built, how deep it is, and what to look at: gradient norms by layer, or cosines along a line.

    images: one small batch, float [N, 3, H, W] (at most 32 images of 16 x 16 keep it quick); labels: int64 [N].
    The setting before the last change stays in the picture as a gray line, as long as the view is the same.
    """
    check_batch(images, labels)
    if len(images) < 2:
        raise ValueError("pathologies draws a line between two images: give a batch of at least 2.")
    if isinstance(depth, bool) or not isinstance(depth, int) or depth not in DEPTHS:
        raise ValueError(f"depth={depth!r}: choose one of {', '.join(map(str, DEPTHS))}.")
    wide: dict[str, Any] = {"style": {"description_width": "70px"}, "layout": {"width": "420px"}}
    controls = {
        "setting": widgets.Dropdown(options=list(SETTINGS), value=next(iter(SETTINGS)), description="net", **wide),
        "view": widgets.Dropdown(options=list(VIEWS.items()), value="norms", description="look at", **wide),
        "depth": widgets.IntSlider(
            value=depth, min=DEPTHS[0], max=DEPTHS[-1], step=6, description="depth", continuous_update=False, **wide
        ),
    }
    figure = Figure(figsize=(plots.WIDTH, 3.4))
    ax = figure.subplots()
    figure.subplots_adjust(left=0.09, right=0.98, top=0.9, bottom=0.15)
    last: dict[str, np.ndarray] = {}  # {view: what was drawn}

    @plots.course_look
    def draw(setting: str, view: str, depth: int) -> str:
        values, loss = pathology(images, labels, setting=setting, depth=depth, view=view, seed=seed)
        before = last.pop(view, np.empty(0))
        last.clear()
        last[view] = values
        ax.clear()
        low, high = (1e-46, 1e6) if view == "norms" else (-1.05, 1.05)
        first = 1.0 if view == "norms" else 1.5  # a cosine stands between two points
        for numbers, label, style in (
            (before, "setting before", {"color": plots.GRAY, "linewidth": 1}),
            (values, "this setting", {"color": plots.BLUE, "marker": "o", "markersize": 4}),
        ):
            shown = np.where(numbers > 0, numbers, np.nan) if view == "norms" else numbers
            ax.plot(first + np.arange(len(numbers)), shown, label=label, **style)
        if view == "norms":
            zeros = np.flatnonzero(values == 0) + 1
            bottom = np.full(len(zeros), low)
            ax.plot(zeros, bottom, "x", color=plots.VERMILLION, markersize=7, clip_on=False, label="exactly 0")
            ax.set(xlim=(0, DEPTHS[-1] + 1), ylabel="gradient norm of the weights")
            ax.set_xlabel("layer: 1 is next to the image, the last one is the classifier")
            with np.errstate(divide="ignore", invalid="ignore"):
                found = f"first / last convolution: {values[0] / values[-2]:.2g}"
        else:
            ax.axhline(0, color=plots.GRAY, linewidth=1)
            ax.set(xlim=(0.5, POINTS + 0.5), ylabel="cosine with the next point")
            ax.set_xlabel("point on the line between two images")
            found = f"mean cosine of neighbors: {values.mean():.2f}"
            if not np.isfinite(values).any():
                found = "the gradient is exactly 0 in float32: it has no direction"
        ax.set_yscale("log" if view == "norms" else "linear")
        ax.set_ylim(low, high)
        ax.legend(loc="lower right", ncols=3)
        title = f"{found}      loss: {loss:.3g}"
        ax.set_title(title)
        what = "Gradient norm by layer" if view == "norms" else "Cosine along a line"
        return f"{what}, {setting}, depth {depth}. {title}."

    explorer = Explorer(controls, figure, draw)
    explorer.show()
    return explorer
