"""Grad-CAM: where in an image the evidence for "fake" or for "real" lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.images import read_image, resize
from fakeimg.errors import ConfigError, ImageError, did_you_mean
from fakeimg.visual import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fakeimg.models.detector import Detector
    from fakeimg.models.engines import EngineName

Method = Literal["gradcam", "layercam", "activation"]
Image = Path | str | NDArray[np.uint8]
Floats = NDArray[np.float32]

# Below this the values are rounding errors of float32 sums, not evidence.
NOTHING = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Heatmap:
    """Where the evidence for `target` lies in one image.

    Attributes:
        values: (h', w'), the plane of the network's feature map; non-negative, not rescaled, in logit units: what each
            cell adds to the log-odds of `target`, to first order. Where the head is one dense layer on the averaged
            feature map, the same map before its negative values are cut off adds up to the logit less the bias.
        image: (h, w, 3) uint8, the picture as the network saw it.
        target: the class whose evidence this is.
        log_odds: log-odds of `target` for the whole image; negative where the network says it is something else.
        method: "gradcam"; "layercam"; or "activation", whose unit is that of the feature map.
        path: the file; empty for an array.
    """

    values: Floats
    image: NDArray[np.uint8]
    target: str
    log_odds: float
    method: Method = "gradcam"
    path: str = ""

    @property
    def peak(self) -> float:
        """The largest value."""
        return float(self.values.max())

    @property
    def empty(self) -> bool:
        """Whether no cell speaks for `target`."""
        return self.peak <= NOTHING

    @property
    def unit(self) -> str:
        """What the values are measured in."""
        return "mean activation" if self.method == "activation" else "logit units"

    @property
    def note(self) -> str:
        """The map in words."""
        if self.empty:
            return f"no positive evidence for {self.target!r}"
        if self.method == "activation":
            return f"mean activation, at most {self.peak:.3g}"
        return f"evidence for {self.target!r}, at most {self.peak:.3g} a cell; log-odds {self.log_odds:+.2f}"

    def upsampled(self) -> Floats:
        """The values at the image's size, (h, w): cubic interpolation kept within the range of the values."""
        import cv2

        height, width = self.image.shape[:2]
        large = cv2.resize(self.values, (width, height), interpolation=cv2.INTER_CUBIC)
        return np.asarray(np.clip(large, 0, self.peak), np.float32)

    def overlay(self, *, limit: float | None = None) -> NDArray[np.uint8]:
        """The picture in greys with the evidence in colour: vermilion for fakes, green for photographs.

        Args:
            limit: the value that is shown at full strength; the map's own peak when absent. Give one for a whole set.
        Returns:
            (h, w, 3) uint8, as large as `image`; without any colour where `empty`.
        """
        ground = style.grey(self.image)
        if self.empty:
            return ground
        strength = np.clip(self.upsampled() / (limit or self.peak), 0, 1)
        colours = style.evidence_colours(self.colour)(strength)
        opacity = colours[..., 3:]
        return np.asarray(np.round(ground * (1 - opacity) + 255 * colours[..., :3] * opacity), np.uint8)

    @property
    def colour(self) -> str:
        """The colour of the evidence."""
        if self.method == "activation":
            return style.ACTIVATION
        return style.REAL if self.target == "real" else style.FAKE

    def plot(self, ax: "Axes | None" = None, *, limit: float | None = None) -> "Axes":
        """The picture, its heatmap, and the scale; `limit` as in `overlay`."""
        with style.styled():
            axes = style.picture_axes(ax, 5.4, 2.9)
            gap = np.full((self.image.shape[0], max(2, self.image.shape[1] // 24), 3), 255, np.uint8)
            axes.imshow(np.hstack([self.image, gap, self.overlay(limit=limit)]))
            axes.set_title(_title(self))
            if not self.empty:
                label = self.unit if self.method == "activation" else f"{self.unit} a cell"
                style.evidence_scale(axes, self.colour, limit or self.peak, label)
        return axes

    def __repr__(self) -> str:
        height, width = self.values.shape
        return f"<Heatmap {height}x{width}: {self.note}{'; ' + self.path if self.path else ''}>"

    def _repr_html_(self) -> str:
        return style.figure_html(self.plot(), repr(self))


def gradcam(
    detector: "Detector",
    image: Image,
    *,
    target: str = "fake",
    method: Method = "gradcam",
    engine: "EngineName" = "tensorflow",
) -> Heatmap:
    """Where the evidence for `target` lies.

    Args:
        detector: any detector: frozen, fine-tuned, or trained from nothing.
        image: a path, or uint8 RGB of shape (h, w, 3) and any size.
        target: "fake" explains the logit, the log-odds of anything but the first class; "real" explains its negative;
            with three classes or more a class name explains that class's log-odds.
        method: "gradcam"; "layercam", finer where the head reads places (five_conv); "activation", the feature map's
            mean over its channels, which knows nothing of `target`.
        engine: what runs the trunk; gradients are TensorFlow's. "auto" is the fast one, for many images.
    Returns:
        Heatmap whose values have the feature map's plane (h', w'), logit units, non-negative, not rescaled.
    Raises:
        ImageError: the file cannot be read, or the array is not uint8 RGB.
        ConfigError: no such target, method or engine.
    Source: Selvaraju et al. 2017, eqs. 1-2 (Grad-CAM); Jiang et al. 2021, eqs. 4-5 (LayerCAM).
    """
    view = network_view(detector, image)
    evidence = Evidence(detector, engine)
    values, log_odds = evidence.heatmaps(evidence.maps(view[None]), [target], method)
    return Heatmap(values[0], view, evidence.name(target), float(log_odds[0]), method, _path(image))


def gradcams(
    detector: "Detector",
    images: Sequence[Image],
    *,
    target: str = "fake",
    method: Method = "gradcam",
    engine: "EngineName" = "auto",
    batch_size: int = 32,
) -> list[Heatmap]:
    """`gradcam` of many images, for about the price of scoring them: only the head is differentiated.

    Raises:
        ImageError: an image cannot be read; `fakeimg.visual.explain.explain` goes on without it.
    """

    evidence = Evidence(detector, engine)
    found = []
    for start in range(0, len(images), batch_size):
        chunk = images[start : start + batch_size]
        views = np.stack([network_view(detector, image) for image in chunk])
        values, log_odds = evidence.heatmaps(evidence.maps(views), [target] * len(chunk), method)
        for image, view, value, odds in zip(chunk, views, values, log_odds, strict=True):
            found.append(Heatmap(value, view, evidence.name(target), float(odds), method, _path(image)))
    return found


class Evidence:
    """Feature maps of batches, and what they say for a class; made once for many batches."""

    def __init__(self, detector: "Detector", engine: "EngineName" = "auto") -> None:
        self._trunk = detector.trunk_engine(engine)
        self._head = detector.head
        self._class_names = detector.class_names

    def name(self, target: str) -> str:
        """`target`, or "real" and "fake" for what they are called here."""
        first, *others = self._class_names
        return "real" if target == first else "fake" if [target] == others else target

    def maps(self, views: NDArray[np.uint8]) -> Floats:
        """Feature maps (n, h', w', c) of images (n, h, w, 3) that already have the network's size."""
        return self._trunk(views)[0]

    def heatmaps(
        self, maps: Floats, targets: Sequence[str], method: Method = "gradcam"
    ) -> tuple[Floats, NDArray[np.float64]]:
        """The values (n, h', w') of the heatmaps for n targets, and their log-odds (n,)."""
        return class_heatmaps(maps, self._head, targets, self._class_names, method)


def class_heatmaps(
    maps: Floats, head: Any, targets: Sequence[str], class_names: tuple[str, ...], method: Method
) -> tuple[Floats, NDArray[np.float64]]:
    """Heatmaps (n, h', w') for n targets, and the targets' log-odds (n,), from feature maps (n, h', w', c).

    The logit is differentiated and not the probability, whose gradient is exactly 0 where the sigmoid saturates.
    """
    import tensorflow as tf

    if method not in get_args(Method):
        raise ConfigError(
            f"no method {method!r}; there are {', '.join(get_args(Method))}{did_you_mean(method, get_args(Method))}"
        )
    inputs = tf.convert_to_tensor(maps)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        logits = head(inputs, training=False)
        log_odds = sum(
            _log_odds(logits, target, class_names) * [float(name == target) for name in targets]
            for target in dict.fromkeys(targets)
        )
    # Images do not mix in the head, so the gradient of the sum holds each image's own.
    gradients = np.asarray(tape.gradient(log_odds, inputs))
    if method == "activation":
        values = maps.mean(axis=-1)
    elif method == "layercam":
        values = (np.maximum(gradients, 0) * maps).sum(axis=-1)
    else:
        values = signed_gradcam(maps, gradients)
    return np.maximum(values, 0), np.asarray(log_odds, np.float64)


def signed_gradcam(maps: Floats, gradients: Floats) -> Floats:
    """Grad-CAM before its ReLU, (n, h', w'): where it is negative the evidence is against the target."""
    weights = gradients.mean(axis=(1, 2))
    return np.asarray(np.einsum("nhwc,nc->nhw", maps, weights), np.float32)


def fake_log_odds(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds (n,) of anything but the first class, from `Detector.logits`: (n,), or (n, k) for k > 2 classes."""
    if logits.ndim == 1:
        return logits
    odds: NDArray[np.float64] = np.logaddexp.reduce(logits[:, 1:], axis=1) - logits[:, 0]
    return odds


def network_view(detector: "Detector", image: Image) -> NDArray[np.uint8]:
    """The picture as the network sees it: decoded, framed and resized, (h, w, 3) uint8.

    Raises:
        ImageError: the file cannot be read, or the array is not uint8 RGB.
    """
    if not isinstance(image, np.ndarray | str | Path):
        raise ImageError(f"an image is a path or a uint8 RGB array of shape (h, w, 3), not {type(image).__name__}")
    pixels = image if isinstance(image, np.ndarray) else read_image(image)
    return resize(pixels, detector.image_size, detector.spec.architecture.framing)


def _log_odds(logits: Any, target: str, class_names: tuple[str, ...]) -> Any:
    """The log-odds (n,) of `target` from logits (n, 1) or (n, k)."""
    import tensorflow as tf

    binary = logits.shape[1] == 1
    names = ("fake", "real", *class_names)
    if target not in names:
        raise ConfigError(
            f"no target {target!r}; there are {', '.join(dict.fromkeys(names))}{did_you_mean(target, names)}"
        )
    if binary:
        return -logits[:, 0] if target in ("real", class_names[0]) else logits[:, 0]
    if target in class_names:
        chosen = class_names.index(target)
        others = [k for k in range(len(class_names)) if k != chosen]
        return logits[:, chosen] - tf.reduce_logsumexp(tf.gather(logits, others, axis=1), axis=1)
    photographs = logits[:, 0] - tf.reduce_logsumexp(logits[:, 1:], axis=1)
    return photographs if target == "real" else -photographs


def _title(heatmap: Heatmap) -> str:
    if heatmap.empty:
        return f"No positive evidence for “{heatmap.target}”"
    if heatmap.method == "activation":
        return "Mean activation of the last feature map"
    return f"Evidence for “{heatmap.target}”"


def _path(image: Image) -> str:
    return "" if isinstance(image, np.ndarray) else str(image)
