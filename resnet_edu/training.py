"""Training: the loop, the learning-rate schedules, precision, evaluation, and the record of a run.

    >>> from resnet_edu import data, models, training
    >>> train, test = data.load("sample", size=16)
    >>> net = models.CifarNet(20, residual=True)
    >>> history = training.fit(net, train, epochs=3)
    >>> training.evaluate(net, test).accuracy

`fit` is the function to read: its inner loop is the training step that every lesson runs, and nothing is hidden behind
it. Above it stand the schedules (pure functions of the step), below it the checks and the search for a NaN's origin.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.std import tqdm

from resnet_edu import checkpoints, files
from resnet_edu.data import Images
from resnet_edu.probes import first_nonfinite_layer
from resnet_edu.probes.care import bare

#: `(step, total_steps) -> factor`: what the learning rate is multiplied by at a step, counted from 0.
Schedule = Callable[[int, int], float]


# --- the learning rate, a pure function of the step -------------------------------------------------------------------


def constant(step: int, total: int) -> float:
    """The learning rate as given, at every step."""
    return 1.0


def one_cycle(step: int, total: int) -> float:
    """A cosine up from 1/25 to 1 over the first 30 % of the steps, then one down to 0.

    After Smith and Topin (1708.07120), in two phases with cosines, as PyTorch's `OneCycleLR` has it by default.
    """
    peak = 0.3 * total
    if step < peak:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * step / peak)) / 2
    return (1 + math.cos(math.pi * (step - peak) / (total - peak))) / 2


def paper(step: int, total: int) -> float:
    """He et al. 2015, section 4.2: divided by 10 at half and at three quarters (32k and 48k of 64k steps)."""
    if 2 * step < total:
        return 1.0
    return 0.1 if 4 * step < 3 * total else 0.01


SCHEDULES: dict[str, Schedule] = {"one_cycle": one_cycle, "paper": paper, "constant": constant}
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


# --- what a run leaves behind -----------------------------------------------------------------------------------------


@dataclass
class History:
    """What `fit` saw, as lists of plain numbers.

    One entry an epoch: train_loss and train_accuracy (means over the epoch, while the net was changing), val_loss and
    val_accuracy (at the epoch's end; empty without validation images), seconds. One entry a step: step_loss, step_lr.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    step_loss: list[float] = field(default_factory=list)
    step_lr: list[float] = field(default_factory=list)
    interrupted: bool = False

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the lists as JSON. A number that is not finite becomes null, which JSON can hold."""
        lists = {k: [_finite(x) for x in v] if isinstance(v, list) else v for k, v in asdict(self).items()}
        files.write_atomically(path, json.dumps(lists, indent=1) + "\n")


@dataclass(frozen=True)
class Metrics:
    """Mean cross-entropy (nats) and the part of the images whose largest logit is the right class, 0 to 1."""

    loss: float
    accuracy: float


class DivergenceError(RuntimeError):
    """The loss is NaN or infinite. `.step` and `.layer` say where it began, `.history` holds what was before."""

    def __init__(self, message: str, step: int, layer: str | None, history: History) -> None:
        super().__init__(message)
        self.step, self.layer, self.history = step, layer, history


class GradientCallback(Protocol):
    """A callback of `fit` that looks at gradients; an object may be both kinds of callback."""

    def on_gradients(self, step: int) -> object:
        """Called after the backward pass (gradients unscaled), before the optimiser moves the weights."""


class EpochCallback(Protocol):
    """A callback of `fit` that looks at the history."""

    def on_epoch(self, history: History) -> object:
        """Called at the end of every epoch, as a plain function `callback(history)` is."""


class Ranks(Protocol):
    """Several processes that train one net: `resnet_edu.distributed` makes one of these."""

    rank: int
    world: int

    def total(self, numbers: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""

    def share_buffers(self, net: nn.Module) -> None:
        """Give the running statistics of the first process to all."""


@dataclass
class OneProcess:
    """The usual case: one process, which holds all of each batch."""

    rank: int = 0
    world: int = 1

    def total(self, numbers: Tensor) -> Tensor:
        return numbers

    def share_buffers(self, net: nn.Module) -> None:
        pass


# --- the loop ---------------------------------------------------------------------------------------------------------


def fit(
    net: nn.Module,
    train: Images,
    val: Images | None = None,
    *,
    epochs: int,
    batch_size: int = 128,
    lr: float = 0.1,
    schedule: str | Schedule = "one_cycle",
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    augment: bool = False,
    precision: str = "fp32",
    seed: int = 0,
    callbacks: Iterable[GradientCallback | EpochCallback | Callable[[History], object]] = (),
    progress: bool = True,
    max_steps: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    ranks: Ranks | None = None,
    compile: bool = False,
) -> History:
    """Train `net` on `train` with SGD and cross-entropy; returns the `History`.

    The net moves to the device of the images. `lr` is the highest learning rate, `schedule` its course: "one_cycle",
    "paper", "constant", or a function `(step, total_steps) -> factor`. `augment` crops and flips. `precision` is
    "fp32", "bf16", "fp16" (with a gradient scaler) or "auto", the fastest that the device has in hardware. `seed`
    orders the images, augments them and drives dropout: the same seed gives the same history on a CPU. `max_steps` ends
    the run (and its schedule) after so many steps, in the middle of an epoch if need be.

    `checkpoint` names a file that is written after every epoch; with `resume` a run goes on from it, on a CPU bit for
    bit as if it had not stopped, and starts where there is no such file yet. Without `resume` an existing file is
    refused, not written over. The file also holds the state of callbacks that have `state_dict` and `load_state_dict`,
    as `probes.GradientNorms` has. `ranks` shares each batch among several processes; the net is then `ranks.wrap(net)`:
    see `resnet_edu.distributed`.
    `compile` hands the net to torch.compile, on a GPU with CUDA graphs: for small nets that wait for their launches.
    The first step then takes a minute, and the last bits of the result may differ.

    An interrupt (the stop button, Ctrl-C) ends the run with net and history as they are, `history.interrupted` True.
    Raises DivergenceError when the loss is no longer finite; TypeError or ValueError for a setting that cannot be.
    """
    _check_settings(net, train, val, epochs, batch_size, lr, momentum, weight_decay, augment, seed, progress, compile)
    _check_run(max_steps, checkpoint, resume, batch_size, len(train), ranks)
    # Plain numbers, for a checkpoint holds no others: numpy's, as from np.logspace, were taken until here.
    epochs, batch_size, seed = int(epochs), int(batch_size), int(seed)
    lr, momentum, weight_decay = float(lr), float(momentum), float(weight_decay)
    max_steps = None if max_steps is None else int(max_steps)
    device = train.images.device
    dtype = choose_precision(precision, device)
    settings = {
        "images": len(train), "epochs": epochs, "batch_size": batch_size, "lr": lr, "schedule": _name(schedule),
        "momentum": momentum, "weight_decay": weight_decay, "augment": augment,
        "precision": precision_name(precision, device),  # "auto" would be another one on the next machine
        "seed": seed, "max_steps": max_steps, "classes": list(train.classes),
    }  # fmt: skip
    schedule = _choose_schedule(schedule)
    on_gradients, on_epoch, stateful = _split_callbacks(callbacks)
    layout = _memory_format(device)

    net.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    graphs = "reduce-overhead" if device.type == "cuda" else "default"
    forward: Callable[[Tensor], Tensor] = torch.compile(net, mode=graphs, dynamic=False) if compile else net
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)
    group: Ranks = ranks or OneProcess()
    _check_wrapped(net, group)
    sizes = _batch_sizes(len(train), batch_size, group.world)
    total = min(epochs * len(sizes), max_steps or epochs * len(sizes))
    epochs = math.ceil(total / len(sizes))
    check_every = 1 if device.type == "cpu" else 50  # reading a loss makes an accelerator wait
    cast = torch.autocast(device.type, dtype, enabled=dtype is not None)

    history, losses = History(), list[Tensor]()
    modes = [(m, m.training) for m in net.modules()]
    first_epoch = 0
    bar = tqdm(total=total, disable=not progress, leave=False, file=sys.stdout, unit="step", mininterval=0.5)
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), bar:
        torch.manual_seed(seed)
        if checkpoint is not None and resume:
            if Path(checkpoint).exists():
                state = checkpoints.read(checkpoint)
                _check_same_run(settings, state["settings"], checkpoint)
                history = _restore(state, net, optimizer, scaler, stateful)
                first_epoch = len(history.train_loss)
                bar.update(len(history.step_lr))
            _check_same_epoch(first_epoch, group, device)
        if group.rank:  # other masks of dropout than the first process draws for its share
            torch.manual_seed(seed + 100_003 * group.rank + 7_919 * first_epoch)
        try:
            for epoch in range(first_epoch, epochs):
                started = time.perf_counter()
                net.train()
                losses = []
                correct = torch.zeros((), dtype=torch.int64, device=device)
                shard, epoch_seed = (group.rank, group.world), 1000 * seed + epoch
                for x, y in train.batches(batch_size, shuffle=True, augment=augment, seed=epoch_seed, shard=shard):
                    step = epoch * len(sizes) + len(losses)
                    if step == total:
                        break
                    rate = lr * _factor(schedule, step, total)
                    for parameters in optimizer.param_groups:
                        parameters["lr"] = rate

                    x = x.contiguous(memory_format=layout)
                    with cast:
                        logits = forward(x)
                        if not history.step_lr:
                            _check_logits(logits, len(y), len(train.classes))
                        loss = F.cross_entropy(logits, y)
                    optimizer.zero_grad()
                    scaler.scale(loss).backward()
                    scaler.unscale_(optimizer)
                    for callback in on_gradients:
                        callback(step)
                    losses.append(loss.detach())
                    if len(losses) % check_every == 0 or len(losses) == len(sizes) or step + 1 == total:
                        with cast:
                            _check_finite(net, x, losses[-check_every:], step, history)
                    scaler.step(optimizer)
                    scaler.update()

                    correct += (logits.detach().argmax(1) == y).sum()
                    history.step_lr.append(rate)
                    bar.update()

                metrics = None if val is None else evaluate(net, val, ranks=group)
                epoch_losses = (group.total(torch.stack(losses)) / group.world).tolist()
                seen = sizes[: len(losses)]
                history.step_loss += epoch_losses
                history.train_loss.append(sum(n * v for n, v in zip(seen, epoch_losses, strict=True)) / sum(seen))
                history.train_accuracy.append(int(group.total(correct)) / sum(seen))
                if metrics is not None:
                    history.val_loss.append(metrics.loss)
                    history.val_accuracy.append(metrics.accuracy)
                history.seconds.append(time.perf_counter() - started)
                if checkpoint is not None and group.rank == 0:
                    checkpoints.write(checkpoint, _state(net, optimizer, scaler, history, settings, stateful))
                with torch.random.fork_rng(devices=cuda):  # what a callback draws is in no checkpoint
                    torch.manual_seed(1000 * seed + epoch)
                    for on_end in on_epoch:
                        on_end(history)
                bar.set_postfix_str(_epoch_line(history))
        except KeyboardInterrupt:
            history.interrupted = True
        finally:
            unsaved = len(history.step_lr) - len(history.step_loss)  # the steps taken in an epoch that did not end
            history.step_loss += [float(loss) for loss in losses[:unsaved]]
            for module, mode in modes:
                module.training = mode
    if progress:
        print(_summary(history, epochs))
    return history


def evaluate(net: nn.Module, images: Images, *, batch_size: int = 500, ranks: Ranks | None = None) -> Metrics:
    """Loss and accuracy of `net` in eval mode over `images`, every image once; the net's modes are put back.

    With `ranks` each process takes its share of the images, and all of them return the result over all images.
    """
    _check_forward("evaluate", net, images, batch_size)
    group: Ranks = ranks or OneProcess()
    if group.world > 1:  # a wrapper would wait in each batch, and the shares may differ by one
        net = bare("evaluate", net)
    net.to(images.device)
    group.share_buffers(net)
    share = images if group.world == 1 else images[group.rank :: group.world]
    logits = _logits(net, share, batch_size)
    losses = F.cross_entropy(logits, share.labels, reduction="none")
    loss = losses.sum(dtype=torch.float32 if images.device.type == "mps" else torch.float64)
    correct = (logits.argmax(1) == share.labels).sum()
    loss, correct = group.total(loss), group.total(correct)
    return Metrics(loss=float(loss) / len(images), accuracy=int(correct) / len(images))


def predict(net: nn.Module, images: Images, *, batch_size: int = 500) -> Tensor:
    """Probabilities float32 [N, classes], in the order of the images: the softmax of what `net` says in eval mode.

    The net's modes are put back. Raises TypeError or ValueError for what is no net, no Images or no logits.

    >>> confidence, guess = predict(net, test).max(1)
    """
    _check_forward("predict", net, images, batch_size)
    return _logits(net.to(images.device), images, batch_size).softmax(1)


@torch.no_grad()
def _logits(net: nn.Module, images: Images, batch_size: int) -> Tensor:
    """float32 [N, outputs of the net], in eval mode."""
    modes = [(m, m.training) for m in net.modules()]
    parts = [torch.empty(0, len(images.classes), device=images.device)] if len(images) == 0 else []
    net.eval()
    try:
        for x, y in images.batches(batch_size):
            logits = net(x.contiguous(memory_format=_memory_format(images.device)))
            _check_logits(logits, len(y), len(images.classes))
            parts.append(logits.float())
    finally:
        for module, mode in modes:
            module.training = mode
    return torch.cat(parts)


# --- device and precision ---------------------------------------------------------------------------------------------


def choose_precision(precision: str, device: torch.device) -> torch.dtype | None:
    """The autocast type for `precision` on `device`; None is plain float32.

    "auto" takes bf16 where the hardware computes with it, on a GPU or on a CPU; else fp16 on a GPU (a T4 only emulates
    bf16), and float32 on everything else.
    """
    if not isinstance(device, torch.device):
        raise TypeError(f"device={device!r:.60}: give a torch.device, such as images.device.")
    if not isinstance(precision, str) or precision not in (*PRECISIONS, "auto"):
        raise ValueError(f"precision={precision!r}: choose one of 'fp32', 'bf16', 'fp16', 'auto'.")
    if precision == "auto":
        if device.type == "cpu":
            return torch.bfloat16 if _cpu_has_bf16() else None
        if device.type != "cuda":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if precision == "fp16" and device.type == "cpu":
        raise ValueError("precision='fp16' needs a GPU: on a CPU choose 'fp32', or 'bf16'.")
    return PRECISIONS[precision]


def precision_name(precision: str, device: torch.device) -> str:
    """What `choose_precision` comes to, as a word: "fp32", "bf16" or "fp16"."""
    chosen = choose_precision(precision, device)
    return next(name for name, dtype in PRECISIONS.items() if dtype is chosen)


def _cpu_has_bf16() -> bool:
    """Whether this processor multiplies in bf16, as torch tells it; an older torch does not tell."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _memory_format(device: torch.device) -> torch.memory_format:
    """Channels last where it is faster and right. On MPS its BatchNorm gradients are wrong (pytorch issue 175189)."""
    return torch.channels_last if device.type in ("cpu", "cuda") else torch.contiguous_format


# --- a loss that is not finite ----------------------------------------------------------------------------------------


def _check_finite(net: nn.Module, x: Tensor, recent: list[Tensor], step: int, history: History) -> None:
    """Raises DivergenceError where one of the `recent` losses, the last of them of this `step`, is not finite."""
    values = torch.stack(recent).tolist()
    bad = [i for i, value in enumerate(values) if not math.isfinite(value)]
    if not bad:
        return
    step = step - (len(values) - 1) + bad[0]
    layer, weights_finite = first_nonfinite_layer(net, x)
    began = ""
    if layer is not None:
        why = "it overflows" if weights_finite else "its weights are no longer finite"
        began = f" The first layer whose output is not finite is '{layer}': {why}."
    raise DivergenceError(
        f"The loss at step {step} is {values[bad[0]]}.{began} Lower the learning rate, add a warm-up, or normalise; "
        "the history up to here is in the error's .history.",
        step,
        layer,
        history,
    )


# --- what a checkpoint holds ------------------------------------------------------------------------------------------


def _state(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: Any,
    history: History,
    settings: dict[str, Any],
    stateful: list[Any],
) -> dict[str, Any]:
    return {
        "settings": settings,
        "net": bare("fit", net).state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "history": asdict(history),
        "callbacks": [callback.state_dict() for callback in stateful],
        "random": torch.get_rng_state(),
        "cuda_random": torch.cuda.get_rng_state_all(),
        "torch": str(torch.__version__),
    }


def _restore(
    state: dict[str, Any], net: nn.Module, optimizer: torch.optim.Optimizer, scaler: Any, stateful: list[Any]
) -> History:
    net = bare("fit", net)
    try:
        checkpoints.fill(net, state["net"])
    except ValueError as error:
        raise ValueError(f"The checkpoint is of another net than this {type(net).__name__}: {error}") from None
    optimizer.load_state_dict(state["optimizer"])
    scaler.load_state_dict(state["scaler"])
    for callback, kept in zip(stateful, state.get("callbacks", []), strict=False):  # one that is new starts here
        callback.load_state_dict(kept)
    torch.set_rng_state(state["random"])
    if len(state["cuda_random"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda_random"])
    return History(**state["history"])


def _check_same_run(asked: dict[str, Any], stored: dict[str, Any], path: str | os.PathLike[str]) -> None:
    odd = [f"{key} {stored.get(key)!r}, now {value!r}" for key, value in asked.items() if stored.get(key) != value]
    if odd:
        raise ValueError(f"{path} is of another run: {'; '.join(odd)}. Give the same settings, or another checkpoint.")


# --- several processes ------------------------------------------------------------------------------------------------


def _check_wrapped(net: nn.Module, group: Ranks) -> None:
    inner = getattr(net, "_orig_mod", net)
    if group.world > 1 and not isinstance(inner, nn.parallel.DistributedDataParallel):
        raise ValueError(
            f"{group.world} processes train one net only where their gradients are averaged: give fit "
            f"ranks.wrap(net), not the {type(inner).__name__} itself."
        )


def _check_same_epoch(epoch: int, group: Ranks, device: torch.device) -> None:
    """Raises ValueError, in every process, where they would go on from different epochs."""
    epochs = torch.zeros(group.world, dtype=torch.int64, device=device)
    epochs[group.rank] = epoch
    if len(found := set(group.total(epochs).tolist())) > 1:
        raise ValueError(
            f"The processes would go on from different epochs, {sorted(found)}: all of them have to find the "
            "checkpoint, on a disk that they share or in a copy."
        )


# --- checks and small helpers -----------------------------------------------------------------------------------------


def _check_settings(
    net: nn.Module,
    train: Images,
    val: Images | None,
    epochs: int,
    batch_size: int,
    lr: float,
    momentum: float,
    weight_decay: float,
    augment: bool,
    seed: int,
    progress: bool,
    compile: bool,
) -> None:
    if not isinstance(net, nn.Module):
        raise TypeError(f"fit takes an nn.Module; it was given {type(net).__name__}.")
    if not any(p.requires_grad for p in net.parameters()):
        raise ValueError(f"{type(net).__name__} has no parameter that requires a gradient: there is nothing to train.")
    if odd := {str(p.dtype) for p in net.parameters() if p.is_floating_point()} - {"torch.float32"}:
        raise ValueError(f"fit trains nets of torch.float32; this one holds {', '.join(odd)}. Convert it: net.float().")
    _check_images("train", train)
    if val is not None:
        _check_images("val", val)
        if val.images.device != train.images.device:
            raise ValueError(
                f"The training images are on {train.images.device}, the validation images on {val.images.device}: "
                "bring them together with val.to(device)."
            )
        if val.classes != train.classes:
            raise ValueError(f"train has the classes {train.classes}, val has {val.classes}: they have to be the same.")
    _check_whole("epochs", epochs, 1)
    _check_whole("batch_size", batch_size, 1)
    _check_whole("seed", seed, 0, 2**32 - 1)
    _check_real("lr", lr, 0.0, math.inf)
    _check_real("momentum", momentum, 0.0, 1.0)
    _check_real("weight_decay", weight_decay, 0.0, math.inf)
    for name, flag in (("augment", augment), ("progress", progress), ("compile", compile)):
        if not isinstance(flag, bool):
            raise TypeError(f"{name}={flag!r}: give True or False.")


def _check_run(
    max_steps: int | None, checkpoint: object, resume: bool, batch_size: int, images: int, ranks: Ranks | None
) -> None:
    if max_steps is not None:
        _check_whole("max_steps", max_steps, 1)
    if checkpoint is not None and not isinstance(checkpoint, str | os.PathLike):
        raise TypeError(f"checkpoint={checkpoint!r:.60}: give the path of a file.")
    if not isinstance(resume, bool):
        raise TypeError(f"resume={resume!r:.60}: give True or False.")
    if resume and checkpoint is None:
        raise ValueError("resume=True needs checkpoint=, the path of the file to go on from.")
    if checkpoint is not None and not resume and Path(checkpoint).exists():
        raise FileExistsError(f"{checkpoint} holds a run already: resume=True goes on with it; or choose another path.")
    if ranks is not None and images < ranks.world:
        raise ValueError(f"There are {images} images for {ranks.world} processes: each needs at least one.")
    if ranks is not None and batch_size % ranks.world:
        raise ValueError(
            f"batch_size={batch_size} cannot be shared equally by {ranks.world} processes: choose a multiple of "
            f"{ranks.world}, such as {max(1, batch_size // ranks.world) * ranks.world}."
        )


def _batch_sizes(images: int, batch_size: int, world: int) -> list[int]:
    """How many images each step of an epoch sees, over all processes, which share every batch equally."""
    sizes = [min(batch_size, images - start) // world * world for start in range(0, images, batch_size)]
    return [size for size in sizes if size]


def _check_forward(caller: str, net: object, images: object, batch_size: object) -> None:
    if not isinstance(net, nn.Module):
        raise TypeError(f"{caller} takes an nn.Module; it was given {type(net).__name__}.")
    _check_images("images", images)
    _check_whole("batch_size", batch_size, 1)


def _check_images(name: str, images: object) -> None:
    if not isinstance(images, Images):
        raise TypeError(
            f"{name} has to be Images, such as data.load('sample') returns; it was given {type(images).__name__}."
            + (" data.load returns a pair: train, test = data.load(...)." if isinstance(images, tuple) else "")
        )
    if len(images) == 0:
        raise ValueError(f"{name} holds no image.")


def _check_logits(logits: object, images: int, classes: int) -> None:
    shape = list(logits.shape) if isinstance(logits, Tensor) else []
    if len(shape) != 2 or shape[0] != images or shape[1] < classes:
        got = shape if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"The net has to return logits [{images}, {classes}], one a class; it returned {got}.")


def _check_whole(name: str, value: object, least: int, most: float = math.inf) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: give a whole number of at least {least}.")
    if not least <= int(value) <= most:
        raise ValueError(f"{name}={value}: give at least {least}{f' and at most {most}' if most < math.inf else ''}.")


def _check_real(name: str, value: object, low: float, high: float) -> None:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: give a number.")
    if not low <= float(value) < high:
        raise ValueError(
            f"{name}={value!r}: give a number from {low:g}{f' to below {high:g}' if high < 1e9 else ' up'}."
        )


def _choose_schedule(schedule: str | Schedule) -> Schedule:
    if callable(schedule):
        return schedule
    if not isinstance(schedule, str) or schedule not in SCHEDULES:
        names = ", ".join(repr(name) for name in SCHEDULES)
        raise ValueError(f"schedule={schedule!r}: choose one of {names}, or a function (step, total_steps) -> factor.")
    return SCHEDULES[schedule]


def _name(schedule: str | Schedule) -> str:
    return schedule if isinstance(schedule, str) else getattr(schedule, "__qualname__", type(schedule).__name__)


def _factor(schedule: Schedule, step: int, total: int) -> float:
    factor = schedule(step, total)
    if not isinstance(factor, Real) or not 0 <= float(factor) < math.inf:
        raise ValueError(f"schedule({step}, {total}) returned {factor!r}: it has to return a number from 0 up.")
    return float(factor)


def _split_callbacks(
    callbacks: Iterable[Any],
) -> tuple[list[Callable[[int], None]], list[Callable[[History], object]], list[Any]]:
    """What to call after a backward pass, what at an epoch's end, and the callbacks with a state to checkpoint."""
    on_gradients, on_epoch = [], []
    try:
        callbacks = list(callbacks)
    except TypeError:
        raise TypeError(f"callbacks={callbacks!r:.60}: give a list, such as callbacks=[norms].") from None
    for callback in callbacks:
        after_backward, after_epoch = getattr(callback, "on_gradients", None), getattr(callback, "on_epoch", None)
        if after_backward is None and after_epoch is None:
            if not callable(callback):
                raise TypeError(
                    f"callbacks holds {callback!r}: give functions of the history, or objects with on_gradients(step) "
                    "or on_epoch(history), such as probes.GradientNorms(net)."
                )
            after_epoch = callback
        if after_backward is not None:
            on_gradients.append(after_backward)
        if after_epoch is not None:
            on_epoch.append(after_epoch)
    stateful = [c for c in callbacks if hasattr(c, "state_dict") and hasattr(c, "load_state_dict")]
    return on_gradients, on_epoch, stateful


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None


def _epoch_line(history: History) -> str:
    line = f"training accuracy {history.train_accuracy[-1]:.3f}"
    return line + (f", validation {history.val_accuracy[-1]:.3f}" if history.val_accuracy else "")


def _summary(history: History, epochs: int) -> str:
    done = len(history.train_loss)
    count = f"{done} epoch{'s' if done != 1 else ''}"
    if history.interrupted:
        count = f"interrupted after {done} of {epochs} epochs"
    return f"{count}, {sum(history.seconds):.1f} s" + (f": {_epoch_line(history)}" if done else "")
