"""Whether a detector's heatmaps mean something: four checks with numbers, in one small table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import ImageError
from fakeimg.visual import style
from fakeimg.visual.deletion import BASELINES, GAMES, ORDERS, Curves, deletion_and_insertion
from fakeimg.visual.gradcam import Evidence, Floats, Image, Method, fake_log_odds, network_view
from fakeimg.visual.randomisation import randomisation, rank_correlation

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from fakeimg.models.detector import Detector
    from fakeimg.models.engines import EngineName

# Every layer is randomised for so many images only: a deep network has a hundred layers.
RANDOMISED_IMAGES = 8
# A map that still correlates as much as this with the one of the trained network does not show what was learned.
UNCHANGED = 0.5
_SHIFT = 2


@dataclass(frozen=True, eq=False, repr=False)
class Proof:
    """Checks of n heatmaps, each for the class that the detector gives the image.

    Attributes:
        frame: a row a check: check, measured, value, low, high (95 % t interval of the mean over images; NaN where all
            are alike), n, reading. A map that goes empty ranks nothing and has correlation 0.
        randomised: as `randomisation` returns it.
        curves: deletion and insertion.
    """

    frame: "pd.DataFrame"
    randomised: "pd.DataFrame"
    curves: Curves

    def __str__(self) -> str:
        rows = self.rows()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])

    def __repr__(self) -> str:
        return str(self)

    def rows(self) -> list[tuple[str, ...]]:
        """The table's cells as text, the header first."""
        header = ("check", "measured", "mean [95 %]", "n", "reading")
        body = [
            (row["check"], row["measured"], _with_interval(row), str(row["n"]), row["reading"])
            for row in self.frame.to_dict("records")
        ]
        return [header, *body]

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """How alike the heatmaps stay while layer after layer loses its weights."""
        with style.styled():
            axes = style.new_axes(6.4, 3.0) if ax is None else ax
            grouped = self.randomised.groupby("step")["correlation"]
            # Before the first layer every map is its own twin.
            bounds = grouped.agg(["mean", "min", "max"])
            bounds.loc[0] = 1.0
            bounds = bounds.sort_index()
            axes.fill_between(
                bounds.index,
                bounds["min"],
                bounds["max"],
                color=style.FAKE,
                alpha=0.15,
                linewidth=0,
                label="all images",
            )
            axes.plot(bounds.index, bounds["mean"], color=style.FAKE, label="mean")
            axes.axhline(0, color=style.RULE, linewidth=1, zorder=0)
            axes.set_title("Heatmaps of a network that forgets, layer by layer")
            axes.set_xlabel("layers with fresh weights, counted from the logit")
            axes.set_ylabel("rank correlation")
            axes.set_ylim(-1, 1.05)
            axes.legend(loc="lower left", ncols=2)
        return axes

    def plot_curves(self, ax: "Axes | None" = None, *, game: str = "deletion", baseline: str = "blur") -> "Axes":
        """The mean deletion or insertion curve of the heatmap's order beside those of the other two."""
        colours = dict(zip(ORDERS, (style.FAKE, style.MUTED, style.REAL), strict=True))
        dashes = dict(zip(ORDERS, ("-", "--", ":"), strict=True))
        with style.styled():
            axes = style.new_axes(4.6, 3.0) if ax is None else ax
            for order in ORDERS:
                mean = self.curves.log_odds[game, baseline, order].mean(axis=0)
                axes.plot(100 * self.curves.fractions, mean, dashes[order], color=colours[order], label=order)
            axes.set_title(f"{game.capitalize()} against {baseline}")
            axes.set_xlabel("cells removed, %" if game == "deletion" else "cells restored, %")
            axes.set_ylabel("log-odds of the verdict")
            axes.legend()
        return axes

    def _repr_html_(self) -> str:
        return str(self.frame.to_html(index=False, float_format=lambda value: f"{value:+.2f}"))


