import json

import numpy as np
import pytest

from fakeimg.errors import ModelError
from fakeimg.models.decision import OperatingPoint, calibrated, verdict


def test_verdicts_between_the_thresholds_are_inconclusive():
    point = OperatingPoint(threshold_fake=0.7, threshold_real=0.3)
    calls = verdict([0.0, 0.29, 0.3, 0.5, 0.69, 0.7, 1.0], point)
    assert calls.tolist() == ["real", "real", "inconclusive", "inconclusive", "inconclusive", "fake", "fake"]


def test_an_image_of_another_kind_is_out_of_domain_whatever_its_probability():
    calls = verdict([0.0, 0.5, 1.0], OperatingPoint(), out_of_domain=[True, False, True])
    assert calls.tolist() == ["out-of-domain", "fake", "out-of-domain"]


def test_a_probability_that_is_no_number_gets_no_verdict():
    with pytest.raises(ModelError, match="1 of 2 probabilities are not numbers"):
        verdict([0.1, float("nan")], OperatingPoint())


def test_calibrated_is_the_sigmoid_without_overflow():
    assert calibrated(np.log(3)) == pytest.approx(0.75)
    assert calibrated([-1e6, 0, 1e6]).tolist() == [0, 0.5, 1]
    assert calibrated(2.0, temperature=2.0) == calibrated(1.0)


def test_an_operating_point_survives_json():
    point = OperatingPoint(
        threshold_fake=0.6,
        threshold_real=0.4,
        chosen_on="validation",
        n_real=10,
        false_alarms={"value": 0.0, "low": 0.0, "high": 0.28, "n": 10},
        temperature=1.3,
    )
    assert OperatingPoint.from_json(json.loads(json.dumps(point.to_json()))) == point
    assert OperatingPoint.from_json({}) == OperatingPoint()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"threshold_fake": 0.3, "threshold_real": 0.6}, "0 ≤ threshold_real ≤ threshold_fake ≤ 1, got 0.6 and 0.3"),
        ({"threshold_fake": float("nan")}, "got 0.5 and nan"),
        ({"threshold_fake": "0.5"}, "threshold_fake is a number, got '0.5'"),
        ({"threshold_fak": 0.5}, "no field 'threshold_fak'; did you mean 'threshold_fake'"),
        ({"temperature": 0}, "a temperature is a positive number, got 0"),
    ],
)
def test_a_damaged_operating_point_is_refused(content, message):
    with pytest.raises(ModelError, match=message):
        OperatingPoint.from_json(content)
