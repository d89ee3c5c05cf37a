"""Answers to the exercises of lesson 09."""

import math

import torch

from exercise_bank.core import right, wrong


@right("path_lengths")
def _(n):
    counts = [1]
    for _ in range(n):
        counts = [a + b for a, b in zip([0, *counts], [*counts, 0], strict=True)]
    return counts


@right("path_lengths")
def _(n):
    f = math.factorial
    return [f(n) // (f(k) * f(n - k)) for k in range(n + 1)]


@right("path_lengths")
def _(n):
    result = [1]
    for k in range(n):
        result.append(result[-1] * (n - k) // (k + 1))
    return result


right("path_lengths")(lambda n: list(map(lambda k: math.comb(n, n - k), range(n + 1))))


wrong("path_lengths", "own-list")(lambda n: tuple(math.comb(n, k) for k in range(n + 1)))


@wrong("filter_normalize", "any-dimensions")
def _(direction, weights):
    norms = [t.view(len(t), -1).norm(dim=1).view(-1, *[1] * (t.ndim - 1)) for t in (direction, weights)]
    return direction / norms[0] * norms[1]


@wrong("filter_normalize", "adds-to-the-norm")
def _(direction, weights):
    dims = tuple(range(1, weights.ndim))
    mine, theirs = (((x**2).sum(dims, keepdim=True) + 1e-12).sqrt() for x in (direction, weights))
    return direction / mine * theirs


@wrong("filter_normalize", "factors-not-shaped")
def _(direction, weights):
    factors = weights.flatten(1).norm(dim=1) / direction.flatten(1).norm(dim=1)
    return direction * factors.unsqueeze(1)


@right("filter_normalize")
def _(direction, weights):
    return torch.stack([d * w.norm() / d.norm() for d, w in zip(direction, weights, strict=True)])


@right("filter_normalize")
def _(direction, weights):
    dims = tuple(range(1, weights.ndim))
    mine, theirs = ((x**2).sum(dims, keepdim=True).sqrt() for x in (direction, weights))
    return direction / mine * theirs


@right("filter_normalize")
def _(direction, weights):
    flat = direction.reshape(len(direction), -1)
    flat = flat / flat.pow(2).sum(1, keepdim=True).sqrt() * weights.reshape(len(weights), -1).norm(dim=1)[:, None]
    return flat.reshape(direction.shape)


@right("filter_normalize")
def _(direction, weights):
    result = torch.empty_like(direction)
    for i in range(direction.shape[0]):
        scale = weights[i].norm() / direction[i].norm()
        result[i] = direction[i] * scale
    return result


def per_image(x, probability):
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    return torch.bernoulli(torch.full(shape, probability))


wrong("drop_path", "drops-when-in-use")(lambda x, branch, p, training: x + per_image(x, 1 - p) * branch(x) / (1 - p))


@wrong("drop_path", "calls-twice")
def _(x, branch, p, training):
    return x + branch(x) / (1 - p) * per_image(x, 1 - p) if training else torch.lerp(x, x + branch(x), branch(x) ** 0)


@wrong("drop_path", "drops-only-in-use")
def _(x, branch, p, training):
    return x + branch(x) if training else x + per_image(x, 1 - p) * branch(x) / (1 - p)


@wrong("drop_path", "wrong-gradient")
def _(x, branch, p, training):
    out = branch(x)
    if training and p > 0:
        out.data *= per_image(x, 1 - p) / (1 - p)
    return x + out


@wrong("drop_path", "only-float32")
def _(x, branch, p, training):
    return x + (branch(x).float() * per_image(x, 1 - p) / (1 - p) if training and p > 0 else branch(x))


@wrong("drop_path", "not-independent")
def _(x, branch, p, training):
    kept = per_image(x, 1 - p)
    kept = kept if kept.any() else torch.ones_like(kept)  # one at least
    return x + (branch(x) * kept / (1 - p) if training else branch(x))


wrong("drop_path", "not-with-p")(
    lambda x, branch, p, training: x + branch(x) * (2 * per_image(x, 0.5) if training else 1)
)


@right("drop_path")
def _(x, branch, p, training):
    if not training:
        return x + branch(x)
    return x + per_image(x, 1 - p) * branch(x) / (1 - p)


@right("drop_path")
def _(x, branch, p, training):
    out = branch(x)
    if training and p > 0:
        keep = torch.rand(x.shape[0]) > p
        out = torch.where(keep.view(-1, *[1] * (x.ndim - 1)), out / (1 - p), torch.zeros_like(out))
    return x + out


@right("drop_path")
def _(x, branch, p, training):
    y = branch(x).clone()
    if training:
        for i in range(len(y)):
            y[i] = y[i] / (1 - p) if torch.rand(()) >= p else 0
    return x + y


@right("drop_path")
def _(x, branch, p, training):
    shape = [len(x)] + [1] * (x.ndim - 1)
    mask = torch.empty(shape).bernoulli_(1 - p).div_(1 - p) if training else 1.0
    return x + mask * branch(x)
