"""What `probes` promises: the numbers equal slow formulas on any net, and the net is left as it was."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import batch, cifar, labels
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from resnet_edu import models, probes


def torchvision_resnet():
    import torchvision

    torch.manual_seed(0)
    block = torchvision.models.resnet.BasicBlock  # in-place ReLU and `out += identity`
    return torchvision.models.ResNet(block, [2, 1, 1, 1], num_classes=10)


def torchvision_densenet():
    import torchvision

    torch.manual_seed(0)
    return torchvision.models.DenseNet(8, (2, 2, 2), 16, num_classes=10)


class Encoder(nn.Module):
    """A transformer encoder over tokens (integers, through an embedding) or over float vectors."""

    def __init__(self, tokens=True, dropout=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(11, 8) if tokens else nn.Identity()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 10)

    def forward(self, x):  # [N, T] or [N, T, 8] -> [N, 10]
        return self.head(self.encoder(self.embed(x)).mean(1))


class AddsInPlace(nn.Module):
    """x + branch(x), written into x."""

    def __init__(self, branch):
        super().__init__()
        self.branch = branch

    def forward(self, x):
        x += self.branch(x)
        return x


def starts_in_place(inplace=True):
    """A net whose first operation overwrites what it is given; or the same net, where it does not."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 16 * 16, 10)]
    return nn.Sequential(nn.ReLU(inplace=inplace), *layers)


def tokens(n=4):
    return torch.randint(11, (n, 6), generator=torch.Generator().manual_seed(2))


def vectors(n=4):
    return torch.randn(n, 6, 8, generator=torch.Generator().manual_seed(2))


ANY_NET = {
    "CifarNet": (cifar, batch),
    "plain CifarNet without norm": (lambda: cifar(residual=False, norm=None, init="default"), batch),
    "torchvision resnet": (torchvision_resnet, lambda: batch(size=40)),
    "torchvision densenet": (torchvision_densenet, lambda: batch(n=2, size=40)),
    "transformer encoder on tokens": (Encoder, tokens),
    "transformer encoder on vectors": (lambda: Encoder(tokens=False), vectors),
}
any_net = pytest.mark.parametrize(("build", "inputs"), list(ANY_NET.values()), ids=list(ANY_NET))


def backward(net, x):
    net.zero_grad()
    F.cross_entropy(net(x), labels(len(x))).backward()
    return net


def slow_norm(gradient):
    """sqrt(sum of squares) in Python's own arithmetic, which neither rounds early nor underflows."""
    return math.sqrt(math.fsum(v * v for v in gradient.detach().double().flatten().tolist()))


def slow_norms(net):
    return [slow_norm(p.grad) for p in net.parameters() if p.ndim >= 2]


# --- GradientNorms ----------------------------------------------------------------------------------------------------


@any_net
def test_norms_equal_a_slow_formula_on_any_net(build, inputs):
    net = build()
    norms = probes.GradientNorms(net)
    backward(net, inputs())
    norms.record()
    named = {name: p.grad.double() for name, p in net.named_parameters() if p.ndim >= 2}
    assert norms.names == list(named)  # in module order
    assert norms.numpy().dtype == np.float64
    expected = [float(g.pow(2).sum().sqrt()) for g in named.values()]
    np.testing.assert_allclose(norms.numpy(), [expected], rtol=1e-12)


@pytest.mark.parametrize("size", [1e-45, 1e-40, 1e-24, 1e-10, 1.0, 1e20, 1e38])
def test_a_norm_neither_underflows_nor_overflows(size):
    layer = nn.Linear(3, 2, bias=False)
    layer.weight.grad = torch.full((2, 3), size)
    entry = float(torch.tensor(size))  # as float32 holds it: below 1e-38 with few digits
    norms = probes.GradientNorms(layer)
    norms.record()
    assert norms.numpy()[0, 0] == pytest.approx(math.sqrt(6) * entry, rel=1e-12)


@pytest.mark.parametrize("size", [1e-40, 1e-38, 1e-24, 1e-3, 1.0, 1e10, 1e30])
def test_the_norm_for_devices_without_float64_equals_the_float64_one(size):
    torch.manual_seed(0)
    for x in (torch.randn(50, 3) * size, torch.full((4, 4), size), torch.tensor([0.0, size, -size])):
        scaled = probes.norms.scaled_norm(x)
        assert scaled.dtype is torch.float32
        assert float(scaled) == pytest.approx(slow_norm(x), rel=1e-5 if size > 1e-37 else 1e-2)


