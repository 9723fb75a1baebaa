"""Filling the attribute columns of a manifest: who or what judged each value, and how sure it was."""

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fakeimg.data.agreement import Agreement, compare_values
from fakeimg.data.dataset import Dataset
from fakeimg.data.judgements import Judgement, JudgementStore
from fakeimg.data.layouts import MANIFESTS, OPTIONAL, REQUIRED
from fakeimg.errors import ConfigError, DatasetError
from fakeimg.progress import progress_bar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Annotation", "Annotator", "Judgement", "annotate"]

_CHUNK = 256
"""Rows judged between two looks at the store; a multiple of every annotator's own batch."""


class Annotator(Protocol):
    """Something that judges attributes of faces."""

    @property
    def name(self) -> str:
        """What stands in `<attribute>_annotator` beside each of its values."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The columns that it fills."""

    @property
    def fingerprint(self) -> str | None:
        """What its judgement of an image depends on besides the image's bytes, so that judgements can be kept.

        None where judging again is as quick as looking up, or depends on more than the image.
        """

    @property
    def learnt_from(self) -> frozenset[str]:
        """SHA-256 of the images that it was fitted on: on these its agreement is no evidence."""

    def judge(self, dataset: Dataset) -> Iterator[Mapping[str, Judgement]]:
        """For each image, in order, what it says; an attribute that it cannot tell is left out."""
        ...


@dataclass(frozen=True)
class Annotation:
    """A manifest with more of its attributes known.

    Attributes:
        dataset: the images; beside each filled column `x` stand `x_confidence`, 0 to 1, and `x_annotator`.
        table: one row an annotator and attribute: annotator, attribute, given (cells that had a value before), filled,
            low_confidence (left empty for it), no_answer.
        agreements: with `check`, how each annotator agrees with the values given before.
    """

    dataset: Dataset
    table: "pd.DataFrame"
    agreements: tuple[Agreement, ...] = field(default=())

    @property
    def frame(self) -> "pd.DataFrame":
        """Agreement per annotator and attribute where it was checked, else the table of what was filled."""
        import pandas as pd

        return pd.concat([agreement.frame for agreement in self.agreements]) if self.agreements else self.table

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """The share of cells of each attribute that were given, filled and left empty."""
        from matplotlib.figure import Figure

        if ax is None:
            ax = Figure(figsize=(6, 1 + 0.5 * len(self.table)), layout="constrained").subplots()
        names = [f"{row.attribute}\n{row.annotator}" for row in self.table.itertuples()]
        left = np.zeros(len(names))
        colours = {"given": "#9ca3af", "filled": "#0f766e", "low_confidence": "#fbbf24", "no_answer": "#e5e7eb"}
        for column, colour in colours.items():
            counts = self.table[column].to_numpy(float)
            ax.barh(names, counts, left=left, color=colour, label=column.replace("_", " "))
            left += counts
        ax.set_xlabel("images")
        ax.legend(ncols=4, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1))
        ax.spines[["top", "right"]].set_visible(False)
        return ax

    def _repr_html_(self) -> str:
        checks = "".join(agreement._repr_html_() for agreement in self.agreements)
        return f"<p>{html.escape(repr(self.dataset).strip('<>'))}</p>{self.table.to_html(index=False)}{checks}"


def annotate(
    data: Dataset | Path | str,
    annotators: Sequence[Annotator],
    *,
    out: Path | str | None = None,
    check: bool = False,
    min_confidence: float | None = None,
) -> Annotation:
    """Fill empty cells of attribute columns; a cell that has a value keeps it.

    Annotators are asked in order, each for the cells that are still empty. What a slow one said of an image is kept in
    the cache as it goes, so that the same command goes on where it was stopped.

    Args:
        data: a data set, or where one is.
        annotators: who judges.
        out: the manifest to write, CSV or Parquet.
        check: ask them about cells that were given as well, and compare, on images that they did not learn from.
        min_confidence: a value with less confidence stays empty; all are taken when absent.
    Raises:
        ConfigError: no annotator, an `out` that is no manifest, or a confidence outside 0 to 1.
        DatasetError: `check`, and no attribute of any annotator was given.
    """
    if not annotators:
        raise ConfigError("no annotator was named; see `fakeimg annotate --help` for what there is")
    if out is not None and Path(out).suffix.lower() not in MANIFESTS:
        raise ConfigError(f"--out {out} is not a manifest; end it in {' or '.join(MANIFESTS)}")
    if min_confidence is not None and not 0 <= min_confidence <= 1:
        raise ConfigError(f"a confidence lies in 0 to 1, not at {min_confidence}")
    dataset = data if isinstance(data, Dataset) else Dataset.open(data)
    frame = _with_columns(dataset.frame, annotators)
    given = {name: _given(frame, name) for annotator in annotators for name in annotator.attributes}
    if check and not any(values.notna().any() for values in given.values()):
        raise DatasetError(f"nothing to check against: this data gives no {' or '.join(given)}")
    rows, agreements = [], []
    for annotator in annotators:
        wanted = frame[list(annotator.attributes)].isna().any(axis=1)
        if check:
            wanted |= np.any([given[name].notna() for name in annotator.attributes], axis=0)
        numbers = np.flatnonzero(wanted)
        judged = dict(zip(numbers.tolist(), _judge(annotator, dataset.take(numbers)), strict=True))
        for name in annotator.attributes:
            said = {row: judgements[name] for row, judgements in judged.items() if name in judgements}
            if check and (unseen := _unseen(given[name], annotator, dataset)).notna().any():
                agreements.append(compare_values(unseen, said, attribute=name, annotator=annotator.name))
            rows.append(_fill(frame, name, annotator.name, said, min_confidence))
    import pandas as pd

    annotated = Dataset(frame, dataset.root, dataset.class_names)
    if out is not None:
        annotated.write(out)
    return Annotation(annotated, pd.DataFrame(rows), tuple(agreements))


