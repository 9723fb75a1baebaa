"""`report.html`: what a detector is worth, on one page that a person would forward."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fakeimg.evaluation.breakdown import describe
from fakeimg.evaluation.shortcuts import WORDS
from fakeimg.files import write_text
from fakeimg.visual import page, style
from fakeimg.visual.audit_page import findings_list, shortcut_table
from fakeimg.visual.gallery import confusions, top_losses
from fakeimg.visual.page import figure, figures, gallery, paragraph, rate_cells, section, table
from fakeimg.visual.report_words import words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from fakeimg.evaluation.audit import Audit
    from fakeimg.evaluation.evaluate import Evaluation
    from fakeimg.evaluation.stress import StressResult
    from fakeimg.evaluation.transfer import LeaveOneSourceOut

REPORT = "report.html"
_METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
    "average_precision": "average precision",
    "precision": "precision (of “fake”)",
    "recall": "recall (fakes found)",
    "f1": "F1",
}
_RATE_HEAD = ("", "value", "95 % interval", "0 – 1", "n")
_READING = """Every interval is a 95 % interval; a rate's is Wilson's, an AUC's a bootstrap of whole groups.
Two numbers whose intervals overlap widely may be the same. Numbers hold for images like these, from these sources."""


def write_report(
    evaluation: "Evaluation",
    out: Path | str,
    *,
    audit: "Audit | None" = None,
    stress: "StressResult | None" = None,
    transfer: "LeaveOneSourceOut | None" = None,
    breakdowns: "Sequence[pd.DataFrame]" = (),
    images: Path | str | None = None,
) -> Path:
    """Write `report.html` into the folder `out`: one file, no network, no script.

    Args:
        evaluation: what is reported.
        audit: of the same data, or of the data it was trained on: says what a shortcut would score.
        stress, transfer: what damage does, and sources never seen.
        breakdowns: what `breakdown` returned, a table or several.
        images: where the images' paths start; with it the page shows the worst mistakes. Their small pictures are then
            inside the page: mind who may see them.
    Returns:
        Where the page is.
    """
    told = words(evaluation, audit, stress, transfer, tuple(breakdowns))
    metrics = evaluation.metrics
    sections = [
        f"<header><h1>What this detector is worth</h1>{paragraph(_about(evaluation), 'about')}</header>",
        f'<div class="verdict {told.mood}">{paragraph(told.headline, "headline")}'
        f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in told.sentences)}</ul></div>",
        section("The numbers, and a shortcut's beside them", _numbers(metrics, audit)),
        section("At its own thresholds", _thresholds(metrics)),
        section("By source", _sources(metrics)),
        section("On sources never seen", _transfer(transfer)),
        *(_breakdown(one) for one in breakdowns),
        section("What was called what", _matrix(evaluation, linked=images is not None)),
        section("Curves", figures(*_curves(evaluation))),
        section("When pictures are damaged", _stress(stress)),
        section("The worst mistakes", _pictures(evaluation, images)),
        section("What the data gives away", _audit(audit)),
        f"<footer>{paragraph(' '.join(_READING.split()))}{paragraph('Made with fakeimg.')}</footer>",
    ]
    path = Path(out) / REPORT
    write_text(path, page.page("What this detector is worth", (one for one in sections if one)))
    return path


def _about(evaluation: "Evaluation") -> str:
    metrics = evaluation.metrics
    model, data = metrics.get("model", {}), metrics.get("data", {})
    counts = ", ".join(f"{row['support']:,} {name}" for name, row in metrics["per_class"].items())
    unread = metrics.get("unreadable", 0)
    parts = [
        f"{metrics['n']:,} images: {counts}" + (f" ({unread:,} more could not be read)" if unread else ""),
        f"model {model['name']}, weights {model['sha256'][:12]}" if model else "",
        f"data {data['fingerprint'][:12]}" if data else "",
    ]
    return " · ".join(part for part in parts if part)


def _numbers(metrics: dict[str, Any], audit: "Audit | None") -> str:
    rows = []
    for key, name in _METRICS.items():
        rows.append([escape(name), *rate_cells(metrics[key], percent=key not in ("auc", "average_precision"))])
        best = audit.strongest if audit is not None else None
        if best is not None and key in ("accuracy", "auc"):
            beside = {"value": best[key], "low": best[f"{key}_low"], "high": best[f"{key}_high"], "n": best["n"]}
            label = f'<span class="beside muted">↳ {escape(WORDS[str(best["shortcut"])])} alone</span>'
            rows.append([label, *rate_cells(beside, percent=key == "accuracy")])
    for target, rate in metrics["tpr_at_fpr"].items():
        rows.append([f"fakes found at {float(target):.0%} false alarms", *rate_cells(rate)])
    calibration = metrics["calibration"]
    rows.append(["calibration error", *rate_cells(calibration["ece"], percent=False)])
    note = (
        f"A perfectly calibrated detector would show a calibration error up to {calibration['ece_if_calibrated']:.3f} "
        "on this many images."
    )
    if audit is not None and audit.strongest is not None:
        note += " Shortcuts are cross-validated on the audited images."
    return table(_RATE_HEAD, rows) + paragraph(note, "muted")


def _thresholds(metrics: dict[str, Any]) -> str:
    point = metrics.get("operating_point")
    if not point:
        return ""
    low, high = point["threshold_real"], point["threshold_fake"]
    between = f", between {low:.3f} and {high:.3f} nothing" if low < high else ""
    words_ = f"“fake” from a probability of {high:.3f}, “real” below {low:.3f}{between}; chosen on validation images."
    names = {
        "false_alarms": ("photographs called fake", "real"),
        "misses": ("fakes called real", "fake"),
        "inconclusive": ("no verdict", ""),
        "accuracy_of_decided": ("right, where there is a verdict", ""),
    }
    rows = [[name, *rate_cells(point[key], kind=kind)] for key, (name, kind) in names.items()]
    chances = [
        [f"{row['prevalence']:.0%} of images fake", *rate_cells(row["ppv"])[:3], *rate_cells(row["npv"])[:2]]
        for row in metrics["prevalence"]
    ]
    head = ("if", "“fake” is right", "95 %", "0 – 1", "“real” is right", "95 %")
    meaning = table(head, chances, caption="What a call at a probability of one half means, by how common fakes are")
    return paragraph(words_) + table(_RATE_HEAD, rows) + meaning


def _sources(metrics: dict[str, Any]) -> str:
    found = metrics.get("by_source", {})
    rows = [
        [escape(name), escape(row["label"]), *rate_cells(row["accuracy"], kind=_kind(row["label"]))]
        for name, row in sorted(found.items(), key=lambda item: item[1]["accuracy"]["value"])
    ]
    return table(("source", "label", "right", "95 % interval", "0 – 1", "n"), rows) if len(rows) > 1 else ""


def _transfer(transfer: "LeaveOneSourceOut | None") -> str:
    if transfer is None:
        return ""
    return paragraph(transfer.sentence) + figures(
        figure(transfer.plot(), "Each source left out of training in turn, and judged then."), large=True
    )


def _breakdown(rows: "pd.DataFrame") -> str:
    names = list(dict.fromkeys(rows["attribute"]))
    cells = []
    for row in rows.to_dict("records"):
        accuracy = {"value": row["accuracy"], "low": row["low"], "high": row["high"], "n": row["n"]}
        name = row["value"] if len(names) == 1 else f"{row['attribute']}: {row['value']}"
        gap = f"{100 * row['gap']:+.1f} ({100 * row['gap_low']:+.1f} to {100 * row['gap_high']:+.1f})"
        p = "" if np.isnan(row["p_adjusted"]) else f"{row['p_adjusted']:.3f}"
        note = f'<span class="muted">{escape(row["note"])}</span>'
        expected = page.number(row["expected"])
        cells.append([escape(name), *rate_cells(accuracy), expected, "" if np.isnan(row["gap"]) else gap, p, note])
    head = ("", "right", "95 % interval", "0 – 1", "n", "expected", "points against the rest", "adjusted p", "")
    return section(f"By {' and '.join(names).replace('_', ' ')}", paragraph(describe(rows)), table(head, cells))


def _matrix(evaluation: "Evaluation", *, linked: bool) -> str:
    names, matrix = evaluation.class_names, np.array(evaluation.metrics["confusion"]["matrix"])
    linked = linked and len(names) == 2
    rows = []
    for i, truth in enumerate(names):
        cells = []
        for j in range(len(names)):
            share = matrix[i, j] / max(matrix[i].sum(), 1)
            count = f"{matrix[i, j]:,}"
            if linked and matrix[i, j]:
                count = f'<a href="#{"real" if i == 0 else "fake"}-called-{"real" if j == 0 else "fake"}">{count}</a>'
            colour = "var(--real)" if i == j else "var(--bad)"
            shade = f"background:color-mix(in srgb, {colour} {35 * share:.0f}%, var(--wash))"
            cells.append(f'<td style="{shade}">{count}<small>{100 * share:.1f}%</small></td>')
        rows.append(f"<tr><th>{escape(truth)}</th>{''.join(cells)}</tr>")
    head = "".join(f"<th>called {escape(name)}</th>" for name in names)
    body = f'<table class="matrix"><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    hint = paragraph("A count leads to its pictures.", "muted") if linked else ""
    return f'<div class="wide">{body}</div>{hint}'


def _curves(evaluation: "Evaluation") -> Iterable[str]:
    if "refused" in evaluation.metrics["auc"]:
        return
    yield figure(evaluation.plot_roc(_axes()), "Receiver operating characteristic.")
    yield figure(evaluation.plot_precision_recall(_axes()), "Precision and recall; the dotted line is guessing.")
    yield figure(_reliability(evaluation.metrics["calibration"]["bins"]), "Reliability: is .8 right 8 times in 10?")


def _axes() -> "Axes":
    return style.new_axes(4.0, 3.7)


def _reliability(bins: Sequence[dict[str, Any]]) -> "Axes":
    axes = _axes()
    points = [(one["predicted"], *(one["observed"][name] for name in ("value", "low", "high"))) for one in bins]
    x, y, low, high = np.array(points, float).T
    axes.plot([0, 1], [0, 1], ":", color=style.MUTED, lw=1)
    axes.errorbar(
        x, y, yerr=[np.maximum(y - low, 0), np.maximum(high - y, 0)], fmt="o", ms=4, capsize=2, color=style.FAKE
    )
    axes.set(xlabel="probability of fake", ylabel="share that is fake", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return axes


def _stress(stress: "StressResult | None") -> str:
    if stress is None:
        return ""
    names = dict.fromkeys(name for name, _ in stress.levels[1:])
    drawings = [figure(stress.plot(name, style.new_axes(4.0, 3.0)), f"Every image after {name}.") for name in names]
    reals = stress.frame[stress.frame["applied_to"] == "reals"]
    note = ""
    if len(reals) and not np.isnan(reals["fpr"]).all():
        worst = reals.iloc[int(reals["fpr"].argmax())]
        clean = stress.frame.iloc[0]
        note = (
            f"Damage to photographs alone moves false alarms from {page.number(clean['fpr'])} to at most "
            f"{page.number(worst['fpr'])} ({page.number(worst['fpr_low'])}–{page.number(worst['fpr_high'])}), after "
            f"{worst['perturbation']} {worst['strength']:g}."
        )
    return paragraph(f"{stress.sentence}") + paragraph(note) + figures(*drawings)


def _pictures(evaluation: "Evaluation", images: Path | str | None) -> str:
    if images is None:
        return ""
    parts = [gallery(top_losses(evaluation, root=images))]
    if len(evaluation.class_names) == 2:
        cells = confusions(evaluation, n=6, root=images)
        ordered = sorted(cells.items(), key=lambda item: item[0][0] == item[0][1])  # the mistakes first
        parts += [gallery(found, name=f"{label}-called-{called}") for (label, called), found in ordered]
    return "".join(parts)


def _audit(audit: "Audit | None") -> str:
    return findings_list(audit) + shortcut_table(audit) if audit is not None else ""


def _kind(label: str) -> str:
    return label if label in ("real", "fake") else ""
