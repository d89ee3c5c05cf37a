"""Gradient norms by layer: of a fresh net, by its settings; of a training run, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from resnet_edu import models, plots, probes
from resnet_edu.explorers.core import Explorer, check_batch, in_words


@plots.course_look
def _norm_axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(plots.WIDTH, 3.4))
    ax = figure.subplots()
    figure.subplots_adjust(left=0.09, right=0.98, top=0.9, bottom=0.15)
    ax.set_ylabel("gradient norm of the weights")
    return figure, ax


# --- gradient flow ----------------------------------------------------------------------------------------------------


def gradient_profile(
    images: Tensor,
    labels: Tensor,
    *,
    depth: int,
    activation: str,
    init: str,
    norm: str | None,
    skip: bool,
    seed: int = 0,
) -> tuple[np.ndarray, float]:
    """Gradient norm of every weight of a fresh `CifarNet`, and its loss, on one batch: (float64 [depth], loss).

    images: float [N, 3, H, W]; labels: int64 [N]. The random state is left as it was.
    """
    check_batch(images, labels)
    with torch.random.fork_rng(devices=[images.device] if images.device.type == "cuda" else []):
        torch.manual_seed(seed)
        net = models.CifarNet(depth, residual=skip, activation=activation, init=init, norm=norm).to(images.device)
        norms = probes.GradientNorms(net)
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        norms.record()
    return norms.numpy()[0], float(loss.detach())


@plots.course_look
def gradient_flow(images: Tensor, labels: Tensor, *, seed: int = 0, depth: int = 56) -> Explorer:
    """Depth, activation, initialization, norm and skip connection: what each does to the gradient of a fresh net.

    images: one small batch, float [N, 3, H, W] (at most 32 images of 16 x 16 keep it quick); labels: int64 [N].
    The setting before the last change stays in the picture as a gray line.
    """
    check_batch(images, labels)
    depths = range(8, 57, 6)
    if not isinstance(depth, int) or depth not in depths:
        raise ValueError(f"depth={depth!r}: choose one of {', '.join(map(str, depths))}.")

    wide = {"description_width": "110px"}
    controls = {
        "depth": widgets.IntSlider(
            value=depth, min=depths[0], max=depths[-1], step=6, description="depth", continuous_update=False, style=wide
        ),
        "activation": widgets.Dropdown(
            options=["relu", "tanh", "sigmoid", "gelu"], value="relu", description="activation", style=wide
        ),
        "init": widgets.Dropdown(
            options=[("PyTorch's default", "default"), ("He", "he"), ("Xavier", "xavier")],
            value="default", description="initialization", style=wide,
        ),
        "norm": widgets.Dropdown(
            options=[("none", "none"), ("BatchNorm", "batch")], value="none", description="normalization", style=wide
        ),
        "skip": widgets.Checkbox(value=False, description="skip: y = F(x) + x", indent=True, style=wide),
    }  # fmt: skip

    low, high = 1e-46, 1e6  # the smallest float32 is 1.4e-45: what stands on the bottom line is an exact zero
    figure, ax = _norm_axes()
    ax.set(yscale="log", xlim=(0, depths[-1] + 1), ylim=(low, high))
    ax.set_xlabel("layer: 1 is next to the image, the last one is the classifier")
    (before,) = ax.plot([], [], color=plots.GRAY, linewidth=1, label="setting before")
    (now,) = ax.plot([], [], color=plots.BLUE, marker="o", markersize=4, label="this setting")
    (zeros,) = ax.plot([], [], "x", color=plots.VERMILLION, markersize=7, clip_on=False, label="exactly 0")
    ax.legend(loc="lower right", ncols=3)

    @plots.course_look
    def draw(**settings: Any) -> str:
        norms, loss = gradient_profile(images, labels, seed=seed, **settings)
        layers = np.arange(1, len(norms) + 1)
        before.set_data(*now.get_data())
        now.set_data(layers, np.where(norms > 0, norms, np.nan))
        at_zero = layers[norms == 0]
        zeros.set_data(at_zero, np.full(len(at_zero), low))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = norms[0] / norms[-2]  # the last convolution stands before the classifier
        title = f"first / last convolution: {ratio:.2g}      loss: {loss:.3g}"
        ax.set_title(title)
        return f"Gradient norm by layer of a fresh net: {in_words(settings)}. {title}."

    explorer = Explorer(controls, figure, draw)
    explorer.show()
    return explorer


# --- step by step -----------------------------------------------------------------------------------------------------


def gradient_steps(recordings: Mapping[str, Any]) -> Explorer:
    """One slider over the steps of a training run: the gradient norm by layer of every net at that step.

    recordings: {label: probes.GradientNorms, or an array [rows, layers]}, all with the same number of rows. Where the
    first one has `.steps`, they number the rows, and have to be evenly spaced.
    """
    tables = plots.norm_tables(recordings)
    lengths = {label: len(table) for label, table in tables.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(
            f"gradient_steps needs the same number of recorded steps in every net; it was given {lengths}."
        )
    rows = next(iter(lengths.values()))
    steps = list(getattr(next(iter(recordings.values())), "steps", range(rows)))
    everything = np.concatenate([table.ravel() for table in tables.values()])
    figure, ax = _norm_axes()

    @plots.course_look
    def draw(step: int) -> str:
        ax.clear()
        row = steps.index(step)
        plots.draw_norms(ax, {label: table[row] for label, table in tables.items()}, scale=everything)
        ax.set(title=f"step {step}", ylabel="gradient norm of the weights")
        return f"Gradient norm by layer at step {step} of training, for {', '.join(tables)}."

    options = {"min": int(steps[0]), "max": int(steps[-1]), "step": int(steps[1] - steps[0]) if rows > 1 else 1}
    slider = widgets.IntSlider(value=options["min"], description="step", continuous_update=False, **options)
    explorer = Explorer({"step": slider}, figure, draw)
    explorer.show()
    return explorer
