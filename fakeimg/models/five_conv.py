"""Deforgify's five-convolution network, in the two variants that exist of it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FiveConv:
    """Layer sizes of one variant; `pools` and `dropouts` follow the convolution of the same position (0: none)."""

    filters: tuple[int, ...]
    kernels: tuple[int, ...]
    pools: tuple[int, ...]
    dropouts: tuple[float, ...]


VARIANTS = {
    # As the article describes it: filters doubled and the kernel one larger in every layer.
    "five_conv": FiveConv((32, 64, 128, 256, 512), (2, 3, 4, 5, 6), (2, 2, 2, 2, 2), (0, 0, 0, 0, 0)),
    # As the published program has it: with its dense layers and two-way head 1,126,306 parameters at 128 x 128.
    "five_conv_program": FiveConv((32, 64, 64, 128, 128), (2, 3, 4, 5, 5), (4, 3, 0, 2, 2), (0, 0.3, 0, 0.4, 0.5)),
}


def convolutions(x: Any, variant: FiveConv) -> Any:
    """The five convolutions, up to the last one's ReLU.

    Args:
        x: tensor of shape (n, h, w, 3), values in [0, 1].
    Returns:
        The last feature map, before its pooling, which belongs to the head: so heatmaps keep its full resolution.
    Source: K. M., "Detecting fake images with a deep-learning tool" (Deforgify).
    """
    from keras import layers

    last = len(variant.filters) - 1
    for i, (filters, kernel) in enumerate(zip(variant.filters, variant.kernels, strict=True)):
        x = layers.Conv2D(filters, kernel, padding="same", activation="relu", name=f"conv{i + 1}")(x)
        if i < last:
            x = _pool_and_drop(x, variant, i)
    return x


def flatten(x: Any, variant: FiveConv) -> Any:
    """What follows the last feature map: its pooling and dropout, then one vector an image, shape (n, features)."""
    from keras import layers

    x = _pool_and_drop(x, variant, len(variant.filters) - 1)
    return layers.Flatten(name="flatten")(x)


def _pool_and_drop(x: Any, variant: FiveConv, i: int) -> Any:
    from keras import layers

    if variant.pools[i]:
        x = layers.MaxPooling2D(variant.pools[i], name=f"pool{i + 1}")(x)
    if variant.dropouts[i]:
        x = layers.Dropout(variant.dropouts[i], name=f"conv_dropout{i + 1}")(x)
    return x
