"""Bad input for the probe, the figures and the explorer of blocks, as in test_bad_input.py."""

import contextlib
import os

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bad_input import JUNK, many, pictures, refused, some, tensors
from torch import nn

from resnet_edu import explorers, models, plots, probes

BLOCK = models.Block(nn.Tanh(), nn.Identity(), nn.ReLU(), 1.0, 0.0)
NETS = [nn.ReLU(), nn.Identity(), models.PadShortcut(3, 6, 2), BLOCK]


@some
@given(st.sampled_from(NETS), st.one_of(tensors().filter(lambda x: x.ndim == 4 and not x.is_complex()), JUNK))
def test_dataflow_takes_a_batch_or_refuses_what_it_is_given(net, batch):
    if isinstance(batch, torch.Tensor) and (batch.ndim != 4 or batch.dtype is torch.bool):
        return  # an error of the net, not of the probe
    refused(probes.dataflow, net, batch)
    refused(probes.dataflow, batch, torch.zeros(2, 3, 8, 8))


@many
@given(st.dictionaries(st.text("ab", max_size=2), st.one_of(JUNK, st.lists(JUNK, max_size=2)), max_size=2), JUNK)
def test_figures_take_tables_or_refuse_what_they_are_given(given_, junk):
    for draw in (plots.blocks, plots.matrices, plots.checks):
        refused(draw, given_)
        refused(draw, junk)
    refused(plots.matrices, {"k": junk})
    refused(plots.blocks, {"b": probes.dataflow(nn.Sequential(nn.ReLU()), torch.zeros(1, 1, 2, 2))}, numbers=junk)
    refused(plots.checks, {"a": {"b": junk}})


@settings(many, max_examples=40)
@given(st.one_of(tensors(), JUNK), JUNK)
def test_skip_strength_takes_a_batch_or_refuses_what_it_is_given(images, junk):
    x, y = torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64)
    with contextlib.redirect_stdout(open(os.devnull, "w")):
        refused(explorers.skip_strength, images, junk)
        refused(explorers.skip_strength, x, y, junk)
        refused(explorers.skip_strength, x, y, depth=junk)
    refused(explorers.skip_profile, x, y, strength=junk, depth=8, norm=None)
    refused(explorers.skip_profile, x, y, strength=1.0, depth=8, norm=junk)
    refused(explorers.skip_training, junk, strength=1.0, depth=8, norm=None)
    if not isinstance(junk, int):
        refused(explorers.skip_training, pictures(2), strength=1.0, depth=8, norm=None, steps=junk)
