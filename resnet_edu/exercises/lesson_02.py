"""The exercises of lesson 02: the loss, the accuracy, one training step, one augmentation."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.optimizer import register_optimizer_step_pre_hook

from resnet_edu.exercises.cases import ByHand, as_float, built, call, called, fits, float64, gradients, integers, normal
from resnet_edu.exercises.compare import same
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.faults import Fault
from resnet_edu.exercises.writing import raises, right_but_not_on

# --- cross-entropy ----------------------------------------------------------------------------------------------------


def cross_entropy(logits, labels):
    """logits [N, K], labels int64 [N] -> the mean loss, a 0-dimensional tensor."""
    shifted = logits - logits.max(dim=1, keepdim=True).values  # changes nothing, and exp cannot overflow
    log_p = shifted - shifted.exp().sum(dim=1, keepdim=True).log()  # [N, K]
    right = log_p[torch.arange(len(labels)), labels]  # one number a row
    return -right.mean()


def _by_hand(answer: Any) -> Any:
    with ByHand("^cross_entropy$|log_softmax$", "the loss"):
        return called(answer, torch.tensor([[2.0, 0.0]]), torch.tensor([1]))


_MODERATE = tuple(call(normal(n, k, seed=n), torch.arange(n) * 2 % k) for n, k in ((2, 3), (5, 3), (3, 3)))
_ONE = call(torch.tensor([[0.0, 0.0]]), torch.tensor([0])), call(torch.tensor([[2.0, 0.0]]), torch.tensor([1]))
_THREE = call(torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 3.0]]), torch.tensor([0, 0, 1]))
_LARGE = call(torch.tensor([[1000.0, 0.0]]), torch.tensor([0]))
_FAR = call(torch.tensor([[1000.0, 0.0]]), torch.tensor([1]))
_UNLIKE = call(torch.tensor([[0.0, 1.0], [1000.0, 1001.0]]), torch.tensor([0, 0]))


CROSS_ENTROPY = Exercise(
    reference=cross_entropy, difficulty=2, minutes=10,
    task="Return the cross-entropy of logits [N, K] and labels [N]: the mean over the batch of the negative logarithm "
         "of the probability that softmax assigns to the correct class. The result is a 0-dimensional tensor and must "
         "be correct for any logits. Do not use F.cross_entropy or log_softmax.",
    cases=(
        *_ONE, call(torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 3.0]]), torch.tensor([2, 2])),
        _THREE, call(normal(8, 5), torch.arange(8) % 5), _LARGE, _FAR,
        call(torch.tensor([[-200.0, -200.0]]), torch.tensor([0])), _UNLIKE,
        gradients(torch.tensor([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]]), torch.tensor([2, 1])),
        gradients(torch.tensor([[1e4, 0.0]]), torch.tensor([1]), alone=("large-gradient", "Your gradient is wrong for "
                  "large logits. Is something clamped, or is there a log(0) behind torch.where?")),
        float64(torch.tensor([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]]), torch.tensor([2, 1])),
        Case("{name}([[2, 0]], [1]) without cross_entropy and log_softmax", _by_hand),
    ),
    mistakes=(
        # Seen on moderate logits: who makes one of these often has an unstable softmax, too, and that can wait.
        Mistake("sum-for-mean", "You sum over the batch. Take the mean.", ("mean()", "sum()"), on=_MODERATE),
        Mistake("no-mean", "You return one loss per image, not one for the batch.", (".mean()", ""), on=_MODERATE),
        Mistake("mean-over-classes-too", "Your mean is over N * K entries. Each image has one loss, that of its "
                "correct class.", ("mean()", "mean() / logits.shape[1]"), ("[torch.arange(len(labels)), labels]", ""),
                on=_MODERATE),
        Mistake("softmax-over-the-batch", "Your softmax sums to 1 over the images. It should sum to 1 over each "
                "image's classes.", (("max(dim=1", "max(dim=0"), ("sum(dim=1", "sum(dim=0")), on=_MODERATE),
        Mistake("softmax-twice", "You apply softmax twice: the second one makes probabilities nearly uniform.",
                ("    shifted", "    logits = logits.softmax(1)\n    shifted"), on=_MODERATE),
        Mistake("no-softmax", "You treat logits as log-probabilities.", ("log_p[", "logits["), on=_MODERATE),
        Mistake("no-logarithm", "You return a probability: the logarithm is missing.",
                ("right.mean", "right.exp().mean"), ("-right", "right.exp()"), on=_MODERATE),
        Mistake("logarithm-of-the-mean", "You average the probabilities and then take the logarithm. Take the "
                "logarithm for each image, then average.", ("mean()", "exp().mean().log()"), on=_MODERATE),
        Mistake("sign", "Your loss is negative: its sign is flipped.", ("-right", "right"), on=_MODERATE),
        Mistake("another-base", "Your logarithm has base 2. Cross-entropy uses the natural logarithm.",
                ("mean()", "mean() / torch.tensor(2.0).log()"), on=_MODERATE),
        Mistake("every-row-with-every-label", "[:, labels] pairs each image with the labels of all images. Row i "
                "goes with label i.", ("torch.arange(len(labels))", ":"), on=_MODERATE),
        Mistake("best-class-for-right-class", "You use the class with the largest logit, not the one given by the "
                "label, so the network would always be right.", (", labels]", ", logits.argmax(1)]"), on=_MODERATE),
        Mistake("maximum-not-added-back", "You subtract the row's maximum in one place only: subtract it from the "
                "correct logit, too.", ("log_p = shifted", "log_p = logits"), on=_MODERATE),
        Mistake("first-image-only", "You use only the first image.", ("right.mean()", "right[0]"), on=_MODERATE),
        Mistake("python-number", "You return a Python number. Training needs a tensor, on which it can call "
                "`backward`.", symptom=lambda answer: isinstance(_MODERATE[0].run(answer), float)),
        Mistake("one-hot-too-narrow", "Pass F.one_hot the number of classes.",
                ("log_p[torch.arange(len(labels)), labels]", "(F.one_hot(labels)*log_p).sum(1)"), on=_MODERATE + _ONE),
        Mistake("squeezed", "Your answer is wrong for a batch of one image. Does `squeeze` remove N, too?",
                symptom=right_but_not_on(cross_entropy, [*_MODERATE, _THREE], _ONE)),
        Mistake("overflows", "Your formula is correct, but e to the power of 1000 is too large even for float64. Make "
                "the logits smaller first.", symptom=right_but_not_on(cross_entropy, [*_MODERATE, *_ONE], [_LARGE])),
        Mistake("logarithm-of-zero", "Your softmax can handle large logits, but small probabilities underflow to 0, "
                "or they or their logs are clamped. What is log(exp(z)) in one step?",
                symptom=right_but_not_on(cross_entropy, [*_MODERATE, _LARGE], [_FAR])),
        Mistake("one-maximum-for-all", "You subtract the maximum of the whole batch, so in a row far below it, every "
                "exponential becomes 0.",
                symptom=right_but_not_on(cross_entropy, [*_MODERATE, _LARGE, _FAR], [_UNLIKE])),
    ),
    hints=(
        "The logarithm of softmax is z - log(sum(exp(z))), computed for each row. Which number of each row do you "
        "need?",
        "exp overflows above 88. Subtract the largest logit of each row from the whole row: this cancels in softmax, "
        "and the largest exp is then 1. `keepdim=True` keeps the shape [N, 1].",
        "log_p[torch.arange(N), labels] selects column labels[i] of row i. The loss is the negative mean of these "
        "values.",
    ),
)  # fmt: skip


# --- accuracy ---------------------------------------------------------------------------------------------------------


def accuracy(logits, labels):
    """logits [N, K], labels int64 [N] -> the fraction of rows whose largest logit is the label's, from 0 to 1."""
    return (logits.argmax(dim=1) == labels).float().mean().item()


