"""What of an audit is a finding, what is a note, and how it is said."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from fakeimg.data.dataset import Dataset
from fakeimg.errors import ConfigError
from fakeimg.evaluation.confounding import Confounding
from fakeimg.evaluation.shortcuts import WORDS

if TYPE_CHECKING:
    import pandas as pd

SPECTRUM = "power spectrum"
_NOTE = 0.6  # a shortcut whose AUC is surely above this is worth a line, though not a finding


@dataclass(frozen=True)
class Thresholds:
    """What counts as a finding.

    Attributes:
        shortcut: the lower bound of a shortcut's AUC is above this.
        spectrum: the same for the power spectrum; None, the default, never makes it a finding. Upsampling leaves traces
            in the spectrum, so it can be evidence of forgery as well as of another camera or compression: only
            `stress` and leave-one-source-out can tell, and the audit says so in a note.
        duplicates: share of images that are copies of another one. Copies on two sides of a split, or with two labels,
            are findings whatever their number.
        association: Cramér's V of source and label, together with `separability`.
        separability: how well a thumbnail tells the sources apart, from 0, chance, to 1.
    """

    shortcut: float = 0.7
    spectrum: float | None = None
    duplicates: float = 0.01
    association: float = 0.9
    separability: float = 0.5

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"the audit's threshold {name!r} lies between 0 and 1, got {value}")


@dataclass(frozen=True)
class Finding:
    """One thing that the audit found.

    Attributes:
        kind: "shortcut", "spectrum", "duplicates", "leak", "confounding", "unreadable" or "too few".
        severity: a "finding" makes the audit fail; a "note" does not.
        sentence: what it is and why it matters, in plain words.
    """

    kind: str
    severity: Literal["finding", "note"]
    sentence: str


def of_shortcuts(shortcuts: "pd.DataFrame", limits: Thresholds) -> Iterator[Finding]:
    """Candidates that predict the label; those that do so weakly are notes."""
    for row in shortcuts.to_dict("records"):
        words = WORDS[row["shortcut"]]
        numbers = (
            f"{words[0].upper()}{words[1:]} alone predicts the label: AUC {row['auc']:.3f} "
            f"({row['auc_low']:.3f}–{row['auc_high']:.3f}), {row['accuracy']:.1%} of images right"
        )
        if row["shortcut"] == SPECTRUM:
            if limits.spectrum is not None and row["auc_low"] > limits.spectrum:
                yield Finding("spectrum", "finding", f"{numbers}.")
            elif row["auc_low"] > _NOTE:
                yield Finding(
                    "spectrum",
                    "note",
                    f"{numbers}. That may be what generators leave, or another camera, size or compression: stress and "
                    "leave-one-source-out tell them apart.",
                )
        elif row["auc_low"] > limits.shortcut:
            yield Finding("shortcut", "finding", f"{numbers}.")
        elif row["auc_low"] > _NOTE:
            yield Finding("shortcut", "note", f"{numbers}.")


def of_splits(dataset: Dataset) -> Iterator[Finding]:
    """Groups that lie on two sides of the split."""
    known = dataset.frame[dataset.frame["group"].notna() & dataset.frame["split"].notna()]
    sides = known.groupby("group")["split"].nunique()
    straddling = sides[sides > 1]
    if len(straddling):
        yield Finding(
            "leak",
            "finding",
            f"{_count(len(straddling), 'group')} of images that belong together lie on two sides of the split, such as "
            f"{straddling.index[0]!r}: what is learnt from one image answers for the other.",
        )


def of_duplicates(duplicates: "pd.DataFrame", n: int, limits: Thresholds) -> Iterator[Finding]:
    """Copies: across splits, across labels, and how many in all."""
    if duplicates.empty:
        return
    clusters = duplicates.groupby("cluster")
    example = " and ".join(duplicates[duplicates["cluster"] == 1]["path"].iloc[:2])
    for column, why in (
        ("split", "on two sides of the split: the test is then partly a test of memory"),
        ("label", "with two labels: at least one of them is wrong, or the pair belongs in one group"),
    ):
        across = clusters[column].nunique()
        several = across[across > 1]
        if len(several):
            paths = duplicates[duplicates["cluster"] == several.index[0]]["path"].iloc[:2]
            yield Finding(
                "leak" if column == "split" else "duplicates",
                "finding",
                f"{_count(len(several), 'picture')} {'occurs' if len(several) == 1 else 'occur'} {why} "
                f"(as {' and '.join(paths)}).",
            )
    extra = len(duplicates) - clusters.ngroups
    exact = duplicates[duplicates["kind"] == "exact"]
    exact_extra = len(exact) - exact["cluster"].nunique()
    yield Finding(
        "duplicates",
        "finding" if extra / n >= limits.duplicates else "note",
        f"{_count(extra, 'image')} of {n:,} ({extra / n:.1%}) {'is a copy' if extra == 1 else 'are copies'} of another "
        f"({exact_extra:,} byte for byte), such as {example}; give copies one group, so that no split parts them.",
    )


def of_confounding(confounding: Confounding | None, limits: Thresholds) -> Iterator[Finding]:
    """Sources that hold one label and can be told apart."""
    if confounding is None or not confounding.pure:
        return
    accuracy = confounding.source_accuracy
    told = (
        f"; a thumbnail names the source of {accuracy.value:.1%}, by chance {confounding.chance:.1%}"
        if accuracy
        else ""
    )
    serious = confounding.cramers_v > limits.association and confounding.separability > limits.separability
    yield Finding(
        "confounding",
        "finding" if serious else "note",
        f"{len(confounding.pure)} of {len(confounding.table)} sources hold one label only "
        f"(Cramér's V {confounding.cramers_v:.2f}){told}. A random split cannot tell forgery from source: "
        "leave one source out.",
    )


def of_errors(errors: Mapping[int, str], n: int) -> Iterator[Finding]:
    """Files that cannot be read, by row."""
    if errors:
        yield Finding(
            "unreadable",
            "note",
            f"{_count(len(errors), 'file')} of {n:,} cannot be read, such as {errors[min(errors)]}.",
        )


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
