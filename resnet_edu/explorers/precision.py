"""What 16 bits do to training: updates that are rounded away, and gradients too small to represent."""

from typing import Any

import numpy as np
import torch

from resnet_edu import plots
from resnet_edu.explorers.core import Explorer, log_slider, page, slider

FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
STEPS = 200


def rounded_path(update: float, dtype: torch.dtype, steps: int = STEPS) -> np.ndarray:
    """A weight that starts at 1 and gets the same update at every step, stored in `dtype`: float64 [steps + 1]."""
    weight = torch.ones((), dtype=dtype)
    path = [1.0]
    for _ in range(steps):
        weight = (weight.double() + update).to(dtype)  # the exact sum, then the nearest representable number
        path.append(weight.item())
    return np.array(path)


def rounding_error(sizes: Any, dtype: torch.dtype, *, scale: float = 1.0) -> np.ndarray:
    """Relative error of numbers multiplied by `scale`, stored in `dtype` and divided again: float64, like `sizes`.

    1 where the number became 0; infinite where it overflowed.
    """
    exact = torch.as_tensor(np.asarray(sizes, dtype=np.float64))
    held = (exact * scale).to(dtype).double() / scale
    return ((held - exact).abs() / exact.abs()).numpy()


@plots.course_look
def precision() -> Explorer:
    """Left: a weight that gets equal updates, in 32 and 16 bits. Right: the relative error of gradients by size."""
    layout = {"width": "420px"}
    controls = {
        "update": log_slider("update / weight", 1e-3, (-5, -1), 10, ".1e", layout=layout),
        "log2_scale": slider("log2 of the loss scale", 0, 0, 24, 2, layout=layout),
    }
    figure, (left, right) = page(3.5, 2, left=0.08, right=0.98, top=0.88, bottom=0.15, wspace=0.24)
    styles = plots.line_styles(FORMATS)
    left.axhline(1, color=plots.GRAY, linewidth=1)
    left.set(xlabel="step", ylabel="moved / should have moved", xlim=(0, STEPS), ylim=(-0.1, 2.1))
    right.set(xlabel="size of the gradient", ylabel="relative error", title="rounding error of a gradient")
    sizes = np.logspace(-12, 8, 81)
    within = sizes[:, None] * np.linspace(1, 10**0.25, 9)[None]  # the worst of several, as rounding errors fluctuate
    right.set(xscale="log", yscale="log", xlim=sizes[[0, -1]], ylim=(1e-9, 1e2))
    paths, errors = {}, {}
    for name, style in styles.items():
        (paths[name],) = left.plot([], [], label=name, markevery=25, markersize=5, **style)
        (errors[name],) = right.plot([], [], label=name, markevery=8, markersize=5, **style)
    left.legend(loc="upper right", ncols=3)
    plots.mark_level(right, 1, "the value is lost ", x=0.99)

    def draw(update: float, log2_scale: int) -> str:
        said = []
        for name, dtype in FORMATS.items():
            moved = (rounded_path(update, dtype)[1:] - 1) / (update * np.arange(1, STEPS + 1))
            paths[name].set_data(np.arange(1, STEPS + 1), moved)
            scale = 2.0**log2_scale if name == "fp16" else 1.0
            worst = rounding_error(within, dtype, scale=scale).max(axis=1)
            errors[name].set_data(sizes, np.where(np.isfinite(worst), worst, np.nan))
            said.append(f"{name} {moved[-1]:.2f}")
        left.set_title(f"a weight stored in each format, update {update:.1e}")
        errors["fp16"].set_label(f"fp16, loss × $2^{{{log2_scale}}}$")
        right.legend(loc="upper center", ncols=3)
        return (
            f"After {STEPS} updates of {update:.1e} a weight of 1 has moved by this fraction of the full distance: "
            f"{', '.join(said)}. Next to it, the relative error of gradients by their size, fp16 with the loss times "
            f"2^{log2_scale}."
        )

    return Explorer(controls, figure, draw)
