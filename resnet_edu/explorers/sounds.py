"""A word in noise: its spectrogram, and what a net takes it for."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from resnet_edu import data, plots
from resnet_edu.explorers.core import Explorer

WINDOW, STEP, WORDS = 256, 32, 16


def spectrogram(sound: torch.Tensor) -> np.ndarray:
    """float [n] -> decibels [129, frames] of windows of 256 samples, 32 apart; 0 is the loudest."""
    power = torch.stft(sound, WINDOW, STEP, window=torch.hann_window(WINDOW), return_complex=True).abs().square()
    return (10 * torch.log10(power / power.max() + 1e-12)).numpy()


@plots.course_look
def tone_noise(net: nn.Module, *, seed: int = 0) -> Explorer:
    """Two sliders, which of 16 words and how much noise: its spectrogram, and what the net takes it for.

    net: takes [N, 1, 2048] and gives four logits.
    """
    clean, labels = data.tone_words(WORDS, noise=0.0, seed=seed)
    hiss = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    device = next(net.parameters()).device

    figure = Figure(figsize=(plots.WIDTH, 3.2))
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [2, 1]})
    figure.subplots_adjust(left=0.08, right=0.98, top=0.88, bottom=0.16, wspace=0.25)
    picture = left.imshow(
        spectrogram(clean[0, 0]), origin="lower", aspect="auto", cmap="viridis", vmin=-40, vmax=0,
        extent=(0, 2048 / 2000, 0, 1000),
    )  # fmt: skip
    left.grid(False)
    left.set(xlabel="seconds", ylabel="Hz")
    bars = right.bar(range(4), [0] * 4, color=plots.GRAY)
    right.set_xticks(range(4), list(data.TONES))
    right.set(ylim=(0, 1), ylabel="probability")

    controls = {
        "word": widgets.IntSlider(value=1, min=1, max=WORDS, description="word", continuous_update=False),
        "noise": widgets.FloatSlider(
            value=0.5, min=0.0, max=6.0, step=0.5, description="noise", continuous_update=False
        ),
    }

    @plots.course_look
    def draw(word: int, noise: float) -> str:
        sound, label = clean[word - 1] + noise * hiss[word - 1], int(labels[word - 1])
        picture.set_data(spectrogram(sound[0]))
        with torch.no_grad():
            parts = net.eval()(sound[None].to(device)).softmax(1)[0].cpu()
        for k, (bar, part) in enumerate(zip(bars, parts.tolist(), strict=True)):
            bar.set(height=part, color=plots.BLUE if k == label else plots.GRAY)
        said = f"word {word} is {data.TONES[label]} (blue), the net says {data.TONES[int(parts.argmax())]}"
        left.set_title(f"noise {noise:.1f}: {said}", loc="left")
        return f"Spectrogram and probabilities with noise {noise:.1f}: {said}."

    explorer = Explorer(controls, figure, draw)
    explorer.show()
    return explorer
