"""Looking at a data set before anything is trained on it: shortcuts, copies, leaks, confounding, broken files."""

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.dataset import Dataset
from fakeimg.errors import ConfigError, DatasetError
from fakeimg.evaluation.confounding import Confounding, find_confounding
from fakeimg.evaluation.duplicates import find_duplicates
from fakeimg.evaluation.findings import (
    SPECTRUM,
    Finding,
    Thresholds,
    of_confounding,
    of_duplicates,
    of_errors,
    of_shortcuts,
    of_splits,
)
from fakeimg.evaluation.measurements import Measurements, measure
from fakeimg.evaluation.sampling import sampled_rows
from fakeimg.evaluation.shortcuts import WORDS, find_shortcuts
from fakeimg.files import replacing, write_json

if TYPE_CHECKING:
    import pandas as pd

AUDIT = "audit.json"
MAX_IMAGES = 5000


@dataclass(frozen=True)
class Audit:
    """What a data set would teach a detector besides forgery.

    Attributes:
        data: what was audited.
        findings: the findings first, then the notes.
        shortcuts: one row a candidate, strongest first: shortcut, auc, accuracy, each with low and high, n, constant.
            Empty where there are too few images.
        duplicates: one row an image that shares its picture with another: cluster, kind, path, label, source, split,
            group.
        confounding: how source and label hang together; None with fewer than two sources.
        unreadable: path → reason.
        sampled: how many images the shortcuts were looked for in.
        mean_thumbnails: the mean 8×8 thumbnail of each class, uint8 (8, 8, 3).
    """

    data: Dataset
    findings: tuple[Finding, ...]
    shortcuts: "pd.DataFrame"
    duplicates: "pd.DataFrame"
    confounding: Confounding | None
    unreadable: dict[str, str]
    sampled: int
    thresholds: Thresholds = field(default_factory=Thresholds)
    mean_thumbnails: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    @property
    def strongest(self) -> "pd.Series[Any] | None":
        """The row of the strongest shortcut, the spectrum aside; None where none could be measured."""
        candidates = self.shortcuts[self.shortcuts["shortcut"] != SPECTRUM] if len(self.shortcuts) else self.shortcuts
        return None if candidates.empty else candidates.iloc[0]

    @property
    def failed(self) -> bool:
        """Whether there is a finding."""
        return any(finding.severity == "finding" for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """3 with a finding, otherwise 4 when some files cannot be read, otherwise 0."""
        return 3 if self.failed else 4 if self.unreadable else 0

    @property
    def sentence(self) -> str:
        """The strongest shortcut in one plain sentence."""
        row = self.strongest
        if row is None:
            return "Shortcuts could not be looked for: there are too few images of a class."
        words = WORDS[row["shortcut"]]
        numbers = f"AUC {row['auc']:.3f} ({row['auc_low']:.3f}–{row['auc_high']:.3f})"
        if row["auc_low"] > self.thresholds.shortcut:
            return (
                f"{words[0].upper()}{words[1:]} alone predicts the label with {numbers} and {row['accuracy']:.1%} "
                "accuracy: a detector that does as well on these images need not have learnt anything about forgery."
            )
        return f"No shortcut was found: the strongest candidate, {words}, reaches {numbers} alone."

    def to_json(self) -> dict[str, Any]:
        """Everything, ready for JSON; `duplicates` are listed by cluster."""
        clusters = [
            {"kind": str(rows["kind"].iloc[0]), "images": [_present(row) for row in rows.to_dict("records")]}
            for _, rows in self.duplicates.groupby("cluster")
        ]
        return {
            "sentence": self.sentence,
            "exit_code": self.exit_code,
            "images": len(self.data),
            "sampled": self.sampled,
            "findings": [asdict(finding) for finding in self.findings],
            "shortcuts": self.shortcuts.to_dict("records"),
            "duplicates": clusters,
            "confounding": self.confounding.to_json() if self.confounding else None,
            "unreadable": self.unreadable,
            "thresholds": asdict(self.thresholds),
            "data": {"fingerprint": self.data.fingerprint()},
        }

    def write(self, out: Path | str) -> None:
        """Write `audit.json`, `shortcuts.csv` and `duplicates.csv` into the folder `out`."""
        folder = Path(out)
        write_json(folder / AUDIT, self.to_json())
        for name in ("shortcuts", "duplicates"):
            with replacing(folder / f"{name}.csv") as temporary:
                getattr(self, name).to_csv(temporary, index=False)

    def _repr_html_(self) -> str:
        items = "".join(f"<li><b>{f.severity}</b>: {escape(f.sentence)}</li>" for f in self.findings)
        return f"<p>{escape(self.sentence)}</p><ul>{items}</ul>{self.shortcuts.to_html(index=False)}"


def audit(
    data: Dataset | Path | str,
    *,
    thresholds: Thresholds | None = None,
    seed: int = 0,
    max_images: int | None = MAX_IMAGES,
) -> Audit:
    """Look for everything that would let a detector score well without detecting forgery.

    Every image is decoded once. Copies are looked for among all images; shortcuts among at most `max_images`, drawn at
    random within each class.

    Args:
        data: a labelled data set, or where one is; with more than two classes anything but the first is a fake.
        thresholds: what counts as a finding.
        seed: of the sample, the folds and the bootstrap.
        max_images: None takes all.
    Raises:
        DatasetError: the data cannot be read.
        ConfigError: a threshold is out of range, or `max_images` is below 1.
    """
    import pandas as pd

    if max_images is not None and max_images < 1:
        raise ConfigError(f"max_images is a number of images, got {max_images}")
    dataset = data if isinstance(data, Dataset) else Dataset.open(data)
    limits = thresholds or Thresholds()
    measurements = measure(dataset, sampled_rows(dataset.labels, max_images, seed))
    duplicates = find_duplicates(dataset, measurements)
    rows = measurements.rows
    groups = _groups(dataset, duplicates)[rows]
    fake = dataset.labels[rows] > 0
    findings: list[Finding] = []
    shortcuts = pd.DataFrame()
    try:
        shortcuts = find_shortcuts(measurements.features, fake, groups, seed=seed)
    except DatasetError as error:
        findings.append(Finding("too few", "note", f"{error}."))
    confounding = None
    if len(rows):
        thumbnails = measurements.features["8×8 thumbnail"]
        confounding = find_confounding(dataset, rows, thumbnails, groups, seed=seed)
    findings += [
        *of_shortcuts(shortcuts, limits),
        *of_splits(dataset),
        *of_duplicates(duplicates, len(dataset), limits),
        *of_confounding(confounding, limits),
        *of_errors(measurements.errors, len(dataset)),
    ]
    return Audit(
        data=dataset,
        findings=tuple(sorted(findings, key=lambda finding: finding.severity)),
        shortcuts=shortcuts,
        duplicates=duplicates,
        confounding=confounding,
        unreadable={str(dataset.frame["path"].iloc[row]): why for row, why in measurements.errors.items()},
        sampled=len(rows),
        thresholds=limits,
        mean_thumbnails=_mean_thumbnails(dataset, measurements),
    )


def _groups(dataset: Dataset, duplicates: "pd.DataFrame") -> NDArray[np.object_]:
    """The group of each image; copies of one picture are a group where the data names none."""
    groups = dataset.frame["group"].copy()
    if len(duplicates):
        clusters = duplicates.set_index("path")["cluster"]
        copied = "copies " + dataset.frame["path"].map(clusters).astype("Int64").astype("string")
        groups = groups.where(groups.notna(), copied.where(copied.notna(), None))
    return groups.astype(object).where(groups.notna(), None).to_numpy(object)


def _mean_thumbnails(dataset: Dataset, measurements: Measurements) -> dict[str, NDArray[np.uint8]]:
    if not len(measurements.rows):
        return {}
    thumbnails = measurements.features["8×8 thumbnail"].reshape(-1, 8, 8, 3)
    labels = dataset.labels[measurements.rows]
    return {
        name: np.rint(255 * thumbnails[labels == k].mean(axis=0)).astype(np.uint8)
        for k, name in enumerate(dataset.class_names)
        if (labels == k).any()
    }


def _present(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {
        str(name): value for name, value in row.items() if name not in ("cluster", "kind") and isinstance(value, str)
    }
