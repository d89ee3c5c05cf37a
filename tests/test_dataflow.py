"""What `probes.dataflow` promises: it lists what ran, in the order in which it ran, and nothing else."""

import pytest
import torch
from samples import batch, cifar
from torch import nn
from torch.nn import functional as F

from resnet_edu import models, probes
from resnet_edu.models import relatives


def maps(channels=4, side=8):
    return batch(6, side, 0, channels=channels)


def block(stage=1, **options):
    return getattr(cifar(**options), f"stage{stage}")[0]


class Written(nn.Module):
    """A module whose forward is the function that it is given."""

    def __init__(self, forward, **layers):
        super().__init__()
        self._forward = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        return self._forward(self, x)


def kinds(steps):
    return [step.kind for step in steps]


def test_a_block_is_listed_in_the_order_in_which_it_runs():
    steps = probes.dataflow(block(), maps())
    assert kinds(steps) == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "add", "ReLU"]
    assert [step.name for step in steps][:2] == ["branch.conv1", "branch.norm1"]
    assert [step.sources for step in steps] == [(-1,), (0,), (1,), (2,), (3,), (4, -1), (5,)]
    assert all(step.out_shape == (4, 8, 8) for step in steps)
    assert steps[0].label == "conv 3×3\n4 → 4" and steps[5].label == "+"


def test_a_plain_block_adds_nothing():
    assert "add" not in kinds(probes.dataflow(block(residual=False), maps()))


@pytest.mark.parametrize(
    ("shortcut", "expected"),
    [("A", ["PadShortcut"]), ("B", ["Conv2d", "BatchNorm2d"]), ("C", ["Conv2d", "BatchNorm2d"])],
)
def test_the_shortcut_is_a_way_of_its_own(shortcut, expected):
    steps = probes.dataflow(block(2, shortcut=shortcut), maps())
    (pair,) = probes.summands(steps)
    way, here = [], pair[1]
    while here >= 0:
        way.insert(0, steps[here].kind)
        (here,) = steps[here].sources
    assert way == expected
    assert steps[pair[0]].name == "branch.norm2"
    assert [steps[i].out_shape for i in pair] == [(8, 4, 4)] * 2


def test_what_ran_counts_and_not_what_a_layer_is_called():
    layers = {"second": nn.Conv2d(4, 4, 1), "first": nn.BatchNorm2d(4), "never": nn.Linear(2, 2)}
    steps = probes.dataflow(Written(lambda self, x: self.second(self.first(x)), **layers), maps())
    assert [step.name for step in steps] == ["first", "second"]


def test_functions_are_steps_and_inside_a_layer_they_are_not():
    steps = probes.dataflow(Written(lambda self, x: F.relu(F.max_pool2d(x, 2)[:, :2] * 2)), maps())
    assert kinds(steps) == ["max_pool2d", "getitem", "mul", "relu"]
    assert kinds(probes.dataflow(nn.Sequential(models.PadShortcut(4, 8, 2)), maps())) == ["PadShortcut"]
    opened = probes.dataflow(models.PadShortcut(4, 8, 2), maps())  # what stands inside the module itself
    assert kinds(opened) == ["getitem", "pad"]


def test_a_step_that_gives_several_tensors_is_one_step():
    def gated(self, x):
        a, g = self.conv(x).chunk(2, 1)
        return x + a * torch.sigmoid(g)

    steps = probes.dataflow(Written(gated, conv=nn.Conv2d(4, 8, 1)), maps())
    assert kinds(steps) == ["Conv2d", "chunk", "sigmoid", "mul", "add"]
    assert [step.sources for step in steps] == [(-1,), (0,), (1,), (1, 2), (-1, 3)]
    assert steps[1].out_shape == (4, 8, 8) and steps[1].label == "chunk"

    for forward, kind in (
        (lambda self, x: torch.tanh(x).max(1).values, "max"),
        (lambda self, x: torch.tanh(x).split([1, 3], 1)[1], "split"),
        (lambda self, x: torch.tanh(x).unbind(1)[2], "unbind"),
        (lambda self, x: sum(torch.tanh(x)), "unbind"),
    ):
        steps = probes.dataflow(Written(forward), maps())
        assert kinds(steps)[:2] == ["tanh", kind] and steps[1].sources == (0,)


def test_the_shape_and_the_rms_of_several_tensors_are_those_of_the_first():
    steps = probes.dataflow(Written(lambda self, x: x.split([1, 3], 1)[1]), maps())
    assert kinds(steps) == ["split"] and steps[0].out_shape == (1, 8, 8)
    assert steps[0].rms == pytest.approx(maps()[:, :1].square().mean().sqrt().item())


