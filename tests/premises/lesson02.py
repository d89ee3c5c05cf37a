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


def pixels_stay_normalized(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        for module in self:
            x = x if type(module).__name__ == "Pixels" else module(x)
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


PREMISES = [
    Premise("an image is missing", patch_data(lambda train, test: (train[1:], test)), "count: Images"),
    Premise(
        "the test images are training images",
        patch_data(lambda train, test: (train, train[:1000])),
        "count: byte-for-byte",
    ),
    Premise("the labels are shuffled", patch_data(shuffled_labels), "class-means"),
    Premise("normalizing is dividing by 255", no_mean_no_deviation, "normalize"),
    Premise("there is no luck", dice_with(lambda rng, mean, size: np.full(size, mean)), "best-of-many: reported"),
    Premise("the luck comes along", dice_with(the_same_dice_twice), "best-of-many: images,"),
    Premise("the split knows no classes", split_without_classes, "split"),
    Premise("the loss is a sum", answer_with(cross_entropy=summed_loss), "loss-run"),
    Premise("the classifier starts large", large_classifier, "cnn"),
    Premise("fit has no momentum", fit_with(momentum=0.0), "fit-run"),
    Premise(
        "the reader's step forgets to forget",
        answer_with(train_step=step_without_zero_grad),
        "forget-run: With zero_grad:",
    ),
    Premise("the optimizer forgets by itself", steps_that_forget, "forget-run: Without"),
    Premise(
        "all inputs are normalized",
        pixels_stay_normalized,
        "scale-claims: standard deviation of",
        "scale-claims: Bytes:",
    ),
    Premise("no input is normalized", fit_with(lr=0.0), "scale-claims: better"),
    Premise("no input is trained on", fit_with(lr=0.0, epochs=1), "scale-claims: keeping", budget="laptop"),
    Premise(
        "bytes are trained with the ordinary learning rate",
        fit_with(lr=0.05),
        "scale-claims: learning",
        budget="laptop",
    ),
    Premise("nothing is trained, whatever the learning rate", untrained, "sweep-claims: Momentum"),
    Premise("every learning rate is 0.05", fit_with(lr=0.05), "sweep-claims: 0.001,", "sweep-claims: rate 1,"),
    Premise("every momentum is 0.9", fit_with(momentum=0.9), "sweep-claims: momentum 0.9,", "sweep-claims: momentum,"),
    Premise("every schedule is constant", fit_with(schedule="constant"), "schedule-run", budget="laptop"),
    Premise(
        "nothing is trained, however long",
        untrained,
        "overfit-claims",
        "best-run: fraction",
        "confidence-run: Last epoch:",
        "remedies-claims: shrinks with more",
    ),
    Premise("the kept weights are not loaded", nothing_is_loaded, "best-run: network's"),
    Premise(
        "the kept weights are not loaded, after a longer training",
        nothing_is_loaded,
        "best-run: Validation",
        budget="laptop",
    ),
    Premise(
        "every answer is certain",
        predictions(lambda probabilities: F.one_hot(probabilities.argmax(1), 10).float()),
        "confidence-run: accuracy,",
    ),
    Premise("the crop does nothing", answer_with(crop_and_flip=lambda x, offsets, flips, padding: x), "augment-look"),
    Premise("nothing is augmented", fit_with(augment=False), "remedies-claims: shrinks with augmentation"),
    Premise(
        "no remedy does anything",
        together(fit_with(augment=False, weight_decay=1e-4), dropout_does_nothing, few_images),
        "remedies-claims: rises with augmentation",
        "remedies-claims: rises with more",
        "remedies-claims: dropout,",
        "remedies-claims: decay,",
        budget="laptop",
    ),
    Premise(
        "dropout and weight decay ruin a net",
        ruinous_remedies,
        "remedies-claims: dropout by",
        "remedies-claims: decay by",
        budget="laptop",
    ),
    Premise("the validation images are known by heart", perfect_on(250), "final-run: validation"),
    Premise(
        "the final net is not trained",
        guesser,
        "final-run: (nearest",
        "confusion-claims",
        "mistakes-run",
        "certainty-run",
        budget="laptop",
    ),
]
