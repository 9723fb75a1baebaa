"""Training one detector, from an experiment and a data set to a saved model folder."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.config import Experiment
from fakeimg.data.dataset import Dataset
from fakeimg.errors import ConfigError
from fakeimg.files import replacing, write_json, write_text
from fakeimg.models.artifact import SPEC_FILE, DataRecord, DetectorSpec
from fakeimg.models.backbones import load_weights
from fakeimg.models.decision import OperatingPoint, calibrated
from fakeimg.models.detector import Detector
from fakeimg.models.domain import DomainGuard
from fakeimg.models.engines import TensorFlowEngine
from fakeimg.models.network import (
    Architecture,
    at_size,
    build_network,
    has_pool,
    head_of,
    import_keras,
    set_trainable,
    trunk_of,
    without_optimizer,
)
from fakeimg.progress import progress_bar
from fakeimg.scoring.calibration import fit_temperature
from fakeimg.scoring.operating_point import choose_operating_point
from fakeimg.training.fitting import compile_model, fit, predict_logits
from fakeimg.training.inputs import Parts, feature_inputs, image_inputs
from fakeimg.training.prepare import prepare_data

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

RUN_FILE = "run.json"
SPLIT_FILE = "split.csv"
CHECKPOINT_FILE = "checkpoint.npz"
GUARD_IMAGES = 6000


@dataclass(frozen=True)
class TrainResult:
    """A trained detector and how it came about.

    Attributes:
        detector: with the weights of its best epoch and an operating point chosen on validation.
        history: one row an epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds.
        best_epoch: the epoch whose weights were kept, from 1.
        data: the images that took part, with their split.
        unreadable: images that were left out: path → reason.
    """

    detector: Detector
    history: "pd.DataFrame"
    best_epoch: int
    data: Dataset
    unreadable: dict[str, str]

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Training and validation loss by epoch, the epoch that was kept marked, accuracy in its legend."""
        from fakeimg.training.curves import plot_history

        return plot_history(self.history, self.best_epoch, ax)

    def _repr_html_(self) -> str:
        kept = f"<p>{self.detector!r}, epoch {self.best_epoch} of {len(self.history)} kept</p>"
        return kept + str(self.history.to_html(index=False))


def train(experiment: Experiment, data: Dataset | Path | str, *, out: Path | str | None = None) -> TrainResult:
    """Train a detector.

    With a frozen trunk the images pass through it once; otherwise in every epoch. The weights of the best validation
    epoch are kept, and validation alone chooses the temperature and the operating point. The test part is not read.

    Seeds Python's, NumPy's and TensorFlow's generators and switches TensorFlow's deterministic operations on.

    Args:
        experiment: what to do.
        data: a data set, or where one is.
        out: the folder to write: the model, `history.csv`, `history.png`, `split.csv`, `experiment.toml`. When it holds
            an unfinished run of the same experiment and data, that run goes on to the very result it would have had;
            a finished one is returned at once.
    Raises:
        ConfigError: an impossible experiment, or `out` holds another one.
        DatasetError: the data lacks what the experiment asks for.
        ModelError: the loss is no longer a number.
    """
    dataset = prepare_data(experiment, data)
    if out is None:
        return _train(experiment, dataset, None)
    from filelock import FileLock, Timeout

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            if _claim(folder, experiment, dataset):
                return _finished(folder, experiment, dataset)
            return _train(experiment, dataset, folder)
    except Timeout:
        raise ConfigError(f"another process is training into {folder}; choose another --out or wait for it") from None


def recorded_split(model: str, data: Dataset | Path | str, part: str | None, *, classes: tuple[str, ...]) -> Dataset:
    """One part of the split that a model's training wrote down, or all of `data` when `part` is None.

    Args:
        model: the model's folder; only a folder that `train` wrote knows its split.
        data: what it was trained on.
        part: "train", "validation" or "test"; None takes all.
        classes: the detector's class names.
    Raises:
        DatasetError: neither the data nor the model's folder has a split.
    """
    import pandas as pd

    dataset = data if isinstance(data, Dataset) else Dataset.open(data, classes=classes)
    file = Path(model) / SPLIT_FILE
    if not file.is_file():
        return dataset if part is None else dataset.split(part)
    split = pd.read_csv(file, dtype=str).set_index("path")["split"]
    parts = dataset.frame["path"].map(split)
    if part is None:
        if trained := int((parts == "train").sum()):
            warnings.warn(
                f"{trained} of these {len(dataset)} images were trained on; --split test scores the others",
                stacklevel=2,
            )
        return dataset
    return dataset.take(parts.notna()).assign(split=parts.dropna().to_numpy(object)).split(part)


def _train(experiment: Experiment, dataset: Dataset, folder: Path | None) -> TrainResult:
    import pandas as pd

    import_keras()
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    architecture = Architecture.of(experiment)
    model = build_network(architecture, seed=experiment.seed)
    started_from = load_weights(trunk_of(model), experiment.backbone, experiment.weights)
    set_trainable(model, experiment.trainable)
    if experiment.trainable == "head":
        parts = feature_inputs(experiment, dataset, model)
        fitted = whole = head_of(model, pooled=has_pool(model))
    else:
        parts = image_inputs(experiment, dataset)
        whole = model
        fitted = at_size(model, (patch, patch)) if (patch := experiment.train.patch) else model
    compile_model(fitted, experiment)
    checkpoint = None if folder is None else folder / CHECKPOINT_FILE
    with progress_bar("training", experiment.train.epochs) as advance:
        progress = fit(
            fitted, experiment, parts.train, parts.validation, whole=whole, checkpoint=checkpoint, advance=advance
        )
    if experiment.train.edited_fakes:
        forget_edits(whole, experiment.train.edited_fakes)
    spec = DetectorSpec(
        architecture=architecture,
        positive_class=architecture.class_names[1],
        started_from=started_from,
        operating_point=_operating_point(whole, parts).to_json(),
        experiment=experiment.model_dump(mode="json", exclude={"grid", "search"}),
        data=_record(dataset),
    )
    model = without_optimizer(model)
    detector = Detector.of(model, spec, guard=fit_guard(model, spec, dataset), name=experiment.name)
    history = pd.DataFrame(progress.history)
    result = TrainResult(detector, history, progress.best_epoch, dataset, parts.unreadable)
    if folder is None:
        return result
    _write(folder, result)
    return _finished(folder, experiment, dataset)


