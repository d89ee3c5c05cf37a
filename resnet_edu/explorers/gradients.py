"""Gradient norms by layer: of an untrained network, by its settings; of a training run, step by step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from resnet_edu import models, plots
from resnet_edu.explorers import core

DEPTHS = range(8, 57, 6)


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
    ax.set(xlim=(0, DEPTHS[-1] + 1), xlabel=plots.FROM_IMAGE)
    ax.set_ylim(1e-46, 1e6)  # the smallest float32 is 1.4e-45: marks on the bottom line are exact zeros
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
