"""A word in noise: its spectrogram, and a network's prediction."""

import numpy as np
import torch
from torch import nn

from resnet_edu import data, plots
from resnet_edu.explorers.core import Explorer, page, slider

WINDOW, STEP, WORDS = 256, 32, 16


def spectrogram(sound: torch.Tensor) -> np.ndarray:
    """float [n] -> decibels [129, frames] over windows of 256 samples, 32 apart; the loudest is 0."""
    power = torch.stft(sound, WINDOW, STEP, window=torch.hann_window(WINDOW), return_complex=True).abs().square()
    return (10 * torch.log10(power / power.max() + 1e-12)).numpy()


@plots.course_look
def tone_noise(net: nn.Module, *, seed: int = 0) -> Explorer:
    """Two sliders, for one of 16 words and the amount of noise: its spectrogram, and the network's prediction.

    net: takes [N, 1, 2048] and returns four logits.
    """
    controls = {"word": slider("word", 1, 1, WORDS), "noise": slider("noise", 0.5, 0.0, 6.0, 0.5)}
    clean, labels = data.tone_words(WORDS, noise=0.0, seed=seed)
    hiss = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    device = next(net.parameters()).device

    figure, (left, right) = page(3.2, 2, widths=[2, 1], left=0.08, right=0.98, top=0.88, bottom=0.16, wspace=0.25)
    picture = left.imshow(
        spectrogram(clean[0, 0]), origin="lower", aspect="auto", cmap="viridis", vmin=-40, vmax=0,
        extent=(0, 2048 / 2000, 0, 1000),
    )  # fmt: skip
    left.grid(False)
    left.set(xlabel="seconds", ylabel="Hz")
    bars = right.bar(data.TONES, 0, color=plots.GRAY)
    right.set(ylim=(0, 1), ylabel="probability")

    def draw(word: int, noise: float) -> str:
        sound, label = clean[word - 1] + noise * hiss[word - 1], int(labels[word - 1])
        picture.set_data(spectrogram(sound[0]))
        with torch.no_grad():
            parts = net.eval()(sound[None].to(device)).softmax(1)[0].cpu()
        for k, (bar, part) in enumerate(zip(bars, parts.tolist(), strict=True)):
            bar.set(height=part, color=plots.BLUE if k == label else plots.GRAY)
        said = f"word {word} is {data.TONES[label]} (blue), the network says {data.TONES[int(parts.argmax())]}"
        left.set_title(f"noise {noise:.1f}: {said}", loc="left")
        return f"Spectrogram and probabilities with noise {noise:.1f}: {said}."

    return Explorer(controls, figure, draw)
