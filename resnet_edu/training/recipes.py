"""Training for real: complete recipes, one command, a folder that records what was done.

    python -m resnet_edu train --net resnet --depth 20 --data cifar10 --recipe paper --out runs/resnet20

The folder contains `checkpoint.pt` (to resume from), `history.json`, `weights.safetensors` and `run.json`: the result,
with command, commit, seed, machine, versions and time; with `--norms N` also `norms.npz`, the gradient norm of every
layer at each N-th step.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from resnet_edu import data, files, models, probes, training
from resnet_edu.data import Images
from resnet_edu.models import weights
from resnet_edu.training import provenance
from resnet_edu.training.distributed import ProcessGroup
from resnet_edu.training.precision import tf32

#: He et al. 2015, section 4.2: stop at 64k steps; ResNet-110 starts at a tenth of the rate for about 400 steps.
PAPER_STEPS, WARM_UP_STEPS = 64_000, 400


@dataclass(frozen=True)
class Recipe:
    """The settings of `training.fit`, and how the images are prepared."""

    lr: float
    batch_size: int
    schedule: Callable[[int, int], float]
    weight_decay: float
    precision: str
    epochs: int
    max_steps: int | None = None
    per_pixel_mean: bool = False

    def settings(self) -> dict[str, Any]:
        """The arguments of `training.fit`."""
        return {name: value for name, value in vars(self).items() if name != "per_pixel_mean"}


def warm_up(step: int, total: int) -> float:
    """`training.paper`, with a tenth of the rate for the first 400 steps, as He et al. 2015 train ResNet-110."""
    return 0.1 if step < WARM_UP_STEPS else training.paper(step, total)


RECIPES = {
    # As published: batch 128, momentum 0.9, weight decay 1e-4, 0.1 divided by 10 at 32k and 48k, crop and flip, the
    # mean of each pixel subtracted. (The paper does not state the pixel scale; here full brightness is 1.)
    "paper": Recipe(
        lr=0.1, batch_size=128, schedule=training.paper, weight_decay=1e-4, precision="fp32",
        epochs=165, max_steps=PAPER_STEPS, per_pixel_mean=True,  # 165: with `compile`, each epoch has a step less
    ),
    # The paper's batch size, peak rate and weight decay, in one short cycle. A deep plain network trains with it, but
    # not with the rate of "fast", where its gradients explode at the start (lesson 05).
    "short": Recipe(
        lr=0.1, batch_size=128, schedule=training.one_cycle, weight_decay=1e-4, precision="auto", epochs=10,
    ),
    # Ours: fewer and larger steps, one cycle of the rate, the fastest arithmetic of the device.
    "fast": Recipe(
        lr=0.4, batch_size=256, schedule=training.one_cycle, weight_decay=5e-4, precision="auto", epochs=30,
    ),
}  # fmt: skip


def adapted(recipe_name: str, net_name: str, depth: int, **instead: Any) -> Recipe:
    """The recipe for this network, with the settings in `instead`, unless they are None."""
    changes = {name: value for name, value in instead.items() if value is not None}
    if recipe_name == "paper" and depth >= 110 and net_name == "resnet":
        changes["schedule"] = warm_up
    if "epochs" in changes:
        changes["max_steps"] = None
    return replace(RECIPES[recipe_name], **changes)


def prepared(recipe: Recipe, train: Images, test: Images) -> tuple[Images, Images]:
    """The images, normalized as the recipe says: per channel, or by subtracting the mean of each pixel."""
    if not recipe.per_pixel_mean:
        return train, test
    mean = train.images.sum(0, dtype=torch.int64) / len(train)  # as float, the full set would take 614 MB
    return replace(train, pixel_mean=mean), replace(test, pixel_mean=mean)


def train(
    net_name: str,
    depth: int,
    recipe_name: str,
    *,
    data_name: str,
    out: Path,
    width: int = 16,
    classes: Sequence[str] = (),
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    precision: str | None = None,
    device: str | None = None,
    seed: int = 0,
    resume: bool = False,
    tensorboard: bool = False,
    norms_every: int = 0,
    compile: bool = False,
    group: ProcessGroup | None = None,
) -> training.History:
    """Train one network with a recipe; rank 0 writes the folder `out`.

    epochs, batch_size, lr, precision: override the recipe's. device: where to train, by default as `data.load` chooses.
    width: channels of the first stage. classes: train on the images of these classes only; by default on all.
    norms_every: record the gradient norms at each N-th step; 0 records none.
    """
    recipe = adapted(recipe_name, net_name, depth, epochs=epochs, batch_size=batch_size, lr=lr, precision=precision)
    first = group is None or group.rank == 0
    if first:
        files.check_folder(out)  # now, not after the first epoch
    parts = data.load(data_name, device=device if group is None else group.device)
    train_images, test_images = prepared(recipe, *(part.only(*classes) if classes else part for part in parts))
    torch.manual_seed(seed)
    net = models.CifarNet(depth, residual=net_name == "resnet", width=width, num_classes=len(train_images.classes))
    wrapped = net if group is None else group.wrap(net)

    callbacks: list[Any] = [print_epoch] if first else []
    norms = probes.GradientNorms(wrapped, every=norms_every) if norms_every and first else None
    if norms is not None:
        callbacks.append(norms)
    if tensorboard and first:
        last = probes.GradientNorms(wrapped)
        callbacks += [last, TensorBoard(out / "tensorboard", last)]
    started_from = provenance.facts(train_images.device)
    history = training.fit(
        wrapped,
        train_images,
        test_images,
        **recipe.settings(),
        augment=True,
        seed=seed,
        checkpoint=out / "checkpoint.pt",
        resume=resume,
        callbacks=callbacks,
        progress=first and sys.stdout.isatty(),
        ranks=group,
        compile=compile,
    )
    if first and not history.interrupted:
        history.save(out / "history.json")
        asked = {"width": width, "data": data_name, "recipe": recipe_name, "seed": seed, **started_from}
        asked |= {"batch_size": recipe.batch_size, "lr": recipe.lr, "device": str(train_images.device)}
        asked["precision"] = training.precision_name(recipe.precision, train_images.device)
        asked["processes"] = 1 if group is None else group.world
        with tf32(asked["precision"] == "tf32"):  # measured as it was trained
            result = record(net, train_images, history, out, **asked)
        write_run(out, net, norms, result)
    return history


def record(net: models.CifarNet, images: Images, history: training.History, out: Path, **asked: Any) -> dict[str, Any]:
    """The contents of `run.json`: the network, the requested settings, the machine, and the results."""
    return {
        "net": "resnet" if net.residual else "plain",
        "depth": net.depth,
        "classes": list(images.classes),
        "parameters": models.count_parameters(net),
        **asked,
        "epochs": len(history.train_loss),
        "steps": len(history.step_loss),
        "seconds": round(sum(history.seconds), 1),
        # At the last epoch, never the best one: the test set is not for model selection.
        "test_error": round(1 - history.val_accuracy[-1], 4),
        # Of the trained network on all training images, not augmented. The history has the mean over each epoch.
        "training_error": error(net, images),
        "error_on_the_sample": errors_on_the_sample(net, images),
        # Do not record the absolute path.
        "command": " ".join(["python -m resnet_edu", *sys.argv[1:]]).replace(str(out), out.name),
    }


def error(net: nn.Module, images: Images) -> float:
    return round(1 - training.evaluate(net, images).accuracy, 4)


def errors_on_the_sample(net: nn.Module, trained_on: Images) -> dict[str, float]:
    """{"training": ..., "test": ...} on the bundled images, which lessons measure again; {} for other classes."""
    if not set(trained_on.classes) <= set(data.CLASSES):
        return {}
    parts = zip(("training", "test"), data.load("sample", device=trained_on.device), strict=True)
    same = {part: images.only(*trained_on.classes) for part, images in parts}
    return {part: error(net, replace(images, pixel_mean=trained_on.pixel_mean)) for part, images in same.items()}


def write_run(out: Path, net: models.CifarNet, norms: probes.GradientNorms | None, result: dict[str, Any]) -> None:
    """Write a run's files next to its history; `run.json` comes last and marks the others as complete."""
    kind = f"residual={net.residual}, width={result['width']}, num_classes={len(result['classes'])}"
    told = {key: result[key] for key in ("data", "classes", "recipe", "epochs", "seed", "test_error", "commit")}
    weights.save(net, out / "weights.safetensors", **told, net=f"models.CifarNet({net.depth}, {kind})")
    if norms is not None:
        with files.whole(out / "norms.npz") as file:  # names [layers], steps int64 [rows], norms float32 [rows, layers]
            np.savez_compressed(file, names=norms.names, steps=norms.steps, norms=norms.numpy().astype(np.float32))
    files.write_atomically(out / "run.json", json.dumps(result, indent=1) + "\n")


