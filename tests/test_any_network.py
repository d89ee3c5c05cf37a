"""Every probe on every kind of network: it gives the numbers of the plain network, or says in a sentence why not."""

from functools import cache

import numpy as np
import pytest
import torch
import torchvision
from samples import batch, cifar, labels
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

import resnet_edu
from resnet_edu import models, probes


class Net(nn.Module):
    """A stem, a residual body and a head, which its relatives below change."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Linear(4, 10)

    def run_body(self, x):
        return self.body(x)

    def forward(self, x):
        x = self.stem(x)
        return self.head((x + self.run_body(x)).mean((2, 3)))


class Checkpointed(Net):
    reentrant = True

    def run_body(self, x):
        return checkpoint(self.body, x, use_reentrant=self.reentrant)


class CheckpointedAnew(Checkpointed):
    reentrant = False


class Headless(Net):
    def __init__(self):
        super().__init__()
        del self.head

    def forward(self, x):
        x = self.stem(x)
        return x + self.run_body(x)


class WithFeatures(Net):
    def forward(self, x):
        return super().forward(x), self.stem(x)


def compiled():
    net = Net()
    net.body = torch.compile(net.body, backend="eager")
    net.eval()(batch())
    return net.train()


def compiled_in_place():
    net = Net()
    net.body.compile(backend="eager")
    net.eval()(batch())
    return net.train()


def with_weight_norm():
    net = Net()
    for layer in (net.stem, net.body[0], net.head):
        parametrizations.weight_norm(layer)
    return net


def lazy():
    net = Net()
    net.stem, net.body[1] = nn.LazyConv2d(4, 3, padding=1), nn.LazyBatchNorm2d()
    return net


def shared():
    net = Net()
    net.second_name = net.body
    return net


def scripted():
    net = Net()
    net.body = torch.jit.script(net.body)
    return net


KINDS = {
    "compiled part": compiled,
    "part compiled in place": compiled_in_place,
    "weight norm": with_weight_norm,
    "lazy": lazy,
    "checkpointed, reentrant": Checkpointed,
    "checkpointed": CheckpointedAnew,
    "shared": shared,
    "frozen": lambda: Net().requires_grad_(False),
    "half precision": lambda: Net().bfloat16(),
    "headless": Headless,
    "several outputs": WithFeatures,
    "scripted part": scripted,
}


def first(output):
    return output[0] if isinstance(output, tuple) else output


def score(net, x):
    with torch.no_grad():
        return first(net(x)).float().square().mean()


def gradient_norms(net, x):
    norms = probes.GradientNorms(net)
    first(net(x.clone().requires_grad_())).float().square().mean().backward()
    norms.record()
    return norms.names, norms.numpy()[0]


def update_ratio(net, x):
    ratios = probes.UpdateRatio(net)
    ratios.start()
    with torch.no_grad():
        for name, p in net.named_parameters():
            p *= 1 if name.endswith("original1") else 1.25  # a longer direction is the same weight
    ratios.record()
    return ratios.names, ratios.numpy()[0]


def signal(net, x):
    found = probes.signal(net, x)
    return found.names, np.concatenate([found.activation, found.gradient])


def unit_health(net, x):
    found = probes.unit_health(net, x)
    return found.names, np.concatenate([found.saturated, found.dead])


def layer_table(net, x):
    table = probes.layer_table(net, x)
    heard = sum(row.parameters for row in table if row.name != "head")
    assert heard == sum(p.numel() for name, p in net.named_parameters() if not name.startswith("head"))
    return [row.name for row in table if row.name != "head"], [row.multiply_adds for row in table if row.name != "head"]


def receptive_field(net, _x):
    return [], probes.receptive_field(net, (3, 8, 8)).influence


def shattering(net, x):
    found = probes.shattering(net, x[0], -x[0], points=3)
    return [], np.concatenate([found.norm, found.matrix.ravel()])


def dataflow(net, x):
    steps = probes.dataflow(net, x)
    return [step.name for step in steps], [step.rms for step in steps]


def paths(net, x):
    return [], probes.Paths(net, x, ["body"]).by_length().float().flatten(1).norm(dim=1).cpu().numpy()


def lesions(net, x):
    found = probes.lesions(net, ["body"], lambda net: score(net, x))
    return found.names, [found.intact, *found.scores]


def landscape(net, x):
    return [], probes.landscape(net, lambda net: score(net, x), [probes.direction(net)], [-0.5, 0.0, 0.5])


def first_nonfinite_layer(net, x):
    nn.init.constant_(dict(net.named_modules()).get("body._orig_mod", net.body)[0].bias, torch.nan)
    name, finite = probes.first_nonfinite_layer(net, x)
    return [name], [finite]


@cache
def plain(probe):
    return probe(Net(), batch(size=8))


PROBES = (gradient_norms, update_ratio, signal, unit_health, layer_table, receptive_field, shattering, dataflow, paths,
          lesions, landscape, first_nonfinite_layer)  # fmt: skip

REFUSED = {
    *(("lazy", probe) for probe in PROBES),
    *(("checkpointed, reentrant", probe) for probe in (signal, receptive_field, shattering, paths)),
    *(("headless", probe) for probe in (signal, paths)),
    *(("several outputs", probe) for probe in (signal, paths, receptive_field, shattering, dataflow)),
    *(("scripted part", probe) for probe in (signal, unit_health, layer_table, dataflow, paths, first_nonfinite_layer)),
}
# Another network's numbers, which are right for it.
OF_ITS_OWN = {("weight norm", landscape), *(("headless", probe) for probe in PROBES), ("several outputs", layer_table)}


def is_refused(call):
    """An error from a line of this package, not from deep inside PyTorch."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert str(caught.traceback[-1].path).startswith(resnet_edu.__path__[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
