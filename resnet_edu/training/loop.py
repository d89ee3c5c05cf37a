"""The training loop. `fit` sets up a run; `_Run.train_epoch` is the complete training step of every lesson."""

import copy
import math
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.std import tqdm

from resnet_edu import checks
from resnet_edu.data import Images
from resnet_edu.models import weights
from resnet_edu.models.wrappers import bare
from resnet_edu.probes import first_nonfinite_layer
from resnet_edu.training import checkpoints, schedules
from resnet_edu.training.distributed import Ranks
from resnet_edu.training.history import Callback, Callbacks, DivergenceError, History, Metrics
from resnet_edu.training.precision import choose_precision, layout, precision_name, tf32
from resnet_edu.training.schedules import Schedule, name_of
from resnet_edu.training.settings import Settings, check_checkpoint, check_images, check_logits, check_pair

#: After how many steps the losses are read; on accelerators 50, as reading forces a sync.
CHECK_EVERY = {"cpu": 1}


def after_interrupt(history: History, epochs: int) -> None:
    """Called after a run was interrupted, before `fit` returns. A lesson replaces it to end the cell, too."""


class _Default(float):
    """A default value that the caller did not choose."""


def fit(
    net: nn.Module,
    train: Images,
    val: Images | None = None,
    *,
    epochs: int,
    batch_size: int = 128,
    lr: float = _Default(0.1),
    schedule: str | Schedule = "one_cycle",
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    augment: bool = False,
    precision: str = "fp32",
    seed: int = 0,
    callbacks: Iterable[Callback] = (),
    progress: bool | str = True,
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None,
    max_steps: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    ranks: Ranks | None = None,
    compile: bool = False,
) -> History:
    """Train `net` on `train` with cross-entropy, with SGD unless another optimizer is given; returns the `History`.

    The network moves to the device of the images. `lr` is the peak learning rate, `schedule` its course: "one_cycle",
    "paper", "constant", or a function `(step, total_steps) -> factor`. `augment` crops and flips. `precision` is
    "fp32", "tf32", "bf16", "fp16" or "auto", the fastest that the device supports in hardware. `seed` controls the
    order of the images, augmentation and dropout: on a CPU, the same seed gives the same history. `max_steps` ends the
    run (and its schedule) after this many steps. A last batch of a single image is dropped. `progress` shows a bar with
    the time left, and prints a summary; a name, such as "plain-20", shows the bar only, with the name in front of it.

    `optimizer` is a function of the parameters, such as `torch.optim.AdamW`. It uses its own settings (`momentum` and
    `weight_decay` apply to SGD only) and its own learning rate, unless `lr` is given; the schedule multiplies it.

    `checkpoint`, `resume`, `ranks` and `compile` are for long runs: see `resnet_edu.training`.

    An interrupt (stop button, Ctrl-C) ends the run, and in a lesson the cell; the history has `interrupted` True then.
    Raises DivergenceError if the loss is no longer finite; TypeError or ValueError for an invalid setting.
    """
    checks.module("fit", net)
    check_pair(train, val)
    settings = Settings(
        images=len(train), classes=list(train.classes), epochs=epochs, batch_size=batch_size, lr=lr,
        schedule=name_of(schedule), optimizer=name_of(optimizer or torch.optim.SGD), momentum=momentum,
        weight_decay=weight_decay, augment=augment, seed=seed, max_steps=max_steps, compile=compile,
        precision=precision_name(precision, train.images.device),  # "auto" may mean another one on the next machine
    )  # fmt: skip
    name = progress if isinstance(progress, str) else None
    show = name is not None or checks.flag("progress", progress)
    path = check_checkpoint(checkpoint, resume)
    run = _Run(net, train, val, settings, schedules.choose(schedule), Callbacks(callbacks), ranks or Ranks())
    run.make_optimizer(optimizer, None if isinstance(lr, _Default) else settings.lr)
    bar = tqdm(desc=name, total=run.total, disable=not show, leave=False, file=sys.stdout, unit="step", mininterval=0.5)
    with bar, _modes_restored(net), torch.random.fork_rng(devices=run.cuda), tf32(settings.precision == "tf32"):
        run.seed(settings.seed)
        run.start(path if resume else None)
        bar.update(len(run.history.step_lr))
        try:
            for epoch in range(len(run.history.train_loss), run.epochs):
                run.train_epoch(epoch, bar)
                run.end_epoch(epoch, path)
                bar.set_postfix_str(run.history.last_epoch())
        except KeyboardInterrupt:
            run.history.interrupted = True
        finally:
            run.add_unfinished_epoch()
    if show and name is None:
        print(run.history.summary(run.epochs))
    if run.history.interrupted:
        after_interrupt(run.history, run.epochs)
    return run.history


