"""What the claims of lesson 02 rest on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from premises.core import Premise
from premises.patches import answer_with, dice_with, fit_with, patch_data, predictions, together
from resnet_edu import data, training

# --- what is broken ---------------------------------------------------------------------------------------------------


def shuffled_labels(train: data.Images, test: data.Images) -> tuple[data.Images, data.Images]:
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    return data.Images(train.images, train.labels[order]), test


def no_mean_no_deviation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "normalize", lambda images: images.float() / 255)


def split_without_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    def split(self: data.Images, fraction: float, seed: int = 0) -> tuple[data.Images, data.Images]:
        held_out = round(fraction * len(self))
        return self[held_out:], self[:held_out]

    monkeypatch.setattr(data.Images, "split", split)


def the_same_dice_twice(rng: np.random.Generator, mean: float, size: Any) -> Any:
    return np.random.Generator(np.random.PCG64(0)).binomial(round(2 * mean), 0.5, size)


def summed_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, labels, reduction="sum")


def step_without_zero_grad(net: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> float:
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def large_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn.Linear.reset_parameters

    def reset(self: nn.Linear) -> None:
        original(self)
        with torch.no_grad():
            self.weight.mul_(1000)

    monkeypatch.setattr(nn.Linear, "reset_parameters", reset)


def steps_that_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    original = torch.optim.SGD.step

    def step(self: torch.optim.SGD, *args: Any) -> Any:
        result = original(self, *args)
        self.zero_grad()
        return result

    monkeypatch.setattr(torch.optim.SGD, "step", step)


def brightness_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        for module in self:
            x = x if type(module).__name__ == "Brightness" else module(x)
        return x

    monkeypatch.setattr(nn.Sequential, "forward", forward)


def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Module, "load_state_dict", lambda self, state: None)


def dropout_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: x)


def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    original = training.fit

    def fit(net: nn.Module, train: data.Images, *args: Any, **options: Any) -> training.History:
        return original(net, train[:1000], *args, **options)

    monkeypatch.setattr(training, "fit", fit)


def ruinous_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A net with dropout, or with more weight decay than usual, is not trained."""
    original = training.fit

    def fit(net: nn.Module, *args: Any, **options: Any) -> training.History:
        drops = any(isinstance(m, nn.Dropout) and m.p > 0 for m in net.modules())
        ruined = drops or options.get("weight_decay", 0) > 1e-3
        return original(net, *args, **{**options, **({"lr": 0.0} if ruined else {})})

    monkeypatch.setattr(training, "fit", fit)


def perfect_on(count: int) -> Callable[[pytest.MonkeyPatch], None]:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = training.evaluate

        def evaluate(net: nn.Module, images: data.Images, **options: Any) -> training.Metrics:
            return training.Metrics(1.0, 1.0) if len(images) == count else original(net, images, **options)

        monkeypatch.setattr(training, "evaluate", evaluate)

    return patch


