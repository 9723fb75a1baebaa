"""Faces to try and to compare with: the rendered sample, or a data set of one's own."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fakeimg.app.detectors import Detectors
from fakeimg.app.uploads import Upload
from fakeimg.data.dataset import Dataset
from fakeimg.data.sample import render_out_of_domain, render_sample
from fakeimg.files import cache_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fakeimg.models.detector import Detector
    from fakeimg.visual.embedding import EmbeddingMap

RENDERED = 160
"""Images of the rendered sample: enough for a map, few enough to draw in seconds."""
MAPPED = 1500
"""At most so many images of a data set are mapped."""
_EXAMPLES, _CANDIDATES = 7, 200
_KEPT = 3
# Part of the cached sample's name: raise it when the drawing changes.
_SAMPLE_VERSION = 1


def rendered_sample() -> Dataset:
    """The sample that the page shows when it is given no data, drawn once and kept in the cache."""
    from filelock import FileLock

    folder = cache_folder("sample") / f"v{_SAMPLE_VERSION}-{RENDERED}"
    with FileLock(f"{folder}.lock"):
        if not (folder / "manifest.csv").is_file():
            render_sample(folder, images=RENDERED)
    return Dataset.open(folder)


def examples(dataset: Dataset, detector: "Detector") -> list[Path]:
    """A few pictures to try, photographs and fakes in turn, and never both of one face; last one without a face.

    Those that `detector` takes for faces of its kind come first, whatever it makes of them.
    """
    few = _at_most(dataset, _CANDIDATES)
    judged = [verdict not in (None, "out-of-domain") for verdict in detector.predict(few.paths).verdicts]
    paths = [str(path) for path in few.paths]
    group = few.frame["group"].where(few.frame["group"].notna(), paths)
    rows = few.frame.assign(path=paths, group=group, judged=judged)
    rows = rows.sort_values("judged", ascending=False, kind="stable")
    chosen: list[Path] = []
    groups: set[Any] = set()
    for number in range(_EXAMPLES):
        label = dataset.class_names[number % 2]
        free = rows[(rows["label"] == label) & ~rows["group"].isin(groups)]
        if free.empty:
            break
        row = free.iloc[0]
        groups.add(row["group"])
        chosen.append(Path(row["path"]))
        rows = rows.drop(index=row.name)
    return [*chosen, _without_a_face()]


class FaceMaps:
    """The map of the same faces for each detector that was asked for it; fitted at the first question."""

    def __init__(self, detectors: Detectors, dataset: Dataset) -> None:
        self._detectors = detectors
        self._dataset = _at_most(dataset, MAPPED)
        self._maps: OrderedDict[str, EmbeddingMap] = OrderedDict()
        self._fitting = threading.Lock()

    def get(self, model: str) -> "EmbeddingMap":
        """The map of one detector."""
        from fakeimg.visual.embedding import embed

        detector = self._detectors.get(model)
        key = detector.weights_sha256
        with self._fitting:
            if key not in self._maps:
                self._maps[key] = embed(detector, self._dataset)
                if len(self._maps) > _KEPT:
                    self._maps.popitem(last=False)
            return self._maps[key]

    def place(self, model: str, upload: Upload) -> "tuple[Axes, str]":
        """The map with the upload on it, and what lies around it in words."""
        faces = self.get(model)
        with self._detectors.turn:
            placed = faces.place([upload.path]).iloc[0]
        point = placed[["x", "y"]].to_numpy(np.float64)
        nearest = np.argsort(((faces.points - point) ** 2).sum(axis=1))[:10]
        fakes = int(faces.fake[nearest].sum())
        words = (
            f"Of the ten faces nearest to it {fakes} {'is' if fakes == 1 else 'are'} generated. "
            "Far apart means little on such a map; near means alike to this network."
        )
        return faces.plot(marked=point[None]), words


def _at_most(dataset: Dataset, count: int) -> Dataset:
    if len(dataset) <= count:
        return dataset
    return dataset.take(np.sort(np.random.default_rng(0).choice(len(dataset), count, replace=False)))


def _without_a_face() -> Path:
    folder = cache_folder("sample") / f"v{_SAMPLE_VERSION}-no-face"
    found = sorted(folder.glob("*.jpg"))
    return found[0] if found else render_out_of_domain(folder, images=1)[0]
