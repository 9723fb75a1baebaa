"""Annotators fill empty cells alone, say who judged and how surely, and are compared with what was given."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fakeimg.data.agreement import compare_values
from fakeimg.data.annotate import Judgement, annotate
from fakeimg.data.dataset import Dataset
from fakeimg.data.deepface import EXPRESSIONS, RACES_APART, RACES_FOLDED, DeepFaceAnnotator, fold
from fakeimg.data.written import FileNames, Table, utkface_names
from fakeimg.errors import ConfigError, DatasetError

UTKFACE = ("25_0_2_20170116174525125.jpg", "8_1_0_201701.jpg", "no_attributes.jpg", "61_1_20170109.jpg")


def dataset(paths: tuple[str, ...], root: Path = Path("/nowhere"), **columns: list) -> Dataset:
    return Dataset(pd.DataFrame({"path": list(paths), "label": "real", **columns}), root)


class Colour:
    """Judges by the first byte of the file, and counts how often it is asked."""

    name = "colour"
    attributes = ("hair",)
    fingerprint: str | None = "colour 1"
    learnt_from: frozenset[str] = frozenset()

    def __init__(self, stop_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.stop_after = stop_after

    def judge(self, dataset: Dataset) -> Iterator[Mapping[str, Judgement]]:
        for path in dataset.paths:
            if len(self.asked) == self.stop_after:
                raise KeyboardInterrupt
            self.asked.append(path.name)
            first = path.read_bytes()[0]
            yield {"hair": Judgement("dark" if first < 128 else "light", abs(first - 128) / 128)}


@pytest.fixture
def files(tmp_path: Path) -> Dataset:
    for i, value in enumerate((0, 100, 140, 255)):
        (tmp_path / f"{i}.jpg").write_bytes(bytes([value, i]) + tmp_path.name.encode())
    return dataset(("0.jpg", "1.jpg", "2.jpg", "3.jpg"), tmp_path)


def test_utkface_names_are_read() -> None:
    frame = annotate(dataset(UTKFACE), [utkface_names()]).dataset.frame
    assert frame["race"].tolist()[:2] == ["asian", "white"]
    assert frame["gender"].tolist()[:2] == ["man", "woman"]
    assert frame["age"].tolist()[:2] == ["25", "8"]
    assert (
        frame[["age", "gender", "race"]].isna().to_numpy()[2:].all()
    )  # the last lacks its race, as some of UTKFace do
    assert frame["gender_annotator"].tolist()[0] == "UTKFace name"
    assert frame["gender_confidence"].tolist()[0] == 1


def test_given_values_stay_and_the_first_annotator_that_answers_wins() -> None:
    data = dataset(("man_a.jpg", "woman_b.jpg", "c.jpg"), gender=["woman", None, ""])
    names = FileNames(r"^(?P<gender>man|woman)_")
    last = FileNames(r"(?P<gender>\w)$", name="last letter")
    found = annotate(data, [names, last]).dataset.frame
    assert found["gender"].tolist() == ["woman", "woman", "c"]
    assert found["gender_annotator"].fillna("").tolist() == ["", "file name", "last letter"]


def test_attributes_do_not_include_who_judged_them(tmp_path: Path) -> None:
    out = tmp_path / "manifest.csv"
    annotate(dataset(UTKFACE, tmp_path), [utkface_names()], out=out)
    again = Dataset.open(out)
    assert again.attributes == ("age", "gender", "race")
    assert float(again.frame["gender_confidence"].iloc[0]) == 1


def test_unsure_values_stay_empty_on_request(files: Dataset) -> None:
    result = annotate(files, [Colour()], min_confidence=0.5)
    assert result.dataset.frame["hair"].fillna("").tolist() == ["dark", "", "", "light"]
    assert result.table.loc[0, ["filled", "low_confidence", "no_answer"]].tolist() == [2, 2, 0]
    assert annotate(files, [Colour()]).dataset.frame["hair"].notna().all()


def test_a_slow_annotator_is_asked_once_an_image(files: Dataset) -> None:
    first, second = Colour(), Colour()
    annotate(files, [first])
    before = annotate(files, [second]).dataset.frame
    assert (len(first.asked), second.asked) == (4, [])
    third = Colour()
    (files.root / "1.jpg").write_bytes(b"\xff another picture" + files.root.name.encode())
    after = annotate(dataset(("0.jpg", "1.jpg", "2.jpg", "3.jpg"), files.root), [third]).dataset.frame
    assert third.asked == ["1.jpg"]
    assert (before["hair"].iloc[1], after["hair"].iloc[1]) == ("dark", "light")


def test_an_interrupted_run_goes_on_where_it_was(files: Dataset) -> None:
    with pytest.raises(KeyboardInterrupt):
        annotate(files, [Colour(stop_after=3)])
    rest = Colour()
    assert annotate(files, [rest]).dataset.frame["hair"].notna().all()
    assert rest.asked == ["3.jpg"]


def test_a_missing_image_is_no_answer(files: Dataset) -> None:
    data = dataset(("0.jpg", "gone.jpg"), files.root)
    assert annotate(data, [Colour()]).table.loc[0, ["filled", "no_answer"]].tolist() == [1, 1]


def test_a_table_is_matched_by_path_then_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    rows = pd.DataFrame(
        {
            "path": ["../a/1.jpg", "2.jpg", "x/3.jpg", "y/3.jpg"],
            "glasses": ["none", "glasses", "none", "glasses"],
            "glasses_confidence": [0.9, None, 1, 1],
        }
    )
    rows.to_csv(tmp_path / "notes" / "t.csv", index=False)
    data = dataset(("a/1.jpg", "b/2.jpg", "b/3.jpg"), tmp_path)
    frame = annotate(data, [Table(tmp_path / "notes" / "t.csv")]).dataset.frame
    assert frame["glasses"].fillna("").tolist() == ["none", "glasses", ""]  # two rows are called 3.jpg
    assert frame["glasses_confidence"].tolist()[:2] == [0.9, 1.0]


def test_check_compares_with_given_values_alone() -> None:
    paths = ("man_1.jpg", "man_2.jpg", "woman_3.jpg", "4.jpg", "woman_5.jpg")
    data = dataset(paths, gender=["Man", "woman", "woman", "man", None])
    result = annotate(data, [FileNames(r"^(?P<gender>man|woman)_")], check=True)
    (agreement,) = result.agreements
    assert (agreement.n, agreement.unanswered) == (3, 1)
    assert agreement.value == pytest.approx(2 / 3)
    assert agreement.low == pytest.approx(0.2077, abs=1e-4)  # Wilson, 2 of 3
    assert agreement.confusion.loc["woman", "Man"] == 1  # spelt as it was given
    assert result.dataset.frame["gender"].tolist() == ["Man", "woman", "woman", "man", "woman"]
    again = annotate(result.dataset, [FileNames(r"^(?P<gender>man|woman)_")], check=True)
    assert again.agreements[0].n == 3  # what it filled in itself is no evidence for it


def test_a_gap_shrinks_by_the_attenuation_when_errors_are_independent() -> None:
    """Bross' factor against a simulation: a million faces, an annotator with errors, a detector with a true gap."""
    random = np.random.default_rng(0)
    n = 1_000_000
    true = random.random(n) < 0.3
    called = np.where(true, random.random(n) < 0.9, random.random(n) < 0.05)
    right = random.random(n) < np.where(true, 0.70, 0.90)
    given = pd.Series(np.where(true, "glasses", "none")[:200_000])
    said = {row: Judgement("glasses" if value else "none") for row, value in enumerate(called[:200_000])}
    agreement = compare_values(given, said, attribute="glasses", annotator="simulated")
    row = agreement.by_value.set_index("value").loc["glasses"]
    seen = right[called].mean() - right[~called].mean()
    assert seen == pytest.approx(-0.20 * row["attenuation"], abs=0.004)


