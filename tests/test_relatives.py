"""What `relatives` promises of its blocks and of the skeleton: shapes, numbers of parameters, what each block is."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from resnet_edu import models
from resnet_edu.models import relatives
from resnet_edu.models.relatives import BLOCKS, Skeleton

BLOCK = pytest.mark.parametrize("name", BLOCKS)


def made(name, channels=16, hidden=16, seed=0):
    torch.manual_seed(seed)
    return BLOCKS[name](channels, hidden).eval()


def stream(channels=16, side=6, seed=1):
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def run(block, x):
    return block(x)


@BLOCK
def test_a_block_keeps_the_shape_of_the_stream_or_says_how_it_grows(name):
    block, x = made(name), stream()
    assert run(block, x).shape == (2, getattr(block, "out_channels", 16), 6, 6)


@BLOCK
@pytest.mark.parametrize(("width", "blocks"), [(16, 2), (16, 8), (24, 3)])
def test_the_budget_is_the_plain_net_s_within_5_percent(name, width, blocks):
    plain = models.count_parameters(Skeleton(relatives.Plain, width=width, blocks=blocks))
    count = models.count_parameters(Skeleton(BLOCKS[name], width=width, blocks=blocks))
    assert abs(count / plain - 1) < 0.05


@BLOCK
def test_a_net_gives_logits_and_a_gradient_to_every_weight(name):
    torch.manual_seed(0)
    net = Skeleton(BLOCKS[name], blocks=2, num_classes=7, in_channels=4)
    logits = net(torch.randn(3, 4, 13, 18))
    assert logits.shape == (3, 7) and torch.isfinite(logits).all()
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@BLOCK
def test_the_lines_of_code_are_those_of_forward(name):
    lines = relatives.forward_lines(BLOCKS[name])
    assert "return" in lines.splitlines()[-1] and "def " not in lines and not lines.startswith(" ")
    scope = {"torch": torch, "F": F}
    exec("def forward(self, x):\n" + "\n".join(f"    {line}" for line in lines.splitlines()), scope)
    block, x = made(name), stream()
    assert torch.equal(run(lambda x: scope["forward"](block, x), x), run(block, x))


def test_plain_and_residual_have_equal_parameters_and_differ_by_x():
    plain, residual = made("plain"), made("residual")
    assert models.count_parameters(plain) == models.count_parameters(residual) == 2 * 9 * 16 * 16 + 2 * 2 * 16
    x, f = stream(), run(plain.branch, stream())
    assert torch.equal(run(plain, x), F.relu(f)) and torch.equal(run(residual, x), F.relu(x + f))


@pytest.mark.parametrize(
    ("name", "last"), [("pre-activation", 5), ("Xception", 7), ("ResNeXt", 7), ("residual", 4), ("squeeze-excite", 4)]
)
def test_without_its_branch_a_block_hands_on_what_is_not_negative(name, last):
    block, x = made(name), stream()
    for parameter in block.branch[last].parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(run(block, x), x)
    below = run(block, x - 0.5)
    passes = name in ("pre-activation", "Xception")
    assert torch.equal(below, x - 0.5 if passes else F.relu(x - 0.5))


def test_mobilenet_without_its_projection_hands_on_everything():
    block, x = made("MobileNetV3"), stream() - 0.5
    nn.init.zeros_(block.project[1].weight)
    assert torch.equal(run(block, x), x)


def test_a_closed_gate_is_the_identity_and_an_open_one_the_plain_block():
    block, x = made("Highway"), stream() - 0.5
    nn.init.zeros_(block.gate.weight)
    nn.init.constant_(block.gate.bias, -200.0)
    assert torch.equal(run(block, x), x)
    nn.init.constant_(block.gate.bias, 200.0)
    assert torch.equal(run(block, x), F.relu(run(block.branch, x)))
    nn.init.constant_(block.gate.bias, 0.0)
    assert torch.allclose(run(block, x), (x + F.relu(run(block.branch, x))) / 2)


def test_the_gate_starts_nearly_closed():
    block = made("Highway")
    assert torch.sigmoid(run(block.gate, stream())).mean() == pytest.approx(1 / (1 + np.e**2), abs=0.05)


def test_a_dense_block_holds_its_input_and_adds_channels():
    block, x = made("DenseNet", hidden=5), stream()
    y = run(block, x)
    assert torch.equal(y[:, :16], x) and torch.equal(y[:, 16:], run(block.branch, x)) and y.shape[1] == 21
    net = Skeleton(relatives.Dense, width=16, blocks=3, hidden=(5, 7))
    assert net.transition[1].in_channels == 16 + 3 * 5 and net.fc.in_features == 32 + 3 * 7


def test_a_grouped_convolution_has_one_eighth_of_the_weights_and_sees_its_group_alone():
    conv = made("ResNeXt", hidden=32).branch[3]
    assert conv.weight.numel() * 8 == models.conv3x3(32, 32).weight.numel()
    x = torch.zeros(1, 32, 5, 5)
    x[:, 4:8] = 1  # the second group of four
    seen = run(conv, x).abs().sum((0, 2, 3)) > 0
    assert seen.tolist() == [4 <= i < 8 for i in range(32)]


def test_resnext_gets_a_width_that_its_groups_divide():
    for width in (8, 16, 20):
        assert all(hidden % 8 == 0 for hidden in Skeleton(relatives.ResNeXt, width=width).hidden)


def test_a_channel_gate_of_ones_is_the_residual_block():
    block, residual, x = made("squeeze-excite"), made("residual"), stream()
    residual.load_state_dict(block.state_dict(), strict=False)
    assert not torch.allclose(run(block, x), run(residual, x))
    nn.init.zeros_(block.gate[3].weight)
    nn.init.constant_(block.gate[3].bias, 200.0)
    assert torch.equal(run(block, x), run(residual, x))


def test_a_channel_gate_is_two_matrices_on_the_means():
    gate, f = relatives.ChannelGate(8), stream(8)
    down, up = gate[1], gate[3]
    mean = f.double().mean((2, 3)).numpy()
    h = np.maximum(mean @ down.weight.detach().double().flatten(1).numpy().T + down.bias.detach().double().numpy(), 0)
    s = h @ up.weight.detach().double().flatten(1).numpy().T + up.bias.detach().double().numpy()
    np.testing.assert_allclose(run(gate, f)[:, :, 0, 0].numpy(), 1 / (1 + np.exp(-s)), rtol=1e-5)


def test_a_depthwise_convolution_mixes_no_channels_and_keeps_the_size():
    for kernel in (3, 7):
        conv, x = relatives.depthwise(4, kernel), torch.zeros(1, 4, 9, 9)
        x[:, 2, 4, 4] = 1
        y = run(conv, x)
        assert conv.weight.numel() == 4 * kernel**2 and y.shape == x.shape
        assert (y.abs().sum((0, 2, 3)) > 0).tolist() == [False, False, True, False]
        assert int((y != 0).sum()) == kernel**2


def test_separable_blocks_have_few_spatial_weights():
    for name in ("Xception", "MobileNetV3", "ConvNeXt"):
        spatial = [m for m in made(name, hidden=64).modules() if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
        assert spatial and all(conv.groups == conv.in_channels for conv in spatial)


def test_the_inverted_residual_is_wide_inside():
    inside = Skeleton(relatives.MobileNetV3, width=16).hidden
    assert inside[0] > 2 * 16 and inside[1] > 2 * 32


def test_convnext_starts_as_the_identity_and_its_norm_is_over_channels():
    block, x = made("ConvNeXt"), stream()
    assert (run(block, x) - x).abs().max() < 1e-4
    normed = run(relatives.ChannelNorm(16), x)
    np.testing.assert_allclose(normed.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(normed.var(1, correction=0), 1, atol=1e-3)


def test_a_transformer_block_adds_twice_and_does_not_know_the_places():
    block, x = made("transformer"), stream()
    order = torch.randperm(36)
    shuffled = x.flatten(2)[:, :, order].reshape(x.shape)
    assert torch.allclose(run(block, shuffled).flatten(2), run(block, x).flatten(2)[:, :, order], atol=1e-5)
    nn.init.zeros_(block.mlp[2].weight)
    nn.init.zeros_(block.mlp[2].bias)
    after_attention = run(block, x)
    nn.init.zeros_(block.attention.out_proj.weight)
    nn.init.zeros_(block.attention.out_proj.bias)
    assert torch.equal(run(block, x), x) and not torch.allclose(after_attention, x)


def test_attention_is_a_weighted_mean_of_all_places():
    block, x = made("transformer", channels=4, hidden=8), stream(4, side=3)
    for layer in (block.mlp[2], block.attention.out_proj):
        nn.init.zeros_(layer.bias)
    nn.init.zeros_(block.mlp[2].weight)
    tokens = x.flatten(2).transpose(1, 2).double()
    n = (tokens - tokens.mean(-1, keepdim=True)) / (tokens.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    w, b = block.attention.in_proj_weight.detach().double(), block.attention.in_proj_bias.detach().double()
    q, k, v = (n @ w.T + b).split(4, dim=-1)
    heads = []
    for part in (slice(0, 2), slice(2, 4)):
        weights = (q[..., part] @ k[..., part].transpose(1, 2) / 2**0.5).softmax(-1)
        heads.append(weights @ v[..., part])
    expected = tokens + torch.cat(heads, -1) @ block.attention.out_proj.weight.detach().double().T
    assert torch.allclose(run(block, x).flatten(2).transpose(1, 2).double(), expected, atol=1e-5)


def test_the_skeleton_is_the_same_around_every_block():
    def around(block):
        net = Skeleton(block, blocks=2, hidden=(16, 32))
        return {name: tuple(p.shape) for name, p in net.named_parameters() if not name.startswith("stage")}

    assert around(relatives.Plain) == around(relatives.Residual) == around(relatives.Transformer)


def test_the_matched_width_is_the_best_there_is():
    for block in (relatives.Xception, relatives.MobileNetV3):

        def parameters(block, hidden):
            return 2 * models.count_parameters(block(16, hidden))

        budget, best = parameters(relatives.Plain, 16), relatives.matched(block, 16, 2)
        off = [abs(parameters(block, hidden) - budget) for hidden in range(best - 2, best + 3)]
        assert min(off) == off[2]


def test_any_callable_makes_blocks():
    net = Skeleton(lambda channels, hidden: nn.Conv2d(channels, channels, 1), blocks=1, hidden=(1, 1))
    assert net(torch.zeros(1, 3, 8, 8)).shape == (1, 10)
