"""Networks: plain and residual convolutional networks as one class with a switch, and the ImageNet family.

    >>> from resnet_edu import models
    >>> plain = models.CifarNet(20, residual=False)
    >>> resid = models.CifarNet(20, residual=True)
    >>> models.count_parameters(plain), models.count_parameters(resid)
    (269722, 269722)
    >>> models.count_parameters(models.resnet50())
    25557032

Read it in this order:

    cifar.py      `CifarNet`, the network of nearly all lessons: layers, branch, shortcut, block, network
    imagenet.py   ResNet-18 to 152, whose weights are interchangeable with torchvision's
    relatives.py  eleven blocks in one skeleton, from Highway to the transformer (import it by name)
    weights.py    trained weights: the course's files and torchvision's (import it by name)
    wrappers.py   the network inside torch.compile's or DistributedDataParallel's wrapper
"""

from resnet_edu.models.cifar import (
    ACTIVATIONS,
    NORMS,
    SHORTCUTS,
    Block,
    Branch,
    CifarNet,
    PadShortcut,
    conv1x1,
    conv3x3,
    count_parameters,
    initialize,
)
from resnet_edu.models.imagenet import STEMS, ResNet, ResNetBlock, resnet18, resnet34, resnet50, resnet101, resnet152