def test_the_scaled_norm_of_special_tensors():
    assert float(probes.norms.scaled_norm(torch.zeros(3))) == 0
    assert float(probes.norms.scaled_norm(torch.zeros(0, 3))) == 0
    assert math.isnan(probes.norms.scaled_norm(torch.tensor([1.0, math.nan])))
    assert float(probes.norms.scaled_norm(torch.tensor([1.0, -math.inf]))) == math.inf
    assert float(probes.norms.scaled_norm(torch.tensor([3.0, 4.0], dtype=torch.float16))) == pytest.approx(5)


def test_every_record_adds_a_row():
    net = cifar()
    norms = probes.GradientNorms(net)
    assert (len(norms), norms.numpy().shape) == (0, (0, 8))
    rows = []
    for seed in range(3):
        backward(net, batch(seed=seed))
        norms.record()
        rows.append(slow_norms(net))
    assert (len(norms), repr(norms)) == (3, "GradientNorms(8 weights, 3 steps recorded)")
    np.testing.assert_allclose(norms.numpy(), rows, rtol=1e-12)


class Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("backward fails")


def test_a_missing_gradient_is_nan_and_zeros_and_what_is_not_finite_show_as_they_are():
    net = nn.Sequential(*[nn.Linear(2, 2) for _ in range(5)])
    norms = probes.GradientNorms(net)
    norms.record()
    assert np.isnan(norms.numpy()).all()
    for i, value in enumerate((0.0, 1.0, math.nan, math.inf)):  # the last layer has none
        net[i].weight.grad = torch.ones(2, 2)
        net[i].weight.grad[0] = value
    net[0].weight.grad.zero_()
    norms.record()
    np.testing.assert_array_equal(norms.numpy()[1], [0, 2, np.nan, np.inf, np.nan])


