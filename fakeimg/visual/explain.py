"""Explaining many images: heatmaps for both classes on one scale, written to a folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.images import read_batches
from fakeimg.errors import ImageError
from fakeimg.files import replacing, write_bytes
from fakeimg.visual import style
from fakeimg.visual.faithfulness import Proof, faithfulness
from fakeimg.visual.feature_maps import feature_maps as maps_of_stages
from fakeimg.visual.gradcam import Evidence, Floats, Heatmap, Method

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from fakeimg.models.detector import Detector
    from fakeimg.models.engines import EngineName

TARGETS = ("fake", "real")
SHEET = 12
"""Images on the contact sheet; the files hold all of them."""
CHECKED = 16
"""Images that the checks use; their cost grows with the number."""
_GAP = 8


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Heatmaps of n images for "fake" and for "real", all on one colour scale.

    Attributes:
        frame: one row an image: path, status ("ok" or "error"), log_odds (of fake), peak_fake, peak_real, note, reason,
            and picture, the file that shows it.
        values: (n, 2, h', w'), for "fake" and for "real", as `Heatmap.values`; NaN where an image could not be read.
        limit: the value at full colour in every picture: the largest of all.
        sheet: the first images' heatmaps, for "fake" and for "real".
        proof: what shows that the heatmaps mean something, where it was asked for.
    """

    frame: "pd.DataFrame"
    values: Floats
    limit: float
    sheet: tuple[tuple[Heatmap, Heatmap], ...]
    proof: Proof | None = None

    @property
    def failed(self) -> int:
        """How many images could not be read."""
        return int((self.frame["status"] == "error").sum())

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """A contact sheet: each picture with the evidence for fake and for real; the checks' table under it."""
        return plot_sheet(self.sheet, self.limit, self.proof, ax)

    def _repr_html_(self) -> str:
        table = str(self.frame.to_html(max_rows=20, index=False, float_format=lambda value: f"{value:.3g}"))
        return style.figure_html(self.plot(), f"Heatmaps of {len(self.frame)} images") + table


def explain(
    detector: "Detector",
    paths: Sequence[Path | str],
    out: Path | str,
    *,
    feature_maps: bool = False,
    checks: bool = False,
    method: Method = "gradcam",
    engine: "EngineName" = "auto",
    batch_size: int = 32,
) -> Explanation:
    """Write the heatmaps of image files to a folder; files that cannot be read are listed with their reason.

    Writes `heatmaps.csv` (the frame), `heatmaps.npy` (the values), `heatmaps.png` (the contact sheet), for each image
    `heatmaps/NNNN-NAME.png` (picture, evidence for fake, evidence for real), with `feature_maps` also
    `feature_maps/NNNN-NAME.png`, and with `checks` `checks.csv` and `checks.png`.

    Args:
        checks: put the heatmaps of up to 16 of these images to the proof (`faithfulness`).
        method: as in `gradcam`.
    Raises:
        ImageError: none of the files can be read.
    """
    folder = Path(out)
    values, frame = _measure(detector, paths, method, engine, batch_size)
    read = np.flatnonzero(frame["status"] == "ok").tolist()
    if not read:
        reasons = frame["reason"].tolist()
        raise ImageError(
            f"none of {len(reasons)} files could be read; the first: {reasons[0]}" if reasons else "no files"
        )
    limit = float(np.nanmax(values)) or 1.0
    frame["picture"] = [
        f"heatmaps/{number:04d}-{Path(path).stem}.png" if status == "ok" else ""
        for number, (path, status) in enumerate(zip(frame["path"], frame["status"], strict=True))
    ]
    sheet: list[tuple[Heatmap, Heatmap]] = []
    # Pictures are read again rather than kept, so memory does not grow with their number.
    for row, view in _views(detector, [paths[i] for i in read], batch_size):
        i = read[row]
        pair = _pair(view, values[i], float(frame["log_odds"][i]), method, str(paths[i]))
        write_bytes(folder / frame["picture"][i], style.encode_png(_strip(pair, limit)))
        if len(sheet) < SHEET:
            sheet.append(pair)
        if feature_maps:
            name = folder / "feature_maps" / Path(frame["picture"][i]).name
            style.write_figure(maps_of_stages(detector, paths[i]).plot(), name)
    proof = None
    if checks and len(read) > 1:
        proof = faithfulness(detector, [paths[i] for i in read[:CHECKED]], method=method, engine=engine)
        with replacing(folder / "checks.csv") as temporary:
            proof.frame.to_csv(temporary, index=False)
        style.write_figure(proof.plot(), folder / "checks.png")
    found = Explanation(frame, values, limit, tuple(sheet), proof)
    style.write_figure(found.plot(), folder / "heatmaps.png")
    with replacing(folder / "heatmaps.npy") as temporary:
        np.save(temporary, values)
    with replacing(folder / "heatmaps.csv") as temporary:
        frame.to_csv(temporary, index=False)
    return found


