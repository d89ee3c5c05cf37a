"""Answers to the exercises of lesson 08."""

import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong

# --- multiply_adds ----------------------------------------------------------------------------------------------------


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
def _(i, o, k, n, s=1, p=0):
    return i * o * k * k * ((n - k + 2 * p + s) // s) ** 2


@right("multiply_adds")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    """Layer by layer: what one output costs, then how many there are."""
    one_output = sum(kernel * kernel for _channel in range(in_channels))
    padded = size + 2 * padding
    sides = len(range(0, padded - kernel + 1, stride))
    return sides * sides * out_channels * one_output


# --- Bottleneck: wrong ------------------------------------------------------------------------------------------------


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


@wrong("Bottleneck", "bias-before-norm")
class _BiasesEverywhere(_Biases):
    """Two mistakes at once: also in the shortcut, and the last ReLU is missing."""

    def make_skip(self, i, o, s):
        return nn.Identity() if s == 1 and i == o else nn.Sequential(*_conv_norm(i, o, 1, s, bias=True))

    def forward(self, x):
        return self.skip(x) + self.branch(x)


@wrong("Bottleneck", "made-in-another-order")
class _ShortcutFirst(_Base):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        branch = self.branch
        del self.branch
        self.branch = branch


@wrong("Bottleneck", "made-in-another-order")
class _ConvolutionsFirst(nn.Module):
    def __init__(self, i, c, s=1):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(i, c, 1, bias=False), nn.Conv2d(c, c, 3, s, 1, bias=False)
        self.conv3 = nn.Conv2d(c, 4 * c, 1, bias=False)
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm2d(c), nn.BatchNorm2d(c), nn.BatchNorm2d(4 * c)
        self.skip = nn.Sequential(*_conv_norm(i, 4 * c, 1, s)) if s > 1 or i != 4 * c else nn.Identity()

    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        return torch.relu(self.bn3(self.conv3(out)) + self.skip(x))


wrong("Bottleneck", "instance-for-class")(_Base(8, 2))


@wrong("Bottleneck", "arguments")
class _TooFew(_Base):
    def __init__(self, in_channels, channels):
        super().__init__(in_channels, channels)


# --- Bottleneck: right ------------------------------------------------------------------------------------------------

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


# --- load_torchvision: wrong ------------------------------------------------------------------------------------------


@wrong("load_torchvision", "goes-by-sorted-names")
def _(block, state):
    block.load_state_dict(dict(zip(sorted(block.state_dict()), map(state.get, sorted(state)), strict=True)))


@wrong("load_torchvision", "names-not-changed")
def _(block, state):
    block.load_state_dict(state)


@wrong("load_torchvision", "lists-not-aligned")
def _(block, state):
    with torch.no_grad():
        for parameter, tensor in zip(block.parameters(), state.values(), strict=False):
            parameter.copy_(tensor)


@wrong("load_torchvision", "shares-memory")
def _(block, state):
    block.load_state_dict(dict(zip(block.state_dict(), state.values(), strict=True)), assign=True)


@wrong("load_torchvision", "changes-input")
def _(block, state):
    for own, theirs in zip(list(block.state_dict()), list(state), strict=True):
        state[own] = state.pop(theirs)
    block.load_state_dict(state)


@wrong("load_torchvision", "changes-input")
def _(block, state):
    """The other way round."""
    for own, theirs in zip(block.state_dict().values(), state.values(), strict=True):
        theirs.copy_(own)


# --- load_torchvision: right ------------------------------------------------------------------------------------------


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


@right("load_torchvision")
def _(block, state):
    block.load_state_dict(
        {name: tensor.clone() for name, tensor in zip(block.state_dict(), state.values(), strict=True)}, assign=True
    )