# --- recorded runs ---------------------------------------------------------------------------------------------------

EPOCH_LISTS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds")
#: Keys that every record has, even an early one.
NEEDED = ("net", "depth", "seed", "recipe", "data", "epochs", "parameters", "seconds", "test_error", "training_error")


def result_of(folder: Path) -> dict[str, Any] | None:
    """The record of the run in `folder`, with "history", lists of one number per epoch; None if it has not finished.

    Raises ValueError if the folder's files are not those of a run.
    """
    if not (folder / "run.json").exists():
        return None
    try:
        run, history = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("run", "history"))
        if missing := [name for name in NEEDED if name not in run]:
            raise ValueError(f"{missing[0]} is missing")
        return {**run, "history": {name: history[name] for name in EPOCH_LISTS}}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{folder}: run.json and history.json do not describe a run ({error}). Delete this folder, and train the "
            "network again."
        ) from None


@dataclass(frozen=True)
class RecordedNorms:
    """The gradient norms of a recorded run: names [layers], steps int64 [rows], norms float64 [rows, layers]."""

    names: list[str]
    steps: np.ndarray
    norms: np.ndarray

    def numpy(self) -> np.ndarray:
        return self.norms


def recorded_norms(name: str) -> RecordedNorms:
    """What `train --norms N` recorded in the run stored with the course as `name`."""
    with np.load(files.course_folder() / "runs" / f"{name}.npz") as file:
        return RecordedNorms(file["names"].tolist(), file["steps"], file["norms"].astype(np.float64))


