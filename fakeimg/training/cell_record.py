"""What is kept of a run: the numbers of its validation images, as the JSON of `cells/KEY.json`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.files import write_json
from fakeimg.scoring.ranking import Ranking
from fakeimg.training.fitting import cross_entropy
from fakeimg.training.grid import Run

METRICS = ("accuracy", "balanced_accuracy", "auc", "loss", "precision", "recall")
Record = dict[str, Any]


def run_record(
    run: Run,
    logits: NDArray[np.float32],
    labels: NDArray[np.int64],
    history: Sequence[dict[str, Any]],
    best_epoch: int,
    seconds: float,
) -> Record:
    """The record of a run that went well.

    Args:
        run: which.
        logits: (v, 1) or (v, k) of its validation images with the kept weights.
        labels: (v,) their classes.
        history: a dict an epoch.
        best_epoch: whose weights were kept, from 1.
        seconds: that its training took.
    """
    return {
        **_identity(run),
        "status": "ok",
        "error": None,
        "metrics": validation_metrics(logits, labels),
        "loss_deviation": float(cross_entropy(logits, labels).std(ddof=1)) if len(labels) > 1 else 0.0,
        "n": len(labels),
        "classes": np.bincount(labels, minlength=max(2, logits.shape[1])).tolist(),
        "n_train": int((~run.validates).sum()),
        "best_epoch": best_epoch,
        "history": [{name: float(value) for name, value in row.items() if name != "seconds"} for row in history],
        "seconds": seconds,
    }


def failed_record(run: Run, error: str) -> Record:
    """The record of a run that ended with an error."""
    return {**_identity(run), "status": "error", "error": error}


def validation_metrics(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float | None]:
    """`METRICS` at a probability of one half; None where a class is absent. All classes but the first are positive."""
    classes = max(2, logits.shape[1])
    scores = logits[:, 0].astype(np.float64)
    if logits.shape[1] > 1:
        scores = np.logaddexp.reduce(logits[:, 1:].astype(np.float64), axis=1) - scores
    called = logits.argmax(axis=1) if logits.shape[1] > 1 else (scores > 0).astype(np.int64)
    truth, flagged = labels > 0, called > 0
    recalls = [float((called[labels == k] == k).mean()) for k in range(classes) if (labels == k).any()]
    both = bool(truth.any() and not truth.all())
    return {
        "accuracy": float((called == labels).mean()),
        "balanced_accuracy": float(np.mean(recalls)) if len(recalls) == classes else None,
        "auc": float(Ranking(truth, scores).auc(np.ones((1, len(labels))))[0]) if both else None,
        "loss": float(cross_entropy(logits, labels).mean()),
        "precision": float(truth[flagged].mean()) if flagged.any() else None,
        "recall": float(flagged[truth].mean()) if truth.any() else None,
    }


def write_record(folder: Path, record: Record) -> None:
    """Write `KEY.json`, all or nothing."""
    write_json(folder / f"{record['key']}.json", record)


def read_record(folder: Path, key: str) -> Record | None:
    """The record of a run that is done; None when it has none, failed, or its file is damaged."""
    try:
        record = json.loads((folder / f"{key}.json").read_bytes())
    except (OSError, ValueError):
        return None
    done = isinstance(record, dict) and record.get("key") == key and record.get("status") == "ok"
    return record if done else None


def _identity(run: Run) -> Record:
    return {"key": run.key, "seed": run.experiment.seed, "fold": run.fold, "repeat": run.repeat}
