"""A labelled set of images: a frame with one row an image, and the folder that the paths are relative to."""

import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakeimg.data.hashes import content_hashes
from fakeimg.data.layouts import MANIFESTS, OPTIONAL, REQUIRED, SPLITS, read_layout, rebase
from fakeimg.data.remote import local_copy
from fakeimg.errors import DatasetError, did_you_mean
from fakeimg.files import replacing

if TYPE_CHECKING:
    import pandas as pd

# "truncated" marks images of which only a part could be decoded; it says something of the file, not of the face.
_NOT_ATTRIBUTES = (*REQUIRED, *OPTIONAL, "truncated")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images with their labels, and what else is known of them.

    Opening one reads no image: a file that is missing or damaged is an ImageError when it is read.

    Attributes:
        frame: one row an image, with the text columns `path` (relative to `root`), `label` (one of `class_names`),
            `source`, `generator`, `split` ("train", "validation", "test") and `group` (its rows stay on one side of any
            split), empty cells being NaN; every further column is an attribute. Its index counts from 0.
        root: absolute path of the folder that the paths start from.
        class_names: the classes by their index; the first is the negative one, photographs.
    """

    frame: "pd.DataFrame"
    root: Path
    class_names: tuple[str, ...] = ("real", "fake")

    def __post_init__(self) -> None:
        names = self.class_names
        if len(names) < 2 or len({name.casefold() for name in names}) < len(names):
            raise DatasetError(f"classes {names!r} are not two or more different names")
        for name in REQUIRED:
            if name not in self.frame:
                raise DatasetError(
                    f"a data set needs a column {name!r}; this one has {', '.join(map(str, self.frame.columns))}"
                )
        if strange := sorted(set(self.frame["label"]) - set(names), key=str):
            raise DatasetError(f"label {strange[0]!r} is none of the classes {', '.join(names)}")
        frame = self.frame.reset_index(drop=True)
        for name in OPTIONAL:
            if name not in frame:
                frame[name] = np.full(len(frame), np.nan, dtype=object)
        first = [*REQUIRED, *OPTIONAL]
        object.__setattr__(self, "frame", frame[first + [name for name in frame.columns if name not in first]])
        object.__setattr__(self, "root", Path(self.root).expanduser().absolute())

    @classmethod
    def open(
        cls, data: Path | str, *, classes: Sequence[str] = ("real", "fake"), sources: Sequence[str] | None = None
    ) -> "Dataset":
        """Open class folders or a manifest.

        Args:
            data: a folder with one subfolder per class (`real/`, `fake/`), also below `train/`, `validation/` and
                `test/`; subfolders of a class name the source. Or a CSV or Parquet manifest with the columns `path`
                (relative to the manifest) and `label`, and optionally `source`, `generator`, `split`, `group` and any
                attributes; or the folder that holds it as `manifest.csv` or `manifest.parquet`. Or a zip archive of
                either, or a URL of any (`s3://`, `gs://`, `https://`, `hf://datasets/…`), which is cached.
            classes: the class names, the negative one (photographs) first; names are matched whatever their case.
            sources: keep only the images of these sources.
        Raises:
            DatasetError: nothing is there, no image is left, or something reads two ways, such as labels 0 and 1.
        """
        frame, root = read_layout(local_copy(data), tuple(classes))
        if sources is not None:
            frame = _only(frame, sources)
        if frame.empty:
            raise DatasetError(f"{data} lists no images; a data set needs at least one")
        return cls(frame, root, tuple(classes))

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        counts = ", ".join(f"{int((self.labels == k).sum()):,} {name}" for k, name in enumerate(self.class_names))
        sizes = [(name, int((self.frame["split"] == name).sum())) for name in SPLITS]
        splits = ", ".join(f"{name} {size:,}" for name, size in sizes if size) or "no splits"
        return f"<Dataset of {len(self):,} images: {counts}; {splits}; {self.root}>"

    def _repr_html_(self) -> str:
        import pandas as pd

        index = [self.frame["source"].fillna("(none given)").rename("source")]
        if self.frame["split"].notna().any():
            index.append(self.frame["split"].fillna("(none given)").rename("split"))
        label = pd.Categorical(self.frame["label"], categories=list(self.class_names))
        table = pd.crosstab(index, label, margins=True, margins_name="all", dropna=False)
        table = table[table["all"] > 0].fillna(0).astype(int).rename_axis(columns=None)
        return f"<p>{html.escape(repr(self).strip('<>'))}</p>{table.to_html()}"

    @cached_property
    def paths(self) -> list[Path]:
        """Where each image is, absolute."""
        return [self.root / path for path in self.frame["path"]]

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The class of each image as its index into `class_names`, shape (n,)."""
        number = {name: k for k, name in enumerate(self.class_names)}
        return np.array([number[label] for label in self.frame["label"]], dtype=np.int64)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The columns that say something of the face, such as `gender`; not who judged it, or how surely."""
        names = [name for name in self.frame.columns if name not in _NOT_ATTRIBUTES]
        about = {f"{name}_{what}" for name in names for what in ("confidence", "annotator")}
        return tuple(name for name in names if name not in about)

    def split(self, name: str) -> "Dataset":
        """The images of one split.

        Raises:
            DatasetError: no image is in it.
        """
        mask = (self.frame["split"] == name).to_numpy(dtype=bool)
        if not mask.any():
            have = [str(split) for split in self.frame["split"].dropna().unique()]
            known = (
                f"it has {', '.join(have)}{did_you_mean(name, have)}" if have else "it has no splits: assign them first"
            )
            raise DatasetError(f"this data has no images in split {name!r}; {known}")
        return self.take(mask)

    def take(self, rows: ArrayLike) -> "Dataset":
        """The images that `rows` picks, in its order: a boolean mask of shape (n,), or row numbers."""
        picked = np.asarray(rows)
        if picked.dtype == bool and picked.shape != (len(self),):
            raise DatasetError(f"a mask of shape {picked.shape} does not fit {len(self)} images")
        numbers = np.flatnonzero(picked) if picked.dtype == bool else picked.astype(np.int64)
        return Dataset(self.frame.iloc[numbers], self.root, self.class_names)

    def assign(self, **columns: Any) -> "Dataset":
        """This data with columns added or replaced, each of n values."""
        return Dataset(self.frame.assign(**columns), self.root, self.class_names)

    def content_hashes(self) -> list[str | None]:
        """The SHA-256 of each file, None where it cannot be read; remembered while the file is unchanged."""
        return list(self._content_hashes)

    @cached_property
    def _content_hashes(self) -> list[str | None]:
        return content_hashes(self.paths)

    def fingerprint(self) -> str:
        """One SHA-256 over every path, label and file content, whatever the rows' order and wherever `root` is."""
        rows = sorted(
            zip(self.frame["path"], self.frame["label"], self.content_hashes(), strict=True), key=lambda row: row[0]
        )
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def write(self, manifest: Path | str) -> None:
        """Write a CSV or Parquet manifest, by its suffix; paths start from its folder, empty columns are left out.

        Raises:
            DatasetError: another suffix, or a path that is not valid Unicode.
        """
        target = Path(manifest).expanduser().absolute()
        if target.suffix.lower() not in MANIFESTS:
            raise DatasetError(
                f"a manifest ends in {' or '.join(MANIFESTS)}, not {target.suffix or 'nothing'!r}: {manifest}"
            )
        empty = [name for name in OPTIONAL if self.frame[name].isna().all()]
        frame = self.frame.drop(columns=empty)
        paths = [rebase(path, self.root, target.parent) for path in frame["path"]]
        try:
            frame = frame.assign(path=paths)
            with replacing(target) as temporary:
                if target.suffix.lower() == ".csv":
                    frame.to_csv(temporary, index=False)
                else:
                    frame.to_parquet(temporary, index=False)
        except UnicodeEncodeError as error:
            raise DatasetError(f"{manifest} cannot hold the file name {error.object!r}; rename that file") from error


def _only(frame: "pd.DataFrame", sources: Sequence[str]) -> "pd.DataFrame":
    have = sorted(frame["source"].dropna().unique()) if "source" in frame else []
    for name in sources:
        if name not in have:
            known = f"it has {', '.join(have)}" if have else "it names none"
            raise DatasetError(f"this data has no source {name!r}; {known}{did_you_mean(name, have)}")
    return frame[frame["source"].isin(list(sources))]
