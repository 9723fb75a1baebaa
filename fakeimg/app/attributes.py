"""Glasses, expression, race and gender of one face, by whichever annotators are installed."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fakeimg.data.dataset import Dataset
from fakeimg.data.judgements import Judgement
from fakeimg.errors import ConfigError

if TYPE_CHECKING:
    from fakeimg.data.deepface import DeepFaceAnnotator
    from fakeimg.data.glasses import Glasses

ATTRIBUTES = ("gender", "race", "expression", "glasses")


def judge(path: Path) -> dict[str, Judgement]:
    """What the annotators here say of a picture; an attribute that none can tell is left out."""
    import pandas as pd

    # Annotators look at the picture alone: the label is a formality.
    dataset = Dataset(pd.DataFrame({"path": [path.name], "label": ["real"]}), path.parent)
    found: dict[str, Judgement] = {}
    for annotator in annotators():
        found |= next(iter(annotator.judge(dataset)))
    return found


@cache
def annotators() -> "tuple[Glasses | DeepFaceAnnotator, ...]":
    """Those that work without being given anything but a picture."""
    from fakeimg.data.deepface import DeepFaceAnnotator
    from fakeimg.data.glasses import Glasses

    try:
        return Glasses(), DeepFaceAnnotator()
    except ConfigError:  # DeepFace is an extra
        return (Glasses(),)
