"""Answers to the exercises of lesson 10."""

import bisect

import torch
from torch.nn import functional as F

from exercise_bank.core import right, wrong


@wrong("paper_rate", "ramps")
def _(step):
    warm = min(1.0, step / 400)
    return warm * 0.1 * 0.1 ** ((step >= 32_000) + (step >= 48_000))


@wrong("paper_rate", "ramps")
def _(step):
    if step < 400:
        return 0.01 + 0.09 * step / 400
    return 0.1 if step < 32_000 else 0.01 if step < 48_000 else 0.001


@wrong("paper_rate", "in-epochs")
def _(step):
    epoch = step // 391
    if step < 400:
        return 0.01
    return 0.1 if epoch < 82 else 0.01 if epoch < 123 else 0.001


@wrong("paper_rate", "one-late")
def _(step):
    if step < 400:
        return 0.01
    return 0.1 if step <= 32_000 else 0.01 if step <= 48_000 else 0.001


@wrong("paper_rate", "changes-again")
def _(step):
    rate = 0.01 if step < 400 else 0.1
    for milestone in (32_000, 48_000, 64_000):
        rate /= 10 if step >= milestone else 1
    return rate


class Scheduler:
    """As in a framework: at its milestones it divides the rate that it holds."""

    def __init__(self):
        self.rate = 0.1

    def __call__(self, step):
        if step in (32_000, 48_000):
            self.rate /= 10
        return 0.01 if step < 400 else self.rate


wrong("paper_rate", "remembers")(Scheduler())


right("paper_rate")(lambda step: [0.01, 0.1, 0.01, 0.001][bisect.bisect_right([400, 32_000, 48_000], step)])


@right("paper_rate")
def _(step):
    rate = 0.1
    if step >= 32_000:
        rate /= 10
    if step >= 48_000:
        rate /= 10
    if step < 400:
        rate = 0.01
    return rate


right("paper_rate")(lambda step: 10.0 ** -(1 + (step < 400) + (step >= 32_000) + (step >= 48_000)))


@right("paper_rate")
def _(step):
    for start, rate in ((48_000, 0.001), (32_000, 0.01), (400, 0.1)):
        if step >= start:
            return torch.tensor(rate)
    return 0.01


wrong("shard", "exchanged")(lambda order, rank, world: order[world::rank])


@wrong("shard", "shuffles-again")
def _(order, rank, world):
    mixed = order[torch.randperm(len(order), generator=torch.Generator().manual_seed(rank))]
    return mixed[rank : len(order) // world * world : world]


@wrong("shard", "no-empty-share")
def _(order, rank, world):
    return torch.stack([order[rank + i * world] for i in range(len(order) // world)])


right("shard")(lambda order, rank, world: order[: len(order) // world * world].view(-1, world)[:, rank])
right("shard")(lambda order, rank, world: order[rank::world][: len(order) // world])
right("shard")(lambda order, rank, world: order[[rank + i * world for i in range(len(order) // world)]])


@right("shard")
def _(order, rank, world):
    keep = torch.arange(len(order)) % world == rank
    return order[keep][: len(order) // world]


@wrong("accumulate", "only-the-last")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        net.zero_grad()
        F.cross_entropy(net(images), labels).backward()


@wrong("accumulate", "too-large")
def _(net, x, y, size):
    F.cross_entropy(net(x), y).backward()


@wrong("accumulate", "takes-steps")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        (F.cross_entropy(net(images), labels, reduction="sum") / len(x)).backward()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter -= 0.1 * parameter.grad


@wrong("accumulate", "no-gradient")
def _(net, x, y, size):
    loss = 0
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        loss = loss + F.cross_entropy(net(images), labels, reduction="sum") / len(x)
    return loss


@wrong("accumulate", "changes-mode")
def _(net, x, y, size):
    net.train()
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        (F.cross_entropy(net(images), labels, reduction="sum") / len(x)).backward()


@wrong("accumulate", "changes-shape")
def _(net, x, y, size):
    for images, labels in zip(x.flatten(1).split(size), y.split(size), strict=True):
        (F.cross_entropy(net(images), labels, reduction="sum") / len(x)).backward()


@wrong("accumulate", "create-graph")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        (F.cross_entropy(net(images), labels, reduction="sum") / len(x)).backward(create_graph=True)


@wrong("accumulate", "returns-something")
def _(net, x, y, size):
    losses = []
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        losses.append(F.cross_entropy(net(images), labels, reduction="sum") / len(x))
        losses[-1].backward()
    return sum(losses).item()


@wrong("accumulate", "calls-twice")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        if net(images).isfinite().all():
            (F.cross_entropy(net(images), labels, reduction="sum") / len(x)).backward()


@right("accumulate")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        (F.cross_entropy(net(images), labels) * len(images) / len(x)).backward()


@right("accumulate")
def _(net, x, y, size):
    losses = []
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        losses.append(F.cross_entropy(net(images), labels, reduction="none"))
    torch.cat(losses).mean().backward()


@right("accumulate")
def _(net, x, y, size):
    for i in range(len(x)):  # pieces of one image are small enough, too
        (F.cross_entropy(net(x[i : i + 1]), y[i : i + 1]) / len(x)).backward()


@right("accumulate")
def _(net, x, y, size):
    start = 0
    while start < len(x):
        log_p = net(x[start : start + size]).log_softmax(1)
        picked = log_p.gather(1, y[start : start + size, None])
        (-picked.sum() / len(x)).backward()
        start += size
    for parameter in net.parameters():
        parameter.grad = parameter.grad.clone() if parameter.requires_grad else None
