"""The exercises of lesson 12: a new head, a frozen body, the Grad-CAM map, and the expected calibration error."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
import copy
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from resnet_edu.exercises.cases import call, fits, float64, integers, names_changed, normal, snapshot
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.faults import Fault
from resnet_edu.exercises.writing import raises

# --- a new head -------------------------------------------------------------------------------------------------------


def replace_head(net, classes):
    """A copy of `net` with a fresh linear layer `fc` for `classes` classes; `net` stays as it is."""
    copied = copy.deepcopy(net)
    copied.fc = nn.Linear(net.fc.in_features, classes)
    return copied


class _Net(nn.Module):
    """Convolution and BatchNorm, the same inside a block, and a head: small enough to be inspected completely."""

    def __init__(self, features: int = 6, classes: int = 3) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, features, 3, bias=False)
            self.norm = nn.BatchNorm2d(features)
            self.block = nn.Sequential(nn.Conv2d(features, features, 1, bias=False), nn.BatchNorm2d(features))
            self.neck, self.fc = nn.Identity(), nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.neck(self.block(self.norm(self.conv(x)).relu()).relu().mean((2, 3))))


def _trained(features: int = 6, classes: int = 3) -> _Net:
    """One whose body is no longer a fresh one."""
    net = _Net(features, classes)
    with torch.no_grad():
        net.conv.weight.mul_(1.5)
        net.norm.weight.fill_(1.5)
        net.state_dict()["norm.running_mean"].fill_(0.25)
    return net


def _other():
    """One with fc first, a block nested deeper, and other kinds of layers; partly frozen, partly in eval mode."""
    net = _trained(classes=6)
    net.block, net.neck, net.scale = nn.Sequential(net.block), nn.BatchNorm1d(6), nn.Parameter(torch.ones(6))
    net.linear = copy.deepcopy(net.fc)
    net._modules = {"fc": net.fc, **net._modules}
    net.scale.grad = torch.ones(6)
    net.conv.requires_grad_(False)
    net.norm.eval()
    return net


_IMAGES = normal(4, 3, 5, 5, seed=3)


def _head_of(fresh: Callable[[], _Net], classes: int, words: str, alone: tuple[str, str] | None = None) -> Case:
    def run(answer: Any) -> Any:
        net = fresh()
        before, head = snapshot(net), [parameter.detach().clone() for parameter in net.fc.parameters()]
        fits(answer, net, classes)
        made = answer(net, classes)
        if not isinstance(made, nn.Module):
            raise Fault("no-module", f"it should return a network, but yours returns a {type(made).__name__}.")
        if isinstance(made, nn.Sequential):
            if any(isinstance(part, _Net) for part in made):
                raise Fault("head-on-head", "it adds a layer after the network. Replace the old head.")
            raise Fault("loses-forward", "it chains the layers, which loses what `forward` does between them.")
        new = getattr(made, "fc", None)
        if isinstance(new, nn.Sequential):
            raise Fault("head-on-head", "its fc is a chain of layers, not a single linear layer.")
        if not isinstance(new, nn.Linear):
            raise Fault("no-fc", "the network that it returns has no linear layer named fc.")
        if isinstance(new, nn.LazyLinear):
            raise Fault("lazy-head", "its head has no weights yet: give it its number of inputs.")
        again = answer(net, classes).fc
        if again is new:
            raise Fault("shared-between-calls", "two calls return the same head. Create a new one in each call.")
        if any(torch.equal(a[: len(b)], b[: len(a)]) for a, b in zip(new.parameters(), head, strict=False)):
            raise Fault("old-rows", "its fc has the old head's numbers, but class 0 is now a different class.")
        if torch.equal(new.weight, again.weight) or not 0 < new.weight.std() < 3 * new.in_features**-0.5:
            raise Fault("head-not-fresh", "its head does not have small, random weights, drawn anew in each call.")
        theirs = {tensor.data_ptr() for tensor in net.state_dict().values()}
        if shared := [name for name, tensor in made.state_dict().items() if tensor.data_ptr() in theirs]:
            raise Fault("shares-weights", f"its copy shares {shared[0]} with net, so training one trains both.")
        other = [name for name in names_changed(before, snapshot(made)) if not re.search(r"^fc\.|\.grad$", name)]
        return {
            "the head's inputs and outputs": [new.in_features, new.out_features],
            "the head has a bias": new.bias is not None,
            "changed in net itself": names_changed(before, snapshot(net)),
            "not as in net": other,
            "frozen in the head": sorted(name for name, p in new.named_parameters() if not p.requires_grad),
            "logits": list(made.eval()(_IMAGES.clone()).shape),
        }

    return Case(f"{{name}}(net, {classes}), with {words}", run, alone)


def _exchanges_the_head_of_net(answer: Any) -> bool:
    net = _Net(64)
    head = net.fc
    answer(net, 4)
    return net.fc is not head


def _renews_the_body(answer: Any) -> bool:
    """Every convolution has other numbers."""
    net = _trained()
    made = answer(net, 3).state_dict()
    return not any(torch.equal(one, made[name]) for name, one in net.state_dict().items() if one.ndim == 4)


REPLACE_HEAD = Exercise(
    reference=replace_head, difficulty=2, minutes=4,
    task="net ends with a linear layer `net.fc`. Return a copy of net in which fc is a fresh linear layer for "
         "`classes` classes, with small random weights and a bias, and everything else is as in net. net itself must "
         "not change.",
    cases=(
        _head_of(lambda: _trained(64), 4, "net.fc of 64 features"), _head_of(_trained, 2, "net.fc of 6 features"),
        _head_of(lambda: _trained().eval(), 5, "net in eval mode"),
        _head_of(_other, 6, "a net that is partly frozen, partly in eval mode, and built otherwise",
                 ("not-a-copy", "Not every net is like the first one. All but the copy's fc has to stay as it is.")),
    ),
    mistakes=(
        Mistake("changes-net", "You replace the head of net itself, so its old classes are gone: work on a deep copy.",
                ("copy.deepcopy(net)", "net"), symptom=_exchanges_the_head_of_net),
        Mistake("features-fixed", "You hard-code 64 features. The old head knows how many there are.",
                ("net.fc.in_features", "64"), symptom=lambda answer: answer(_Net(6), 4).fc.in_features == 64),
        Mistake("outputs-for-features", "Your head has as many inputs as the old one had classes.",
                ("net.fc.in_features", "len(net.fc.weight)"),
                symptom=lambda answer: answer(_Net(6, 5), 4).fc.in_features == 5),
        Mistake("fresh-net", "All the weights are new, not just the head's.", symptom=_renews_the_body),
        Mistake("number-only", "You change the attribute `out_features`, which is only a label. The weights stay as "
                "they were.", ("fc = nn.Linear(net.fc.in_features, classes)", "fc.out_features = classes"),
                symptom=lambda answer: len((head := answer(_Net(6), 4).fc).weight) < head.out_features),
        Mistake("the-wrong-way-round", "Features and classes are swapped: nn.Linear takes the number of inputs first, "
                "then the number of outputs.",
                ("net.fc.in_features, classes", "classes, net.fc.in_features"),
                symptom=lambda answer: answer(_Net(6), 4).fc.in_features == 4),
        Mistake("classes-of-net", "Your head has as many classes as the old one. The number it should have is an "
                "argument.", ("features, classes", "features, net.fc.out_features")),
    ),
    hints=(
        "Copy first, then replace one layer of the copy. What does copy.copy share that copy.deepcopy does not?",
        "To replace a layer, assign to its name: copied.fc = ...",
        "nn.Linear takes the number of features, then the number of classes. The old head knows its in_features.",
    ),
)  # fmt: skip


# --- a frozen body ----------------------------------------------------------------------------------------------------


def freeze(net):
    """Before each step of a linear probe: only net.fc learns, and BatchNorm keeps its stored statistics."""
    net.requires_grad_(False)
    net.fc.requires_grad_(True)
    net.eval()
    return list(net.fc.parameters())


def _step(fresh: Callable[[], nn.Module], words: str, alone: tuple[str, str] | None = None) -> Case:
    """What one SGD step on the parameters that the answer returns changes in the net."""

    def run(answer: Any) -> Any:
        net = fresh()
        names = {id(parameter): name for name, parameter in net.named_parameters()}
        before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        fits(answer, net)
        returned = answer(net)
        if returned is None:
            raise Fault("returns-nothing", "it returns nothing (None). The optimizer needs the parameters to train.")
        if not isinstance(returned, list | tuple):  # a generator is empty once it has been read
            kind = type(returned).__name__
            raise Fault("no-list", f"it should return a list of parameters, but yours returns a {kind}. Use list(...).")
        for one in returned:
            if isinstance(one, tuple | str):
                raise Fault("names-too", "it returns names as well. SGD takes only the parameters.")
            if not isinstance(one, nn.Parameter):
                raise Fault("no-parameters", f"its list should hold parameters, but it holds a {type(one).__name__}.")
        changed = sorted(name for name, tensor in net.state_dict().items() if not torch.equal(before[name], tensor))
        taking = [name for name, parameter in net.named_parameters() if parameter.requires_grad]
        with torch.no_grad():
            alone, among = net(_IMAGES[:2])[0], net(_IMAGES)[0]
        net.load_state_dict(before)
        if (loss := net(_IMAGES).square().sum()).requires_grad:
            loss.backward()
            with torch.no_grad():
                for parameter in returned:
                    if parameter.grad is not None:
                        parameter -= parameter.grad
        after = net.state_dict()
        return {
            "changed by the call itself": changed,
            "parameters that get a gradient": sorted(taking),
            "returned": sorted(names.get(id(parameter), "not of this net") for parameter in returned),
            "changed by one step": sorted(name for name in before if not torch.equal(before[name], after[name])),
            "an image's logits depend on its batch": not torch.allclose(alone, among, atol=1e-5),
        }

    return Case(words, run, alone)


def _another_fc(net: _Net) -> _Net:
    net.block = nn.Sequential(OrderedDict(fc=net.block[0], norm=net.block[1]))
    net._modules = {"fc1": nn.Conv2d(1, 1, 1), **net._modules}
    return net


def _block_in_train_mode(net: _Net) -> _Net:
    net.eval().block.train()
    return net


_STEP = _step(_trained, "{name}(net), and one step of SGD")


def _trusts_the_head(answer: Any) -> bool:
    found = _STEP.run(answer)["parameters that get a gradient"]
    found_frozen = _STEP.run(lambda net: answer(net.requires_grad_(False)))["parameters that get a gradient"]
    return found == ["fc.bias", "fc.weight"] and not found_frozen


FREEZE = Exercise(
    reference=freeze, difficulty=3, minutes=6,
    task="Prepare a network for a step of a linear probe, whatever was done to it before. Only the parameters of "
         "net.fc require gradients, and BatchNorm uses its running statistics and does not change them. Return a list "
         "of the parameters to be trained.",
    cases=(
        _STEP,
        _step(lambda: _trained().requires_grad_(False), "{name}(net) where everything was frozen, and one step of SGD"),
        _step(lambda: _another_fc(_trained()), "{name}(net) where the body has a block.fc and an fc1",
              ("goes-by-name", "You go by names. Layers of the body can be named fc or fc1, too: only net.fc learns.")),
        _step(lambda: _block_in_train_mode(_trained()), "{name}(net) where net.block is in train mode, net is not",
              ("trusts-the-mode", "You rely on net.training, but a layer inside net can be in another mode.")),
        _step(_other, "{name}(net) where the net is built otherwise",
              ("built-otherwise", "You rely on how the net is built. Other nets are built differently.")),
    ),
    mistakes=(
        Mistake("statistics-move", "In train mode, BatchNorm normalizes by the batch and updates its running "
                "statistics.", ("    net.eval()\n", "")),
        Mistake("batch-statistics", "The running statistics do not change, but the body still normalizes by the "
                "batch.", ("net.eval()", "net.norm.momentum = net.block[1].momentum = 0.0"), on=(_STEP,)),
        Mistake("outer-norms-only", "A BatchNorm inside a block still normalizes by the batch: net.children() yields "
                "only the outermost layers.", ("net.eval()", "net.norm.eval()"), on=(_STEP,)),
        Mistake("body-takes-gradients", "The modes are right, but the body's parameters require gradients. "
                "(net.requires_grad = False only sets an attribute.)",
                ("    net.requires_grad_(False)\n    net.fc.requires_grad_(True)\n", "")),
        Mistake("nothing-frozen", "The body's parameters require gradients, and its BatchNorms are in train mode.",
                lambda net: list(net.fc.parameters())),
        Mistake("head-frozen-too", "The head is frozen, too: nothing is left that can learn.", ("True", "False")),
        Mistake("body-for-head", "You freeze the head and let the body learn. It should be the other way around.",
                symptom=lambda answer: "conv.weight" in (takes := _STEP.run(answer)["parameters that get a gradient"])
                and "fc.weight" not in takes),
        Mistake("norm-still-learns", "BatchNorm's scales and shifts are parameters, too, and still require gradients.",
                ("net.requires_grad_(False)\n    net.fc.requires_grad_(True)",
                       "for conv in (net.conv, net.block[0]):\n        conv.requires_grad_(False)"), on=(_STEP,)),
        Mistake("returns-all", "You return all parameters, including the frozen ones.",
                ("net.fc.parameters", "net.parameters")),
        Mistake("freezes-a-copy", "You prepare a copy. The network that is passed in is the one that will be trained.",
                symptom=lambda answer: "not of this net" in _STEP.run(answer)["returned"]),
        Mistake("trusts-the-head", "You freeze the body, but leave the head as it was, and it may already have been "
                "frozen.",
                ("net.requires_grad_(False)\n    net.fc.requires_grad_(True)",
                       "for part in (net.conv, net.norm, net.block):\n        part.requires_grad_(False)"),
                symptom=_trusts_the_head),
    ),
    hints=(
        "Two things in a body can change: its parameters, through gradients, and its buffers, without any. What "
        "changes those?",
        "net.requires_grad_(False) applies to all the parameters of a network; net.fc has the same method for its "
        "own.",
        "In train mode, BatchNorm updates its running statistics, regardless of requires_grad. In which mode does it "
        "not?",
    ),
)  # fmt: skip


# --- Grad-CAM ---------------------------------------------------------------------------------------------------------


def grad_cam(activations, gradients):
    """activations and the logit's gradients with respect to them, [N, C, H, W] each -> maps [N, H, W], none below 0."""
    alpha = gradients.mean((2, 3), keepdim=True)
    return (alpha * activations).sum(1).relu()