def test_no_pattern_of_errors_exceeds_the_worst_case() -> None:
    random = np.random.default_rng(1)
    widest = 0.0
    for _ in range(60):
        true, called = random.random(40) < 0.4, random.random(40) < 0.4
        given = pd.Series(np.where(true, "v", "w"))
        said = {row: Judgement("v" if value else "w") for row, value in enumerate(called)}
        bound = compare_values(given, said, attribute="a", annotator="b").by_value.set_index("value")["worst_case"]["v"]
        for right in (~true & called, true | ~called, true & ~called, random.random(40) < 0.5):
            gap = abs(right[called].mean() - right[true].mean())
            assert gap <= bound + 1e-12
            widest = max(widest, gap / bound)
    assert widest == pytest.approx(1)  # and it is reached


def test_scores_are_folded_before_the_best_is_chosen() -> None:
    scores = {"angry": 20, "disgust": 10, "fear": 15, "sad": 10, "neutral": 40, "happy": 4, "surprise": 1}
    judgement = fold(scores, EXPRESSIONS)
    assert judgement.value == "negative"
    assert judgement.confidence == pytest.approx(0.55)


def test_races_fold_as_published_or_not() -> None:
    scores = {"asian": 20, "indian": 25, "middle eastern": 15, "white": 30, "black": 5, "latino hispanic": 5}
    assert fold(scores, RACES_FOLDED) == Judgement("asian", 0.6)
    assert fold(scores, RACES_APART).value == "white"


