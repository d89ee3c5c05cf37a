"""What a premise breaks: models, initialisation, training, probes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from resnet_edu import data, models, probes, training
from resnet_edu.exercises import widgets


def force(**options: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """A CifarNet that ignores what it is asked for and always takes these options."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = models.CifarNet.__init__

        def init(self: models.CifarNet, depth: int, **asked: Any) -> None:
            original(self, **{"depth": depth, **asked, **options})

        monkeypatch.setattr(models.CifarNet, "__init__", init)

    return patch


def swap_depths(monkeypatch: pytest.MonkeyPatch) -> None:
    original = models.CifarNet.__init__

    def init(self: models.CifarNet, depth: int, **asked: Any) -> None:
        original(self, {20: 56, 56: 20}.get(depth, depth), **asked)

    monkeypatch.setattr(models.CifarNet, "__init__", init)


def recorder_of_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def record(self: probes.GradientNorms) -> None:
        self._rows.append(torch.ones(len(self.names), dtype=torch.float64))

    monkeypatch.setattr(probes.GradientNorms, "record", record)


def sigmoid_is_tanh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "sigmoid", torch.tanh)


def convolution_off_by_one_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    original = F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda *args, **options: 1.01 * original(*args, **options))


def padding_mode_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: nn.Conv2d, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    monkeypatch.setattr(nn.Conv2d, "_conv_forward", forward)


def no_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "double", torch.Tensor.float)
    monkeypatch.setattr(nn.Module, "double", nn.Module.float)


def biases_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Conv2d.__setattr__

    def setattr_(self: nn.Conv2d, name: str, value: Any) -> None:
        if not (name == "bias" and value is None):
            original(self, name, value)

    monkeypatch.setattr(nn.Conv2d, "__setattr__", setattr_)


def fit_with(**options: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """A `fit` that ignores what it is asked for and always takes these options."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = training.fit
        monkeypatch.setattr(training, "fit", lambda *args, **asked: original(*args, **{**asked, **options}))

    return patch


def no_clipping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.utils, "clip_grad_norm_", lambda *args, **options: None)


def clipping_each_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    def clip(parameters: Any, max_norm: float) -> None:
        for p in parameters:
            p.grad.mul_(max_norm / p.grad.double().norm().clamp_min(1e-300)) if p.grad is not None else None

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", clip)


def seeds_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "manual_seed", lambda seed: None)


def memorised_training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    original = training.evaluate

    def evaluate(net: nn.Module, images: Any) -> training.Metrics:
        return original(net, images) if len(images) == 1000 else training.Metrics(0.0, 1.0)

    monkeypatch.setattr(training, "evaluate", evaluate)


def patch_data(change: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[pytest.MonkeyPatch], None]:
    """`data.load` returns what `change` makes of (train, test)."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = data.load
        monkeypatch.setattr(data, "load", lambda *args, **options: change(*original(*args, **options)))

    return patch


def answer_with(**answers: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """The lesson goes on with these answers to its exercises, right or wrong."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = widgets.exercise
        monkeypatch.setattr(widgets, "exercise", lambda name, answer: answers.get(name) or original(name, answer))

    return patch


def dice_with(draw: Callable[[np.random.Generator, float, Any], Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """`rng.binomial(n, p, size)` of numpy's generators is `draw(rng, n * p, size)`."""

    class Dice:
        def __init__(self, seed: int) -> None:
            self.rng = np.random.Generator(np.random.PCG64(seed))

        def binomial(self, n: int, p: float, size: Any) -> Any:
            return draw(self.rng, n * p, size)

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(np.random, "default_rng", Dice)

    return patch


def predictions(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[pytest.MonkeyPatch], None]:
    """`training.predict` returns what `change` makes of the probabilities."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = training.predict
        monkeypatch.setattr(training, "predict", lambda net, images: change(original(net, images)))

    return patch


def together(*patches: Callable[[pytest.MonkeyPatch], None]) -> Callable[[pytest.MonkeyPatch], None]:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for one in patches:
            one(monkeypatch)

    return patch


plain_always, residual_always = force(residual=False), force(residual=True)
he_always = force(init="he")