def _claim(folder: Path, experiment: Experiment, dataset: Dataset) -> bool:
    """Mark `folder` as this run's; says whether the run is already finished.

    Raises:
        ConfigError: another run lives there.
    """
    run: dict[str, Any] = {"experiment": experiment.model_dump(mode="json"), "data": dataset.fingerprint()}
    file = folder / RUN_FILE
    if not file.exists():
        if (folder / SPEC_FILE).exists():
            raise ConfigError(f"{folder} already holds a model; choose another --out")
        write_json(file, run)
        write_text(folder / "experiment.toml", experiment.to_toml())
        with replacing(folder / SPLIT_FILE) as temporary:
            dataset.frame[["path", "label", "split"]].to_csv(temporary, index=False)
        return False
    written = json.loads(file.read_bytes())
    if written["data"] != run["data"]:
        raise ConfigError(f"{folder} holds a run on other data; choose another --out")
    begun = _with_defaults(written["experiment"])
    if begun != run["experiment"]:
        keys = [key for key in run["experiment"] if begun.get(key) != run["experiment"][key]]
        raise ConfigError(
            f"{folder} holds a run with another {keys[0] if keys else 'experiment'}; choose another --out"
        )
    return (folder / SPEC_FILE).exists()


def _with_defaults(written: dict[str, Any]) -> dict[str, Any]:
    """An experiment as this version would write it: settings that are newer than the run were off in it."""
    try:
        return Experiment.parse(written).model_dump(mode="json")
    except ConfigError:  # of a version that knew other settings
        return written


def _finished(folder: Path, experiment: Experiment, dataset: Dataset) -> TrainResult:
    import pandas as pd

    record = json.loads((folder / "history.json").read_bytes())
    history = pd.read_csv(folder / "history.csv")
    return TrainResult(Detector.open(folder), history, record["best_epoch"], dataset, record["unreadable"])


def _write(folder: Path, result: TrainResult) -> None:
    with replacing(folder / "history.csv") as temporary:
        result.history.to_csv(temporary, index=False)
    write_json(folder / "history.json", {"best_epoch": result.best_epoch, "unreadable": result.unreadable})
    with replacing(folder / "history.png") as temporary:
        result.plot().figure.savefig(temporary, dpi=120)  # type: ignore[union-attr]
    result.detector.save(folder)  # last: a folder with a model in it is finished
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)


def forget_edits(model: Any, share: float) -> None:
    """Take from the logit what editing `share` of the photographs added to it, so that one half is the middle again.

    Of photographs as they are, 1 - share were left to say "real": by Bayes' rule the odds of fake rose by its inverse.
    """
    *_, last = (layer for layer in model.layers if layer.get_weights())
    kernel, bias = last.get_weights()
    bias[-1] += np.log1p(-share)  # of the only logit, or of the score of "fake" in a pair
    last.set_weights([kernel, bias])


def _operating_point(model: Any, parts: Parts) -> OperatingPoint:
    """Chosen on validation; with photographs or fakes missing there, the convention of one half stays."""
    validation = parts.validation
    if validation is None or len(np.unique(validation.labels > 0)) < 2:
        return OperatingPoint()
    logits = predict_logits(TensorFlowEngine(model), validation)
    positive = (validation.labels > 0).astype(np.int64)
    if logits.shape[1] > 1:  # verdicts are about "not a photograph", whichever of the other classes it is
        return choose_operating_point(positive, calibrated(np.logaddexp.reduce(logits[:, 1:], axis=1) - logits[:, 0]))
    temperature = fit_temperature(logits[:, 0], positive)
    return choose_operating_point(positive, calibrated(logits[:, 0], temperature), temperature=temperature)


def fit_guard(model: Any, spec: DetectorSpec, dataset: Dataset) -> DomainGuard | None:
    """Fitted to the embeddings of up to `GUARD_IMAGES` training images."""
    training = dataset.split("train")
    rows = np.random.default_rng(0).permutation(len(training))[:GUARD_IMAGES]
    predictions = Detector.of(model, spec).predict(training.take(np.sort(rows)))
    embeddings: NDArray[np.float32] = predictions.embeddings[
        ~np.isnan(predictions.logits).reshape(len(rows), -1).any(axis=1)
    ]
    return DomainGuard.fit(embeddings)


def _record(dataset: Dataset) -> DataRecord:
    frame = dataset.frame
    parts = frame.groupby("split")["label"].value_counts().unstack(fill_value=0)
    images = {str(part): {str(label): int(count) for label, count in row.items()} for part, row in parts.iterrows()}
    sources = {str(name): int(count) for name, count in frame["source"].value_counts().items()}
    return DataRecord(fingerprint=dataset.fingerprint(), images=images, sources=sources)
