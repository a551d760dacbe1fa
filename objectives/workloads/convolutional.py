"""Convolutional networks for images of ImageNet: 224 x 224 pixels, 1,000 classes."""

from __future__ import annotations

from objectives.workloads.layers import ConvolutionLayer, Layer, LinearLayer
from objectives.workloads.workload import Workload

CLASSES = 1000


def _convolution(
    name: str, channels: int, filters: int, kernel: int, output: int, stride: int = 1, groups: int = 1
) -> ConvolutionLayer:
    """Return a convolution by square filters, without bias: a batch normalisation follows each."""
    return ConvolutionLayer(
        name, channels, filters, (kernel, kernel), (output, output), (stride, stride), groups
    )


def _normalised(name: str, source: str, layers: list[Layer]) -> Workload:
    """Return the network, with a scale and a shift for each filter: those of the batch normalisation."""
    filters = sum(layer.filters for layer in layers if isinstance(layer, ConvolutionLayer))
    return Workload(name, tuple(layers), source, "fp32", "image", other_parameters=2 * filters)


def resnet(
    name: str,
    source: str,
    *,
    blocks: tuple[int, int, int, int],
    bottleneck: bool,
    stride_first: bool = False,
) -> Workload:
    """Return a residual network.

    Parameters
    ----------
    blocks
        Of each of the four stages, of 64, 128, 256 and 512 channels at 56, 28, 14 and 7 pixels.
    bottleneck
        Whether a block has filters of 1 x 1, 3 x 3 and 1 x 1, the last with four times the channels; or two
        of 3 x 3.
    stride_first
        Whether the stride of a bottleneck is in its first filter, as in the paper; else in the middle one, as
        torchvision has it.
    """
    layers: list[Layer] = [_convolution("conv1", 3, 64, 7, 112, 2)]
    channels = 64
    for stage, (count, width, size) in enumerate(
        zip(blocks, (64, 128, 256, 512), (56, 28, 14, 7), strict=True), start=1
    ):
        filters = 4 * width if bottleneck else width
        for index in range(count):
            at = f"layer{stage}.{index}."
            stride = 2 if stage > 1 and index == 0 else 1
            if bottleneck:
                before = 1 if stride_first else stride
                layers += [
                    _convolution(f"{at}conv1", channels, width, 1, size * before, stride // before),
                    _convolution(f"{at}conv2", width, width, 3, size, before),
                    _convolution(f"{at}conv3", width, filters, 1, size),
                ]
            else:
                layers += [
                    _convolution(f"{at}conv1", channels, width, 3, size, stride),
                    _convolution(f"{at}conv2", width, width, 3, size),
                ]
            if stride > 1 or channels != filters:
                layers.append(_convolution(f"{at}downsample.0", channels, filters, 1, size, stride))
            channels = filters
    layers.append(LinearLayer("fc", channels, CLASSES, bias=True))
    return _normalised(name, source, layers)


# Expansion, filters, blocks and the first one's stride: Sandler et al. (2018), table 2.
_INVERTED_RESIDUALS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(name: str, source: str) -> Workload:
    """Return MobileNetV2 of width 1: blocks that widen, filter each channel, and narrow."""
    layers: list[Layer] = [_convolution("features.0.0", 3, 32, 3, 112, 2)]
    channels, size, index = 32, 112, 1
    for expansion, filters, count, first in _INVERTED_RESIDUALS:
        for repeat in range(count):
            stride, inner, part = first if repeat == 0 else 1, channels * expansion, 0
            at = f"features.{index}.conv."
            if expansion > 1:
                layers.append(_convolution(f"{at}0.0", channels, inner, 1, size))
                part = 1
            size //= stride
            layers += [
                _convolution(f"{at}{part}.0", inner, inner, 3, size, stride, groups=inner),
                _convolution(f"{at}{part + 1}", inner, filters, 1, size),
            ]
            channels, index = filters, index + 1
    layers += [
        _convolution(f"features.{index}.0", channels, 1280, 1, size),
        LinearLayer("classifier.1", 1280, CLASSES, bias=True),
    ]
    return _normalised(name, source, layers)


RESNET_18 = resnet(
    "resnet-18",
    "He et al., 'Deep Residual Learning for Image Recognition', arXiv:1512.03385 (2015), table 1; layers "
    "named as in torchvision",
    blocks=(2, 2, 2, 2),
    bottleneck=False,
)

RESNET_50 = resnet(
    "resnet-50",
    "He et al., 'Deep Residual Learning for Image Recognition', arXiv:1512.03385 (2015), table 1; layers "
    "named, and strides placed, as in torchvision",
    blocks=(3, 4, 6, 3),
    bottleneck=True,
)

MOBILENET_V2 = mobilenet_v2(
    "mobilenet-v2",
    "Sandler et al., 'MobileNetV2: Inverted Residuals and Linear Bottlenecks', arXiv:1801.04381 (2018), "
    "table 2; layers named as in torchvision",
)
