"""Answers to the exercises of lesson 13, as learners write them."""

import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong, wrong_by_patch


@wrong("top_down", "calls-twice")
def _(coarse, fine, lateral):
    assert lateral(fine).shape[1] == coarse.shape[1]
    return coarse.repeat_interleave(2, 2).repeat_interleave(2, 3) + lateral(fine)


@wrong("top_down", "changes-input")
def _(coarse, fine, lateral):
    out = lateral(fine)
    out += F.interpolate(coarse, scale_factor=2)
    return out


@right("top_down")
def _(coarse, fine, lateral):
    return coarse.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3) + lateral(fine)


right("top_down")(lambda coarse, fine, lateral: lateral(fine) + F.interpolate(coarse, size=fine.shape[-2:]))


@right("top_down")
def _(coarse, fine, lateral):
    out = lateral(fine).clone()
    for i in (0, 1):
        for j in (0, 1):
            out[:, :, i::2, j::2] += coarse
    return out


right("top_down")(lambda coarse, fine, lateral: nn.UpsamplingNearest2d(scale_factor=2)(coarse).add(lateral(fine)))


def pairs(of):
    return lambda a, b: (
        torch.stack([torch.stack([of(p, q) for q in b]) for p in a]) if len(a) else b.new_zeros(0, len(b))
    )


def area(p):
    return (p[2] - p[0]) * (p[3] - p[1])


def shared(p, q):
    w = min(p[2], q[2]) - max(p[0], q[0])
    h = min(p[3], q[3]) - max(p[1], q[1])
    return w.clamp(min=0) * h.clamp(min=0)


@wrong("box_iou", "areas-row-by-row")
def _(a, b):
    sides = torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(a[:, None, :2], b[:, :2])
    both = sides.clamp(min=0).prod(2)
    areas = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1)
    return both / (areas - both)


@wrong("box_iou", "row-by-row")
def _(a, b):
    first, last = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    both = (last - first).clamp(min=0).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - both
    return (both / union)[:, None]


@wrong("box_iou", "no-boxes")
def _(a, b):
    return torch.stack([torch.stack([shared(p, q) / (area(p) + area(q) - shared(p, q)) for q in b]) for p in a])


@wrong("box_iou", "negative-coordinates")
def _(a, b):
    return pairs(lambda p, q: shared(p, q) / (area(p) + area(q) - shared(p, q)))(a.clamp(min=0), b.clamp(min=0))


@wrong("box_iou", "other-dtype")
@pairs
def _(p, q):
    return (shared(p, q) / (area(p) + area(q) - shared(p, q))).double()


@wrong("box_iou", "rounded")
@pairs
def _(p, q):
    return (shared(p, q) / (area(p) + area(q) - shared(p, q))).round(decimals=4)


@right("box_iou")
@pairs
def _(p, q):
    both = shared(p, q)
    return both / (area(p) + area(q) - both)


@right("box_iou")
def _(a, b):
    x1 = torch.max(a[:, 0].unsqueeze(1), b[:, 0])
    y1 = torch.max(a[:, 1].unsqueeze(1), b[:, 1])
    x2 = torch.min(a[:, 2].unsqueeze(1), b[:, 2])
    y2 = torch.min(a[:, 3].unsqueeze(1), b[:, 3])
    both = F.relu(x2 - x1) * F.relu(y2 - y1)
    areas = [(r[:, 2] - r[:, 0]) * (r[:, 3] - r[:, 1]) for r in (a, b)]
    return both / (areas[0].unsqueeze(1) + areas[1].unsqueeze(0) - both)


@right("box_iou")
def _(a, b):
    from torchvision.ops import box_iou

    return box_iou(a, b)


@right("box_iou")
def _(a, b):
    out = a.new_zeros(len(a), len(b))
    for i, p in enumerate(a.tolist()):
        for j, q in enumerate(b.tolist()):
            w, h = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
            both = max(w, 0) * max(h, 0)
            areas = [(r[2] - r[0]) * (r[3] - r[1]) for r in (p, q)]
            out[i, j] = both / (sum(areas) - both)
    return out


