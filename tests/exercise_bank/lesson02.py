"""Answers to the exercises of lesson 02."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong, wrong_by_patch


@wrong("cross_entropy", "overflows")
def _(logits, labels):
    exp = logits.exp()
    p = exp / exp.sum(dim=1, keepdim=True)
    return -torch.log(p[range(len(labels)), labels]).mean()


@wrong("cross_entropy", "overflows")
def _(logits, labels):
    right = logits.gather(1, labels.view(-1, 1)).squeeze(1)
    return (torch.log(torch.exp(logits).sum(1)) - right).mean()


@wrong("cross_entropy", "logarithm-of-zero")
def _(logits, labels):
    p = torch.softmax(logits, dim=1)
    return F.nll_loss(p.log(), labels)


@wrong("cross_entropy", "logarithm-of-zero")
def _(logits, labels):
    p = torch.softmax(logits, dim=1).clamp(min=1e-9)
    return -p[torch.arange(len(p)), labels].log().mean()


@wrong("cross_entropy", "logarithm-of-zero")
def _(logits, labels):
    exp = torch.exp(logits - logits.amax(1, keepdim=True))
    p = exp / exp.sum(1, keepdim=True)
    return -(F.one_hot(labels, logits.shape[1]) * torch.log(p + 1e-12)).sum(1).mean()


@wrong("cross_entropy", "one-maximum-for-all")
def _(logits, labels):
    logits = logits - logits.max()
    return (logits.exp().sum(1).log() - logits[torch.arange(len(labels)), labels]).mean()


@wrong("cross_entropy", "logarithm-of-zero")
def _(logits, labels):
    log_p = (logits - logits.logsumexp(1, keepdim=True)).clamp(min=-100)
    return -log_p[torch.arange(len(labels)), labels].mean()


@wrong("cross_entropy", "large-gradient")
def _(logits, labels):
    p = logits.softmax(1)
    log_p = torch.where(p > 0, p.log(), logits - logits.amax(1, keepdim=True))
    return -log_p[torch.arange(len(labels)), labels].mean()


@wrong("cross_entropy", "squeezed")
def _(logits, labels):
    log_p = (logits - logits.logsumexp(1, keepdim=True)).squeeze()
    return -log_p[torch.arange(len(labels)), labels].mean()


@wrong("cross_entropy", "overflows")
def _(logits, labels):
    logits = logits.double()
    return (logits.exp().sum(1).log() - logits[torch.arange(len(labels)), labels]).mean()


@wrong("cross_entropy", "python-number")
def _(logits, labels):
    losses = [(torch.logsumexp(row, 0) - row[label]).item() for row, label in zip(logits, labels, strict=True)]
    return sum(losses) / len(losses)


wrong("cross_entropy", "ready-made")(lambda logits, labels: nn.CrossEntropyLoss()(logits, labels))
wrong("cross_entropy", "ready-made")(lambda z, y: -torch.special.log_softmax(z, 1)[torch.arange(len(y)), y].mean())
right("cross_entropy")(lambda z, y: (torch.logsumexp(z, dim=1) - z.gather(1, y.unsqueeze(1)).squeeze(1)).mean())


@wrong("cross_entropy", "ready-made")
def _(logits, labels):
    loss = nn.NLLLoss()
    return loss(nn.LogSoftmax(dim=1)(logits.double()), labels)


@right("cross_entropy")
def _(logits, labels):
    total = 0
    for row, label in zip(logits, labels, strict=True):
        top = row.max()
        total = total + top + torch.log(torch.sum(torch.exp(row - top))) - row[label]
    return total / len(labels)


@right("cross_entropy")
def _(logits, labels):
    target = F.one_hot(labels, logits.shape[-1]).to(logits.dtype)
    return -torch.einsum("nk,nk->", target, logits - logits.logsumexp(-1, keepdim=True)) / len(logits)


@right("cross_entropy")
def _(logits, labels):
    gaps = logits - logits[torch.arange(len(labels)), labels, None]  # how far each class is above the right one
    return torch.logsumexp(gaps.double(), dim=1).mean()


@wrong("accuracy", "max-gives-two")
def _(logits, labels):
    predicted = logits.max(dim=1)
    return (predicted == labels).sum().item() / len(labels)


wrong("accuracy", "mean-of-booleans")(lambda logits, labels: torch.mean(logits.argmax(1) == labels).item())


@right("accuracy")
def _(logits, labels):
    _, predicted = logits.max(1)
    return (predicted == labels).sum().item() / len(labels)


@right("accuracy")
def _(z, y):
    hits = 0
    for row, label in zip(z, y, strict=True):
        hits += int(row.argmax() == label)
    return hits / len(y)


right("accuracy")(lambda logits, labels: np.mean(logits.numpy().argmax(axis=1) == labels.numpy()))
right("accuracy")(lambda logits, labels: logits.topk(1).indices[:, 0].eq(labels).double().mean().item())
wrong("accuracy", "tensor-for-float")(lambda logits, labels: (logits.argmax(1) == labels).float().mean())
wrong("accuracy", "inexact")(lambda logits, labels: (logits.half().argmax(1) == labels).float().mean().item())


@right("accuracy")
def _(logits, labels):
    p = nn.Softmax(dim=1)(logits)
    return 1 - torch.count_nonzero(p.argmax(1) - labels).item() / len(labels)


@right("train_step")
def train_step(net, optimizer, x, y):
    net.train()
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(net(x), y)
    loss.backward()
    optimizer.step()
    return float(loss)


wrong_by_patch(
    "train_step",
    train_step,
    (
        "zeroes-before-the-step",
        ("optimizer.zero_grad()", "pass"),
        ("optimizer.s", "optimizer.zero_grad(); optimizer.s"),
    ),
    (
        "zeroes-before-the-step",
        ("optimizer.zero_grad()", "pass"),
        ("optimizer.step", "net.zero_grad(); optimizer.step"),
    ),
    ("no-step", ("optimizer.step()", "pass")),
    ("no-backward", ("loss.backward()", "pass")),
    ("step-before-backward", ("loss.backward()\n    optimizer.step()", "optimizer.step()\n    loss.backward()")),
    ("item-too-soon", ("(net(x), y)", "(net(x), y).item()"), ("float(loss)", "loss")),
    (
        "accuracy-for-loss",
        ("loss = nn.CrossEntropyLoss()(net(x), y)", "logits = net(x); loss = F.cross_entropy(logits, y)"),
        ("float(loss)", "(logits.argmax(1) == y).float().mean().item()"),
    ),
    ("loss-arguments-swapped", ("(net(x), y)", "(y, net(x))")),
    ("loss-class-not-built", ("CrossEntropyLoss()", "CrossEntropyLoss")),
    ("argmax-before-the-loss", ("net(x), y", "net(x).argmax(1), y")),
    ("tensor-for-float", ("float(loss)", "loss")),
    ("another-optimizer", ("net.train()", "net.train(); optimizer = torch.optim.SGD(net.parameters(), lr=0.5)")),
    ("no-backward", ("net.train()", "import copy; net = copy.deepcopy(net)")),
    ("no-backward", ("(net(x), y)", "(net(x), y).detach().requires_grad_()")),
    ("tensor-for-float", ("float(loss)", "loss.detach()")),
    ("partly-in-eval-mode", ("net.train()", "[m.train() for m in net.modules() if isinstance(m, nn.BatchNorm1d)]")),
    (
        "not-one-pass",
        ("return", "net.eval(); optimizer.zero_grad(); return"),
        ("float(loss)", "told"),
        ("net.train()", "net.eval(); told = float(F.cross_entropy(net(x), y)); net.train()"),
    ),
    ("own-settings", ("net.train()", "net.train(); [group.update(lr=0.5) for group in optimizer.param_groups]")),
    ("only-some-batches", ("net(x)", "net(x).squeeze()")),
    ("only-some-batches", ("net(x)", "net(x.view(len(x), -1))")),
    ("only-some-batches", ("(net(x), y)", "(net(x), F.one_hot(y, y.max() + 1).float() if len(y) == 1 else y)")),
    ("only-small-float32", ("net(x)", "net(x).clamp(-10, 10)")),
    ("only-small-float32", ("net(x)", "net.float()(x.float())")),
    ("only-small-float32", ("optimizer.step", "nn.utils.clip_grad_norm_(net.parameters(), 5.0); optimizer.step")),
)


@wrong("train_step", "steps-twice")
def _(net, optimizer, x, y):
    net.train()
    for image, label in zip(x, y, strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(image[None]), label[None])
        loss.backward()
        optimizer.step()
    return loss.item()


@wrong("train_step", "no-gradient-wanted")
def _(net, optimizer, x, y):
    net.train()
    with torch.no_grad():
        logits = net(x)
    loss = F.cross_entropy(logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "own-step")
def _(net, optimizer, x, y):
    net.train()
    net.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None:
                p.data = p.data - group["lr"] * p.grad
    return loss.item()


@right("train_step")
def _(model, opt, images, labels):
    before = model.training
    model.train(True)
    loss = -model(images).log_softmax(1)[torch.arange(len(labels)), labels].mean()
    for p in model.parameters():
        p.grad = None
    loss.backward()
    opt.step()
    model.train(before)
    return loss.item()


@right("train_step")
def _(net, optimizer, x, y):
    net.train()

    def closure():
        optimizer.zero_grad(set_to_none=False)
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        return loss

    return optimizer.step(closure).item()


@right("train_step")
def _(net, optimizer, x, y):
    net.train()
    logits = net(x)
    loss = sum(F.cross_entropy(z[None], k[None]) for z, k in zip(logits, y, strict=True)) / len(y)
    parameters = [p for p in net.parameters() if p.requires_grad]
    for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        p.grad = g
    optimizer.step()
    return loss.item()


@right("train_step")
def _(net, optimizer, x, y):
    net.train()
    loss = F.cross_entropy(net(x), y)
    result = loss.item()
    net.zero_grad()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    net.eval()
    return result


def _each(x, offsets, flips, padding, cut):
    """`cut` gives a window [C, H, W] from a padded image, its offsets and its flip."""
    padded = F.pad(x, [padding] * 4)
    return torch.stack([cut(padded[i], int(offsets[i, 0]), int(offsets[i, 1]), bool(flips[i])) for i in range(len(x))])


@wrong("crop_and_flip", "counted-from-the-middle")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, r, c, flip):
        window = image[:, padding + r : padding + r + h, padding + c : padding + c + w]
        return window.flip(2) if flip else window

    return _each(x, offsets, flips, padding, cut)


@wrong("crop_and_flip", "only-squares")
def _(x, offsets, flips, padding):
    side = x.shape[-1]

    def cut(image, r, c, flip):
        window = image[:, r : r + side, c : c + side]
        return window.flip(2) if flip else window

    return _each(x, offsets, flips, padding, cut)


@wrong("crop_and_flip", "changes-input")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]
    out = _each(x, offsets, flips, padding, lambda image, r, c, flip: image[:, r : r + h, c : c + w])
    for i in range(len(x)):
        x[i] = out[i].flip(-1) if flips[i] else out[i]
    return x


@right("crop_and_flip")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, r, c, flip):
        window = image[:, r : r + h, c : c + w]
        return window.flip(2) if flip else window

    return _each(x, offsets, flips, padding, cut)


@right("crop_and_flip")
def _(images, where, mirrored, margin):
    n, _, h, w = images.shape
    padded = nn.ZeroPad2d(margin)(images)
    windows = padded.unfold(2, h, 1).unfold(3, w, 1)  # [N, C, 2m + 1, 2m + 1, H, W]
    out = windows[torch.arange(n), :, where[:, 0], where[:, 1]].clone()
    out[mirrored] = torch.flip(out[mirrored], [3])
    return out


@right("crop_and_flip")
def _(x, offsets, flips, padding):
    n, c, h, w = x.shape
    out = torch.zeros(n, c, h, w, dtype=torch.float64)
    for i in range(n):
        for row in range(h):
            for column in range(w):
                r = row + int(offsets[i, 0]) - padding
                s = (w - 1 - column if flips[i] else column) + int(offsets[i, 1]) - padding
                if 0 <= r < h and 0 <= s < w:
                    out[i, :, row, column] = x[i, :, r, s]
    return out.to(x.dtype)


@wrong("crop_and_flip", "another-dtype")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]
    out = _each(x, offsets, flips, padding, lambda image, r, c, flip: image[:, r : r + h, c : c + w])
    mirrored = flips.view(-1, 1, 1, 1) * 1.0
    return mirrored * out.flip(-1) + (1 - mirrored) * out


@right("crop_and_flip")
def _(x, offsets, flips, padding):
    n, c, h, w = x.shape
    padded = F.pad(x, (padding,) * 4)
    rows = torch.arange(h) + offsets[:, :1]
    columns = torch.arange(w).expand(n, w)
    columns = torch.where(flips[:, None], columns.flip(1), columns) + offsets[:, 1:]
    batch, channel = torch.arange(n)[:, None, None, None], torch.arange(c)[None, :, None, None]
    return padded[batch, channel, rows[:, None, :, None], columns[:, None, None, :]]


@right("crop_and_flip")
def _(x, offsets, flips, padding):
    h, w = x.shape[2:]
    padded = F.pad(x, (padding,) * 4).to(memory_format=torch.channels_last)
    out = torch.empty_like(x).to(memory_format=torch.channels_last)
    for i in range(x.shape[0]):
        top, left = offsets[i]
        out[i] = padded[i].narrow(1, int(top), h).narrow(2, int(left), w)
    return torch.where(flips.view(-1, 1, 1, 1), out.flip(dims=(3,)), out)
