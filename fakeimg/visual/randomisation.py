"""Does a heatmap depend on what the network learned? Replace the weights layer by layer and watch it change."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import ModelError
from fakeimg.visual.gradcam import Floats, Method, class_heatmaps

if TYPE_CHECKING:
    import pandas as pd

    from fakeimg.models.detector import Detector


def randomisation(
    detector: "Detector",
    views: NDArray[np.uint8],
    targets: list[str],
    *,
    method: Method = "gradcam",
    seed: int = 0,
) -> "pd.DataFrame":
    """Heatmaps while fresh weights replace the learned ones, from the logit down to the first layer, for good.

    A method that only finds edges would draw the same map for a network that has learned nothing.

    Args:
        views: (n, h, w, 3) uint8 at the network's size.
        targets: n classes to explain.
    Returns:
        A row for each layer with weights and each image: step (1 is the logit's layer), layer, image (0 to n - 1), and
        correlation (Spearman's, of the cells with those of the untouched network's map).
    Source: Adebayo et al. 2018, "Sanity checks for saliency maps", section 3 (cascading randomisation).
    """
    import pandas as pd

    from fakeimg.models.engines import TensorFlowEngine
    from fakeimg.models.network import build_network, head_of, trunk_of

    model = build_network(detector.spec.architecture)
    model.set_weights(detector.model.get_weights())
    trunk, head = TensorFlowEngine(trunk_of(model)), head_of(model)

    def heatmaps() -> Floats:
        values, _ = class_heatmaps(trunk(views)[0], head, targets, detector.class_names, method)
        return values

    original = heatmaps()
    rows = []
    leaves = [layer for layer in reversed(model.layers) if layer.weights]
    for step, layer in enumerate(leaves, 1):
        reinitialise(layer, seed + step)
        for image, (before, after) in enumerate(zip(original, heatmaps(), strict=True)):
            rows.append((step, layer.name, image, rank_correlation(before, after)))
    return pd.DataFrame(rows, columns=["step", "layer", "image", "correlation"])


def reinitialise(layer: Any, seed: int) -> None:
    """Give every weight of one layer a fresh value from the layer's own initialiser.

    Raises:
        ModelError: a weight has no initialiser.
    """
    for number, weight in enumerate(layer.weights):
        fresh = _initialiser(layer, weight.name, seed * 31 + number)
        weight.assign(fresh(weight.shape, dtype=weight.dtype))


def _initialiser(layer: Any, weight: str, seed: int) -> Callable[..., Any]:
    # A depthwise convolution calls its kernel's initialiser by another name.
    names = (f"{weight}_initializer", "depthwise_initializer")
    found = next((getattr(layer, name) for name in names if getattr(layer, name, None) is not None), None)
    if found is None:
        raise ModelError(f"layer {layer.name!r} has no initialiser for its weight {weight!r}")
    settings = found.get_config()
    # A Keras initialiser draws the same numbers each time it is called: without a new seed an untrained layer would
    # get back the weights it has.
    made: Callable[..., Any] = type(found).from_config({**settings, "seed": seed} if "seed" in settings else settings)
    return made


def rank_correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Spearman's correlation of two maps' cells; 0 where one of them is the same everywhere and ranks nothing."""
    from scipy.stats import spearmanr

    if np.ptp(a) == 0 or np.ptp(b) == 0 or not np.isfinite(b).all():
        return 0.0
    return float(spearmanr(a.ravel(), b.ravel()).statistic)
