"""Networks: plain and residual convolutional nets as one class with a switch, and the ImageNet family.

    >>> from resnet_edu import models
    >>> plain = models.CifarNet(20, residual=False)
    >>> resid = models.CifarNet(20, residual=True)
    >>> models.count_parameters(plain), models.count_parameters(resid)
    (269722, 269722)
    >>> models.count_parameters(models.resnet50())
    25557032

Read it in this order:

    cifar.py      `CifarNet`, the net of nearly all lessons: layers, branch, shortcut, block, net
    imagenet.py   ResNet-18 to 152, whose weights go to torchvision's and back
    relatives.py  eleven blocks in one skeleton, from Highway to the transformer (imported by name)
    weights.py    trained weights as files, stored ones and torchvision's (imported by name)
    wrappers.py   the net inside torch.compile's or DistributedDataParallel's wrapper
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