def test_a_probe_tells_the_truth_about_any_network_or_says_why_not(probe, kind):
    net, x = KINDS[kind](), batch(size=8).bfloat16() if kind == "half precision" else batch(size=8)
    if (kind, probe) in REFUSED:
        is_refused(lambda: probe(net, x))
        return
    names, numbers = probe(net, x)
    if kind == "frozen" and probe is gradient_norms:
        assert np.isnan(numbers).all()
        return
    expected_names, expected = plain(probe)
    assert np.isfinite(numbers).all()
    if (kind, probe) not in OF_ITS_OWN:
        assert names == expected_names
        size = np.abs(expected).max()
        np.testing.assert_allclose(numbers, expected, rtol=0, atol=size * (0.1 if kind == "half precision" else 1e-5))


# --- particular networks ----------------------------------------------------------------------------------------------


def test_a_vision_transformer_is_counted_as_it_is_published():
    with torch.device("meta"):
        table = probes.layer_table(torchvision.models.vit_b_16(), torch.empty(1, 3, 224, 224))
    published = torchvision.models.ViT_B_16_Weights.IMAGENET1K_V1.meta
    assert sum(row.parameters for row in table) == published["num_params"]
    assert sum(row.multiply_adds for row in table) / 1e9 == pytest.approx(published["_ops"], abs=1e-3)
    attention = next(row for row in table if row.kind == "MultiheadAttention")
    assert attention.multiply_adds == 4 * 197 * 768**2 + 2 * 197**2 * 768


def small_vit():
    torch.manual_seed(0)
    return torchvision.models.VisionTransformer(16, 4, 2, 2, 8, 16, num_classes=10)


def test_attention_is_counted_on_every_device():
    table = probes.layer_table(small_vit(), batch())
    assert table == probes.layer_table(small_vit().to("meta"), batch().to("meta"))
    attention = next(row for row in table if row.kind == "MultiheadAttention")
    assert attention.multiply_adds == 4 * 17 * 8**2 + 2 * 17**2 * 8


def test_the_ratio_of_a_vision_transformer_compares_its_first_and_last_layer():
    net = small_vit()
    nn.init.normal_(net.heads.head.weight)  # it starts as zeros
    norms = probes.GradientNorms(net)
    F.cross_entropy(net(batch()), labels()).backward()
    norms.record()
    assert norms.names[0] == "class_token"
    first, last = (norms.numpy()[0][norms.names.index(name)] for name in ("conv_proj.weight", "heads.head.weight"))
    assert norms.ratio() == first / last


def test_a_nan_in_attention_is_found_where_it_is():
    net = small_vit()
    attention = net.encoder.layers[1].self_attention
    nn.init.constant_(attention.out_proj.weight, torch.nan)
    assert probes.first_nonfinite_layer(net, batch()) == ("encoder.layers.encoder_layer_1.self_attention", False)


def test_the_default_order_of_the_course_s_nets_is_the_one_in_which_they_run():
    for net in (cifar(14, shortcut="B"), models.resnet18(10, width=4), models.resnet50(10, width=4)):
        layers = probes.signal(net, batch(size=32)).names  # in execution order
        assert probes.GradientNorms(net).names == [f"{layer}.weight" for layer in layers]


@pytest.mark.parametrize("replaced", ["fc", "stem"])
def test_a_layer_replaced_after_the_recorder_was_made_is_noticed(replaced):
    net = cifar()
    norms, ratios = probes.GradientNorms(net), probes.UpdateRatio(net)
    net.stage1 = torch.compile(net.stage1, backend="eager")  # the same weights
    norms.record()
    ratios.start()
    setattr(net, replaced, nn.Linear(4, 10))
    is_refused(norms.record)
    is_refused(ratios.record)
    assert len(norms) == 1
    assert len(probes.GradientNorms(net, params=["fc.weight"])) == 0


