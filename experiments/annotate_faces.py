"""How far annotators can be trusted: own heads for gender and race on UTKFace, glasses by edges on SDFD.

    python experiments/annotate_faces.py FACES WEIGHTS

FACES is a folder with a manifest of the sources `utkface` (gender, race) and `sdfd` (glasses); WEIGHTS a MobileNetV2
weights file. Writes experiments/results/annotate/.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fakeimg.config import Experiment
from fakeimg.data.agreement import Agreement
from fakeimg.data.annotate import annotate
from fakeimg.data.dataset import Dataset
from fakeimg.data.glasses import Glasses
from fakeimg.files import replacing, write_json
from fakeimg.training.attributes import HeadAnnotator, train_attribute

RESULTS = Path(__file__).parent / "results" / "annotate"
EXPERIMENT = {
    "backbone": "mobilenet_v2",
    "image_size": 180,
    "seed": 0,
    "head.units": [256],
    "head.dropout": 0.5,
    "train.epochs": 40,
    "train.patience": 6,
    "split.train": 0.6,
    "split.validation": 0.2,
    "split.test": 0.2,
}


def main(faces: str, weights: str) -> None:
    dataset = Dataset.open(faces)
    agreements = [head(dataset, name, weights) for name in ("gender", "race")]
    for part, agreement in glasses(dataset).items():
        save(agreement.frame.round(4), f"glasses_{part}.csv")
        agreements.append(agreement)
    table = pd.concat([each.frame for each in agreements]).round(4)
    table.insert(
        0, "measured_on", ["UTKFace, test part", "UTKFace, test part", "SDFD, half not fitted on", "SDFD, all"]
    )
    save(table, "agreement.csv")
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    for ax, agreement in zip(figure.subplots(1, 3), agreements[:3], strict=True):
        agreement.plot(ax)
        save(agreement.by_value.round(4), f"{agreement.attribute}_by_value.csv")
    with replacing(RESULTS / "confusion.png") as path:
        figure.savefig(path, dpi=110)


def head(dataset: Dataset, attribute: str, weights: str) -> Agreement:
    """Agreement on the test part, which neither the weights nor the choice of epoch has seen."""
    utkface = dataset.take(dataset.frame["source"] == "utkface")
    experiment = Experiment.parse({**EXPERIMENT, "weights": weights})
    result = train_attribute(utkface, attribute, experiment)
    print(result.history.tail(3).to_string(), flush=True)
    annotator = HeadAnnotator.of(result, attribute)
    agreement = annotate(utkface, [annotator], check=True).agreements[0]  # on the test part: it has not learnt from it
    print(agreement, agreement.by_value.to_string(), sep="\n", flush=True)
    write_json(
        RESULTS / f"{attribute}.json",
        {
            "trained_on": int((result.data.frame["split"] == "train").sum()),
            "tested_on": agreement.n,
            "best_epoch": result.best_epoch,
            "agreement": [agreement.value, agreement.low, agreement.high],
            "at_confidence": {
                str(least): sure(result.data.split("test"), annotator, least) for least in (0.7, 0.8, 0.9)
            },
        },
    )
    return agreement


def sure(held_out: Dataset, annotator: HeadAnnotator, least: float) -> dict[str, float]:
    """Agreement and coverage when less confident answers are left out."""
    (attribute,) = annotator.attributes
    given = held_out.frame[attribute].to_numpy(object)
    said = [judgements[attribute] for judgements in annotator.judge(held_out)]
    kept = np.array([judgement.confidence >= least for judgement in said])
    right = np.array([judgement.value for judgement in said], object) == given
    return {"answered": float(kept.mean()), "agreement": float(right[kept].mean())}


def glasses(dataset: Dataset) -> dict[str, Agreement]:
    """Agreement on the half of SDFD that the threshold was not fitted on, and on all of it; dark ones are glasses."""
    sdfd = dataset.take(dataset.frame["source"] == "sdfd")
    sdfd = sdfd.assign(glasses=sdfd.frame["glasses"].replace("sunglasses", "glasses"))
    worn = sdfd.frame["glasses"].to_numpy() == "glasses"
    random = np.random.default_rng(0)
    fitted_on = np.zeros(len(sdfd), bool)
    for kind in (True, False):
        rows = np.flatnonzero(worn == kind)
        fitted_on[random.permutation(rows)[: len(rows) // 2]] = True
    parts = {"held_out": sdfd.take(~fitted_on), "all": sdfd}
    found = {part: annotate(images, [Glasses()], check=True).agreements[0] for part, images in parts.items()}
    for part, agreement in found.items():
        print(part, agreement, agreement.by_value.to_string(), sep="\n", flush=True)
    return found


def save(table: pd.DataFrame, name: str) -> None:
    with replacing(RESULTS / name) as path:
        table.to_csv(path, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:3])
