"""Whether a verdict survives delivery: one picture, recompressed and resized as a messenger or a web page would."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakeimg.data.images import read_image
from fakeimg.evaluation.perturbations import PERTURBATIONS
from fakeimg.models.detector import Detector
from fakeimg.models.engines import EngineName

if TYPE_CHECKING:
    import pandas as pd

BENIGN: tuple[tuple[str, float], ...] = (
    ("jpeg", 90),
    ("jpeg", 75),
    ("jpeg", 60),
    ("resize", 0.75),
    ("resize", 0.5),
    ("screenshot", 1.25),
)


@dataclass(frozen=True)
class Stability:
    """Scores of one picture and of benign re-encodings of it.

    Attributes:
        path: the picture.
        frame: version ("as it is", "jpeg 75", …), probability_fake, verdict.
    """

    path: str
    frame: "pd.DataFrame"

    @property
    def low(self) -> float:
        """The lowest probability of fake."""
        return float(self.frame["probability_fake"].min())

    @property
    def high(self) -> float:
        """The highest probability of fake."""
        return float(self.frame["probability_fake"].max())

    @property
    def stable(self) -> bool:
        """Whether every version gets the same verdict."""
        return self.frame["verdict"].nunique() == 1

    @property
    def sentence(self) -> str:
        """Whether the verdict holds, in plain words."""
        reach = f"probability of fake {self.low:.3f} to {self.high:.3f} over {len(self.frame)} versions"
        if self.stable:
            return f"the verdict holds ({reach})"
        first = self.frame["verdict"].iloc[0]
        others = self.frame[self.frame["verdict"] != first]
        changed = ", ".join(f"{row.version} {row.verdict}" for row in others.itertuples())
        return f"the verdict does not hold: {changed} ({reach})"

    def to_json(self) -> dict[str, Any]:
        """low, high, stable, and each version's score and verdict."""
        versions = self.frame.to_dict("records")
        return {"low": self.low, "high": self.high, "stable": self.stable, "versions": versions}

    def _repr_html_(self) -> str:
        return f"<p>{self.sentence}</p>{self.frame.to_html(index=False)}"


def stability(detector: Detector, path: Path | str, *, engine: EngineName = "auto") -> Stability:
    """Score a picture as it is and after each of `BENIGN`, which no viewer would call a change.

    Raises:
        ImageError: the picture cannot be read.
    """
    import numpy as np
    import pandas as pd

    pixels = read_image(path)
    versions = [pixels]
    for name, strength in BENIGN:
        changed = PERTURBATIONS[name].apply(pixels, strength, np.random.default_rng(0))
        versions.append(np.ascontiguousarray(changed))
    predictions = detector.predict(versions, engine=engine)
    names = ["as it is", *(f"{name} {strength:g}" for name, strength in BENIGN)]
    scores, verdicts = predictions.probability_fake, predictions.verdicts
    return Stability(str(path), pd.DataFrame({"version": names, "probability_fake": scores, "verdict": verdicts}))
