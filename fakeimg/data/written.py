"""Annotators that read what somebody wrote: in the file's name, or in another table."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from fakeimg.data.dataset import Dataset
from fakeimg.data.judgements import Judgement
from fakeimg.data.layouts import MANIFESTS, OPTIONAL, REQUIRED, read_table
from fakeimg.errors import ConfigError, DatasetError


class FileNames:
    """Reads attributes from file names.

    Args:
        pattern: a regular expression, found in the name without its suffix; each named group is an attribute.
        values: for an attribute, what its codes stand for; a code that is not listed is no answer. An attribute that
            is not listed is taken as it is written.
        name: how the annotator is called.
    Raises:
        ConfigError: the pattern is no regular expression, or names no group.
    """

    fingerprint = None
    learnt_from: frozenset[str] = frozenset()

    def __init__(
        self, pattern: str, values: Mapping[str, Mapping[str, str]] | None = None, *, name: str = "file name"
    ) -> None:
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"{pattern!r} is not a regular expression: {error}") from None
        self.name = name
        self.attributes = tuple(self._pattern.groupindex)
        self._values = values or {}
        if not self.attributes:
            raise ConfigError(f"{pattern!r} names no attribute; write a group as (?P<gender>…)")

    def judge(self, dataset: Dataset) -> Iterator[Mapping[str, Judgement]]:
        """What each name says; nothing where the pattern is not found."""
        for path in dataset.frame["path"]:
            found = self._pattern.search(PurePosixPath(path).stem)
            codes = found.groupdict() if found else {}
            said = {name: self._values.get(name, {code: code}).get(code) for name, code in codes.items() if code}
            yield {name: Judgement(value) for name, value in said.items() if value}


def utkface_names() -> FileNames:
    """UTKFace's own names, `age_gender_race_date`: 25_0_2_20170116174525125.jpg is an Asian man of 25.

    Source: Zhang, Song and Qi 2017, "Age Progression/Regression by Conditional Adversarial Autoencoder", data set page.
    """
    return FileNames(
        r"^(?P<age>\d{1,3})_(?P<gender>[01])_(?P<race>[0-4])_\d+",
        {
            "gender": {"0": "man", "1": "woman"},
            "race": {"0": "white", "1": "black", "2": "asian", "3": "indian", "4": "other"},
        },
        name="UTKFace name",
    )


class Table:
    """Reads attributes from another CSV or Parquet table.

    Its column `path` says which image a row is about: a path from the table's own folder, a path as the data set
    writes it, or a file name that is unique in the table. `x_confidence` beside a column `x` is its confidence.

    Args:
        table: the file.
        attributes: the columns to read; all that are attributes when absent.
    Raises:
        DatasetError: it cannot be read, or has no column `path` or no such attribute.
    """

    fingerprint = None
    learnt_from: frozenset[str] = frozenset()

    def __init__(self, table: Path | str, attributes: tuple[str, ...] | None = None) -> None:
        path = Path(table).expanduser().absolute()
        if path.suffix.lower() not in MANIFESTS or not path.is_file():
            raise DatasetError(f"{table} is not a table; give a {' or '.join(MANIFESTS)} file")
        frame = read_table(path)
        if "path" not in frame:
            raise DatasetError(f"{table} has no column 'path'; it has {', '.join(map(str, frame.columns))}")
        others = [str(name) for name in frame.columns if name not in (*REQUIRED, *OPTIONAL)]
        have = tuple(name for name in others if not name.endswith(("_confidence", "_annotator")))
        self.name = path.name
        self.attributes = attributes or have
        if unknown := [name for name in self.attributes if name not in have]:
            raise DatasetError(f"{table} has no attribute {unknown[0]!r}; it has {', '.join(have)}")
        if not self.attributes:
            raise DatasetError(f"{table} has no attributes beside its paths")
        self._rows: dict[str, dict[str, Judgement]] = {}
        names: dict[str, list[str]] = {}
        for row in frame.to_dict("records"):
            written = str(PurePosixPath(str(row["path"])))
            self._rows[written] = self._rows[str(path.parent / written)] = self._said(row)
            names.setdefault(PurePosixPath(written).name, []).append(written)
        self._unique = {name: paths[0] for name, paths in names.items() if len(paths) == 1}

    def judge(self, dataset: Dataset) -> Iterator[Mapping[str, Judgement]]:
        """What the table says of each image; nothing where it does not list it."""
        for written, path in zip(dataset.frame["path"], dataset.paths, strict=True):
            keys = (str(path), written, self._unique.get(path.name, ""))
            yield next((self._rows[key] for key in keys if key in self._rows), {})

    def _said(self, row: Mapping[object, object]) -> dict[str, Judgement]:
        said = {}
        for name in self.attributes:
            value, confidence = row[name], row.get(f"{name}_confidence")
            if value == value and str(value):  # an empty cell is not equal to itself
                known = confidence is not None and confidence == confidence and str(confidence) != ""
                said[name] = Judgement(str(value), float(str(confidence)) if known else 1.0)
        return said
