"""The model folder: what it holds, how it is written, and how it is checked before anything in it is used."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fakeimg.errors import ModelError
from fakeimg.files import replacing, sha256, write_json, write_text
from fakeimg.models import layer_config, strict_json
from fakeimg.models.decision import OperatingPoint
from fakeimg.models.network import Architecture

FORMAT = 1
SPEC_FILE = "fakeimg.json"
WEIGHTS_FILE = "model.weights.h5"
GUARD_FILE = "domain_guard.npz"
GRAPH_FILE = "graph/model.xml"
CARD_FILE = "README.md"
CONFIG_FILE = "config.json"
MAX_SPEC_BYTES = 2_000_000
MAX_FILES = 32
MAX_BYTES = 4 * 2**30


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRecord(_Part):
    """Size and content of one file of the folder."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class DataRecord(_Part):
    """What a detector was trained on."""

    fingerprint: str = ""
    images: dict[str, dict[str, int]] = Field({}, description="part of the split → class → number of images")
    sources: dict[str, int] = {}


class DetectorSpec(_Part):
    """Everything about a detector but its weights; the content of `fakeimg.json`."""

    format: int = FORMAT
    architecture: Architecture
    positive_class: str
    started_from: str = "random initialisation"
    operating_point: dict[str, Any] = Field({}, description="fields of `fakeimg.models.decision.OperatingPoint`")
    experiment: dict[str, Any] = {}
    data: DataRecord = DataRecord()
    metrics: dict[str, Any] = {}
    audit: dict[str, Any] = {}
    stress: dict[str, Any] = {}
    hub: dict[str, str] = Field({}, description="repository and commit that the folder was pulled from")
    versions: dict[str, str] = {}
    created: str = ""
    licence: str = "not stated"
    files: dict[str, FileRecord] = {}

    @model_validator(mode="after")
    def _check_classes(self) -> "DetectorSpec":
        names = self.architecture.class_names
        if len(set(names)) != len(names):
            raise ValueError(f"class names repeat: {', '.join(names)}")
        if self.positive_class not in names[1:]:
            # With the classes in another order every verdict would be turned round.
            raise ValueError(f"the positive class {self.positive_class!r} is not among {', '.join(names[1:])}")
        self.decision  # noqa: B018 — thresholds out of range are refused here, not at the first verdict
        return self

    @property
    def decision(self) -> OperatingPoint:
        """The thresholds and the temperature."""
        return OperatingPoint.from_json(self.operating_point)


def current_versions() -> dict[str, str]:
    """Versions of what made a model."""
    return {name: version(name) for name in ("fakeimg", "keras", "tensorflow", "numpy")}


def write_artifact(
    folder: Path, spec: DetectorSpec, model: Any, guard: dict[str, Any] | None, card: str
) -> DetectorSpec:
    """Write a model folder; `fakeimg.json` comes last, so a folder that has it is whole.

    Returns:
        The spec as written, with the size and SHA-256 of every other file but the card.
    """
    import keras
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / WEIGHTS_FILE) as temporary:
        # Keras wants the double suffix.
        named = temporary.with_name(f"{temporary.stem}.weights.h5")
        try:
            model.save_weights(named)
            named.replace(temporary)
        finally:
            named.unlink(missing_ok=True)
    write_text(folder / CONFIG_FILE, json.dumps(keras.saving.serialize_keras_object(model)))
    created = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(folder / "metadata.json", {"keras_version": keras.__version__, "date_saved": created})
    names = [WEIGHTS_FILE, CONFIG_FILE, "metadata.json"]  # not the card: it may be edited, here and on the Hub
    if guard is not None:
        with replacing(folder / GUARD_FILE) as temporary:
            np.savez(temporary, **guard)
        names.append(GUARD_FILE)
    write_text(folder / CARD_FILE, card)
    return write_spec(folder, spec.model_copy(update={"created": created, "versions": current_versions()}), names)


def write_spec(folder: Path, spec: DetectorSpec, names: Iterable[str]) -> DetectorSpec:
    """Write `fakeimg.json` with the present size and SHA-256 of the files called `names`."""
    files = {name: FileRecord(sha256=sha256(folder / name), bytes=(folder / name).stat().st_size) for name in names}
    spec = spec.model_copy(update={"files": files})
    write_json(folder / SPEC_FILE, spec.model_dump(mode="json"))
    return spec


