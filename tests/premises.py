"""For each claim of each lesson: what has to be broken so that the claim fails.

A claim that holds whatever the code does claims nothing. Each `Premise` breaks one thing (a model that ignores
`residual`, a recorder that returns ones, an initialisation swapped), runs the cells named in it, and lists the claims
that must fail then. `tests/test_premises.py` runs them, and checks that no claim of a lesson is left out.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from resnet_edu import lesson, models, probes, training

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


@dataclass(frozen=True)
class Premise:
    """Break something with `patch`, run the cells with these ids: each of `claims` has to fail."""

    name: str
    patch: Callable[[pytest.MonkeyPatch], None]
    cells: tuple[str, ...]
    claims: tuple[str, ...]
    budget: str = "smoke"  # where the claims count, and so where breaking them means something


def failed_claims(lesson_name: str, premise: Premise, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Run the cells with the premise broken; {sentence: whether it failed}. No claim raises, all are recorded."""
    failed: dict[str, bool] = {}

    def record(sentence: str, value: Any, *, within: tuple[float, float], since: str = "smoke") -> None:
        failed[sentence] = not within[0] <= torch.as_tensor(value).item() <= within[1]

    monkeypatch.setattr(lesson, "claim", record)
    premise.patch(monkeypatch)
    notebook = nbformat.read(NOTEBOOKS / f"{lesson_name}.ipynb", as_version=4)
    sources = {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "code"}
    namespace: dict[str, Any] = {"__name__": "lesson"}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in premise.cells:
            exec(compile(sources[cell], f"{lesson_name}, cell {cell}", "exec"), namespace)
    return failed


# --- what is broken ---------------------------------------------------------------------------------------------------


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


# --- which claims that has to break -----------------------------------------------------------------------------------

START_03 = ("imports", "data")
START_07 = ("imports", "nets", "drawing")

