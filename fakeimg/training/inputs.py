"""What a network is fed while it trains: decoded images, or the features of a frozen trunk."""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.config import Experiment
from fakeimg.data.augment import augment_batch, random_patches
from fakeimg.data.dataset import Dataset
from fakeimg.data.edits import chosen, edit_batch
from fakeimg.data.images import read_batches
from fakeimg.errors import DatasetError
from fakeimg.models.features import trunk_features, trunk_identity
from fakeimg.models.network import Architecture, has_pool
from fakeimg.progress import progress_bar
from fakeimg.training.fitting import Examples
from fakeimg.training.prepare import class_weights, drawing_weights


@dataclass(frozen=True)
class Parts:
    """Examples of one experiment, by part of the split; images that could not be read are left out.

    Attributes:
        unreadable: path → reason.
    """

    train: Examples
    validation: Examples | None
    unreadable: dict[str, str]


def image_inputs(experiment: Experiment, dataset: Dataset) -> Parts:
    """Examples that are images of the network's size, or patches of them, augmented anew in every epoch."""
    settings, patch, size = experiment.augment, experiment.train.patch, experiment.image_size
    large = (round(size[0] * settings.oversize), round(size[1] * settings.oversize))
    training_pixels, errors = _decode(experiment, dataset, "train", large)
    validation_pixels, more_errors = _decode(experiment, dataset, "validation", size)
    photographs = dataset.labels == 0

    def edited(rows: NDArray[np.int64], epoch: int) -> NDArray[np.bool_]:
        which = chosen(experiment.train.edited_fakes, experiment.seed, rows, epoch)
        return np.asarray(photographs[rows] & which)

    def training(rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        changed = augment_batch(training_pixels[rows], settings, experiment.seed, rows, epoch, size=size)
        if experiment.train.edited_fakes:
            changed = edit_batch(changed, edited(rows, epoch), experiment.seed, rows, epoch)
        if patch is not None:
            changed = random_patches(changed, patch, experiment.seed, rows, epoch)
        return changed.astype(np.float32)

    def plain(rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        return validation_pixels[rows].astype(np.float32)

    edits = edited if experiment.train.edited_fakes else None
    return _parts(experiment, dataset, errors | more_errors, training, plain, edits)


def _decode(
    experiment: Experiment, dataset: Dataset, part: str, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Pixels (n, h, w, 3) of a part of the split, at the rows that its images have in `dataset`, and row → error.

    Every file is decoded once, into a temporary file that is mapped into memory: as fast as memory while it fits,
    and flat when it does not. Rows of other parts take no room in it.
    """
    members = np.flatnonzero(dataset.frame["split"].to_numpy(dtype=object) == part)
    paths = dataset.paths
    with tempfile.TemporaryFile() as file:  # without a name already: the mapping alone keeps it
        pixels = np.memmap(file, np.uint8, "w+", shape=(len(dataset), *size, 3))
    errors: dict[int, str] = {}
    with progress_bar(f"decoding {part}", len(members)) as advance:
        for rows, images, failed in read_batches(
            [paths[row] for row in members], size, framing=experiment.framing, truncated=experiment.data.truncated
        ):
            pixels[members[rows]] = images
            errors |= {int(members[row]): str(error) for row, error in failed.items()}
            advance(len(rows) + len(failed))
    return pixels, errors


def feature_inputs(experiment: Experiment, dataset: Dataset, model: Any) -> Parts:
    """Examples that are features of a frozen trunk, which runs once for every image and view."""
    # The test part is not read.
    dataset = dataset.take(dataset.frame["split"].isin(("train", "validation")).to_numpy(dtype=bool))
    architecture = Architecture.of(experiment)
    options: dict[str, Any] = {
        "trunk_sha256": trunk_identity(experiment.backbone, experiment.weights, experiment.seed),
        "truncated": experiment.data.truncated,
        "pooled": has_pool(model),
    }
    plain_features = trunk_features(model, architecture, dataset, **options)
    views = plain_features.values
    if experiment.augment.active:
        augmented = trunk_features(
            model,
            architecture,
            dataset,
            augment=experiment.augment,
            views=experiment.augment.views,
            seed=experiment.seed,
            **options,
        )
        views = augmented.values

    def training(rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        return np.asarray(views[epoch % len(views)][rows])

    def plain(rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        return np.asarray(plain_features.values[0][rows])

    return _parts(experiment, dataset, plain_features.errors, training, plain)


def _parts(
    experiment: Experiment, dataset: Dataset, errors: dict[int, str], training: Any, plain: Any, edited: Any = None
) -> Parts:
    unreadable = {str(Path(dataset.frame["path"].iloc[row])): reason for row, reason in sorted(errors.items())}
    if unreadable:
        path, reason = next(iter(unreadable.items()))
        warnings.warn(
            f"{len(unreadable)} of {len(dataset)} images cannot be read and are left out, such as {path}: {reason}",
            stacklevel=2,
        )
    readable = ~np.isin(np.arange(len(dataset)), list(errors))
    split = dataset.frame["split"].to_numpy(dtype=object)
    train_rows = np.flatnonzero(readable & (split == "train"))
    validation_rows = np.flatnonzero(readable & (split == "validation"))
    labels = dataset.labels
    if len(np.unique(labels[train_rows])) < len(dataset.class_names):
        raise DatasetError("after leaving out what cannot be read, a class has no image to train on")
    weights = class_weights(experiment, labels[train_rows])
    train = Examples(
        lambda rows, epoch: training(train_rows[rows], epoch),
        labels[train_rows],
        weights,
        draw=drawing_weights(experiment, dataset.take(train_rows)),
        edited=None if edited is None else lambda rows, epoch: edited(train_rows[rows], epoch),
    )
    validation = Examples(
        lambda rows, epoch: plain(validation_rows[rows], epoch),
        labels[validation_rows],
        np.ones(len(validation_rows), np.float32),
    )
    return Parts(train, validation if len(validation_rows) else None, unreadable)
