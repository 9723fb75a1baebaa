"""What the accuracies are worth, measured on the development faces: `python worth.py STEP FACES WEIGHTS [RECIPE…]`.

FACES is the folder with the faces' manifest, WEIGHTS a MobileNetV2 weights file. Each step writes into `results/`:

    audit       audit_deforgify.json, audit_faces.json, audit_sample.json
    transfer    transfer/RECIPE/: leave one source out, for each recipe named (all that are cheap without)
    matrix      transfer/probe/transfer_matrix.*
    mixture     mixture.json: systems 1 and 2, adding and removing sources on fixed stress sets
    breakdown   breakdown.json: by gender and race, with corrected tests, and one that is too small

`python worth.py system5 FACES MODEL` scores the published five-convolution network, trained by `fakeimg train`, on its
own test images and on every other source: system5.json.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fakeimg import Dataset, Detector, Experiment
from fakeimg.data.sample import render_sample
from fakeimg.evaluation.audit import audit
from fakeimg.evaluation.breakdown import breakdown, describe
from fakeimg.evaluation.measurements import measure
from fakeimg.evaluation.mixture import mixture
from fakeimg.evaluation.shortcuts import classifier
from fakeimg.evaluation.training_sets import NO_PART, TrainingSet, divided, score_by_training_set
from fakeimg.evaluation.transfer import leave_one_source_out, transfer_matrix
from fakeimg.files import write_json
from fakeimg.scoring.intervals import wilson
from fakeimg.training.train import recorded_split

RESULTS = Path(__file__).parent / "results"
PAIR = ["deforgify_real", "deforgify_fake"]
PUBLISHED = Path(__file__).parent
# Small changes of the picture that leave forgery alone, so that a head cannot lean on compression and resolution.
DELIVERY = {"jpeg": 40, "resize": 0.5, "blur": 1.0, "flip": 0.5, "crop": 0.1, "views": 3}


def recipe(name: str, weights: str) -> Experiment:
    """An experiment by name: the probe, one change to it at a time, and the published systems."""
    probe: dict[str, Any] = {
        "name": name,
        "backbone": "mobilenet_v2",
        "weights": weights,
        "train": {"class_weights": "balanced", "epochs": 20},
    }
    train = probe["train"]
    # At the published rate, .001, the network, without normalisation, stays on the first plateau on these sources.
    five_conv = ["image_size=64", "train.epochs=8", "train.learning_rate=0.0003", "train.class_weights=balanced"]
    changes: dict[str, dict[str, Any]] = {
        "probe": {},
        "probe_sources_balanced": {"train": {"epochs": 20, "balance": "source"}},
        "probe_delivery": {"augment": DELIVERY},
        "probe_delivery_balanced": {"augment": DELIVERY, "train": {"epochs": 20, "balance": "source"}},
        "probe_crop": {"framing": "crop"},
        "probe_small": {"image_size": 96},
        "probe_large": {"image_size": 256},
        "probe_short": {"train": {**train, "epochs": 2}},
        "probe_one_epoch": {"train": {**train, "epochs": 1}},
        "probe_short_crop": {"framing": "crop", "train": {**train, "epochs": 2}},
        "probe_short_crop_balanced": {"framing": "crop", "train": {"epochs": 2, "balance": "source"}},
        "mlp": {"head": {"units": [256, 128, 64], "dropout": 0.05, "l2": 0.001}, "train": {**train, "epochs": 10}},
    }
    if name in changes:
        return Experiment.parse(probe | changes[name])
    if name == "five_conv_program":
        read = Experiment.read(PUBLISHED / "deforgify_program.toml", [f"name={name}", *five_conv])
        return read.with_values({"data.sources": None, "train.patience": None})
    if name in ("bundled_fine", "bundled_fine_without_edits"):
        changed = [f"name={name}", "split.train=0.92", "split.validation=0.08", "split.test=0"]
        changed += ["train.edited_fakes=0"] if name == "bundled_fine_without_edits" else []
        return Experiment.read(PUBLISHED / "bundled.toml", changed)
    others = "five_conv_program, bundled_fine, bundled_fine_without_edits"
    raise SystemExit(f"no recipe {name!r}; there are {', '.join(changes)}, {others}")


def audits(faces: Path) -> None:
    """The two sources of system 5, everything, and the rendered sample."""
    write_json(RESULTS / "audit_deforgify.json", audit(Dataset.open(faces, sources=PAIR)).to_json())
    write_json(RESULTS / "audit_faces.json", audit(faces).to_json())
    with tempfile.TemporaryDirectory() as folder:
        write_json(RESULTS / "audit_sample.json", audit(render_sample(Path(folder))).to_json())


def transfers(faces: Path, weights: str, names: list[str]) -> None:
    """Leave one source out, a folder a recipe."""
    for name in names:
        result = leave_one_source_out(recipe(name, weights), faces)
        result.write(RESULTS / "transfer" / name)
        print(result.sentence, flush=True)


def mixtures(faces: Path, weights: str) -> None:
    """System 1: more fakes, or more photographs, on a stress set of photographs. System 2: the hardest sets."""
    experiment = recipe("probe", weights)

    def mix(base: list[str], add: str, stress: str) -> dict[str, Any]:
        result = mixture(experiment.with_values({"data.sources": (*base, add, stress)}), faces, add=add, stress=stress)
        print(result.sentence, flush=True)
        return {"base": base, **result.to_json()}

    system_1 = [mix(PAIR, add, "all_age_faces") for add in ("generated_faces", "sdfd", "nomask", "utkface")]
    everything = ["deforgify_real", "deforgify_fake", "utkface", "all_age_faces", "nomask", "generated_faces", "sdfd"]
    system_2 = []
    for add, stress in (
        ("deforgify_real", "deforgify_fake"),  # photographs framed like the generator's: fakes missed
        ("deforgify_fake", "deforgify_real"),  # the generator's faces: photographs flagged
        ("generated_faces", "sdfd"),  # another generator, on the hardest fakes
        ("deforgify_fake", "sdfd"),
    ):
        base = [name for name in everything if name not in (add, stress)]
        system_2.append(mix(base, add, stress))
    write_json(RESULTS / "mixture.json", {"system_1": system_1, "system_2": system_2})


def breakdowns(faces: Path, weights: str) -> None:
    """A probe trained on half of all images, judged on the test images of three sources, by attribute."""
    experiment = recipe("probe", weights).with_values({"split.train": 0.4, "split.validation": 0.1, "split.test": 0.5})
    data = divided(experiment, faces)
    split = data.frame["split"].to_numpy(str)
    part = TrainingSet(np.where(split == "test", NO_PART, split), split == "test")
    _, scored = next(score_by_training_set(experiment, data, {"half": part}))
    judged = part.score & data.frame["source"].isin(["utkface", "generated_faces", "sdfd"]).to_numpy()
    frame = data.frame.assign(probability_fake=scored.probability_fake)[judged]
    tables = {
        "gender": breakdown(frame, "gender"),
        "race": breakdown(frame, "race"),
        "gender × race": breakdown(frame, ["gender", "race"], depth=2),
        "race of sdfd, too few": breakdown(frame[frame["source"] == "sdfd"].sample(40, random_state=0), "race"),
    }
    content = {
        name: {"sentence": describe(table), "rows": json.loads(table.to_json(orient="records"))}
        for name, table in tables.items()
    }
    for name, found in content.items():
        print(f"[{name}]\n{found['sentence']}", flush=True)
    write_json(RESULTS / "breakdown.json", content)


def system_5(faces: Path, model: str) -> None:
    """The published network on its own test images and on every other source, and a thumbnail beside it."""
    detector = Detector.open(model)
    classes = detector.class_names
    everything = Dataset.open(faces)
    own = Dataset.open(faces, sources=PAIR)
    train, test = (recorded_split(model, own, part, classes=classes) for part in ("train", "test"))
    measured = {name: measure(data) for name, data in (("train", train), ("every", everything))}
    thumbnail = classifier("linear").fit(measured["train"].features["8×8 thumbnail"], train.labels)
    thumbnails = measured["every"].features["8×8 thumbnail"]
    scores = np.asarray(detector.predict(everything).probability_fake)
    guesses = np.full(len(everything), np.nan)
    guesses[measured["every"].rows] = thumbnail.predict_proba(thumbnails)[:, 1]
    sources, fake = everything.frame["source"].to_numpy(str), everything.labels > 0
    tested = everything.frame["path"].isin(test.frame["path"]).to_numpy()
    rows = [("its own test images", tested)]
    rows += [(name, sources == name) for name in dict.fromkeys(sources) if name not in PAIR]

    def right(probability: Any, where: Any) -> dict[str, Any]:
        return wilson(int(((probability >= 0.5) == fake)[where].sum()), int(where.sum())).to_json()

    table = [
        {"tested_on": name, "five_conv": right(scores, where), "thumbnail": right(guesses, where)}
        for name, where in rows
    ]
    write_json(RESULTS / "system5.json", {"published": 1.0, "model": detector.spec.experiment, "rows": table})
    for row in table:
        told = [
            f"{row[name]['value']:.1%} ({row[name]['low']:.1%}–{row[name]['high']:.1%})"
            for name in ("five_conv", "thumbnail")
        ]
        print(f"{row['tested_on']:22} five_conv {told[0]}  thumbnail {told[1]}", flush=True)


def main(step: str, faces: str, given: str, *names: str) -> None:
    manifest = Path(faces) / "manifest.csv"
    if step == "audit":
        audits(manifest)
    elif step == "transfer":
        transfers(manifest, given, list(names) or ["probe", "probe_sources_balanced", "mlp"])
    elif step == "matrix":
        transfer_matrix(recipe("probe", given), manifest).write(RESULTS / "transfer" / "probe")
    elif step == "mixture":
        mixtures(manifest, given)
    elif step == "breakdown":
        breakdowns(manifest, given)
    elif step == "system5":
        system_5(manifest, given)
    else:
        raise SystemExit(f"no step {step!r}\n{__doc__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
