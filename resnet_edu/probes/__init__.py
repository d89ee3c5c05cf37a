"""What happens inside a network: gradients, signals, updates, unit health, layers, paths, lesions, loss surface.

Every probe works on any `nn.Module` and leaves it as it was, even after an error: weights, gradients, modes, running
statistics and the global random state. Where it cannot work, its error says why; tests/test_any_network.py lists which
probe supports which kinds of networks.

    >>> import torch
    >>> from resnet_edu import models, probes
    >>> net = models.CifarNet(20, residual=False)
    >>> norms = probes.GradientNorms(net)
    >>> net(torch.randn(8, 3, 32, 32)).logsumexp(1).mean().backward()
    >>> norms.record()
    >>> norms.numpy().shape                                  # one row per step, one column per weight
    (1, 20)

`GradientNorms` records the gradient of the loss with respect to the *weights* at every step, and costs almost nothing.
`signal` measures the *activations* and the gradient of the loss with respect to them, once, on one batch.
The two can disagree; lesson 03 shows when.

To add a probe: a file of its own, its line in this list, its import below, and an entry in `PROBES` of
tests/test_any_network.py. Begin with `ready` or `unwrapped` (state.py), and take weights from parts.py.

Read it in this order:

    layers.py      the table of layers: shapes, parameters, multiply-adds, memory
    receptive_field.py  the receptive field of an output
    recorders.py   what follows a training run: gradients with respect to the weights, and updates of the weights
    signal.py      activations, and gradients with respect to them
    health.py      saturated and dead units; the first layer that outputs a NaN
    shattering.py  does the gradient with respect to the input change direction between nearby points?
    dataflow.py    the path of the data through a block, step by step
    block_report.py   ten measurements that distinguish a correct residual block from a wrong one
    paths.py       the gradient of a residual network, sorted by the paths it took
    surgery.py     what a network loses without a block, or with its blocks reordered; the loss around its weights
    norms.py       L2 norms that do not underflow
    parts.py       layers, their names and their weights, even if compiled or parametrized
    state.py       how a probe hooks into a network and restores its state
"""

from resnet_edu.probes.block_report import MEASUREMENTS, BlockReport, Measured, block_report
from resnet_edu.probes.dataflow import Step, dataflow, summands
from resnet_edu.probes.health import UnitHealth, first_nonfinite_layer, unit_health
from resnet_edu.probes.layers import Layer, layer_groups, layer_table
from resnet_edu.probes.paths import Paths
from resnet_edu.probes.receptive_field import ReceptiveField, receptive_field, receptive_field_formula
from resnet_edu.probes.recorders import GradientNorms, UpdateRatio
from resnet_edu.probes.shattering import Shattering, shattering
from resnet_edu.probes.signal import Signal, signal
from resnet_edu.probes.surgery import Lesions, PassOn, direction, landscape, lesions, moved, reordered, without
