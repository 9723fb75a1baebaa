"""The map of faces as a picture: thumbnails at their coordinates, borders by cluster."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.visual import style
from fakeimg.visual.thumbnails import crossed, framed, thumbnails

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fakeimg.visual.embedding import EmbeddingMap

_WIDTH = 2000
_MARGIN = 50
_SMALLEST_TILE, _LARGEST_TILE = 36, 96
# Tiles may cover one another by this share of a side.
_OVERLAP = 0.35
_SIGNIFICANT = 0.05


def plot_map(faces: "EmbeddingMap", ax: "Axes | None" = None, *, marked: NDArray[np.float64] | None = None) -> "Axes":
    """Every image is a dot; as many as there is room for are faces, wrong calls before all others.

    Args:
        marked: (k, 2) coordinates of further images, as `EmbeddingMap.place` gives them, to draw a ring around.
    """
    place, height = _on_canvas(faces.points, faces.points)
    paths = faces.paths
    colours = style.cluster_colours(faces.frame["cluster"], faces.fake)
    tile = int(np.clip(np.sqrt(0.25 * _WIDTH * height / len(faces)), _SMALLEST_TILE, _LARGEST_TILE))
    wrong = faces.frame["wrong"].to_numpy(bool)
    shown = _uncovered(place, tile, first=wrong, seed=faces.seed)
    canvas = np.full((height, _WIDTH, 3), 255, np.uint8)
    for point, colour in zip(place, colours, strict=True):
        _dot(canvas, point, style.rgb(colour))
    pictures = thumbnails([paths[i] for i in shown], tile)
    for i, picture in zip(shown, pictures, strict=True):
        bordered = framed(picture, style.rgb(colours[i]), max(2, tile // 14))
        bordered = crossed(bordered) if wrong[i] else bordered
        top, left = (place[i][::-1] - tile / 2).astype(int)
        canvas[top : top + tile, left : left + tile] = bordered
    with style.styled():
        axes = style.picture_axes(ax, 10.0, 10.0 * height / _WIDTH + 1.0)
        axes.imshow(canvas)
        _label_clusters(axes, faces, place)
        if marked is not None:
            _mark(axes, _on_canvas(marked, faces.points)[0], height)
        axes.set_title(f"{len(faces):,} faces, arranged by what the network sees in them")
        axes.set_xlabel(_caption(faces, len(shown)), loc="left", color=style.MUTED, fontsize=8, linespacing=1.5)
        _legend(axes)
    return axes


def is_failing(cluster: Mapping[Any, Any], overall: float) -> bool:
    """Whether a row of the cluster table errs more than the whole map's share `overall`, beyond chance."""
    return bool(cluster["p_adjusted"] < _SIGNIFICANT and cluster["error_rate"] > overall)


def _on_canvas(points: NDArray[np.float64], all_points: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Pixel coordinates (n, 2), x to the right and y down on one scale, and the height of the canvas.

    `all_points` are what the canvas is to fit.
    """
    low, high = all_points.min(axis=0), all_points.max(axis=0)
    across, up = np.maximum(high - low, 1e-9)
    height = int(np.clip(_WIDTH * up / across, 0.32 * _WIDTH, 0.65 * _WIDTH))
    room = np.array([_WIDTH, height])
    scale = min((_WIDTH - 2 * _MARGIN) / across, (height - 2 * _MARGIN) / up)
    return np.asarray((points - (low + high) / 2) * scale * [1, -1] + room / 2), height


def _uncovered(place: NDArray[np.float64], tile: int, *, first: NDArray[np.bool_], seed: int) -> list[int]:
    """Images whose tiles hardly cover one another: those of `first` before the others, otherwise in random order."""
    shuffled = np.random.default_rng(seed).permutation(len(place))
    order = shuffled[np.argsort(~first[shuffled], kind="stable")]
    taken = np.empty((0, 2))
    chosen: list[int] = []
    for i in order.tolist():
        if not (np.abs(taken - place[i]).max(axis=1) < tile * (1 - _OVERLAP)).any():
            taken = np.vstack([taken, place[i]])
            chosen.append(i)
    return chosen


def _dot(canvas: NDArray[np.uint8], point: NDArray[np.float64], colour: NDArray[np.uint8]) -> None:
    x, y = point.astype(int)
    canvas[y - 2 : y + 2, x - 2 : x + 2] = colour


def _mark(axes: "Axes", place: NDArray[np.float64], height: int) -> None:
    """Rings that stay on the canvas, also for what lies outside the map."""
    x, y = np.clip(place, _MARGIN / 2, np.array([_WIDTH, height]) - _MARGIN / 2).T
    for colour, width in (("white", 7.0), (style.INK, 3.5)):
        axes.plot(x, y, "o", markersize=30, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=width)


def _label_clusters(axes: "Axes", faces: "EmbeddingMap", place: NDArray[np.float64]) -> None:
    overall = float(faces.frame["wrong"].mean())
    for row in faces.clusters.to_dict("records"):
        if row["cluster"] < 0:
            continue
        x, y = np.median(place[(faces.frame["cluster"] == row["cluster"]).to_numpy()], axis=0)
        failing = is_failing(row, overall)
        words = f"{row['cluster']}: {row['error_rate']:.0%} wrong" if failing else str(row["cluster"])
        axes.text(
            x,
            y,
            words,
            ha="center",
            va="center",
            fontsize=8.5,
            weight="bold",
            zorder=4 if failing else 3,
            bbox={
                "boxstyle": "round,pad=0.25",
                "facecolor": "#FFFFFFD9",
                "edgecolor": style.INK if failing else "none",
            },
        )


def _legend(axes: "Axes") -> None:
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], marker="s", linestyle="", color=style.REAL, label="photograph (cool shades: clusters)"),
        Line2D([], [], marker="s", linestyle="", color=style.FAKE, label="fake (warm shades: clusters)"),
        Line2D([], [], marker="s", linestyle="", color=style.NOISE, label="in no cluster"),
        Line2D([], [], marker="x", linestyle="", color=style.INK, label="called wrongly"),
    ]
    axes.legend(handles=marks, loc="upper left", bbox_to_anchor=(0, 0), ncols=4, fontsize=8, borderaxespad=0.6)


def _caption(faces: "EmbeddingMap", shown: int) -> str:
    found = faces.summary()
    return (
        f"\n\n{found['clusters']} clusters, {found['noise']:,} faces in none; trustworthiness "
        f"{faces.trustworthiness:.2f}. {shown:,} faces are shown, wrong calls first; the others are dots.\n"
        "A cluster with its share of wrong calls errs more than the rest (Fisher's exact test, Holm-corrected, 5 %)."
    )
