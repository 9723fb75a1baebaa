"""Annotators of one's own: an attribute's classifier is one more head on the features that detectors share.

An attribute such as gender is learnt the way "real or fake" is: by `train`, from a data set whose classes are the
attribute's values. What comes out is a model folder like any other, and an annotator around it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.data.judgements import Judgement
from fakeimg.errors import DatasetError, ModelError, did_you_mean
from fakeimg.files import write_json
from fakeimg.models.decision import calibrated
from fakeimg.models.detector import Detector
from fakeimg.models.features import trunk_features
from fakeimg.models.network import has_pool, head_of
from fakeimg.training.train import TrainResult, train

LEARNT_FROM = "learnt_from.json"
_LEAST = 10  # images of a value, below which there is nothing to learn it from


def train_attribute(
    data: Dataset | Path | str, attribute: str, experiment: Experiment, *, out: Path | str | None = None
) -> TrainResult:
    """Train a classifier of one attribute on the images whose value is given.

    Cells that an annotator filled in are not learnt from. Values of fewer than 10 images are left out.

    Args:
        data: images with the attribute.
        attribute: the column to learn.
        experiment: backbone, weights, head and training; its classes are replaced by the attribute's values, and its
            name by the attribute's, which is how the saved model says what it judges.
        out: the folder to write, as for `train`.
    Raises:
        DatasetError: no such attribute, or fewer than two of its values have images enough.
    """
    labelled = attribute_dataset(data if isinstance(data, Dataset) else Dataset.open(data), attribute)
    content = experiment.model_dump(mode="json", exclude_none=True)
    content["data"] = {"classes": labelled.class_names, "truncated": experiment.data.truncated}
    content["name"] = attribute
    result = train(Experiment.parse(content), labelled, out=out)
    if out is not None:
        write_json(Path(out) / LEARNT_FROM, sorted(_learnt_from(result)))
    return result


def attribute_dataset(dataset: Dataset, attribute: str) -> Dataset:
    """The images whose `attribute` is given, with its values as their classes, the most frequent first.

    Raises:
        DatasetError: no such attribute, or fewer than two of its values have 10 images.
    """
    if attribute not in dataset.attributes:
        have = dataset.attributes
        known = f"it has {', '.join(have)}" if have else "it has none"
        raise DatasetError(f"this data has no attribute {attribute!r}; {known}{did_you_mean(attribute, have)}")
    frame = dataset.frame
    given = frame[attribute]
    if f"{attribute}_annotator" in frame:
        given = given.where(frame[f"{attribute}_annotator"].isna())
    counts = given.dropna().astype(str).value_counts()
    values = tuple(str(value) for value, count in counts.items() if count >= _LEAST)
    if len(values) < 2:
        found = ", ".join(f"{value} ({count})" for value, count in counts.items()) or "none"
        raise DatasetError(
            f"{attribute} cannot be learnt: two values with {_LEAST} images each are the least; given are {found}"
        )
    kept = given.astype(str).isin(values) & given.notna()
    labelled = frame[kept].assign(label=given[kept].astype(str))
    return Dataset(labelled, dataset.root, values)


class HeadAnnotator:
    """Judges one attribute with a classifier that `train_attribute` made.

    The trunk runs once an image: annotators with the same trunk, and detectors, share its cached features.
    """

    fingerprint = None  # the features are what takes time, and they are cached

    def __init__(self, detector: Detector, attribute: str, learnt_from: frozenset[str] = frozenset()) -> None:
        self._detector = detector
        self.name = f"head {detector.weights_sha256[:12]}"
        self.attributes = (attribute,)
        self.learnt_from = learnt_from

    @classmethod
    def of(cls, result: TrainResult, attribute: str) -> "HeadAnnotator":
        """The annotator that `train_attribute` has just made."""
        return cls(result.detector, attribute, _learnt_from(result))

    @classmethod
    def open(cls, folder: Path | str) -> "HeadAnnotator":
        """The annotator saved in `folder`.

        Raises:
            ModelError: the folder is no model, or is a detector of fakes.
        """
        detector = Detector.open(folder)
        attribute = detector.spec.experiment.get("name")
        if not isinstance(attribute, str) or detector.class_names[0] == "real":
            raise ModelError(f"{folder} is no attribute's model; make one with `fakeimg train-attribute`")
        seen = Path(folder) / LEARNT_FROM
        return cls(detector, attribute, frozenset(json.loads(seen.read_bytes()) if seen.is_file() else ()))

    def judge(self, dataset: Dataset) -> Iterator[Mapping[str, Judgement]]:
        """The likeliest value of each image; nothing of one that cannot be read."""
        probabilities = self._probabilities(dataset)
        for row in probabilities:
            if np.isnan(row).any():
                yield {}
            else:
                best = int(row.argmax())
                value = self._detector.class_names[best]
                yield {self.attributes[0]: Judgement(value, round(float(row[best]), 4))}

    def _probabilities(self, dataset: Dataset) -> Any:
        """(n, k) probabilities of the values; NaN where an image cannot be read."""
        from scipy.special import softmax

        model = self._detector.model
        pooled = has_pool(model)
        features = trunk_features(model, self._detector.spec.architecture, dataset, pooled=pooled).values[0]
        logits = _run(head_of(model, pooled=pooled), features)
        if logits.shape[1] == 1:
            positive = calibrated(logits[:, 0], self._detector.operating_point.temperature)
            return np.stack([1 - positive, positive], axis=1)
        return softmax(logits.astype(np.float64) / self._detector.operating_point.temperature, axis=1)


def _learnt_from(result: TrainResult) -> frozenset[str]:
    """The images that decided the weights or the epoch."""
    test = (result.data.frame["split"] == "test").to_numpy()
    hashes = zip(result.data.content_hashes(), test, strict=True)
    return frozenset(image for image, held_out in hashes if image is not None and not held_out)


def _run(head: Any, features: Any, batch_size: int = 256) -> Any:
    import tensorflow as tf

    parts: Sequence[Any] = [
        np.asarray(head(tf.constant(features[start : start + batch_size]), training=False))
        for start in range(0, len(features), batch_size)
    ]
    return np.concatenate(parts)
