"""The layouts a labelled set comes in: class folders, or a CSV or Parquet manifest; each is read into one frame."""

import os
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

from fakeimg.data.images import find_images
from fakeimg.errors import DatasetError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("path", "label")
OPTIONAL = ("source", "generator", "split", "group")
SPLITS = ("train", "validation", "test")
MANIFESTS = (".csv", ".parquet")

# What published sets call the two classes and their splits. None of these can be read two ways, unlike "0" and "1".
_CLASS_ALIASES = {
    "real": ("reals", "0_real", "real_images", "real_faces", "training_real", "nature"),
    "fake": ("fakes", "1_fake", "fake_images", "fake_faces", "training_fake", "ai"),
}
_SPLIT_ALIASES = {
    "train": ("training",),
    "validation": ("valid", "val"),
    "test": ("testing",),
}


def read_layout(location: Path, classes: Sequence[str]) -> tuple["pd.DataFrame", Path]:
    """The rows of a folder or manifest, and the folder that their paths are relative to.

    A folder that holds `manifest.csv` or `manifest.parquet` is what that manifest says, whatever else lies in it.

    Raises:
        DatasetError: nothing is there, it is neither a folder nor a manifest, or it cannot be read without guessing.
    """
    if location.is_dir():
        manifests = [
            location / f"manifest{suffix}" for suffix in MANIFESTS if (location / f"manifest{suffix}").is_file()
        ]
        if len(manifests) > 1:
            raise DatasetError(f"{location} holds manifest.csv and manifest.parquet; name the one to open")
        if not manifests:
            return read_folder(location, classes), location
        location = manifests[0]
    if not location.exists():
        raise DatasetError(f"{location} does not exist; give a folder with one subfolder per class, or a manifest")
    if location.suffix.lower() not in MANIFESTS:
        raise DatasetError(f"{location} is neither a folder nor a manifest ({' or '.join(MANIFESTS)})")
    return read_manifest(location, classes), location.parent


def read_folder(folder: Path, classes: Sequence[str]) -> "pd.DataFrame":
    """The images below `folder`, as `[split/]class/[split/][source/…]image`.

    A single folder around all of it, as archives have, is looked through. Images outside class folders have no label
    and are not part of the set.

    Raises:
        DatasetError: a folder with images is no class, two folders mean the same class or split, or no class is found.
    """
    import pandas as pd

    images = [image.relative_to(folder) for image in find_images(folder)]
    inside = [image for image in images if len(image.parts) > 1]
    wrapped = _wrappers(inside, classes)
    rows, strangers = [], set()
    spelt: dict[str, set[str]] = defaultdict(set)
    for image in inside:
        folders = list(image.parts[wrapped:-1])
        names = {}
        for kind in ("split", "label", "split"):
            name = folders and (_split_named(folders[0]) if kind == "split" else class_named(folders[0], classes))
            if name and kind not in names:
                names[kind] = name
                spelt[name].add(folders.pop(0))
        if "label" in names:
            rows.append({"path": image.as_posix(), **names, **({"source": folders[0]} if folders else {})})
        elif folders:
            strangers.add(folders[0])
    if strangers:
        raise DatasetError(
            f"{folder} has folders that are no class: {_some(sorted(strangers))}; {_wanted(strangers, classes)}"
        )
    if not rows:
        found = f"{len(images)} images, none of them in a class folder" if images else "no images"
        raise DatasetError(f"{folder} holds {found}; one subfolder per class is expected: {', '.join(classes)}")
    for name, folders_of in spelt.items():
        if len(folders_of) > 1:
            raise DatasetError(
                f"{folder}: the folders {' and '.join(sorted(folders_of))} would both be {name!r}; keep one"
            )
    # As plain objects, since a file name need not be valid Unicode.
    return pd.DataFrame(rows, columns=["path", "label", "source", "split"], dtype=object)


