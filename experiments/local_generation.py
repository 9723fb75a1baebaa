"""300 photographs, 300 fakes made without a key or a network, a detector trained on them, and what that is worth.

    python experiments/local_generation.py FACES WEIGHTS

FACES is a folder with a manifest that has the source `utkface`; the other sources are what the detector is tried on.
WEIGHTS is a MobileNetV2 weights file. Writes experiments/results/local_generation/.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.data.generate import generate
from fakeimg.data.select import select
from fakeimg.evaluation.audit import audit
from fakeimg.evaluation.evaluate import evaluate
from fakeimg.files import replacing, write_json
from fakeimg.training.autoencoder import local_provider
from fakeimg.training.train import train

RESULTS = Path(__file__).parent / "results" / "local_generation"
EXPERIMENT: dict[str, Any] = {
    "name": "local_generation",
    "backbone": "mobilenet_v2",
    "image_size": 180,
    "head.units": [64],
    "head.dropout": 0.3,
    "train.epochs": 40,
    "train.patience": 8,
    "split.train": 0.6,
    "split.validation": 0.2,
    "split.test": 0.2,
}
ROBUST = {"augment.jpeg": 40, "augment.resize": 0.4, "augment.blur": 1.0, "augment.flip": 0.5, "augment.views": 4}


def main(faces: str, weights: str) -> None:
    everything = Dataset.open(faces)
    utkface = everything.take(everything.frame["source"] == "utkface")
    photographs = select(utkface, 300, balance=["gender"], seed=0).dataset
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "generated")
        provider = local_provider(photographs, out)
        generation = generate(photographs, provider, out=out, confirm=lambda estimate: True)
        print(generation.counts, flush=True)
        with replacing(RESULTS / "means.png") as path:
            mean_pictures(generation.dataset).save(path)
        found = audit(generation.dataset)
        print(found.sentence, *[finding.sentence for finding in found.findings], sep="\n", flush=True)
        with replacing(RESULTS / "shortcuts.csv") as path:
            found.shortcuts.round(4).to_csv(path, index=False)
        others = everything.take((everything.frame["source"] != "utkface").to_numpy())
        results = {"generation": generation.counts, "audit": audit_summary(found)}
        for name, settings in (("plain", {}), ("augmented", ROBUST)):
            experiment = Experiment.parse({**EXPERIMENT, **settings, "weights": weights})
            result = train(experiment, generation.dataset)
            held_out = evaluate(result.detector, result.data.split("test"))
            elsewhere = evaluate(result.detector, others)
            results[name] = {"test_part": brief(held_out.metrics), "other_sources": brief(elsewhere.metrics)}
            results[name]["by_source"] = {
                source: brief(numbers) for source, numbers in elsewhere.metrics.get("by_source", {}).items()
            }
            print(name, results[name], flush=True)
        write_json(RESULTS / "results.json", results)


def mean_pictures(dataset: Dataset) -> Any:
    """The mean photograph, the mean fake, and their mean difference eightfold: no person is shown."""
    from PIL import Image

    from fakeimg.data.images import read_image, resize

    stacks = {label: [] for label in dataset.class_names}
    for path, label in zip(dataset.paths, dataset.frame["label"], strict=True):
        stacks[label].append(resize(read_image(path), (160, 160)).astype(np.float32))
    real, fake = (np.stack(stack) for stack in stacks.values())
    detail = 127.5 + 8 * (fake - real).mean(axis=0)
    panels = [real.mean(axis=0), fake.mean(axis=0), detail]
    return Image.fromarray(np.clip(np.hstack(panels), 0, 255).astype(np.uint8))


def audit_summary(found: Any) -> dict[str, Any]:
    """The audit's sentence and its findings."""
    return {
        "exit_code": found.exit_code,
        "sentence": found.sentence,
        "findings": [f"{finding.severity}: {finding.sentence}" for finding in found.findings],
    }


def brief(metrics: dict[str, Any]) -> dict[str, Any]:
    """Accuracy and AUC with their intervals, where there are such."""
    return {"n": metrics.get("n"), **{name: metrics[name] for name in ("accuracy", "auc") if name in metrics}}


if __name__ == "__main__":
    main(*sys.argv[1:3])
