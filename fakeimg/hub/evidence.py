"""Putting what was measured into a detector's `fakeimg.json`, from where the model card tells it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakeimg.errors import ModelError
from fakeimg.evaluation.breakdown import breakdown, describe, dividing_attributes
from fakeimg.evaluation.predictions import METRICS, PREDICTIONS
from fakeimg.models.artifact import SPEC_FILE, WEIGHTS_FILE, DetectorSpec, read_spec, verify, write_spec

# What a card tells of an audit; its lists of single images stay with the data.
AUDIT_PARTS = ("sentence", "findings", "shortcuts", "images", "data")


def record_evidence(
    model_dir: Path | str,
    *,
    evaluation: Path | str | None = None,
    audit: Path | str | Mapping[str, Any] | None = None,
    stress: Path | str | Mapping[str, Any] | None = None,
) -> DetectorSpec:
    """Record what is known of a detector in its folder; what is not given stays as it was.

    Args:
        model_dir: the detector's folder.
        evaluation: the folder that `fakeimg evaluate` wrote for this very detector. Its metrics are recorded, with a
            breakdown by every attribute that its predictions carry (at most 20 values).
        audit: what `fakeimg audit --json` printed of the training data, or the file or folder that holds it.
        stress: the same of `fakeimg stress`, or the folder that it wrote.
    Returns:
        The spec as it now stands in `fakeimg.json`.
    Raises:
        ModelError: no detector there, results of another detector, or a file that is not JSON.
    """
    folder = Path(model_dir)
    spec = read_spec(folder)
    verify(folder, spec)
    found: dict[str, Any] = {}
    if evaluation is not None:
        found["metrics"] = _metrics(Path(evaluation), spec)
    for name, given in (("audit", audit), ("stress", stress)):
        if given is not None:
            found[name] = dict(given) if isinstance(given, Mapping) else _read(_inside(Path(given), f"{name}.json"))
    if "audit" in found:
        found["audit"] = {part: found["audit"][part] for part in AUDIT_PARTS if part in found["audit"]}
    return write_spec(folder, spec.model_copy(update=found), spec.files)


def own_evaluation(model_dir: Path) -> Path | None:
    """The newest folder inside the detector's own that holds an evaluation of it."""
    weights = read_spec(model_dir).files[WEIGHTS_FILE].sha256
    found = [file for file in model_dir.glob(f"*/{METRICS}") if _read(file).get("model", {}).get("sha256") == weights]
    return max(found, key=lambda file: file.stat().st_mtime).parent if found else None


def _metrics(folder: Path, spec: DetectorSpec) -> dict[str, Any]:
    metrics = _read(folder / METRICS)
    evaluated = metrics.get("model", {}).get("sha256")
    if evaluated != spec.files[WEIGHTS_FILE].sha256:
        raise ModelError(f"{folder / METRICS} is about another model's weights than {SPEC_FILE}; evaluate this one")
    if (folder / PREDICTIONS).is_file():
        import pandas as pd

        predictions = pd.read_parquet(folder / PREDICTIONS)
        attributes = dividing_attributes(predictions)
        if attributes:
            rows = breakdown(folder, attributes)
            metrics["by_attribute"] = json.loads(rows.to_json(orient="records"))
            metrics["by_attribute_in_words"] = describe(rows)
    return metrics


def _inside(path: Path, name: str) -> Path:
    return path / name if path.is_dir() else path


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"there is no {file}; evaluate, audit or stress this detector first") from None
    except (ValueError, OSError) as error:
        raise ModelError(f"{file} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ModelError(f"{file} should hold a JSON object, not {type(content).__name__}")
    return content