def ranked(scores, hits):
    return [bool(hits[i]) for i in sorted(range(len(scores)), key=lambda i: -float(scores[i]))]


@wrong("average_precision", "some-scores")
def _(scores, hits, positives):
    hits = hits[scores.abs().argsort(descending=True)].double()
    return (hits.cumsum(0) / torch.arange(1, len(hits) + 1) * hits).sum().item() / positives


@wrong("average_precision", "no-boxes")
def _(scores, hits, positives):
    hits = hits[scores.argsort(descending=True)].double()
    return (hits.cumsum(0) / torch.arange(1, len(hits) + 1) * hits).mean().item() * len(hits) / positives


@right("average_precision")
def _(scores, hits, positives):
    found, total = 0, 0.0
    for rank, hit in enumerate(ranked(scores, hits), start=1):
        if hit:
            found += 1
            total += found / rank
    return total / positives


@right("average_precision")
def _(scores, hits, positives):
    h = hits[torch.sort(scores, descending=True).indices]
    ranks = torch.nonzero(h).flatten().double() + 1
    return (torch.arange(1, len(ranks) + 1) / ranks).sum() / positives


@right("average_precision")
def _(scores, hits, positives):
    h = hits[scores.argsort(descending=True)].double()
    recall_steps = h / positives
    return float((recall_steps * h.cumsum(0) / (torch.ones_like(h).cumsum(0))).sum())


@right("average_precision")
def _(scores, hits, positives):
    total = 0.0
    for score, hit in zip(scores, hits, strict=True):
        if hit:
            above = scores >= score
            total += (hits & above).sum().item() / above.sum().item()
    return total / positives


def convolution(channels, dilation):
    return nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)


@right("SignalBlock")
class SignalBlock(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        self.a, self.b = (nn.Conv1d(channels, channels, 3, 1, dilation, dilation, bias=False) for _ in "ab")
        self.na, self.nb = nn.BatchNorm1d(channels), nn.BatchNorm1d(channels)

    def forward(self, x):
        return (x + self.nb(self.b(self.na(self.a(x)).relu()))).relu()


wrong_by_patch(
    "SignalBlock",
    SignalBlock,
    ("length-changes", ("3, 1, dilation, dilation", "3, 1, 1, dilation")),
    ("length-changes", ("3, 1, dilation, dilation", "3, 1, 0, dilation")),
    (
        "learns-nothing",
        ("nn.BatchNorm1d(channels)\n\n", "nn.BatchNorm1d(channels)\n        self.na.weight.data.zero_()\n\n"),
    ),
)


@wrong("SignalBlock", "two-dimensional")
class _(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.n = nn.BatchNorm2d(channels)

    def forward(self, x):
        return (x + self.n(self.a(x))).relu()


@right("SignalBlock")
class _(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        self.branch = nn.Sequential(
            convolution(channels, dilation),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            convolution(channels, dilation),
            nn.BatchNorm1d(channels),
        )

    def forward(self, x):
        return F.relu(self.branch(x) + x)


@right("SignalBlock")
class _(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        layers = {"kernel_size": 3, "padding": "same", "dilation": dilation, "bias": False}
        self.a, self.b = nn.Conv1d(channels, channels, **layers), nn.Conv1d(channels, channels, **layers)
        self.na, self.nb = nn.BatchNorm1d(channels), nn.BatchNorm1d(channels)

    def forward(self, x):
        out = self.na(self.a(x)).clamp(min=0)
        return torch.clamp(self.nb(self.b(out)) + x, min=0)


@right("SignalBlock")
class _(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        self.first = nn.ModuleList([convolution(channels, dilation), nn.BatchNorm1d(channels)])
        self.second = nn.ModuleList([convolution(channels, dilation), nn.BatchNorm1d(channels)])

    def forward(self, x):
        out = x
        for conv, norm in (self.first, self.second):
            out = norm(conv(out))
            out = F.relu(out if conv is self.first[0] else out + x)
        return out