def test_deepface_says_how_to_install_it() -> None:
    try:
        import deepface  # noqa: F401
    except ImportError:
        with pytest.raises(ConfigError, match=r"pip install 'fakeimg\[deepface\]'"):
            DeepFaceAnnotator()
    with pytest.raises(ConfigError, match="does not judge 'age'"):
        DeepFaceAnnotator(("age",))


def test_deepface_without_its_weights_is_no_answer_about_the_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")

    def no_network(*_: object, **__: object) -> None:
        raise ValueError("An exception occurred while downloading retinaface.h5")

    def no_face(*_: object, **__: object) -> None:
        raise ValueError("Face could not be detected in numpy array.")

    monkeypatch.setattr("fakeimg.data.deepface.version", lambda _: "0.0.103")
    annotator, data = DeepFaceAnnotator(), dataset(("a.png",), tmp_path)
    monkeypatch.setattr("fakeimg.data.deepface._analyze", lambda: no_network)
    with pytest.raises(ConfigError, match=r"DeepFace cannot work: .*downloading retinaface"):
        list(annotator.judge(data))
    monkeypatch.setattr("fakeimg.data.deepface._analyze", lambda: no_face)
    assert list(annotator.judge(data)) == [{}] * len(data)


def test_wrong_arguments_are_refused_before_any_work(tmp_path: Path) -> None:
    data = dataset(UTKFACE)
    with pytest.raises(ConfigError, match="not a manifest"):
        annotate(data, [utkface_names()], out=tmp_path / "out.txt")
    with pytest.raises(ConfigError, match="0 to 1"):
        annotate(data, [utkface_names()], min_confidence=80)
    with pytest.raises(ConfigError, match="no annotator"):
        annotate(data, [])
    with pytest.raises(DatasetError, match="nothing to check against"):
        annotate(data, [utkface_names()], check=True)
    with pytest.raises(ConfigError, match="is not a regular expression"):
        FileNames("(?P<gender>")
    with pytest.raises(ConfigError, match="names no attribute"):
        FileNames(r"\d+")
    with pytest.raises(DatasetError, match="not a table"):
        Table(tmp_path / "absent.csv")
    with pytest.raises(ConfigError, match="fills attributes"):
        annotate(data, [FileNames("(?P<label>.)")])


def test_results_draw_themselves() -> None:
    data = dataset(("man_1.jpg", "woman_2.jpg"), gender=["man", "man"])
    result = annotate(data, [FileNames(r"^(?P<gender>man|woman)_")], check=True)
    assert "50.0 %" in result.agreements[0].plot().get_title()
    assert result.plot().get_xlabel() == "images"
    assert "50.0 %" in result._repr_html_()