_A = torch.tensor([[[[1.0, 2.0], [0.0, 3.0]], [[2.0, 0.0], [1.0, 1.0]]]])
_G = torch.tensor([[[[1.0, 1.0], [0.0, 2.0]], [[-1.0, 0.0], [-3.0, 0.0]]]])
_A2, _G2 = integers(2, 3, 4, 2, low=0, seed=1), integers(2, 3, 4, 2, seed=2)


GRAD_CAM = Exercise(
    reference=grad_cam, difficulty=2, minutes=5,
    task="activations are those of one layer, [N, C, H, W]; gradients are those of one class's logit with respect to "
         "them, of the same shape. Weight each channel by the mean of its gradients over all positions, sum over the "
         "channels, and set negative values to 0. Return the maps, [N, H, W].",
    cases=(
        call(torch.tensor([[[[2.0]], [[1.0]]]]), torch.tensor([[[[3.0]], [[-1.0]]]])), call(_A, _G), call(_A, -_G),
        call(_A2, _G2), call(_A2[:, :, :, :1], _G2[:, :, :, :1]), float64(_A, _G),
        call(torch.tensor([[[[2.0, -300.0]]]]), torch.tensor([[[[-1.0, -1.0]]]]), alone=("some-activations",
             "Activations can be negative, or large. Use them as they are. The maps have no upper limit.")),
        call(_A2[:, :1], _G2[:, :1], alone=("one-channel", "Yours fails for one channel. Is it due to a squeeze()?")),
    ),
    mistakes=(
        Mistake("no-relu", "You keep negative values, the evidence against the class.", (".relu()", "")),
        Mistake("relu-too-early", "You drop negative values too early. Only the finished map is clipped.",
                (".sum(1).relu()", ".relu().sum(1)"), ("gradients.mean", "gradients.relu().mean")),
        Mistake("not-averaged", "You multiply entry by entry (that is HiResCAM). Grad-CAM gives each channel one "
                "weight, its mean gradient.", (".mean((2, 3), keepdim=True)", "")),
        Mistake("summed-weights", "Your weights are sums or maxima of the gradients, not means.", ("mean(", "sum("),
                ("mean(", "amax(")),
        Mistake("channels-averaged", "You average the channels. The task asks for their sum.", ("sum(1)", "mean(1)")),
        Mistake("absolute-values", "You take absolute values. Set negative numbers to 0.", ("relu", "abs")),
        Mistake("averages-the-activations", "You average the activations, not gradients.", lambda a, g: grad_cam(g, a)),
        Mistake("mean-over-the-batch", "You average over the images, too.", ("(2, 3)", "(0, 2, 3)")),
        Mistake("divided-by-the-largest", "You scale the map to a maximum of 1, which hides how strong it is.",
                lambda a, g: grad_cam(a, g) / grad_cam(a, g).max(), on=(call(_A2[:1], _G2[:1]),)),
        Mistake("weights-not-shaped", "Your weights do not broadcast with the activations: keep dimensions of size 1 "
                "for height and width.", (", keepdim=True", ""),
                symptom=raises(RuntimeError, "must match the size of tensor", call(_A2, _G2).run)),
    ),
    hints=(
        "How many weights are there for one image? One per channel.",
        "gradients.mean((2, 3), keepdim=True) has the shape [N, C, 1, 1], which broadcasts with the activations.",
        "Multiply, sum over the channels (dimension 1), and only then apply relu().",
    ),
)  # fmt: skip


