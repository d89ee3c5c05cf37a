"""Tone words: short synthetic sounds that differ, like words of a tone language, in how the pitch moves.

    >>> sounds, labels = data.tone_words(8, seed=0)
    >>> sounds.shape, data.TONES
    (torch.Size([8, 1, 2048]), ('level', 'rising', 'falling', 'dipping'))

A voice is a sum of harmonics of one pitch, with an envelope and noise. Each speaker's pitch, timbre, speed and onset
are random, so that neither the pitch itself nor the loudness identifies the word: only the movement of the pitch does.
"""

import math

import torch
from torch import Tensor

from resnet_edu import checks

TONES = ("level", "rising", "falling", "dipping")
RATE = 2000  # samples per second
LENGTH = 2048  # samples per word: about one second
HARMONICS = 4


def tone_words(count: int, *, noise: float = 0.3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """`count` sounds float32 [count, 1, 2048] at 2,000 samples per second, and labels int64 [count] into TONES.

    noise: the standard deviation of the white noise; the voice's own is 1 while it sounds. The same arguments give the
    same sounds. Raises ValueError if noise is negative.
    """
    noise = checks.number("noise", noise, at_least=0)
    draw = torch.Generator("cpu").manual_seed(checks.seed(seed))

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, generator=draw)

    with torch.device("cpu"):
        labels = torch.randint(len(TONES), (count,), generator=draw)
        time = torch.arange(LENGTH) / RATE  # seconds
        duration = uniform(0.6, 0.9)
        start = torch.rand(count, 1, generator=draw) * (LENGTH / RATE - duration)
        part = (time - start) / duration  # 0 where the voice begins, 1 where it ends
        inside = (part > 0) & (part < 1)
        part = part.clamp(0, 1)

        pitch = torch.exp(uniform(math.log(100), math.log(200)))  # Hz, in the middle of its range
        shapes = torch.stack([0 * part, 2 * part - 1, 1 - 2 * part, 8 * (part - 0.5) ** 2 - 1])  # [4, count, LENGTH]
        shape = shapes[labels, torch.arange(count)]
        octaves = uniform(0.25, 0.4) * shape + 0.03 * torch.randn(count, 1, generator=draw) * torch.sin(20 * time)
        cycles = torch.cumsum(pitch * 2**octaves / RATE, 1)  # the phase: the integral of the pitch

        voice = torch.zeros(count, LENGTH)
        for harmonic in range(1, HARMONICS + 1):
            voice += uniform(0.3, 1) * torch.sin(2 * math.pi * (harmonic * cycles + uniform(0, 1)))
        voice *= torch.sin(math.pi * part).clamp(min=0).sqrt() * inside  # sin(pi) is slightly below 0
        voice /= voice.square().sum(1, keepdim=True).div(inside.sum(1, keepdim=True)).sqrt()
        return (voice + noise * torch.randn(count, LENGTH, generator=draw))[:, None], labels