def _judge(annotator: Annotator, dataset: Dataset) -> list[Mapping[str, Judgement]]:
    """What `annotator` says of each image, from the store where it has been asked before."""
    found: list[Mapping[str, Judgement]] = []
    store = None if annotator.fingerprint is None else JudgementStore(annotator.fingerprint)
    with progress_bar(f"annotating: {annotator.name}", len(dataset)) as advance:
        for start in range(0, len(dataset), _CHUNK):
            part = dataset.take(np.arange(start, min(start + _CHUNK, len(dataset))))
            if store is None:
                for judgements in annotator.judge(part):
                    found.append(judgements)
                    advance()
            else:
                found += _remembered(annotator, store, part, advance)
    return found


def _remembered(
    annotator: Annotator, store: JudgementStore, part: Dataset, advance: Callable[..., None]
) -> list[Mapping[str, Judgement]]:
    hashes = part.content_hashes()
    known = store.read([key for key in hashes if key is not None])
    new = [row for row, key in enumerate(hashes) if key is not None and key not in known]
    advance(len(hashes) - len(new))
    with store.writing() as write:
        for row, judgements in zip(new, annotator.judge(part.take(new)) if new else (), strict=True):
            key = hashes[row]
            if key is not None:
                known[key] = judgements
                write(key, judgements)
            advance()
    return [known.get(key, {}) if key is not None else {} for key in hashes]


def _with_columns(frame: "pd.DataFrame", annotators: Sequence[Annotator]) -> "pd.DataFrame":
    import pandas as pd

    frame = frame.copy()
    for name in dict.fromkeys(name for annotator in annotators for name in annotator.attributes):
        if name in (*REQUIRED, *OPTIONAL):
            raise ConfigError(f"an annotator fills attributes, and {name!r} is none")
        for column in (name, f"{name}_annotator"):
            values = frame[column] if column in frame else pd.Series(np.nan, frame.index)
            frame[column] = values.astype(object).where(values.notna() & (values.astype(str) != ""), np.nan)
        confidence = frame.get(f"{name}_confidence", pd.Series(np.nan, frame.index))
        frame[f"{name}_confidence"] = pd.to_numeric(confidence, errors="coerce")
    return frame


def _given(frame: "pd.DataFrame", name: str) -> "pd.Series[Any]":
    """The values of an attribute that no annotator filled in."""
    return frame[name].where(frame[f"{name}_annotator"].isna())


def _unseen(given: "pd.Series[Any]", annotator: Annotator, dataset: Dataset) -> "pd.Series[Any]":
    """The given values of images that the annotator was not fitted on."""
    if not annotator.learnt_from:
        return given
    unseen = [image not in annotator.learnt_from for image in dataset.content_hashes()]
    return given.where(np.array(unseen))


def _fill(
    frame: "pd.DataFrame", name: str, annotator: str, said: Mapping[int, Judgement], min_confidence: float | None
) -> dict[str, Any]:
    """Put what was said into the empty cells of `frame`; the counts of it."""
    empty = frame[name].isna().to_numpy()
    sure = {
        row: judgement
        for row, judgement in said.items()
        if empty[row] and (min_confidence is None or judgement.confidence >= min_confidence)
    }
    rows = list(sure)
    frame.loc[rows, name] = [judgement.value for judgement in sure.values()]
    frame.loc[rows, f"{name}_confidence"] = [judgement.confidence for judgement in sure.values()]
    frame.loc[rows, f"{name}_annotator"] = annotator
    answered = sum(bool(empty[row]) for row in said)
    return {
        "annotator": annotator,
        "attribute": name,
        "given": int((~empty).sum()),
        "filled": len(rows),
        "low_confidence": answered - len(rows),
        "no_answer": int(empty.sum()) - answered,
    }
