"""Answers to the exercises of lesson 08."""

import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong


@right("multiply_adds")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    """One place after the other."""
    total = 0
    for _row in range(0, size + 2 * padding - kernel + 1, stride):
        for _column in range(0, size + 2 * padding - kernel + 1, stride):
            total += kernel * kernel * in_channels * out_channels
    return total


@right("multiply_adds")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    """It lets PyTorch say the shape."""
    conv = nn.Conv2d(in_channels, 1, kernel, stride, padding, bias=False)
    y = conv(torch.zeros(1, in_channels, size, size))
    return y.numel() * conv.weight.numel() * out_channels


@right("multiply_adds")
def _(i, o, kernel, size, stride=1, padding=0):
    return i * o * kernel * kernel * ((size - kernel + 2 * padding + stride) // stride) ** 2


@right("multiply_adds")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    """Layer by layer: what one output costs, then how many there are."""
    one_output = sum(kernel * kernel for _channel in range(in_channels))
    padded = size + 2 * padding
    sides = len(range(0, padded - kernel + 1, stride))
    return sides * sides * out_channels * one_output


@wrong("multiply_adds", "odd-kernels-only")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    """The centers of the windows: right for odd kernels."""
    centers = range(kernel // 2, size + 2 * padding - kernel // 2, stride)
    return len(centers) ** 2 * out_channels * kernel**2 * in_channels


def _conv_norm(i, o, kernel, stride=1, bias=False):
    return [nn.Conv2d(i, o, kernel, stride, kernel // 2, bias=bias), nn.BatchNorm2d(o)]


class _Base(nn.Module):
    """Branch and shortcut as two modules; the answers below change one of them."""

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.branch = self.make_branch(in_channels, channels, stride)
        self.skip = self.make_skip(in_channels, 4 * channels, stride)

    def make_branch(self, i, c, s):
        return nn.Sequential(
            *_conv_norm(i, c, 1), nn.ReLU(), *_conv_norm(c, c, 3, s), nn.ReLU(), *_conv_norm(c, 4 * c, 1)
        )

    def make_skip(self, i, o, s):
        return nn.Identity() if s == 1 and i == o else nn.Sequential(*_conv_norm(i, o, 1, s))

    def forward(self, x):
        return torch.relu(self.skip(x) + self.branch(x))


@wrong("Bottleneck", "bias-before-norm")
class _Biases(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(
            *_conv_norm(i, c, 1, bias=True),
            nn.ReLU(),
            *_conv_norm(c, c, 3, s, bias=True),
            nn.ReLU(),
            *_conv_norm(c, 4 * c, 1, bias=True),
        )


@wrong("Bottleneck", "made-in-another-order")
class _ShortcutFirst(_Base):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        branch = self.branch
        del self.branch
        self.branch = branch


@wrong("Bottleneck", "made-in-another-order")
class _NormsExchanged(_Base):
    """Each BatchNorm inside the branch follows the other one's convolution."""

    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.order = (0, 4, 2, 3, 1, 5, 6, 7)

    def forward(self, x):
        out = x
        for i in self.order:
            out = self.branch[i](out)
        return torch.relu(self.skip(x) + out)


@wrong("Bottleneck", "starts-dead")
class _StartsAtZero(_Base):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.zeros_(module.weight)


@right("Bottleneck")
class _BranchStartsAtZero(_Base):
    """Only the branch's last scale is 0 at the start, as with torchvision's zero_init_residual."""

    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        nn.init.zeros_(self.branch[-1].weight)


right("Bottleneck")(_Base)


@right("Bottleneck")
class _LineByLine(nn.Module):
    """With torchvision's names, in-place activations, and None for a shortcut that does nothing."""

    def __init__(self, inplanes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * 4, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inplanes != planes * 4:
            self.downsample = nn.Sequential(*_conv_norm(inplanes, planes * 4, 1, stride))

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


@right("Bottleneck")
class _StridedByHand(_Base):
    """The 3 x 3 convolution runs everywhere, and every second result is kept: wasteful, and the same."""

    def make_branch(self, i, c, s):
        class Every(nn.Module):
            def forward(self, x):
                return x[:, :, ::s, ::s]

        conv, norm = _conv_norm(c, c, 3)
        return nn.Sequential(*_conv_norm(i, c, 1), nn.ReLU(), conv, Every(), norm, nn.ReLU(), *_conv_norm(c, 4 * c, 1))


@right("Bottleneck")
def _(in_channels, channels, stride=1):
    """A builder."""

    class Add(nn.Module):
        def __init__(self, *paths):
            super().__init__()
            self.paths = nn.ModuleList(paths)

        def forward(self, x):
            return F.relu(sum(path(x) for path in self.paths))

    block = _Base(in_channels, channels, stride)
    return Add(block.branch, block.skip)


@right("load_torchvision")
def _(block, state):
    with torch.no_grad():
        for own, theirs in zip(block.state_dict().values(), state.values(), strict=True):
            own.copy_(theirs)


@right("load_torchvision")
def _(block, state):
    names, tensors = list(block.state_dict().keys()), list(state.values())
    renamed = {}
    for i in range(len(names)):
        renamed[names[i]] = tensors[i]
    return block.load_state_dict(renamed)


@right("load_torchvision")
def _(block, state):
    """Layer by layer."""
    layers = [m for m in block.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    for layer, prefix in zip(layers, dict.fromkeys(name.rpartition(".")[0] for name in state), strict=True):
        layer.load_state_dict({n.rpartition(".")[2]: t for n, t in state.items() if n.startswith(prefix + ".")})


@wrong("load_torchvision", "not-in-place")
def _(block, state):
    block.load_state_dict(
        {name: tensor.clone() for name, tensor in zip(block.state_dict(), state.values(), strict=True)}, assign=True
    )


@right("load_torchvision")
def _(block, state):
    """Parameters and buffers, module by module."""
    tensors = iter(state.values())
    for module in block.modules():
        for own in (*module._parameters.values(), *module._buffers.values()):
            if own is not None:
                own.data.copy_(next(tensors))
