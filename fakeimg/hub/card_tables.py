"""The measured parts of a model card as Markdown: every number with its interval, every gap named."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fakeimg.models.artifact import DetectorSpec

NOT_MEASURED = "Not measured."
SETTINGS = ("trainable", "weights", "optimizer", "learning_rate", "batch_size", "epochs", "class_weights", "seed")
SHARES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision of “fake”",
    "recall": "recall of fakes",
    "f1": "F1",
}
AREAS = {"auc": "area under the ROC curve", "average_precision": "average precision"}


def percent(rate: Mapping[str, Any]) -> str:
    """`98.1 % (97.5 to 98.6)`, or why there is no such number."""
    if rate.get("value") is None:
        return str(rate.get("refused", "not measured"))
    return f"{100 * rate['value']:.1f} % ({100 * rate['low']:.1f} to {100 * rate['high']:.1f})"


def decimal(rate: Mapping[str, Any]) -> str:
    """`0.981 (0.975 to 0.986)`, or why there is no such number."""
    if rate.get("value") is None:
        return str(rate.get("refused", "not measured"))
    return f"{rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f})"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    cells = ([str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def overall(metrics: Mapping[str, Any]) -> str:
    """Rates over all images."""
    if "n" not in metrics:
        return NOT_MEASURED
    rows = [(title, percent(metrics[name])) for name, title in SHARES.items() if name in metrics]
    rows += [(title, decimal(metrics[name])) for name, title in AREAS.items() if name in metrics]
    rows += [
        (f"fakes found at {100 * float(rate):g} % false alarms", percent(value))
        for rate, value in metrics.get("tpr_at_fpr", {}).items()
    ]
    if "ece" in metrics.get("calibration", {}):
        rows.append(("expected calibration error", percent(metrics["calibration"]["ece"])))
    return f"On {metrics['n']:,} labelled images; 95 % intervals in brackets.\n\n" + table(["", "value"], rows)


def by_source(metrics: Mapping[str, Any]) -> str:
    """Accuracy on each source of images."""
    sources = metrics.get("by_source")
    if not sources:
        return NOT_MEASURED
    return table(
        ["source", "label", "images", "accuracy"],
        [(name, row["label"], f"{row['n']:,}", percent(row["accuracy"])) for name, row in sources.items()],
    )


def by_attribute(metrics: Mapping[str, Any]) -> str:
    """Accuracy and both kinds of error for each value of each attribute, and what may be concluded."""
    rows = metrics.get("by_attribute")
    if not rows:
        return NOT_MEASURED
    parts = [metrics["by_attribute_in_words"]] if metrics.get("by_attribute_in_words") else []
    parts.append(
        table(
            ["attribute", "value", "images", "accuracy", "photographs called fake", "fakes called real"],
            [
                (
                    row["attribute"],
                    row["value"],
                    f"{row['n']:,}",
                    *(percent(_rate(row, name)) for name in ("accuracy", "fpr", "fnr")),
                )
                for row in rows
            ],
        )
    )
    return "\n\n".join(parts)


def _rate(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A rate of a results table, whose bounds are in columns beside it."""
    if row.get(name) is None:
        return {"refused": "–"}
    low, high = (row.get(f"{name}_{bound}", row.get(bound)) for bound in ("low", "high"))
    return {"value": row[name], "low": low, "high": high}


def audit(spec: DetectorSpec) -> str:
    """How well the label can be told without looking at the face."""
    found = spec.audit
    if not found:
        return f"{NOT_MEASURED} A network can score high by telling crops, file formats or sources apart instead."
    parts = [str(found.get("sentence", ""))]
    others = [row["sentence"] for row in found.get("findings", ()) if row.get("kind") != "shortcut"]
    parts.append("\n".join(f"- {' '.join(sentence.split())}" for sentence in others))
    rows = [(row["shortcut"], decimal(_rate(row, "auc"))) for row in found.get("shortcuts", ())]
    parts.append(table(["predicting the label from", "AUC"], rows) if rows else "")
    if "images" in found:
        same = found.get("data", {}).get("fingerprint") == spec.data.fingerprint
        which = "the very ones it was trained, validated and tested on" if same else "not just those it was trained on"
        parts.append(f"Looked for in {found['images']:,} images, {which}.")
    return "\n\n".join(part for part in parts if part)


def stress(found: Mapping[str, Any]) -> str:
    """Accuracy when every picture is damaged, one row a perturbation."""
    rows = found.get("rows") if found else None
    if not rows:
        return f"{NOT_MEASURED} Compression and resizing alone can turn verdicts round."
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("applied_to", "both") == "both":
            kinds.setdefault(row["perturbation"], []).append(row)
    lines = []
    for name, levels in kinds.items():
        worst = min(levels, key=lambda row: float(row["accuracy"]))
        curve = ", ".join(f"{row['strength']:g}: {100 * row['accuracy']:.1f}" for row in levels)
        lines.append((name, curve, percent(_rate(worst, "accuracy")), worst.get("n", "")))
    shown = table(["every picture changed by", "accuracy in % by strength", "at worst", "images"], lines)
    return "\n\n".join(part for part in (found.get("sentence"), shown) if part)


def training_data(spec: DetectorSpec) -> str:
    """How many images of which class and source, and how they were used."""
    data = spec.data
    parts = []
    if data.images:
        classes = sorted({name for counts in data.images.values() for name in counts}, key=_order(spec))
        rows = [(part, *(f"{counts.get(name, 0):,}" for name in classes)) for part, counts in data.images.items()]
        parts.append(table(["part", *classes], rows))
    if data.sources:
        parts.append(
            "Sources: " + ", ".join(f"{name} ({count:,})" for name, count in sorted(data.sources.items())) + "."
        )
    if data.fingerprint:
        parts.append(f"Fingerprint of the images and labels: `{data.fingerprint}`.")
    if spec.experiment:
        flat = spec.experiment | spec.experiment.get("train", {})
        settings = [f"{name.replace('_', ' ')} {flat[name]}" for name in SETTINGS if flat.get(name) is not None]
        parts.append(f"Settings: {', '.join(settings)}.")
    return "\n\n".join(parts) or "Not recorded."


def _order(spec: DetectorSpec) -> Any:
    names = spec.architecture.class_names
    return lambda name: (names.index(name) if name in names else len(names), name)
