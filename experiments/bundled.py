"""Make the bundled detector: train it, measure it on sources that it has not seen, write it into the package.

    python experiments/bundled.py DATA RUNS

DATA is a manifest whose images name their source. RUNS keeps the training runs; what is there is not done again, so the
script may be stopped at any time. Each source is left out in turn, the rest trains a detector in the very way that the
bundled one is trained, and the source left out is scored: that, and not the validation split, says what to expect of
images from elsewhere. Writes experiments/results/bundled/ and fakeimg/pretrained/.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.data.images import read_image
from fakeimg.files import replacing, write_json
from fakeimg.models.artifact import GRAPH_FILE, write_spec
from fakeimg.models.backbones import BUNDLED
from fakeimg.models.decision import calibrated
from fakeimg.models.detector import Detector
from fakeimg.models.engines import export_graph
from fakeimg.models.network import with_embedding
from fakeimg.scoring.intervals import wilson
from fakeimg.scoring.operating_point import choose_operating_point
from fakeimg.training.train import train

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "bundled"
EXPERIMENT = HERE / "bundled.toml"


def main(data: str, runs: str) -> None:
    dataset = Dataset.open(data)
    leave_sources_out(dataset, Path(runs))


def leave_sources_out(dataset: Dataset, runs: Path) -> pd.DataFrame:
    """One row an image: its logit by the detector that never saw its source, and that detector's threshold."""
    experiment = Experiment.read(EXPERIMENT, ["split.train=0.92", "split.validation=0.08", "split.test=0"])
    scores = []
    for source in sorted(dataset.frame["source"].unique()):
        out = runs / f"without_{source}"
        left_out = (dataset.frame["source"] == source).to_numpy()
        detector = train(experiment, dataset.take(~left_out), out=out).detector
        file = out / "left_out.csv"
        if not file.exists():
            found = detector.predict(dataset.take(left_out)).frame
            found = found.assign(logit=np.nan, threshold=detector.operating_point.threshold_fake)
            with replacing(file) as temporary:
                found[["path", "label", "source", "probability_fake", "threshold"]].to_csv(temporary, index=False)
        scores.append(pd.read_csv(file))
        print(source, (scores[-1].probability_fake >= scores[-1].threshold).mean(), flush=True)
    return pd.concat(scores, ignore_index=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