_SEVERAL = (  # rows have the largest logits 1, 0, 2; columns 0, 1, 0, 2
    call(torch.tensor([[1.0, 5.0, 0.0], [3.0, 2.0, 1.0], [0.0, 4.0, 6.0]]), torch.tensor([1, 0, 0])),
    call(torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 9.0], [7.0, 4.0, 5.0]]), torch.tensor([2, 1, 1])),
    call(torch.tensor([[1.0, 5.0], [3.0, 2.0]]), torch.tensor([1, 1])),
)
_NEAR = torch.tensor([[300.0, 300.1], [-300.1, -300.0], [1000.0, 1000.0005]]), torch.tensor([1, 1, 0])


ACCURACY = Exercise(
    reference=accuracy, difficulty=1, minutes=5,
    task="Return the fraction of images that are classified correctly, as a float from 0 to 1: logits [N, K], labels "
         "[N].",
    cases=(
        call(torch.tensor([[0.0, 1.0]]), torch.tensor([1])), call(torch.tensor([[0.0, 1.0]]), torch.tensor([0])),
        *_SEVERAL, call(torch.tensor([[-1.0, -3.0, -2.0], [0.1, 0.3, 0.2]]), torch.tensor([0, 2])),
        call(torch.tensor([[-3.0, -1.0, -2.0]]), torch.tensor([1])),
        call(torch.tensor([[0.1, 0.3, 0.2], [1.0, 1.2, 1.1]]), torch.tensor([1, 0])),
        call(torch.tensor([[0.0, 1.0], [3.0, 2.0], [0.0, 5.0]]), torch.tensor([1, 0, 0])),
        call(integers(7, 4) + 0.1 * torch.arange(4), torch.arange(7) % 4),
        call(torch.eye(300)[[3] * 64 + [259] * 6], torch.tensor([259] * 70), words="{name} of 70 images, 300 classes"),
        call(torch.tensor([[20.0, 30.0]]), torch.tensor([1]),
             alone=("saturates", "Large logits come out equal: a sigmoid rounds them to 1. Compare the logits.")),
        Case("{name}([[300, 300.1], [-300.1, -300], [1000, 1000.0005]], [1, 1, 0])",
             lambda answer: as_float(called(answer, *_NEAR), accuracy(*_NEAR)),
             ("inexact", "Wrong for large, very negative, or nearly equal logits. Compare them as they are.")),
    ),
    mistakes=(
        Mistake("argmax-over-the-batch", "Your argmax runs over the images. It should find the best class for each "
                "image, not the best image for each class.", ("dim=1", "dim=0"), on=_SEVERAL),
        Mistake("argmax-of-all", "Without a dimension, argmax returns a single position.", ("dim=1", "")),
        Mistake("every-pair", "You compare every image with every label: [N, 1] == [N] is an N x N matrix. (Did you "
                "use keepdim?)", ("dim=1", "dim=1, keepdim=True")),
        Mistake("count-for-part", "You count the correct predictions. Return their fraction.", ("mean()", "sum()")),
        Mistake("divides-by-classes", "You divide by the number of classes or of logits, not of images.",
                ("mean().item()", "sum().item() / logits.shape[1]"),
                ("mean().item()", "sum().item() / logits.numel()")),
        Mistake("zero-as-largest", "You start the search for the largest logit at 0, but all of them can be negative.",
                ("logits.argmax", "logits.relu().argmax")),
        Mistake("mean-of-classes", "You average the accuracies of the classes. Every image should count equally.",
                lambda logits, labels: torch.stack(
                    [(logits[labels == k].argmax(1) == k).double().mean() for k in labels.unique()]).mean().item()),
        Mistake("errors-for-hits", "You return the fraction of images that are misclassified.", ("==", "!=")),
        Mistake("smallest-logit", "You take the class with the smallest logit.", ("argmax", "argmin")),
        Mistake("value-for-place", "You compare the largest logit itself with the label.", ("argmax", "amax")),
        Mistake("max-gives-two", "`max` with a dimension returns both values and indices. You compare the pair with "
                "the labels.", symptom=raises(AttributeError, "'bool' object has no attribute", _SEVERAL[0].run)),
        Mistake("mean-of-booleans", "`mean` does not work on booleans. Convert them to numbers first.",
                symptom=raises(RuntimeError, "Got: Bool", _SEVERAL[0].run)),
        Mistake("threshold", "You count only probabilities above one half. With three classes, even the largest "
                "probability may be less than that.",
                ("logits.argmax(dim=1) == labels", "logits.softmax(1)[torch.arange(len(labels)), labels] > 0.5")),
        Mistake("all-or-nothing", "Your answer is 0 unless all images are correct. The task asks for the fraction that "
                "are.", (".float().mean().item()", ".all().item()"), ("mean().item()", "sum().item() // len(labels)")),
        Mistake("first-image-only", "Your answer uses only the first image of the batch.",
                lambda logits, labels: accuracy(logits[:1], labels[:1])),
        Mistake("one-for-each-image", "You return one number per image, not one for all.",
                (".float().mean().item()", ""), (".mean().item()", "")),
    ),
    hints=(
        "The network's prediction is the class with the largest logit. `argmax` returns the index of the largest "
        "number; along which dimension are the classes?",
        "`predicted == labels` is True or False for each image. The mean of ones and zeros is the fraction of ones.",
        "Booleans have no mean: call .float() first. And .item() converts a 0-dimensional tensor to a Python number.",
    ),
)  # fmt: skip


