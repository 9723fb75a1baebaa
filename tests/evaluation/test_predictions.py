import json

import numpy as np
import pandas as pd
import pytest

from fakeimg.errors import DatasetError
from fakeimg.evaluation.predictions import ScoredImages


@pytest.fixture
def frame():
    return pd.DataFrame({"label": ["photo", "ai", "ai"], "probability_fake": [0.2, 0.4, np.nan]})


def test_images_without_a_score_are_left_out_and_the_rest_judged(frame):
    images = ScoredImages.open(frame, negative="photo")
    assert images.fake.tolist() == [False, True]
    assert images.correct.tolist() == [True, False]
    assert ScoredImages.open(frame, negative="photo", threshold=0.3).correct.tolist() == [True, True]


def test_a_folder_says_which_class_is_negative(frame, tmp_path):
    frame.to_parquet(tmp_path / "predictions.parquet")
    (tmp_path / "metrics.json").write_text(json.dumps({"class_names": ["photo", "ai"]}))
    assert ScoredImages.open(tmp_path).fake.tolist() == [False, True]


def test_what_cannot_be_read_is_said(frame, tmp_path):
    with pytest.raises(DatasetError, match="no image is labelled 'real'; the labels are ai, photo"):
        ScoredImages.open(frame)
    with pytest.raises(
        DatasetError, match="need a column 'probability_fake', got label, probability_fakes; did you mean"
    ):
        ScoredImages.open(frame.rename(columns={"probability_fake": "probability_fakes"}))
    with pytest.raises(DatasetError, match="no image with a probability"):
        ScoredImages.open(frame.iloc[2:])
    with pytest.raises(DatasetError, match="a DataFrame, a file or a folder, got int"):
        ScoredImages.open(3)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DatasetError, match=r"broken.parquet is neither Parquet nor CSV"):
        ScoredImages.open(tmp_path / "broken.parquet")
