"""An experiment: everything that decides a result, as one validated object that reads and writes TOML."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from fakeimg.errors import ConfigError, did_you_mean

Backbone = Literal[
    "resnet50",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "five_conv",
    "five_conv_program",
    "compact",
    "compact_plain",
    "compact_two_scales",
    "bundled",
]
Framing = Literal["stretch", "pad", "crop"]
Truncated = Literal["refuse", "tolerate"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Width = Annotated[int, Field(ge=1, le=16_384)]
Side = Annotated[int, Field(ge=8, le=2048)]
# Names end up on terminals, in pages and in model cards.
ClassName = Annotated[str, StringConstraints(pattern=r"^[^<>\x00-\x1f\x7f]{1,64}$")]


def _photographs_first(names: tuple[str, ...]) -> tuple[str, ...]:
    if "real" in names[1:]:
        # With the classes in another order every verdict would be turned round.
        raise ValueError(f"the photographs come first, so 'real' before {names[0]!r}")
    return names


ClassNames = Annotated[tuple[ClassName, ...], Field(min_length=2, max_length=100), AfterValidator(_photographs_first)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Part):
    """Which images take part."""

    sources: tuple[str, ...] | None = Field(None, description="use these sources alone; all when absent")
    classes: ClassNames = Field(("real", "fake"), description="class names; the photographs first")
    truncated: Truncated = Field("refuse", description="what to do with files that end too early")


class Head(_Part):
    """The layers between the backbone's feature map and the logit."""

    kind: Literal["mlp", "two_way"] = Field("mlp", description="one logit, or a softmax pair whose difference it is")
    units: tuple[Width, ...] = Field((), max_length=16, description="widths of the hidden dense layers")
    dropout: float | tuple[float, ...] = Field(0.0, description="dropout rate after each hidden layer, or one for all")
    l2: float = Field(0.0, ge=0, description="L2 penalty on the hidden layers' kernels")

    @model_validator(mode="after")
    def _check_dropout(self) -> Self:
        rates = self.dropout if isinstance(self.dropout, tuple) else (self.dropout,)
        if any(not 0 <= rate < 1 for rate in rates):
            raise ValueError(f"dropout rates lie in [0, 1), not {self.dropout}")
        if isinstance(self.dropout, tuple) and len(self.dropout) != len(self.units):
            raise ValueError(
                f"{len(self.dropout)} dropout rates for {len(self.units)} hidden layers; give one for each"
            )
        return self

    @property
    def rates(self) -> tuple[float, ...]:
        """The dropout rate of each hidden layer."""
        return self.dropout if isinstance(self.dropout, tuple) else (self.dropout,) * len(self.units)


class Train(_Part):
    """How the weights are fitted."""

    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD; Adam has its own")
    decay: float = Field(1.0, gt=0, le=1, description="factor on the learning rate after every `decay_every` epochs")
    decay_every: Positive = 1
    batch_size: Positive = 32
    epochs: Positive = 10
    patience: Positive | None = Field(None, description="stop after so many epochs without a better `monitor`")
    monitor: Literal["val_loss", "val_accuracy", "last"] = Field(
        "val_loss", description="which epoch's weights are kept"
    )
    weight_average: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="momentum of a running average of the weights, which is validated and kept in their place",
    )
    class_weights: Literal["balanced"] | dict[str, float] | None = None
    balance: Literal["source"] | None = Field(
        None, description="draw every class, and within it every source, equally often; every image once when absent"
    )
    patch: Side | None = Field(
        None, description="train on squares of so many pixels from random places; validation sees whole images"
    )
    edited_fakes: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the photographs trained on that are strongly edited, and count as fakes",
    )