def read_spec(folder: Path) -> DetectorSpec:
    """Read `fakeimg.json`; no other file is opened.

    Raises:
        ModelError: no such folder, no or a damaged `fakeimg.json`, one from a newer fakeimg, or values out of bounds.
    """
    if folder.is_file():
        raise ModelError(
            f"{folder} is a file; fakeimg opens model folders alone, as .h5 models and pickles can hold programs "
            '(a .keras file may start a training: weights = "FILE.keras")'
        )
    if not folder.is_dir():
        raise ModelError(
            f"no model folder {str(folder)!r}; give a folder that holds {SPEC_FILE}, hf://owner/name, or bundled"
        )
    if not (folder / SPEC_FILE).is_file():
        raise ModelError(f"{folder} holds no {SPEC_FILE}, so it is not a fakeimg model")
    file = _own_file(folder, SPEC_FILE)
    content = _read_json(file)
    if not isinstance(content, dict):
        raise ModelError(f"{file} is damaged: an object was expected, not {type(content).__name__}")
    found = content.get("format")
    if type(found) is not int or not 1 <= found <= FORMAT:  # True is an int, too
        raise ModelError(f"{file} has format {found!r}; this fakeimg reads up to {FORMAT}: pip install -U fakeimg")
    try:
        return DetectorSpec.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ModelError(f"{file}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


def verify(folder: Path, spec: DetectorSpec) -> None:
    """Compare every file that `fakeimg.json` lists with its size and SHA-256; nothing large is read before that.

    Raises:
        ModelError: a missing or changed file, one that lies outside the folder, more than 4 GiB, no weights, or a
            `config.json` that would have stock Keras run something.
    """
    if WEIGHTS_FILE not in spec.files:
        raise ModelError(f"{folder / SPEC_FILE} lists no {WEIGHTS_FILE}")
    if len(spec.files) > MAX_FILES or sum(record.bytes for record in spec.files.values()) > MAX_BYTES:
        raise ModelError(f"{folder / SPEC_FILE} lists more than {MAX_FILES} files or {MAX_BYTES:,} bytes")
    for name, record in spec.files.items():
        path = _own_file(folder, name)
        size = path.stat().st_size
        if size != record.bytes:
            raise ModelError(f"{path} has {size:,} bytes, not {record.bytes:,}: truncated or replaced")
        if sha256(path) != record.sha256:
            raise ModelError(f"{path} is not the file that {SPEC_FILE} describes: its SHA-256 differs")
    if CONFIG_FILE in spec.files:
        layer_config.check_classes(_read_json(folder / CONFIG_FILE), str(folder / CONFIG_FILE))


def _own_file(folder: Path, name: str) -> Path:
    """The path of an ordinary file of the folder.

    Links may stay in the folder, or lead from a snapshot of the Hub's cache to the cache's store of contents: else a
    folder could have fakeimg read the user's other files, or wait for a pipe.
    """
    if not re.fullmatch(r"(\w[\w.-]{0,99}/)?\w[\w.-]{0,99}", name, re.ASCII):
        raise ModelError(f"{folder / SPEC_FILE} lists {name!r}, which is no name of a file of the folder")
    path = folder / name
    if not path.is_file():
        raise ModelError(f"{folder} lacks {name}, which its {SPEC_FILE} lists, or it is no ordinary file")
    root = folder.resolve()
    homes = [root, root.parents[1] / "blobs"] if root.parent.name == "snapshots" else [root]
    if not any(path.resolve().is_relative_to(home) for home in homes):
        raise ModelError(f"{path} is a link that leads out of the folder; copy the file into the folder")
    return path


def _read_json(file: Path) -> Any:
    with file.open("rb") as opened:
        content = opened.read(MAX_SPEC_BYTES + 1)  # bounded, whatever size the file states
    if len(content) > MAX_SPEC_BYTES:
        raise ModelError(f"{file} has {file.stat().st_size:,} bytes; a real one has fewer than {MAX_SPEC_BYTES:,}")
    return strict_json.parse(content, str(file))