@dataclass
class _Run:
    """The state of a training run; `train_epoch` is the part to read."""

    net: nn.Module
    train: Images
    val: Images | None
    settings: Settings
    schedule: Schedule
    callbacks: Callbacks
    group: Ranks

    def __post_init__(self) -> None:
        net, settings, group = self.net, self.settings, self.group
        _check_shares(net, settings.batch_size, group.world)
        self.device = self.train.images.device
        self.cuda = [self.device] if self.device.type == "cuda" else []
        self.layout = layout(net, self.device)
        self.forward: Callable[[Tensor], Tensor] = net.to(**self.layout)
        if settings.compile:
            size = settings.batch_size // group.world, *self.train.images.shape[1:]
            _forget_other_graphs(net, size, settings.precision)
            graphs = "reduce-overhead" if self.cuda else "default"
            self.forward = torch.compile(net, mode=graphs, dynamic=False)
        dtype = choose_precision(settings.precision, self.device)
        self.cast = torch.autocast(self.device.type, dtype, enabled=dtype is not None)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype is torch.float16)
        self.sizes = settings.batch_sizes(group.world)
        self.total = settings.epochs * len(self.sizes)  # steps
        if settings.max_steps is not None:
            self.total = min(self.total, settings.max_steps)
        self.epochs = math.ceil(self.total / len(self.sizes))
        self.check_every = CHECK_EVERY.get(self.device.type, 50)
        self.history, self.losses, self.started = History(), list[Tensor](), 0.0

    def seed(self, value: int) -> None:
        """Seed the CPU and the training device; other GPUs are not affected."""
        torch.default_generator.manual_seed(value)
        for device in self.cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(value)
        if self.device.type == "mps":
            torch.mps.manual_seed(value)

    def make_optimizer(self, optimizer: Callable[..., torch.optim.Optimizer] | None, lr: float | None) -> None:
        """Create the optimizer, and store the peak rate of each of its groups: `lr`, or the optimizer's own."""
        s = self.settings
        # Fused: with fp16 the step then reads on the device, without a sync, whether the gradients are finite.
        fused = True if self.cuda else None
        sgd = partial(torch.optim.SGD, lr=s.lr, momentum=s.momentum, weight_decay=s.weight_decay, fused=fused)
        make = optimizer or sgd
        self.optimizer = make(self.net.parameters())
        self.rates = [group["lr"] if lr is None else lr for group in self.optimizer.param_groups]

    def set_rates(self, step: int) -> float:
        """Set the learning rates for this step; return that of the first group."""
        factor = schedules.factor(self.schedule, step, self.total)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        return self.rates[0] * factor

    def train_epoch(self, epoch: int, bar: tqdm) -> None:
        """One pass over the training images."""
        optimizer, scaler = self.optimizer, self.scaler
        self.started, self.losses = time.perf_counter(), []
        self.correct = torch.zeros((), dtype=torch.int64, device=self.device)
        self.net.train()
        # If losses are read late: what is needed to repeat the epoch.
        self.kept = copy.deepcopy(self.state(recorded=False)) if self.check_every > 1 else {}
        for step, (x, y) in zip(self.steps(epoch), self.batches(epoch), strict=False):
            rate = self.set_rates(step)

            optimizer.zero_grad()
            with self.cast:
                logits = self.forward(x)
                if not self.history.step_lr:
                    check_logits(logits, len(y), len(self.train.classes))
                loss = F.cross_entropy(logits, y)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            for callback in self.callbacks.on_gradients:
                callback(step)
            self.losses.append(loss.detach())
            self.check_finite(x, epoch, step, bar)
            scaler.step(optimizer)
            scaler.update()

            self.correct += (logits.detach().argmax(1) == y).sum()
            self.history.step_lr.append(rate)
            bar.update()

    def steps(self, epoch: int) -> range:
        """The numbers of the epoch's steps, counted from the beginning of the run."""
        first = epoch * len(self.sizes)
        return range(first, min(first + len(self.sizes), self.total))

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's share of each batch, in an order determined by the seed and the epoch."""
        s = self.settings
        shard, seed = (self.group.rank, self.group.world), 1000 * s.seed + epoch
        for x, y in self.train.batches(s.batch_size, shuffle=True, augment=s.augment, seed=seed, shard=shard):
            yield x.to(**self.layout), y

    def end_epoch(self, epoch: int, checkpoint: Path | None) -> None:
        """Validation, the history, the checkpoint, the callbacks."""
        history, group, sizes = self.history, self.group, self.sizes[: len(self.losses)]
        val = None if self.val is None else evaluate(self.net, self.val, ranks=group)
        losses = (group.total(torch.stack(self.losses)) / group.world).tolist()
        correct = int(group.total(self.correct))
        history.step_loss += losses
        history.train_loss.append(sum(n * loss for n, loss in zip(sizes, losses, strict=True)) / sum(sizes))
        history.train_accuracy.append(correct / sum(sizes))
        if val is not None:
            history.val_loss.append(val.loss)
            history.val_accuracy.append(val.accuracy)
        history.seconds.append(time.perf_counter() - self.started)
        if checkpoint is not None and self.group.rank == 0:
            checkpoints.write(checkpoint, self.state())
        with torch.random.fork_rng(devices=self.cuda):  # a callback's random draws are not checkpointed
            self.seed(1000 * self.settings.seed + epoch)
            for callback in self.callbacks.on_epoch:
                callback(self.history)

    def add_unfinished_epoch(self) -> None:
        """Record the losses of the steps of an unfinished epoch."""
        unsaved = len(self.history.step_lr) - len(self.history.step_loss)
        self.history.step_loss += [float(loss) for loss in self.losses[:unsaved]]

    # --- a loss that is not finite ------------------------------------------------------------------------------------

    def check_finite(self, x: Tensor, epoch: int, step: int, bar: tqdm) -> None:
        """Raise DivergenceError if a loss is not finite; on an accelerator, check only at every 50th step."""
        count = len(self.losses)
        if count % self.check_every and count != len(self.sizes) and step + 1 != self.total:
            return
        values = torch.stack(self.losses[-1 - (count - 1) % self.check_every :]).tolist()
        if all(map(math.isfinite, values)):
            return
        bad = next(i for i, value in enumerate(values) if not math.isfinite(value))
        step -= len(values) - 1 - bad
        where = f"The loss at step {step} is {values[bad]}."
        if self.check_every > 1 and self.group.world == 1:  # the weights have moved on: repeat the epoch, step by step
            self.restore(self.kept)
            del self.history.step_lr[epoch * len(self.sizes) :]
            self.check_every = 1
            self.callbacks.stop_recording()
            self.train_epoch(epoch, bar)
            where += " When the epoch was repeated, the loss stayed finite: a GPU does not repeat every bit."
        with self.cast:
            layer, weights_finite = first_nonfinite_layer(self.net, x)
        began = ""
        if layer is not None:
            why = "it overflows" if weights_finite else "its weights are no longer finite"
            began = f" The first layer whose output is not finite is '{layer}': {why}."
        raise DivergenceError(
            f"{where}{began} Lower the learning rate, add a warm-up, or normalize; "
            "the history up to here is in the error's .history.",
            step,
            layer,
            self.history,
        )

    # --- what a checkpoint holds --------------------------------------------------------------------------------------

    def start(self, checkpoint: Path | None) -> None:
        """Resume from the checkpoint, if there is one; seed each process differently."""
        if checkpoint is not None:
            if checkpoint.exists():
                state = checkpoints.read(checkpoint)
                self.settings.check_same(state["settings"], checkpoint)
                self.restore(state)
            _check_same_epoch(len(self.history.train_loss), self.group, self.device)
        if self.group.rank:  # other dropout masks than the first process uses
            self.seed(self.settings.seed + 100_003 * self.group.rank + 7_919 * len(self.history.train_loss))

    def state(self, recorded: bool = True) -> dict[str, Any]:
        return {
            "settings": asdict(self.settings),
            "net": bare("fit", self.net).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "cuda_random": [torch.cuda.get_rng_state(device) for device in self.cuda],
            **(self.recorded() if recorded else {}),
        }

    def recorded(self) -> dict[str, Any]:
        return {
            "history": asdict(self.history),
            "callbacks": [callback.state_dict() for callback in self.callbacks.stateful],
            "torch": str(torch.__version__),
        }

    def restore(self, state: dict[str, Any]) -> None:
        net = bare("fit", self.net)
        try:
            weights.fill(net, state["net"])
        except ValueError as error:
            raise ValueError(
                f"The checkpoint belongs to another network than this {type(net).__name__}: {error}"
            ) from None
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        for callback, state_then in zip(self.callbacks.stateful, state.get("callbacks", []), strict=False):
            callback.load_state_dict(state_then)  # a new one starts here
        torch.set_rng_state(state["random"])
        for device, random in zip(self.cuda, state["cuda_random"], strict=False):
            torch.cuda.set_rng_state(random, device)
        if "history" in state:
            self.history = History(**state["history"])


