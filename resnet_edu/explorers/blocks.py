"""The strength a of the skip connection in y = F(x) + a x: gradients by layer, and a short training run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from resnet_edu import data, models, plots
from resnet_edu.explorers import core

DEPTHS = (8, 20, 32, 44, 56)
STEPS, BATCH = 40, 64  # of the short training run
KEPT = 4  # curves kept in the plot
TOP = 6.0  # of the loss axis


def _skip_net(strength: float, depth: int, norm: str | None, device: torch.device) -> models.CifarNet:
    """The network of this explorer: PyTorch's initialization without a norm, He's with BatchNorm."""
    init = "default" if norm is None else "he"
    return models.CifarNet(depth, residual=True, skip_scale=strength, norm=norm, init=init).to(device)


def skip_profile(
    images: Tensor, labels: Tensor, *, strength: float, depth: int, norm: str | None, seed: int = 0
) -> tuple[np.ndarray, float]:
    """Gradient norm per weight of an untrained network with blocks F(x) + a x: float64 [depth]; and its loss."""
    with core.seeded(seed, images.device):
        return core.norms_and_loss(_skip_net(strength, depth, norm, images.device), images, labels)


def skip_training(
    train: data.Images, *, strength: float, depth: int, norm: str | None, steps: int = STEPS, seed: int = 0
) -> list[float]:
    """The loss at each of a few SGD steps from the network of `skip_profile`; it ends where it is no longer finite.

    train: the first `steps` x 64 images are used, each once; there must be at least that many.
    """
    _check_enough(train, steps)
    with core.seeded(seed, train.device):
        net = _skip_net(strength, depth, norm, train.device)
    few = train[: BATCH * steps]
    return core.step_losses(net, few, epochs=1, batch_size=BATCH, lr=0.05, schedule="constant", seed=seed)


def _check_enough(train: data.Images, steps: int) -> None:
    if len(train) < BATCH * steps:
        raise ValueError(f"train: {steps} steps need {BATCH * steps} images; there are only {len(train)}.")


def _smooth(losses: list[float]) -> tuple[np.ndarray, str]:
    """At each step, the mean of this loss and up to 4 previous ones; and the last of these in words."""
    means = np.array([np.mean(losses[max(0, i - 4) : i + 1]) for i in range(len(losses))])
    if len(losses) < STEPS:
        return means, "not finite"
    return means, f"{means[-1]:.2f}" if means[-1] < 100 else f"{means[-1]:.1e}"


@plots.course_look
def skip_strength(
    images: Tensor, labels: Tensor, train: data.Images | None = None, *, seed: int = 0, depth: int = 56
) -> core.Explorer:
    """The a of y = F(x) + a x, depth and norm: their effect on an untrained network's gradient and first steps.

    train: at least 2560 images for the button that trains; without them there is no button.
    """
    controls = {
        "strength": core.slider("skip strength a", 1.0, -1.0, 2.0, 0.25),
        "depth": core.menu("depth", DEPTHS, depth),
        "norm": core.menu("normalization", [("none", "none"), ("BatchNorm", "batch")], "none"),
    }
    widths = (3, 2) if train is not None else (1, 0.001)
    figure, (left, right) = core.page(3.5, 2, widths, left=0.09, right=0.98, top=0.9, bottom=0.15, wspace=0.24)
    draw = core.norms_by_setting(
        left, lambda **settings: skip_profile(images, labels, seed=seed, **settings), loc="upper right", ncols=2
    )
    left.set(xlim=(0, DEPTHS[-1] + 1), ylim=(1e-28, 1e15), xlabel="layer: 1 is next to the image")
    right.set_visible(train is not None)
    buttons = {}
    if train is not None:
        _check_enough(train, STEPS)
        buttons[f"train {STEPS} steps with this setting"] = _training_in(right, train, seed)
    return core.Explorer(controls, figure, draw, buttons)


def _training_in(ax: Axes, train: data.Images, seed: int) -> Callable[..., str]:
    """The button's action: train with the current setting, and draw the last few curves."""
    ax.set(xlabel="step", ylabel="loss, mean of 5 steps", yscale="log", xlim=(0.5, STEPS + 0.5), ylim=(1.6, TOP))
    ax.set_yticks([2, 3, 5], ["2", "3", "5"])
    ax.minorticks_off()
    ax.axhline(np.log(10), color=plots.GRAY, linewidth=1, label=f"guessing: {np.log(10):.2f}")
    ax.legend(loc="upper right", fontsize=8)
    hint = ax.text(STEPS / 2, 3, "press the button to train", ha="center", color=plots.PALE_INK, fontsize=9)
    curves: dict[str, tuple[np.ndarray, str, Any]] = {}  # label -> means, the last one in words, style
    styles = list(plots.line_styles(map(str, range(KEPT))).values())

    def train_it(**settings: Any) -> str:
        norm = "BatchNorm" if settings["norm"] else "no norm"
        label = f"a = {settings['strength']:g}, {settings['depth']} layers, {norm}"
        new = _smooth(skip_training(train, seed=seed, **settings))
        gone = label if label in curves else next(iter(curves)) if len(curves) == KEPT else None
        style = curves.pop(gone)[2] if gone else styles[len(curves)]  # the other curves keep theirs
        curves[label] = (*new, style)
        hint.set_visible(False)
        for line in list(ax.lines)[1:]:
            line.remove()
        for name, (means, end, style) in curves.items():
            shown = np.minimum(means, TOP)  # values above the axis run along its upper edge
            ax.plot(np.arange(1, len(means) + 1), shown, label=f"{name}: {end}", markersize=3, **style)
        ax.legend(loc="upper right", fontsize=8, title="setting: final loss", title_fontsize=8, frameon=True)
        ended = "; ".join(f"{name}: {end}" for name, (_, end, _) in curves.items())
        return f"Loss over {STEPS} training steps, and its final value. {ended}."

    return train_it
