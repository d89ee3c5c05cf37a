"""What a premise breaks: models, initialization, training, probes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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

# --- ways to break something ------------------------------------------------------------------------------------------


def swap(owner: Any, name: str, value: Any, *, raising: bool = True) -> Patch:
    """`owner.name` is `value`; with raising=False also where it had no such name."""
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value, raising=raising)


def wrap(owner: Any, name: str, make: Callable[[Any], Any]) -> Patch:
    """`owner.name` is what `make` returns for the original."""
    return lambda monkeypatch: monkeypatch.setattr(owner, name, make(getattr(owner, name)))


def in_place_of(owner: Any, name: str) -> Callable[[Callable[..., Any]], Patch]:
    """A decorator: the function runs in place of `owner.name`, and is given the original before its arguments."""
    return lambda function: wrap(
        owner, name, lambda original: lambda *args, **asked: function(original, *args, **asked)
    )


def changed(owner: Any, name: str, change: Callable[[Any], Any]) -> Patch:
    """`owner.name` returns what `change` makes of its result."""
    return wrap(owner, name, lambda original: lambda *args, **asked: change(original(*args, **asked)))


def always_with(owner: Any, name: str, **options: Any) -> Patch:
    """`owner.name` ignores what it is asked for and always takes these options."""
    return wrap(owner, name, lambda original: lambda *args, **asked: original(*args, **{**asked, **options}))


def together(*patches: Patch) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for one in patches:
            one(monkeypatch)

    return patch


def force(**options: Any) -> Patch:
    """A CifarNet that ignores what it is asked for and always takes these options."""

    @in_place_of(models.CifarNet, "__init__")
    def patch(original: Any, self: models.CifarNet, depth: int, **asked: Any) -> None:
        original(self, **{"depth": depth, **asked, **options})

    return patch


def with_depths(other: dict[int, int]) -> Patch:
    """A CifarNet whose depth differs from the one asked for."""

    @in_place_of(models.CifarNet, "__init__")
    def patch(original: Any, self: models.CifarNet, depth: int, **asked: Any) -> None:
        original(self, other.get(depth, depth), **asked)

    return patch


fit_with = partial(always_with, training, "fit")
#: `training.predict` returns what the function makes of the probabilities.
predictions = partial(changed, training, "predict")


def patch_data(change: Callable[[Any, Any], tuple[Any, Any]]) -> Patch:
    """`data.load` returns what `change` makes of (train, test)."""
    return changed(data, "load", lambda loaded: change(*loaded))


def answer_with(**answers: Any) -> Patch:
    """The lesson goes on with these answers to its exercises, right or wrong."""
    return wrap(page, "exercise", lambda check: lambda name, answer: answers.get(name) or check(name, answer))


def on_record(change: Callable[[Any], Any]) -> Patch:
    """`lesson.recorded` returns what `change` makes of the recorded result."""
    return wrap(lesson, "recorded", lambda recorded: lambda name, experiment=None: change(recorded(name)))


def dice_with(draw: Callable[[np.random.Generator, float, Any], Any]) -> Patch:
    """`rng.binomial(n, p, size)` of numpy's generators is `draw(rng, n * p, size)`."""

    class Dice:
        def __init__(self, seed: int) -> None:
            self.rng = np.random.Generator(np.random.PCG64(seed))

        def binomial(self, n: int, p: float, size: Any) -> Any:
            return draw(self.rng, n * p, size)

    return swap(np.random, "default_rng", Dice)


# --- layers and initialization ----------------------------------------------------------------------------------------


plain_always, residual_always = force(residual=False), force(residual=True)
he_always = force(init="he")
swap_depths = with_depths({20: 56, 56: 20})

sigmoid_is_tanh = swap(torch, "sigmoid", torch.tanh)
tanh_is_the_identity = swap(nn.Tanh, "forward", lambda self, x: 1 * x)
relu_leaks_backward = swap(nn.ReLU, "forward", lambda self, x: torch.relu(x) + 0.1 * (x - x.detach()))
convolution_off_by_one_percent = changed(F, "conv2d", lambda y: 1.01 * y)
layers_a_quarter_too_large = together(
    changed(nn.Linear, "forward", lambda y: 1.25 * y), changed(nn.Conv2d, "forward", lambda y: 1.25 * y)
)
means_off_by_one_percent = changed(torch.Tensor, "mean", lambda mean: 1.01 * mean)
no_float64 = together(swap(torch.Tensor, "double", torch.Tensor.float), swap(nn.Module, "double", nn.Module.float))
seeds_do_nothing = swap(torch, "manual_seed", lambda seed: None)
nothing_is_set = swap(nn.init, "constant_", lambda tensor, value: tensor)
no_uniform_noise = swap(torch.Tensor, "uniform_", lambda self, *args, **options: self.zero_())
pixels_of_another_scale = swap(data, "STD", tuple(100 * deviation for deviation in data.STD))


@in_place_of(nn.Conv2d, "_conv_forward")
def padding_mode_ignored(_: Any, self: nn.Conv2d, x: torch.Tensor, weight: torch.Tensor, bias: Any) -> torch.Tensor:
    return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)


