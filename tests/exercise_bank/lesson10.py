"""Answers to the exercises of lesson 10."""

import bisect

import torch
from torch.nn import functional as F

from exercise_bank.core import right, wrong

# --- paper_rate -------------------------------------------------------------------------------------------------------


@wrong("paper_rate", "no-warm-up")
def _(step):
    return 0.1 * 0.1 ** ((step >= 32_000) + (step >= 48_000))


@wrong("paper_rate", "one-late")
def _(step):
    if step <= 400:
        return 0.01
    if step <= 32_000:
        return 0.1
    return 0.01 if step <= 48_000 else 0.001


@wrong("paper_rate", "one-early")
def _(step):
    step += 1
    if step < 400:
        return 0.01
    if step < 32_000:
        return 0.1
    return 0.01 if step < 48_000 else 0.001


@wrong("paper_rate", "shifted")
def _(step):
    if step < 400:
        return 0.01
    return 0.1 * 0.1 ** ((step - 400) // 16_000 - 1 if step >= 32_400 else 0)


@wrong("paper_rate", "one-drop")
def _(step):
    return 0.01 if step < 400 or step >= 32_000 else 0.1


@wrong("paper_rate", "drops-too-far")
def _(step):
    rate = 0.1 if step >= 400 else 0.01
    if step >= 32_000:
        rate /= 10
    if step >= 48_000:
        rate /= 100
    return rate


@wrong("paper_rate", "factor-for-rate")
def _(step):
    return 0.1 if step < 400 else 1.0 if step < 32_000 else 0.1 if step < 48_000 else 0.01


@wrong("paper_rate", "stays-small")
def _(step):
    return 0.001 if step >= 48_000 else 0.01


@wrong("paper_rate", "one-drop")
def _(step):
    if step < 400:
        return 0.01
    if step < 32_000:
        return 0.1
    if step >= 32_000:
        return 0.01
    return 0.001


@wrong("paper_rate", "ramps")
def _(step):
    warm = min(1.0, step / 400)
    return warm * 0.1 * 0.1 ** ((step >= 32_000) + (step >= 48_000))


@wrong("paper_rate", "ramps")
def _(step):
    if step < 400:
        return 0.01 + 0.09 * step / 400
    return 0.1 if step < 32_000 else 0.01 if step < 48_000 else 0.001


class Scheduler:
    """As in a framework: at its milestones it divides the rate that it holds."""

    def __init__(self):
        self.rate = 0.1

    def __call__(self, step):
        if step in (32_000, 48_000):
            self.rate /= 10
        return 0.01 if step < 400 else self.rate


wrong("paper_rate", "remembers")(Scheduler())


@right("paper_rate")
def _(step):
    return [0.01, 0.1, 0.01, 0.001][bisect.bisect_right([400, 32_000, 48_000], step)]


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


@right("paper_rate")
def _(step):
    return 10.0 ** -(1 + (step < 400) + (step >= 32_000) + (step >= 48_000))


@right("paper_rate")
def _(step):
    for start, rate in ((48_000, 0.001), (32_000, 0.01), (400, 0.1)):
        if step >= start:
            return torch.tensor(rate)
    return 0.01


# --- shard ------------------------------------------------------------------------------------------------------------


@wrong("shard", "blocks")
def _(order, rank, world):
    size = len(order) // world
    return order[rank * size : rank * size + size]


@wrong("shard", "uneven")
def _(order, rank, world):
    return order[rank::world]


@wrong("shard", "front-left-out")
def _(order, rank, world):
    return order[len(order) % world + rank :: world]


@wrong("shard", "everything")
def _(order, rank, world):
    return order


@wrong("shard", "all-the-same")
def _(order, rank, world):
    return order[::world][: len(order) // world]


@wrong("shard", "the-same-front")
def _(order, rank, world):
    return order[: len(order) // world]


@wrong("shard", "counts-from-one")
def _(order, rank, world):
    equal = order[: len(order) // world * world]
    return equal[rank - 1 :: world]


@wrong("shard", "leaves-rank-out")
def _(order, rank, world):
    equal = order[: len(order) - len(order) % world]
    return equal[rank + 1 :: world]


@wrong("shard", "step-of-rank")
def _(order, rank, world):
    return order[rank :: rank + 1]


@wrong("shard", "positions")
def _(order, rank, world):
    return torch.arange(rank, len(order) // world * world, world)


@wrong("shard", "sorts")
def _(order, rank, world):
    return order[rank : len(order) // world * world : world].sort()[0]


@wrong("shard", "values-for-places")
def _(order, rank, world):
    return torch.tensor([i for i in order.tolist() if i % world == rank])


@wrong("shard", "exchanged")
def _(order, rank, world):
    return order[world::rank]


@wrong("shard", "shuffles-again")
def _(order, rank, world):
    mixed = order[torch.randperm(len(order), generator=torch.Generator().manual_seed(rank))]
    return mixed[rank : len(order) // world * world : world]


@wrong("shard", "a-list")
def _(order, rank, world):
    return order.tolist()[rank : len(order) // world * world : world]


@right("shard")
def _(order, rank, world):
    return order[: len(order) // world * world].view(-1, world)[:, rank]


@right("shard")
def _(order, rank, world):
    return order[rank::world][: len(order) // world]


@right("shard")
def _(order, rank, world):
    return torch.stack([order[rank + i * world] for i in range(len(order) // world)])


@right("shard")
def _(order, rank, world):
    keep = torch.arange(len(order)) % world == rank
    return order[keep][: len(order) // world]


# --- accumulate -------------------------------------------------------------------------------------------------------


@wrong("accumulate", "sum-of-means")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        F.cross_entropy(net(images), labels).backward()


@wrong("accumulate", "mean-of-means")
def _(net, x, y, size):
    pieces = list(zip(x.split(size), y.split(size), strict=True))
    for images, labels in pieces:
        (F.cross_entropy(net(images), labels) / len(pieces)).backward()


@wrong("accumulate", "whole-pieces-counted")
def _(net, x, y, size):
    count = len(x) // size
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        loss = F.cross_entropy(net(images), labels) / count
        loss.backward()


@wrong("accumulate", "sum-for-mean")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        F.cross_entropy(net(images), labels, reduction="sum").backward()


@wrong("accumulate", "divided-by-size")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        (F.cross_entropy(net(images), labels, reduction="sum") / size).backward()


@wrong("accumulate", "mean-divided-by-n")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        (F.cross_entropy(net(images), labels) / len(x)).backward()


@wrong("accumulate", "only-the-last")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        net.zero_grad()
        F.cross_entropy(net(images), labels).backward()


@wrong("accumulate", "only-the-last")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        for parameter in net.parameters():
            parameter.grad = None
        (F.cross_entropy(net(images), labels, reduction="sum") / len(x)).backward()


@wrong("accumulate", "only-the-first")
def _(net, x, y, size):
    for images, labels in zip(x.split(size), y.split(size), strict=True):
        (F.cross_entropy(net(images), labels, reduction="sum") / len(x)).backward()
        return


@wrong("accumulate", "last-left-out")
def _(net, x, y, size):
    for k in range(len(x) // size):
        piece = slice(k * size, (k + 1) * size)
        (F.cross_entropy(net(x[piece]), y[piece], reduction="sum") / len(x)).backward()


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
        parameter.grad = parameter.grad.clone()
