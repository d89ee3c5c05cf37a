"""Answers to the exercises of lesson 07."""

import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong
from resnet_edu import models


def _layers(depth, n=None):
    """(in, out) of every convolution, from the stem on."""
    n = (depth - 2) // 6 if n is None else n
    pairs = [(3, 16), *[(16, 16)] * (2 * n)]
    pairs += [(16, 32), *[(32, 32)] * (2 * n - 1)]
    pairs += [(32, 64), *[(64, 64)] * (2 * n - 1)]
    return pairs


wrong("count_parameters", "only-the-two-examples")(lambda depth: {20: 269722, 56: 853018}[depth])
wrong("count_parameters", "only-the-two-examples")(lambda depth: 269_722 if depth == 20 else 853_018)
wrong("count_parameters", "in-proportion-to-depth")(lambda depth: depth * 269722 // 20)
right("count_parameters")(lambda depth: sum(9 * a * b + 2 * b for a, b in _layers(depth)) + 650)


@right("count_parameters")
def _(depth):
    """In closed form."""
    n = (depth - 2) // 6
    return 97216 * n - 21926


right("count_parameters")(lambda depth: models.count_parameters(models.CifarNet(depth, residual=True)))


@right("count_parameters")
def _(depth):
    """Real layers, one after the other, and none of them runs."""
    width, layers = 3, []
    for number in range(depth - 1):
        before, width = width, 16 * 2 ** max(0, (number - 1) // ((depth - 2) // 3))
        layers += [nn.Conv2d(before, width, 3, bias=False, device="meta"), nn.BatchNorm2d(width, device="meta")]
    layers.append(nn.Linear(width, 10, device="meta"))
    return sum(p.numel() for layer in layers for p in layer.parameters())


@right("count_parameters")
def _(depth):
    def conv(a, b):
        return 9 * a * b + 2 * b

    def stage(a, b, blocks):
        return conv(a, b) + conv(b, b) + stage(b, b, blocks - 1) if blocks else 0

    n = depth // 6
    return conv(3, 16) + stage(16, 16, n) + stage(16, 32, n) + stage(32, 64, n) + nn.Linear(64, 10).weight.numel() + 10


@wrong("same_start", "compares-tensors-as-numbers")
def _(net_a, net_b):
    for p, q in zip(net_a.parameters(), net_b.parameters(), strict=False):  # noqa: SIM110
        if p != q:
            return False
    return True


@wrong("same_start", "stops-at-nets-of-two-lengths")
def _(net_a, net_b):
    return all(torch.equal(p, q) for p, q in zip(net_a.parameters(), net_b.parameters(), strict=True))


@wrong("same_start", "stops-at-nets-of-two-lengths")
def _(net_a, net_b):
    b = list(net_b.parameters())
    return all(torch.equal(p, b[i]) for i, p in enumerate(net_a.parameters()))


@wrong("same_start", "broadcasts")
def _(net_a, net_b):
    return all((p == q).all() for p, q in zip(net_a.parameters(), net_b.parameters(), strict=True))


@wrong("same_start", "broadcasts")
def _(net_a, net_b):
    differences = [(p - q).abs().max() for p, q in zip(net_a.parameters(), net_b.parameters(), strict=False)]
    return max(differences).item() == 0


@wrong("same_start", "draws")
def _(net_a, net_b):
    x = torch.rand(2, next(net_a.parameters()).shape[1])
    return torch.equal(net_a(x), net_b(x))


@wrong("same_start", "changes-input")
def _(net_a, net_b):
    net_b.load_state_dict(net_a.state_dict(), strict=False)
    with torch.no_grad():
        for p in net_a.parameters():
            p += 1
    return True


@wrong("same_start", "stops-at-two-shapes")
def _(net_a, net_b):
    pairs = zip(net_a.parameters(), net_b.parameters(), strict=False)
    return all(torch.stack([p, q]).std(0, unbiased=False).max().item() == 0 for p, q in pairs)


@right("same_start")
def _(net_a, net_b):
    a, b = list(net_a.parameters()), list(net_b.parameters())
    if len(a) != len(b):
        return False
    for p, q in zip(a, b, strict=True):  # noqa: SIM110
        if p.shape != q.shape or (p != q).any():
            return False
    return True


@right("same_start")
def _(net_a, net_b):
    return [p.tolist() for p in net_a.parameters()] == [q.tolist() for q in net_b.parameters()]


@right("same_start")
def _(net_a, net_b):
    a, b = dict(net_a.named_parameters()), dict(net_b.named_parameters())
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@right("same_start")
def _(net_a, net_b):
    def as_bytes(net):
        return [(tuple(p.shape), p.detach().numpy().tobytes()) for p in net.parameters()]

    return as_bytes(net_a) == as_bytes(net_b)


@right("same_start")
def _(net_a, net_b):
    try:
        same = [torch.equal(p, q) for p, q in zip(net_a.parameters(), net_b.parameters(), strict=True)]
    except ValueError:
        return False
    return torch.tensor(same).all()


class _Block(nn.Module):
    """A right block in another style than the course's; some wrong ones below change one thing."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.stride, self.extra = stride, o - i

    def shortcut(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        return torch.cat([x, x.new_zeros(len(x), self.extra, *x.shape[2:])], 1) if self.extra else x

    def forward(self, x):
        out = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (out + self.shortcut(x)).relu()


class _Net(nn.Module):
    block = _Block
    n = 3

    def __init__(self, num_classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, kernel_size=3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.stage1 = self.stage(16, 16, 1)
        self.stage2 = self.stage(16, 32, 2)
        self.stage3 = self.stage(32, 64, 2)
        self.linear = nn.Linear(64, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")

    def stage(self, i, o, stride):
        return nn.Sequential(self.block(i, o, stride), *(self.block(o, o, 1) for _ in range(self.n - 1)))

    def features(self, x):
        return self.stage3(self.stage2(self.stage1(self.bn(self.conv(x)).relu())))

    def forward(self, x):
        return self.linear(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1))


def _with(block):
    return type(f"_NetOf{block.__name__}", (_Net,), {"block": block})


@wrong("ResNet20", "hidden-layers")
class _PlainLists(_Net):
    def stage(self, i, o, stride):
        return [self.block(i, o, stride), self.block(o, o, 1), self.block(o, o, 1)]

    def features(self, x):
        x = torch.relu(self.bn(self.conv(x)))
        for block in self.stage1 + self.stage2 + self.stage3:
            x = block(x)
        return x


@wrong("ResNet20", "hidden-layers")
class _LayersInForward(_Net):
    def forward(self, x):
        x = self.features(x)
        return nn.Linear(64, self.linear.out_features)(x.mean(dim=(2, 3)))


@wrong("ResNet20", "stem-of-imagenet")
class _ImageNetStem(_Net):
    def __init__(self, num_classes=10):
        super().__init__(num_classes)
        self.conv = nn.Conv2d(3, 16, 7, 2, 3, bias=False)
        self.pool = nn.MaxPool2d(3, 2, 1)

    def features(self, x):
        return self.stage3(self.stage2(self.stage1(self.pool(self.bn(self.conv(x)).relu()))))


@wrong("ResNet20", "projections-without-norm")
@_with
class _BareProjection(_Block):
    def __init__(self, i, o, stride):
        super().__init__(i, o, stride)
        if i != o:
            self.shortcut = nn.Conv2d(i, o, 1, stride, bias=False)


@wrong("ResNet20", "returns-nothing")
@_with
class _ForgottenReturn(_Block):
    def forward(self, x):
        super().forward(x)


right("ResNet20")(_Net)
right("ResNet20")(lambda num_classes=10: models.CifarNet(20, residual=True, num_classes=num_classes))


@right("ResNet20")
def _(num_classes=10):
    """A builder: one nn.Sequential."""
    plan = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding="same", bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)),
        *(_Block(*one) for one in plan),
        *(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(64, num_classes)),
    )


@right("ResNet20")
class _Flat(nn.Module):
    """Without a class for the block: nineteen convolutions and nineteen norms, by number. Norms begin at zero."""

    def __init__(self, num_classes=10):
        super().__init__()
        widths = [16] * 7 + [32] * 6 + [64] * 6
        self.convs = nn.ModuleDict()
        self.norms = nn.ParameterList()
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        for number, (a, b) in enumerate(zip([3, *widths], widths, strict=False)):
            self.convs[f"conv{number}"] = nn.Conv2d(a, b, 3, 2 if 3 < a < b else 1, 1, bias=False)
        for bn in self.bns[2::2]:
            nn.init.zeros_(bn.weight)
        self.head = nn.Linear(64, num_classes)

    def layer(self, number, x):
        return self.bns[number](self.convs[f"conv{number}"](x))

    def forward(self, x):
        x = self.layer(0, x).relu_()
        for number in range(1, 19, 2):
            out = self.layer(number + 1, self.layer(number, x).relu_())
            keep = torch.zeros_like(out)
            step = 1 if x.shape == out.shape else 2
            keep[:, : x.shape[1]] = x[..., ::step, ::step]
            x = F.relu(out + keep)
        return self.head(x.flatten(2).mean(-1))
