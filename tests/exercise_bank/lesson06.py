"""Answers to the exercises of lesson 06."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong

# --- residual_forward: wrong ------------------------------------------------------------------------------------------


@wrong("residual_forward", "skip-forgotten")
def _(x, branch):
    out = branch(x)
    return torch.relu(out)


@wrong("residual_forward", "skip-twice")
def _(x, branch):
    out = x + branch(x)
    out = out + x
    return out.relu()


@wrong("residual_forward", "no-relu")
def _(x, branch):
    return torch.add(x, branch(x))


@wrong("residual_forward", "relu-before-addition")
def _(x, branch):
    out = nn.ReLU()(branch(x))
    return out + x


@wrong("residual_forward", "relu-on-both")
def _(x, branch):
    return branch(x).clamp(min=0) + x.clamp(min=0)


@wrong("residual_forward", "branch-of-the-sum")
def _(x, branch):
    return F.relu(branch(2 * x))


@wrong("residual_forward", "subtracts")
def _(x, branch):
    return torch.relu(branch(x) - x)


@wrong("residual_forward", "multiplies")
def _(x, branch):
    return torch.relu(x * branch(x))


@wrong("residual_forward", "branch-forgotten")
def _(x, branch):
    return x.clamp_min(0)


@wrong("residual_forward", "relu-into-the-branch")
def _(x, branch):
    x = torch.relu(x)
    return torch.relu(x + branch(x))


@wrong("residual_forward", "changes-input")
def _(x, branch):
    x += branch(x)
    return F.relu(x)


@wrong("residual_forward", "changes-input")
def _(x, branch):
    out = branch(F.relu(x, inplace=True))
    return F.relu(out + x)


@wrong("residual_forward", "cuts-the-gradient")
def _(x, branch):
    with torch.no_grad():
        return F.relu(branch(x) + x)


@wrong("residual_forward", "branch-not-called")
def _(x, branch):
    return F.relu(branch + x)


@wrong("residual_forward", "branch-not-called")
def _(x, branch):
    return F.relu(branch) + x


@wrong("residual_forward", "layer-for-result")
def _(x, branch):
    return nn.ReLU(branch(x) + x)


@wrong("residual_forward", "prints")
def _(x, branch):
    print(F.relu(branch(x) + x))


@wrong("residual_forward", "arguments")
def _(x):
    return F.relu(x + x)


# --- residual_forward: right ------------------------------------------------------------------------------------------


@right("residual_forward")
def _(x, branch):
    out = branch(x)
    out = out + x
    return torch.relu(out)


@right("residual_forward")
def _(x, f):
    return (x + f(x)).clamp(min=0)


@right("residual_forward")
def _(x, branch):
    return nn.ReLU(inplace=True)(torch.stack([x, branch(x)]).sum(0))


@right("residual_forward")
def _(x, branch):
    total = torch.add(branch(x), x)
    return torch.where(total > 0, total, torch.zeros_like(total)).double()


# --- BasicBlock: wrong ------------------------------------------------------------------------------------------------


def _conv_norm(i, o, kernel, stride=1, **options):
    """The pair that most answers are built of."""
    convolution = nn.Conv2d(i, o, kernel, stride, padding=options.pop("padding", kernel // 2), bias=False)
    return [convolution, nn.BatchNorm2d(o)]


class _Base(nn.Module):
    """A right answer in another style; the wrong ones below change one thing."""

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


@wrong("BasicBlock", "skip-forgotten")
class _SkipForgotten(_Base):
    def forward(self, x):
        return torch.relu(self.branch(x))


@wrong("BasicBlock", "skip-twice")
class _SkipTwice(_Base):
    def forward(self, x):
        return torch.relu(self.branch(x) + 2 * self.skip(x))


@wrong("BasicBlock", "relu-before-addition")
class _ReluBeforeAddition(_Base):
    def forward(self, x):
        return torch.relu(self.branch(x)) + self.skip(x)


@wrong("BasicBlock", "relu-before-addition")
class _ReluAtTheEndOfTheBranch(_Base):
    def layers(self, i, o, stride):
        return [*super().layers(i, o, stride), nn.ReLU()]

    def forward(self, x):
        return self.branch(x) + self.skip(x)


@wrong("BasicBlock", "no-last-relu")
class _NoLastRelu(_Base):
    def forward(self, x):
        return self.branch(x) + self.skip(x)


@wrong("BasicBlock", "no-inner-relu")
class _NoInnerRelu(_Base):
    def layers(self, i, o, stride):
        return [*_conv_norm(i, o, 3, stride), *_conv_norm(o, o, 3)]


@wrong("BasicBlock", "norm-before-convolution")
class _NormBeforeConvolution(_Base):
    def layers(self, i, o, stride):
        first, norm = _conv_norm(i, o, 3, stride)
        second, another = _conv_norm(o, o, 3)
        return [first, norm, nn.ReLU(), another, second]


@wrong("BasicBlock", "stride-twice")
class _StrideTwice(_Base):
    def layers(self, i, o, stride):
        return [*_conv_norm(i, o, 3, stride), nn.ReLU(), *_conv_norm(o, o, 3, stride)]


@wrong("BasicBlock", "stride-on-neither")
class _StrideOnNeither(_Base):
    def layers(self, i, o, stride):
        return super().layers(i, o, 1)


@wrong("BasicBlock", "stride-on-second")
class _StrideOnSecond(_Base):
    def layers(self, i, o, stride):
        return [*_conv_norm(i, o, 3), nn.ReLU(), *_conv_norm(o, o, 3, stride)]


@wrong("BasicBlock", "projection-without-stride")
class _ProjectionWithoutStride(_Base):
    def projection(self, i, o, stride):
        return _conv_norm(i, o, 1)


@wrong("BasicBlock", "projection-without-norm")
class _ProjectionWithoutNorm(_Base):
    def projection(self, i, o, stride):
        return _conv_norm(i, o, 1, stride)[:1]


@wrong("BasicBlock", "projection-always")
class _ProjectionAlways(_Base):
    def changes(self, i, o, stride):
        return True


@wrong("BasicBlock", "projects-only-for-stride")
class _ProjectsOnlyForStride(_Base):
    def changes(self, i, o, stride):
        return stride != 1


@wrong("BasicBlock", "projects-only-for-channels")
class _ProjectsOnlyForChannels(_Base):
    def changes(self, i, o, stride):
        return i != o


@wrong("BasicBlock", "shared-norm")
class _SharedNorm(_Base):
    def layers(self, i, o, stride):
        norm = nn.BatchNorm2d(o)
        return [_conv_norm(i, o, 3, stride)[0], norm, nn.ReLU(), _conv_norm(o, o, 3)[0], norm]


@wrong("BasicBlock", "bias-before-norm")
class _Biases(_Base):
    def layers(self, i, o, stride):
        first, second = nn.Conv2d(i, o, 3, stride, 1), nn.Conv2d(o, o, 3, padding=1)
        return [first, nn.BatchNorm2d(o), nn.ReLU(), second, nn.BatchNorm2d(o)]


@wrong("BasicBlock", "bias-before-norm")
class _BiasesAndNoNormOnTheShortcut(_Biases):
    def projection(self, i, o, stride):
        return [nn.Conv2d(i, o, 1, stride)]


@wrong("BasicBlock", "no-projection")
class _NoProjection(_Base):
    def changes(self, i, o, stride):
        return False


@wrong("BasicBlock", "no-projection")
class _NoProjectionAndBiases(_Biases):
    def changes(self, i, o, stride):
        return False


@wrong("BasicBlock", "projection-of-three")
class _ProjectionOfThree(_Base):
    def projection(self, i, o, stride):
        return _conv_norm(i, o, 3, stride)


@wrong("BasicBlock", "projection-with-bias")
class _ProjectionWithBias(_Base):
    def projection(self, i, o, stride):
        return [nn.Conv2d(i, o, 1, stride), nn.BatchNorm2d(o)]


@wrong("BasicBlock", "projection-with-relu")
class _ProjectionWithRelu(_Base):
    def projection(self, i, o, stride):
        return [*_conv_norm(i, o, 1, stride), nn.ReLU()]


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


@wrong("BasicBlock", "option-a")
class _OptionA(_Base):
    def changes(self, i, o, stride):
        return False

    def forward(self, x):
        out = self.branch(x)
        x = x[:, :, ::2, ::2] if out.shape[2] < x.shape[2] else x
        return F.relu(out + _append(x, out.shape[1] - x.shape[1]))


@wrong("BasicBlock", "relu-in-the-branch")
class _ReluInTheBranch(_Base):
    def layers(self, i, o, stride):
        return [*super().layers(i, o, stride), nn.ReLU()]


@wrong("BasicBlock", "first-norm-forgotten")
class _FirstNormForgotten(_Base):
    def layers(self, i, o, stride):
        return [_conv_norm(i, o, 3, stride)[0], nn.ReLU(), *_conv_norm(o, o, 3)]


@wrong("BasicBlock", "second-norm-forgotten")
class _SecondNormForgotten(_Base):
    def layers(self, i, o, stride):
        return [*_conv_norm(i, o, 3, stride), nn.ReLU(), _conv_norm(o, o, 3)[0]]


@wrong("BasicBlock", "layer-for-result")
class _LayerForResult(_Base):
    def forward(self, x):
        return nn.ReLU(self.branch(x) + self.skip(x))


@wrong("BasicBlock", "no-super")
class _LayersWithoutSuper(nn.Module):
    def __init__(self, i, o, stride=1):
        self.branch = nn.Sequential(*_conv_norm(i, o, 3, stride))


@wrong("BasicBlock", "norm-forgotten")
class _NoNorms(_Base):
    def layers(self, i, o, stride):
        return [_conv_norm(i, o, 3, stride)[0], nn.ReLU(), _conv_norm(o, o, 3)[0]]


@wrong("BasicBlock", "no-padding")
class _NoPadding(_Base):
    def layers(self, i, o, stride):
        return [*_conv_norm(i, o, 3, stride, padding=0), nn.ReLU(), *_conv_norm(o, o, 3, padding=0)]


@wrong("BasicBlock", "changes-input")
class _ChangesInput(_Base):
    def forward(self, x):
        out = self.branch(x)
        x = self.skip(x)
        x += out
        return torch.relu(x)


@wrong("BasicBlock", "no-super")
class _NoSuper(nn.Module):
    def __init__(self, i, o, stride=1):
        self.stride = stride


@wrong("BasicBlock", "no-forward")
class _NoForward(nn.Module):
    def __init__(self, i, o, stride=1):
        super().__init__()
        self.branch = nn.Sequential(*_conv_norm(i, o, 3, stride), nn.ReLU(), *_conv_norm(o, o, 3))


wrong("BasicBlock", "instance-for-class")(_Base(4, 4))


# --- BasicBlock: right ------------------------------------------------------------------------------------------------

right("BasicBlock")(_Base)


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

    def __init__(self, i, o, s=1):
        super().__init__()
        self.w1, self.w2 = nn.Parameter(torch.randn(o, i, 3, 3)), nn.Parameter(torch.randn(o, o, 3, 3))
        self.w3 = nn.Parameter(torch.randn(o, i, 1, 1)) if s != 1 or i != o else None
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for _ in range(2 if self.w3 is None else 3))
        self.stride = s

    def forward(self, x):
        y = x.contiguous(memory_format=torch.channels_last)
        out = F.relu(self.norms[0](F.conv2d(y, self.w1, stride=self.stride, padding=1)))
        out = self.norms[1](F.conv2d(out, self.w2, padding=1))
        if self.w3 is not None:
            y = self.norms[2](F.conv2d(y, self.w3, stride=self.stride))
        return F.relu(out + y)


# --- pad_shortcut: wrong ----------------------------------------------------------------------------------------------


def _append(y, missing, dim=1):
    """Zeros behind y, as many as are missing along one dimension."""
    size = list(y.shape)
    size[dim] = missing
    return torch.cat((y, torch.zeros(size)), dim)


@wrong("pad_shortcut", "zeros-in-front")
def _(x, out_channels, stride):
    y = x[:, :, ::stride, ::stride]
    n, c, h, w = y.shape
    return torch.cat([torch.zeros(n, out_channels - c, h, w), y], dim=1)


@wrong("pad_shortcut", "zeros-on-both-sides")
def _(x, planes, stride):
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, planes // 4, planes // 4), "constant", 0)


@wrong("pad_shortcut", "zeros-on-both-sides")
def _(x, out_channels, stride):
    missing = out_channels - x.size(1)
    return F.pad(x[..., ::stride, ::stride], [0, 0, 0, 0, missing // 2, missing - missing // 2])


@wrong("pad_shortcut", "zeros-between")
def _(x, out_channels, stride):
    y = torch.zeros(x.shape[0], out_channels, *x[0, 0, ::stride, ::stride].shape)
    y[:, :: out_channels // x.shape[1]] = x[:, :, ::stride, ::stride]
    return y


@wrong("pad_shortcut", "copies-for-zeros")
def _(x, out_channels, stride):
    return x[:, :, ::stride, ::stride].repeat(1, out_channels // x.shape[1], 1, 1)


@wrong("pad_shortcut", "ones-for-zeros")
def _(x, out_channels, stride):
    out = torch.ones(len(x), out_channels, -(-x.shape[2] // stride), -(-x.shape[3] // stride))
    out[:, : x.shape[1]] = x[:, :, ::stride, ::stride]
    return out


@wrong("pad_shortcut", "no-new-channels")
def _(x, out_channels, stride):
    return F.max_pool2d(x, kernel_size=1, stride=stride)


@wrong("pad_shortcut", "doubles-the-channels")
def _(x, out_channels, stride):
    y = x[:, :, ::stride, ::stride]
    return torch.cat([y, torch.zeros_like(y)], 1)


@wrong("pad_shortcut", "adds-out-channels")
def _(x, out_channels, stride):
    return _append(x[:, :, ::stride, ::stride], out_channels)


@wrong("pad_shortcut", "pads-columns")
def _(x, out_channels, stride):
    y = x[:, :, ::stride, ::stride]
    return F.pad(y, (0, out_channels - y.size(1), 0, 0, 0, 0))


@wrong("pad_shortcut", "pads-rows")
def _(x, out_channels, stride):
    y = x[:, :, ::stride, ::stride]
    return _append(y, out_channels - y.size(1), dim=2)


@wrong("pad_shortcut", "appends-images")
def _(x, out_channels, stride):
    y = x[:, :, ::stride, ::stride]
    zeros = torch.zeros(y.shape[0], out_channels - y.shape[1], y.shape[2], y.shape[3])
    return torch.cat((y, zeros))


@wrong("pad_shortcut", "no-stride")
def _(x, out_channels, stride):
    return _append(x, out_channels - x.shape[1])


@wrong("pad_shortcut", "stride-always-two")
def _(x, out_channels, stride):
    return _append(x[:, :, 0::2, 0::2], out_channels - x.shape[1])


@wrong("pad_shortcut", "stride-on-rows-only")
def _(x, out_channels, stride):
    rows = torch.arange(0, x.shape[2], stride)
    return _append(x[:, :, rows], out_channels - x.shape[1])


@wrong("pad_shortcut", "stride-on-columns-only")
def _(x, out_channels, stride):
    columns = range(0, x.shape[3], stride)
    return _append(x[:, :, :, list(columns)], out_channels - x.shape[1])


@wrong("pad_shortcut", "starts-late")
def _(x, out_channels, stride):
    start = stride - 1
    return _append(x[:, :, start::stride, start::stride], out_channels - x.shape[1])


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


@wrong("pad_shortcut", "averages")
def _(x, out_channels, stride):
    return _append(nn.AvgPool2d(stride, stride)(x), out_channels - x.shape[1])


@wrong("pad_shortcut", "averages")
def _(x, out_channels, stride):
    y = F.avg_pool2d(x, stride, ceil_mode=True)
    return _append(y, out_channels - x.shape[1])


@wrong("pad_shortcut", "takes-the-largest")
def _(x, out_channels, stride):
    return _append(nn.MaxPool2d(stride)(x), out_channels - x.shape[1])


@wrong("pad_shortcut", "cuts-out-a-corner")
def _(x, out_channels, stride):
    h, w = x.shape[2:]
    return _append(x[:, :, : h // stride, : w // stride], out_channels - x.shape[1])


@wrong("pad_shortcut", "rounds-down")
def _(x, out_channels, stride):
    h, w = x.shape[2] // stride, x.shape[3] // stride
    y = x[:, :, ::stride, ::stride][:, :, :h, :w]
    return _append(y, out_channels - x.shape[1])


@wrong("pad_shortcut", "pads-only-with-a-stride")
def _(x, out_channels, stride):
    if stride > 1:
        x = x[:, :, ::stride, ::stride]
        x = _append(x, out_channels - x.shape[1])
    return x


@wrong("pad_shortcut", "strides-only-with-new-channels")
def _(x, out_channels, stride):
    missing = out_channels - x.shape[1]
    if missing == 0:
        return x
    return _append(x[:, :, ::stride, ::stride], missing)


@wrong("pad_shortcut", "cuts-the-gradient")
def _(x, out_channels, stride):
    return _append(x.detach()[:, :, ::stride, ::stride], out_channels - x.shape[1])


@wrong("pad_shortcut", "returns-nothing")
def _(x, out_channels, stride):
    _append(x[:, :, ::stride, ::stride], out_channels - x.shape[1])


@wrong("pad_shortcut", "arguments")
def _(x, stride):
    return _append(x[:, :, ::stride, ::stride], x.shape[1])


# --- pad_shortcut: right ----------------------------------------------------------------------------------------------


@right("pad_shortcut")
def _(x, out_channels, stride):
    return _append(x[:, :, ::stride, ::stride], out_channels - x.shape[1])


@right("pad_shortcut")
def _(x, planes, s):
    return F.pad(x[..., ::s, ::s], (0, 0, 0, 0, 0, planes - x.size(1)))


@right("pad_shortcut")
def _(x, out_channels, stride):
    """A convolution with fixed weights: 1 where a channel stays, else 0."""
    return F.conv2d(x, torch.eye(out_channels, x.shape[1])[:, :, None, None], stride=stride)


@right("pad_shortcut")
def _(x, out_channels, stride):
    if stride == 1 and out_channels == x.shape[1]:
        return x
    small = F.max_pool2d(x, 1, stride)
    n, c, h, w = small.shape
    out = torch.zeros(n, out_channels, h, w, dtype=x.dtype)
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


# --- projection: wrong ------------------------------------------------------------------------------------------------


@wrong("projection", "norm-forgotten")
def _(in_channels, out_channels, stride):
    return nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)


@wrong("projection", "bias-before-norm")
def _(in_channels, out_channels, stride):
    layers = [nn.Conv2d(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels)]
    return nn.Sequential(*layers)


@wrong("projection", "stride-forgotten")
def _(in_channels, out_channels, stride):
    return nn.Sequential(*_conv_norm(in_channels, out_channels, 1))


@wrong("projection", "stride-always-two")
def _(in_channels, out_channels, stride):
    return nn.Sequential(*_conv_norm(in_channels, out_channels, 1, 2))


@wrong("projection", "kernel-of-three")
class _WideProjection(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.conv, self.norm = _conv_norm(i, o, 3, s)

    def forward(self, x):
        return self.norm(self.conv(x))


@wrong("projection", "kernel-of-three-cuts-the-border")
def _(in_channels, out_channels, stride):
    return nn.Sequential(*_conv_norm(in_channels, out_channels, 3, stride, padding=0))


@wrong("projection", "kernel-as-large-as-the-stride")
def _(in_channels, out_channels, stride):
    return nn.Sequential(*_conv_norm(in_channels, out_channels, stride, stride, padding=0))


@wrong("projection", "kernel-and-stride-swapped")
def _(in_channels, out_channels, stride):
    return nn.Sequential(*_conv_norm(in_channels, out_channels, stride, 1, padding=0))


@wrong("projection", "padding")
def _(in_channels, out_channels, stride):
    return nn.Sequential(*_conv_norm(in_channels, out_channels, 1, stride, padding=1))


@wrong("projection", "relu-at-the-end")
def _(in_channels, out_channels, stride):
    net = nn.Sequential(*_conv_norm(in_channels, out_channels, 1, stride))
    net.append(nn.ReLU(inplace=True))
    return net


@wrong("projection", "norm-before-convolution")
class _NormFirst(nn.Module):
    def __init__(self, i, o, s):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(i, o, (1, 1), (s, s), bias=False), nn.BatchNorm2d(i)

    def forward(self, x):
        return self.conv(self.norm(x))


@wrong("projection", "norm-takes-in-channels")
def _(in_channels, out_channels, stride):
    conv, _ = _conv_norm(in_channels, out_channels, 1, stride)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(in_channels)))


@wrong("projection", "norm-of-vectors")
def _(in_channels, out_channels, stride):
    conv, _ = _conv_norm(in_channels, out_channels, 1, stride)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm1d(out_channels)))


@wrong("projection", "channels-swapped")
def _(out_channels, in_channels, stride):
    return nn.Sequential(*_conv_norm(in_channels, out_channels, 1, stride))


@wrong("projection", "identity-where-the-shape-stays")
def _(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Sequential()
    return nn.Sequential(*_conv_norm(in_channels, out_channels, 1, stride))


@wrong("projection", "no-module")
def _(in_channels, out_channels, stride):
    return _conv_norm(in_channels, out_channels, 1, stride)


@wrong("projection", "arguments")
def _(x, in_channels, out_channels, stride):
    return nn.Sequential(*_conv_norm(in_channels, out_channels, 1, stride))(x)


@wrong("projection", "no-module")
def _(in_channels, out_channels, stride):
    nn.Sequential(*_conv_norm(in_channels, out_channels, 1, stride))


# --- projection: right ------------------------------------------------------------------------------------------------


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