class Augment(_Part):
    """Random changes of the training images; every strength is off by default."""

    flip: Fraction = Field(0.0, description="probability of a left-right flip")
    rotation: float = Field(0.0, ge=0, le=180, description="up to so many degrees either way")
    zoom: float = Field(0.0, ge=0, lt=1, description="scale by up to this fraction either way")
    crop: float = Field(0.0, ge=0, lt=1, description="keep a random window; at most this fraction of a side is lost")
    crop_share: Fraction = Field(1.0, description="probability that a window is cut; the rest stays whole")
    brightness: Fraction = 0.0
    contrast: Fraction = 0.0
    saturation: Fraction = 0.0
    jpeg: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="recompress half the images, at this quality or better"
    )
    resize: float = Field(
        0.0, ge=0, lt=1, description="shrink half the images by up to this fraction, and back, by random kernels"
    )
    blur: float = Field(0.0, ge=0, description="Gaussian blur up to this sigma, in pixels")
    noise: float = Field(0.0, ge=0, description="Gaussian noise up to this standard deviation, in grey levels")
    noise_share: Fraction = Field(1.0, description="probability that an image gets noise")
    oversize: float = Field(
        1.0, ge=1, le=4, description="hold training images so much larger, that windows cut from them stay sharp"
    )
    views: Positive = Field(
        4, description="cached views an image when the backbone is frozen; epoch e uses view e mod views"
    )

    @property
    def active(self) -> bool:
        """Whether any change is switched on."""
        strengths = set(type(self).model_fields) - {"oversize", "views", "crop_share", "noise_share"}
        return any(getattr(self, name) for name in strengths)


