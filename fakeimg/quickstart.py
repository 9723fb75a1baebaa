"""The whole story on the rendered sample, offline: from two piles of pictures to what a detector of them is worth."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fakeimg.config import Experiment
from fakeimg.files import write_text

IMAGES = 400
HEATMAPS = 6
EXPERIMENT: dict[str, Any] = {
    "name": "quickstart",
    "description": "Nine heads on the bundled detector's frozen backbone",
    "backbone": "bundled",
    "image_size": 256,  # larger than the bundled detector's own: what tells these drawings apart is fine
    "split": {"train": 0.6, "validation": 0.15, "test": 0.25},
    "head": {"units": [32]},
    "train": {"epochs": 30, "batch_size": 32, "patience": 8},
    "search": {"metric": "auc"},
    "grid": {"train.learning_rate": [1e-3, 3e-3, 1e-2], "head.dropout": [0.0, 0.2, 0.4]},
}


def quickstart(out: Path | str, *, images: int = IMAGES, seed: int = 0, say: Callable[[str], None] = print) -> None:
    """Sample, audit, search, evaluation, breakdown, heatmaps and map, each told in a line or two.

    Args:
        out: the folder to write; asked again, what is there is not made again.
        images: size of the rendered sample.
        seed: of the sample and everything after it.
        say: what takes the lines.
    """
    from fakeimg.data.dataset import Dataset
    from fakeimg.data.sample import render_sample
    from fakeimg.evaluation.audit import audit
    from fakeimg.evaluation.breakdown import breakdown, describe
    from fakeimg.evaluation.evaluate import evaluate
    from fakeimg.training.search import search
    from fakeimg.training.train import train
    from fakeimg.visual.audit_page import write_audit
    from fakeimg.visual.embedding import embed
    from fakeimg.visual.explain import explain
    from fakeimg.visual.report import write_report

    folder = Path(out)
    experiment = Experiment.parse({**EXPERIMENT, "seed": seed})
    say(f"1/7  Sample: {images} drawn faces, half seen by a camera model, half passed through a decoder.")
    sample = folder / "sample"
    data = (
        Dataset.open(sample) if (sample / "manifest.csv").exists() else render_sample(sample, images=images, seed=seed)
    )

    say("2/7  Audit: could something other than forgery give the labels away?")
    findings = audit(data, seed=seed)
    findings.write(folder / "audit")
    write_audit(findings, folder / "audit")
    say(f"     {findings.sentence}")

    say("3/7  Search: nine heads on a frozen backbone, which passes over the images once.")
    write_text(folder / "experiment.toml", experiment.to_toml())
    found = search(experiment, data, out=folder / "search")
    if found.best is None:
        raise RuntimeError("no cell of the quickstart's grid could be trained")
    values = ", ".join(f"{key} {value}" for key, value in found.best["values"].items())
    say(f"     best on validation: {values}: AUC {_interval(found.best['auc'])}")

    say("4/7  Train the best cell, then evaluate it on images that nothing was chosen on.")
    chosen = experiment.with_values(found.best["values"] | {"grid": {}})
    result = train(chosen, data, out=folder / "model")
    test = result.data.split("test")
    evaluation = evaluate(result.detector, test, seed=seed)
    evaluation.write(folder / "evaluation")
    metrics = evaluation.metrics
    say(f"     accuracy {_interval(metrics['accuracy'])}, AUC {_interval(metrics['auc'])}, n {len(test)}")

    say("5/7  Breakdown: is some group judged worse than the others?")
    tables = [breakdown(evaluation.predictions, name, seed=seed) for name in ("glasses", "skin_tone")]
    for table in tables:
        say(f"     {describe(table)}")
    write_report(evaluation, folder / "evaluation", audit=findings, breakdowns=tables, images=test.root)

    say("6/7  Heatmaps: where the evidence lies.")
    explain(result.detector, test.paths[:HEATMAPS], folder / "heatmaps")

    say("7/7  Map: which faces look alike to the detector.")
    embed(result.detector, data, seed=seed).write(folder / "map")

    say(f"""
Made, in {folder}/
  audit/         what gives the labels away        open {folder / "audit" / "audit.html"}
  search/        nine cells, with intervals        open {folder / "search" / "results.png"}
  model/         the detector                      fakeimg.load("{folder / "model"}")
  evaluation/    what it is worth                  open {folder / "evaluation" / "report.html"}
  heatmaps/      where the evidence lies           open {folder / "heatmaps" / "heatmaps.png"}
  map/           which faces look alike            open {folder / "map" / "map.html"}

Next, on a picture of your own:
  fakeimg detect photo.jpg
  fakeimg demo
or on two folders of your own, faces/real and faces/fake:
  fakeimg audit faces
  fakeimg search faces --config {folder / "experiment.toml"} --out my-search""")


def _interval(rate: dict[str, Any]) -> str:
    return f"{rate['value']:.3f} ({rate['low']:.3f}–{rate['high']:.3f})"
