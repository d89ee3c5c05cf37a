"""Answers to the exercises of lesson 12."""

import copy
import io
import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from exercise_bank.core import right, wrong


@wrong("replace_head", "head-on-head")
def _(net, classes):
    other = copy.deepcopy(net)
    other.fc = nn.Sequential(other.fc, nn.Linear(net.fc.out_features, classes))
    return other


@wrong("replace_head", "loses-forward")
def _(net, classes):
    layers = list(copy.deepcopy(net).children())[:-1]
    return nn.Sequential(*layers, nn.Linear(net.fc.in_features, classes))


@wrong("replace_head", "fresh-net")
def _(net, classes):
    other = copy.deepcopy(net)
    other.fc = nn.Linear(net.fc.in_features, classes)
    for layer in other.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return other


@wrong("replace_head", "head-on-head")
def _(net, classes):
    return nn.Sequential(copy.deepcopy(net), nn.Linear(net.fc.out_features, classes))


@wrong("replace_head", "old-rows")
def _(net, classes):
    other = copy.deepcopy(net)
    other.fc = nn.Linear(net.fc.in_features, classes)
    other.fc.weight.data[: len(net.fc.weight)] = net.fc.weight.data[:classes]
    return other


@wrong("replace_head", "head-not-fresh")
def _(net, classes):
    other = copy.deepcopy(net)
    other.fc = nn.Linear(net.fc.in_features, classes)
    nn.init.zeros_(other.fc.weight)
    return other


@wrong("replace_head", "shares-weights")
def _(net, classes):
    other = copy.copy(net)
    other._modules = dict(net._modules)
    other.fc = nn.Linear(net.fc.in_features, classes)
    return other


@wrong("replace_head", "lazy-head")
def _(net, classes):
    other = copy.deepcopy(net)
    other.fc = nn.LazyLinear(classes)
    return other


@wrong("replace_head", "not-a-copy")
def _(net, classes):
    other = copy.deepcopy(net).train(net.training)
    other.fc = nn.Linear(net.fc.in_features, classes)
    return other


@right("replace_head")
def _(net, classes):
    other = copy.deepcopy(net)
    features = net.fc.weight.shape[1]
    other.fc = nn.Linear(features, classes, device=net.fc.weight.device, dtype=net.fc.weight.dtype)
    return other


@right("replace_head")
def _(net, classes):
    old, net.fc = net.fc, nn.Identity()
    other = copy.deepcopy(net)
    net.fc = old
    other.fc = nn.Linear(old.in_features, classes)
    nn.init.kaiming_normal_(other.fc.weight)
    nn.init.zeros_(other.fc.bias)
    return other


@right("replace_head")
def _(net, classes):
    other = copy.copy(net)
    other._parameters = copy.deepcopy(net._parameters)
    other._modules = {name: copy.deepcopy(child) for name, child in net.named_children() if name != "fc"}
    other.fc = nn.Linear(net.fc.in_features, classes)
    return other


@right("replace_head")
def _(net, classes):
    torch.save(net, file := io.BytesIO())
    file.seek(0)
    other = torch.load(file, weights_only=False)
    other.fc = nn.Linear(net.fc.in_features, classes)
    return other


@wrong("freeze", "body-for-head")
def _(net):
    net.eval()
    for parameter in net.fc.parameters():
        parameter.requires_grad = False
    return [parameter for parameter in net.parameters() if parameter.requires_grad]


@wrong("freeze", "freezes-a-copy")
def _(net):
    net = copy.deepcopy(net)
    net.requires_grad_(False).eval()
    net.fc.requires_grad_(True)
    return list(net.fc.parameters())


@wrong("freeze", "names-too")
def _(net):
    net.requires_grad_(False)
    net.fc.requires_grad_(True)
    net.eval()
    return [name for name, parameter in net.named_parameters() if parameter.requires_grad]


@wrong("freeze", "no-parameters")
def _(net):
    net.eval().requires_grad_(False)
    return [{"params": net.fc.requires_grad_(True).parameters()}]


@wrong("freeze", "goes-by-name")
def _(net):
    for name, parameter in net.named_parameters():
        parameter.requires_grad = name.startswith("fc")
    net.eval()
    return list(net.fc.parameters())


@wrong("freeze", "built-otherwise")
def _(net):
    for child in net.children():
        child.requires_grad_(child is net.fc).eval()
    return list(net.fc.parameters())


@right("freeze")
def _(net):
    for name, parameter in net.named_parameters():
        parameter.requires_grad = name.startswith("fc.")
    net.eval()
    return [parameter for parameter in net.parameters() if parameter.requires_grad]


