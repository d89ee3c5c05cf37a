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
from resnet_edu import models, probes, training, weights

Patch = Callable[[pytest.MonkeyPatch], None]

START = ("imports", "nets")
PATHS = (*START, "unroll-run", "exercise-path_lengths", "exercise-path_lengths-check", "lengths-run")
LESIONS = (*START, "lesion-run", "lesion-claims")
SCALE = (*START, "exercise-filter_normalize", "exercise-filter_normalize-check", "scale-run")
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


def nothing_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    original = probes.PassOn.forward
    monkeypatch.setattr(probes.PassOn, "forward", lambda self, x: torch.zeros_like(original(self, x)))


def no_batchnorm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.BatchNorm2d, "forward", lambda self, x: x)


def always_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
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


def lesson_07_instead_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "fit", lambda net, *_, **__: weights.load(net, "lesson07_resnet-20"))


PREMISES = [
    Premise(
        "a ReLU stands after every addition",
        force(preactivation=False),
        (*START, "unroll-run", "unroll-lone"),
        (
            "backward: the four paths differ from the true gradient by",
            "pre-activation: entries that the way around three blocks changed",
        ),
    ),
    Premise(
        "the nets are linear",
        force(activation="identity"),
        (*START, "unroll-run", "unroll-lone", "push-run"),
        (
            "forward: the four paths differ from the true output by",
            "backward, each path a net of its own: differs from the true gradient by",
            "original block: part of the entries that the way around set to 0",
            "the same block, input lowered by 1: entries that it changes, as a part",
        ),
    ),
    Premise(
        "every length is a hundred times too large",
        lengths_changed(lambda parts: 100 * parts),
        (*PATHS, "lengths-claims", "single-run"),
        (
            "all lengths together differ from autograd's gradient by",
            "length 3: all paths together / their sizes added up",
        ),
    ),
    Premise(
        "the net has 9 blocks in place of 27",
        both(force(depth=20), loading(None)),
        (*PATHS, "lengths-claims"),
        ("mean length of a path",),
    ),
    Premise(
        "long paths are counted as short ones",
        lengths_changed(lambda parts: parts.flip(0)),
        (*PATHS, "lengths-claims"),
        (
            "mean length, weighted by the share of the gradient",
            "share of the gradient from the longer half of the paths",
        ),
    ),
    Premise(
        "lengths are counted from 5 on",
        lengths_changed(lambda parts: parts.roll(-5, 0)),
        (*PATHS, "lengths-claims"),
        ("share of the gradient around every branch",),
    ),
    Premise(
        "every path goes around all branches",
        path_ignored,
        (*PATHS, "single-run"),
        ("one path of length 12 / of length 0",),
    ),
    Premise(
        "the nets are not trained",
        loading(None),
        (*LESIONS, "order-run"),
        (
            "plain-20 whole: accuracy",
            "plain-20: mean cost of a block",
            "plain-20 minus ResNet-20, mean cost",
            "plain-20: mean cost of swapping two neighbours",
        ),
    ),
    Premise(
        "nothing is taken out",
        nothing_is_taken_out,
        LESIONS,
        ("plain-20: most that is left without one block",),
    ),
    Premise(
        "a block that is gone hands on nothing",
        nothing_is_handed_on,
        LESIONS,
        (
            "ResNet-20: mean cost of a block",
            "ResNet-56: mean cost of a block",
            "ResNet-56: mean cost of the first two blocks minus mean cost of the others",
        ),
    ),
    Premise(
        "ResNet-20 is plain-20",
        both(plain_always, loading(lambda name: name.replace("resnet", "plain"))),
        (*LESIONS, "order-run"),
        ("ResNet-20 minus ResNet-56, mean cost", "ResNet-20: mean cost of swapping two neighbours"),
    ),
    Premise(
        "BatchNorm does nothing",
        no_batchnorm,
        ("imports", "nets", "unroll-run", *SCALE[2:], "push-run"),
        (
            "the same function: logits differ by at most",
            "filter-normalised: curves differ, as a part of their height",
            "weights ten times smaller: F changes by, as a part of F",
            "gamma = beta = 0: output and input differ by",
        ),
    ),
    Premise(
        "every direction is filter-normalised",
        always_normalised,
        SCALE,
        ("raw: curves differ, as a part of their height",),
    ),
    Premise(
        "weights stay where the walk moved them",
        weights_stay_moved,
        (*SCALE, "surface-run", "surface-claims"),
        (
            "tensors of ResNet-56 that the walk left changed by any bit",
            "the corner (1, 1) of the picture / the loss of a net that was moved there",
        ),
    ),
    Premise(
        "plain-56 is ResNet-56",
        both(residual_always, loading(lambda name: name.replace("plain", "resnet"))),
        (*SCALE, "surface-run", "surface-claims"),
        ("highest loss in the picture, plain-56 / ResNet-56", "plain-56 at the centre: loss"),
    ),
    Premise(
        "the nets of 20 layers have 56",
        both(deeper, loading(lambda name: name.replace("-20", "-56"))),
        (*SCALE, "walls-run"),
        ("stored statistics: highest corner, plain-20 / ResNet-20",),
    ),
    Premise(
        "train mode is eval mode",
        always_eval,
        (*SCALE, "walls-run"),
        ("batch statistics: highest corner of plain-56", "batch statistics: highest corner of ResNet-56"),
    ),
    Premise(
        "every model is residual",
        residual_always,
        (*START, "thousand-run", "thousand-claims"),
        (
            "plain: its loss",
            "plain: part of the layers whose gradient is not finite",
            "plain: factor per layer, where it is finite",
        ),
    ),
    Premise(
        "the model ignores `residual`",
        plain_always,
        (*START, "thousand-run", "thousand-claims"),
        ("residual: layers whose gradient is not finite", "pre-activation: layers whose gradient is not finite"),
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
        ("He's initialisation alone: first loss", "He's initialisation alone: it diverged (1 = yes)"),
    ),
    Premise(
        "the skip doubles",
        only_residual(skip_scale=2.0),
        (*SCALE, "fixup-run"),
        ("with the rule: first loss",),
    ),
    Premise(
        "nothing is learned",
        fit_with(lr=0.0),
        (*SCALE, "fixup-run"),
        ("with the rule: training accuracy",),
        budget="laptop",
    ),
    Premise(
        "nothing is dropped",
        nothing_is_dropped,
        (*START, *DEPTH),
        ("mean over 4,000 draws: differs from x + F(x) by, as a part of F",),
    ),
    Premise(
        "branches are dropped less often",
        only_residual(stochastic_depth_prob=0.2),
        (*START, *DEPTH),
        ("branches at work for one image in training, of nine, on average",),
    ),
    Premise(
        "the training drops nothing",
        lesson_07_instead_of_training,
        (*LESIONS, *DEPTH, "depth-claims"),
        (
            "ResNet-20 minus stochastic depth, accuracy of the whole net",
            "ResNet-20 minus stochastic depth, mean cost",
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