# --- one step of training ---------------------------------------------------------------------------------------------


def train_step(net, optimizer, x, y):
    """One training step on the batch x, y, in train mode -> the loss before the step, a float."""
    net.train()
    loss = F.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


_X = (torch.tensor([[1.0, -1.0], [0.0, 2.0], [3.0, 1.0]]), torch.tensor([[2.0, 0.0], [-1.0, 1.0], [1.0, 1.0]]))
_Y = (torch.tensor([0, 1, 1]), torch.tensor([1, 0, 0]))


def _linear() -> nn.Linear:
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
        layer.bias.zero_()
    return layer


def _normalized() -> nn.Module:
    return nn.Sequential(nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5)), _linear())


def _sgd(net: nn.Module, lr: float = 0.5, **options: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [p]} for p in net.parameters()], lr=lr, **options)


def _stepped(answer: Any, net: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 1, xs=_X, ys=_Y) -> Any:
    """What the answer returns at the last step. Raises Fault if that is not a plain number."""
    fits(answer, net, optimizer, xs[0], ys[0])
    for i in range(steps):
        x, y = xs[i].clone(), ys[i].clone()
        result = answer(net, optimizer, x, y)
        if not torch.equal(x, xs[i]) or not torch.equal(y, ys[i]):
            raise Fault("changes-input", "it changes the batch in place: the next epoch would train on different data.")
    return as_float(result, result)


