"""Tables of scored images: what `evaluate` wrote, or any frame with labels and probabilities, checked once."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.errors import DatasetError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS = "predictions.parquet"
METRICS = "metrics.json"


@dataclass(frozen=True)
class ScoredImages:
    """`n` images with a label and a probability; images that could not be read have none and are left out.

    Attributes:
        frame: one row an image: label, probability_fake, attributes, and path where known.
        fake: (n,) whether the label is anything but the negative class.
        correct: (n,) whether the image is judged right.
    """

    frame: "pd.DataFrame"
    fake: NDArray[np.bool_]
    correct: NDArray[np.bool_]

    @property
    def scores(self) -> NDArray[np.float64]:
        """Probability of fake, (n,)."""
        return self.frame["probability_fake"].to_numpy(np.float64)

    @classmethod
    def open(cls, source: Any, *, negative: str | None = None, threshold: float = 0.5) -> "ScoredImages":
        """From a DataFrame, a Parquet or CSV file, a folder that `evaluate` wrote, or an `Evaluation`.

        A column `correct` (bool) decides where there is one, otherwise `probability_fake >= threshold` and the label. A
        column `verdict` is not used: "inconclusive" is neither right nor wrong.

        Args:
            negative: the label of real photographs; by default the evaluation's first class, or "real".
        Raises:
            DatasetError: no such file, a column is missing, no image has a score, or no label is the negative one.
        """
        frame, recorded = _read(source)
        for name in ("label", "probability_fake"):
            if name not in frame.columns:
                raise DatasetError(
                    f"predictions need a column {name!r}, got {', '.join(map(str, frame.columns))}"
                    f"{did_you_mean(name, map(str, frame.columns))}"
                )
        frame = frame[frame["probability_fake"].notna()].reset_index(drop=True)
        if frame.empty:
            raise DatasetError("the predictions hold no image with a probability")
        labels = frame["label"].astype(str).to_numpy(object)
        negative = negative or recorded or "real"
        present = sorted(set(labels))
        if negative not in present and len(present) > 1:
            raise DatasetError(
                f"no image is labelled {negative!r}; the labels are {', '.join(present)}: name the negative one"
            )
        fake = np.asarray(labels != negative, bool)
        if "correct" in frame.columns:
            correct = frame["correct"].to_numpy(bool)
        else:
            correct = (frame["probability_fake"].to_numpy(np.float64) >= threshold) == fake
        return cls(frame, fake, correct)


def _read(source: Any) -> tuple["pd.DataFrame", str | None]:
    """The table, and the negative class where `evaluate` recorded it."""
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return source, None
    if hasattr(source, "predictions") and hasattr(source, "class_names"):  # an Evaluation
        return source.predictions, source.class_names[0]
    if not isinstance(source, str | Path):
        raise DatasetError(f"predictions are a DataFrame, a file or a folder, got {type(source).__name__}")
    path, negative = Path(source), None
    if path.is_dir():
        if (path / METRICS).is_file():
            negative = json.loads((path / METRICS).read_text(encoding="utf-8")).get("class_names", [None])[0]
        path = path / PREDICTIONS
    if not path.is_file():
        raise DatasetError(f"no predictions at {path}; `fakeimg evaluate MODEL DATA --out DIR` writes {PREDICTIONS}")
    try:
        return (pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)), negative
    except (OSError, ValueError) as error:  # pyarrow's and pandas' parsing errors are ValueErrors
        raise DatasetError(f"{path} is neither Parquet nor CSV: {str(error).splitlines()[0]}") from error