PREMISES: dict[str, list[Premise]] = {
    "03_vanishing_gradients": [
        Premise(
            "the sigmoid is a tanh", sigmoid_is_tanh, ("imports", "chain-run"), ("the derivative of the sigmoid at 0",)
        ),
        Premise(
            "the convolution is 1 % off",
            convolution_off_by_one_percent,
            ("imports", "by-hand"),
            ("by hand and autograd differ in dL/dx by", "by hand and autograd differ in dL/dw by"),
        ),
        Premise(
            "every net has He's initialisation",
            he_always,
            (
                *(*START_03, "norms-run", "norms-claims", "depth-run", "factor-run", "factor-claims"),
                *("float32-run", "float32-claims", "two-run"),
            ),
            (
                "sigmoid: entries of the first gradient that are not 0",
                "ReLU: first gradient / last gradient",
                "tanh: first gradient / last gradient",
                "plain-8 / plain-20, ratio of the ratios",
                "plain-20 / plain-56, ratio of the ratios",
                "stage 1: measured / predicted factor",
                "stage 2: measured / predicted factor",
                "stage 3: measured / predicted factor",
                "circular padding: mean factor over the stages / sqrt(1/6)",
                "PyTorch's default: 3 n times the variance of the weights",
                "the norm that float32 reports",
                "log10 of the true norm",
                "first / last, by the activations",
                "activations: last convolution / first",
                "log10 of the largest weight gradient of a convolution",
            ),
        ),
        Premise(
            "padding is always zeros",
            padding_mode_ignored,
            (*START_03, "factor-run", "factor-claims"),
            ("stage 3: the factor with circular padding / with zeros",),
        ),
        Premise(
            "every activation is a sigmoid",
            force(activation="sigmoid"),
            (*START_03, "float32-run", "float32-claims"),
            ("entries of the first gradient that are exactly 0, as a part",),
        ),
        Premise(
            "float64 is float32",
            no_float64,
            (*START_03, "float64-run"),
            (
                "sigmoid in float64: entries of the first gradient that are 0, as a part",
                "sigmoid in float64: log10 of the norm of the first gradient",
            ),
        ),
        Premise("the biases stay", biases_stay, (*START_03, "two-run"), ("first / last, by the weights",)),
        Premise(
            "weight decay moves the weights",
            fit_with(weight_decay=1e-4),
            (*START_03, "moved-run", "moved-claims"),
            ("plain-56: convolutions of 55 that are bit for bit as they were",),
        ),
        Premise(
            "nothing is trained",
            fit_with(lr=0.0),
            (*START_03, "moved-run", "moved-claims"),
            ("plain-20: convolutions of 19 that are bit for bit as they were",),
        ),
        Premise(
            "the recorder returns ones",
            recorder_of_ones,
            (*START_03, "moved-run", "heatmap-run"),
            ("plain-56, last step: first / last gradient",),
        ),
        Premise(
            "clipping does nothing",
            no_clipping,
            (*START_03, "clipping-run"),
            ("with clipping: last loss / first loss",),
        ),
        Premise(
            "clipping scales each tensor by itself",
            clipping_each_tensor,
            (*START_03, "clipping-ratio"),
            ("plain-56: first / last after clipping, over the same before",),
        ),
        Premise(
            "the model ignores `residual`",
            plain_always,
            (*START_03, "clipping-run", "moved-run", "plus-x", "plus-x-check", "plus-x-claims"),
            (
                "without clipping: losses of ten that are not finite",
                "with the skip: convolutions of 55 that are bit for bit as they were",
                "with the skip, at the start: first / last gradient",
            ),
        ),
        Premise(
            "the model ignores `residual`, trained for longer",
            plain_always,
            (*START_03, "moved-run", "plus-x", "plus-x-check", "learns-run"),
            ("with skip: accuracy on the training images", "with skip minus plain"),
            budget="laptop",
        ),
        Premise(
            "every model is residual",
            residual_always,
            (*START_03, "moved-run", "plus-x", "plus-x-check", "learns-run"),
            ("plain: accuracy on the training images",),
            budget="laptop",
        ),
    ],
    "07_resnet_against_plain": [
        Premise(
            "every shortcut is a projection",
            force(shortcut="B"),
            ("imports", "nets"),
            ("parameters, ResNet-20 minus plain-20", "parameters, ResNet-56 minus plain-56"),
        ),
        Premise(
            "seeds do nothing",
            seeds_do_nothing,
            ("imports", "nets"),
            ("every weight starts equal, depth 20 (1 = yes)", "every weight starts equal, depth 56 (1 = yes)"),
        ),
        Premise(
            "the recorder returns ones",
            recorder_of_ones,
            (*START_07, "start-run", "train-run", "heatmap-run", "heatmap-claims"),
            (
                "plain-56: first / last gradient at the start",
                "plain-56: first / last gradient, last step over first step",
            ),
        ),
        Premise(
            "the model ignores `residual`",
            plain_always,
            (*START_07, "start-run"),
            ("ResNet-56: first / last gradient at the start",),
        ),
        Premise(
            "no norm, no skip, PyTorch's initialisation",
            force(residual=False, norm=None, init="default"),
            (*START_07, "train-run", "heatmap-run", "heatmap-claims"),
            (
                "plain-56, last step: smallest / largest gradient norm",
                "ResNet-56, last step: smallest / largest gradient norm",
                "plain-56, last step: smallest gradient norm of a convolution",
            ),
        ),
        Premise(
            "the model ignores `residual`, trained for longer",
            plain_always,
            (*START_07, "train-run", "result-run", "result-claims"),
            (
                "ResNet-56 minus plain-56, training accuracy",
                "ResNet-20 minus plain-20, training accuracy",
                "ResNet-56 minus plain-56, test accuracy",
            ),
            budget="laptop",
        ),
        Premise(
            "the depths are swapped",
            swap_depths,
            (*START_07, "train-run", "result-run", "result-claims", "heatmap-run", "heatmap-claims", "small-claims"),
            (
                "plain-20 minus plain-56, training accuracy",
                "ResNet-56 minus ResNet-20, training accuracy",
                "second half of the training: median gradient norm, plain-56 / plain-20",
            ),
            budget="laptop",
        ),
        Premise(
            "the training images are memorised",
            memorised_training_images,
            (*START_07, "train-run", "result-run", "result-claims"),
            ("plain-56: training minus test accuracy",),
            budget="laptop",
        ),
    ],
}


def claimed(lesson_name: str) -> set[str]:
    """The sentences that a lesson claims, from its stored outputs."""
    notebook = nbformat.read(NOTEBOOKS / f"{lesson_name}.ipynb", as_version=4)
    sentences = set()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for line in output.get("text", "").splitlines():
                if line.startswith(("✓ ", "– ")):
                    sentences.add(line[2:].rsplit(": ", 1)[0])
    return sentences


def lessons() -> list[str]:
    return sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


__all__ = ["PREMISES", "Premise", "claimed", "failed_claims", "lessons"]
