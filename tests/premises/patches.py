"""What a premise breaks: models, initialisation, training, probes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from resnet_edu import data, models, probes, training, weights


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


plain_always, residual_always = force(residual=False), force(residual=True)
he_always = force(init="he")


def nothing_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `fit` that looks at one batch, lets the recorders see its gradients, and takes no step."""

    def fit(net: nn.Module, train: Any, *_: Any, callbacks: Any = (), **__: Any) -> training.History:
        x, y = next(iter(train.batches(128)))
        F.cross_entropy(net.train()(x), y).backward()
        for callback in callbacks:
            if hasattr(callback, "on_gradients"):
                callback.on_gradients(0)
        net.zero_grad()
        return training.History()

    monkeypatch.setattr(training, "fit", fit)


def deep_nets_are_perfect(monkeypatch: pytest.MonkeyPatch) -> None:
    original = training.evaluate

    def evaluate(net: nn.Module, images: Any) -> training.Metrics:
        return training.Metrics(0.0, 1.0) if net.depth == 56 else original(net, images)

    monkeypatch.setattr(training, "evaluate", evaluate)


def no_weights_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "load", lambda net, name: {})


def no_part_of_a_state_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Module.load_state_dict

    def load_state_dict(self: nn.Module, state: Any, strict: bool = True) -> Any:
        return original(self, state) if strict else None

    monkeypatch.setattr(nn.Module, "load_state_dict", load_state_dict)


def always_eval(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Module.train
    monkeypatch.setattr(nn.Module, "train", lambda self, mode=True: original(self, False))


def recorder_of_powers(monkeypatch: pytest.MonkeyPatch) -> None:
    def record(self: probes.GradientNorms) -> None:
        self._rows.append(10.0 ** torch.arange(len(self.names), dtype=torch.float64))

    monkeypatch.setattr(probes.GradientNorms, "record", record)


def recorder_without_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    original = probes.GradientNorms.__init__

    def init(self: probes.GradientNorms, module: nn.Module) -> None:
        original(self, module)
        self.names.pop()

    monkeypatch.setattr(probes.GradientNorms, "__init__", init)


def opposite_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    def shattering(*_: Any, points: int = 64, **__: Any) -> probes.Shattering:
        return probes.Shattering(np.ones(points), -np.ones((points, points)))

    monkeypatch.setattr(probes, "shattering", shattering)


def pixels_of_another_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "STD", tuple(100 * deviation for deviation in data.STD))


def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.init, "constant_", lambda tensor, value: tensor)


def together(*patches: Callable[[pytest.MonkeyPatch], None]) -> Callable[[pytest.MonkeyPatch], None]:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for one in patches:
            one(monkeypatch)

    return patch
