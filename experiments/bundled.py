"""Make the bundled detector: train it, measure it on sources that it has not seen, write it into the package.

    python experiments/bundled.py DATA RUNS

DATA is a manifest whose images name their source. RUNS keeps the training runs; what is there is not done again, so the
script may be stopped at any time. The detector is two networks joined, trained by bundled.toml and by the same at half
the size. Then each source is left out in turn, the rest trains a detector by the very same recipe, and the source left
out is scored: that, and not the validation split, says what to expect of images from elsewhere. Writes
experiments/results/bundled/ and fakeimg/pretrained/.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.data.images import read_image, resize
from fakeimg.evaluation.audit import audit
from fakeimg.evaluation.evaluate import evaluate
from fakeimg.evaluation.perturbations import cropped, noisy
from fakeimg.evaluation.stress import stress
from fakeimg.evaluation.training_sets import NO_PART, TrainingSet
from fakeimg.evaluation.transfer import shortcut_guesses
from fakeimg.files import replacing, write_json, write_text
from fakeimg.hub.evidence import record_evidence
from fakeimg.models.artifact import CARD_FILE, GRAPH_FILE, write_spec
from fakeimg.models.backbones import BUNDLED
from fakeimg.models.decision import OperatingPoint
from fakeimg.models.detector import Detector
from fakeimg.models.engines import export_graph
from fakeimg.models.network import with_embedding
from fakeimg.scoring.intervals import auc_interval, wilson
from fakeimg.scoring.operating_point import choose_operating_point
from fakeimg.training.joining import join_scales
from fakeimg.training.train import train

Image = NDArray[np.uint8]

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "bundled"
RECIPE = HERE / "bundled.toml"
HALF = (
    "name=bundled_half",
    "backbone=compact_plain",
    "image_size=64",
    "augment.noise=0",  # at half the size grain is averaged away
    "augment.noise_share=1",
)
NOTHING_ELSE_HELD_OUT = ("split.train=0.92", "split.validation=0.08", "split.test=0")
LICENCE = "research use"


def main(data: str, runs: str) -> None:
    dataset = Dataset.open(data)
    detector, divided = train_both(dataset, Path(runs) / "whole")
    shortcuts = shortcuts_on(dataset)
    left_out = pd.DataFrame([leave_out(dataset, source, Path(runs)) | shortcuts[source] for source in sources(dataset)])
    with replacing(RESULTS / "leave_one_source_out.csv") as temporary:
        left_out.to_csv(temporary, index=False)
    detector = bundle(detector, divided, Path(runs))
    write_json(RESULTS / "robustness.json", measure(detector, divided.split("test")))


def train_both(dataset: Dataset, out: Path, *changes: str) -> tuple[Detector, Dataset]:
    """The detector, whose logit is the mean of two at two sizes, and the data with its split."""
    fine = train(Experiment.read(RECIPE, changes), dataset, out=out / "fine")
    coarse = train(Experiment.read(RECIPE, (*changes, *HALF)), dataset, out=out / "coarse")
    return join_scales(fine.detector, coarse.detector, fine.data), fine.data


def sources(dataset: Dataset) -> list[str]:
    return sorted(dataset.frame["source"].unique())


def leave_out(dataset: Dataset, source: str, runs: Path) -> dict[str, object]:
    """How a detector that never saw `source` calls it, at the operating point of its own validation split."""
    left_out = (dataset.frame["source"] == source).to_numpy()
    out = runs / f"without_{source}"
    detector, divided = train_both(dataset.take(~left_out), out, *NOTHING_ELSE_HELD_OUT)
    table = out / "left_out.parquet"
    if not table.exists():
        parts = {"validation": divided.split("validation"), "left_out": dataset.take(left_out)}
        scored = [detector.predict(part).frame.assign(part=name) for name, part in parts.items()]
        middles = [_middle(read_image(path)) for path in parts["left_out"].paths]
        scored.append(parts["left_out"].frame.assign(part="cropped", probability_fake=probabilities(detector, middles)))
        with replacing(table) as temporary:
            pd.concat(scored).to_parquet(temporary, index=False)
    scores = pd.read_parquet(table)
    point = operating_point(detector, divided.split("validation"))
    unseen, inner, seen = (scores[scores["part"] == part] for part in ("left_out", "cropped", "validation"))
    label = str(unseen["label"].iloc[0])
    fake = unseen["probability_fake"] >= point.threshold_fake
    accuracy = wilson(int((fake == (label == "fake")).sum()), len(unseen))
    outside = unseen["verdict"] == "out-of-domain"
    verdict = {"fake": fake & ~outside, "real": (unseen["probability_fake"] < point.threshold_real) & ~outside}
    other_class = seen[seen["label"] != label]
    ranked = auc_interval(
        [label == "fake"] * len(unseen) + [label != "fake"] * len(other_class),
        [*unseen["probability_fake"], *other_class["probability_fake"]],
    )
    return {
        "source": source,
        "label": label,
        "n": len(unseen),
        "accuracy": accuracy.value,
        "low": accuracy.low,
        "high": accuracy.high,
        "right_verdict": float(verdict[label].mean()),
        "wrong_verdict": float(verdict["real" if label == "fake" else "fake"].mean()),
        "out_of_domain": float(outside.mean()),
        "auc_against_validation": ranked.value,
        "accuracy_at_half": right_from(unseen, 0.5),
        "accuracy_at_3_percent": right_from(
            unseen, seen.loc[seen["label"] == "real", "probability_fake"].quantile(0.97)
        ),
        "accuracy_cropped": right_from(inner, point.threshold_fake),
    }


def right_from(rows: pd.DataFrame, threshold: float) -> float:
    """Share of `rows` on whose label a threshold is right."""
    return float(((rows["probability_fake"] >= threshold) == (rows["label"] == "fake")).mean())


def shortcuts_on(dataset: Dataset) -> dict[str, dict[str, float]]:
    """What a thumbnail, and size and place of the face alone, call right of each source left out."""
    names = dataset.frame["source"].to_numpy(str)
    parts = {
        source: TrainingSet(np.where(names == source, NO_PART, "train"), names == source) for source in sources(dataset)
    }
    guesses = shortcut_guesses(dataset, parts)
    right = {
        name: {source: (by[source] >= 0.5) == (dataset.labels > 0) for source in parts} for name, by in guesses.items()
    }
    return {
        source: {f"accuracy_of_{name}": float(by[source][names == source].mean()) for name, by in right.items()}
        for source in parts
    }


def probabilities(detector: Detector, images: list[Image]) -> NDArray[np.float64]:
    return np.asarray(detector.predict(images).probability_fake, np.float64)


def measure(detector: Detector, test: Dataset) -> dict[str, object]:
    """AUC and calls on the test split, as it is and after each of `CHANGES`; and verdicts on pictures of no face."""
    images = [read_image(path) for path in test.paths]
    frame = test.frame.reset_index(drop=True)
    report: dict[str, object] = {"n": len(images)}
    for name, change in CHANGES.items():
        probability = probabilities(detector, [change(image) for image in images])
        table = frame.assign(fake=probability >= detector.operating_point.threshold_fake)
        auc = auc_interval(frame["label"] == "fake", probability)
        called = {
            str(source): wilson(int(rows["fake"].sum()), len(rows)).to_json()
            for source, rows in table.groupby("source")
        }
        report[name] = {"auc": auc.to_json(), "called_fake": called}
    verdicts = {
        kind: pd.Series(detector.predict(list(pictures())).verdicts).value_counts().to_dict()
        for kind, pictures in NO_FACES.items()
    }
    photographs = [image for image, label in zip(images, frame["label"], strict=True) if label == "real"]
    edited = {name: called_fake(detector, [change(i) for i in photographs]) for name, change in EDITS.items()}
    return report | {"verdicts_without_a_face": verdicts, "edited_photographs_called_fake": edited}


def called_fake(detector: Detector, images: list[Image]) -> dict[str, float | int]:
    fake = probabilities(detector, images) >= detector.operating_point.threshold_fake
    return wilson(int(fake.sum()), len(images)).to_json()


def bundle(detector: Detector, data: Dataset, runs: Path) -> Detector:
    """Write the model folder that the package brings along, with the graph that OpenVINO scores with."""
    point = operating_point(detector, data.split("validation"))
    detector.spec = detector.spec.model_copy(update={"licence": LICENCE, "operating_point": point.to_json()})
    detector.save(BUNDLED)
    saved = Detector.open(BUNDLED, name="bundled")
    test = data.split("test")
    evaluate(saved, test).write(runs / "test")
    stress(saved, test).write(runs / "stress")
    spec = record_evidence(
        BUNDLED, evaluation=runs / "test", audit=audit(data.split("train")).to_json(), stress=runs / "stress"
    )
    export_graph(with_embedding(saved.model), (BUNDLED / GRAPH_FILE).parent)
    write_text(BUNDLED / CARD_FILE, (HERE / "bundled_card.md").read_text("utf-8"))
    write_spec(BUNDLED, spec, [*spec.files, GRAPH_FILE, GRAPH_FILE.replace(".xml", ".bin")])
    return Detector.open(BUNDLED, name="bundled", own_graph=True)


def operating_point(detector: Detector, validation: Dataset) -> OperatingPoint:
    """Stricter than the default: a detector that anybody tries on a photograph should seldom call it fake.

    Known fakes lie so far up that the rule would allow "real" to be said of pictures that are more likely fake than
    not; those of generators that nobody has seen lie there. They are inconclusive instead.
    """
    fake, probability = validation.labels > 0, detector.predict(validation).probability_fake
    point = choose_operating_point(
        fake,
        probability,
        max_false_alarms=0.0125,
        max_misses=0.025,
        temperature=detector.operating_point.temperature,
    )
    threshold = min(point.threshold_real, 0.5)
    misses = wilson(int((probability[fake] < threshold).sum()), int(fake.sum()))
    return replace(point, threshold_real=threshold, misses=misses.to_json())


def _jpeg50(image: Image) -> Image:
    coded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[:, :, ::-1])


def _half(image: Image) -> Image:
    return resize(image, (image.shape[0] // 2, image.shape[1] // 2))


def _middle(image: Image) -> Image:
    """The middle of a picture, seven tenths of each side: what somebody sends who cuts out the face."""
    return cropped(image, 0.7, np.random.default_rng(0))


def _grainy(image: Image) -> Image:
    """Noise of five grey levels."""
    return noisy(image, 5.0, np.random.default_rng(0))


def _filtered(image: Image, *, contrast: float, saturation: float) -> Image:
    """What a phone's filters do: local contrast at a twentieth of the width, and saturation."""
    pixels = image.astype(np.float32)
    pixels += np.float32(contrast) * (pixels - cv2.GaussianBlur(pixels, (0, 0), image.shape[1] / 20))
    grey = pixels.mean(axis=2, keepdims=True)
    return np.clip(grey + np.float32(saturation) * (pixels - grey), 0, 255).astype(np.uint8)


