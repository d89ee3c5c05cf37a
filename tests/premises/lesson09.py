"""What the claims of lesson 09 rest on."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from premises.core import Premise
from premises.patches import fit_with, force, plain_always, residual_always
from resnet_edu import models, probes
from resnet_edu.models import weights

Patch = Callable[[pytest.MonkeyPatch], None]

START = ("imports", "nets")
PATHS = (*START, "unroll-run", "exercise-path_lengths", "exercise-path_lengths-check", "lengths-run")
LESIONS = (*START, "lesion-run", "lesion-claims")
SCALE = (*START, "exercise-filter_normalize", "exercise-filter_normalize-check", "scale-run")
PLAIN, RESIDUAL = ("Plain-20", "Plain-56"), ("ResNet-20", "ResNet-56")
DEPTH = ("exercise-drop_path", "exercise-drop_path-check", "depth-run")


def both(*patches: Patch) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for each in patches:
            each(monkeypatch)

    return patch


def loading(renamed: Callable[[str], str] | None) -> Patch:
    """Stored weights come under another name, or not at all."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = weights.load

        def load(net: nn.Module, name: str) -> dict[str, str]:
            return {} if renamed is None else original(net, renamed(name))

        monkeypatch.setattr(weights, "load", load)

    return patch


def only_residual(**options: Any) -> Patch:
    """A CifarNet that, where it is residual, always takes these options."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = models.CifarNet.__init__

        def init(self: models.CifarNet, depth: int, **asked: Any) -> None:
            original(self, depth, **{**asked, **(options if asked["residual"] else {})})

        monkeypatch.setattr(models.CifarNet, "__init__", init)

    return patch


def deeper(monkeypatch: pytest.MonkeyPatch) -> None:
    original = models.CifarNet.__init__
    monkeypatch.setattr(
        models.CifarNet, "__init__", lambda self, depth, **asked: original(self, 56 if depth == 20 else depth, **asked)
    )


def lengths_changed(change: Callable[[torch.Tensor], torch.Tensor]) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = probes.Paths.by_length
        monkeypatch.setattr(probes.Paths, "by_length", lambda self: change(original(self)))

    return patch


def path_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    original = probes.Paths.along
    monkeypatch.setattr(probes.Paths, "along", lambda self, path: original(self, []))


def nothing_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes.PassOn, "forward", lambda self, x: self._shape_of[0](x))


def no_batchnorm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.BatchNorm2d, "forward", lambda self, x: x)


def always_normalized(monkeypatch: pytest.MonkeyPatch) -> None:
    original = probes.direction
    monkeypatch.setattr(probes, "direction", lambda net, *, seed=0, normalize="filter": original(net, seed=seed))


def weights_stay_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def nothing(_module: nn.Module) -> Iterator[None]:
        yield

    monkeypatch.setattr(sys.modules["resnet_edu.probes.landscape"], "weights_as_they_were", nothing)


def always_eval(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Module.train
    monkeypatch.setattr(nn.Module, "train", lambda self, mode=True: original(self, False))


def no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self: None)


def nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The branch is scaled as if it had been dropped at times, and never is."""
    monkeypatch.setattr(torch.Tensor, "bernoulli_", lambda self, *_, **__: self.fill_(1.0))
    monkeypatch.setattr(torch, "bernoulli", lambda p, *_, **__: torch.ones_like(p))
    monkeypatch.setattr(torch, "rand", lambda *size, **options: torch.full(size, 1 - 1e-6))


