"""ResNet-18 without its classifier, as torchvision builds it: importing torchvision takes longer than a short video does."""

import torch
from torch import nn


class ResNet18(nn.Module):
    """ResNet-18 up to its pooled features; its weights have torchvision's names.

    Notes
    -----
    He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, table 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(64, 64), BasicBlock(64, 64))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, stride=2), BasicBlock(128, 128))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, stride=2), BasicBlock(256, 256))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, stride=2), BasicBlock(512, 512))
        self.avgpool = nn.AdaptiveAvgPool2d(1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Compute one vector per image.

        Parameters
        ----------
        pixels : (B, 3, S, S) float tensor
            Normalised RGB images.

        Returns
        -------
        (B, 512) float tensor
            Pooled features.
        """
        states = self.maxpool(torch.relu_(self.bn1(self.conv1(pixels))))
        states = self.layer4(self.layer3(self.layer2(self.layer1(states))))
        return torch.flatten(self.avgpool(states), 1)


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut.

    Parameters
    ----------
    channels, out_channels : int
        Channels that go in and come out.
    stride : int
        Of the first convolution and of the shortcut; the shortcut is a convolution where the size changes.
    """

    def __init__(self, channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out_channels:
            shortcut = nn.Conv2d(channels, out_channels, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Compute the block.

        Parameters
        ----------
        states : (B, channels, h, w) float tensor
            What goes in.

        Returns
        -------
        (B, out_channels, h / stride, w / stride) float tensor
            What comes out.
        """
        shortcut = states if self.downsample is None else self.downsample(states)
        changed = self.bn2(self.conv2(torch.relu_(self.bn1(self.conv1(states)))))
        return torch.relu_(changed.add_(shortcut))
