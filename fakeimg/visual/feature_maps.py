"""Feature maps: what every stage of a network makes of one image."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import ConfigError
from fakeimg.visual import style
from fakeimg.visual.gradcam import Image, network_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fakeimg.models.detector import Detector

# Layers whose output is a picture of the network's own making; padding and pooling only move or thin one out.
_KINDS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "BatchNormalization", "Activation", "ReLU", "Add")
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")
# A network with no more convolutions than this shows each; a deeper one shows the last layer before each shrinking.
_FEW = 8
_TILE = 96
_GAP = 6


@dataclass(frozen=True, eq=False)
class Stage:
    """Some channels of one layer.

    Attributes:
        name: of the layer.
        shape: (h, w, c) of its whole output.
        channels: (k,) numbers of the channels shown, the most active first.
        planes: (k, h, w) their values.
        means: (c,) mean absolute value of every channel.
    """

    name: str
    shape: tuple[int, int, int]
    channels: NDArray[np.int64]
    planes: NDArray[np.float32]
    means: NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class FeatureMaps:
    """The feature maps of one image, from the first stage to the one that the head reads.

    Attributes:
        image: (h, w, 3) uint8, the picture as the network saw it.
        stages: from the finest to the coarsest.
    """

    image: NDArray[np.uint8]
    stages: tuple[Stage, ...]

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """A row a stage, a tile a channel, each tile from its own least (dark) to its own greatest value (bright)."""
        rows, columns = len(self.stages), max(len(stage.channels) for stage in self.stages)
        step = _TILE + _GAP
        canvas = np.full((rows * step - _GAP, (columns + 1) * step + _GAP, 3), 255, np.uint8)
        with style.styled():
            axes = style.picture_axes(ax, 1.9 + 0.86 * (columns + 1), 0.5 + 0.86 * rows)
            _place(canvas, _tile(self.image), 0, 0)
            for row, stage in enumerate(self.stages):
                for column, plane in enumerate(stage.planes):
                    _place(canvas, _tile(_coloured(plane)), row * step, (column + 1) * step + _GAP)
            axes.imshow(canvas, interpolation="nearest")
            for row, stage in enumerate(self.stages):
                height, width, channels = stage.shape
                middle = row * step + _TILE / 2
                place = canvas.shape[1] + 2 * _GAP
                axes.text(place, middle, stage.name, weight="bold", va="bottom", clip_on=False)
                words = f"{height} × {width}, {channels:,} channels"
                axes.text(place, middle + 4, words, color=style.MUTED, va="top", fontsize=8, clip_on=False)
            axes.set_title(f"Feature maps: the {columns} most active channels of each stage")
        return axes

    def __repr__(self) -> str:
        stages = ", ".join(f"{stage.name} {'x'.join(map(str, stage.shape))}" for stage in self.stages)
        return f"<FeatureMaps of {len(self.stages)} stages: {stages}>"

    def _repr_html_(self) -> str:
        return style.figure_html(self.plot(), repr(self))


def feature_maps(detector: "Detector", image: Image, *, channels: int = 8) -> FeatureMaps:
    """What every stage of the network makes of one image.

    A stage ends where the plane shrinks; in a network of at most eight convolutions every one is a stage. Channels are
    chosen by their mean absolute activation over the plane.

    Args:
        image: a path, or uint8 RGB of shape (h, w, 3) and any size.
        channels: how many of each stage.
    Raises:
        ImageError: the file cannot be read, or the array is not uint8 RGB.
        ConfigError: `channels` is less than 1.
    """
    import keras

    if channels < 1:
        raise ConfigError(f"at least 1 channel a stage is shown, not {channels}")
    view = network_view(detector, image)
    layers = _stages(detector.trunk)
    model = keras.Model(detector.trunk.input, [layer.output for layer in layers])
    outputs = model(view[None].astype(np.float32), training=False)
    return FeatureMaps(
        view,
        tuple(
            _stage(layer.name, np.asarray(output)[0], channels) for layer, output in zip(layers, outputs, strict=True)
        ),
    )


def _stages(trunk: Any) -> list[Any]:
    """The last layer of each stage, from the largest plane to the smallest."""
    layers = [layer for layer in trunk.layers if type(layer).__name__ in _KINDS and len(layer.output.shape) == 4]
    convolutions = [layer for layer in layers if type(layer).__name__ in _CONVOLUTIONS]
    if len(convolutions) <= _FEW:
        return convolutions
    # Later layers of one size replace earlier ones. Of branches side by side the deeper ones stand for a size.
    stages = {tuple(layer.output.shape[1:3]): layer for layer in layers}
    return [stages[plane] for plane in sorted(stages, reverse=True)]


def _stage(name: str, output: NDArray[np.float32], count: int) -> Stage:
    means = np.abs(output).mean(axis=(0, 1))
    chosen = np.argsort(-means, kind="stable")[:count]
    height, width, channels = output.shape
    return Stage(name, (height, width, channels), chosen, np.moveaxis(output[..., chosen], -1, 0), means)


def _coloured(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    import matplotlib as mpl

    low, high = float(plane.min()), float(plane.max())
    scaled = (plane - low) / (high - low) if high > low else np.zeros_like(plane)
    return np.asarray(mpl.colormaps["viridis"](scaled)[..., :3] * 255, np.uint8)


def _tile(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    # Coarse planes keep their cells visible; fine ones are averaged.
    way = cv2.INTER_NEAREST if picture.shape[0] < _TILE else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, (_TILE, _TILE), interpolation=way), np.uint8)


def _place(canvas: NDArray[np.uint8], tile: NDArray[np.uint8], top: int, left: int) -> None:
    canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