def evaluate(net: nn.Module, images: Images, *, batch_size: int = 500, ranks: Ranks | None = None) -> Metrics:
    """Loss and accuracy of `net` in eval mode over `images`, every image once; the network's modes are restored.

    With `ranks` each process takes its share of the images, and all return the result over all images.
    """
    check_images("images", images)
    checks.module("evaluate", net)
    group = ranks or Ranks()
    if group.world > 1:  # DDP would synchronize at each batch, and the shares may differ by one batch
        net = bare("evaluate", net)
    group.share_buffers(net)
    share = images if group.world == 1 else images[group.rank :: group.world]
    logits = _logits(net, share, batch_size)
    losses = F.cross_entropy(logits, share.labels, reduction="none")
    loss = losses.sum(dtype=torch.float32 if images.device.type == "mps" else torch.float64)
    correct = (logits.argmax(1) == share.labels).sum()
    loss, correct = group.total(loss), group.total(correct)
    return Metrics(loss=float(loss) / len(images), accuracy=int(correct) / len(images))


def predict(net: nn.Module, images: Images, *, batch_size: int = 500) -> Tensor:
    """Probabilities float32 [N, classes], in the order of the images: the softmax of `net`'s logits in eval mode.

    >>> confidence, guess = predict(net, test).max(1)
    """
    return _logits(checks.module("predict", net), check_images("images", images), batch_size).softmax(1)


