"""Clusters, the grid and galleries: what they count, where they put things."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fakeimg.data.dataset import Dataset
from fakeimg.errors import DatasetError
from fakeimg.scoring.intervals import wilson
from fakeimg.visual.clusters import cluster_table
from fakeimg.visual.gallery import confusions, labelled_sample, top_losses
from fakeimg.visual.grid import assign_to_grid, grid_shape


def test_clusters_come_with_the_failing_ones_first_and_noise_last() -> None:
    clusters = np.repeat([0, 1, 2, -1], [100, 100, 40, 10])
    wrong = np.zeros(250, bool)
    wrong[100:130] = True  # 30 of 100 in cluster 1
    wrong[240:] = True  # all of the noise
    fake = np.arange(250) % 2 == 0
    table = cluster_table(clusters, fake, wrong, np.linspace(0, 1, 250))
    assert table["cluster"].tolist() == [1, 0, 2, -1]
    first = table.iloc[0]
    expected = wilson(30, 100)
    assert (first["error_rate"], first["low"], first["high"]) == (expected.value, expected.low, expected.high)
    assert first["p_adjusted"] < 1e-4
    assert np.isnan(table.iloc[3]["p_adjusted"])
    assert (table["high"] > table["low"]).all()


def test_no_cluster_is_called_failing_when_errors_fall_at_random() -> None:
    rng = np.random.default_rng(0)
    flagged = 0
    for _ in range(100):
        clusters = rng.integers(0, 20, 600)
        table = cluster_table(clusters, rng.random(600) < 0.5, rng.random(600) < 0.1, rng.random(600))
        flagged += bool((table["p_adjusted"] < 0.05).any())
    assert flagged <= 10  # 5 of 100 expected at most


def test_faces_that_lie_on_a_grid_keep_their_places() -> None:
    rows, columns = 4, 5
    cells = np.stack(np.divmod(np.random.default_rng(0).permutation(rows * columns), columns), axis=1)
    points = np.stack([cells[:, 1] * 3.0, (rows - 1 - cells[:, 0]) * 7.0], axis=1)  # y points up
    np.testing.assert_array_equal(assign_to_grid(points, rows, columns), cells)


def test_every_face_has_a_cell_of_its_own() -> None:
    points = np.random.default_rng(0).normal(size=(37, 2))
    rows, columns = grid_shape(37)
    cells = assign_to_grid(points, rows, columns)
    assert len({tuple(cell) for cell in cells.tolist()}) == 37
    assert cells.min() >= 0
    assert (cells.max(axis=0) < [rows, columns]).all()


@pytest.fixture
def predictions() -> pd.DataFrame:
    """Four reals and four fakes, of which one each is called wrongly."""
    return pd.DataFrame(
        {
            "path": [f"{i}.png" for i in range(8)],
            "label": ["real"] * 4 + ["fake"] * 4,
            "probability_fake": [0.1, 0.2, 0.3, 0.99, 0.9, 0.8, 0.65, 0.4],
        }
    )


def test_the_worst_mistakes_come_first(predictions: pd.DataFrame, tmp_path: Path) -> None:
    worst = top_losses(predictions, n=3, root=tmp_path)
    assert [path.name for path in worst.paths] == ["3.png", "7.png", "6.png"]
    assert worst.captions[0] == "real, p(fake) 0.99"
    assert worst.pictures(16).shape == (3, 16, 16, 3)  # files that are gone are grey squares


def test_the_cells_of_the_confusion_matrix_hold_every_image_once(predictions: pd.DataFrame) -> None:
    cells = confusions(predictions)
    assert {key: [path.name for path in found.paths] for key, found in cells.items()} == {
        ("real", "real"): ["0.png", "1.png", "2.png"],
        ("real", "fake"): ["3.png"],
        ("fake", "fake"): ["4.png", "5.png", "6.png"],
        ("fake", "real"): ["7.png"],
    }


def test_predictions_without_paths_have_no_pictures(predictions: pd.DataFrame) -> None:
    with pytest.raises(DatasetError, match="'path'"):
        top_losses(predictions.drop(columns="path"))


def test_a_labelled_sample_shows_each_class(sample: Dataset) -> None:
    shown = labelled_sample(sample, n=6)
    assert shown.fake.sum() == 3
    assert [caption.split("\n")[0] for caption in shown.captions] == ["real", "fake"] * 3
    assert "<figure" in shown.to_html()