@right("freeze")
def _(net):
    net.train()
    for layer in net.modules():
        if hasattr(layer, "running_mean"):
            layer.eval()
    head = list(net.fc.parameters())
    for parameter in net.parameters():
        parameter.requires_grad_(any(parameter is one for one in head))
    return head


@right("freeze")
def _(net):
    net.fc.requires_grad_(True)
    for module in net.modules():
        module.training = False
        if module is net.fc:
            continue
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad = False
    return [*net.fc.parameters()]


@right("freeze")
def _(net):
    for name, child in net.named_children():
        learns = name == "fc"
        child.train(learns)
        child.requires_grad_(learns)
    for parameter in net.parameters(recurse=False):
        parameter.requires_grad = False
    return [parameter for parameter in (net.fc.weight, net.fc.bias) if parameter is not None]


@wrong("freeze", "no-list")
def _(net):
    body = [child for child in net.children() if child is not net.fc]
    for part in body:
        part.eval()
        for parameter in part.parameters():
            parameter.requires_grad = False
    net.fc.weight.requires_grad = net.fc.bias.requires_grad = True
    return net.fc.parameters()


@wrong("grad_cam", "some-activations")
def _(activations, gradients):
    return (gradients.mean((2, 3), keepdim=True) * activations.abs()).sum(1).relu()


@wrong("grad_cam", "one-channel")
def _(activations, gradients):
    return (gradients.mean((2, 3)).squeeze()[..., None, None] * activations).sum(1).relu()


@right("grad_cam")
def _(activations, gradients):
    return torch.einsum("nc,nchw->nhw", gradients.mean((2, 3)), activations).clamp(min=0)


@right("grad_cam")
def _(activations, gradients):
    alpha = F.adaptive_avg_pool2d(gradients, 1)
    return F.relu((alpha * activations).sum(dim=1))


@right("grad_cam")
def _(activations, gradients):
    maps = []
    for a, g in zip(activations, gradients, strict=True):
        total = torch.zeros(a.shape[1:])
        for channel in range(len(a)):
            total = total + g[channel].mean() * a[channel]
        maps.append(torch.where(total > 0, total, torch.zeros_like(total)))
    return torch.stack(maps)


@right("grad_cam")
def _(activations, gradients):
    n, c, h, w = activations.shape
    alpha = gradients.reshape(n, c, h * w).mean(-1)
    return torch.bmm(alpha[:, None], activations.reshape(n, c, h * w)).reshape(n, h, w).relu()


def parts(confidence, right, bins):
    """(mean confidence, accuracy, number of images) of each part that is not empty."""
    edges = torch.linspace(0, 1, bins + 1)
    for number in range(bins):
        chosen = (confidence > edges[number]) & (confidence <= edges[number + 1])
        if chosen.any():
            yield confidence[chosen].mean().item(), right[chosen].float().mean().item(), int(chosen.sum())


@wrong("calibration_error", "not-once")
def _(confidence, right, bins=10):
    edges, error = torch.linspace(0, 1, bins + 1), 0.0
    for low, high in itertools.pairwise(edges):
        chosen = (confidence >= low) & (confidence <= high)
        if chosen.any():
            error += float(chosen.double().mean() * (confidence[chosen].mean() - right[chosen].float().mean()).abs())
    return error


@right("calibration_error")
def _(confidence, right, bins=10):
    return sum(n * abs(c - a) for c, a, n in parts(confidence, right, bins)) / len(right)


@right("calibration_error")
def _(confidence, right, bins=10):
    place = (confidence * bins).long().clamp(max=bins - 1)
    confident = torch.bincount(place, weights=confidence.double(), minlength=bins)
    correct = torch.bincount(place, weights=right.double(), minlength=bins)
    return (confident - correct).abs().sum() / len(right)


@right("calibration_error")
def _(confidence, right, bins=10):
    c, r = confidence.numpy().astype(float), right.numpy()
    place = np.digitize(c, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    return float(sum((place == b).mean() * abs(c[place == b].mean() - r[place == b].mean()) for b in np.unique(place)))


@right("calibration_error")
def _(confidence, right, bins=10):
    error, width = torch.zeros(()), 1 / bins
    for low in torch.arange(bins) * width:
        inside = (confidence >= low) & ((confidence < low + width) | (low + 1.5 * width > 1))
        if inside.sum():
            error = error + inside.sum() * abs(confidence[inside].mean() - right[inside].float().mean())
    return error / confidence.numel()