def effective_gradients(net, names, loss):
    """dL/dw of weights that are computed, from a graph in which they are leaves."""
    plain = {name: net.get_submodule(name.rpartition(".")[0]).weight.detach().requires_grad_() for name in names}
    for name, weight in plain.items():
        layer = net.get_submodule(name.rpartition(".")[0])
        nn.utils.parametrize.remove_parametrizations(layer, "weight")
        layer.weight = nn.Parameter(weight)
    loss(net).backward()
    return [net.get_parameter(name).grad.double().norm().item() for name in names]


@pytest.mark.parametrize("dim", [0, 1, None])
def test_the_gradient_under_weight_norm_is_that_of_the_weight_that_the_layer_uses(dim):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.Flatten(), nn.Linear(20, 10))
    for layer in (net[0], net[2], net[4]):
        parametrizations.weight_norm(layer, dim=dim)
        nn.init.uniform_(layer.parametrizations.weight.original0, 0.5, 2)
    norms, x = probes.GradientNorms(net), batch(size=6)

    def loss(net):
        return F.cross_entropy(net(x), labels())

    loss(net).backward()
    norms.record()
    assert norms.names == ["0.weight", "2.weight", "4.weight"]
    expected = effective_gradients(net, norms.names, loss)
    np.testing.assert_allclose(norms.numpy()[0], expected, rtol=1e-5)
    assert norms.ratio() == pytest.approx(expected[0] / expected[1], rel=1e-5)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_the_older_weight_norm_is_one_weight_too():
    x, rows = torch.randn(5, 3), []
    for norm in (nn.utils.weight_norm, parametrizations.weight_norm):
        torch.manual_seed(0)
        layer = norm(nn.Linear(3, 2))
        norms = probes.GradientNorms(layer)
        layer(x).square().sum().backward()
        norms.record()
        assert norms.names == ["weight"]
        rows.append(norms.numpy()[0, 0])
    assert rows[0] == pytest.approx(rows[1])


def test_the_parts_of_a_weight_norm_can_be_named():
    net = parametrizations.weight_norm(nn.Linear(3, 2))
    gain = "parametrizations.weight.original0"
    assert probes.GradientNorms(net, params=[gain, "weight"]).names == [gain, "weight"]


def test_of_other_parametrizations_the_tensor_behind_the_weight_is_recorded_and_called_so():
    net = nn.Sequential(
        parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)), parametrizations.orthogonal(nn.Linear(4, 4))
    )
    assert probes.GradientNorms(net).names == ["0.weight.original", "1.weight.original"]
    assert list(probes.direction(net)) == [f"{i}.parametrizations.weight.original" for i in range(2)]


def test_a_direction_leaves_the_gains_of_weight_norm_alone():
    net = parametrizations.weight_norm(nn.Linear(3, 2))
    assert list(probes.direction(net)) == ["parametrizations.weight.original1"]


def test_a_weight_that_is_used_twice_counts_once_and_its_products_twice():
    layer = nn.Linear(4, 4)
    table = probes.layer_table(nn.Sequential(layer, nn.ReLU(), layer), torch.zeros(2, 4))
    assert [row.parameters for row in table] == [20, 0, 0]
    assert [row.multiply_adds for row in table] == [16, 0, 16]


class WrittenByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.head = nn.Linear(4, 4)

    def forward(self, x):
        features = F.conv2d(x, self.kernel).mean((2, 3))
        return self.head(features) @ self.head.weight.T


def test_what_a_module_computes_itself_is_a_row_of_its_own():
    table = probes.layer_table(WrittenByHand(), batch(size=8))
    assert [(row.name, row.parameters, row.multiply_adds) for row in table] == [
        ("head", 20, 16),
        ("(module)", 108, 108 * 6 * 6 + 16),
    ]


def test_windows_in_the_batch_dimension_are_all_counted():
    net = nn.Sequential(nn.Unflatten(1, (5, 3)), nn.Flatten(0, 1), nn.Linear(3, 2))  # 5 windows of each example
    row = probes.layer_table(net, torch.zeros(4, 15))[-1]
    assert (row.multiply_adds, row.out_bytes) == (5 * 3 * 2, 5 * 2 * 4)


def test_a_layer_that_returns_its_input_needs_no_memory_of_its_own():
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU(inplace=True), nn.Identity(), nn.ReLU())
    assert [row.out_bytes for row in probes.layer_table(net, torch.zeros(4, 3))] == [8, 0, 0, 8]


def test_a_block_that_stands_in_two_places_can_be_taken_out_of_either():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, layer)
    with probes.without(net, "1"):
        assert net[0] is layer and net[1] is not layer


def test_a_checkpoint_s_second_run_leaves_the_statistics_alone():
    net, x = CheckpointedAnew(), batch(size=8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = probes.Paths(net, x, ["body"])
    found.by_length(), found.along([0])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