def read_manifest(manifest: Path, classes: Sequence[str]) -> "pd.DataFrame":
    """The rows of a CSV (UTF-8, or UTF-16 with its mark) or Parquet manifest, labels and splits by their proper names.

    The columns of a CSV stay text ("001" is not 1), and only an empty cell is missing ("NA" and "None" are values).
    Attributes of a Parquet file keep their types.

    Raises:
        DatasetError: unreadable, without `path` or `label`, or with an empty, unknown or repeated cell in them.
    """
    frame = read_table(manifest)
    # A column without a heading is the row index that a data frame was saved with.
    frame = frame[[name for name in frame.columns if str(name).strip() and not str(name).startswith("Unnamed: ")]]
    frame = frame.rename(columns={name: _column(str(name)) for name in frame.columns})
    for name in REQUIRED:
        if name not in frame:
            hint = did_you_mean(name, frame.columns)
            raise DatasetError(f"{manifest} has no column {name!r}; it has {_some(list(frame.columns))}{hint}")
    if repeated := sorted(set(frame.columns[frame.columns.duplicated()])):
        raise DatasetError(f"{manifest} has more than one column {repeated[0]!r}; keep one")
    for name in (*REQUIRED, *OPTIONAL):
        if name in frame:
            frame[name] = _text(frame[name])
    for name in REQUIRED:
        if missing := int(frame[name].isna().sum()):
            row = int(frame[name].isna().argmax())
            raise DatasetError(
                f"{manifest}: {missing} rows have no {name}, the first is data row {row + 1}; fill or drop them"
            )
    frame["path"] = [str(PurePosixPath(path)) for path in frame["path"]]
    if count := int(frame["path"].duplicated().sum()):
        first = frame["path"][frame["path"].duplicated()].iloc[0]
        raise DatasetError(
            f"{manifest} lists a path more than once ({count} extra rows), first {first!r}; keep one row each"
        )
    labels = {label: class_named(label, classes) for label in frame["label"].unique()}
    if unknown := [label for label, name in labels.items() if name is None]:
        raise DatasetError(f"{manifest} has labels that are no class: {_some(unknown)}; {_wanted(unknown, classes)}")
    frame["label"] = frame["label"].map(labels)
    if "split" in frame:
        splits = {split: _split_named(split) for split in frame["split"].dropna().unique()}
        if strange := [split for split, name in splits.items() if name is None]:
            hint = did_you_mean(strange[0], SPLITS)
            raise DatasetError(f"{manifest} has unknown splits: {_some(strange)}; use {', '.join(SPLITS)}{hint}")
        frame["split"] = frame["split"].map(splits).astype(object)
    return frame


def class_named(name: str, classes: Sequence[str]) -> str | None:
    """The one of `classes` that `name` says, whatever its case, or by a name that published sets use for it."""
    return _named(name, {wanted: _CLASS_ALIASES.get(wanted.casefold(), ()) for wanted in classes})


def _split_named(name: str) -> str | None:
    return _named(name, _SPLIT_ALIASES)


def _named(name: str, aliases: dict[str, tuple[str, ...]]) -> str | None:
    plain = name.strip().casefold()
    exact = [wanted for wanted in aliases if plain == wanted.casefold()]
    known = [wanted for wanted, others in aliases.items() if plain.replace("-", "_").replace(" ", "_") in others]
    return next(iter(exact or known), None)


def _wrappers(images: Sequence[PurePath], classes: Sequence[str]) -> int:
    """How many folders stand, one in the other, around everything."""
    depth = 0
    while images:
        around = {image.parts[depth] if len(image.parts) > depth + 1 else "" for image in images}
        name = around.pop()
        if around or not name or class_named(name, classes) or _split_named(name):
            break
        depth += 1
    return depth


def _wanted(found: Sequence[str] | set[str], classes: Sequence[str]) -> str:
    """What would do instead of class names that say nothing."""
    if set(found) <= {"0", "1"}:
        return (
            f"0 and 1 do not say which is fake: rename them to {' and '.join(classes)}, "
            'or give their meaning by order, the real one first, as in classes=("0", "1")'
        )
    hint = did_you_mean(sorted(found)[0], classes)
    return f"the classes are {', '.join(classes)}{hint or '; rename them, or give classes=…, the real one first'}"


def _column(name: str) -> str:
    plain = name.strip()
    return plain.casefold() if plain.casefold() in (*REQUIRED, *OPTIONAL) else plain


def _text(column: "pd.Series") -> "pd.Series":
    """The column as Python strings, missing cells as NaN, whole numbers without a decimal point."""
    text = column.convert_dtypes().astype("string").astype(object)
    return text.where(text.notna() & (text != ""), float("nan"))


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(map(str, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")


def read_table(path: Path) -> "pd.DataFrame":
    """A CSV file, its cells text and empty ones missing, or a Parquet file.

    Raises:
        DatasetError: it cannot be read as what its suffix says.
    """
    return _read_csv(path) if path.suffix.lower() == ".csv" else _read_parquet(path)


def _read_csv(manifest: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        with manifest.open("rb") as file:
            start = file.read(2)
        encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        with warnings.catch_warnings():
            # Rows longer than the header would otherwise lose their last cells.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                manifest, dtype=str, encoding=encoding, keep_default_na=False, na_values=[""], index_col=False
            )
    except UnicodeDecodeError as error:
        # Any guess at the encoding would decode, and change names and paths without a word.
        raise DatasetError(f"{manifest} is not UTF-8; save it as 'CSV UTF-8', or convert it with iconv") from error
    except pd.errors.ParserWarning as error:
        raise DatasetError(
            f"{manifest}: rows have more cells than the header names; quote cells that hold a comma"
        ) from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{manifest} cannot be read as CSV: {_one_line(error)}") from error


def _read_parquet(manifest: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        return pd.read_parquet(manifest)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{manifest} cannot be read as Parquet: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def rebase(path: str, root: Path, folder: Path) -> str:
    """`path`, relative to `root`, as seen from `folder`; an absolute path stays as it is."""
    if PurePosixPath(path).is_absolute():
        return path
    return Path(os.path.relpath(root.resolve() / path, folder.resolve())).as_posix()