def test_sparse_gradients_are_added_up_before_the_norm():
    embedding = nn.Embedding(5, 2, sparse=True)
    norms = probes.GradientNorms(embedding)
    embedding(torch.tensor([1, 1, 3])).sum().backward()  # row 1 twice: gradient (2, 2), row 3: (1, 1)
    assert embedding.weight.grad.is_sparse
    norms.record()
    assert norms.numpy()[0, 0] == pytest.approx(math.sqrt(4 + 4 + 1 + 1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_float_types_are_recorded_too(dtype):
    layer = nn.Linear(3, 2, bias=False)
    layer.to(dtype).weight.grad = torch.full((2, 3), 0.5, dtype=dtype)
    norms = probes.GradientNorms(layer)
    norms.record()
    assert norms.numpy()[0, 0] == pytest.approx(math.sqrt(6) / 2, rel=1e-12)


def test_names_lose_what_wrappers_put_in_front():
    net = cifar()
    expected = probes.GradientNorms(net).names
    assert probes.GradientNorms(nn.DataParallel(net)).names == expected
    assert probes.GradientNorms(torch.compile(net)).names == expected
    assert probes.GradientNorms(torch.compile(nn.DataParallel(torch.compile(net)))).names == expected
    net.stage1 = torch.compile(net.stage1)  # a compiled part
    assert probes.GradientNorms(net).names == expected


def test_a_part_called_module_keeps_its_name():
    net = nn.Module()
    net.weight, net.module = nn.Parameter(torch.zeros(2, 2)), nn.Linear(2, 2)
    assert probes.GradientNorms(net).names == ["weight", "module.weight"]
    assert probes.GradientNorms(net, params=["module.weight"]).names == ["module.weight"]


def test_params_are_chosen_by_name_or_by_pair():
    net = backward(cifar(), batch())
    named = dict(net.named_parameters())
    by_name = probes.GradientNorms(net, params=["fc.bias", "module.stem.conv.weight"])
    by_pair = probes.GradientNorms(net, params=(item for item in named.items() if "norm" in item[0]))
    by_name.record()
    by_pair.record()
    assert by_name.names == ["fc.bias", "stem.conv.weight"]  # in the order asked for
    expected = [slow_norm(named[name].grad) for name in by_name.names]
    np.testing.assert_allclose(by_name.numpy()[0], expected, rtol=1e-12)
    expected = [slow_norm(p.grad) for name, p in named.items() if "norm" in name]
    np.testing.assert_allclose(by_pair.numpy()[0], expected, rtol=1e-12)


def test_ratio_compares_the_first_and_the_last_convolution():
    net = backward(cifar(), batch())
    norms = probes.GradientNorms(net)
    norms.record()
    row = dict(zip(norms.names, norms.numpy()[0], strict=True))
    assert norms.ratio() == pytest.approx(row["stem.conv.weight"] / row["stage3.0.branch.conv2.weight"])
    assert norms.ratio("stage1.0.branch.conv1.weight", "fc.weight") == pytest.approx(
        row["stage1.0.branch.conv1.weight"] / row["fc.weight"]
    )
    assert norms.ratio(first=1, last=-1) == norms.ratio("stage1.0.branch.conv1.weight", "fc.weight")


def test_ratio_of_a_net_without_convolutions_and_of_an_earlier_step():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    norms = probes.GradientNorms(net)
    for scale in (1.0, 3.0, 0.0):
        net[0].weight.grad, net[1].weight.grad = torch.full((2, 2), scale), torch.ones(2, 2)
        norms.record()
    assert [norms.ratio(step=i) for i in (0, 1, 2, -1, -3)] == [1, 3, 0, 0, 1]
    net[1].weight.grad = torch.zeros(2, 2)
    norms.record()
    assert math.isnan(norms.ratio())  # 0 / 0
    net[0].weight.grad = torch.ones(2, 2)
    norms.record()
    assert norms.ratio() == math.inf


def test_recording_puts_no_hooks_on_the_net_and_changes_nothing():
    net = backward(cifar(), batch())
    before = state(net)
    probes.GradientNorms(net).record()
    assert_as_it_was(net, before)
    assert not any(p._backward_hooks or p._post_accumulate_grad_hooks for p in net.parameters())


@pytest.mark.parametrize("recorder", [probes.GradientNorms, probes.UpdateRatio])
def test_recording_never_reads_a_number_from_the_device(recorder, monkeypatch):
    net = backward(cifar(), batch())
    net.fc.weight.grad = None
    norms = recorder(net)

    def refuse(*_args, **_kwargs):
        raise AssertionError("record() reads from the device: a GPU would have to be waited for")

    with monkeypatch.context() as patch:
        for name in ("item", "cpu", "tolist", "numpy", "__float__", "__bool__", "__int__", "__array__", "nonzero"):
            patch.setattr(torch.Tensor, name, refuse)
        norms.on_gradients(0)
        norms.on_gradients(1)
        getattr(norms, "on_epoch", print)(None)
    assert norms.numpy().shape == (2, 8)


def test_as_a_callback_it_can_record_every_nth_step():
    norms = probes.GradientNorms(cifar(), every=4)
    for step in range(10):
        norms.on_gradients(step)
    assert norms.steps.tolist() == [0, 4, 8] and len(norms) == 3
    with pytest.raises(ValueError, match="every=0"):
        probes.GradientNorms(cifar(), every=0)


def test_its_rows_go_through_a_state_dict_to_the_same_weights_only():
    norms = probes.GradientNorms(cifar())
    norms._rows = [torch.full((8,), value, dtype=torch.float64) for value in (1e-24, 2.0)]
    again = probes.GradientNorms(cifar())
    again.load_state_dict(norms.state_dict())
    np.testing.assert_array_equal(again.numpy(), norms.numpy())
    for other in (probes.GradientNorms(cifar(), every=2), probes.GradientNorms(nn.Linear(2, 2))):
        with pytest.raises(ValueError, match=r"(every|names)="):
            other.load_state_dict(norms.state_dict())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (["fc.wieght"], "fc.wieght"),
        ([5], "params contains 5"),
        ([("fc.weight", "fc.weight")], "params"),
        ([("a", torch.ones(2, requires_grad=True) * 2)], "params"),
        ([], "params="),
    ],
)
def test_wrong_params_are_refused(params, message):
    with pytest.raises((ValueError, TypeError), match=message):
        probes.GradientNorms(cifar(), params=params)


@pytest.mark.parametrize(("module", "message"), [(batch, "nn.Module"), (nn.ReLU(), "ReLU has no weight")])
@pytest.mark.parametrize("recorder", [probes.GradientNorms, probes.UpdateRatio])
def test_a_recorder_needs_a_module_with_weights(recorder, module, message):
    with pytest.raises((ValueError, TypeError), match=message):
        recorder(module)