def _returned(answer: Any) -> Any:
    net = _linear()
    return _stepped(answer, net, _sgd(net))


def _after(steps=1, net=_linear, *batch, training=True, stale=False, frozen=False, **options):
    """What the network holds after the last step, and what that returned; for this batch, if there is one."""
    xs, ys = ([one] for one in batch) if batch else (_X, _Y)

    def run(answer):
        one = net().to(xs[0].dtype).train(training)
        if frozen:
            one.bias.requires_grad_(False)
        optimizer = _sgd(one, **options)
        if stale:
            F.cross_entropy(one(_X[1]), _Y[1]).backward()
        loss = _stepped(answer, one, optimizer, steps, xs, ys)
        return {**one.state_dict(), "the loss": loss, "the dtype": next(one.parameters()).dtype}

    return run


def _some_frozen(answer: Any) -> Tensor:
    first, second = _linear(), _linear()
    _stepped(answer, nn.Sequential(first, second), _sgd(second))
    return first.weight.detach()


class _Watched(torch.optim.SGD):
    """Records what is done, and in which order; a step of another optimizer is recorded as "other"."""

    def __init__(self, net: Any) -> None:
        super().__init__(net.parameters(), lr=0.5)
        net.zero_grad = self.zero_grad
        self.done: list[str] = []
        net.weight.register_post_accumulate_grad_hook(lambda _: self.done.append("backward"))
        net.register_forward_hook(lambda *_: self.done.append("forward"))

    def step(self, closure=None):
        if closure is not None:  # it does the rest of the work
            with torch.enable_grad():
                closure()
        self.done.append("step")
        return super().step()

    def zero_grad(self, set_to_none=True):
        self.done.append("zero")
        super().zero_grad(set_to_none)