def guessing(probabilities: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(probabilities.shape, generator=generator).div(10).softmax(1)


untrained = fit_with(lr=0.0)
guesser = together(fit_with(lr=0.0, epochs=1), predictions(guessing))

# --- and what follows -------------------------------------------------------------------------------------------------

TOUR = ("imports", "look", "count")
NET = ("imports", "split", "exercise-accuracy", "exercise-accuracy-check", "cnn")
LOOP = (*NET, "exercise-train_step", "exercise-train_step-check", "loop-run")
SCALE = (*LOOP, "scale-run", "scale-claims")
SWEEP = (*LOOP, "scale-run", "sweep-run", "sweep-claims")
OVERFIT = (*LOOP, "overfit-run", "overfit-claims")
BEST = (*OVERFIT, "best-run", "confidence-run")
REMEDIES = (*BEST, "remedies-run", "remedies-table", "remedies-claims")
FINAL = (*OVERFIT, "final-run")
CONFUSION = (*FINAL, "confusion-run", "confusion-claims")

PREMISES = [
    Premise(
        "an image is missing",
        patch_data(lambda train, test: (train[1:], test)),
        TOUR,
        ("fewest images of a class / most images of a class",),
    ),
    Premise(
        "the test images are training images",
        patch_data(lambda train, test: (train, train[:1000])),
        TOUR,
        ("test images that are training images, too",),
    ),
    Premise(
        "the labels are shuffled",
        patch_data(shuffled_labels),
        (*TOUR, "class-means"),
        ("accuracy of the nearest average picture",),
    ),
    Premise(
        "normalizing is dividing by 255",
        no_mean_no_deviation,
        (*TOUR, "class-means", "normalize"),
        ("largest mean of a normalized channel", "deviation of the normalized pixels"),
    ),
    Premise(
        "there is no luck",
        dice_with(lambda rng, mean, size: np.full(size, mean)),
        ("imports", "best-of-many"),
        ("best of 100 equal models: reported minus true accuracy",),
    ),
    Premise(
        "the luck comes along",
        dice_with(the_same_dice_twice),
        ("imports", "best-of-many"),
        ("the same models on new images, minus true accuracy",),
    ),
    Premise(
        "the split knows no classes",
        split_without_classes,
        ("imports", "split"),
        ("validation images of the rarest class / of the commonest",),
    ),
    Premise(
        "the loss is a sum",
        answer_with(cross_entropy=summed_loss),
        ("imports", "exercise-cross_entropy", "exercise-cross_entropy-check", "loss-run"),
        (
            "cross-entropy by hand minus PyTorch's",
            "the same with 200 added to every logit",
            "loss of ten equal logits, minus ln 10",
        ),
    ),
    Premise("the classifier starts large", large_classifier, NET, ("a fresh net: loss minus ln 10",)),
    Premise(
        "the accuracy is always 1",
        answer_with(accuracy=lambda logits, labels: 1.0),
        NET,
        ("a fresh net: accuracy",),
    ),
    Premise(
        "fit has no momentum",
        fit_with(momentum=0.0),
        (*LOOP, "fit-run"),
        (
            "your loop and fit: largest difference between two weights",
            "your loop and fit: largest difference between two losses",
        ),
    ),
    Premise(
        "the reader's step forgets to forget",
        answer_with(train_step=step_without_zero_grad),
        (*LOOP, "forget-run"),
        ("last ten losses, with zero_grad",),
    ),
    Premise(
        "the optimizer forgets by itself", steps_that_forget, (*LOOP, "forget-run"), ("last ten losses, without it",)
    ),
    Premise(
        "all inputs have one scale",
        brightness_does_nothing,
        SCALE,
        (
            "bytes: loss of the last epoch",
            "0 to 1 minus normalized",
            "bytes, minus bytes with the small learning rate",
        ),
    ),
    Premise(
        "nothing is trained, whatever the learning rate",
        untrained,
        (*SCALE, "sweep-run", "sweep-claims"),
        ("normalized: loss of the last epoch", "the best loss with momentum 0.9"),
    ),
    Premise(
        "every learning rate is 0.05",
        fit_with(lr=0.05),
        SWEEP,
        ("learning rate 0.001, momentum 0.9: loss minus ln 10", "learning rate 1, momentum 0.9: loss"),
    ),
    Premise(
        "every momentum is 0.9",
        fit_with(momentum=0.9),
        SWEEP,
        ("0.03 with momentum 0.9, minus 0.3 without", "0.03 without momentum, minus 0.03 with"),
    ),
    Premise(
        "every schedule is constant",
        fit_with(schedule="constant"),
        (*LOOP, "scale-run", "schedule-run"),
        ("constant minus one cycle: loss of the last epoch",),
        budget="laptop",
    ),
    Premise(
        "nothing is trained, however long",
        untrained,
        (*BEST, "remedies-run", "remedies-table", "remedies-claims"),
        (
            "accuracy on the training images",
            "accuracy on the training images minus on the validation images",
            "validation loss: last epoch / best epoch",
            "best epoch / last epoch",
            "last epoch: confidence minus accuracy",
            "gap: nothing minus more images",
        ),
    ),
    Premise(
        "the kept weights are not loaded",
        nothing_is_loaded,
        (*OVERFIT, "best-run"),
        ("the kept net's validation loss, minus the smallest recorded one",),
    ),
    Premise(
        "the kept weights are not loaded, after a longer training",
        nothing_is_loaded,
        (*OVERFIT, "best-run"),
        ("validation accuracy, best epoch minus last",),
        budget="laptop",
    ),
    Premise(
        "every answer is certain",
        predictions(lambda probabilities: F.one_hot(probabilities.argmax(1), 10).float()),
        BEST,
        ("best epoch: confidence minus accuracy",),
    ),
    Premise(
        "the crop does nothing",
        answer_with(crop_and_flip=lambda x, offsets, flips, padding: x),
        ("imports", "split", "exercise-crop_and_flip", "exercise-crop_and_flip-check", "augment-look"),
        ("pixels in which your views and the package's differ",),
    ),
    Premise("nothing is augmented", fit_with(augment=False), REMEDIES, ("gap: nothing minus augmentation",)),
    Premise(
        "no remedy does anything",
        together(fit_with(augment=False, weight_decay=1e-4), dropout_does_nothing, few_images),
        REMEDIES,
        (
            "validation accuracy: augmentation minus nothing",
            "validation accuracy: more images minus nothing",
            "validation loss: dropout / nothing",
            "validation loss: weight decay / nothing",
        ),
        budget="laptop",
    ),
    Premise(
        "dropout and weight decay ruin a net",
        ruinous_remedies,
        REMEDIES,
        ("validation accuracy: dropout minus nothing", "validation accuracy: weight decay minus nothing"),
        budget="laptop",
    ),
    Premise(
        "the validation images are known by heart",
        perfect_on(250),
        FINAL,
        ("accuracy on the validation images", "validation minus test accuracy"),
    ),
    Premise(
        "the final net is not trained",
        guesser,
        (*CONFUSION, "mistakes-run", "certainty-run"),
        (
            "test accuracy",
            "mistakes within the group, as a part of all mistakes",
            "accuracy of the best class minus of the worst",
            "certainty of the worst mistake",
            "accuracy on the surer half minus on the other half",
        ),
        budget="laptop",
    ),
    Premise(
        "the predictions stand in the wrong columns",
        predictions(lambda probabilities: probabilities.roll(1, 1)),
        CONFUSION,
        ("the diagonal's part of all images, minus the accuracy",),
    ),
]
