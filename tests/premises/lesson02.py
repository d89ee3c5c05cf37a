"""What the claims of lesson 02 rest on."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from premises.core import Patch, Premise
from premises.patches import answer_with, dice_with, fit_with, in_place_of, patch_data, predictions, swap, together
from resnet_edu import data, training

no_mean_no_deviation = swap(data, "normalize", lambda images: images.float() / 255)
nothing_is_loaded = swap(nn.Module, "load_state_dict", lambda self, state: None)
dropout_does_nothing = swap(nn.Dropout, "forward", lambda self, x: x)


def shuffled_labels(train: data.Images, test: data.Images) -> tuple[data.Images, data.Images]:
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    return data.Images(train.images, train.labels[order]), test


@in_place_of(data.Images, "split")
def split_without_classes(_: Any, self: data.Images, fraction: float, seed: int = 0) -> tuple[data.Images, data.Images]:
    held_out = round(fraction * len(self))
    return self[held_out:], self[:held_out]


def the_same_dice_twice(rng: np.random.Generator, mean: float, size: Any) -> Any:
    return np.random.Generator(np.random.PCG64(0)).binomial(round(2 * mean), 0.5, size)


def summed_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, labels, reduction="sum")


def step_without_zero_grad(net: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> float:
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


@in_place_of(nn.Linear, "reset_parameters")
def large_classifier(original: Any, self: nn.Linear) -> None:
    original(self)
    with torch.no_grad():
        self.weight.mul_(1000)


@in_place_of(torch.optim.SGD, "step")
def steps_that_forget(original: Any, self: torch.optim.SGD, *args: Any) -> Any:
    result = original(self, *args)
    self.zero_grad()
    return result


@in_place_of(nn.Sequential, "forward")
def pixels_stay_normalized(_: Any, self: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    for module in self:
        x = x if type(module).__name__ == "Pixels" else module(x)
    return x


@in_place_of(training, "fit")
def few_images(original: Any, net: nn.Module, train: data.Images, *args: Any, **options: Any) -> training.History:
    return original(net, train[:1000], *args, **options)


@in_place_of(training, "fit")
def ruinous_remedies(original: Any, net: nn.Module, *args: Any, **options: Any) -> training.History:
    """A net with dropout, or with more weight decay than usual, is not trained."""
    drops = any(isinstance(m, nn.Dropout) and m.p > 0 for m in net.modules())
    ruined = drops or options.get("weight_decay", 0) > 1e-3
    return original(net, *args, **{**options, **({"lr": 0.0} if ruined else {})})


def perfect_on(count: int) -> Patch:
    @in_place_of(training, "evaluate")
    def patch(original: Any, net: nn.Module, images: data.Images, **options: Any) -> training.Metrics:
        return training.Metrics(1.0, 1.0) if len(images) == count else original(net, images, **options)

    return patch


def guessing(probabilities: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(probabilities.shape, generator=generator).div(10).softmax(1)


untrained = fit_with(lr=0.0)
guesser = together(fit_with(lr=0.0, epochs=1), predictions(guessing))


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
    Premise("the luck comes along", dice_with(the_same_dice_twice), "best-of-many: distance"),
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