@torch.no_grad()
def _logits(net: nn.Module, images: Images, batch_size: int) -> Tensor:
    """float32 [N, outputs of the network], in eval mode."""
    device, classes = images.device, len(images.classes)
    net.to(device)
    parts = [torch.empty(0, classes, device=device)] if len(images) == 0 else []
    with _modes_restored(net):
        net.eval()
        for x, y in images.batches(checks.whole("batch_size", batch_size, at_least=1)):
            logits = net(x.to(**layout(net, device)))
            check_logits(logits, len(y), classes)
            parts.append(logits.float())
    return torch.cat(parts)


@contextmanager
def _modes_restored(net: nn.Module) -> Iterator[None]:
    """Restore the mode, train or eval, of every module."""
    modes = [(m, m.training) for m in net.modules()]
    try:
        yield
    finally:
        for m, training in modes:
            m.training = training


#: The network that was compiled last, and how; PyTorch still has its graphs.
_compiled: tuple[Callable[[], nn.Module | None], tuple[Any, ...]] = (lambda: None, ())


def _forget_other_graphs(net: nn.Module, *how: Any) -> None:
    """PyTorch keeps 8 graphs per code object, and runs later ones uncompiled: keep only those of this network."""
    global _compiled
    last, how_then = _compiled
    if last() is not net or how_then != how:
        torch.compiler.reset()
        _compiled = weakref.ref(net), how


# --- several processes ------------------------------------------------------------------------------------------------


def _check_shares(net: nn.Module, batch_size: int, world: int) -> None:
    """Raise ValueError if this many processes cannot share a batch equally, or would not average their gradients."""
    if batch_size % world:
        raise ValueError(
            f"batch_size={batch_size} cannot be shared equally by {world} processes: choose a multiple of {world}."
        )
    if world > 1 and not isinstance(getattr(net, "_orig_mod", net), nn.parallel.DistributedDataParallel):
        raise ValueError(
            f"{world} processes train one network only if their gradients are averaged: pass fit ranks.wrap(net)."
        )


def _check_same_epoch(epoch: int, group: Ranks, device: torch.device) -> None:
    """Raise ValueError in every process if they would resume from different epochs."""
    epochs = torch.zeros(group.world, dtype=torch.int64, device=device)
    epochs[group.rank] = epoch
    if len(found := set(group.total(epochs).tolist())) > 1:
        raise ValueError(
            f"The processes would resume from different epochs, {sorted(found)}: all of them need the "
            "same checkpoint, on a shared disk or as a copy."
        )
