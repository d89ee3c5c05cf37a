"""ResNet-18 to 152, the ImageNet family of He et al. 2015: our own code, with torchvision's names.

    >>> from resnet_edu import models
    >>> net = models.resnet50()                                  # loads torchvision's state dict and returns its logits
    >>> small = models.resnet18(10, width=16, stem="cifar")      # narrow, for 32 x 32 images

           blocks in stages 1 to 4    parameters    multiply-adds at 224 x 224, as torchvision publishes them
    18     2   2    2   2  basic      11,689,512     1.814 G
    34     3   4    6   3  basic      21,797,672     3.664 G
    50     3   4    6   3  bottleneck 25,557,032     4.089 G
    101    3   4   23   3  bottleneck 44,549,160     7.801 G
    152    3   8   36   3  bottleneck 60,192,808    11.514 G

Source: He et al. 2015 (arXiv 1512.03385), table 1 and figure 5, with projections where the shape changes (option B).
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from resnet_edu import checks
from resnet_edu.models.cifar import conv1x1, conv3x3

#: Output channels of a block per channel of its 3 x 3 convolution.
EXPANSION = {"basic": 1, "bottleneck": 4}
STEMS = ("imagenet", "cifar")


class ResNetBlock(nn.Module):
    """relu(F(x) + shortcut(x)): [N, in_channels, H, W] -> [N, expansion * channels, H / stride, W / stride].

    F of a "basic" block: two 3 x 3 convolutions. F of a "bottleneck": 1 x 1, 3 x 3, and a 1 x 1 back up to four times
    the channels. The shortcut is x itself, or, where the shape changes, a 1 x 1 convolution with a norm.
    It is a separate class from `models.Block` so that its layers have torchvision's names and can load its weights.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, *, block: str, stride_on: str = "3x3") -> None:
        super().__init__()
        checks.choice("block", block, EXPANSION)
        checks.choice("stride_on", stride_on, ("3x3", "1x1"))
        out_channels = EXPANSION[block] * channels
        self.bottleneck = block == "bottleneck"
        first, second = (1, stride) if self.bottleneck and stride_on == "3x3" else (stride, 1)
        self.conv1 = (conv1x1 if self.bottleneck else conv3x3)(in_channels, channels, first)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels, second)
        self.bn2 = nn.BatchNorm2d(channels)
        if self.bottleneck:
            self.conv3 = conv1x1(channels, out_channels)
            self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(conv1x1(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.bottleneck:
            out = self.bn3(self.conv3(self.relu(out)))
        return self.relu(out + self.downsample(x))


class ResNet(nn.Module):
    """A stem, four stages of blocks, global average pooling, one linear layer: [N, 3, H, W] -> logits [N, num_classes].

    blocks: the number of blocks in each of the four stages; from stage 2 on, the first block halves the size.
    block: "basic" or "bottleneck". width: channels of the stem and of the first stage's 3 x 3 convolutions; they double
        from stage to stage.
    stem: "imagenet" is a 7 x 7 convolution with stride 2 and a 3 x 3 max-pool with stride 2: the stages start at a
        quarter of the image's side length. "cifar" is one 3 x 3 convolution: they start at the full side length.
    stride_on: which convolution of a bottleneck has the stride: "3x3" (torchvision, "v1.5") or the first "1x1" (the
        paper, "v1"), which is cheaper.

    Weights are initialized as in He et al. 2015 (arXiv 1502.01852) with the fan-out, as in torchvision.
    Raises ValueError or TypeError listing the possible values.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        *,
        block: str = "basic",
        width: int = 64,
        stem: str = "imagenet",
        stride_on: str = "3x3",
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        width = checks.whole("width", width, at_least=1)
        num_classes = checks.whole("num_classes", num_classes, at_least=1)
        imagenet = checks.choice("stem", stem, STEMS) == "imagenet"
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False) if imagenet else conv3x3(3, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1) if imagenet else nn.Identity()
        channels, stages = width, []
        for stage, count in enumerate(blocks):
            layers = []
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                layers.append(ResNetBlock(channels, width * 2**stage, stride, block=block, stride_on=stride_on))
                channels = EXPANSION[block] * width * 2**stage
            stages.append(nn.Sequential(*layers))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)

        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))  # "imagenet": [N, width, H / 2, W / 2]
        x = self.maxpool(x)  # [N, width, H / 4, W / 4]
        x = self.layer1(x)  # [N, expansion * width, H / 4, W / 4]
        x = self.layer2(x)  # [N, 2 expansion * width, H / 8, W / 8]
        x = self.layer3(x)  # [N, 4 expansion * width, H / 16, W / 16]
        x = self.layer4(x)  # [N, 8 expansion * width, H / 32, W / 32]
        x = self.avgpool(x).flatten(1)  # [N, 8 expansion * width]
        return self.fc(x)  # [N, num_classes]


def resnet18(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-18; options as for `ResNet` (width, stem, stride_on)."""
    return ResNet((2, 2, 2, 2), block="basic", num_classes=num_classes, **options)


def resnet34(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-34; options as for `ResNet`."""
    return ResNet((3, 4, 6, 3), block="basic", num_classes=num_classes, **options)


def resnet50(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-50: the blocks of ResNet-34, as bottlenecks; options as for `ResNet`."""
    return ResNet((3, 4, 6, 3), block="bottleneck", num_classes=num_classes, **options)


def resnet101(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-101; options as for `ResNet`."""
    return ResNet((3, 4, 23, 3), block="bottleneck", num_classes=num_classes, **options)


def resnet152(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet-152; options as for `ResNet`."""
    return ResNet((3, 8, 36, 3), block="bottleneck", num_classes=num_classes, **options)
