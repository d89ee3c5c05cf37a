"""The strength a of the skip connection in y = F(x) + a x: gradients by layer, and a short training."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from resnet_edu import data, models, plots, probes, training
from resnet_edu.explorers.core import Explorer, check_batch, in_words

DEPTHS = (8, 20, 32, 44, 56)
STEPS, BATCH = 40, 64  # of the short training
KEPT = 4  # curves that stay in the picture
TOP = 6.0  # of the loss axis


def _skip_net(strength: float, depth: int, norm: str | None, seed: int, device: torch.device) -> models.CifarNet:
    """The net behind every answer: PyTorch's initialization without a norm, He's with BatchNorm."""
    torch.manual_seed(seed)
    init = "default" if norm is None else "he"
    return models.CifarNet(depth, residual=True, skip_scale=strength, norm=norm, init=init).to(device)


def skip_profile(
    images: Tensor, labels: Tensor, *, strength: float, depth: int, norm: str | None, seed: int = 0
) -> tuple[np.ndarray, float]:
    """Gradient norm of every weight of a fresh net with blocks F(x) + a x, and its loss: (float64 [depth], loss).

    images: float [N, 3, H, W]; labels: int64 [N]. The random state is left as it was.
    """
    check_batch(images, labels)
    with torch.random.fork_rng(devices=[images.device] if images.device.type == "cuda" else []):
        net = _skip_net(strength, depth, norm, seed, images.device)
        norms = probes.GradientNorms(net)
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        norms.record()
    return norms.numpy()[0], float(loss.detach())


def skip_training(
    train: data.Images, *, strength: float, depth: int, norm: str | None, steps: int = STEPS, seed: int = 0
) -> list[float]:
    """The loss at each of a few SGD steps from the net of `skip_profile`; it breaks off where it is no longer finite.

    train: the first `steps` x 64 images are used, each once; there have to be as many.
    """
    if not isinstance(train, data.Images):
        raise TypeError(f"skip_training takes Images, such as data.load returns; it was given {type(train).__name__}.")
    if not isinstance(steps, Integral) or isinstance(steps, bool) or steps < 1:
        raise ValueError(f"steps={steps!r}: give a whole number of at least 1.")
    _check_enough(train, steps)
    with torch.random.fork_rng(devices=[train.images.device] if train.images.device.type == "cuda" else []):
        net = _skip_net(strength, depth, norm, seed, train.images.device)
    try:
        history = training.fit(
            net, train[: BATCH * steps], epochs=1, batch_size=BATCH, lr=0.05, schedule="constant", seed=seed,
            progress=False,
        )  # fmt: skip
    except training.DivergenceError as error:
        history = error.history
    return [loss for loss in history.step_loss if np.isfinite(loss)]


def _check_enough(train: data.Images, steps: int) -> None:
    if len(train) < BATCH * steps:
        raise ValueError(f"train: {steps} steps use {BATCH * steps} images; there are {len(train)}.")


def _running_mean(losses: list[float], width: int = 5) -> np.ndarray:
    """At each step, the mean of this loss and of up to `width` - 1 before it."""
    return np.array([np.mean(losses[max(0, i - width + 1) : i + 1]) for i in range(len(losses))])


def _ended(losses: list[float]) -> str:
    if len(losses) < STEPS:
        return "breaks off"
    last = _running_mean(losses)[-1]
    return f"{last:.2f}" if last < 100 else f"{last:.1e}"


@plots.course_look
def skip_strength(
    images: Tensor, labels: Tensor, train: data.Images | None = None, *, seed: int = 0, depth: int = 56
) -> Explorer:
    """The a of y = F(x) + a x, depth and norm: what they do to the gradient of a fresh net, and to its first steps.

    images, labels: one small batch (at most 32 images of 16 x 16 keep it quick). train: at least 2560 images for
    the button that trains; without them there is no button. The setting before the last change stays in the picture as
    a gray line.
    """
    check_batch(images, labels)
    if train is not None:
        if not isinstance(train, data.Images):
            raise TypeError(f"train has to be Images, such as data.load returns; it was given {type(train).__name__}.")
        _check_enough(train, STEPS)
    if not isinstance(depth, int) or depth not in DEPTHS:
        raise ValueError(f"depth={depth!r}: choose one of {', '.join(map(str, DEPTHS))}.")

    wide = {"description_width": "110px"}
    controls = {
        "strength": widgets.FloatSlider(
            value=1.0, min=-1.0, max=2.0, step=0.25, description="skip strength a", continuous_update=False, style=wide
        ),
        "depth": widgets.Dropdown(options=list(DEPTHS), value=depth, description="depth", style=wide),
        "norm": widgets.Dropdown(
            options=[("none", "none"), ("BatchNorm", "batch")], value="none", description="normalization", style=wide
        ),
    }

    figure = Figure(figsize=(plots.WIDTH, 3.5))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2) if train is not None else (1, 0.001))
    figure.subplots_adjust(left=0.09, right=0.98, top=0.9, bottom=0.15, wspace=0.24)
    left.set(yscale="log", xlim=(0, DEPTHS[-1] + 1), ylim=(1e-28, 1e15), ylabel="gradient norm of the weights")
    left.set_xlabel("layer: 1 is next to the image")
    (before,) = left.plot([], [], color=plots.GRAY, linewidth=1, label="setting before")
    (now,) = left.plot([], [], color=plots.BLUE, marker="o", markersize=4, label="this setting")
    left.legend(loc="upper right", ncols=2)
    right.set(xlabel="step", ylabel="loss, mean of 5 steps", yscale="log", xlim=(0.5, STEPS + 0.5), ylim=(1.6, TOP))
    right.set_yticks([2, 3, 5], ["2", "3", "5"])
    right.minorticks_off()
    right.axhline(np.log(10), color=plots.GRAY, linewidth=1)
    right.text(STEPS + 0.5, np.log(10), "guessing ", ha="right", va="bottom", color="#595959", fontsize=9)
    right.set_visible(train is not None)
    hint = right.text(STEPS / 2, 3, "press the button to train", ha="center", color="#595959", fontsize=9)
    curves: dict[str, list[float]] = {}

    @plots.course_look
    def draw(**settings: Any) -> str:
        norms, loss = skip_profile(images, labels, seed=seed, **settings)
        before.set_data(*now.get_data())
        now.set_data(np.arange(1, len(norms) + 1), np.where(norms > 0, norms, np.nan))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = norms[0] / norms[-2]  # the last convolution stands before the classifier
        title = f"first / last convolution: {ratio:.2g}      loss: {loss:.3g}"
        left.set_title(title)
        return f"Gradient norm by layer of a fresh net: {in_words(settings)}. {title}."

    @plots.course_look
    def train_it(**settings: Any) -> str:
        norm = "BatchNorm" if settings["norm"] else "no norm"
        label = f"a = {settings['strength']:g}, {settings['depth']} layers, {norm}"
        curves.pop(label, None)
        curves[label] = skip_training(train, seed=seed, **settings)  # type: ignore[arg-type]
        for old in list(curves)[:-KEPT]:
            del curves[old]
        hint.set_visible(False)
        for line in list(right.lines)[1:]:
            line.remove()
        for (name, losses), style in zip(curves.items(), plots.line_styles(curves).values(), strict=True):
            smooth = np.minimum(_running_mean(losses), TOP)  # what is above the axis runs along its upper edge
            right.plot(np.arange(1, len(losses) + 1), smooth, label=f"{name}: {_ended(losses)}", markersize=3, **style)
        right.legend(loc="upper right", fontsize=8)
        ended = "; ".join(f"{name}: {_ended(losses)}" for name, losses in curves.items())
        return f"Loss over {STEPS} steps of training, and where it ended. {ended}."

    buttons = {} if train is None else {f"train {STEPS} steps with this setting": train_it}
    explorer = Explorer(controls, figure, draw, buttons)
    explorer.show()
    return explorer
