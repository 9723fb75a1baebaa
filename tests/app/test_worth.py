"""Facts about what the page says a verdict is worth."""

import pytest

from fakeimg.app.worth import Rates, meaning, measured, percent
from fakeimg.models.artifact import DetectorSpec
from fakeimg.models.network import Architecture


def rate(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high, "n": 100}


def spec_with(**values) -> DetectorSpec:
    from fakeimg.config import Head

    architecture = Architecture(
        backbone="five_conv", image_size=(64, 64), framing="stretch", head=Head(), class_names=("real", "fake")
    )
    return DetectorSpec(architecture=architecture, positive_class="fake", **values)


# 5 % false alarms and every fake caught.
POINT = {
    "false_alarms": rate(0.05, 0.03, 0.08),
    "misses": rate(0.0, 0.0, 0.04),
    "caught": rate(1.0, 0.96, 1.0),
    "passed": rate(0.9, 0.85, 0.94),
}
MEASURED = {"n": 400, "accuracy": rate(0.95, 0.92, 0.97), "operating_point": POINT}


def test_at_one_fake_in_a_hundred_most_alarms_of_a_good_model_are_false() -> None:
    rates = Rates.of(spec_with(metrics=MEASURED))
    assert rates is not None
    value, low, high = rates.right("fake", 0.01)
    assert value == pytest.approx(0.01 / (0.01 + 0.05 * 0.99))
    assert low < value < high
    assert rates.right("fake", 0.5)[0] == pytest.approx(0.5 / 0.525)


def test_photographs_that_pass_are_weighed_against_missed_fakes_and_not_against_undecided_ones() -> None:
    rates = Rates.of(spec_with(metrics=MEASURED | {"operating_point": POINT | {"misses": rate(0.1, 0.05, 0.2)}}))
    assert rates is not None
    assert rates.right("real", 0.3)[0] == pytest.approx(0.9 * 0.7 / (0.9 * 0.7 + 0.1 * 0.3))


def test_whole_pictures_of_a_thousand_add_up() -> None:
    words = meaning("fake", Rates.of(spec_with(metrics=MEASURED)), 0.1)
    assert "says “looks generated” of 145 in 1,000: 100 are generated, 45 are photographs" in words
    assert "right in 69 % of cases" in words


@pytest.mark.parametrize("verdict", ["inconclusive", "out-of-domain", None])
def test_no_claim_is_never_called_right_or_wrong(verdict: str | None) -> None:
    assert "No claim" in meaning(verdict, Rates.of(spec_with(metrics=MEASURED)), 0.1)


def test_a_model_without_an_evaluation_says_so() -> None:
    assert "no evaluation" in measured(spec_with())
    assert Rates.of(spec_with()) is None
    assert "nobody can say" in meaning("fake", None, 0.1)


def test_the_images_on_which_thresholds_were_chosen_stand_in_and_are_named() -> None:
    point = {"false_alarms": POINT["false_alarms"], "misses": POINT["misses"], "n_real": 60, "n_fake": 40}
    rates = Rates.of(spec_with(operating_point=point))
    assert rates is not None
    assert "100 pictures on which its thresholds were chosen" in rates.measured_on


def test_the_weakest_source_is_named() -> None:
    sources = {"studio": {"accuracy": rate(0.99, 0.9, 1)}, "web": {"accuracy": rate(0.6, 0.5, 0.7)}}
    assert "Weakest source: web, 60 % (50 % to 70 %)" in measured(spec_with(metrics=MEASURED | {"by_source": sources}))


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0 %"), (0.0001, "<0.1 %"), (0.004, "0.4 %"), (0.168, "17 %"), (0.996, "99.6 %"), (1, "100 %")],
)
def test_a_share_is_never_rounded_to_certainty(share: float, words: str) -> None:
    assert percent(share) == words