def recorded() -> dict[str, dict[str, Any]]:
    """The runs stored with the course, by name: the contents of `run.json` and "history", one number per epoch.

    >>> run = recipes.recorded()["resnet20_cifar10"]
    >>> run["test_error"], run["epochs"], run["machine"], run["history"]["val_accuracy"]
    """
    records = sorted((files.course_folder() / "runs").glob("*.json"))
    found = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in records}
    return {name: run for name, run in found.items() if "history" in run}


# --- output while a run is in progress --------------------------------------------------------------------------------


def print_epoch(history: training.History) -> None:
    """Print one line per epoch, suitable for a log."""
    print(
        f"epoch {len(history.train_loss):3d}: training loss {history.train_loss[-1]:.4f}, error "
        f"{1 - history.train_accuracy[-1]:.4f}; test loss {history.val_loss[-1]:.4f}, error "
        f"{1 - history.val_accuracy[-1]:.4f}; rate {history.step_lr[-1]:.2g}; {history.seconds[-1]:.1f} s",
        flush=True,
    )


class TensorBoard:
    """A callback of `fit`: scalars of each epoch, and the gradient norm of each layer at its last step."""

    def __init__(self, folder: Path, norms: probes.GradientNorms) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer, self.norms = SummaryWriter(str(folder)), norms

    def on_epoch(self, history: training.History) -> None:
        epoch = len(history.train_loss)
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
            self.writer.add_scalar(name.replace("_", "/"), getattr(history, name)[-1], epoch)
        self.writer.add_scalar("learning_rate", history.step_lr[-1], epoch)
        for name, norm in zip(self.norms.names, self.norms.numpy()[-1], strict=True):
            self.writer.add_scalar(f"gradient_norm/{name}", norm, epoch)
        self.norms.clear()
        self.writer.flush()