def plot_sheet(
    sheet: Sequence[tuple[Heatmap, Heatmap]], limit: float, proof: Proof | None = None, ax: "Axes | None" = None
) -> "Axes":
    """Pairs of heatmaps of the same pictures, for "fake" and for "real", on one scale from 0 to `limit`."""
    columns = 1 if len(sheet) == 1 else 2
    strips = [_strip(pair, limit) for pair in sheet]
    height, width = strips[0].shape[:2]
    rows = -(-len(strips) // columns)
    line = max(18, height // 7)
    canvas = np.full((rows * (height + line + _GAP), columns * (width + 3 * _GAP) - 3 * _GAP, 3), 255, np.uint8)
    with style.styled():
        inches = 4.2 * columns
        tall = inches * canvas.shape[0] / canvas.shape[1]
        axes = style.picture_axes(ax, inches + 0.9, tall + 0.35 + (0.15 * len(proof.rows()) + 0.3 if proof else 0))
        for number, (strip, (fake, real)) in enumerate(zip(strips, sheet, strict=True)):
            top, left = (number // columns) * (height + line + _GAP), (number % columns) * (width + 3 * _GAP)
            canvas[top : top + height, left : left + width] = strip
            words = f"log-odds of fake {fake.log_odds:+.1f}" + "".join(
                f"; no positive evidence for {heatmap.target}" for heatmap in (fake, real) if heatmap.empty
            )
            axes.text(left, top + height + line / 2, words, va="center", fontsize=8, color=style.MUTED)
        axes.imshow(canvas)
        axes.set_title("Picture · evidence for “fake” · evidence for “real”")
        for place, heatmap in enumerate(sheet[0]):
            tall = min(0.46, 2.0 / rows)
            label = f"{heatmap.target}, {heatmap.unit}"
            style.evidence_scale(axes, heatmap.colour, limit, label, top=1 - place * (tall + 0.06), height=tall)
        if proof is not None:
            _write_table(axes, proof)
    return axes


def _measure(
    detector: "Detector", paths: Sequence[Path | str], method: Method, engine: "EngineName", batch_size: int
) -> tuple[Floats, "pd.DataFrame"]:
    """Values (n, 2, h', w') and the frame, without pictures."""
    import pandas as pd

    evidence = Evidence(detector, engine)
    height, width = detector.trunk.output.shape[1:3]
    values = np.full((len(paths), len(TARGETS), height, width), np.nan, np.float32)
    log_odds = np.full(len(paths), np.nan)
    reasons: list[str | None] = [None] * len(paths)
    framing = detector.spec.architecture.framing
    for indices, views, errors in read_batches(paths, detector.image_size, framing=framing, batch_size=batch_size):
        for i, error in errors.items():
            reasons[i] = str(error)
        if len(indices):
            maps = evidence.maps(views)
            for column, target in enumerate(TARGETS):
                found, odds = evidence.heatmaps(maps, [target] * len(indices), method)
                values[indices, column] = found
                if target == "fake":
                    log_odds[indices] = odds
    peaks = values.max(axis=(2, 3))
    frame = pd.DataFrame(
        {
            "path": [str(path) for path in paths],
            "status": ["ok" if reason is None else "error" for reason in reasons],
            "log_odds": log_odds,
            **{f"peak_{target}": peaks[:, column] for column, target in enumerate(TARGETS)},
        }
    )
    blank = np.zeros((*detector.image_size, 3), np.uint8)
    frame["note"] = [
        "; ".join(heatmap.note for heatmap in _pair(blank, value, odds, method, "") if heatmap.empty)
        for value, odds in zip(values, log_odds, strict=True)
    ]
    frame["reason"] = reasons
    return values, frame


def _views(
    detector: "Detector", paths: Sequence[Path | str], batch_size: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    framing = detector.spec.architecture.framing
    for indices, views, _ in read_batches(paths, detector.image_size, framing=framing, batch_size=batch_size):
        yield from zip(indices.tolist(), views, strict=True)


def _pair(
    view: NDArray[np.uint8], values: Floats, log_odds: float, method: Method, path: str
) -> tuple[Heatmap, Heatmap]:
    return (
        Heatmap(values[0], view, "fake", log_odds, method, path),
        Heatmap(values[1], view, "real", -log_odds, method, path),
    )


def _strip(pair: tuple[Heatmap, Heatmap], limit: float) -> NDArray[np.uint8]:
    """The picture and its two heatmaps side by side."""
    gap = np.full((pair[0].image.shape[0], _GAP, 3), 255, np.uint8)
    tiles: list[Any] = [pair[0].image]
    for heatmap in pair:
        tiles += [gap, heatmap.overlay(limit=limit)]
    return np.hstack(tiles)


def _write_table(axes: "Axes", proof: Proof) -> None:
    """The checks under the pictures, as text in columns."""
    axes.set_xlabel(str(proof), loc="left", family="monospace", fontsize=7, linespacing=1.4)