def test_a_layer_that_gives_several_tensors_is_one_step():
    def lstm(self, x):
        out, (h, _c) = self.lstm(torch.tanh(x))
        return out.sum(1) + h[0]

    steps = probes.dataflow(Written(lstm, lstm=nn.LSTM(8, 5, batch_first=True)), maps()[:, 0])
    assert kinds(steps) == ["tanh", "LSTM", "sum", "getitem", "add"]
    assert [step.sources for step in steps] == [(-1,), (0,), (1,), (1,), (2, 3)]
    assert steps[1].name == "lstm" and steps[1].out_shape == (8, 5)


def test_what_a_layer_hands_on_beside_its_result_comes_from_where_it_came():
    pair = Written(lambda self, x: (x, torch.cos(x)))
    steps = probes.dataflow(Written(lambda self, x: torch.add(*self.pair(torch.tanh(x))), pair=pair), maps())
    assert kinds(steps) == ["tanh", "Written", "add"] and steps[2].sources == (0, 1)
    assert steps[1].rms == pytest.approx(torch.cos(torch.tanh(maps())).square().mean().sqrt().item())


def test_the_attention_of_a_transformer_is_on_its_way():
    steps = probes.dataflow(relatives.Transformer(4, 8), maps())
    order = kinds(steps)
    attention = order.index("multi_head_attention_forward")
    assert steps[attention].label == "attention"
    assert order.index("LayerNorm") < attention < order.index("add") and order.count("LayerNorm") == 2
    needed = {attention}
    for i in reversed(range(attention + 1)):
        needed |= set(steps[i].sources) if i in needed else set()
    assert order.index("LayerNorm") in needed and -1 in needed


def test_a_property_and_an_assignment_to_a_part_are_steps():
    steps = probes.dataflow(Written(lambda self, x: torch.tanh(x).mT + 1), maps())
    assert kinds(steps) == ["tanh", "mT", "add"] and [step.sources for step in steps] == [(-1,), (0,), (1,)]

    def padded(self, x):
        out = torch.zeros(6, 8, 8, 8)
        out[:, :4] = torch.tanh(x)
        return out

    steps = probes.dataflow(Written(padded), maps())
    assert kinds(steps) == ["zeros", "tanh", "setitem"] and steps[2].sources == (0, 1)
    assert steps[2].out_shape == (8, 8, 8)


def test_what_the_output_does_not_depend_on_is_left_out():
    def forward(self, x):
        _ = torch.relu(x)
        y = torch.tanh(x)
        torch.sigmoid(y)
        return y + x

    steps = probes.dataflow(Written(forward), maps())
    assert kinds(steps) == ["tanh", "add"] and steps[1].sources == (0, -1)


def test_what_hands_on_its_input_itself_is_no_step():
    assert probes.dataflow(nn.Identity(), maps()) == []
    steps = probes.dataflow(Written(lambda self, x: torch.tanh(x) + self.wire(x), wire=nn.Identity()), maps())
    assert steps[1].sources == (0, -1)


def test_an_in_place_step_is_a_step_of_its_own():
    def forward(self, x):
        y = torch.tanh(x)
        y += x
        return self.act(y)

    steps = probes.dataflow(Written(forward, act=nn.ReLU(inplace=True)), maps())
    assert kinds(steps) == ["tanh", "add", "ReLU"] and steps[1].label == "+="
    assert [step.sources for step in steps] == [(-1,), (0, -1), (1,)]
    assert steps[0].rms == pytest.approx(torch.tanh(maps()).square().mean().sqrt().item())


def test_rms_is_that_of_train_mode():
    steps = probes.dataflow(block().eval(), 100 * maps())
    assert steps[1].rms == pytest.approx(1, rel=1e-3)  # normalized by the batch


def test_the_branch_stands_first_whichever_is_written_first():
    for forward in (lambda self, x: torch.tanh(x) + x, lambda self, x: x + torch.tanh(x)):
        assert probes.summands(probes.dataflow(Written(forward), maps())) == [(0, -1)]
    assert probes.summands(probes.dataflow(Written(lambda self, x: 1 + torch.tanh(x)), maps())) == []


def test_after_an_error_no_hook_stays():
    net = Written(lambda self, x: self.act(x) + torch.zeros(3), act=nn.ReLU())
    with pytest.raises(RuntimeError):
        probes.dataflow(net, maps())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


@pytest.mark.parametrize(
    ("module", "inputs", "message"),
    [(nn.ReLU(), maps().to("meta"), "meta"), (Written(lambda self, x: (x, x)), maps(), "Written")],
)
def test_what_it_cannot_take_is_refused_with_a_sentence(module, inputs, message):
    with pytest.raises((TypeError, ValueError), match=message):
        probes.dataflow(module, inputs)


def test_whole_numbers_are_measured_too():
    (step,) = probes.dataflow(nn.ReLU(), torch.full((2, 3, 4, 4), 3, dtype=torch.uint8))
    assert step.rms == pytest.approx(3)
