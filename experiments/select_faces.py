"""Annotate photographs, then choose among them to the ratios of the published data set (21k of 70k).

    python experiments/select_faces.py FACES WEIGHTS

FACES is a folder with a manifest; every image whose gender and race are given teaches the two heads, the photographs
that lack them are annotated, and so are all for glasses, by edges. Expression is left out: nothing at hand judges it
without DeepFace's weights. WEIGHTS is a MobileNetV2 weights file. Writes experiments/results/select/.
"""

import sys
from pathlib import Path

from annotate_faces import EXPERIMENT

from fakeimg.config import Experiment
from fakeimg.data.annotate import annotate
from fakeimg.data.dataset import Dataset
from fakeimg.data.glasses import Glasses
from fakeimg.data.select import select
from fakeimg.files import replacing, write_json
from fakeimg.training.attributes import HeadAnnotator, train_attribute

RESULTS = Path(__file__).parent / "results" / "select"
SHARE = 21 / 70
WITHIN_SUPPLY = 900  # a third of them with glasses is what there is
TARGETS = {
    "glasses": {"none": 0.67, "glasses": 0.33},
    "gender": {"man": 0.59, "woman": 0.41},
    "race": {"white": 0.31, "asian": 0.30, "latino": 0.30, "black": 0.11},  # they add up to 1.02, as published
}


def main(faces: str, weights: str) -> None:
    dataset = Dataset.open(faces)
    race = dataset.frame["race"].replace({"indian": "asian", "other": float("nan")})  # folded as published
    dataset = dataset.assign(race=race)
    experiment = Experiment.parse({**EXPERIMENT, "weights": weights, "train.class_weights": "balanced"})
    heads = [HeadAnnotator(train_attribute(dataset, name, experiment).detector, name) for name in ("gender", "race")]
    photographs = dataset.take(dataset.labels == 0)
    annotation = annotate(photographs, [*heads, Glasses()])
    print(annotation.table.to_string(), flush=True)
    with replacing(RESULTS / "annotated.csv") as path:
        annotation.table.to_csv(path, index=False)
    published = round(SHARE * len(photographs))
    supply = {**TARGETS, "race": {name: share for name, share in TARGETS["race"].items() if name != "latino"}}
    summary = {}
    for name, n, targets in (("published", published, TARGETS), ("within_supply", WITHIN_SUPPLY, supply)):
        selection = select(annotation.dataset, n, targets=targets, seed=0)
        print(selection.table.to_string(), *selection.impossible, sep="\n", flush=True)
        with replacing(RESULTS / f"{name}.csv") as path:
            selection.table.round(4).to_csv(path, index=False)
        with replacing(RESULTS / f"{name}.png") as path:
            selection.plot().figure.savefig(path, dpi=110)  # type: ignore[union-attr]
        summary[name] = {
            "photographs": len(photographs),
            "chosen": len(selection.dataset),
            "left_out": selection.left_out,
            "not_met": list(selection.impossible),
        }
    write_json(RESULTS / "selection.json", summary)


if __name__ == "__main__":
    main(*sys.argv[1:3])
