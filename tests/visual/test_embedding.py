"""The map of faces: same seed, same map; what is written; and where new images land."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fakeimg.config import Head
from fakeimg.data.dataset import Dataset
from fakeimg.errors import DatasetError
from fakeimg.models.detector import Detector
from fakeimg.visual.embedding import EmbeddingMap, embed
from fakeimg.visual.trustworthiness import trustworthiness


@pytest.fixture(scope="module")
def mapped_detector(make_detector: Any) -> Detector:
    """A network whose averaged features tell pictures apart although it learned nothing."""
    detector: Detector = make_detector("mobilenet_v2", 64, Head())
    return detector


@pytest.fixture(scope="module")
def data(sample: Dataset) -> Dataset:
    """The rendered sample with one file that is no picture."""
    (sample.root / "broken.png").write_bytes(b"not a picture")
    frame = pd.concat([sample.frame, pd.DataFrame([{"path": "broken.png", "label": "fake"}])], ignore_index=True)
    return Dataset(frame, sample.root, sample.class_names)


@pytest.fixture(scope="module")
def faces(mapped_detector: Detector, data: Dataset) -> EmbeddingMap:
    return embed(mapped_detector, data, engine="tensorflow")


def test_the_same_seed_draws_the_same_map(faces: EmbeddingMap, mapped_detector: Detector, data: Dataset) -> None:
    again = embed(mapped_detector, data, engine="tensorflow")
    np.testing.assert_array_equal(again.points, faces.points)
    pd.testing.assert_frame_equal(again.clusters, faces.clusters)


def test_what_cannot_be_read_is_listed_and_left_out(faces: EmbeddingMap, data: Dataset) -> None:
    assert len(faces) == len(data) - 1
    assert faces.failed["path"].tolist() == ["broken.png"]


def test_the_clusters_add_up_to_the_map(faces: EmbeddingMap) -> None:
    table = faces.clusters
    assert table["n"].sum() == len(faces)
    assert table["n_fake"].sum() == faces.fake.sum()
    assert table["errors"].sum() == faces.frame["wrong"].sum()
    wrong = (faces.frame["probability_fake"] >= 0.5) != faces.fake
    np.testing.assert_array_equal(faces.frame["wrong"], wrong)


def test_an_image_of_the_map_is_placed_where_it_lies(faces: EmbeddingMap) -> None:
    placed = faces.place([*faces.paths[:12], faces.root / "broken.png"])
    assert placed["status"].tolist() == ["ok"] * 12 + ["error"]
    spread = np.linalg.norm(np.ptp(faces.points, axis=0))
    moved = np.linalg.norm(placed[["x", "y"]].to_numpy()[:12] - faces.points[:12], axis=1)
    assert np.median(moved) < 0.25 * spread
    assert np.isnan(placed["x"].iloc[12])
    np.testing.assert_allclose(placed["probability_fake"][:12], faces.frame["probability_fake"][:12], atol=1e-3)


def test_everything_is_written_for_other_tools(faces: EmbeddingMap, tmp_path: Path) -> None:
    faces.write(tmp_path)
    frame = pd.read_parquet(tmp_path / "map.parquet")
    assert {"x", "y", "cluster", "label", "probability_fake", "path"} <= set(frame.columns)
    assert len(frame) == len(faces)
    summary = json.loads((tmp_path / "map.json").read_text())
    assert summary["images"] == len(faces)
    assert summary["model_sha256"] == faces.detector.weights_sha256
    assert {path.name for path in tmp_path.iterdir()} == {
        *("map.parquet", "map.json", "map.html", "map.png", "grid.png", "clusters.csv")
    }


def test_a_handful_of_images_makes_no_map(mapped_detector: Detector, sample: Dataset) -> None:
    with pytest.raises(DatasetError, match="at least 16 images, and 5"):
        embed(mapped_detector, sample.take(range(5)), engine="tensorflow")


def test_trustworthiness_is_scikit_learns() -> None:
    from sklearn.manifold import trustworthiness as reference

    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 20))
    points = features[:, :2] + rng.normal(size=(300, 2))
    whole = trustworthiness(features, points, neighbours=10, sample=300)
    assert whole == pytest.approx(reference(features, points, n_neighbors=10), abs=1e-12)
    assert trustworthiness(features, points, neighbours=10, sample=150) == pytest.approx(whole, abs=0.02)
