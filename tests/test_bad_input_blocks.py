"""Bad input for the probe of blocks, as in test_bad_input.py."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from test_bad_input import JUNK, refused, some, tensors
from torch import nn

from resnet_edu import models, probes

BLOCK = models.Block(nn.Tanh(), nn.Identity(), nn.ReLU(), 1.0, 0.0)
NETS = [nn.ReLU(), nn.Identity(), models.PadShortcut(3, 6, 2), BLOCK]


@some
@given(st.sampled_from(NETS), st.one_of(tensors().filter(lambda x: x.ndim == 4 and not x.is_complex()), JUNK))
def test_dataflow_takes_a_batch_or_refuses_what_it_is_given(net, batch):
    if isinstance(batch, torch.Tensor) and (batch.ndim != 4 or batch.dtype is torch.bool):
        return  # an error of the net, not of the probe
    refused(probes.dataflow, net, batch)
    refused(probes.dataflow, batch, torch.zeros(2, 3, 8, 8))
    refused(probes.summands, batch)
