import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fakeimg.data.dataset import Dataset
from fakeimg.errors import DatasetError


def folders(root, *files):
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(f"content of {Path(name).name}"))
    return root


def manifest(folder, text, name="faces.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def rows(data, *columns):
    return sorted(zip(*(data.frame[name] for name in columns), strict=True))


# Folders


def test_a_subfolder_for_each_class_gives_the_label(tmp_path):
    data = Dataset.open(folders(tmp_path, "real/a.png", "real/b.jpg", "fake/a.png"))
    assert rows(data, "path", "label") == [("fake/a.png", "fake"), ("real/a.png", "real"), ("real/b.jpg", "real")]
    assert dict(zip(data.frame["path"], data.labels.tolist(), strict=True))["fake/a.png"] == 1


@pytest.mark.parametrize(
    ("real", "fake"),
    [("0_real", "1_fake"), ("reals", "fakes"), ("training_real", "training_fake"), ("REAL", "Fake"), ("nature", "ai")],
)
def test_names_that_published_sets_use_for_the_classes_are_understood(tmp_path, real, fake):
    data = Dataset.open(folders(tmp_path, f"{real}/a.png", f"{fake}/b.png"))
    assert rows(data, "path", "label") == sorted([(f"{real}/a.png", "real"), (f"{fake}/b.png", "fake")])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["0/a.png", "1/b.png"], "0 and 1 do not say which is fake"),
        (["real/a.png", "stylegan/b.png"], "no class: stylegan; the classes are real, fake"),
        (["real/a.png", "fale/b.png"], "did you mean 'fake'"),
        (["real/a.png", "reals/b.png", "fake/c.png"], "the folders real and reals would both be 'real'"),
        (
            ["a.png", "b.png"],
            "2 images, none of them in a class folder; one subfolder per class is expected: real, fake",
        ),
        (["pictures/a.png"], "none of them in a class folder"),
        (["real/notes.txt"], "no images"),
    ],
)
def test_folders_that_would_have_to_be_guessed_are_refused(tmp_path, files, message):
    with pytest.raises(DatasetError, match=message):
        Dataset.open(folders(tmp_path, *files))


def test_digits_are_classes_where_the_caller_says_so(tmp_path):
    data = Dataset.open(folders(tmp_path, "0/a.png", "1/b.png"), classes=("1", "0"))
    assert dict(zip(data.frame["path"], data.labels.tolist(), strict=True)) == {"0/a.png": 1, "1/b.png": 0}


def test_three_classes_keep_the_order_they_are_asked_for_in(tmp_path):
    data = Dataset.open(
        folders(tmp_path, "edited/a.png", "real/a.png", "generated/a.png"), classes=("real", "edited", "generated")
    )
    assert data.class_names == ("real", "edited", "generated")
    assert sorted(zip(data.labels.tolist(), data.frame["label"], strict=True)) == [
        (0, "real"),
        (1, "edited"),
        (2, "generated"),
    ]


def test_kaggle_folders_fill_the_split(tmp_path):
    data = Dataset.open(
        folders(tmp_path, "train/real/a.png", "train/fake/a.png", "valid/real/b.png", "test/fake/c.png")
    )
    assert rows(data, "path", "label", "split") == [
        ("test/fake/c.png", "fake", "test"),
        ("train/fake/a.png", "fake", "train"),
        ("train/real/a.png", "real", "train"),
        ("valid/real/b.png", "real", "validation"),
    ]


def test_splits_inside_the_class_folders_are_splits_and_not_sources(tmp_path):
    data = Dataset.open(folders(tmp_path, "real/train/a.png", "fake/test/stylegan2/b.png"))
    assert rows(data, "label", "split") == [("fake", "test"), ("real", "train")]
    assert data.frame["source"].dropna().tolist() == ["stylegan2"]


def test_the_outer_folder_decides_the_split(tmp_path):
    data = Dataset.open(folders(tmp_path, "train/real/test/a.png", "train/fake/b.png"))
    assert data.frame["split"].tolist() == ["train", "train"]


def test_two_names_for_one_split_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="val and valid would both be 'validation'"):
        Dataset.open(folders(tmp_path, "val/real/a.png", "valid/fake/b.png"))


def test_the_one_folder_that_an_archive_wraps_around_everything_is_looked_through(tmp_path):
    data = Dataset.open(folders(tmp_path, "rvf/real-vs-fake/train/real/a.png", "rvf/real-vs-fake/train/fake/b.png"))
    assert rows(data, "label", "split") == [("fake", "train"), ("real", "train")]
    assert all(path.is_file() for path in data.paths)