def _order(seen: Callable[[str], bool]) -> Callable[[Any], bool]:
    """The symptom: what the answer does, in order, as a line such as "forward zero backward step".

    The line ends with "moved" if the weights have changed.
    """

    def symptom(answer: Any) -> bool:
        net = _linear()
        optimizer = _Watched(net)
        watch = register_optimizer_step_pre_hook(
            lambda one, *_: optimizer.done.extend([] if one is optimizer else ["other"])
        )
        with watch:
            answer(net, optimizer, _X[0].clone(), _Y[0].clone())
        moved = [] if torch.equal(net.weight, _linear().weight) else ["moved"]
        return seen(" ".join(optimizer.done + moved))

    return symptom


TRAIN_STEP = Exercise(
    reference=train_step, difficulty=2, minutes=10,
    task="Take one training step on the batch x, y with cross-entropy, and return the loss before the step as a "
         "float. Train in train mode, whatever mode the network is in when you receive it; gradients left over from "
         "before must not count.",
    cases=(
        Case("what {name} returns for a linear layer and a batch of three", _returned),
        Case("the weights after one step, lr 0.5", _after()),
        Case("the weights after two steps, lr 0.5", _after(2)),
        Case("the weights after one step, when the net already held a gradient", _after(stale=True)),
        Case("the weights after two steps with lr 0.1, momentum 0.9", _after(2, lr=0.1, momentum=0.9),
             ("own-settings", "The learning rate and all other settings are the optimizer's. Leave them as they are.")),
        Case("the net after one step, where the bias is frozen (requires_grad=False)", _after(frozen=True)),
        Case("the first layer's weights after one step, where the optimizer has the second layer only", _some_frozen),
        Case("one step of a net with BatchNorm and Dropout", _after(1, _normalized),
             ("not-one-pass", "Run the network once, all of it in train mode, and return the loss of that pass.")),
        Case("one step of a net with BatchNorm and Dropout, in eval mode", _after(1, _normalized, training=False),
             ("partly-in-eval-mode", "Part of the network stays in eval mode. Layers can be nested, and of any kind.")),
        Case("one step on a batch of one image [1, 1, 3, 2], with label 0, of six",
             _after(1, lambda: built(nn.Sequential, nn.Conv2d(1, 3, 2), nn.Flatten()), _X[0][None, None], _Y[0][:1]),
             ("only-some-batches", "Use x, y, and the logits as they are: x may hold images, the batch may hold only "
             "one, and not every class has to be among the labels.")),
        Case("one step in float64 on a batch that is 1000 times as large", _after(1, _linear, 1000 * _X[0].double(),
             _Y[0]), ("only-small-float32", "Your step is right for small numbers in float32 only. Do you "
             "clamp, clip, convert, or take the logarithm of a softmax?")),
    ),
    mistakes=(
        Mistake("no-gradient-wanted", "The forward pass is not recorded (torch.no_grad or detach), so `backward` "
                "cannot compute gradients.", symptom=raises(RuntimeError, "does not require grad", _returned)),
        Mistake("item-too-soon", "`backward` belongs to the loss tensor. You have already converted it to a number.",
                symptom=raises(AttributeError, "'float' object has no attribute 'backward'", _returned)),
        Mistake("loss-arguments-swapped", "The loss function takes the network's outputs first and the labels second.",
                symptom=raises(RuntimeError, "not implemented for 'Long'", _returned)),
        Mistake("loss-class-not-built", "nn.CrossEntropyLoss is a class, and its arguments are settings. Create an "
                "instance, then call that.", symptom=raises(RuntimeError, "Boolean value of Tensor", _returned)),
        Mistake("argmax-before-the-loss", "You pass the predicted class to the loss. A prediction has no gradient: "
                "pass the logits.", symptom=raises(RuntimeError, "Expected floating point type for target", _returned)),
        Mistake("no-backward", "No gradient reaches the weights, so the optimizer does nothing. You do not call "
                "`backward`, or you cut the graph before it (detach, no_grad), or train a copy of the network.",
                symptom=_order(lambda done: "backward" not in done)),
        Mistake("another-optimizer", "You create an optimizer of your own. Use the one that you are given: it holds "
                "the learning rate and the momentum.", symptom=_order(lambda done: "other" in done)),
        Mistake("no-step", "The optimizer does not take a step: the weights stay as they are.",
                symptom=_order(lambda done: "backward" in done and "step" not in done and "moved" not in done)),
        Mistake("own-step", "You update the weights yourself. That is the optimizer's job: it knows which weights to "
                "update, and how.", symptom=_order(lambda done: "step" not in done and "moved" in done)),
        Mistake("step-before-backward", "The optimizer takes its step before `backward` has computed the gradients.",
                symptom=_order(lambda done: -1 < done.find("step") < done.find("backward"))),
        Mistake("zeroes-before-the-step", "You clear the gradients between `backward` and the step, so the optimizer "
                "finds none.", symptom=_order(lambda done: "backward zero step" in done)),
        Mistake("steps-twice", "You take more than one step.", symptom=_order(lambda done: done.count("step") > 1)),
        Mistake("gradients-not-zeroed", "`backward` adds to the gradients that are already there: those of the "
                "previous step still count.", ("    optimizer.zero_grad()\n", ""),
                ("optimizer.zero_grad()", "[p.grad.zero_() for p in [*net.parameters()][::2] if p.grad is not None]")),
        Mistake("zeroes-too-late", "You clear the gradients after the step: those from before your first call still "
                "count.", (("    optimizer.zero_grad()\n", ""), ("step()\n", "step()\n    optimizer.zero_grad()\n"))),
        Mistake("eval-mode", "You train in eval mode.", ("train()", "eval()")),
        Mistake("train-mode-forgotten", "A network that arrives in eval mode stays in it, except perhaps its outer "
                "modules. Switch all of it to train mode first.", ("    net.train()\n", "")),
        Mistake("softmax-twice", "You apply softmax, but F.cross_entropy does.", ("net(x)", "net(x).softmax(1)")),
        Mistake("sum-for-mean", "You sum the loss. Take its mean.", ("net(x), y", 'net(x), y, reduction="sum"')),
        Mistake("climbs", "The sign of your loss is flipped, so the step increases the loss.", ("F.cross", "-F.cross")),
        Mistake("squared-error", "Your loss is the squared error. The task asks for cross-entropy.",
                ("cross_entropy(net(x), y)", "mse_loss(net(x), F.one_hot(y, 2).float())")),
        Mistake("first-image-only", "You use only the first image of the batch.", ("net(x), y", "net(x)[:1], y[:1]")),
        Mistake("loss-after-the-step", "You return the loss after the step. The task asks for the loss before it.",
                ("loss.item()", "F.cross_entropy(net(x), y).item()")),
        Mistake("loss-of-the-whole-batch", "You return the loss times the number of images. Return the mean.",
                ("loss.item()", "loss.item() * len(y)")),
        Mistake("accuracy-for-loss", "You return the accuracy. The task asks for the loss.",
                symptom=lambda answer: abs(_returned(answer) - 1 / 3) < 1e-6),
    ),
    hints=(
        "Five lines: forward, loss, clear the old gradients, backward, step. Which mode must the network be in?",
        "F.cross_entropy(logits, labels) takes the raw logits. `optimizer` has the methods zero_grad and step; "
        "`backward` is a method of the loss.",
        "net.train() first. Then the loss of net(x), optimizer.zero_grad(), loss.backward(), optimizer.step(); the "
        "loss tensor still holds the value from before the step, and .item() converts it to a number.",
    ),
)  # fmt: skip


