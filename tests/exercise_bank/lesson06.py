"""Answers to the exercises of lesson 06."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong

wrong("residual_forward", "branch-not-called")(lambda x, branch: F.relu(branch + x))
wrong("residual_forward", "branch-not-called")(lambda x, branch: F.relu(branch) + x)


@wrong("residual_forward", "calls-twice")
def _(x, branch):
    return torch.where(branch(x) + x > 0, branch(x) + x, torch.zeros_like(x))


@right("residual_forward")
def _(x, branch):
    out = branch(x)
    out = out + x
    return torch.relu(out)


right("residual_forward")(lambda x, f: (x + f(x)).clamp(min=0))
right("residual_forward")(lambda x, branch: nn.ReLU(inplace=True)(torch.stack([x, branch(x)]).sum(0)))


@right("residual_forward")
def _(x, branch):
    total = torch.add(branch(x), x)
    return torch.where(total > 0, total, torch.zeros_like(total)).double()


def _conv_norm(i, o, kernel, stride=1, **options):
    """The pair that most answers are built of."""
    convolution = nn.Conv2d(i, o, kernel, stride, padding=options.pop("padding", kernel // 2), bias=False)
    return [convolution, nn.BatchNorm2d(o)]


class _Base(nn.Module):
    """A right answer in another style; some wrong ones below change one thing."""

    def __init__(self, i, o, stride=1):
        super().__init__()
        self.branch = nn.Sequential(*self.layers(i, o, stride))
        changes = self.changes(i, o, stride)
        self.skip = nn.Sequential(*self.projection(i, o, stride)) if changes else nn.Sequential()

    def layers(self, i, o, stride):
        return [*_conv_norm(i, o, 3, stride), nn.ReLU(), *_conv_norm(o, o, 3)]

    def projection(self, i, o, stride):
        return _conv_norm(i, o, 1, stride)

    def changes(self, i, o, stride):
        return stride > 1 or i != o

    def forward(self, x):
        return torch.relu(self.branch(x) + self.skip(x))


@wrong("BasicBlock", "projection-made-in-forward")
class _ProjectionMadeInForward(nn.Module):
    def __init__(self, i, o, stride=1):
        super().__init__()
        self.branch = nn.Sequential(*_conv_norm(i, o, 3, stride), nn.ReLU(), *_conv_norm(o, o, 3))
        self.shape = i, o, stride

    def forward(self, x):
        out = self.branch(x)
        if out.shape != x.shape:
            x = nn.Sequential(*_conv_norm(self.shape[0], self.shape[1], 1, self.shape[2]))(x)
        return F.relu(out + x)


@wrong("BasicBlock", "hidden-layers")
class _PlainList(_Base):
    def __init__(self, i, o, stride=1):
        super().__init__(i, o, stride)
        self.parts = [self.branch, self.skip]
        del self.branch, self.skip

    def forward(self, x):
        return torch.relu(sum(part(x) for part in self.parts))


@wrong("BasicBlock", "cuts-the-gradient")
class _Detached(_Base):
    def forward(self, x):
        return super().forward(x.detach())


@wrong("BasicBlock", "returns-nothing")
class _ForgottenReturn(_Base):
    def forward(self, x):
        torch.relu(self.branch(x) + self.skip(x))


@wrong("BasicBlock", "arguments")
class _NoDefault(_Base):
    def __init__(self, i, o, stride):
        super().__init__(i, o, stride)


right("BasicBlock")(_Base)


@right("BasicBlock")
class _StartsAsIdentity(_Base):
    def __init__(self, i, o, stride=1):
        super().__init__(i, o, stride)
        nn.init.zeros_(self.branch[-1].weight)


@right("BasicBlock")
class _InOrder(nn.Module):
    """Line by line, as in many listings."""

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.norm_a, self.norm_b = nn.BatchNorm2d(planes), nn.BatchNorm2d(planes)
        self.conv_a = nn.Conv2d(in_planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.conv_b = nn.Conv2d(planes, planes, kernel_size=3, padding="same", bias=False)
        self.down = None
        if stride != 1 or in_planes != planes:
            self.down = nn.Sequential(*_conv_norm(in_planes, planes, 1, stride))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        identity = x if self.down is None else self.down(x)
        out = self.relu(self.norm_a(self.conv_a(x)))
        out = self.norm_b(self.conv_b(out))
        out += identity
        return self.relu(out)


@right("BasicBlock")
def _(in_channels, out_channels, stride=1):
    """A builder."""

    class Add(nn.Module):
        def __init__(self, *paths):
            super().__init__()
            self.paths = nn.ModuleList(paths)

        def forward(self, x):
            return sum(path(x) for path in self.paths)

    same = stride == 1 and in_channels == out_channels
    branch = nn.Sequential(
        *_conv_norm(in_channels, out_channels, 3, stride), nn.ReLU(), *_conv_norm(out_channels, out_channels, 3)
    )
    skip = nn.Identity() if same else nn.Sequential(*_conv_norm(in_channels, out_channels, 1, stride))
    return nn.Sequential(OrderedDict(sum=Add(skip, branch), act=nn.ReLU()))


@right("BasicBlock")
class _Functional(nn.Module):
    """Parameters and functions, channels last."""

    def __init__(self, i, o, stride=1):
        super().__init__()
        self.w1, self.w2 = nn.Parameter(torch.randn(o, i, 3, 3)), nn.Parameter(torch.randn(o, o, 3, 3))
        self.w3 = nn.Parameter(torch.randn(o, i, 1, 1)) if stride != 1 or i != o else None
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for _ in range(2 if self.w3 is None else 3))
        self.stride = stride

    def forward(self, x):
        y = x.contiguous(memory_format=torch.channels_last)
        out = F.relu(self.norms[0](F.conv2d(y, self.w1, stride=self.stride, padding=1)))
        out = self.norms[1](F.conv2d(out, self.w2, padding=1))
        if self.w3 is not None:
            y = self.norms[2](F.conv2d(y, self.w3, stride=self.stride))
        return F.relu(out + y)


def _append(y, missing, dim=1):
    """Zeros behind y, as many as are missing along one dimension."""
    size = list(y.shape)
    size[dim] = missing
    return torch.cat((y, y.new_zeros(size)), dim)


@wrong("pad_shortcut", "strides-the-channels")
def _(x, out_channels, stride):
    y = x[:, ::stride, ::stride]
    return _append(y, out_channels - y.shape[1])


@wrong("pad_shortcut", "strides-the-channels")
def _(x, out_channels, stride):
    missing = out_channels - x.shape[1]
    return _append(x[:, ::stride, ::stride, :], missing)


@wrong("pad_shortcut", "strides-the-channels")
def _(x, out_channels, stride):
    return _append(x[::stride, ::stride], out_channels - x.shape[1])


@wrong("pad_shortcut", "strides-the-channels")
def _(x, out_channels, stride):
    y = x[::stride, ::stride]
    return _append(y, out_channels - y.shape[1])


right("pad_shortcut")(lambda x, out_channels, stride: _append(x[:, :, ::stride, ::stride], out_channels - x.shape[1]))
right("pad_shortcut")(lambda x, planes, s: F.pad(x[..., ::s, ::s], (0, 0, 0, 0, 0, planes - x.size(1))))


@right("pad_shortcut")
def _(x, out_channels, stride):
    """A convolution with fixed weights: 1 where a channel stays, else 0."""
    eye = torch.eye(out_channels, x.shape[1], dtype=x.dtype, device=x.device)
    return F.conv2d(x, eye[:, :, None, None], stride=stride)


@right("pad_shortcut")
def _(x, out_channels, stride):
    if stride == 1 and out_channels == x.shape[1]:
        return x
    small = F.max_pool2d(x, 1, stride)
    n, c, h, w = small.shape
    out = torch.zeros(n, out_channels, h, w, dtype=x.dtype, device=x.device)
    out[:, :c] = small
    return out


@right("pad_shortcut")
def _(x, out_channels, stride):
    """Pixel by pixel, channel by channel."""
    rows = [[x[:, :, i, j] for j in range(0, x.shape[3], stride)] for i in range(0, x.shape[2], stride)]
    small = torch.stack([torch.stack(row, -1) for row in rows], -2)
    zero = torch.zeros_like(small[:, :1])
    while small.shape[1] < out_channels:
        small = torch.cat([small, zero], 1)
    return small


@wrong("projection", "no-module")
def _(in_channels, out_channels, stride):
    return _conv_norm(in_channels, out_channels, 1, stride)


@wrong("projection", "no-module")
def _(in_channels, out_channels, stride):
    nn.Sequential(*_conv_norm(in_channels, out_channels, 1, stride))


@right("projection")
def _(in_channels, out_channels, stride):
    return nn.Sequential(*_conv_norm(in_channels, out_channels, 1, stride))


@right("projection")
class _Projection(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.bn = nn.BatchNorm2d(o)
        self.conv = nn.Conv2d(i, o, kernel_size=(1, 1), stride=(s, s), bias=False)

    def forward(self, x):
        return self.bn(self.conv(x))


@right("projection")
def _(i, o, s):
    """Leaves the pixels out first: with a kernel of one pixel that is the same."""

    class Every(nn.Module):
        def forward(self, x):
            return x[:, :, ::s, ::s]

    return nn.Sequential(Every(), nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o))


@right("projection")
class _ProjectionAsAProduct(nn.Module):
    """One matrix for every pixel."""

    def __init__(self, i, o, s):
        super().__init__()
        self.weight, self.norm, self.s = nn.Parameter(torch.randn(o, i, 1, 1)), nn.BatchNorm2d(o), s

    def forward(self, x):
        return self.norm(torch.einsum("nihw,oi->nohw", x[:, :, :: self.s, :: self.s], self.weight[:, :, 0, 0]))


for place in (lambda zeros, x: zeros.to(x), lambda zeros, x: zeros.type_as(x)):

    @right("pad_shortcut")
    def _(x, out_channels, stride, place=place):
        x = x[:, :, ::stride, ::stride]
        missing = out_channels - x.shape[1]
        return torch.cat([x, place(torch.zeros(x.shape[0], missing, *x.shape[2:]), x)], 1)
