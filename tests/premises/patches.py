"""What a premise breaks: models, initialization, training, probes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from premises.core import Patch
from resnet_edu import data, lesson, models, probes, training
from resnet_edu.exercises import page
from resnet_edu.models import weights


def swap(owner: Any, name: str, value: Any, *, raising: bool = True) -> Patch:
    """`owner.name` is `value`; with raising=False also where it had no such name."""
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value, raising=raising)


def wrap(owner: Any, name: str, make: Callable[[Any], Any]) -> Patch:
    """`owner.name` is what `make` returns for the original."""
    return lambda monkeypatch: monkeypatch.setattr(owner, name, make(getattr(owner, name)))


def together(*patches: Patch) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for one in patches:
            one(monkeypatch)

    return patch


def force(**options: Any) -> Patch:
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


sigmoid_is_tanh = swap(torch, "sigmoid", torch.tanh)
convolution_off_by_one_percent = wrap(
    F, "conv2d", lambda original: lambda *args, **options: 1.01 * original(*args, **options)
)


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


def fit_with(**options: Any) -> Patch:
    """A `fit` that ignores what it is asked for and always takes these options."""
    return wrap(training, "fit", lambda fit: lambda *args, **asked: fit(*args, **{**asked, **options}))


no_step = swap(torch.optim.SGD, "step", lambda self: None)
no_clipping = swap(nn.utils, "clip_grad_norm_", lambda *args, **options: None)


def clipping_each_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    def clip(parameters: Any, max_norm: float) -> None:
        for p in parameters:
            p.grad.mul_(max_norm / p.grad.double().norm().clamp_min(1e-300)) if p.grad is not None else None

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", clip)


seeds_do_nothing = swap(torch, "manual_seed", lambda seed: None)


def memorized_training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    original = training.evaluate

    def evaluate(net: nn.Module, images: Any) -> training.Metrics:
        return original(net, images) if len(images) == 1000 else training.Metrics(0.0, 1.0)

    monkeypatch.setattr(training, "evaluate", evaluate)


def patch_data(change: Callable[[Any, Any], tuple[Any, Any]]) -> Patch:
    """`data.load` returns what `change` makes of (train, test)."""
    return wrap(data, "load", lambda load: lambda *args, **options: change(*load(*args, **options)))


def answer_with(**answers: Any) -> Patch:
    """The lesson goes on with these answers to its exercises, right or wrong."""
    return wrap(page, "exercise", lambda check: lambda name, answer: answers.get(name) or check(name, answer))


def dice_with(draw: Callable[[np.random.Generator, float, Any], Any]) -> Patch:
    """`rng.binomial(n, p, size)` of numpy's generators is `draw(rng, n * p, size)`."""

    class Dice:
        def __init__(self, seed: int) -> None:
            self.rng = np.random.Generator(np.random.PCG64(seed))

        def binomial(self, n: int, p: float, size: Any) -> Any:
            return draw(self.rng, n * p, size)

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(np.random, "default_rng", Dice)

    return patch


def predictions(change: Callable[[torch.Tensor], torch.Tensor]) -> Patch:
    """`training.predict` returns what `change` makes of the probabilities."""
    return wrap(training, "predict", lambda predict: lambda net, images: change(predict(net, images)))


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


tanh_is_the_identity = swap(nn.Tanh, "forward", lambda self, x: 1 * x)
relu_leaks_backward = swap(nn.ReLU, "forward", lambda self, x: torch.relu(x) + 0.1 * (x - x.detach()))


# --- BatchNorm --------------------------------------------------------------------------------------------------------


no_batchnorm = swap(nn.modules.batchnorm._BatchNorm, "forward", lambda self, x: 1 * x)
batchnorm_output_off_by_one_percent = wrap(
    nn.BatchNorm2d, "forward", lambda original: lambda self, x: 1.01 * original(self, x)
)
batchnorm_statistics_off_by_one_percent = wrap(
    nn.BatchNorm2d, "forward", lambda original: lambda self, x: original(self, 1.01 * x)
)
means_off_by_one_percent = wrap(
    torch.Tensor, "mean", lambda original: lambda self, *args, **options: 1.01 * original(self, *args, **options)
)


always_training = wrap(nn.Module, "train", lambda original: lambda self, mode=True: original(self, True))


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


no_uniform_noise = swap(torch.Tensor, "uniform_", lambda self, *args, **options: self.zero_())


# --- probes of a run --------------------------------------------------------------------------------------------------


updates_twice_as_large = wrap(probes.UpdateRatio, "numpy", lambda original: lambda self: 2 * original(self))


def every_unit_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    original = probes.unit_health

    def unit_health(module: nn.Module, batch: torch.Tensor) -> probes.UnitHealth:
        found = original(module, batch)
        ones = np.ones_like(found.dead)
        return probes.UnitHealth(found.names, ones, ones)

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


no_weights_loaded = swap(weights, "load", lambda net, name: {})


def on_record(change: Callable[[Any], Any]) -> Patch:
    """`lesson.recorded` returns what `change` makes of the recorded result."""
    return wrap(lesson, "recorded", lambda recorded: lambda name, experiment=None: change(recorded(name)))


def no_part_of_a_state_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Module.load_state_dict

    def load_state_dict(self: nn.Module, state: Any, strict: bool = True) -> Any:
        return original(self, state) if strict else None

    monkeypatch.setattr(nn.Module, "load_state_dict", load_state_dict)


always_eval = wrap(nn.Module, "train", lambda original: lambda self, mode=True: original(self, False))


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


pixels_of_another_scale = swap(data, "STD", tuple(100 * deviation for deviation in data.STD))
nothing_is_set = swap(nn.init, "constant_", lambda tensor, value: tensor)