# --- crop and flip ----------------------------------------------------------------------------------------------------


def crop_and_flip(x, offsets, flips, padding):
    """x [N, C, H, W], offsets int64 [N, 2], flips bool [N] -> [N, C, H, W]."""
    height, width = x.shape[2:]
    padded = F.pad(x, (padding, padding, padding, padding))  # left, right, top, bottom
    out = torch.empty_like(x)
    for i, (row, column) in enumerate(offsets.tolist()):
        window = padded[i, :, row : row + height, column : column + width]
        out[i] = window.flip(-1) if flips[i] else window
    return out


_PICTURE = torch.arange(1.0, 5.0).reshape(1, 1, 2, 2)
_NO, _YES = torch.tensor([False]), torch.tensor([True])
_AS_IT_IS, _TOP_LEFT, _RIGHT = torch.tensor([[1, 1]]), torch.tensor([[0, 0]]), torch.tensor([[1, 2]])


def _at(*places: int) -> Tensor:
    return torch.tensor(places).reshape(-1, 2)


def _many(n: int, channels: int, height: int, width: int, padding: int) -> Case:
    offsets = torch.arange(2 * n).reshape(n, 2) * 2 % (2 * padding + 1)
    return call(integers(n, channels, height, width), offsets, torch.arange(n) % 2 == 0, padding)


