"""`audit.html`: what a data set gives away, with examples."""

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fakeimg.evaluation.findings import SPECTRUM
from fakeimg.evaluation.shortcuts import WORDS
from fakeimg.files import write_text
from fakeimg.visual import style
from fakeimg.visual.gallery import Gallery, labelled_sample
from fakeimg.visual.page import gallery, number, page, paragraph, rate_cells, section, table

if TYPE_CHECKING:
    from fakeimg.evaluation.audit import Audit

AUDIT_PAGE = "audit.html"
_MOST_CLUSTERS = 24
_EACH = 6


def write_audit(audit: "Audit", out: Path | str) -> Path:
    """Write `audit.html` into the folder `out`: one file, no network, no script; small pictures are inside the page.

    Returns:
        Where the page is.
    """
    mood = "bad" if audit.failed else "good"
    failed = sum(finding.severity == "finding" for finding in audit.findings)
    headline = (
        f"{failed} finding{'' if failed == 1 else 's'}: a detector can score well here without detecting forgery."
        if failed
        else "No finding: what a detector scores on this data is not explained by the shortcuts looked for."
    )
    sections = [
        f"<header><h1>What this data gives away</h1>{paragraph(_about(audit), 'about')}</header>",
        f'<div class="verdict {mood}">{paragraph(headline, "headline")}{paragraph(audit.sentence)}</div>',
        section("Findings", findings_list(audit)),
        section("Predicting the label without judging a face", shortcut_table(audit), _means(audit)),
        section("Sources", _sources(audit), gallery(labelled_sample(audit.data))),
        section("The same picture more than once", *_duplicates(audit)),
        section("Files that cannot be read", _unreadable(audit)),
        f"<footer>{paragraph('Intervals are 95 % intervals. Made with fakeimg.')}</footer>",
    ]
    path = Path(out) / AUDIT_PAGE
    write_text(path, page("What this data gives away", (one for one in sections if one)))
    return path


def findings_list(audit: "Audit") -> str:
    """The findings and notes as a list."""
    items = "".join(
        f'<li class="{one.severity}"><b>{escape(one.kind)}</b> ({one.severity}): {escape(one.sentence)}</li>'
        for one in audit.findings
    )
    return f"<ul>{items}</ul>" if items else paragraph("Nothing was found.")


def shortcut_table(audit: "Audit") -> str:
    """What each candidate alone scores, strongest first."""
    rows = []
    for row in audit.shortcuts.to_dict("records"):
        auc, accuracy = (
            rate_cells(
                {"value": row[key], "low": row[f"{key}_low"], "high": row[f"{key}_high"], "n": row["n"]},
                percent=key == "accuracy",
            )
            for key in ("auc", "accuracy")
        )
        note = "the same in every image" if row["constant"] else ""
        note = "may be evidence as well as shortcut" if row["shortcut"] == SPECTRUM else note
        words = escape(WORDS[row["shortcut"]])
        rows.append([words, *auc[:3], accuracy[0], accuracy[1], f'<span class="muted">{note}</span>'])
    head = ("the label from …", "AUC", "95 % interval", "0 – 1", "accuracy", "95 % interval", "")
    caption = f"Each candidate alone, five-fold cross-validation on {audit.sampled:,} images; an AUC of .5 is guessing"
    return table(head, rows, caption=caption) if rows else ""


def _about(audit: "Audit") -> str:
    counts = ", ".join(
        f"{int((audit.data.labels == k).sum()):,} {name}" for k, name in enumerate(audit.data.class_names)
    )
    return f"{len(audit.data):,} images: {counts} · data {audit.data.fingerprint()[:12]}"


def _means(audit: "Audit") -> str:
    import cv2

    tiles = []
    for name, mean in audit.mean_thumbnails.items():
        large = cv2.resize(mean, (132, 132), interpolation=cv2.INTER_NEAREST)
        data = base64.b64encode(style.encode_png(np.asarray(large, np.uint8))).decode("ascii")
        image = f'<img alt="" src="data:image/png;base64,{data}">'
        tiles.append(f"<figure>{image}<figcaption>mean of {escape(name)}</figcaption></figure>")
    return f'<h3>All that a thumbnail sees</h3><div class="swatches">{"".join(tiles)}</div>' if tiles else ""


def _sources(audit: "Audit") -> str:
    found = audit.confounding
    if found is None:
        return ""
    rows = [
        [escape(str(source)), *(f"{int(count):,}" if count else "–" for count in row)]
        for source, row in found.table.iterrows()
    ]
    told = f"Cramér's V of source and label: {found.cramers_v:.2f}, from 0 (unrelated) to 1 (the source decides)."
    if found.source_accuracy is not None:
        told += (
            f" An 8×8 thumbnail names the source of {number(found.source_accuracy.value)} of images "
            f"({number(found.source_accuracy.low)}–{number(found.source_accuracy.high)}), always naming the commonest "
            f"{number(found.chance)}."
        )
    return paragraph(told) + table(("source", *map(str, found.table.columns)), rows)


def _duplicates(audit: "Audit") -> Iterator[str]:
    clusters = list(audit.duplicates.groupby("cluster"))
    if len(clusters) > _MOST_CLUSTERS:
        yield paragraph(f"{_MOST_CLUSTERS} of {len(clusters):,} pictures; duplicates.csv lists them all.", "muted")
    # Pictures with two labels or on two sides of a split first: those change what is measured.
    clusters.sort(key=lambda item: -max(item[1]["label"].nunique(), item[1]["split"].nunique()))
    for _, rows in clusters[:_MOST_CLUSTERS]:
        shown = rows.head(_EACH)
        captions = tuple(
            " · ".join(str(part) for part in (row["label"], row["source"], row["split"]) if isinstance(part, str))
            + f"\n{Path(str(row['path'])).name}"
            for row in shown.to_dict("records")
        )
        fake = (shown["label"] != audit.data.class_names[0]).to_numpy(bool)
        title = f"{rows['kind'].iloc[0]} copies" + (f", {_EACH} of {len(rows)}" if len(rows) > _EACH else "")
        yield gallery(Gallery(title, tuple(audit.data.root / path for path in shown["path"]), captions, fake))


def _unreadable(audit: "Audit") -> str:
    listed = list(audit.unreadable.items())
    rows = [[escape(path), f'<span class="muted">{escape(reason)}</span>'] for path, reason in listed[:50]]
    more = paragraph(f"and {len(listed) - 50:,} more", "muted") if len(listed) > 50 else ""
    return table(("file", "why"), rows) + more if rows else ""
