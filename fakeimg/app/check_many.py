"""The tab for many pictures: files or a zip in, a table that sorts and a CSV out; what cannot be read is listed."""

import csv
import html
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from fakeimg.app import panels
from fakeimg.app.detectors import Detectors
from fakeimg.app.messages import answered
from fakeimg.app.record import records
from fakeimg.app.uploads import MAX_IMAGES, MAX_UPLOAD, Upload, unpacked, uploaded
from fakeimg.files import write_text

HEADERS = ["Picture", "File", "Verdict", "Probability of fake", "Note"]
_CHUNK = 8
"""Pictures scored before others get their turn."""
_THUMBNAIL = 56
_INTRODUCTION = f"""Drop up to {MAX_IMAGES} pictures, or a zip of them (at most {MAX_UPLOAD >> 20} MB). Nothing is kept:
what you send is deleted within minutes."""


def check_many(detectors: Detectors, model: Any, folder: Path) -> None:
    """Lay out the tab."""
    import gradio as gr

    gr.Markdown(_INTRODUCTION)
    files = gr.File(
        label="Pictures, or a zip of pictures",
        file_count="multiple",
        file_types=["image", ".zip"],
        height=170,
        elem_id="fi-files",
    )
    summary = gr.HTML()
    table = gr.Dataframe(
        headers=HEADERS, datatype=["html", "str", "str", "number", "str"], interactive=False, visible=False,
        column_widths=["84px", "28%", "22%", "18%", "24%"], label="Verdicts", buttons=[],
        max_height=620, elem_id="fi-table",
    )  # fmt: skip
    download = gr.DownloadButton("Download as CSV", visible=False)

    @answered
    def score(payloads: Any, name: str, progress: Any = gr.Progress()) -> Iterator[tuple[Any, ...]]:  # noqa: B008
        if not payloads:
            yield "", gr.update(visible=False), gr.update(visible=False)
            return
        rows: list[list[Any]] = []
        found: list[dict[str, Any]] = []
        with unpacked([uploaded(payload, folder) for payload in payloads]) as pictures:
            for part in scored(detectors, pictures, name):
                found += part
                chunk = pictures[len(found) - len(part) : len(found)]
                rows += _rows(part, chunk)
                progress((len(found), len(pictures)), desc="Checking", unit="pictures")
        path = Path(mkdtemp(dir=folder)) / "verdicts.csv"
        write_text(path, as_csv(found))
        yield _summary(found), gr.update(value=rows, visible=True), gr.update(value=str(path), visible=True)

    gr.on(
        [files.change, model.change],
        score, [files, model], [summary, table, download], preprocess=False, concurrency_id="many",
        trigger_mode="always_last", show_progress_on=summary, api_visibility="private",
    )  # fmt: skip


def scored(
    detectors: Detectors, pictures: Sequence[Upload], model: str | None = None
) -> Iterator[list[dict[str, Any]]]:
    """The records of a few pictures at a time; between them other visitors have their turn."""
    detector = detectors.get(model)
    for start in range(0, len(pictures), _CHUNK):
        chunk = list(pictures[start : start + _CHUNK])
        with detectors.turn:
            predictions = detector.predict([upload.path for upload in chunk])
        yield records(predictions, chunk)


def as_csv(found: Sequence[dict[str, Any]]) -> str:
    """The records as CSV; a cell that a spreadsheet would run as a formula is quoted as text."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    table.writeheader()
    for record in found:
        table.writerow({key: _harmless(value) for key, value in record.items()})
    return text.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _rows(found: Sequence[dict[str, Any]], pictures: Sequence[Upload]) -> list[list[Any]]:
    from fakeimg.visual.thumbnails import thumbnails

    small = thumbnails([upload.path for upload in pictures], _THUMBNAIL)
    return [
        [
            panels.picture(pixels, record["path"]),
            record["path"],
            panels.WORDS.get(record["verdict"], "Cannot be read"),
            None if record["probability_fake"] is None else round(record["probability_fake"], 3),
            record["reason"] or "",
        ]
        for pixels, record in zip(small, found, strict=True)
    ]


def _summary(found: Sequence[dict[str, Any]]) -> str:
    counts = Counter(record["verdict"] for record in found)
    parts = [
        f"<li class='fi-count fi-{verdict}'><strong>{counts[verdict]}</strong> {words}</li>"
        for verdict, words in panels.WORDS.items()
        if counts[verdict]
    ]
    bad = [record for record in found if record["status"] != "ok"]
    text = f"<ul class=fi-counts>{''.join(parts)}</ul>"
    if bad:
        items = "".join(
            f"<li>{html.escape(record['path'])}: {html.escape(str(record['reason']))}</li>" for record in bad
        )
        text += f"<p class=fi-bad>{len(bad)} could not be read; the others are done all the same.</p><ul>{items}</ul>"
    return text