def test_a_ratio_needs_a_row_and_names_that_are_recorded():
    norms = probes.GradientNorms(cifar())
    with pytest.raises(ValueError, match="record"):
        norms.ratio()
    norms.record()
    with pytest.raises(ValueError):
        norms.ratio("conv1")


# --- signal -----------------------------------------------------------------------------------------------------------


class Kept:
    """An independent way to the same numbers: every layer's output is kept whole, with its own gradient.

    In-place operations are switched off in a copy of the net, and a clone stands behind every layer, so that `+=`
    cannot touch what was kept.
    """

    def __init__(self, net, x, loss):
        net, self.outputs = copy.deepcopy(net).train(), {}
        for module in net.modules():
            if getattr(module, "inplace", False):
                module.inplace = False
        for name, module in net.named_modules():
            if any(p.ndim >= 2 for p in module.parameters(recurse=False)):
                module.register_forward_hook(self.keep(name))
        loss(net(x)).backward()

    def keep(self, name):
        def hook(_module, _inputs, output):
            h = output[0] if isinstance(output, tuple) else output
            h.retain_grad()
            self.outputs[name] = h
            return (h.clone(), *output[1:]) if isinstance(output, tuple) else h.clone()

        return hook

    def activation(self):
        return [math.sqrt(slow_norm(h) ** 2 / h.numel()) for h in self.outputs.values()]

    def gradient(self):
        return [slow_norm(h.grad) for h in self.outputs.values()]


def check_signal(net, x, **options):
    found = probes.signal(net, x, labels(len(x)), **options)
    kept = Kept(net, x, lambda out: F.cross_entropy(out, labels(len(x))))
    assert found.names == list(kept.outputs)
    assert found.activation.dtype == found.gradient.dtype == np.float64
    np.testing.assert_allclose(found.activation, kept.activation(), rtol=1e-5)
    np.testing.assert_allclose(found.gradient, kept.gradient(), rtol=1e-4)
    return found


@any_net
def test_signal_equals_a_slow_formula_on_any_net(build, inputs):
    check_signal(build(), inputs())


@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_signal_hears_the_layers_in_the_order_in_which_they_run(preactivation, shortcut):
    found = check_signal(cifar(preactivation=preactivation, shortcut=shortcut), batch())
    assert found.names[0] == "stem.conv" and found.names[-1] == "fc"
    assert found.names.index("stage2.0.branch.conv2") < found.names.index("stage3.0.branch.conv1")


def test_signal_follows_a_gradient_below_the_smallest_square():
    torch.manual_seed(0)
    net = nn.Sequential(*[nn.Linear(4, 4, bias=False) for _ in range(6)])
    for layer in net:
        layer.weight.data = 1e-6 * torch.eye(4)
    found = probes.signal(net, torch.ones(1, 4), loss_fn=torch.sum)
    np.testing.assert_allclose(found.activation, [10.0 ** -(6 * i) for i in range(1, 7)], rtol=1e-5)
    np.testing.assert_allclose(found.gradient, [2 * 10.0 ** -(6 * i) for i in range(5, -1, -1)], rtol=1e-5)


def state(net):
    return {
        "tensors": {k: v.clone() for k, v in net.state_dict().items()},
        "objects": [id(x) for x in (*net.modules(), *net.parameters(), *net.buffers())],
        "modes": [m.training for m in net.modules()],
        "grads": [None if p.grad is None else (id(p.grad), p.grad.clone()) for p in net.parameters()],
        "requires": [p.requires_grad for p in net.parameters()],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in net.modules()],
        "random": torch.get_rng_state(),
    }


def assert_as_it_was(net, before):
    after = state(net)
    for kind in ("objects", "modes", "requires", "hooks"):
        assert after[kind] == before[kind], kind
    for name, tensor in before["tensors"].items():
        assert torch.equal(after["tensors"][name], tensor), name
    for a, b in zip(after["grads"], before["grads"], strict=True):
        assert a is b is None or (a[0] == b[0] and torch.equal(a[1], b[1]))
    assert torch.equal(after["random"], before["random"])


def mixed_modes(net):
    """Some layers in eval mode, some gradients there, some not: what has to come back is not all the same."""
    net.train()
    for i, module in enumerate(net.modules()):
        module.training = i % 3 > 0
    for i, p in enumerate(net.parameters()):
        p.grad = torch.full_like(p, 0.5) if i % 2 else None
    return net