def stage_starts_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The score without the first block of a stage is the mean score."""
    original = probes.lesions

    def lesions(net: nn.Module, blocks: list[str], score: Callable[[nn.Module], float]) -> probes.Lesions:
        found = original(net, blocks, score)
        starts = [i for i, name in enumerate(blocks) if name.endswith(".0")]
        found.scores[starts] = found.scores.mean()
        return found

    monkeypatch.setattr(probes, "lesions", lesions)


def blocks_stay_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def nothing(module: nn.Module, *_: Any) -> Iterator[nn.Module]:
        yield module

    monkeypatch.setattr(probes, "reordered", nothing)


def as_deep_as_the_other(name: str) -> str:
    return name.replace("20", "56")


residual_are_plain = both(plain_always, loading(lambda name: name.replace("resnet", "plain")))


PREMISES = [
    Premise(
        "a ReLU stands after every addition",
        force(preactivation=False),
        (*START, "unroll-run", "unroll-lone"),
        (
            "Backward: relative error of the sum of the four paths",
            "Pre-activation: gradient entries that change on the way around three blocks",
        ),
    ),
    Premise(
        "the networks are linear",
        force(activation="identity"),
        (*START, "unroll-run", "unroll-lone", "push-run"),
        (
            "Forward: relative error of the sum of the four paths",
            "Backward, each path a network of its own: relative error of the sum",
            "Original block: fraction of gradient entries set to 0 on the way around three blocks",
            "the same block, input lowered by 1: entries that it changes, as a part",
        ),
    ),
    Premise(
        "every length is a hundred times too large",
        lengths_changed(lambda parts: 100 * parts),
        (*PATHS, "lengths-claims", "single-run"),
        (
            "ResNet-56: relative error of all path lengths together, against autograd",
            "Paths through 3 branches: norm of their sum over the sum of their norms",
        ),
    ),
    Premise(
        "long paths are counted as short ones",
        lengths_changed(lambda parts: parts.flip(0)),
        (*PATHS, "lengths-claims"),
        (
            "Trained ResNet-56: mean path length, weighted by the share of the gradient",
            "Fresh ResNet-56: mean path length, weighted by the share of the gradient",
            "Share of the gradient from paths through 14 branches or more, trained or fresh",
        ),
    ),
    Premise(
        "lengths are counted from 5 on",
        lengths_changed(lambda parts: parts.roll(-5, 0)),
        (*PATHS, "lengths-claims"),
        ("Trained ResNet-56: share of the gradient that goes around every branch",),
    ),
    Premise(
        "every path goes around all branches",
        path_ignored,
        (*PATHS, "single-run"),
        ("One path through 12 branches: gradient relative to the path around all of them",),
    ),
    Premise(
        "nothing is taken out",
        nothing_is_taken_out,
        LESIONS,
        tuple(f"{label} without one block: mean fraction left of its accuracy above chance" for label in PLAIN),
    ),
    Premise(
        "the residual networks are plain",
        residual_are_plain,
        (*LESIONS, "order-run"),
        (
            *(f"{label} without one block: mean fraction left of its accuracy above chance" for label in RESIDUAL),
            *(
                f"{label} with two blocks swapped: mean fraction left of its accuracy above chance"
                for label in RESIDUAL
            ),
        ),
    ),
    Premise(
        "the networks of 20 layers have 56",
        both(deeper, loading(as_deep_as_the_other)),
        LESIONS,
        ("Without one block, mean fraction left: ResNet-56 minus ResNet-20",),
    ),
    Premise(
        "blocks stay in order",
        blocks_stay_in_order,
        (*LESIONS, "order-run"),
        tuple(f"{label} with two blocks swapped: mean fraction left of its accuracy above chance" for label in PLAIN),
    ),
    Premise(
        "BatchNorm does nothing",
        no_batchnorm,
        ("imports", "nets", "unroll-run", *SCALE[2:], "push-run"),
        (
            "Filters ten times longer: largest change of a logit",
            "Normalized direction: largest difference of the two curves, relative to their height",
            "weights ten times smaller: F changes by, as a part of F",
            "gamma = beta = 0: output and input differ by",
        ),
    ),
    Premise(
        "every direction is filter-normalized",
        always_normalized,
        SCALE,
        ("Raw direction: largest difference of the two curves, relative to their height",),
    ),
    Premise(
        "weights stay where the walk moved them",
        weights_stay_moved,
        (*SCALE, "surface-run", "surface-claims"),
        (
            "Tensors of ResNet-56 that differ after the walk",
            "The corner (1, 1) of the picture, over the loss of a network that was moved there",
        ),
    ),
    Premise(
        "plain-56 is ResNet-56",
        both(residual_always, loading(lambda name: name.replace("plain", "resnet"))),
        (*SCALE, "surface-run", "surface-claims"),
        ("Median loss in the picture, ResNet-56 over plain-56",),
        budget="laptop",
    ),
    Premise(
        "the first block of a stage costs what a later one does",
        stage_starts_stay,
        LESIONS,
        ("ResNet-56: mean cost of the first block of a stage minus mean cost of the others",),
    ),
    Premise(
        "train mode is eval mode",
        always_eval,
        (*SCALE, "walls-run"),
        (
            *(
                f"{label}: highest corner with stored statistics over the batch's"
                for label in ("Plain-56", "ResNet-56")
            ),
            "With the batch's statistics: highest corner of the four networks",
        ),
    ),
    Premise(
        "every model is residual",
        residual_always,
        (*START, "thousand-run", "thousand-claims"),
        (
            "Plain, very deep: loss before the first step",
            "Plain, very deep: layers whose gradient is not finite",
            "Plain, very deep: factor by which the gradient grows per layer",
        ),
    ),
    Premise(
        "the model ignores `residual`",
        plain_always,
        (*START, "thousand-run", "thousand-claims"),
        (
            "Residual, very deep: layers whose gradient is not finite",
            "Pre-activation, very deep: layers whose gradient is not finite",
        ),
    ),
    Premise(
        "the branches do not start at 0",
        force(zero_init_residual=False),
        (*START, "zero-run", "zero-claims"),
        ("logits with and without all nine blocks differ by", "step 0: convolutions of 18 whose gradient is exactly 0"),
    ),
    Premise(
        "no step is taken",
        no_step,
        (*START, "zero-run", "zero-claims"),
        ("step 1: convolutions of 18 whose gradient is exactly 0",),
    ),
    Premise(
        "there is always BatchNorm",
        force(norm="batch"),
        (*SCALE, "fixup-run"),
        (
            "ResNet-56 without normalization, He's start: first loss",
            "ResNet-56 without normalization, He's start: training diverged (1 = yes)",
        ),
    ),
    Premise(
        "the skip doubles",
        only_residual(skip_scale=2.0),
        (*SCALE, "fixup-run"),
        ("ResNet-56 without normalization, small start: first loss",),
    ),
    Premise(
        "nothing is learned",
        fit_with(lr=0.0),
        (*SCALE, "fixup-run"),
        ("ResNet-56 without normalization, small start: training accuracy",),
        budget="laptop",
    ),
    Premise(
        "nothing is dropped",
        nothing_is_dropped,
        (*START, *DEPTH),
        ("Stochastic depth: mean of 4,000 outputs minus x + F(x), relative to F(x)",),
    ),
    Premise(
        "branches are dropped less often",
        only_residual(stochastic_depth_prob=0.2),
        (*START, *DEPTH),
        ("Stochastic depth: branches that run for one image in training, of nine, on average",),
    ),
    Premise(
        "the training drops nothing",
        only_residual(stochastic_depth_prob=0.0),
        (*START, *DEPTH, "depth-claims"),
        (
            "Test accuracy after a short training, ResNet-20 minus the one with stochastic depth",
            "Mean cost of a block, ResNet-20 minus the one with stochastic depth",
        ),
        budget="laptop",
    ),
    Premise(
        "every shortcut is a projection",
        both(force(shortcut="B"), loading(None)),
        (*START, "reads-run"),
        (
            "parameters, ResNet-56 minus plain-56",
            "plain-56 and ResNet-56 have the same layers, on the same shapes (1 = yes)",
        ),
    ),
]
