"""What a detector says of some images: arrays, one row an image, in the order they were given."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Predictions:
    """Scores and verdicts of n images; an image that could not be read has NaN scores and its reason.

    Attributes:
        paths: as given; empty strings for arrays.
        reasons: why an image could not be read; None where it could. A note on a tolerated truncated file in `notes`.
        logits: (n,), or (n, k) for k > 2 classes.
        probabilities: (n, k), one column a class.
        verdicts: "fake", "real", "inconclusive", "out-of-domain", or None where the image could not be read.
        embeddings: (n, c), the feature map averaged over the plane.
        class_names: k names; the first is the photographs'.
        thresholds: (threshold_fake, threshold_real), on probability_fake.
        model: what was asked for: "bundled", a folder, or hf://owner/name@commit.
        model_sha256: of the weights.
        columns: further columns of the data set that was scored, in the same order.
    """

    paths: tuple[str, ...]
    reasons: tuple[str | None, ...]
    logits: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    verdicts: tuple[str | None, ...]
    embeddings: NDArray[np.float32]
    class_names: tuple[str, ...]
    thresholds: tuple[float, float]
    model: str
    model_sha256: str
    columns: "pd.DataFrame | None" = None

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def probability_fake(self) -> NDArray[np.float64]:
        """(n,) probability of anything but the first class."""
        return 1.0 - self.probabilities[:, 0] if len(self.class_names) > 2 else self.probabilities[:, 1]

    @property
    def failed(self) -> int:
        """How many images could not be read."""
        return sum(reason is not None for reason in self.reasons)

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """One row an image: path, status, verdict, probability_fake, reason, and the columns of the data set."""
        import pandas as pd

        table = pd.DataFrame(
            {
                "path": self.paths,
                "status": ["ok" if reason is None else "error" for reason in self.reasons],
                "verdict": self.verdicts,
                "probability_fake": self.probability_fake,
                "reason": self.reasons,
            }
        )
        if len(self.class_names) > 2:
            for k, name in enumerate(self.class_names):
                table[f"probability_{name}"] = self.probabilities[:, k]
        if self.columns is not None:
            extra = self.columns.drop(columns=table.columns.intersection(self.columns.columns))
            table = pd.concat([table, extra.reset_index(drop=True)], axis=1)
        return table

    def records(self) -> Iterator[dict[str, Any]]:
        """One JSON-ready object an image, as `fakeimg detect --json` prints them."""
        scores = self.probability_fake
        for path, reason, score, call in zip(self.paths, self.reasons, scores, self.verdicts, strict=True):
            yield {
                "path": path,
                "status": "ok" if reason is None else "error",
                "verdict": call,
                "probability_fake": None if reason is not None else float(score),
                "threshold_fake": self.thresholds[0],
                "threshold_real": self.thresholds[1],
                "model": self.model,
                "model_sha256": self.model_sha256,
                "reason": reason,
            }

    def to_json_lines(self) -> str:
        """`records` as text, one object a line."""
        return "".join(json.dumps(record) + "\n" for record in self.records())

    def with_columns(self, columns: "pd.DataFrame") -> "Predictions":
        """The same predictions beside further columns, one row an image."""
        return replace(self, columns=columns)

    @classmethod
    def concatenate(cls, parts: Iterable["Predictions"]) -> "Predictions":
        """Predictions of one detector, one after another; at least one part."""
        pieces: Sequence[Predictions] = list(parts)
        return replace(
            pieces[0],
            paths=tuple(path for piece in pieces for path in piece.paths),
            reasons=tuple(reason for piece in pieces for reason in piece.reasons),
            logits=np.concatenate([piece.logits for piece in pieces]),
            probabilities=np.concatenate([piece.probabilities for piece in pieces]),
            verdicts=tuple(call for piece in pieces for call in piece.verdicts),
            embeddings=np.concatenate([piece.embeddings for piece in pieces]),
        )

    def _repr_html_(self) -> str:
        return str(self.frame.to_html(max_rows=20, index=False))