class Split(_Part):
    """Shares of the data; groups never straddle."""

    train: Fraction = 0.8
    validation: Fraction = 0.1
    test: Fraction = 0.1
    stratify: tuple[str, ...] = ("label", "source")

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, validation and test add up to {total:g}, not 1")
        return self

    @property
    def fractions(self) -> dict[str, float]:
        """Share of each part, by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


class Search(_Part):
    """How the cells of a grid are run and ranked; the grid itself is the table `[grid]`."""

    kind: Literal["grid", "random"] = "grid"
    samples: Positive | None = Field(None, description="cells drawn at random from the grid (kind = 'random')")
    folds: Annotated[int, Field(ge=2)] | None = Field(None, description="k-fold cross-validation on train + validation")
    repeats: Positive = Field(1, description="runs of every cell with seeds seed, seed + 1, …")
    metric: Literal["accuracy", "balanced_accuracy", "auc", "loss"] = "accuracy"
    retrain: bool = Field(False, description="train the best cell again on train + validation")

    @model_validator(mode="after")
    def _check_samples(self) -> Self:
        if self.kind == "random" and self.samples is None:
            raise ValueError("a random search needs `samples`, the number of cells to draw")
        return self


class Experiment(_Part):
    """Everything that decides a result; see `experiments/` for examples."""

    name: str = "experiment"
    description: str = ""
    backbone: Backbone = "mobilenet_v2"
    weights: str = Field("none", description="imagenet, none, or a Keras weights file")
    trainable: str = Field("head", description="head, all, or the backbone layer from which on weights are trained")
    image_size: tuple[Side, Side] = Field((180, 180), description="height and width; one number makes a square")
    framing: Framing = Field("stretch", description="how a picture of other proportions is fitted to image_size")
    seed: int = Field(0, ge=0)
    data: Data = Data()
    head: Head = Head()
    train: Train = Train()
    augment: Augment = Augment()
    split: Split = Split()
    search: Search = Search()
    grid: dict[str, tuple[Any, ...]] = Field({}, description="dotted experiment keys and the values to try")

    @field_validator("image_size", mode="before")
    @classmethod
    def _square(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, int) else value

    @field_validator("grid", mode="before")
    @classmethod
    def _flatten_grid(cls, value: Any) -> Any:
        return _flatten(value) if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _check_grid(self) -> Self:
        if empty := [axis for axis, values in self.grid.items() if not values]:
            raise ValueError(f"grid axis {empty[0]!r} has no values")
        return self

    @model_validator(mode="after")
    def _check_frozen(self) -> Self:
        if self.trainable == "head" and "trainable" not in self.grid:
            wanted = {
                "train.patch": self.train.patch is not None,
                "train.edited_fakes": self.train.edited_fakes > 0,
                "train.weight_average": self.train.weight_average > 0,
                "augment.oversize": self.augment.oversize != 1,
            }
            if unheard := next((key for key, given in wanted.items() if given), None):
                raise ValueError(f'{unheard} does nothing while the backbone is frozen; set trainable = "all"')
        return self

    @model_validator(mode="after")
    def _check_edited_fakes(self) -> Self:
        if self.train.edited_fakes and len(self.data.classes) != 2:
            raise ValueError(
                f"train.edited_fakes needs two classes, as an edit is no class of {len(self.data.classes)}"
            )
        return self

    @classmethod
    def read(cls, path: Path | str, overrides: Iterable[str] = ()) -> Self:
        """Read a TOML file, then apply `overrides` of the form `train.epochs=3`.

        A relative `weights` path is taken from the file's own folder.

        Raises:
            ConfigError: no such file, not TOML, an unknown key, or a value that is not allowed.
        """
        file = Path(path)
        try:
            content = tomllib.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"no experiment file {str(file)!r}") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{file} is not a TOML file: {error}") from None
        weights = content.get("weights")
        if isinstance(weights, str) and weights not in ("imagenet", "none") and not Path(weights).is_absolute():
            content["weights"] = str(file.parent / weights)
        content.setdefault("name", file.stem)
        return cls.parse(content, overrides)

    @classmethod
    def parse(cls, content: Mapping[str, Any], overrides: Iterable[str] = ()) -> Self:
        """Validate a nested mapping of experiment keys, after `overrides` of the form `train.epochs=3`.

        Raises:
            ConfigError: an unknown key or a value that is not allowed; the message names the key.
        """
        values = _flatten_parts(content)
        for override in overrides:
            key, equals, text = override.partition("=")
            if not equals:
                raise ConfigError(f"--set {override!r} has no '='; write --set train.epochs=3")
            values[key.strip()] = _toml_value(text.strip())
        return cls._from_flat(values)

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """A copy with dotted keys replaced: `with_values({"train.learning_rate": 1e-4})`.

        Raises:
            ConfigError: an unknown key or a value that is not allowed.
        """
        return self._from_flat({**_flatten_parts(self.model_dump()), **values})

    def value(self, key: str) -> Any:
        """The value of a dotted key."""
        value: Any = self
        for part in key.split("."):
            value = getattr(value, part)
        return value

    def to_toml(self) -> str:
        """This experiment as TOML, every key resolved; what is unset is left out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """All dotted keys that a file, `--set` or a grid axis may name, without the grid itself."""
        names: list[str] = []
        for name, field in cls.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, _Part):
                names.extend(f"{name}.{inner}" for inner in field.annotation.model_fields)
            elif name != "grid":
                names.append(name)
        return tuple(names)

    @classmethod
    def _from_flat(cls, values: Mapping[str, Any]) -> Self:
        known = cls.keys()
        nested: dict[str, Any] = {}
        for key, value in values.items():
            for name in _flatten(value) if key == "grid" else (() if key.startswith("grid.") else (key,)):
                if name not in known:
                    raise ConfigError(f"unknown experiment key {name!r}{did_you_mean(name, known)}")
            table, dot, rest = key.partition(".")
            if dot:
                nested.setdefault(table, {})[rest] = value
            else:
                nested[key] = value
        if unknown := [name for name in _flatten(nested.get("grid", {})) if name not in known]:
            raise ConfigError(f"unknown grid axis {unknown[0]!r}{did_you_mean(unknown[0], known)}")
        try:
            return cls.model_validate(nested)
        except ValidationError as error:
            raise ConfigError(_first_problem(error)) from None


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _flatten_parts(content: Mapping[str, Any]) -> dict[str, Any]:
    """One level of tables to dotted keys; deeper values (class weights, the grid) stay whole."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and key != "grid":
            flat.update({f"{key}.{inner}": item for inner, item in value.items()})
        else:
            flat[key] = value
    return flat


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word, such as `backbone=resnet50`


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"] if not str(part).startswith("function-"))
    message = problem["msg"].removeprefix("Value error, ")
    given = "" if isinstance(problem["input"], (dict, BaseModel)) else f" (received {problem['input']!r})"
    return f"{key}: {message}{given}" if key else message
