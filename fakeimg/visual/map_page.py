"""The map of faces as one HTML page that needs no network: hover shows the face, its score and its attributes."""

import base64
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.files import write_text
from fakeimg.visual.map_figure import is_failing
from fakeimg.visual.thumbnails import thumbnails

if TYPE_CHECKING:
    import pandas as pd

    from fakeimg.visual.embedding import EmbeddingMap

_TILE = 56
_COLUMNS = 32
_PER_SHEET = 32 * 24
_QUALITY = 72
_WIDTH = 10_000
# More different values than this are names or measurements, and make no legend.
_MOST_VALUES = 30
_NOT_ATTRIBUTES = {"path", "label", "probability_fake", "verdict", "wrong", "x", "y", "cluster", "split", "group"}


def map_page(faces: "EmbeddingMap", path: Path | str) -> None:
    """Write the page; about 2 kB a face, as the small pictures are inside it."""
    template = files("fakeimg.visual").joinpath("map_page.html").read_text("utf-8")
    # "<" could end the script element from within a path or an attribute.
    content = json.dumps(_content(faces), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    write_text(path, template.replace("__DATA__", content))


def _content(faces: "EmbeddingMap") -> dict[str, Any]:
    points = faces.points * [1, -1]
    low = points.min(axis=0)
    extent = np.maximum(points.max(axis=0) - low, 1e-9)
    places = np.round((points - low) * (_WIDTH / extent[0])).astype(int)
    frame = faces.frame
    found, paths = faces.summary(), faces.paths
    overall = float(frame["wrong"].mean())
    clusters = [
        {key: row[key] for key in ("cluster", "n", "n_fake", "error_rate", "low", "high")}
        | {"failing": is_failing(row, overall)}
        for row in faces.clusters.to_dict("records")
    ]
    return {
        "summary": (
            f"{len(faces):,} faces, {found['clusters']} clusters, {found['noise']:,} faces in none; "
            f"trustworthiness {faces.trustworthiness:.2f}; {int(frame['wrong'].sum()):,} wrong calls"
        ),
        "classes": list(faces.class_names),
        "width": _WIDTH,
        "height": int(places[:, 1].max()) or 1,
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "label": [faces.class_names.index(label) for label in frame["label"]],
        "cluster": frame["cluster"].tolist(),
        "score": frame["probability_fake"].round(4).tolist(),
        "verdict": frame["verdict"].tolist(),
        "wrong": frame["wrong"].astype(int).tolist(),
        "path": frame["path"].tolist(),
        "attributes": _attributes(frame),
        "clusters": clusters,
        "tile": _TILE,
        "columns": _COLUMNS,
        "per_sheet": _PER_SHEET,
        "sheets": [_sheet(paths[start : start + _PER_SHEET]) for start in range(0, len(faces), _PER_SHEET)],
    }


def _attributes(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Name, different values, and one code an image (-1: unknown) of each column that can be a legend."""
    import pandas as pd

    found = []
    for name in frame.columns:
        codes, values = pd.factorize(frame[name], sort=False)
        if name not in _NOT_ATTRIBUTES and 1 <= len(values) <= _MOST_VALUES:
            found.append({"name": str(name), "values": [str(value) for value in values], "codes": codes.tolist()})
    return found


def _sheet(paths: list[Path]) -> str:
    """Small pictures side by side in one JPEG: a browser opens a few large pictures sooner than thousands."""
    import cv2

    tiles: NDArray[np.uint8] = thumbnails(paths, _TILE)
    rows = -(-len(tiles) // _COLUMNS)
    sheet = np.full((rows, _COLUMNS, _TILE, _TILE, 3), 255, np.uint8)
    sheet.reshape(-1, _TILE, _TILE, 3)[: len(tiles)] = tiles
    pixels = sheet.swapaxes(1, 2).reshape(rows * _TILE, _COLUMNS * _TILE, 3)
    encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