EDITS: dict[str, Callable[[Image], Image]] = {
    "none": lambda image: image,
    "a light filter": lambda image: _filtered(image, contrast=0.2, saturation=1.15),
    "a strong filter": lambda image: _filtered(image, contrast=0.8, saturation=1.4),
}
CHANGES: dict[str, Callable[[Image], Image]] = {
    "clean": lambda image: image,
    "jpeg50": _jpeg50,
    "half_size": _half,
    "middle": _middle,
    "grainy": _grainy,
}


def _landscapes() -> Iterator[Image]:
    """Sky, hills and a field, each a smooth colour under noise of its own."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        columns = np.linspace(0, 1, 256)
        ridges = sum(rng.uniform(5, 30) * np.sin(2 * np.pi * (k * columns + rng.random())) / k for k in range(1, 9))
        horizon = 130 + ridges
        rows = np.arange(256)[:, None]
        sky = np.array([120, 170, 230]) + rows[..., None] * [0.4, 0.2, 0.05]
        field = rng.uniform(30, 110, 3) * [1, 1.3, 0.6] + rng.normal(0, 12, (256, 256, 3))
        picture = np.where((rows > horizon)[..., None], field, np.broadcast_to(sky, (256, 256, 3)))
        yield np.clip(cv2.GaussianBlur(picture, (0, 0), 0.8), 0, 255).astype(np.uint8)


def _textures() -> Iterator[Image]:
    """Noise with a spectrum that falls with a random power of the frequency, in two colours."""
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None])
        frequency[0, 0] = 1
        spectrum = np.fft.fft2(rng.standard_normal((256, 256))) / frequency ** rng.uniform(0.3, 2)
        field = np.fft.ifft2(spectrum).real
        grey = ((field - field.min()) / np.ptp(field))[..., None]
        yield (grey * rng.uniform(100, 255, 3) + (1 - grey) * rng.uniform(0, 120, 3)).astype(np.uint8)


def _pages() -> Iterator[Image]:
    """Lines of letters on paper."""
    for seed in range(60):
        rng = np.random.default_rng(2000 + seed)
        page = np.full((320, 256, 3), rng.uniform(225, 255, 3), np.uint8)
        for top in range(24, 310, int(rng.integers(14, 24))):
            text = "".join(rng.choice(list("abcdefghijklmnop rstu"), 40))
            cv2.putText(page, text, (12, top), int(rng.integers(0, 8)), 0.4, (20, 20, 20), 1, cv2.LINE_AA)
        yield page


NO_FACES = {"landscapes": _landscapes, "textures": _textures, "text pages": _pages}


if __name__ == "__main__":
    main(*sys.argv[1:])
