"""As test_bad_input.py, for the probes of lesson 09."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from test_bad_input import JUNK, linear, refused, some, tensors
from torch import nn

from resnet_edu import models, probes


@some
@given(JUNK, JUNK, JUNK)
def test_lesions_take_blocks_and_a_score_or_refuse_what_they_are_given(blocks, score, value):
    net = linear()
    refused(probes.lesions, net, blocks, lambda net: 1.0)
    refused(probes.lesions, value, ["1"], lambda net: 1.0)
    refused(probes.lesions, net, ["0"], lambda net: value)
    if not callable(score):
        assert refused(probes.lesions, net, ["0"], score)
    refused(lambda *given: probes.reordered(*given).__enter__(), net, ["0"], value)


@some
@given(st.one_of(tensors(), JUNK), JUNK)
def test_paths_take_a_batch_and_branches_or_refuse_what_they_are_given(batch, branches):
    net = models.CifarNet(8, residual=True, width=2)
    refused(probes.Paths, net, batch, ["fc"])
    refused(probes.Paths, net, torch.zeros(2, 3, 8, 8), branches)
    refused(probes.Paths(net, torch.zeros(2, 3, 8, 8), ["fc"]).along, branches)


@some
@given(JUNK)
def test_landscapes_take_directions_and_steps_or_refuse_what_they_are_given(value):
    net = nn.Linear(2, 2)
    refused(probes.direction, value)
    refused(probes.direction, net, seed=value)
    refused(probes.direction, net, normalize=value)
    refused(probes.landscape, net, lambda net: 1.0, value, [0.0])
    refused(probes.landscape, net, lambda net: 1.0, [{"weight": value}], [0.0])
    refused(probes.landscape, net, lambda net: 1.0, [probes.direction(net)], value)
    refused(probes.landscape, net, lambda net: 1.0, [probes.direction(net)] * 2, [0.0], value)
