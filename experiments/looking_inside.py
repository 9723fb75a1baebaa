"""What the heatmaps and the map of one detector are worth on one data set, in numbers.

    python experiments/looking_inside.py MODEL DATA --out experiments/results/looking_inside/NAME.json

Measures what a heatmap costs beside a prediction, puts heatmaps of images drawn at random (half of each class) to the
proof, and maps all images: time, trustworthiness, and the clusters with the highest error rates. Writes numbers only.
"""

import argparse
import platform
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import fakeimg
from fakeimg.files import write_json
from fakeimg.visual.faithfulness import faithfulness
from fakeimg.visual.gradcam import gradcams


def draw(data: fakeimg.Dataset, count: int, seed: int) -> list[Path]:
    """As many images of each class, at random."""
    rng = np.random.default_rng(seed)
    paths = data.paths
    chosen = [
        rng.permutation(np.flatnonzero(data.labels == label))[: count // len(data.class_names)]
        for label in range(len(data.class_names))
    ]
    return [paths[i] for i in np.concatenate(chosen)]


def costs(detector: fakeimg.Detector, paths: list[Path]) -> dict[str, float]:
    """Seconds for predictions and for heatmaps of the same images, both engines warm."""
    detector.predict(paths[:2])
    gradcams(detector, paths[:2])
    start = perf_counter()
    detector.predict(paths)
    between = perf_counter()
    gradcams(detector, paths)
    return {"images": len(paths), "predictions_s": between - start, "heatmaps_s": perf_counter() - between}


def checks(detector: fakeimg.Detector, paths: list[Path]) -> list[dict[str, Any]]:
    """The table of checks, a row each."""
    proof = faithfulness(detector, paths)
    print(proof)
    return proof.frame.astype(object).where(proof.frame.notna(), None).to_dict("records")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--out", required=True)
    parser.add_argument("--images", type=int, default=24, help="images for the checks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-map", action="store_true")
    arguments = parser.parse_args()

    detector, data = fakeimg.load(arguments.model), fakeimg.Dataset.open(arguments.data)
    found: dict[str, Any] = {
        "backbone": detector.spec.architecture.backbone,
        "image_size": detector.image_size,
        "model_sha256": detector.weights_sha256,
        "images": len(data),
        "seed": arguments.seed,
        "machine": platform.processor() or platform.machine(),
        "cost": costs(detector, draw(data, 100, arguments.seed)),
        "checks": checks(detector, draw(data, arguments.images, arguments.seed)),
    }
    if not arguments.no_map:
        start = perf_counter()
        faces = fakeimg.embed(detector, data, seed=arguments.seed)
        found["map"] = {**faces.summary(), "total_s": perf_counter() - start}
        del found["map"]["model"]  # a path of this machine
        print(faces.clusters.head(5).to_string(index=False))
    write_json(arguments.out, found)


if __name__ == "__main__":
    main()
