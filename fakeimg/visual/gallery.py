"""Pictures with their labels: a sample of a data set, the worst mistakes, and what was confused with what."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.errors import DatasetError
from fakeimg.evaluation.predictions import ScoredImages
from fakeimg.visual import style
from fakeimg.visual.thumbnails import framed, thumbnails

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TILE = 132
_GAP = 10
_LINE = 34


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures in rows, each with a coloured border and one or two lines of text.

    Attributes:
        title: what they are.
        paths: n files.
        captions: n texts, of up to two lines.
        fake: (n,) bool: the colour of the border, green for photographs and vermilion for fakes.
    """

    title: str
    paths: tuple[Path, ...]
    captions: tuple[str, ...]
    fake: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.paths)

    def pictures(self, size: int = _TILE) -> NDArray[np.uint8]:
        """The framed pictures, (n, size, size, 3) uint8; a grey square stands for a file that cannot be read."""
        small = thumbnails(self.paths, size)
        edges = [style.rgb(style.class_colour(int(is_fake))) for is_fake in self.fake]
        return np.array([framed(picture, edge, 4) for picture, edge in zip(small, edges, strict=True)], np.uint8)

    def plot(self, ax: "Axes | None" = None, *, columns: int = 6) -> "Axes":
        """The pictures in rows of `columns`."""
        columns = min(columns, max(len(self), 1))
        rows = max(1, -(-len(self) // columns))
        step = np.array([_TILE + _LINE, _TILE + _GAP])
        canvas = np.full((rows * step[0], columns * step[1] - _GAP, 3), 255, np.uint8)
        with style.styled():
            axes = style.picture_axes(ax, 1.42 * columns, 1.66 * rows + 0.4)
            for number, (picture, caption) in enumerate(zip(self.pictures(), self.captions, strict=True)):
                top, left = np.array(divmod(number, columns)) * step
                canvas[top : top + _TILE, left : left + _TILE] = picture
                axes.text(left, top + _TILE + 3, caption, va="top", fontsize=7.5, linespacing=1.2)
            axes.imshow(canvas)
            axes.set_title(self.title)
        return axes

    def to_html(self) -> str:
        """The pictures as a row of HTML figures that wraps, each picture inside the page."""
        tiles = "".join(
            f'<figure style="margin:0;width:{_TILE}px">{style.image_html(style.encode_png(picture), caption)}'
            f'<figcaption style="font-size:12px">{html.escape(caption)}</figcaption></figure>'
            for picture, caption in zip(self.pictures(), self.captions, strict=True)
        )
        title = html.escape(self.title)
        return f'<p><b>{title}</b></p><div style="display:flex;flex-wrap:wrap;gap:{_GAP}px">{tiles}</div>'

    def _repr_html_(self) -> str:
        return self.to_html()


def labelled_sample(data: Dataset, *, n: int = 12, seed: int = 0) -> Gallery:
    """Some images of a data set with their labels and sources, as many of each class as there are."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data))
    labels = data.labels[order]
    # The first of every class, then the second of every class, and so on.
    turn = np.empty(len(order), np.int64)
    for label in np.unique(labels):
        turn[labels == label] = np.arange((labels == label).sum())
    chosen = order[np.lexsort((labels, turn))][:n]
    picked = data.take(chosen)
    sources = picked.frame["source"].fillna("").astype(str)
    captions = tuple(f"{label}\n{source}".strip() for label, source in zip(picked.frame["label"], sources, strict=True))
    return Gallery(f"{len(picked)} of {len(data):,} images", tuple(picked.paths), captions, picked.labels > 0)


def top_losses(predictions: Any, *, n: int = 12, root: Path | str = "") -> Gallery:
    """The images that a detector is most wrong about, the worst first.

    Args:
        predictions: an `Evaluation`, its frame, or the folder or file that it was written to.
        root: where relative paths start.
    Raises:
        DatasetError: there are no paths, labels or probabilities.
    """
    scored = _scored(predictions)
    order = np.argsort(-_losses(scored), kind="stable")[:n]
    return _gallery(f"The {len(order)} worst of {len(scored.frame):,} images", scored, order, root)


def confusions(predictions: Any, *, n: int = 12, root: Path | str = "") -> dict[tuple[str, str], Gallery]:
    """For "real" and "fake" as (label, called): some images of that cell of the confusion matrix, the surest first.

    Args and errors as in `top_losses`.
    """
    scored = _scored(predictions)
    called = np.where(scored.correct, scored.fake, ~scored.fake)
    confidence = np.abs(scored.scores - 0.5)
    found = {}
    for is_fake in (False, True):
        for is_called in (False, True):
            members = np.flatnonzero((scored.fake == is_fake) & (called == is_called))
            members = members[np.argsort(-confidence[members], kind="stable")]
            label, call = _name(is_fake), _name(is_called)
            title = f"{label}, called {call}: {len(members):,} images"
            found[label, call] = _gallery(title, scored, members[:n], root)
    return found


def _gallery(title: str, scored: ScoredImages, rows: NDArray[np.intp], root: Path | str) -> Gallery:
    frame = scored.frame.iloc[rows]
    captions = [
        f"{label}, p(fake) {score:.2f}" + (f"\n{source}" if isinstance(source, str) else "")
        for label, score, source in zip(
            frame["label"], frame["probability_fake"], _column(frame, "source"), strict=True
        )
    ]
    return Gallery(title, tuple(Path(root) / path for path in frame["path"]), tuple(captions), scored.fake[rows])


def _scored(predictions: Any) -> ScoredImages:
    scored = ScoredImages.open(predictions)
    if "path" not in scored.frame:
        raise DatasetError("these predictions have no column 'path', so there are no pictures to show")
    return scored


def _losses(scored: ScoredImages) -> NDArray[np.float64]:
    """(n,) cross-entropy of the label."""
    if "loss" in scored.frame:
        return scored.frame["loss"].to_numpy(np.float64)
    right = np.where(scored.fake, scored.scores, 1 - scored.scores)
    return np.asarray(-np.log(np.maximum(right, 1e-7)))


def _column(frame: Any, name: str) -> Sequence[Any]:
    values: Sequence[Any] = frame[name].tolist() if name in frame else [None] * len(frame)
    return values


def _name(is_fake: bool) -> str:
    return "fake" if is_fake else "real"
