"""What happens inside a network: gradients, signals, updates, unit health, layers, paths, lesions, the loss around it.

Every probe works on any `nn.Module`, and leaves it as it was. Where it cannot work, it says why in a sentence:
tests/test_any_network.py has the table of probes and kinds of networks.

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
`UpdateRatio` follows how far each step moves a weight, `unit_health` counts the units that pass no gradient.
`layer_table` and `receptive_field` look at the net itself: its layers, and the pixels that reach one of its outputs.

Read it in this order:

    layers.py      the table of layers: shapes, parameters, multiply-adds, memory
    receptive_field.py  the receptive field of an output
    gradients.py   gradients by the weights
    signal.py      activations, and gradients by them
    nonfinite.py   the layer where a NaN begins
    updates.py     how far each step moves a weight
    health.py      saturated and dead units
    shattering.py  does the gradient by the input turn from one point to the next?
    dataflow.py    the way that data takes through a block, step by step
    block_report.py   ten measurements that tell a correct residual block from one with a mistake
    paths.py       the gradient of a residual net, sorted by the paths on which it came
    lesion.py      what a net loses without a block, or with its blocks in another order
    landscape.py   the loss around a net, on a line or a plane through its weights
    recorder.py    what the probes of a training run share
    norms.py       L2 norms that do not underflow
    parts.py       the layers of a net, their names and their weights, compiled or parametrized or not
    state.py       how a probe listens to a net and leaves it as it was
"""

from resnet_edu.probes.block_report import MEASUREMENTS, BlockReport, Measured, block_report
from resnet_edu.probes.dataflow import Step, dataflow, summands
from resnet_edu.probes.gradients import GradientNorms
from resnet_edu.probes.health import UnitHealth, unit_health
from resnet_edu.probes.landscape import direction, landscape, moved
from resnet_edu.probes.layers import Layer, layer_groups, layer_table
from resnet_edu.probes.lesion import Lesions, PassOn, lesions, reordered, without
from resnet_edu.probes.nonfinite import first_nonfinite_layer
from resnet_edu.probes.paths import Paths
from resnet_edu.probes.receptive_field import ReceptiveField, receptive_field, receptive_field_formula
from resnet_edu.probes.shattering import Shattering, shattering
from resnet_edu.probes.signal import Signal, signal
from resnet_edu.probes.updates import UpdateRatio
