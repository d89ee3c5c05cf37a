"""What happens inside a network: gradient norms, signal scale, its layers, and what an output sees.

Every probe works on any `nn.Module`, and leaves it as it was.

    >>> import torch
    >>> from resnet_edu import models, probes
    >>> net = models.CifarNet(20, residual=False)
    >>> norms = probes.GradientNorms(net)
    >>> net(torch.randn(8, 3, 32, 32)).logsumexp(1).mean().backward()
    >>> norms.record()
    >>> norms.numpy().shape                                  # one row a step, one column a weight
    (1, 20)

`GradientNorms` looks at the gradient of the loss by the *weights*, step after step, and costs almost nothing.
`signal` looks at the *activations* and at the gradient of the loss by them, once, on one batch.
The two can tell different stories; lesson 03 shows when.
`layer_table` and `receptive_field` look at the net itself: its layers, and the pixels that reach one of its outputs.

Read it in this order:

    gradients.py  gradients by the weights
    signal.py     activations, and gradients by them
    shattering.py does the gradient by the input turn from one point to the next?
    layers.py     the table of layers
    field.py      the receptive field of an output
    norms.py      L2 norms that do not underflow
    care.py       how a probe listens to a net and leaves it as it was
"""

from resnet_edu.probes.field import ReceptiveField, receptive_field, receptive_field_formula
from resnet_edu.probes.gradients import GradientNorms
from resnet_edu.probes.layers import Layer, layer_table
from resnet_edu.probes.shattering import Shattering, shattering
from resnet_edu.probes.signal import Signal, first_nonfinite_layer, signal
