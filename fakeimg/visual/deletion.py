"""Does a heatmap point at what matters? Remove its cells from the picture, or restore them, the strongest first."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.visual.gradcam import Floats, fake_log_odds

if TYPE_CHECKING:
    from fakeimg.models.detector import Detector
    from fakeimg.models.engines import EngineName

GAMES = ("deletion", "insertion")
BASELINES = ("mean colour", "blur")
ORDERS = ("heatmap", "random", "centre")
STEPS = 12
_RANDOM_ORDERS = 3


@dataclass(frozen=True, eq=False)
class Curves:
    """Log-odds of each image's target while its cells are removed or restored.

    Attributes:
        fractions: (s,) share of the cells that was removed or restored.
        log_odds: game, baseline, order → (n, s); the random order is the mean of three.
    """

    fractions: NDArray[np.float64]
    log_odds: dict[tuple[str, str, str], NDArray[np.float64]]

    def advantage(self, game: str, baseline: str, over: str) -> NDArray[np.float64]:
        """(n,) logit units by which the heatmap's order beats another, averaged over the curve; positive is better.

        Deletion is better the lower the curve, insertion the higher.
        """
        difference = self.log_odds[game, baseline, "heatmap"] - self.log_odds[game, baseline, over]
        area = np.asarray(np.trapezoid(difference, self.fractions, axis=1))
        return -area if game == "deletion" else area


def deletion_and_insertion(
    detector: "Detector",
    views: NDArray[np.uint8],
    heatmaps: Floats,
    signs: NDArray[np.int64],
    *,
    engine: "EngineName" = "auto",
    seed: int = 0,
) -> Curves:
    """Both games with both baselines, in the heatmap's order, in random orders, and from the centre outwards.

    The baseline is what a removed cell shows: the picture's mean colour, or the picture blurred beyond recognition.
    Each has its own bias (hard edges; shapes left over), so a result should hold for both.

    Args:
        views: (n, h, w, 3) uint8 at the network's size.
        heatmaps: (n, h', w').
        signs: (n,) 1 where the target is "fake", -1 where it is "real".
    Source: Petsiuk et al. 2018, "RISE", section 4 (in logits, which do not saturate, instead of probabilities).
    """
    rng = np.random.default_rng(seed)
    count, rows, columns = heatmaps.shape
    kept = np.unique(np.round(np.linspace(0, rows * columns, STEPS + 1)).astype(int))
    orders = {
        # Cells of equal value, such as the many zeros, come in random order.
        "heatmap": [[np.lexsort((rng.random(rows * columns), -values.ravel()))] for values in heatmaps],
        "random": [[rng.permutation(rows * columns) for _ in range(_RANDOM_ORDERS)] for _ in range(count)],
        "centre": [[np.argsort(_from_centre(rows, columns), kind="stable")] for _ in range(count)],
    }
    curves = {}
    for baseline in BASELINES:
        blanks = [_blank(view, baseline) for view in views]
        for order in ORDERS:
            for game in GAMES:
                values = np.empty((count, len(kept)))
                for i, (view, blank, variants) in enumerate(zip(views, blanks, orders[order], strict=True)):
                    pictures = [
                        _mixed(view, blank, variant[:k], (rows, columns), game) for variant in variants for k in kept
                    ]
                    odds = fake_log_odds(detector.logits(np.stack(pictures), engine=engine))
                    values[i] = signs[i] * odds.reshape(len(variants), len(kept)).mean(axis=0)
                curves[game, baseline, order] = values
    return Curves(kept / (rows * columns), curves)


def _mixed(
    view: NDArray[np.uint8], blank: NDArray[np.uint8], cells: NDArray[Any], plane: tuple[int, int], game: str
) -> NDArray[np.uint8]:
    """The picture with `cells` blank, or the blank with `cells` of the picture."""
    chosen = np.zeros(plane[0] * plane[1], bool)
    chosen[cells] = True
    height, width = view.shape[:2]
    pixels = chosen.reshape(plane)[np.ix_(np.arange(height) * plane[0] // height, np.arange(width) * plane[1] // width)]
    blanked = pixels if game == "deletion" else ~pixels
    return np.where(blanked[..., None], blank, view)


def _blank(view: NDArray[np.uint8], baseline: str) -> NDArray[np.uint8]:
    import cv2

    if baseline == "mean colour":
        return np.broadcast_to(np.round(view.mean(axis=(0, 1))).astype(np.uint8), view.shape)
    return np.asarray(cv2.GaussianBlur(view, (0, 0), sigmaX=view.shape[0] / 10), np.uint8)


def _from_centre(rows: int, columns: int) -> NDArray[np.float64]:
    y, x = np.mgrid[:rows, :columns]
    return np.asarray(np.hypot((y - (rows - 1) / 2) / rows, (x - (columns - 1) / 2) / columns)).ravel()
