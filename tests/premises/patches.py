"""What a premise breaks: models, initialization, training, probes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from resnet_edu import data, lesson, models, probes, training
from resnet_edu.exercises import widgets
from resnet_edu.models import weights


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


def memorized_training_images(monkeypatch: pytest.MonkeyPatch) -> None:
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


# --- layers and initialization ----------------------------------------------------------------------------------------


def layers_a_quarter_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    linear, conv = nn.Linear.forward, nn.Conv2d.forward
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: 1.25 * linear(self, x))
    monkeypatch.setattr(nn.Conv2d, "forward", lambda self, x: 1.25 * conv(self, x))


def orthogonal_is_normal(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(tensor: torch.Tensor, gain: float = 1) -> torch.Tensor:
        return nn.init.normal_(tensor, std=gain / tensor[0].numel() ** 0.5)

    monkeypatch.setattr(nn.init, "orthogonal_", fill)


def random_matrices_are_rotations(monkeypatch: pytest.MonkeyPatch) -> None:
    original = torch.randn

    def randn(*shape: int, **options: Any) -> torch.Tensor:
        if len(shape) == 2 and shape[0] == shape[1]:
            return nn.init.orthogonal_(torch.empty(*shape, **options), gain=shape[0] ** 0.5)
        return original(*shape, **options)

    monkeypatch.setattr(torch, "randn", randn)


def tanh_is_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Tanh, "forward", lambda self, x: 1 * x)


def relu_leaks_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: torch.relu(x) + 0.1 * (x - x.detach()))


# --- BatchNorm --------------------------------------------------------------------------------------------------------


def no_batchnorm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.modules.batchnorm._BatchNorm, "forward", lambda self, x: 1 * x)


def batchnorm_output_off_by_one_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.BatchNorm2d.forward
    monkeypatch.setattr(nn.BatchNorm2d, "forward", lambda self, x: 1.01 * original(self, x))


def batchnorm_statistics_off_by_one_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.BatchNorm2d.forward
    monkeypatch.setattr(nn.BatchNorm2d, "forward", lambda self, x: original(self, 1.01 * x))


def means_off_by_one_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    original = torch.Tensor.mean
    monkeypatch.setattr(torch.Tensor, "mean", lambda self, *args, **options: 1.01 * original(self, *args, **options))


def always_training(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Module.train
    monkeypatch.setattr(nn.Module, "train", lambda self, mode=True: original(self, True))


def never_training(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Module.train
    monkeypatch.setattr(nn.Module, "train", lambda self, mode=True: original(self, False))


def batchnorm_moves_its_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.BatchNorm2d.forward

    def forward(self: nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            self.weight.mul_(1.01)
        return original(self, x)

    monkeypatch.setattr(nn.BatchNorm2d, "forward", forward)


def shuffling_sorts(monkeypatch: pytest.MonkeyPatch) -> None:
    original = data.Images.batches

    def batches(self: data.Images, batch_size: int, *, shuffle: bool = False, **options: Any) -> Any:
        images = self[self.labels.argsort(stable=True)] if shuffle else self
        return original(images, batch_size, **options)

    monkeypatch.setattr(data.Images, "batches", batches)


def no_uniform_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda self, *args: self.zero_())


# --- probes of a run --------------------------------------------------------------------------------------------------


def updates_twice_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    original = probes.UpdateRatio.numpy
    monkeypatch.setattr(probes.UpdateRatio, "numpy", lambda self: 2 * original(self))


def every_unit_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    original = probes.unit_health

    def unit_health(module: nn.Module, batch: torch.Tensor) -> probes.UnitHealth:
        found = original(module, batch)
        ones = np.ones_like(found.dead)
        return probes.UnitHealth(found.names, found.kinds, found.units, ones, ones)

    monkeypatch.setattr(probes, "unit_health", unit_health)


# --- degradation, shattering and its neighbors -----------------------------------------------------------------------


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


def on_record(change: Callable[[Any], Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """`lesson.recorded` returns what `change` makes of the recorded result."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = lesson.recorded
        monkeypatch.setattr(lesson, "recorded", lambda name, experiment=None: change(original(name)))

    return patch


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