@pytest.mark.parametrize("probe", [probes.signal, probes.layer_table, probes.dataflow, probes.first_nonfinite_layer])
@any_net
def test_a_probe_leaves_any_net_as_it_was(build, inputs, probe):
    net, x = mixed_modes(build()), inputs()
    before, kept = state(net), x.clone()
    probe(net, x)
    assert_as_it_was(net, before)
    assert torch.equal(x, kept) and not x.requires_grad


def test_signal_leaves_the_net_as_it_was_after_an_exception():
    net = mixed_modes(cifar(stochastic_depth_prob=0.5))
    before = state(net)

    def fail(*_):
        raise RuntimeError("forward fails")

    handle = net.stage3.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="forward fails"):
        probes.signal(net, batch())
    handle.remove()
    assert_as_it_was(net, before)
    with pytest.raises(RuntimeError, match="loss fails"):
        probes.signal(net, batch(), loss_fn=lambda out: exec("raise RuntimeError('loss fails')"))
    assert_as_it_was(net, before)
    with pytest.raises(RuntimeError, match="backward fails"):
        probes.signal(net, batch(), loss_fn=lambda out: Fails.apply(out).sum())
    assert_as_it_was(net, before)


class Replaces(nn.Module):
    """A buffer that is replaced, not written to."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 10)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen = self.seen + len(x)
        return self.linear(x)


def test_signal_puts_back_a_buffer_that_is_replaced():
    net, x = Replaces(), torch.randn(4, 3)
    before = state(net)
    probes.signal(net, x)
    assert_as_it_was(net, before)


def test_signal_runs_in_train_mode_whatever_the_mode_is():
    net = cifar()
    for _ in range(3):
        net.train()(3 * batch() + 1)
    inside_eval, inside_train = (probes.signal(mode(), batch()) for mode in (net.eval, net.train))
    np.testing.assert_array_equal(inside_eval.activation, inside_train.activation)
    with torch.no_grad():
        in_eval, in_train = (mode()(batch()).square().mean().sqrt() for mode in (net.eval, net.train))
    assert inside_eval.activation[-1] == pytest.approx(float(in_train), rel=1e-5)
    assert inside_eval.activation[-1] != pytest.approx(float(in_eval), rel=0.1)


def test_signal_works_inside_no_grad():
    with torch.no_grad():
        found = probes.signal(cifar(), batch())
    np.testing.assert_array_equal(found.gradient, probes.signal(cifar(), batch()).gradient)


def test_signal_of_a_net_that_starts_in_place():
    x = batch()
    kept = x.clone()
    found, expected = (probes.signal(starts_in_place(inplace), x, layers=["0", "1", "4"]) for inplace in (True, False))
    np.testing.assert_array_equal(found.activation, expected.activation)
    np.testing.assert_array_equal(found.gradient, expected.gradient)
    block = AddsInPlace(nn.Conv2d(3, 3, 1))
    (gradient,) = probes.signal(block, x, loss_fn=torch.sum).gradient
    assert gradient == pytest.approx(x.numel() ** 0.5)
    assert torch.equal(x, kept) and not x.requires_grad


def test_signal_makes_up_labels_in_turn():
    net = cifar()
    made_up, given = probes.signal(net, batch(12)), probes.signal(net, batch(12), torch.arange(12) % 10)
    np.testing.assert_array_equal(made_up.gradient, given.gradient)
    other = probes.signal(net, batch(12), torch.zeros(12, dtype=torch.int64))
    assert not np.allclose(other.gradient, given.gradient)


def test_signal_takes_any_loss():
    layer = nn.Linear(3, 2)
    x, y = torch.randn(5, 3), torch.randn(5, 2)
    found = probes.signal(layer, x, y, F.mse_loss)
    assert found.names == ["(module)"]
    expected = slow_norm(2 * (layer(x) - y) / 10)
    assert found.gradient[0] == pytest.approx(expected, rel=1e-5)
    unlabeled = probes.signal(layer, x, loss_fn=lambda out: out.square().sum())
    assert unlabeled.gradient[0] == pytest.approx(slow_norm(2 * layer(x)), rel=1e-5)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared, self.unused, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 10)

    def forward(self, x):
        first = self.shared(x)
        self.unused(x)
        return self.head(self.shared(first.tanh()))


def test_a_layer_used_twice_is_two_entries_and_one_that_the_loss_ignores_is_nan():
    torch.manual_seed(0)
    net, x = Twice(), torch.randn(4, 4)
    found = probes.signal(net, x, labels())
    assert found.names == ["shared", "unused", "shared (2)", "head"]
    first = net.shared(x)
    second = net.shared(first.tanh())
    loss = F.cross_entropy(net.head(second), labels())
    by_hand = torch.autograd.grad(loss, [first, second])
    assert [found.gradient[0], found.gradient[2]] == pytest.approx([slow_norm(g) for g in by_hand], rel=1e-5)
    assert found.activation[2] == pytest.approx(slow_norm(second) / 4, rel=1e-5)
    assert np.isnan(found.gradient[1]) and found.activation[1] > 0


def test_dropout_is_on_and_the_random_state_comes_back():
    torch.manual_seed(3)
    net = Encoder(dropout=0.5)
    before = torch.get_rng_state()
    a = probes.signal(net, tokens())
    assert torch.equal(torch.get_rng_state(), before)
    b = probes.signal(net, tokens())
    np.testing.assert_array_equal(a.gradient, b.gradient)  # the same state gives the same dropout
    assert not np.allclose(a.gradient, probes.signal(Encoder(dropout=0.0), tokens()).gradient)


def test_signal_hears_what_is_inside_wrappers():
    expected = probes.signal(cifar(), batch())
    for wrap in (torch.compile, nn.DataParallel, lambda net: torch.compile(nn.DataParallel(net))):
        found = probes.signal(wrap(cifar()), batch())
        assert found.names == expected.names
        np.testing.assert_array_equal(found.gradient, expected.gradient)


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch was built without torch.distributed")
def test_probes_work_under_distributed_data_parallel(monkeypatch):
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        net = nn.parallel.DistributedDataParallel(cifar())
        norms, expected = probes.GradientNorms(net), probes.signal(cifar(), batch())
        for _ in range(2):  # nothing of a signal is left over in the reducer
            with monkeypatch.context() as patch:
                patch.setattr(type(net), "forward", None)  # it waits for the other ranks, which may not be probing
                found = probes.signal(net, batch())
            assert found.names == expected.names
            np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-6)
            backward(net, batch())
            norms.record()
    finally:
        torch.distributed.destroy_process_group()
    plain = backward(cifar(), batch())
    assert norms.names == probes.GradientNorms(plain).names
    np.testing.assert_allclose(norms.numpy()[0], slow_norms(plain), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((batch, batch()), "nn.Module"),
        ((cifar(), batch().numpy()), "ndarray"),
        ((cifar(), batch(0)), r"\[0, 3, 16, 16\]"),
        ((cifar().to("meta"), batch().to("meta")), "meta"),
        ((cifar(), batch(), labels() + 10), "10 to 13"),
        ((cifar(), batch(), labels() - 1), "-1 to 2"),
        ((cifar(), batch(), None, lambda out: out), r"\[4, 10\]"),
        ((cifar(), batch(), None, lambda out: out.detach().sum()), r"\[\]"),
        ((nn.Sequential(nn.ReLU()), batch()), "Sequential"),
        ((Encoder(tokens=False).encoder, vectors()), r"\[4, 6, 8\]"),
        ((nn.LSTM(8, 8), vectors()), "tuple"),
    ],
)
def test_signal_refuses_what_it_cannot_take(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        probes.signal(*arguments)


@pytest.mark.parametrize(("layers", "message"), [([], "CifarNet"), (["stage9"], "stage9"), ([1], "1")])
def test_signal_refuses_names_of_no_module(layers, message):
    with pytest.raises(ValueError, match=message):
        probes.signal(cifar(), batch(), layers=layers)


def test_signal_hears_the_modules_that_are_named():
    net = models.CifarNet(8, residual=True, width=4)
    found = probes.signal(net, batch(), labels(), layers=["stage1.0", "stage2.0", "stem"])
    assert found.names == ["stem", "stage1.0", "stage2.0"]  # in the order in which they ran
    streams = [net.stem(batch())]
    for stage in (net.stage1, net.stage2):
        streams.append(stage(streams[-1]))
    loss = F.cross_entropy(net.fc(net.head(net.stage3(streams[-1])).mean((2, 3))), labels())
    expected = [g.double().norm().item() for g in torch.autograd.grad(loss, streams)]
    np.testing.assert_allclose(found.gradient, expected, rtol=1e-4)
    np.testing.assert_allclose(found.activation, [x.double().square().mean().sqrt().item() for x in streams], rtol=1e-5)


# --- layer_table ------------------------------------------------------------------------------------------------------


def test_the_table_lists_every_layer_with_its_shapes_and_parameters():
    net = cifar(14, shortcut="B")
    table = {row.name: row for row in probes.layer_table(net, batch(size=32))}
    assert table["stem.conv"] == probes.Layer(
        "stem.conv", "Conv2d", (3, 32, 32), (4, 32, 32), 108, 108 * 32 * 32, 4 * 4 * 32 * 32
    )
    assert table["stage2.0.branch.conv1"].out_shape == (8, 16, 16)
    assert table["stage3.0.shortcut.conv"] == probes.Layer(
        "stage3.0.shortcut.conv", "Conv2d", (8, 16, 16), (16, 8, 8), 8 * 16, 8 * 16 * 8 * 8, 4 * 16 * 8 * 8
    )
    assert table["fc"] == probes.Layer("fc", "Linear", (16,), (10,), 170, 160, 40)
    assert table["stem.norm"].multiply_adds == table["stem.act"].multiply_adds == 0
    assert [next(iter(table)), list(table)[-1]] == ["stem.conv", "fc"]


@any_net
def test_the_table_s_parameters_add_up(build, inputs):
    net = build()
    table = probes.layer_table(net, inputs())
    assert sum(row.parameters for row in table) == models.count_parameters(net)


@pytest.mark.parametrize("probe", [probes.layer_table, probes.first_nonfinite_layer])
def test_the_batch_of_a_net_that_starts_in_place_is_left(probe):
    for net in (starts_in_place(), AddsInPlace(nn.Conv2d(3, 3, 1))):
        x = batch()
        probe(net, x)
        assert torch.equal(x, batch())
    in_place, other = probe(starts_in_place(), x), probe(starts_in_place(inplace=False), x)
    if probe is probes.layer_table:  # in place, an output needs no memory
        in_place, other = ([replace(row, out_bytes=0) for row in table] for table in (in_place, other))
    assert in_place == other


def test_the_first_layer_that_is_not_finite_is_named():
    net, x = starts_in_place(), batch()
    assert probes.first_nonfinite_layer(net, x) == (None, True)
    nn.init.constant_(net[4].weight, 3e38)
    assert probes.first_nonfinite_layer(net, x) == ("4", True)
    net[1].weight.data[0, 0, 0, 0] = torch.nan
    assert probes.first_nonfinite_layer(net, x) == ("1", False)


def test_the_table_needs_no_numbers_and_one_example_will_do():
    net = cifar()
    expected = probes.layer_table(net, batch(1))
    with torch.device("meta"):
        shapes = torch.zeros(1, 3, 16, 16)
    assert probes.layer_table(copy.deepcopy(net).to("meta"), shapes) == expected


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("transposed", [False, True])
def test_the_table_s_multiply_adds_are_those_that_pytorch_counts(groups, transposed):
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    net = nn.Sequential(
        kind(4, 6, 3, stride=2, groups=groups), nn.Flatten(2), nn.Linear(16 if not transposed else 361, 5)
    )
    x = torch.randn(3, 4, 9, 9)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(x)
    assert 2 * 3 * sum(row.multiply_adds for row in probes.layer_table(net, x)) == counter.get_total_flops()


def test_groups_of_the_table_add_up_and_keep_the_order():
    net = cifar(14)
    table = probes.layer_table(net, batch(size=32))
    stages = probes.layer_groups(table)
    assert [row.name for row in stages] == ["stem", "stage1", "stage2", "stage3", "head", "fc"]
    assert [row.out_shape for row in stages] == [(4, 32, 32), (4, 32, 32), (8, 16, 16), (16, 8, 8), (16, 8, 8), (10,)]
    # Two blocks of two convolutions, two norms, two activations and a shortcut.
    assert stages[2].in_shape == (4, 32, 32) and stages[2].kind == "14 layers"
    assert stages[-1] == table[-1]
    blocks = probes.layer_groups(table, 2)
    assert [row.name for row in blocks][2:6] == ["stem.act", "stage1.0", "stage1.1", "stage2.0"]
    for what in ("parameters", "multiply_adds", "out_bytes"):
        whole = sum(getattr(row, what) for row in table)
        assert sum(getattr(row, what) for row in stages) == sum(getattr(row, what) for row in blocks) == whole