# --- calibration ------------------------------------------------------------------------------------------------------


def calibration_error(confidence, right, bins=10):
    """confidence [N] from 0 to 1, right [N] of booleans -> the expected calibration error, one number."""
    place = (confidence * bins).long().clamp_max(bins - 1)
    error = 0.0
    for number in range(bins):
        chosen = place == number
        if chosen.any():
            gap = confidence[chosen].mean() - right[chosen].double().mean()
            error += chosen.double().mean() * gap.abs()
    return float(error)


def _answers(*pairs: tuple[float, int], alone: tuple[str, str] | None = None) -> Case:
    confidence, right = zip(*pairs, strict=True)
    return call(torch.tensor(confidence), torch.tensor(right).bool(), alone=alone)


_FEW = _answers((0.92, 1), (0.98, 0), (0.55, 1), (0.57, 1), (0.33, 0))
_MANY = (
    torch.rand(60, generator=torch.Generator().manual_seed(4)) * 0.75 + 0.25,
    torch.rand(60, generator=torch.Generator().manual_seed(5)) < 0.6,
)


CALIBRATION_ERROR = Exercise(
    reference=calibration_error, difficulty=3, minutes=8,
    task="confidence [N] holds a network's largest probability for each image, right [N] whether it was right (True "
         "or False). Split the range from 0 to 1 into `bins` equal bins. For each bin that contains images, how far "
         "is their mean confidence from their accuracy? Return the mean of these distances, each weighted by the "
         "bin's share of the images; a confidence of 1 belongs to the last bin.",
    cases=(
        _answers((0.85, 1), (0.85, 1), (0.85, 0), (0.85, 0)), _FEW, _answers((1.0, 1), (1.0, 0), (0.95, 1), (0.75, 0)),
        _answers((0.55, 1), (0.58, 1), (0.75, 1)),
        _answers((0.03, 1), (0.05, 0), (0.5, 1), (0.95, 1), alone=("not-once", "Each image has to count exactly once, "
                 "even if it is in the first bin, or on the border of two.")),
        call(*_MANY, bins=15, words="{name}(confidence, right, bins=15) of 60 images"),
        call(*_MANY, 5, words="{name}(confidence, right, 5) of 60 images"),
    ),
    mistakes=(
        Mistake("unweighted", "You do not weight each bin by its share of the images.",
                ("chosen.double().mean() * gap.abs()", "gap.abs() / len(place.unique())"),
                ("chosen.double().mean() * gap.abs()", "gap.abs() / bins"), ("chosen.double().mean() * ", ""),
                on=(_FEW,)),
        Mistake("single-images-left-out", "You leave out bins that contain one image. Only empty ones have no mean.",
                ("chosen.any()", "chosen.sum() > 1")),
        Mistake("range-of-the-confidences", "Your bins split the range of the confidences, not the range from 0 to 1.",
                ("confidence * bins",
                       "(confidence - confidence.min()) / (confidence.max() - confidence.min() + 1e-9) * bins")),
        Mistake("signs-cancel", "Gaps of opposite sign cancel in your answer, between the bins or in a single one.",
                (".abs()", ""), ("    place", "    bins = 1\n    place")),
        Mistake("largest-gap", "You return the largest distance. The task asks for the weighted mean.",
                ("error += chosen.double().mean() * gap.abs()", "error = max(error, gap.abs())")),
        Mistake("loses-the-certain", "Your bins lose images with a confidence of 1.", (".clamp_max(bins - 1)", "")),
        Mistake("middle-of-the-bin", "You use the midpoint of a bin as its confidence. Use the mean of the confidences "
                "in it.", ("confidence[chosen].mean()", "(number + 0.5) / bins")),
        Mistake("squares", "You square the distances. The task asks for the distances.", ("abs()", "square()")),
        Mistake("image-by-image", "You measure each image's confidence by itself. A confidence of 0.7 is fine if 7 of "
                "10 such images are right.", ("(error)", "((confidence - right.double()).abs().mean())")),
        Mistake("always-ten", "You always use ten bins. Use `bins`.", ("    place", "    bins = 10\n    place")),
        Mistake("empty-bins", "An empty bin has no mean: yours becomes NaN. Leave it out.", ("chosen.any()", "True")),
    ),
    hints=(
        "Which bin does an image fall into? (confidence * bins) rounded down; a confidence of 1 belongs to the last "
        "bin.",
        "For each bin, select its images with a mask. What if there are none?",
        "The absolute value of (mean confidence minus accuracy), times the share of the images.",
    ),
)  # fmt: skip
