"""Answers to the exercises of lesson 08."""

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong

# --- multiply_adds ----------------------------------------------------------------------------------------------------


def _out(size, kernel, stride, padding):
    return math.floor((size - kernel + 2 * padding) / stride) + 1


@wrong("multiply_adds", "counts-weights")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    return nn.Conv2d(in_channels, out_channels, kernel, bias=False).weight.numel()


@wrong("multiply_adds", "side-of-the-input")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    return size * size * in_channels * out_channels * kernel * kernel


@wrong("multiply_adds", "ignores-kernel-and-padding")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    return in_channels * out_channels * (size // stride * kernel) ** 2


@wrong("multiply_adds", "ignores-stride")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    return _out(size, kernel, 1, padding) ** 2 * in_channels * out_channels * kernel**2


@wrong("multiply_adds", "ignores-padding")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    return _out(size, kernel, stride, 0) ** 2 * in_channels * out_channels * kernel**2


@wrong("multiply_adds", "pads-one-side")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    side = 1 + (size + padding - kernel) // stride
    return side * side * in_channels * out_channels * kernel**2


@wrong("multiply_adds", "rounds-up")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    side = math.ceil((size + 2 * padding - kernel) / stride) + 1
    return side**2 * in_channels * out_channels * kernel**2


@wrong("multiply_adds", "side-without-one")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    return (_out(size, kernel, stride, padding) - 1) ** 2 * in_channels * out_channels * kernel**2


@wrong("multiply_adds", "one-row")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    return _out(size, kernel, stride, padding) * in_channels * out_channels * kernel**2


@wrong("multiply_adds", "kernel-not-squared")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    return _out(size, kernel, stride, padding) ** 2 * in_channels * out_channels * kernel


@wrong("multiply_adds", "one-input-channel")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    return _out(size, kernel, stride, padding) ** 2 * out_channels * kernel**2


@wrong("multiply_adds", "kernel-forgotten")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    return _out(size, kernel, stride, padding) ** 2 * out_channels * in_channels


@wrong("multiply_adds", "counts-additions-too")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    flops = 2 * in_channels * out_channels * kernel**2
    return flops * _out(size, kernel, stride, padding) ** 2


@wrong("multiply_adds", "counts-a-bias")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    outputs = _out(size, kernel, stride, padding) ** 2 * out_channels
    return outputs * in_channels * kernel**2 + outputs


@wrong("multiply_adds", "one-output-channel")
def _(in_channels, out_channels, kernel, size, stride=1, padding=0):
    return _out(size, kernel, stride, padding) ** 2 * in_channels * kernel**2


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


def _conv_norm(i, o, kernel, stride=1, padding=None, bias=False):
    padding = kernel // 2 if padding is None else padding
    return [nn.Conv2d(i, o, kernel, stride, padding, bias=bias), nn.BatchNorm2d(o)]


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


@wrong("Bottleneck", "skip-forgotten")
class _Plain(_Base):
    def forward(self, x):
        return torch.relu(self.branch(x))


@wrong("Bottleneck", "skip-twice")
class _Twice(_Base):
    def forward(self, x):
        skip = self.skip(x)
        return torch.relu(skip + self.branch(x) + skip)


@wrong("Bottleneck", "relu-before-addition")
class _ReluFirst(_Base):
    def forward(self, x):
        return self.skip(x) + torch.relu(self.branch(x))


@wrong("Bottleneck", "relu-on-both")
class _ReluAfterEveryNorm(_Base):
    def forward(self, x):
        return torch.relu(self.skip(x) + torch.relu(self.branch(x)))


@wrong("Bottleneck", "no-last-relu")
class _NoLastRelu(_Base):
    def forward(self, x):
        return self.skip(x) + self.branch(x)


@wrong("Bottleneck", "no-first-relu")
class _NoFirstRelu(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(*_conv_norm(i, c, 1), *_conv_norm(c, c, 3, s), nn.ReLU(), *_conv_norm(c, 4 * c, 1))


@wrong("Bottleneck", "no-second-relu")
class _NoSecondRelu(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(*_conv_norm(i, c, 1), nn.ReLU(), *_conv_norm(c, c, 3, s), *_conv_norm(c, 4 * c, 1))


@wrong("Bottleneck", "no-inner-relu")
class _NoInnerRelu(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(*_conv_norm(i, c, 1), *_conv_norm(c, c, 3, s), *_conv_norm(c, 4 * c, 1))


@wrong("Bottleneck", "stride-on-first")
class _V1(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(
            *_conv_norm(i, c, 1, s), nn.ReLU(), *_conv_norm(c, c, 3), nn.ReLU(), *_conv_norm(c, 4 * c, 1)
        )


@wrong("Bottleneck", "stride-on-last")
class _StrideLast(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(
            *_conv_norm(i, c, 1), nn.ReLU(), *_conv_norm(c, c, 3), nn.ReLU(), *_conv_norm(c, 4 * c, 1, s)
        )


@wrong("Bottleneck", "stride-twice")
class _StrideTwice(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(
            *_conv_norm(i, c, 1, s), nn.ReLU(), *_conv_norm(c, c, 3, s), nn.ReLU(), *_conv_norm(c, 4 * c, 1)
        )


@wrong("Bottleneck", "stride-on-one-path")
class _StrideOnNeither(_Base):
    def make_branch(self, i, c, s):
        return super().make_branch(i, c, 1)


@wrong("Bottleneck", "stride-on-one-path")
class _ProjectionWithoutStride(_Base):
    def make_skip(self, i, o, s):
        return nn.Identity() if s == 1 and i == o else nn.Sequential(*_conv_norm(i, o, 1))


@wrong("Bottleneck", "projection-without-norm")
class _ProjectionWithoutNorm(_Base):
    def make_skip(self, i, o, s):
        return nn.Identity() if s == 1 and i == o else _conv_norm(i, o, 1, s)[0]


@wrong("Bottleneck", "projection-always")
class _ProjectionAlways(_Base):
    def make_skip(self, i, o, s):
        return nn.Sequential(*_conv_norm(i, o, 1, s))


@wrong("Bottleneck", "projection-always")
class _ComparesWithTheNarrowPart(_Base):
    """As in the basic block of lesson 06."""

    def make_skip(self, i, o, s):
        return nn.Identity() if s == 1 and i == o // 4 else nn.Sequential(*_conv_norm(i, o, 1, s))


@wrong("Bottleneck", "projects-only-for-stride")
class _OnlyForStride(_Base):
    def make_skip(self, i, o, s):
        return nn.Sequential(*_conv_norm(i, o, 1, s)) if s > 1 else nn.Identity()


@wrong("Bottleneck", "projects-only-for-channels")
class _OnlyForChannels(_Base):
    def make_skip(self, i, o, s):
        return nn.Sequential(*_conv_norm(i, o, 1, s)) if i != o else nn.Identity()


@wrong("Bottleneck", "never-projects")
class _NeverProjects(_Base):
    def make_skip(self, i, o, s):
        return nn.Identity()


@wrong("Bottleneck", "no-expansion")
class _NoExpansion(_Base):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.skip = self.make_skip(in_channels, channels, stride)

    def make_branch(self, i, c, s):
        return nn.Sequential(*_conv_norm(i, c, 1), nn.ReLU(), *_conv_norm(c, c, 3, s), nn.ReLU(), *_conv_norm(c, c, 1))


@wrong("Bottleneck", "expands-early")
class _ExpandsEarly(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(
            *_conv_norm(i, c, 1), nn.ReLU(), *_conv_norm(c, 4 * c, 3, s), nn.ReLU(), *_conv_norm(4 * c, 4 * c, 1)
        )


@wrong("Bottleneck", "not-narrowed")
class _NotNarrowed(_Base):
    def make_branch(self, i, c, s):
        w = 4 * c
        return nn.Sequential(*_conv_norm(i, w, 1), nn.ReLU(), *_conv_norm(w, w, 3, s), nn.ReLU(), *_conv_norm(w, w, 1))


@wrong("Bottleneck", "all-three-by-three")
class _AllThree(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(
            *_conv_norm(i, c, 3), nn.ReLU(), *_conv_norm(c, c, 3, s), nn.ReLU(), *_conv_norm(c, 4 * c, 3)
        )


@wrong("Bottleneck", "all-one-by-one")
class _AllOne(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(
            *_conv_norm(i, c, 1), nn.ReLU(), *_conv_norm(c, c, 1, s), nn.ReLU(), *_conv_norm(c, 4 * c, 1)
        )


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


@wrong("Bottleneck", "norm-forgotten")
class _NoNorms(_Base):
    def make_branch(self, i, c, s):
        convs = (_conv_norm(i, c, 1)[0], _conv_norm(c, c, 3, s)[0], _conv_norm(c, 4 * c, 1)[0])
        return nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU(), convs[2])


@wrong("Bottleneck", "no-last-norm")
class _NoLastNorm(_Base):
    def make_branch(self, i, c, s):
        return super().make_branch(i, c, s)[:-1]


@wrong("Bottleneck", "shared-norm")
class _SharedNorm(_Base):
    def make_branch(self, i, c, s):
        branch = super().make_branch(i, c, s)
        branch[4] = branch[1]
        return branch


@wrong("Bottleneck", "no-padding")
class _NoPadding(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(
            *_conv_norm(i, c, 1), nn.ReLU(), *_conv_norm(c, c, 3, s, 0), nn.ReLU(), *_conv_norm(c, 4 * c, 1)
        )


@wrong("Bottleneck", "pads-one-by-one")
class _PadsAll(_Base):
    def make_branch(self, i, c, s):
        return nn.Sequential(
            *_conv_norm(i, c, 1, 1, 1), nn.ReLU(), *_conv_norm(c, c, 3, s), nn.ReLU(), *_conv_norm(c, 4 * c, 1, 1, 1)
        )


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


@wrong("load_torchvision", "nothing-loaded")
def _(block, state):
    block.load_state_dict(state, strict=False)


@wrong("load_torchvision", "nothing-loaded")
def _(block, state):
    block = copy.deepcopy(block)
    block.load_state_dict(dict(zip(block.state_dict(), state.values(), strict=True)))
    return block


@wrong("load_torchvision", "nothing-loaded")
def _(block, state):
    """`.state_dict()` is a new dict: what is put into it does not reach the block."""
    own = block.state_dict()
    for name, tensor in zip(list(own), state.values(), strict=True):
        own[name] = tensor


@wrong("load_torchvision", "nothing-loaded")
def _(block, state):
    for own, tensor in zip(block.state_dict().values(), state.values(), strict=True):
        own = tensor  # noqa: F841


@wrong("load_torchvision", "statistics-forgotten")
def _(block, state):
    weights = [t for name, t in state.items() if name.rpartition(".")[2] in ("weight", "bias")]
    with torch.no_grad():
        for parameter, tensor in zip(block.parameters(), weights, strict=True):
            parameter.copy_(tensor)


@wrong("load_torchvision", "counter-forgotten")
def _(block, state):
    pairs = zip(block.state_dict(), state.values(), strict=True)
    block.load_state_dict({name: t for name, t in pairs if t.ndim}, strict=False)


@wrong("load_torchvision", "convolutions-only")
def _(block, state):
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    weights = [t for t in state.values() if t.ndim == 4]
    for conv, weight in zip(convs, weights, strict=True):
        conv.weight.data = weight.clone()


@wrong("load_torchvision", "norms-only")
def _(block, state):
    own = block.state_dict()
    for name, tensor in zip(own, state.values(), strict=True):
        if tensor.ndim < 2:
            own[name].copy_(tensor)


@wrong("load_torchvision", "shortcut-forgotten")
def _(block, state):
    names = list(block.state_dict())
    branch = {name: t for name, (key, t) in zip(names, state.items(), strict=True) if "downsample" not in key}
    block.load_state_dict(branch, strict=False)


@wrong("load_torchvision", "goes-by-shape")
def _(block, state):
    renamed = {}
    for name, tensor in block.state_dict().items():
        renamed[name] = next(given for given in state.values() if given.shape == tensor.shape)
    block.load_state_dict(renamed)


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
