"""Answers to the exercises of lesson 02."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong

# --- cross_entropy: wrong ---------------------------------------------------------------------------------------------


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


@wrong("cross_entropy", "sum-for-mean")
def _(logits, labels):
    total = torch.tensor(0.0)
    for row, label in zip(logits, labels, strict=True):
        total = total + torch.logsumexp(row, 0) - row[label]
    return total


@wrong("cross_entropy", "sum-for-mean")
def _(logits, labels):
    exp = logits.exp()
    p = exp / exp.sum(dim=1, keepdim=True)
    return -torch.log(p[range(len(labels)), labels]).sum()


@wrong("cross_entropy", "no-mean")
def _(logits, labels):
    return torch.logsumexp(logits, 1) - logits.gather(1, labels[:, None])[:, 0]


@wrong("cross_entropy", "mean-over-classes-too")
def _(logits, labels):
    target = torch.zeros_like(logits)
    target[range(len(labels)), labels] = 1
    return -(target * F.log_softmax(logits, dim=-1)).mean()


@wrong("cross_entropy", "softmax-over-the-batch")
def _(logits, labels):
    exp = torch.exp(logits)
    p = exp / exp.sum(0)
    return -p[range(len(labels)), labels].log().mean()


@wrong("cross_entropy", "softmax-twice")
def _(logits, labels):
    return nn.CrossEntropyLoss()(nn.Softmax(dim=1)(logits), labels)


@wrong("cross_entropy", "softmax-twice")
def _(logits, labels):
    p = logits.softmax(-1)
    return -torch.log(p.softmax(-1)[range(len(labels)), labels]).mean()


@wrong("cross_entropy", "no-softmax")
def _(logits, labels):
    return F.nll_loss(logits, labels)


@wrong("cross_entropy", "no-logarithm")
def _(logits, labels):
    return F.nll_loss(F.softmax(logits, dim=1), labels)


@wrong("cross_entropy", "probability-for-loss")
def _(logits, labels):
    exp = logits.exp()
    return (exp.gather(1, labels[:, None]) / exp.sum(1, keepdim=True)).mean()


@wrong("cross_entropy", "logarithm-of-the-mean")
def _(logits, labels):
    p = logits.softmax(1).gather(1, labels[:, None])
    return -torch.log(p.mean())


@wrong("cross_entropy", "sign")
def _(logits, labels):
    return F.log_softmax(logits, 1).gather(1, labels[:, None]).mean()


@wrong("cross_entropy", "sign")
def _(logits, labels):
    exp = logits.exp()
    return sum(torch.log(exp[i, labels[i]] / exp[i].sum()) for i in range(len(labels))) / len(labels)


@wrong("cross_entropy", "another-base")
def _(logits, labels):
    return -torch.log2(logits.softmax(1)[range(len(labels)), labels]).mean()


@wrong("cross_entropy", "every-row-with-every-label")
def _(logits, labels):
    log_p = logits - logits.logsumexp(1, keepdim=True)
    return (-log_p[:, labels]).mean()


@wrong("cross_entropy", "all-classes-count")
def _(logits, labels):
    log_p = logits - logits.logsumexp(1, keepdim=True)
    return torch.mean(-log_p)


@wrong("cross_entropy", "best-class-for-right-class")
def _(logits, labels):
    return -logits.log_softmax(1).max(dim=1).values.mean()


@wrong("cross_entropy", "maximum-not-added-back")
def _(logits, labels):
    top = logits.max(1, keepdim=True)[0]
    log_sum = (logits - top).exp().sum(1).log()
    return (log_sum - logits[range(len(labels)), labels]).mean()


@wrong("cross_entropy", "first-image-only")
def _(logits, labels):
    return logits[0].logsumexp(0) - logits[0, labels[0]]


@wrong("cross_entropy", "python-number")
def _(logits, labels):
    losses = [(torch.logsumexp(row, 0) - row[label]).item() for row, label in zip(logits, labels, strict=True)]
    return sum(losses) / len(losses)


@wrong("cross_entropy", "cuts-the-gradient")
def _(logits, labels):
    z = logits.detach().numpy().astype("float64")
    z = z - z.max(1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    return torch.tensor(-log_p[np.arange(len(z)), labels.numpy()].mean())


@wrong("cross_entropy", "changes-input")
def _(logits, labels):
    logits -= logits.max(dim=1, keepdim=True).values
    return (logits.logsumexp(1) - logits[range(len(labels)), labels]).mean()


@wrong("cross_entropy", "prints")
def _(logits, labels):
    print(F.cross_entropy(logits, labels))


# --- cross_entropy: right ---------------------------------------------------------------------------------------------


@right("cross_entropy")
def _(logits, labels):
    return F.cross_entropy(logits, labels)


@right("cross_entropy")
def _(z, y):
    return (torch.logsumexp(z, dim=1) - z.gather(1, y.unsqueeze(1)).squeeze(1)).mean()


@right("cross_entropy")
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
    return -torch.einsum("nk,nk->", target, logits.log_softmax(-1)) / logits.shape[0]


# --- accuracy: wrong --------------------------------------------------------------------------------------------------


@wrong("accuracy", "argmax-over-the-batch")
def _(logits, labels):
    _, predicted = torch.max(logits, 0)
    return (predicted == labels).double().mean().item()


@wrong("accuracy", "argmax-over-the-batch")
def _(logits, labels):
    hits = 0
    for guess, label in zip(torch.argmax(logits, dim=0), labels, strict=False):
        hits += int(guess == label)
    return hits / len(labels)


@wrong("accuracy", "argmax-of-all")
def _(logits, labels):
    return float((torch.argmax(logits) == labels).sum()) / labels.numel()


@wrong("accuracy", "every-pair")
def _(logits, labels):
    best = logits.topk(1, dim=1).indices  # [N, 1]
    return best.eq(labels).float().mean().item()


@wrong("accuracy", "count-for-part")
def _(logits, labels):
    return sum(int(row.argmax()) == int(label) for row, label in zip(logits, labels, strict=True))


@wrong("accuracy", "percent")
def _(logits, labels):
    return 100.0 * (logits.argmax(1) == labels).sum().item() / len(labels)


@wrong("accuracy", "divides-by-classes")
def _(logits, labels):
    return (logits.argmax(-1) == labels).sum().item() / logits.size(-1)


@wrong("accuracy", "divides-by-all-logits")
def _(logits, labels):
    target = F.one_hot(labels, logits.shape[1])
    best = F.one_hot(logits.argmax(1), logits.shape[1])
    return (target * best).float().mean().item()


@wrong("accuracy", "errors-for-hits")
def _(logits, labels):
    return (logits.argmax(1) != labels).float().mean().item()


@wrong("accuracy", "smallest-logit")
def _(logits, labels):
    return (logits.argsort(1)[:, 0] == labels).float().mean().item()


@wrong("accuracy", "value-for-place")
def _(logits, labels):
    best, _ = logits.max(1)
    return (best == labels).float().mean().item()


@wrong("accuracy", "max-gives-two")
def _(logits, labels):
    predicted = logits.max(dim=1)
    return (predicted == labels).sum().item() / len(labels)


@wrong("accuracy", "mean-of-booleans")
def _(logits, labels):
    return torch.mean(logits.argmax(1) == labels).item()


@wrong("accuracy", "threshold")
def _(logits, labels):
    p = F.softmax(logits, dim=1)
    hits = [p[i, labels[i]] >= 0.5 for i in range(len(labels))]
    return float(sum(hits)) / len(hits)


@wrong("accuracy", "all-or-nothing")
def _(logits, labels):
    return bool((logits.argmax(1) == labels).all())


@wrong("accuracy", "whole-division")
def _(logits, labels):
    return (logits.argmax(1) == labels).sum().item() // len(labels)


@wrong("accuracy", "rounded")
def _(logits, labels):
    hits = (logits.argmax(1) == labels).sum().item()
    return float(f"{hits / len(labels):.2f}")


@wrong("accuracy", "first-image-only")
def _(logits, labels):
    return float(logits[0].argmax() == labels[0])


@wrong("accuracy", "one-for-each-image")
def _(logits, labels):
    return torch.max(logits, 1).indices.eq(labels)


@wrong("accuracy", "one-for-each-image-as-float")
def _(logits, labels):
    return torch.max(logits, 1).indices.eq(labels).double()


@wrong("accuracy", "prints")
def _(logits, labels):
    hits = (logits.argmax(1) == labels).sum().item()
    print(f"{hits / len(labels):.1%}")


@wrong("accuracy", "returns-nothing")
def _(logits, labels):
    (logits.argmax(1) == labels).float().mean().item()


# --- accuracy: right --------------------------------------------------------------------------------------------------


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


@right("accuracy")
def _(logits, labels):
    return np.mean(logits.numpy().argmax(axis=1) == labels.numpy())


@right("accuracy")
def _(logits, labels):
    return logits.topk(1).indices[:, 0].eq(labels).double().mean()


@right("accuracy")
def _(logits, labels):
    p = nn.Softmax(dim=1)(logits)
    return 1 - torch.count_nonzero(p.argmax(1) - labels).item() / len(labels)


# --- train_step: wrong ------------------------------------------------------------------------------------------------


@wrong("train_step", "gradients-not-zeroed")
def _(net, optimizer, x, y):
    net.train()
    logits = net(x)
    loss = F.cross_entropy(logits, y)
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "zeroes-too-late")
def _(net, optimizer, x, y):
    net.train()
    loss = nn.CrossEntropyLoss()(net(x), y)
    loss.backward()
    optimizer.step()
    net.zero_grad()
    return float(loss)


@wrong("train_step", "zeroes-before-the-step")
def _(net, optimizer, x, y):
    net.train()
    loss = nn.CrossEntropyLoss()(net(x), y)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return float(loss)


@wrong("train_step", "zeroes-before-the-step")
def _(net, optimizer, x, y):
    net.train()
    loss = nn.CrossEntropyLoss()(net(x), y)
    loss.backward()
    net.zero_grad()
    optimizer.step()
    return float(loss)


@wrong("train_step", "no-step")
def _(net, optimizer, x, y):
    net.train()
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(net(x), y)
    loss.backward()
    return float(loss)


@wrong("train_step", "no-backward")
def _(net, optimizer, x, y):
    net.train()
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(net(x), y)
    optimizer.step()
    return float(loss)


@wrong("train_step", "step-before-backward")
def _(net, optimizer, x, y):
    net.train()
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(net(x), y)
    optimizer.step()
    loss.backward()
    return float(loss)


@wrong("train_step", "steps-twice")
def _(net, optimizer, x, y):
    net.train()
    for image, label in zip(x, y, strict=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(image[None]), label[None])
        loss.backward()
        optimizer.step()
    return loss.item()


@wrong("train_step", "eval-mode")
def _(net, optimizer, x, y):
    net.eval()
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "train-mode-forgotten")
def _(net, optimizer, x, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "train-mode-forgotten")
def _(net, optimizer, x, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    net.train()
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


@wrong("train_step", "item-too-soon")
def _(net, optimizer, x, y):
    net.train()
    loss = F.cross_entropy(net(x), y).item()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


@wrong("train_step", "softmax-twice")
def _(net, optimizer, x, y):
    net.train()
    probabilities = torch.softmax(net(x), dim=-1)
    loss = nn.CrossEntropyLoss()(probabilities, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "sum-for-mean")
def _(net, optimizer, x, y):
    net.train()
    loss = nn.CrossEntropyLoss(reduction="sum")(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "climbs")
def _(net, optimizer, x, y):
    net.train()
    loss = net(x).log_softmax(1).gather(1, y[:, None]).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "squared-error")
def _(net, optimizer, x, y):
    net.train()
    logits = net(x)
    loss = ((logits - torch.eye(logits.shape[1])[y]) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "first-image-only")
def _(net, optimizer, x, y):
    net.train()
    logits = net(x)
    loss = logits[0].logsumexp(0) - logits[0, y[0]]
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "loss-after-the-step")
def _(net, optimizer, x, y):
    net.train()
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
    with torch.no_grad():
        return F.cross_entropy(net(x), y).item()


@wrong("train_step", "loss-of-the-whole-batch")
def _(net, optimizer, x, y):
    net.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    return loss.item() * x.size(0)


@wrong("train_step", "accuracy-for-loss")
def _(net, optimizer, x, y):
    net.train()
    optimizer.zero_grad()
    logits = net(x)
    F.cross_entropy(logits, y).backward()
    optimizer.step()
    return (logits.argmax(1) == y).float().mean().item()


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


@wrong("train_step", "loss-arguments-swapped")
def _(net, optimizer, x, y):
    net.train()
    loss = F.cross_entropy(y, net(x))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "loss-class-not-built")
def _(net, optimizer, x, y):
    net.train()
    loss = nn.CrossEntropyLoss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "argmax-before-the-loss")
def _(net, optimizer, x, y):
    net.train()
    predicted = net(x).argmax(1)
    loss = nn.CrossEntropyLoss()(predicted, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", "keeps-the-graph")
def _(net, optimizer, x, y):
    net.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    return loss


@wrong("train_step", "prints")
def _(net, optimizer, x, y):
    net.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    print("loss", loss.item())


@wrong("train_step", "switches-gradients")
def _(net, optimizer, x, y):
    torch.set_grad_enabled(True)
    net.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    torch.set_grad_enabled(False)
    optimizer.step()
    return loss.item()


# --- train_step: right ------------------------------------------------------------------------------------------------


@right("train_step")
def _(net, optimizer, x, y):
    net.train()
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(net(x), y)
    loss.backward()
    optimizer.step()
    return float(loss)


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
    return loss.detach()


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


# --- crop_and_flip: wrong ---------------------------------------------------------------------------------------------


def _each(x, offsets, flips, padding, cut):
    """`cut` gives a window [C, H, W] from a padded image, its offsets and its flip."""
    padded = F.pad(x, [padding] * 4)
    return torch.stack([cut(padded[i], int(offsets[i, 0]), int(offsets[i, 1]), bool(flips[i])) for i in range(len(x))])


@wrong("crop_and_flip", "rows-for-columns")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, left, top, flip):
        window = image[:, top : top + h, left : left + w]
        return window.flip(-1) if flip else window

    return _each(x, offsets, flips, padding, cut)


@wrong("crop_and_flip", "upside-down")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, top, left, flip):
        window = image[:, top : top + h, left : left + w]
        return torch.flipud(window.permute(1, 2, 0)).permute(2, 0, 1) if flip else window

    return _each(x, offsets, flips, padding, cut)


@wrong("crop_and_flip", "half-a-turn")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, top, left, flip):
        window = image[:, top : top + h, left : left + w]
        return torch.rot90(window, 2, (1, 2)) if flip else window

    return _each(x, offsets, flips, padding, cut)


@wrong("crop_and_flip", "flips-the-channels")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, top, left, flip):
        window = image[:, top : top + h, left : left + w]
        return window[torch.arange(len(window) - 1, -1, -1)] if flip else window

    return _each(x, offsets, flips, padding, cut)


@wrong("crop_and_flip", "flips-before-cropping")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, top, left, flip):
        image = torch.fliplr(image.permute(1, 2, 0)).permute(2, 0, 1) if flip else image
        return image[:, top : top + h, left : left + w]

    return _each(x, offsets, flips, padding, cut)


@wrong("crop_and_flip", "ignores-flips")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]
    return _each(x, offsets, flips, padding, lambda image, r, c, flip: image[:, r : r + h, c : c + w])


@wrong("crop_and_flip", "flips-all")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]
    return _each(x, offsets, flips, padding, lambda image, r, c, flip: image[:, r : r + h, c : c + w].flip(2))


@wrong("crop_and_flip", "flips-the-others")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, r, c, flip):
        window = image[:, r : r + h, c : c + w]
        return window if flip else window.flip(2)

    return _each(x, offsets, flips, padding, cut)


@wrong("crop_and_flip", "ignores-offsets")
def _(x, offsets, flips, padding):
    out = x.clone()
    out[flips] = out[flips].flip(3)
    return out


@wrong("crop_and_flip", "one-offset-for-both")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, r, _c, flip):
        window = image[:, r : r + h, r : r + w]
        return window.flip(2) if flip else window

    return _each(x, offsets, flips, padding, cut)


@wrong("crop_and_flip", "the-other-way")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]
    out = torch.zeros_like(x)
    for i in range(len(x)):
        canvas = torch.zeros(x.shape[1], h + 2 * padding, w + 2 * padding)
        r, c = offsets[i].tolist()
        canvas[:, r : r + h, c : c + w] = x[i]
        window = canvas[:, padding : padding + h, padding : padding + w]
        out[i] = window.flip(-1) if flips[i] else window
    return out


@wrong("crop_and_flip", "counted-from-the-middle")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, r, c, flip):
        window = image[:, padding + r : padding + r + h, padding + c : padding + c + w]
        return window.flip(2) if flip else window

    return _each(x, offsets, flips, padding, cut)


@wrong("crop_and_flip", "one-for-all")
def _(x, offsets, flips, padding):
    (h, w), (r, c) = x.shape[-2:], offsets[0]
    out = F.pad(x, (padding,) * 4)[:, :, r : r + h, c : c + w]
    return out.flip(-1) if flips[0] else out


@wrong("crop_and_flip", "one-offset-for-all")
def _(x, offsets, flips, padding):
    (h, w), (r, c) = x.shape[-2:], offsets[0]
    out = F.pad(x, (padding,) * 4)[:, :, r : r + h, c : c + w].clone()
    out[flips] = out[flips].flip(-1)
    return out


@wrong("crop_and_flip", "one-flip-for-all")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]
    out = _each(x, offsets, flips, padding, lambda image, r, c, flip: image[:, r : r + h, c : c + w])
    return torch.fliplr(out.movedim(3, 1)).movedim(1, 3) if flips[0] else out


@wrong("crop_and_flip", "not-cropped")
def _(x, offsets, flips, padding):
    return _each(x, offsets, flips, padding, lambda image, r, c, flip: image.flip(2) if flip else image)


@wrong("crop_and_flip", "window-too-small")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, r, c, flip):
        window = image[:, r : r + h - 1, c : c + w - 1]
        return window.flip(2) if flip else window

    return _each(x, offsets, flips, padding, cut)


@wrong("crop_and_flip", "pads-only-the-width")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]
    padded = F.pad(x, (padding, padding))
    out = []
    for i in range(len(x)):
        r, c = offsets[i]
        window = padded[i, :, r : r + h, c : c + w]
        out.append(window.flip(-1) if flips[i] else window)
    return torch.stack(out)


@wrong("crop_and_flip", "border-repeated")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]

    def cut(image, r, c, flip):
        window = image[:, r : r + h, c : c + w]
        return window.flip(2) if flip else window

    return _each(nn.ReplicationPad2d(padding)(x), offsets, flips, 0, cut)


@wrong("crop_and_flip", "rolls")
def _(x, offsets, flips, padding):
    out = []
    for image, (r, c), flip in zip(x, offsets.tolist(), flips.tolist(), strict=True):
        moved = torch.roll(image, (padding - r, padding - c), dims=(1, 2))
        out.append(moved.flip(2) if flip else moved)
    return torch.stack(out)


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


@wrong("crop_and_flip", "numpy")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    out = np.empty_like(x.numpy())
    for i, (r, c) in enumerate(offsets.tolist()):
        window = padded[i, :, r : r + h, c : c + w]
        out[i] = window[:, :, ::-1] if flips[i] else window
    return out


@wrong("crop_and_flip", "returns-nothing")
def _(x, offsets, flips, padding):
    h, w = x.shape[-2:]
    out = _each(x, offsets, flips, padding, lambda image, r, c, flip: image[:, r : r + h, c : c + w])
    out[flips] = out[flips].flip(-1)


# --- crop_and_flip: right ---------------------------------------------------------------------------------------------


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
    return out


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
