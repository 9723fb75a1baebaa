"""Models made to harm whoever opens them: folders, and files of Keras' own format.

Every folder starts as a whole, sound detector and is changed in one way. Then its `fakeimg.json` is made to describe
the changed files, so that it is not the hash that gives them away. Payloads write the file `marker` when they run.
"""

import io
import json
import os
import pickle
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fakeimg.files import sha256

CONFIG, SPEC, WEIGHTS, GUARD = "config.json", "fakeimg.json", "model.weights.h5", "domain_guard.npz"
HUGE = 2_000_000_000
Change = Callable[[Path], None]


@dataclass(frozen=True)
class Malicious:
    """One harmful thing and the words with which it must be turned away."""

    name: str
    path: Path
    words: str


class Payload:
    """Writes the marker when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.marker}'",)


def lambda_layer(marker: Path) -> dict[str, Any]:
    """The configuration of a Lambda layer whose program writes the marker."""
    import keras

    program = eval(f"lambda x: (open({str(marker)!r}, 'w').close(), x)[1]")
    made: dict[str, Any] = keras.saving.serialize_keras_object(keras.layers.Lambda(program, name="evil"))
    return made


def layer(name: str, config: dict[str, Any], module: str = "keras.layers", **more: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": None} | more


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    image = layer("InputLayer", {"batch_shape": [None, 32, 32, 3], "dtype": "float32", "name": "image"})
    return layer("Sequential", {"name": "net", "layers": [image, *layers]}, "keras")


def conv(**settings: Any) -> dict[str, Any]:
    return layer("Conv2D", {"name": "conv", "filters": 4, "kernel_size": [3, 3]} | settings)


# Configurations that would have Keras import, run or allocate something.
def configurations(marker: Path) -> Iterator[tuple[str, Any, str]]:
    touch = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    yield "lambda layer", sequential(lambda_layer(marker)), "Lambda"
    yield "saved model", sequential(layer("TFSMLayer", {"filepath": str(marker.parent), "name": "x"})), "TFSMLayer"
    yield "torch module", sequential(layer("TorchModuleWrapper", {"module": "gASV"})), "TorchModuleWrapper"
    yield "module swap", sequential(layer("Dense", {"units": 1}, "subprocess")), "from 'subprocess'"
    yield (
        "module that is nearly Keras",
        sequential(layer("Dense", {"units": 1}, "keras_evil.layers")),
        "from 'keras_evil",
    )
    yield "registered name", sequential(layer("Dense", {"units": 1}) | {"registered_name": "Evil>Dense"}), "Evil>Dense"
    yield "function as activation", sequential(conv(activation=touch)), "function"
    yield "lambda as activation", sequential(conv(activation=lambda_layer(marker)["config"]["function"])), "__lambda__"
    yield "lambda as initialiser", sequential(conv(kernel_initializer=lambda_layer(marker))), "Lambda"
    yield (
        "type specification",
        sequential({"class_name": "__typespec__", "spec_name": "x", "config": []}),
        "__typespec__",
    )
    yield "stored tensor", sequential(conv(kernel_size={"class_name": "__tensor__", "config": {}})), "__tensor__"
    yield "nested lambda", sequential(sequential(lambda_layer(marker))), "Lambda"
    yield "no module", sequential({"class_name": "Dense", "config": {"units": 1}}), "from None"
    yield "module without a class", sequential({"module": "os", "config": "system"}), "None"
    yield "wrapped layer", sequential(layer("TimeDistributed", {"layer": lambda_layer(marker)})), "TimeDistributed"
    deep: Any = {}
    for _ in range(500):
        deep = {"config": deep}
    yield "deep configuration", deep, "levels deep"


# Weights files that are no plain arrays of this network.
def weights_changes(outside: Path) -> Iterator[tuple[str, Change, str]]:
    def edit(change: Callable[[h5py.File], None]) -> Change:
        def changed(folder: Path) -> None:
            with h5py.File(folder / WEIGHTS, "r+") as file:
                change(file)

        return changed

    def kernel(file: h5py.File) -> tuple[h5py.Group, np.ndarray]:
        group = file["layers/dense/vars"]
        return group, np.asarray(group["0"])

    def instead(make: Callable[[h5py.Group, np.ndarray], None]) -> Change:
        def change(file: h5py.File) -> None:
            group, values = kernel(file)
            del group["0"]
            make(group, values)

        return edit(change)

    def put(name: str, value: Any) -> Callable[[h5py.Group, np.ndarray], None]:
        return lambda group, values: group.__setitem__(name, value)

    def virtual(group: h5py.Group, values: np.ndarray) -> None:
        layout = h5py.VirtualLayout(values.shape, "f4")
        layout[:] = h5py.VirtualSource(str(outside), "x", values.shape)
        group.create_virtual_dataset("0", layout)

    def never_written(group: h5py.Group, values: np.ndarray) -> None:
        group.create_dataset("0", (HUGE, 50), "f4")

    def compressed(group: h5py.Group, values: np.ndarray) -> None:
        group.create_dataset("0", (HUGE,), "f4", chunks=(1_000_000,), compression="gzip")[:1_000_000] = 0

    def repeated(file: h5py.File) -> None:
        for i in range(3000):
            file[f"again{i}"] = file["layers/conv2d_1/vars/0"]

    def renamed(file: h5py.File) -> None:
        file.move("layers/conv2d_1", "layers/elsewhere")

    def swapped(file: h5py.File) -> None:
        for old, new in (("conv2d_1", "x"), ("conv2d_2", "conv2d_1"), ("x", "conv2d_2")):
            file.move(f"layers/{old}", f"layers/{new}")

    def cycle(file: h5py.File) -> None:
        file["layers/round"] = file["layers"]

    def crowd(file: h5py.File) -> None:
        empty = file.create_group("empty")
        for i in range(20_001):
            file[f"g{i}"] = empty

    def value(number: float) -> Callable[[h5py.File], None]:
        return lambda file: file["layers/dense/vars/0"].__setitem__((0, 0), number)

    text = h5py.string_dtype()
    link = "links '0' to data elsewhere"
    yield "external link", instead(put("0", h5py.ExternalLink(str(outside), "/x"))), link
    yield "soft link", instead(put("0", h5py.SoftLink("/layers/conv2d/vars/0"))), link
    yield "linked group", edit(lambda f: f.__setitem__("more", h5py.ExternalLink(str(outside), "/"))), "data elsewhere"
    yield (
        "external storage",
        instead(lambda g, v: g.create_dataset("0", v.shape, "f4", external=[(str(outside), 0, v.nbytes)]) and None),
        "outside the file",
    )
    yield "virtual array", instead(virtual), "outside the file"
    yield "array that was never written", instead(never_written), "does not hold that many"
    yield "compressed bomb", instead(compressed), "outside the file, compressed"
    yield "one array, many names", edit(repeated), "more numbers than it has room for"
    yield "strings", instead(lambda g, v: g.create_dataset("0", v.shape, text) and None), "not as numbers"
    yield "compound type", instead(lambda g, v: g.create_dataset("0", data=np.zeros(3, "f4,f4")) and None), "not as num"
    yield "references", instead(lambda g, v: g.create_dataset("0", (3,), h5py.ref_dtype) and None), "not as numbers"
    yield "named type", instead(put("0", np.dtype("f4"))), "not an array"
    yield "integers", instead(lambda g, v: g.create_dataset("0", data=v.astype("i1")) and None), "numbers, but the net"
    yield "transposed", instead(lambda g, v: g.create_dataset("0", data=v.T.copy()) and None), "does not fit"
    yield "layer under another name", edit(renamed), "does not fit"
    yield "layers swapped", edit(swapped), "does not fit"
    yield "group within itself", edit(cycle), "more entries than any network"
    yield "20,001 entries", edit(crowd), "more entries than any network"
    yield "not a number", edit(value(np.nan)), "not finite"
    yield "infinite", edit(value(np.inf)), "not finite"


def bytes_changes(marker: Path) -> Iterator[tuple[str, Change, str]]:
    """Weights files that are no weights files."""

    def put(content: Callable[[bytes], bytes]) -> Change:
        return lambda folder: rewrite(folder / WEIGHTS, content) and None

    def flip(place: int) -> Callable[[bytes], bytes]:
        return lambda content: content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../evil", b"0" * 50_000_000)
    yield "truncated", put(lambda content: content[:-5000]), "not a whole HDF5"
    yield "half", put(lambda content: content[: len(content) // 2]), "not a whole HDF5"
    yield "empty", put(lambda content: b""), "not a whole HDF5"
    yield "flipped signature", put(flip(3)), "not a whole HDF5"
    yield "flipped offset size", put(flip(13)), "not a whole HDF5"
    yield "pickle", put(lambda content: pickle.dumps(Payload(marker))), "not a whole HDF5"
    yield "zip", put(lambda content: archive.getvalue()), "not a whole HDF5"


def odd_files(outside: Path) -> Iterator[tuple[str, Change, str]]:
    """Things that are no ordinary files of the folder."""

    def replaced(name: str, make: Callable[[Path], object]) -> Change:
        def change(folder: Path) -> None:
            (folder / name).unlink()
            make(folder / name)

        return change

    def sparse(name: str, size: int) -> Change:
        return replaced(name, lambda path: (path.touch(), os.truncate(path, size)))

    for name in (WEIGHTS, SPEC, CONFIG):
        yield (
            f"{name} is a link to a user's file",
            replaced(name, lambda p: p.symlink_to("/etc/passwd")),
            "out of the f",
        )
        yield f"{name} is a pipe", replaced(name, os.mkfifo), "holds no fakeimg|no ordinary file"
        yield f"{name} is a device", replaced(name, lambda p: p.symlink_to("/dev/zero")), "holds no fakeimg|no ordinary"
        yield f"{name} is a folder", replaced(name, Path.mkdir), "holds no fakeimg|no ordinary file"
    yield "link to weights elsewhere", replaced(WEIGHTS, lambda p: p.symlink_to(outside)), "leads out of the folder"
    yield "link that leads nowhere", replaced(WEIGHTS, lambda p: p.symlink_to("nowhere")), "lacks model.weights.h5"
    yield "fakeimg.json of 300 MB", sparse(SPEC, 300_000_000), "300,000,000 bytes"
    yield "config.json of 300 MB", sparse(CONFIG, 300_000_000), "300,000,000 bytes"
    yield "weights of 100 GB", sparse(WEIGHTS, 100_000_000_000), "more than 32 files or"


# Records that lie, or ask for more than there is.
def spec_changes() -> Iterator[tuple[str, Callable[[dict[str, Any]], object], str]]:
    def set_(*keys: str, to: Any) -> Callable[[dict[str, Any]], object]:
        def change(spec: dict[str, Any]) -> None:
            for key in keys[:-1]:
                spec = spec[key]
            spec[keys[-1]] = to

        return change

    def also(name: str, **record: Any) -> Callable[[dict[str, Any]], object]:
        return lambda spec: spec["files"].__setitem__(name, spec["files"][CONFIG] | record)

    def point(name: str, value: Any) -> Callable[[dict[str, Any]], object]:
        return set_("operating_point", to={name: value})

    def classes(*names: str, positive: str = "fake") -> Callable[[dict[str, Any]], object]:
        return lambda spec: (
            set_("architecture", "class_names", to=names)(spec),
            spec.__setitem__("positive_class", positive),
        )

    units, size = ("architecture", "head", "units"), ("architecture", "image_size")
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    yield "two billion units", set_(*units, to=[HUGE]), "head.units"
    yield "wide layer", set_(*units, to=[16_384]), "the head described in fakeimg.json has"
    yield "16 wide layers", set_(*units, to=[16_384] * 16), "the head described in fakeimg.json has"
    yield "a thousand layers", set_(*units, to=[1] * 1000), "head.units"
    yield "negative units", set_(*units, to=[-1]), "head.units"
    yield "image of a million pixels a side", set_(*size, to=[1_000_000, 1_000_000]), "image_size"
    yield (
        "largest image",
        lambda s: (set_(*size, to=[2048, 2048])(s), set_(*units, to=[16_384])(s)),
        "the head described",
    )
    yield "image without height", set_(*size, to=[0, 64]), "image_size"
    yield "three sides", set_(*size, to=[64, 64, 64]), "image_size"
    yield "dropout of everything", set_("architecture", "head", "dropout", to=1.0), "dropout"
    yield "unknown backbone", set_("architecture", "backbone", to="../../evil"), "architecture.backbone"
    yield "other backbone", set_("architecture", "backbone", to="resnet18"), "numbers, but the network"
    yield "unknown framing", set_("architecture", "framing", to="__import__"), "architecture.framing"
    yield "threshold above 1", point("threshold_fake", 2.0), "operating point needs"
    yield "threshold in words", point("threshold_fake", "0.5"), "is a number"
    yield "temperature of 0", point("temperature", 0), "temperature is a positive number"
    yield "unknown threshold", point("threshold", 0.5), "no field 'threshold'"
    yield "classes the wrong way round", classes("fake", "real"), "the photographs come first"
    yield (
        "classes the wrong way round, consistently",
        classes("fake", "real", positive="real"),
        "photographs come first",
    )
    yield "positive class real", set_("positive_class", to="real"), "positive class"
    yield "class twice", classes("real", "fake", "fake"), "class names repeat"
    yield "one class", classes("real"), "class_names"
    yield "100,000 classes", classes("real", "fake", *map(str, range(100_000))), "class_names"
    yield "class name with markup", classes("real", "fake", "<img src=x onerror=alert(1)>"), "class_names"
    yield "class name that moves the cursor", classes("real", "fake", "\x1b[2J"), "control characters"
    yield "class name of 10,000 letters", classes("real", "fake", "x" * 10_000), "class_names"
    yield "format of the future", set_("format", to=99), "format 99"
    yield "format of true", set_("format", to=True), "format True"
    yield "no format", lambda spec: spec.pop("format"), "format None"
    yield "unknown key", set_("loader", to="os.system"), "loader"
    yield "deep JSON", set_("metrics", to={"x": deep}), "levels deep"
    yield "3 MB of metrics", set_("metrics", to={"x": "y" * 3_000_000}), "fewer than 2,000,000"
    for name in ("../evil", "/etc/passwd", "a/../../b", "..\\evil", "C:\\evil", "x\0y", "a\ny", ".hidden", ""):
        yield f"lists the file {name!r}", also(name), "no name of a file of the folder|control characters"
    yield "lists a file that is not there", also("more.bin"), "lacks more.bin"
    yield "lists 10,000 files", lambda s: [also(f"f{i}")(s) for i in range(10_000)], "more than 32 files"
    yield "lists no weights", lambda spec: spec["files"].pop(WEIGHTS), "lists no model.weights.h5"
    yield "lists nothing", set_("files", to={}), "lists no model.weights.h5"
    yield "wrong size", also(CONFIG, bytes=3), "truncated or replaced"
    yield "negative size", also(CONFIG, bytes=-3), "files.config.json.bytes"
    yield "wrong hash", also(CONFIG, sha256="0" * 64), "SHA-256 differs"
    yield "short hash", also(CONFIG, sha256="0"), "files.config.json.sha256"


def text_changes() -> Iterator[tuple[str, Callable[[str], str], str]]:
    """`fakeimg.json` that no writer of JSON makes."""

    def metric(value: str) -> Callable[[str], str]:
        return lambda text: text.replace('"metrics": {}', f'"metrics": {{"x": {value}}}')

    def threshold(value: str) -> Callable[[str], str]:
        return lambda text: text.replace('"operating_point": {}', f'"operating_point": {{"threshold_fake": {value}}}')

    yield "threshold that is no number", threshold("NaN"), "NaN is no number"
    yield "infinite threshold", threshold("Infinity"), "Infinity is no number"
    yield "threshold beyond floats", threshold("1e999"), "beyond every float"
    yield "metric that is no number", metric("-Infinity"), "-Infinity is no number"
    yield "number of 10,000 digits", metric("9" * 10_000), "is damaged"
    yield "100,000 brackets", metric("[" * 100_000), "is damaged"
    yield "key twice", lambda text: text.replace("{", '{"format": 1,', 1), "'format' is there twice"
    yield "nested key twice", metric('{"a": 1, "a": 2}'), "'a' is there twice"
    yield "a list", lambda text: "[]", "an object was expected"
    yield "nothing", lambda text: "", "is damaged"
    yield "cut", lambda text: text[:-20], "is damaged"
    yield "a program", lambda text: "__import__('os').system('true')", "is damaged"


def guards(marker: Path) -> Iterator[tuple[str, bytes, str]]:
    """Domain guards that are bombs, programs, or let everything pass."""

    def npz(compress: bool = False, **arrays: Any) -> bytes:
        buffer = io.BytesIO()
        (np.savez_compressed if compress else np.savez)(buffer, **(sound | arrays))  # type: ignore[operator]
        return buffer.getvalue()

    def header(shape: tuple[int, ...]) -> bytes:
        buffer, member = io.BytesIO(), io.BytesIO()
        np.lib.format.write_array_header_1_0(member, {"descr": "<f2", "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("mean.npy", member.getvalue() + b"\0" * 64)
        return buffer.getvalue()

    sound = {
        "mean": np.zeros(4, np.float16),
        "directions": np.zeros((2, 4), np.float16),
        "threshold": np.array(0.5),
    }
    no = "does not hold a domain guard"
    objects = np.array([Payload(marker)], dtype=object)
    yield "pickled objects", npz(mean=objects), no
    yield "a pickle", pickle.dumps(Payload(marker)), no
    yield "declares 2 TB", header((HUGE, 500)), "declares"
    yield "declares less than nothing", header((-1, 4)), no
    yield "compressed bomb", npz(compress=True, mean=np.zeros(100_000_000, np.float16)), "or more than 16,000,000"
    yield "many arrays", npz(**{f"x{i}": np.zeros(1) for i in range(9)}), "more than seven arrays"
    yield "missing array", (lambda b: b.replace(b"mean.npy", b"../m.npy"))(npz()), no
    yield "not a number", npz(mean=np.full(4, np.nan, np.float16)), "let everything pass"
    yield "infinite threshold", npz(threshold=np.array(np.inf)), "do not fit together"
    yield "arrays of two sizes", npz(mean=np.zeros(5, np.float16)), "do not fit together"
    yield "truncated", npz()[:-100], no
    yield "text", b"mean,directions", no


def model_files(good: Path, marker: Path, folder: Path) -> Iterator[Malicious]:
    """Single files given where a model folder is expected."""
    for name, content in (
        ("model.h5", (good / WEIGHTS).read_bytes()),
        ("model.pkl", pickle.dumps(Payload(marker))),
        ("model.joblib", pickle.dumps(Payload(marker))),
        ("model.keras", keras_file(sequential(lambda_layer(marker)), (good / WEIGHTS).read_bytes())),
        ("fakeimg.json", (good / SPEC).read_bytes()),
    ):
        (folder / name).write_bytes(content)
        yield Malicious(f"file {name}", folder / name, "opens model folders alone")


def make_folders(good: Path, out: Path, marker: Path) -> list[Malicious]:
    """Every malicious model folder, written below `out`; `good` is the sound detector that they are made from."""
    outside = out / "outside.h5"
    shutil.copy(good / WEIGHTS, outside)
    made = []

    def add(name: str, change: Change, words: str, sign: bool = True) -> None:
        folder = out / f"folder{len(made)}"
        shutil.copytree(good, folder)
        change(folder)
        if sign:
            sign_folder(folder)
        made.append(Malicious(name, folder, words))

    def record(change: Callable[[dict[str, Any]], object]) -> Change:
        def changed(folder: Path) -> None:
            spec = json.loads((folder / SPEC).read_bytes())
            change(spec)
            (folder / SPEC).write_text(json.dumps(spec))

        return changed

    for name, config, words in configurations(marker):
        add(f"config.json: {name}", lambda f, c=config: (f / CONFIG).write_text(json.dumps(c)) and None, words)
    for name, change, words in (*weights_changes(outside), *bytes_changes(marker), *odd_files(outside)):
        add(f"weights or file: {name}", change, words)
    for name, content, words in guards(marker):
        add(f"guard: {name}", lambda f, c=content: (f / GUARD).write_bytes(c) and None, words)
    add("flipped bit in the weights", lambda f: flip_last(f / WEIGHTS), "SHA-256 differs", sign=False)
    for name, lie, words in spec_changes():
        add(f"fakeimg.json: {name}", record(lie), words, sign=False)
    for name, rewriting, words in text_changes():
        add(
            f"fakeimg.json: {name}",
            lambda f, r=rewriting: (f / SPEC).write_text(r((f / SPEC).read_text())) and None,
            words,
            sign=False,
        )
    files = out / "files"
    files.mkdir()
    return [*made, *model_files(good, marker, files)]


def make_keras_files(sound: Path, out: Path, marker: Path) -> list[Malicious]:
    """Every malicious `.keras` file; `sound` is one that `open_trunk` takes."""
    with zipfile.ZipFile(sound) as archive:
        good, weights = json.loads(archive.read(CONFIG)), archive.read(WEIGHTS)
    made: list[Malicious] = []

    def add(name: str, content: bytes, words: str) -> None:
        path = out / f"file{len(made)}.keras"
        path.write_bytes(content)
        made.append(Malicious(f".keras: {name}", path, words))

    for name, config, words in configurations(marker):
        add(name, keras_file(config, weights), words)
    many = [conv(name=f"c{i}") for i in range(3000)]
    over = "more weights than it holds"
    flat = layer("Flatten", {"name": "flat"})
    for name, config, words in (
        ("two billion units", sequential(flat, layer("Dense", {"units": HUGE, "name": "d"})), "2,000,000,000"),
        ("wide layer", sequential(flat, layer("Dense", {"units": 60_000, "name": "d"})), over),
        ("wide layer of another precision", sequential(flat, layer("Dense", {"units": 60_000, "dtype": "int8"})), over),
        ("large kernel", sequential(conv(kernel_size=[60_000, 60_000], padding="same")), over),
        ("low-rank bomb", sequential(conv(), layer("Dense", {"units": 4, "lora_rank": 60_000})), "but the network"),
        ("3,000 layers", sequential(*many), "more than 2,000 layers"),
        (
            "image of two billion rows",
            sequential(layer("InputLayer", {"batch_shape": [None, HUGE, 32, 3]})),
            "2,000,000",
        ),
        ("unknown activation", sequential(conv(activation="os.system")), "activation"),
        ("built at another size", good | {"build_config": lambda_layer(marker)}, "Lambda"),
        ("no layers", sequential() | {"config": {"name": "x"}}, "not a list"),
        ("a layer, no model", conv(), "neither a Functional nor"),
        ("a list", [good], "describes no network"),
        ("other layers than the weights'", sequential(conv()), "numbers, but the network"),
        ("no convolutions", sequential(flat), "numbers, but the network"),
    ):
        add(name, keras_file(config, weights), words)
    text = json.dumps(good)
    add("key twice", keras_file('{"module": "keras",' + text[1:], weights), "is there twice")
    add("configuration of 6 MB", keras_file(text + " " * 6_000_000, weights), "which is too large")
    for member in ("../evil.py", "/etc/evil", "assets/evil.py", "a\\..\\evil"):
        add(f"member {member}", keras_file(good, weights, {member: b"x"}), "as Keras never writes it")
    add("compressed bomb", keras_file(good, b"\0" * 50_000_000, compress=True), "compressed, as Keras never writes")
    add("no weights", keras_file(good, None), "it lacks")
    add("weights that are a pickle", keras_file(good, pickle.dumps(Payload(marker))), "not a whole HDF5")
    add("weights cut", keras_file(good, weights[:-5000]), "not a whole HDF5")
    add("file cut", sound.read_bytes()[:-5000], "cannot be read as a .keras file")
    add("weights changed in place", sound.read_bytes().replace(weights, weights[:-1] + b"x"), "cannot be read")
    add("a pickle", pickle.dumps(Payload(marker)), "cannot be read as a .keras file")
    twice = io.BytesIO(sound.read_bytes())
    with zipfile.ZipFile(twice, "a") as archive, warnings.catch_warnings(action="ignore"):
        archive.writestr(CONFIG, json.dumps(sequential(lambda_layer(marker))))
    add("configuration twice", twice.getvalue(), "has them twice")
    return made


def keras_file(
    config: Any, weights: bytes | None, more: dict[str, bytes] | None = None, compress: bool = False
) -> bytes:
    """The content of a `.keras` file; `config` as JSON text or as what becomes that."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        archive.writestr(CONFIG, config if isinstance(config, str) else json.dumps(config))
        for name, content in {WEIGHTS: weights, **(more or {})}.items():
            if content is not None:
                archive.writestr(name, content)
    return buffer.getvalue()


def sign_folder(folder: Path) -> None:
    """Make `fakeimg.json` describe what the folder holds now, as its maker would."""
    if not (folder / SPEC).is_file() or (folder / SPEC).is_symlink() or (folder / SPEC).stat().st_size > 1_000_000:
        return
    spec = json.loads((folder / SPEC).read_bytes())
    for name in {*spec["files"], *({GUARD} if (folder / GUARD).exists() else ())}:
        path = folder / name
        if path.is_file():
            size = path.stat().st_size
            known = size > 1_000_000_000  # of a file with a hole of 100 GB the hash plays no part
            spec["files"][name] = {"sha256": "0" * 64 if known else sha256(path), "bytes": size}
    (folder / SPEC).write_text(json.dumps(spec, indent=2))


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> int:
    return path.write_bytes(change(path.read_bytes()))


def flip_last(path: Path) -> None:
    rewrite(path, lambda content: content[:-1] + bytes([content[-1] ^ 1]))