_SQUARES = (call(_PICTURE, _TOP_LEFT, _NO, 1), call(_PICTURE, _RIGHT, _YES, 1), _many(3, 2, 4, 4, 1))
_WIDE = (_many(2, 1, 2, 5, 1), _many(2, 2, 4, 3, 2))


def _counts_from_the_middle(answer: Any) -> bool:
    """The offset [0, 0] leaves the image where it is, and [1, 1] does not."""
    corner, middle = (called(answer, _PICTURE, _at(n, n), _NO, 1) for n in (0, 1))
    return same(corner, _PICTURE) and not same(middle, _PICTURE)


CROP_AND_FLIP = Exercise(
    reference=crop_and_flip, difficulty=3, minutes=15,
    task="Pad each image of x [N, C, H, W] with zeros on all four sides. From image i, crop a window of the original "
         "size whose first row and column in the padded image are offsets[i]. Then flip it left to right where "
         "flips[i] is True. Do not change x. The result has its dtype.",
    cases=(
        call(_PICTURE, _at(0, 0), _NO, 0), call(_PICTURE, _at(0, 0), _YES, 0), call(_PICTURE, _AS_IT_IS, _NO, 1),
        call(_PICTURE, _TOP_LEFT, _NO, 1), call(_PICTURE, _RIGHT, _NO, 1), call(_PICTURE, _RIGHT, _YES, 1),
        call(torch.tensor([[[[1.0, 2.0]]], [[[3.0, 4.0]]]]), _at(1, 1, 1, 1), torch.tensor([True, False]), 1),
        call(torch.tensor([[[[1.0, 2.0]]], [[[3.0, 4.0]]]]), _at(1, 0, 1, 2), torch.tensor([False, False]), 1),
        call(torch.arange(1.0, 5.0).reshape(1, 2, 1, 2), _AS_IT_IS, _YES, 1), _many(3, 2, 4, 4, 1), *_WIDE,
        _many(5, 3, 5, 4, 2), float64(_PICTURE, _RIGHT, _YES, 1), call(_PICTURE.byte(), _RIGHT, _YES, 1,
        alone=("another-dtype", "Your result is not in the dtype of x.")),
    ),
    mistakes=(
        Mistake("only-squares", "Your answer is correct for square images only.",
                symptom=right_but_not_on(crop_and_flip, _SQUARES, _WIDE)),
        Mistake("pads-only-the-width", "You pad left and right only. F.pad takes two numbers per dimension, last "
                "dimension first.", ("padding, padding, padding, padding)", "padding, padding)"),
                on=(call(_PICTURE, _at(0, 0), _NO, 1), call(_PICTURE, _at(0, 2), _NO, 1))),
        Mistake("pads-the-channels", "You pad the channels, too. Each pair of numbers in F.pad is for one dimension.",
                (("(padding, padding, padding, padding)", "[padding] * 6"), ("[i, :", "[i, : len(x[i])"))),
        Mistake("counted-from-the-middle", "You count the offset from the original position of the image. It is "
                "counted from the corner of the padded image, so 0 is the edge.", symptom=_counts_from_the_middle),
        Mistake("rows-for-columns", "The offset's row and column are swapped.", ("(row, column)", "(column, row)")),
        Mistake("the-other-way", "Your image moves in the opposite direction. The offset is where the window begins, "
                "not where the image moves.", ("offsets.tolist()", "(2 * padding - offsets).tolist()")),
        Mistake("ignores-offsets", "The offsets have no effect on your answer.",
                ("offsets.tolist()", "(0 * offsets + padding).tolist()")),
        Mistake("one-offset-for-both", "You use the row's offset for the columns, too.",
                ("column : column +", "row : row +")),
        Mistake("ignores-flips", "The flips have no effect on your answer.", (".flip(-1)", "")),
        Mistake("flips-all", "You flip every image, regardless of flips.", (" if flips[i] else window", "")),
        Mistake("flips-the-others", "You flip where flips is False.", ("flips[i]", "not flips[i]")),
        Mistake("upside-down", "You flip top to bottom. Left and right belong to the last dimension.",
                ("flip(-1)", "flip(-2)"),
                ("flip(-1)", "flip(-2, -1)")),
        Mistake("flips-the-channels", "You reverse the channels: red becomes blue.", ("flip(-1)", "flip(0)")),
        Mistake("flips-before-cropping", "Flipping the padded image moves the window to the other side. Crop first.",
                (("padded[i, :", "(padded[i].flip(-1) if flips[i] else padded[i])[:"),
                       ("window.flip(-1) if flips[i] else", ""))),
        Mistake("one-for-all", "Every image gets the offset or the flip of the first one.",
                (("offsets.tolist()", "offsets[:1].tolist() * len(x)"), ("flips[i]", "flips[0]")),
                ("offsets.tolist()", "offsets[:1].tolist() * len(x)"), ("flips[i]", "flips[0]")),
        Mistake("not-cropped", "You return the whole padded image. Crop a window of the original size.",
                ("return out", "return torch.where(flips[:, None, None, None], padded.flip(-1), padded)")),
        Mistake("window-too-small", "Your window lacks its last row and column: a slice excludes its end index.",
                (("x.shape[2:]", "x.shape[2] - 1, x.shape[3] - 1"),
                       ("torch.empty_like(x)", "x.new_empty(*x.shape[:2], height, width)"))),
        Mistake("border-repeated", "You pad with pixels of the image, not with zeros.",
                ("padding))", 'padding), mode="replicate")'), ("padding))", 'padding), mode="circular")')),
    ),
    hints=(
        "Three steps for each image: pad, crop, flip. Start with one image and without flips.",
        "F.pad(x, (left, right, top, bottom)) pads the whole batch. The window's rows are `row : row + H` of the "
        "padded image, so the offset (padding, padding) returns the original image.",
        "Loop over the images: padded[i, :, row : row + H, column : column + W], with row and column from "
        "offsets[i].tolist().",
        "`.flip(-1)` flips left to right and makes a copy. Collect the windows in torch.empty_like(x), or with "
        "torch.stack.",
    ),
)  # fmt: skip
