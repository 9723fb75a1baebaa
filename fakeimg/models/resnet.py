"""ResNet18 and ResNet34, which `keras.applications` does not have."""

from typing import Any

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}


def basic_block_resnet(x: Any, blocks: tuple[int, ...]) -> Any:
    """The convolutional part of a basic-block ResNet: 64 to 512 channels, stride 32.

    Convolutions have no bias and are padded by half a kernel on both sides, as in the original program, so that
    weights trained there keep their meaning; He-normal initialisation.

    Args:
        x: tensor of shape (n, h, w, 3), ImageNet-normalised.
        blocks: residual blocks in each of the four stages.
    Returns:
        Tensor of shape (n, ceil(h / 32), ceil(w / 32), 512), after a ReLU.
    Source: He et al. 2016, "Deep residual learning for image recognition", table 1.
    """
    from keras import layers

    x = _convolution(x, 64, 7, 2, "stem")
    x = layers.Activation("relu", name="stem_relu")(x)
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)
    for stage, count in enumerate(blocks, 1):
        for block in range(1, count + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = _residual_block(x, 32 * 2**stage, stride, f"stage{stage}_block{block}")
    return x


def _residual_block(x: Any, channels: int, stride: int, name: str) -> Any:
    from keras import layers

    shortcut = x
    if stride != 1 or x.shape[-1] != channels:
        shortcut = _convolution(x, channels, 1, stride, f"{name}_shortcut")
    x = _convolution(x, channels, 3, stride, f"{name}_1")
    x = layers.Activation("relu", name=f"{name}_1_relu")(x)
    x = _convolution(x, channels, 3, 1, f"{name}_2")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _convolution(x: Any, channels: int, kernel: int, stride: int, name: str) -> Any:
    from keras import layers

    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(channels, kernel, stride, use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv")(x)
    return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_bn")(x)