def test_a_subfolder_of_a_class_is_the_source(tmp_path):
    data = Dataset.open(folders(tmp_path, "real/a.png", "fake/stylegan2/seed1/b.png", "fake/sdxl/c.png"))
    sources = dict(zip(data.frame["path"], data.frame["source"], strict=True))
    assert sources["fake/stylegan2/seed1/b.png"] == "stylegan2"
    assert sources["fake/sdxl/c.png"] == "sdxl"
    assert pd.isna(sources["real/a.png"])


def test_a_set_of_fakes_alone_can_be_opened(tmp_path):
    assert Dataset.open(folders(tmp_path, "fake/a.png", "fake/b.png")).labels.tolist() == [1, 1]


def test_a_folder_with_a_manifest_is_what_the_manifest_says(tmp_path):
    folders(tmp_path, "real/a.png", "fake/b.png", "fake/left_out.png")
    manifest(tmp_path, "path,label\nreal/a.png,real\nfake/b.png,fake\n", "manifest.csv")
    assert len(Dataset.open(tmp_path)) == 2


def test_two_manifests_in_a_folder_are_refused(tmp_path):
    manifest(tmp_path, "path,label\na.png,real\n", "manifest.csv")
    pd.DataFrame({"path": ["a.png"], "label": ["fake"]}).to_parquet(tmp_path / "manifest.parquet")
    with pytest.raises(DatasetError, match="name the one to open"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"), [("nothing", "does not exist"), ("face.png", "neither a folder nor a manifest")]
)
def test_what_is_no_data_set_is_refused(tmp_path, name, message):
    folders(tmp_path, "face.png")
    with pytest.raises(DatasetError, match=message):
        Dataset.open(tmp_path / name)


# Manifests


def test_the_columns_of_a_csv_stay_text_and_only_empty_cells_are_missing(tmp_path):
    path = manifest(tmp_path, "path,label,group,glasses,age\na.png,real,001,None,07\nb.png,fake,,,NA\n")
    frame = Dataset.open(path).frame
    assert frame["group"].tolist()[0] == "001"
    assert pd.isna(frame["group"][1])
    assert frame["glasses"].tolist()[0] == "None"
    assert pd.isna(frame["glasses"][1])
    assert frame["age"].tolist() == ["07", "NA"]


def test_attributes_are_the_columns_that_are_not_part_of_the_manifest_itself(tmp_path):
    path = manifest(
        tmp_path,
        "Path,LABEL,gender,source,generator,split,group,truncated,race\na.png,Real,woman,s,g,train,1,no,Asian\n",
    )
    assert Dataset.open(path).attributes == ("gender", "race")


