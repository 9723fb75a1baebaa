"""Gender, race and emotion by DeepFace's pretrained classifiers (Serengil and Ozpinar 2021, "HyperExtended LightFace").

DeepFace is an extra (`pip install 'fakeimg[deepface]'`) and downloads its weights when it is first used.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fakeimg.data.dataset import Dataset
from fakeimg.data.images import read_image
from fakeimg.data.judgements import Judgement
from fakeimg.errors import ConfigError, ImageError

# The foldings of the published data set: three expressions, and two of DeepFace's races in "asian".
EXPRESSIONS = {
    "happy": "positive",
    "surprise": "positive",
    "neutral": "neutral",
    "angry": "negative",
    "disgust": "negative",
    "fear": "negative",
    "sad": "negative",
}
GENDERS = {"Man": "man", "Woman": "woman"}
RACES = {"asian": "asian", "black": "black", "latino hispanic": "latino", "white": "white"}
RACES_FOLDED = {**RACES, "indian": "asian", "middle eastern": "asian"}
RACES_APART = {**RACES, "indian": "indian", "middle eastern": "middle eastern"}

_ACTIONS = {"gender": "gender", "race": "race", "expression": "emotion"}


class DeepFaceAnnotator:
    """Judges gender, race and expression.

    Args:
        attributes: which of "gender", "race" and "expression".
        fold_races: count Middle Eastern and Indian as Asian, as published.
        detector: DeepFace's `detector_backend`; "skip" takes the whole picture as the face.
    Raises:
        ConfigError: DeepFace is not installed, or an attribute that it does not judge.
    """

    def __init__(
        self,
        attributes: tuple[str, ...] = ("gender", "race", "expression"),
        *,
        fold_races: bool = True,
        detector: str = "retinaface",
    ) -> None:
        if unknown := [name for name in attributes if name not in _ACTIONS]:
            raise ConfigError(f"DeepFace does not judge {unknown[0]!r}; it judges {', '.join(_ACTIONS)}")
        try:
            installed = version("deepface")
        except PackageNotFoundError:
            raise ConfigError("DeepFace is not installed: pip install 'fakeimg[deepface]'") from None
        self.name = "deepface"
        self.attributes = attributes
        self.learnt_from: frozenset[str] = frozenset()
        self.fingerprint: str | None = f"deepface {installed} {detector} {attributes} {fold_races}"
        self._detector = detector
        self._foldings = {
            "gender": GENDERS,
            "race": RACES_FOLDED if fold_races else RACES_APART,
            "expression": EXPRESSIONS,
        }

    def judge(self, dataset: Dataset) -> Iterator[Mapping[str, Judgement]]:
        """The judgement of each image's largest face; nothing where no face is found.

        Raises:
            ConfigError: DeepFace cannot be imported, or cannot work: without a network it has no weights.
        """
        analyze = _analyze()
        actions = [_ACTIONS[name] for name in self.attributes]
        for path in dataset.paths:
            try:
                pixels = read_image(path)
                # DeepFace takes OpenCV's BGR.
                faces = analyze(
                    pixels[:, :, ::-1],
                    actions=actions,
                    detector_backend=self._detector,
                    enforce_detection=True,
                    silent=True,
                )
            except ImageError:
                yield {}
                continue
            except ValueError as error:  # no face is one, and so is all else that goes wrong, such as a download
                if not _no_face(error):
                    raise ConfigError(f"DeepFace cannot work: {' '.join(str(error).split())}") from error
                yield {}
                continue
            yield self.read(max(faces, key=_area))

    def read(self, face: Mapping[str, Any]) -> dict[str, Judgement]:
        """One face of `DeepFace.analyze`, folded."""
        return {name: fold(face[_ACTIONS[name]], self._foldings[name]) for name in self.attributes}


def fold(scores: Mapping[str, float], folding: Mapping[str, str]) -> Judgement:
    """The folded class with the most of the scores, and its share of them.

    Scores are added before the best is chosen: three shades of negative may each lose to "neutral", and win together.
    """
    totals: dict[str, float] = {}
    for name, score in scores.items():
        totals[folding[name]] = totals.get(folding[name], 0.0) + float(score)
    best = max(totals, key=totals.__getitem__)
    return Judgement(best, totals[best] / sum(totals.values()))


def _no_face(error: ValueError) -> bool:
    return type(error).__name__ == "FaceNotDetected" or "could not be detected" in str(error)


def _area(face: Mapping[str, Any]) -> int:
    region = face["region"]
    return int(region["w"]) * int(region["h"])


def _analyze() -> Callable[..., list[dict[str, Any]]]:
    try:
        from deepface import DeepFace
    except Exception as error:  # it checks versions of TensorFlow and Keras while it is imported
        raise ConfigError(f"DeepFace cannot be imported: {' '.join(str(error).split())}") from error
    analyze: Callable[..., list[dict[str, Any]]] = DeepFace.analyze
    return analyze
