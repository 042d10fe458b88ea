"""EfficientNet-Lite0 without its classifier: EfficientNet-B0 without squeeze-and-excitation, with ReLU6."""

import torch
from torch import nn
from torch.nn import functional

# Of each group of blocks: how much wider a block is inside, channels that come out, number of blocks, size of their depthwise
# kernel (px), stride of the first one.
GROUPS = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)
BATCH_NORM_EPSILON = 1e-3  # TensorFlow's, with which the published weights were trained


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 up to its pooled features.

    Notes
    -----
    Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019, table 1, with the changes
    of TensorFlow's EfficientNet-Lite: no squeeze-and-excitation, ReLU6 in place of SiLU, TensorFlow's padding. Weights have the
    names of the published PyTorch file without their leading underscores.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = PaddedConv2d(3, 32, 3, stride=2)
        self.bn0 = nn.BatchNorm2d(32, BATCH_NORM_EPSILON)
        self.blocks = nn.Sequential()
        channels = 32
        for expansion, out_channels, count, kernel, stride in GROUPS:
            for place in range(count):
                self.blocks.append(InvertedBlock(channels, out_channels, expansion, kernel, 1 if place else stride))
                channels = out_channels
        self.conv_head = nn.Conv2d(channels, 1280, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(1280, BATCH_NORM_EPSILON)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Compute one vector per image.

        Parameters
        ----------
        pixels : (B, 3, S, S) float tensor
            Normalised RGB images.

        Returns
        -------
        (B, 1280) float tensor
            Pooled features.
        """
        states = self.blocks(functional.relu6(self.bn0(self.conv_stem(pixels))))
        return functional.relu6(self.bn1(self.conv_head(states))).mean(dim=(2, 3))


class InvertedBlock(nn.Module):
    """A wide depthwise convolution between two pointwise ones, beside a shortcut where the size stays the same.

    Parameters
    ----------
    channels, out_channels : int
        Channels that go in and come out.
    expansion : int
        How many times as many channels the depthwise convolution has as go in; 1 leaves the first pointwise one out.
    kernel : int
        Size of the depthwise convolution, px, odd.
    stride : int
        Its stride.
    """

    def __init__(self, channels: int, out_channels: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.shortcut = stride == 1 and channels == out_channels
        self.expands = expansion > 1
        if self.expands:
            self.expand_conv = nn.Conv2d(channels, wide, 1, bias=False)
            self.bn0 = nn.BatchNorm2d(wide, BATCH_NORM_EPSILON)
        self.depthwise_conv = PaddedConv2d(wide, wide, kernel, stride=stride, groups=wide)
        self.bn1 = nn.BatchNorm2d(wide, BATCH_NORM_EPSILON)
        self.project_conv = nn.Conv2d(wide, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, BATCH_NORM_EPSILON)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Compute the block.

        Parameters
        ----------
        states : (B, channels, h, w) float tensor
            What goes in.

        Returns
        -------
        (B, out_channels, ceil(h / stride), ceil(w / stride)) float tensor
            What comes out.
        """
        inside = functional.relu6(self.bn0(self.expand_conv(states))) if self.expands else states
        inside = functional.relu6(self.bn1(self.depthwise_conv(inside)))
        changed: torch.Tensor = self.bn2(self.project_conv(inside))
        return changed + states if self.shortcut else changed


class PaddedConv2d(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow pads: no more than is needed, and the odd pixel right and below.

    Parameters
    ----------
    channels, out_channels : int
        Channels that go in and come out.
    kernel : int
        Size, px, odd.
    stride : int
        Step, px.
    groups : int
        Into how many groups the channels are divided.
    """

    def __init__(self, channels: int, out_channels: int, kernel: int, stride: int, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0  # with a stride it depends on the size, see forward
        super().__init__(channels, out_channels, kernel, stride=stride, padding=padding, groups=groups, bias=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Compute the convolution.

        Parameters
        ----------
        states : (B, channels, h, w) float tensor
            What goes in.

        Returns
        -------
        (B, out_channels, ceil(h / stride), ceil(w / stride)) float tensor
            What comes out.
        """
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if stride == 1:
            return super().forward(states)
        height, width = (max(-(-side // stride) * stride - stride + kernel - side, 0) for side in states.shape[2:])
        padded = functional.pad(states, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(padded)
