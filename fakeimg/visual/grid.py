"""Faces in a grid in which similar ones sit together."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import ConfigError
from fakeimg.visual import style
from fakeimg.visual.thumbnails import crossed, framed, thumbnails

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fakeimg.visual.embedding import EmbeddingMap

MOST = 2500
"""The assignment's time grows with the cube of the number: 2,500 faces take seconds, 20,000 would take hours."""
_TILE = 44
_GAP = 2


def plot_grid(faces: "EmbeddingMap", ax: "Axes | None" = None, *, tiles: int = 600) -> "Axes":
    """Up to `tiles` faces, drawn at random from larger maps, each in a place of its own near where the map has it.

    Raises:
        ConfigError: `tiles` is not between 1 and 2,500.
    """
    if not 1 <= tiles <= MOST:
        raise ConfigError(f"a grid has 1 to {MOST:,} tiles, not {tiles:,}")
    chosen = np.sort(np.random.default_rng(faces.seed).permutation(len(faces))[:tiles])
    rows, columns = grid_shape(len(chosen))
    cells = assign_to_grid(faces.points[chosen], rows, columns)
    step = _TILE + _GAP
    canvas = np.full((rows * step - _GAP, columns * step - _GAP, 3), 255, np.uint8)
    paths = faces.paths
    pictures = thumbnails([paths[i] for i in chosen], _TILE)
    wrong, fake = faces.frame["wrong"].to_numpy(bool), faces.fake
    for i, (row, column), picture in zip(chosen, cells, pictures, strict=True):
        marked = framed(picture, style.rgb(style.class_colour(int(fake[i]))), 3)
        marked = crossed(marked) if wrong[i] else marked
        canvas[row * step : row * step + _TILE, column * step : column * step + _TILE] = marked
    with style.styled():
        axes = style.picture_axes(ax, 9.0, 9.0 * rows / columns + 0.6)
        axes.imshow(canvas)
        part = "" if len(chosen) == len(faces) else f" of {len(faces):,}"
        axes.set_title(f"{len(chosen):,}{part} faces, similar ones side by side")
        words = "green border: photograph · vermilion border: fake · black corner: called wrongly"
        axes.set_xlabel(words, loc="left", color=style.MUTED, fontsize=8)
    return axes


def grid_shape(count: int) -> tuple[int, int]:
    """Rows and columns, about 3 to 4, that hold `count` tiles."""
    columns = int(np.ceil(np.sqrt(count * 4 / 3)))
    return -(-count // columns), columns


def assign_to_grid(points: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.int64]:
    """A cell of its own for each point, so that the squared distances moved add up to the least possible.

    Args:
        points: (n, 2), n ≤ rows * columns; x to the right, y up.
    Returns:
        (n, 2) row and column; row 0 is on top.
    Source: Jonker and Volgenant 1987 (the linear assignment problem), as SciPy has it.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    low, high = points.min(axis=0), points.max(axis=0)
    unit = (points - low) / np.maximum(high - low, 1e-9) * [columns - 1, rows - 1]
    row, column = np.divmod(np.arange(rows * columns), columns)
    cells = np.stack([row, column], axis=1)
    _, taken = linear_sum_assignment(cdist(unit, np.stack([column, rows - 1 - row], axis=1), "sqeuclidean"))
    return np.asarray(cells[taken], np.int64)
