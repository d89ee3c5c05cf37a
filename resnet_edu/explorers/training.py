"""Learning rate, momentum and schedule: a tiny network is retrained at every change."""

import math

import numpy as np
import torch
from torch import nn

from resnet_edu import plots
from resnet_edu.data import Images
from resnet_edu.explorers.core import Explorer, log_slider, menu, page, seeded, step_losses

STEPS = 48
BATCH = 64
LAST = 12  # a single batch's loss fluctuates: compare the mean of the last ones
MOMENTA = (0.0, 0.5, 0.9, 0.99)
BOTTOM, TOP = 1.2, 3.2  # of the axis for ten classes: guessing has a loss of ln 10 = 2.3


def sgd_losses(
    train: Images, *, lr: float, momentum: float = 0.9, schedule: str = "constant", seed: int = 0
) -> np.ndarray:
    """Loss at each of 48 SGD steps of a tiny convolutional network: float64 [48], NaN from the step where it diverges.

    train: the images, of which the first 384 are used; lr, momentum, schedule: as for `training.fit`.
    """
    few = train[:384]
    epochs = math.ceil(STEPS / math.ceil(len(few) / BATCH))
    with seeded(seed, train.device):
        net = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2), nn.ReLU(),
            nn.Flatten(), nn.LazyLinear(len(train.classes)),
        ).to(train.device)  # fmt: skip
        net(torch.zeros(1, *few.images.shape[1:], device=train.device))
    how = {"epochs": epochs, "batch_size": BATCH, "lr": lr, "momentum": momentum, "schedule": schedule, "seed": seed}
    losses = step_losses(net, few, weight_decay=0.0, **how)[:STEPS]
    return np.array(losses + [np.nan] * (STEPS - len(losses)))


@plots.course_look
def learning_rate(train: Images, *, seed: int = 0) -> Explorer:
    """Learning rate, momentum and schedule: the loss step by step, and next to it every setting tried so far.

    train: `data.Images` of at least 2 classes; 16 x 16 pixels keep it fast.
    """
    schedules = [("constant", "constant"), ("one cycle", "one_cycle"), ("the paper's", "paper")]
    controls = {
        "lr": log_slider("learning rate", 0.01, (-3, 0.5), 10, ".3g"),
        "momentum": menu("momentum", MOMENTA, 0.0),
        "schedule": menu("schedule", schedules, "constant"),
    }
    guess = math.log(len(train.classes))
    bottom, top = (end * guess / math.log(10) for end in (BOTTOM, TOP))
    figure, (left, right) = page(3.5, 2, left=0.07, right=0.98, top=0.88, bottom=0.15, wspace=0.2)
    for ax in (left, right):
        ax.set_ylim(bottom, top)
        plots.mark_level(ax, guess, "guessing ", x=0.99)
    left.set(xlabel="step", ylabel="training loss", xlim=(0, STEPS + 1))
    right.set(xlabel="learning rate", ylabel=f"mean loss of the last {LAST} steps", xscale="log", xlim=(7e-4, 4.5))
    (before,) = left.plot([], [], color=plots.GRAY, linewidth=1, linestyle="--", label="previous setting")
    (now,) = left.plot([], [], color=plots.BLUE, label="this setting")
    styles = plots.line_styles([f"momentum {momentum:g}" for momentum in MOMENTA])
    tried = {}  # {(momentum, whether the rate is constant): the points}
    for momentum, (label, style) in zip(MOMENTA, styles.items(), strict=True):
        points = {**style, "linestyle": "none", "markersize": 7, "clip_on": False}
        (tried[momentum, True],) = right.plot([], [], label=label, **points)
        (tried[momentum, False],) = right.plot([], [], markerfacecolor="white", **points)
    right.set_title("tried so far (hollow: with a schedule)")
    right.legend(loc="upper left", ncols=2)

    def draw(lr: float, momentum: float, schedule: str) -> str:
        losses = sgd_losses(train, lr=lr, momentum=momentum, schedule=schedule, seed=seed)
        final = float(losses[-LAST:].mean())
        before.set_data(*now.get_data())
        now.set_data(np.arange(1, STEPS + 1), losses)
        left.legend(handles=[line for line in (before, now) if len(line.get_xdata())], loc="lower left", ncols=2)
        points = tried[momentum, schedule == "constant"]
        points.set_data([*points.get_xdata(), lr], [*points.get_ydata(), final if final < top else top])
        result = (
            f"{final:.2f}" if math.isfinite(final) else f"not finite from step {int(np.isfinite(losses).sum()) + 1}"
        )
        left.set_title(f"loss at the end: {result}")
        return (
            f"Loss by step at learning rate {lr:.3g}, momentum {momentum:g}, schedule {schedule}: at the end {result}. "
            "Next to it, the results of all settings tried so far."
        )

    return Explorer(controls, figure, draw)