@in_place_of(nn.Conv2d, "__setattr__")
def biases_stay(original: Any, self: nn.Conv2d, name: str, value: Any) -> None:
    if not (name == "bias" and value is None):
        original(self, name, value)


@in_place_of(nn.init, "orthogonal_")
def orthogonal_is_normal(_: Any, tensor: torch.Tensor, gain: float = 1) -> torch.Tensor:
    return nn.init.normal_(tensor, std=gain / tensor[0].numel() ** 0.5)


@in_place_of(torch, "randn")
def random_matrices_are_rotations(original: Any, *shape: int, **options: Any) -> torch.Tensor:
    if len(shape) == 2 and shape[0] == shape[1]:
        return nn.init.orthogonal_(torch.empty(*shape, **options), gain=shape[0] ** 0.5)
    return original(*shape, **options)


# --- BatchNorm --------------------------------------------------------------------------------------------------------


no_batchnorm = swap(nn.modules.batchnorm._BatchNorm, "forward", lambda self, x: 1 * x)
batchnorm_output_off_by_one_percent = changed(nn.BatchNorm2d, "forward", lambda y: 1.01 * y)
batchnorm_statistics_off_by_one_percent = wrap(
    nn.BatchNorm2d, "forward", lambda original: lambda self, x: original(self, 1.01 * x)
)
always_training = wrap(nn.Module, "train", lambda original: lambda self, mode=True: original(self, True))
always_eval = wrap(nn.Module, "train", lambda original: lambda self, mode=True: original(self, False))


@in_place_of(nn.BatchNorm2d, "forward")
def batchnorm_moves_its_scale(original: Any, self: nn.BatchNorm2d, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        self.weight.mul_(1.01)
    return original(self, x)


# --- training and its results -----------------------------------------------------------------------------------------


no_step = swap(torch.optim.SGD, "step", lambda self: None)
no_clipping = swap(nn.utils, "clip_grad_norm_", lambda *args, **options: None)
no_weights_loaded = swap(weights, "load", lambda net, name: {})


@in_place_of(nn.utils, "clip_grad_norm_")
def clipping_each_tensor(_: Any, parameters: Any, max_norm: float) -> None:
    for p in parameters:
        p.grad.mul_(max_norm / p.grad.double().norm().clamp_min(1e-300)) if p.grad is not None else None


@in_place_of(data.Images, "batches")
def shuffling_sorts(original: Any, self: data.Images, batch_size: int, *, shuffle: bool = False, **asked: Any) -> Any:
    return original(self[self.labels.argsort(stable=True)] if shuffle else self, batch_size, **asked)


@in_place_of(training, "fit")
def nothing_is_learned(
    _: Any, net: nn.Module, train: Any, *args: Any, callbacks: Any = (), **asked: Any
) -> training.History:
    """A `fit` that looks at one batch, lets the recorders see its gradients, and takes no step."""
    x, y = next(iter(train.batches(128)))
    F.cross_entropy(net.train()(x), y).backward()
    for callback in callbacks:
        if hasattr(callback, "on_gradients"):
            callback.on_gradients(0)
    net.zero_grad()
    return training.History()


@in_place_of(nn.Module, "load_state_dict")
def no_part_of_a_state_is_loaded(original: Any, self: nn.Module, state: Any, strict: bool = True) -> Any:
    return original(self, state) if strict else None


@in_place_of(training, "evaluate")
def memorized_training_images(original: Any, net: nn.Module, images: Any) -> training.Metrics:
    return original(net, images) if len(images) == 1000 else training.Metrics(0.0, 1.0)


@in_place_of(training, "evaluate")
def deep_nets_are_perfect(original: Any, net: nn.Module, images: Any) -> training.Metrics:
    return training.Metrics(0.0, 1.0) if net.depth == 56 else original(net, images)


@in_place_of(training, "predict")
def every_answer_is_right(_: Any, net: nn.Module, images: data.Images) -> torch.Tensor:
    return F.one_hot(images.labels, len(images.classes)).float()


# --- probes -----------------------------------------------------------------------------------------------------------


updates_twice_as_large = changed(probes.UpdateRatio, "numpy", lambda rows: 2 * rows)


@partial(changed, probes, "unit_health")
def every_unit_is_dead(found: probes.UnitHealth) -> probes.UnitHealth:
    ones = np.ones_like(found.dead)
    return probes.UnitHealth(found.names, ones, ones)


@in_place_of(probes.GradientNorms, "record")
def recorder_of_ones(_: Any, self: probes.GradientNorms) -> None:
    self._rows.append(torch.ones(len(self.names), dtype=torch.float64))


@in_place_of(probes.GradientNorms, "record")
def recorder_of_powers(_: Any, self: probes.GradientNorms) -> None:
    self._rows.append(10.0 ** torch.arange(len(self.names), dtype=torch.float64))


@in_place_of(probes.GradientNorms, "__init__")
def recorder_without_the_last(original: Any, self: probes.GradientNorms, module: nn.Module) -> None:
    original(self, module)
    self.names.pop()


@in_place_of(probes, "shattering")
def opposite_gradients(*_: Any, points: int = 64, **asked: Any) -> probes.Shattering:
    return probes.Shattering(np.ones(points), -np.ones((points, points)))
