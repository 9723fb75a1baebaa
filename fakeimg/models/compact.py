"""The bundled detector's network: a small residual one that sees fine texture and keeps its feature map fine."""

from typing import Any

WIDTHS = (16, 32, 64, 128)
# Neighbouring pixels differ by about a tenth of what a picture spans.
RESIDUAL_GAIN = 10.0


def convolutions(x: Any, *, residuals: bool = True, prefix: str = "") -> Any:
    """Residuals, a stem and three residual stages: 305,000 weights, receptive field 89 pixels.

    Where a block halves the side its shortcut averages instead of leaving out three pixels in four: what tells a
    generated picture from a photograph sits in the highest frequencies, which would alias.

    Args:
        x: tensor of shape (n, h, w, 3), about zero mean and unit variance.
        residuals: whether the network sees them beside the picture.
        prefix: of the layers' names.
    Returns:
        Tensor of shape (n, ceil(h / 16), ceil(w / 16), 128), after a ReLU.
    Source: He et al. 2016, "Deep residual learning for image recognition", with the averaging shortcut of He et al.
        2019, "Bag of tricks for image classification", figure 2 (ResNet-D).
    """
    from keras import layers

    if residuals:
        x = _with_residuals(x, prefix)
    x = _convolution(x, WIDTHS[0], 3, 2, f"{prefix}stem")
    x = layers.Activation("relu", name=f"{prefix}stem_relu")(x)
    for stage, width in enumerate(WIDTHS[1:], 1):
        x = _halving_block(x, width, f"{prefix}stage{stage}")
    return x


def two_scales(x: Any) -> Any:
    """Two such networks side by side: one of the picture and its residuals, one of the picture alone at half its size.

    The first sees fine texture, the second large features, which carry over better to sources never seen. A cell of the
    second's map covers four of the first's, so it is repeated. A head without hidden layers adds up a logit of each: an
    ensemble, where the two were trained apart (`fakeimg.training.joining`).

    Args:
        x: tensor of shape (n, h, w, 3), about zero mean and unit variance.
    Returns:
        Tensor of shape (n, ceil(h / 16), ceil(w / 16), 256): the channels of the first, then those of the second.
    """
    from keras import layers

    fine = convolutions(x, prefix="fine_")
    half = layers.AveragePooling2D(2, padding="same", name="half_size")(x)
    coarse = convolutions(half, residuals=False, prefix="coarse_")
    coarse = layers.UpSampling2D(2, name="coarse_repeated")(coarse)
    if coarse.shape[1:3] != fine.shape[1:3]:  # of a size that is no multiple of 32 it has a row or column too many
        coarse = coarse[:, : fine.shape[1], : fine.shape[2]]
    return layers.Concatenate(name="scales")([fine, coarse])


def _with_residuals(x: Any, prefix: str) -> Any:
    """Beside the picture what is left of it without the mean of its neighbours: across, down, and both in turn.

    Up to a factor these are the second-order and the square residual filter of the rich models of steganalysis
    (Fridrich and Kodovsky 2012), which remove the content and leave noise and traces of resampling.
    """
    from keras import layers

    def residual(y: Any, window: tuple[int, int], name: str) -> Any:
        mean = layers.AveragePooling2D(window, strides=1, padding="same", name=f"{prefix}{name}_mean")(y)
        return layers.Subtract(name=f"{prefix}{name}")([y, mean])

    across = residual(x, (1, 3), "residual_across")
    down = residual(x, (3, 1), "residual_down")
    square = residual(across, (3, 1), "residual_square")
    residuals = layers.Concatenate(name=f"{prefix}residuals")([across, down, square])
    return layers.Concatenate(name=f"{prefix}picture_and_residuals")(
        [x, layers.Rescaling(RESIDUAL_GAIN, name=f"{prefix}residual_gain")(residuals)]
    )


def _halving_block(x: Any, channels: int, name: str) -> Any:
    from keras import layers

    shortcut = layers.AveragePooling2D(2, padding="same", name=f"{name}_shortcut_pool")(x)
    shortcut = _convolution(shortcut, channels, 1, 1, f"{name}_shortcut")
    x = _convolution(x, channels, 3, 2, f"{name}_1")
    x = layers.Activation("relu", name=f"{name}_1_relu")(x)
    x = _convolution(x, channels, 3, 1, f"{name}_2")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _convolution(x: Any, channels: int, kernel: int, stride: int, name: str) -> Any:
    from keras import layers

    x = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    # A short run from scratch: statistics that follow within tens of steps.
    return layers.BatchNormalization(momentum=0.95, name=f"{name}_bn")(x)