def test_absent_optional_columns_are_there_and_empty(tmp_path):
    frame = Dataset.open(manifest(tmp_path, "path,label\na.png,real\n")).frame
    assert list(frame.columns) == ["path", "label", "source", "generator", "split", "group"]
    assert frame[["source", "generator", "split", "group"]].isna().all(axis=None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_not_part_of_the_first_heading(tmp_path, encoding):
    data = Dataset.open(manifest(tmp_path, "path,label,name\na.png,real,Zoë\n", encoding=encoding))
    assert data.frame["name"].tolist() == ["Zoë"]


def test_splits_and_labels_get_their_proper_names(tmp_path):
    data = Dataset.open(manifest(tmp_path, "path,label,split\na,REAL,Val\nb, fakes,TRAINING\nc,Fake,\n"))
    assert data.frame["label"].tolist() == ["real", "fake", "fake"]
    assert data.frame["split"].dropna().tolist() == ["validation", "train"]


def test_the_index_column_of_a_saved_frame_is_no_attribute(tmp_path):
    pd.DataFrame({"path": ["a", "b"], "label": ["real", "fake"]}).to_csv(tmp_path / "saved.csv")
    assert Dataset.open(tmp_path / "saved.csv").attributes == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\n", "lists no images"),
        ("", "cannot be read as CSV"),
        ("filepath,label\na,real\n", "no column 'path'; it has filepath, label; did you mean 'filepath'"),
        ("path;label\na;real\n", "no column 'path'; it has path;label"),
        ("path,labels\na,real\n", "no column 'label'.*did you mean 'labels'"),
        ("path,label,Label\na,real,fake\n", "more than one column 'label'"),
        ("path,label\na,0\nb,1\n", "0 and 1 do not say which is fake"),
        ("path,label\na,real\nb,fakke\n", "no class: fakke.*did you mean 'fake'"),
        ("path,label\na,real\nb,\n,fake\n", "1 rows have no path, the first is data row 3"),
        ("path,label\na,real\nb,\n", "1 rows have no label, the first is data row 2"),
        ("path,label\na,real\n./a,fake\n", "more than once .1 extra rows., first 'a'"),
        ("path,label,split\na,real,trian\n", "unknown splits: trian.*did you mean 'train'"),
        ("path,label\na,real,x\nb,fake,y\n", "more cells than the header"),
        ("path,label\na,real\nb,fake,y\n", "cannot be read as CSV"),
        ('path,label\na,"real\n', "cannot be read as CSV"),
    ],
)
def test_a_manifest_that_would_have_to_be_guessed_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(DatasetError, match=message) as caught:
        Dataset.open(manifest(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_csv_in_another_encoding_is_refused_rather_than_misread(tmp_path):
    with pytest.raises(DatasetError, match="not UTF-8; save it as"):
        Dataset.open(manifest(tmp_path, "path,label,name\na.png,real,Zoë\n", encoding="cp1252"))


def test_a_damaged_parquet_file_is_a_dataset_error(tmp_path):
    (tmp_path / "faces.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DatasetError, match="cannot be read as Parquet"):
        Dataset.open(tmp_path / "faces.parquet")


def test_numbers_in_a_parquet_file_name_groups_without_a_decimal_point(tmp_path):
    frame = pd.DataFrame({"path": ["a", "b"], "label": ["real", "fake"], "group": [3.0, np.nan], "age": [31, 40]})
    frame.to_parquet(tmp_path / "faces.parquet")
    opened = Dataset.open(tmp_path / "faces.parquet").frame
    assert opened["group"].tolist()[0] == "3"
    assert opened["age"].tolist() == [31, 40]


def test_paths_start_at_the_manifest_and_absolute_ones_are_kept(tmp_path):
    elsewhere = tmp_path / "elsewhere" / "b.png"
    path = manifest(folders(tmp_path / "set", "a.png"), f"path,label\na.png,real\n{elsewhere},fake\n")
    assert Dataset.open(path).paths == [tmp_path / "set" / "a.png", elsewhere]


def test_a_relative_root_survives_a_change_of_folder(tmp_path, monkeypatch):
    folders(tmp_path / "set", "real/a.png")
    monkeypatch.chdir(tmp_path)
    data = Dataset.open("set")
    monkeypatch.chdir("/")
    assert all(path.is_file() for path in data.paths)


# Choosing


def test_sources_are_chosen_by_name(tmp_path):
    folders(tmp_path, "real/utk/a.png", "real/lfw/b.png", "fake/sdxl/c.png")
    assert rows(Dataset.open(tmp_path, sources=("utk", "sdxl")), "source") == [("sdxl",), ("utk",)]
    with pytest.raises(DatasetError, match="no source 'sdlx'; it has lfw, sdxl, utk; did you mean 'sdxl'"):
        Dataset.open(tmp_path, sources=("sdlx",))


def test_a_split_is_a_data_set_and_an_unknown_one_an_error(tmp_path):
    data = Dataset.open(folders(tmp_path, "train/real/a.png", "train/fake/b.png", "test/fake/c.png"))
    assert data.split("test").frame["path"].tolist() == ["test/fake/c.png"]
    with pytest.raises(DatasetError, match="no images in split 'validation'; it has test, train"):
        data.split("validation")
    with pytest.raises(DatasetError, match="no splits: assign them"):
        Dataset.open(tmp_path / "train").split("train")


def test_rows_are_taken_by_mask_or_by_number_in_the_order_asked(tmp_path):
    data = Dataset.open(folders(tmp_path, "real/a.png", "real/b.png", "fake/c.png"))
    paths = data.frame["path"].tolist()
    assert data.take([2, 0]).frame["path"].tolist() == [paths[2], paths[0]]
    assert data.take(np.array([False, True, False])).frame["path"].tolist() == [paths[1]]
    assert data.take([2, 0]).frame.index.tolist() == [0, 1]
    with pytest.raises(DatasetError, match="mask of shape"):
        data.take([True, False])


def test_assign_leaves_the_original_as_it_was(tmp_path):
    data = Dataset.open(folders(tmp_path, "real/a.png", "fake/b.png"))
    assert data.assign(glasses=["yes", "no"]).attributes == ("glasses",)
    assert data.attributes == ()
    with pytest.raises(DatasetError, match="label 'photo' is none of the classes"):
        data.assign(label=["photo", "fake"])


# Identity and writing


def test_the_fingerprint_depends_on_contents_labels_and_paths_alone(tmp_path):
    here = Dataset.open(folders(tmp_path / "here", "real/a.png", "real/b.png", "fake/c.png"))
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    there = Dataset.open(tmp_path / "there")
    assert there.fingerprint() == here.fingerprint() == here.take([2, 0, 1]).fingerprint()
    assert here.assign(label=["real"] * 3).fingerprint() != here.fingerprint()
    assert here.take([0, 1]).fingerprint() != here.fingerprint()
    (tmp_path / "there/real/a.png").write_bytes(b"changed")
    assert Dataset.open(tmp_path / "there").fingerprint() != here.fingerprint()


def test_a_file_that_cannot_be_read_has_no_hash_and_the_others_do(tmp_path):
    folders(tmp_path, "a.png")
    data = Dataset.open(manifest(tmp_path, "path,label\na.png,real\ngone.png,fake\n"))
    first, second = data.content_hashes()
    assert (len(first), second) == (64, None)
    assert len(data.fingerprint()) == 64


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_manifest_written_elsewhere_finds_the_same_files(tmp_path, suffix):
    data = Dataset.open(folders(tmp_path / "set", "real/001/a, b.png", "fake/c.png")).assign(name=['say "hi"', np.nan])
    data.write(tmp_path / "runs" / "first" / f"split{suffix}")
    again = Dataset.open(tmp_path / "runs" / "first" / f"split{suffix}")
    assert [os.path.realpath(path) for path in again.paths] == [str(path) for path in data.paths]
    assert again.frame["path"].str.startswith("../../set/").all()
    for name in data.frame.columns.drop("path"):
        assert again.frame[name].fillna("(missing)").tolist() == data.frame[name].fillna("(missing)").tolist()
    assert again.content_hashes() == data.content_hashes()


def test_an_unlabelled_test_folder_is_not_part_of_the_set(tmp_path):
    data = Dataset.open(folders(tmp_path, "train/real/a.png", "train/fake/b.png", "test/c.png"))
    assert rows(data, "path") == [("train/fake/b.png",), ("train/real/a.png",)]


def test_a_failed_write_leaves_the_old_manifest(tmp_path):
    data = Dataset.open(folders(tmp_path, "real/a.png"))
    data.write(tmp_path / "list.csv")
    before = (tmp_path / "list.csv").read_bytes()
    folders(tmp_path, "real/\udcff.png")
    data = Dataset.open(tmp_path)
    assert None not in data.content_hashes()
    with pytest.raises(DatasetError, match="rename that file"):
        data.write(tmp_path / "list.csv")
    assert (tmp_path / "list.csv").read_bytes() == before
    with pytest.raises(DatasetError, match=r"ends in .csv or .parquet, not '.xlsx'"):
        data.write(tmp_path / "list.xlsx")


# Display


def test_the_short_form_names_the_counts_and_the_long_one_the_sources(tmp_path):
    data = Dataset.open(folders(tmp_path, "train/real/utk/a.png", "train/fake/<b>/b.png", "test/fake/<b>/c.png"))
    assert repr(data) == f"<Dataset of 3 images: 1 real, 2 fake; train 2, test 1; {tmp_path}>"
    shown = data._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
    cells = re.findall("<t[hd][^>]*>(.*?)</t[hd]>", shown)
    assert cells[-4:] == ["", "1", "2", "3"]
    assert "utk" in cells


# The real faces


def test_the_real_faces_open_with_their_sources_and_attributes(shared_data):
    data = Dataset.open(shared_data / "faces")
    assert data.frame["source"].value_counts().to_dict() == {
        "utkface": 2997,
        "all_age_faces": 999,
        "deforgify_fake": 700,
        "nomask": 694,
        "deforgify_real": 589,
        "generated_faces": 499,
        "sdfd": 400,
    }
    assert len(data) == 6878
    assert np.bincount(data.labels).tolist() == [5279, 1599]
    assert data.attributes == ("gender", "race", "age", "expression", "glasses")
    assert None not in data.content_hashes()