def faithfulness(
    detector: "Detector",
    images: Sequence[Image],
    *,
    method: Method = "gradcam",
    engine: "EngineName" = "auto",
    seed: int = 0,
) -> Proof:
    """Check that the heatmaps of these images depend on the weights, point at what matters, and hold still.

    Fresh weights (Adebayo et al. 2018), deletion and insertion (Petsiuk et al. 2018) against random orders and one from
    the centre, and the same picture after JPEG 95 or a shift of 2 pixels. Sixteen images take about half a minute.

    Args:
        images: at least two; paths, or uint8 RGB arrays of any size.
    Raises:
        ImageError: an image cannot be read, or there are fewer than two.
    """
    import pandas as pd

    if len(images) < 2:
        raise ImageError(f"the checks need at least 2 images, got {len(images)}: their numbers are means over images")
    views = np.stack([network_view(detector, image) for image in images])
    evidence = Evidence(detector, engine)
    signs = np.where(fake_log_odds(detector.logits(views, engine=engine)) >= 0, 1, -1)
    targets = ["fake" if sign > 0 else "real" for sign in signs]

    def heatmaps(pictures: NDArray[np.uint8]) -> Floats:
        return evidence.heatmaps(evidence.maps(pictures), targets, method)[0]

    values = heatmaps(views)
    few = slice(RANDOMISED_IMAGES)
    randomised = randomisation(detector, views[few], targets[few], method=method, seed=seed)
    curves = deletion_and_insertion(detector, views, values, signs, engine=engine, seed=seed)
    rows = [
        *_randomisation_rows(randomised, detector),
        *_deletion_rows(curves),
        *_stability_rows(values, heatmaps, views),
    ]
    return Proof(pd.DataFrame(rows), randomised, curves)


def _with_interval(row: Mapping[Any, Any]) -> str:
    if row["low"] != row["low"]:
        return f"{row['value']:+.2f} (no spread)"
    return f"{row['value']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"


def _row(
    check: str, measured: str, values: NDArray[np.float64], reading: Callable[[float, float], str]
) -> dict[str, Any]:
    """One check: the mean over images, its interval, and what that says."""
    from scipy.stats import t

    mean = float(values.mean())
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    # Values that are all alike, as the correlations with maps that went empty, have no interval: one without width
    # would claim too much.
    low, high = (mean - half, mean + half) if half > 0 else (np.nan, np.nan)
    return {
        "check": check,
        "measured": measured,
        "value": mean,
        "low": low,
        "high": high,
        "n": len(values),
        "reading": reading(mean - half, mean + half),
    }


def _randomisation_rows(randomised: "pd.DataFrame", detector: "Detector") -> Iterator[dict[str, Any]]:
    steps = int(randomised["step"].max())
    head = sum(bool(layer.weights) for layer in detector.head.layers)
    for name, step in (("head", head), ("half of the layers", (head + steps) // 2), ("all layers", steps)):
        values = randomised.loc[randomised["step"] == step, "correlation"].to_numpy()
        yield _row(f"fresh weights: {name}", "rank correlation with the map before", values, _changed)


def _deletion_rows(curves: Curves) -> Iterator[dict[str, Any]]:
    for game in GAMES:
        for baseline in BASELINES:
            for over in ORDERS[1:]:
                name = f"{game} to {baseline}" if game == "deletion" else f"{game} from {baseline}"
                yield _row(name, f"logits better than {over} order", curves.advantage(game, baseline, over), _better)


def _stability_rows(
    values: Floats, heatmaps: Callable[[NDArray[np.uint8]], Floats], views: NDArray[np.uint8]
) -> Iterator[dict[str, Any]]:
    def alike(others: Floats) -> NDArray[np.float64]:
        return np.array([rank_correlation(a, b) for a, b in zip(values, others, strict=True)])

    measured = "rank correlation with the map before"
    yield _row("JPEG, quality 95", measured, alike(heatmaps(np.stack([_jpeg(view) for view in views]))), _stable)
    yield _row(
        f"shift by {_SHIFT} pixels", measured, alike(heatmaps(np.stack([_shifted(view) for view in views]))), _stable
    )
    yield _row(
        "another image's map", "rank correlation, for comparison", alike(np.roll(values, 1, axis=0)), lambda *_: ""
    )


def _changed(low: float, high: float) -> str:
    return "changes" if high < UNCHANGED else "UNCHANGED" if low > UNCHANGED else "unclear"


def _better(low: float, high: float) -> str:
    return "better" if low > 0 else "WORSE" if high < 0 else "no clear difference"


def _stable(low: float, high: float) -> str:
    return "stable" if low > UNCHANGED else "UNSTABLE" if high < UNCHANGED else "unclear"


def _jpeg(view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    encoded = cv2.imencode(".jpg", view[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]


def _shifted(view: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture moved right and down; its edge repeats."""
    return np.pad(view, ((_SHIFT, 0), (_SHIFT, 0), (0, 0)), mode="edge")[: view.shape[0], : view.shape[1]]
