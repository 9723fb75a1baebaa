"""The verdict on one upload, as the object that `fakeimg detect --json` prints."""

from typing import Any

from fakeimg.app.detectors import Detectors, label
from fakeimg.app.messages import without_paths
from fakeimg.app.uploads import Upload
from fakeimg.models.predictions import Predictions


def detect(detectors: Detectors, upload: Upload, model: str | None = None) -> dict[str, Any]:
    """Score the bytes as they were sent: nothing is decoded, turned or re-encoded before `Detector.predict` does."""
    detector = detectors.get(model)
    with detectors.turn:
        predictions = detector.predict([upload.path])
    return records(predictions, [upload])[0]


def records(predictions: Predictions, uploads: list[Upload]) -> list[dict[str, Any]]:
    """One object an upload, with the visitor's name for it in place of the server's paths."""
    found = []
    for upload, record in zip(uploads, predictions.records(), strict=True):
        reason = record["reason"]
        if reason is not None:
            reason = without_paths(str(reason).removeprefix(f"{upload.path}: "))
        found.append(record | {"path": upload.name, "model": label(record["model"]), "reason": reason})
    return found
