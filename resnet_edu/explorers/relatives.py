"""A block in the skeleton: its code, its parameters, and the gradient along the stream of an untrained network."""

from typing import Any

import numpy as np
from torch import Tensor

from resnet_edu import models, plots, probes
from resnet_edu.explorers.core import Explorer, Trace, menu, page, seeded, slider
from resnet_edu.models import relatives

DEPTHS = (2, 8)  # blocks per stage: minimum and maximum


def block_profile(images: Tensor, labels: Tensor, *, block: str, blocks: int, seed: int = 0) -> tuple[np.ndarray, int]:
    """Norm of dL/dh after every block of an untrained skeleton, and its parameter count: (float64 [2 blocks], count).

    block: a key of `relatives.BLOCKS`. blocks: per stage, of two stages.
    """
    with seeded(seed, images.device):
        net = relatives.Skeleton(relatives.BLOCKS[block], blocks=blocks).to(images.device)
    stream = [f"stage{stage}.{i}" for stage in (1, 2) for i in range(blocks)]
    return probes.signal(net, images, labels, layers=stream).gradient, models.count_parameters(net)


@plots.course_look
def swap_block(images: Tensor, labels: Tensor, *, seed: int = 0) -> Explorer:
    """One skeleton, eleven blocks, and how many per stage: their code, parameters, and gradient along the stream."""
    controls = {"block": menu("block", relatives.BLOCKS, "residual"), "blocks": slider("blocks per stage", 6, *DEPTHS)}
    figure, (text, ax) = page(3.6, 2, widths=(1.45, 1), left=0.01, right=0.98, top=0.9, bottom=0.15, wspace=0.16)
    text.axis("off")
    says = text.text(0, 0.98, "", va="top", fontsize=10, linespacing=1.6)
    code = text.text(0, 0.6, "", va="top", fontsize=8, family="monospace", linespacing=1.6)
    trace = Trace(ax, now="this block", before="previous choice", loc="upper right", ncols=2)
    ax.set(xlabel="block: 1 is next to the image", ylabel="norm of dL/dh after the block")
    ax.set(xlim=(0.5, 2 * DEPTHS[1] + 0.5), ylim=(1e-3, 30))

    def draw(block: str, blocks: int) -> str:
        norms, parameters = block_profile(images, labels, block=block, blocks=blocks, seed=seed)
        trace.show(norms)
        made: Any = relatives.BLOCKS[block]
        hidden = [relatives.matched(made, channels, blocks) for channels in (16, 32)]
        says.set_text(
            f"{block}, {blocks} blocks per stage: {parameters:,} parameters\n"
            f"inner width: {hidden[0]} in stage 1, {hidden[1]} in stage 2\n"
            f"gradient after the first block / after the last: {norms[0] / norms[-1]:.2g}"
        )
        lines = [f"    {line.split('  #')[0]}" for line in relatives.forward_lines(made).splitlines()]
        code.set_text("\n".join(["def forward(self, x):", *lines]))
        return f"Gradient along the stream of an untrained network. {' '.join(says.get_text().splitlines())}."

    return Explorer(controls, figure, draw)
