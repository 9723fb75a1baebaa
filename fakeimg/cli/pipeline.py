"""`fakeimg annotate`, `select` and `generate`: what is done to data before anything is trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fakeimg.cli.options import Config, Data, Json, Out, Seed, Set, print_table, say
from fakeimg.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from fakeimg.data.annotate import Annotator
    from fakeimg.data.generation import Estimate
    from fakeimg.data.provider import Provider

ANNOTATORS = ("utkface", "glasses", "deepface")
Manifest = Annotated[Path, typer.Option("--out", "-o", help="Manifest to write, .csv or .parquet.")]


def _openai_option(text: str, **limits: Any) -> Any:
    return typer.Option(help=text, rich_help_panel="With --provider openai", **limits)


def annotate(
    data: Data,
    out: Manifest,
    by: Annotated[
        list[str],
        typer.Option("--by", help="utkface (file names), glasses, deepface, a table, or a folder of train-attribute."),
    ],
    check: Annotated[bool, typer.Option("--check", help="Compare with the values that are given.")] = False,
    min_confidence: Annotated[
        float | None, typer.Option(help="Leave cells empty below this confidence, 0 to 1.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fill attribute columns of a manifest; a cell that has a value keeps it."""
    from fakeimg.data.annotate import annotate as annotate_data

    result = annotate_data(data, [_annotator(name) for name in by], out=out, check=check, min_confidence=min_confidence)
    print_table(result.frame, as_json=as_json)
    say(f"manifest in {out}")


def train_attribute(
    data: Data,
    attribute: Annotated[str, typer.Argument(metavar="ATTRIBUTE", help="Column to learn, such as gender.")],
    config: Config,
    out: Out,
    set_: Set = None,
) -> None:
    """Train an annotator of your own: one more head on the cached features."""
    from fakeimg.config import Experiment
    from fakeimg.training.attributes import train_attribute as learn

    result = learn(data, attribute, Experiment.read(config, set_ or ()), out=out)
    say(f"{', '.join(result.detector.class_names)}; next: fakeimg annotate DATA --by {out} --out MANIFEST")


def select(
    data: Data,
    out: Manifest,
    n: Annotated[int, typer.Option("--n", min=1, help="How many images.")],
    balance: Annotated[str | None, typer.Option(help="Columns whose values should be equally frequent: A,B.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", help="Ratios of a column: glasses=none:0.67,glasses:0.33; repeatable."),
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Choose images so that attributes come in the ratios asked for; pairs stay together."""
    from fakeimg.data.select import select as select_images

    columns = tuple(name.strip() for name in balance.split(",")) if balance else ()
    selection = select_images(data, n, balance=columns, targets=dict(map(_target, target or ())), seed=seed)
    selection.dataset.write(out)
    print_table(selection.table, as_json=as_json)
    for line in selection.impossible:
        say(f"not met: {line}")
    say(f"{len(selection.dataset)} images in {out}")


def generate(
    data: Data,
    out: Out,
    provider: Annotated[str, typer.Option(help="local (no key, no network) or openai (your own key).")] = "local",
    max_images: Annotated[int | None, typer.Option(min=1, help="Make at most so many.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Spend what is estimated without asking.")] = False,
    image_model: Annotated[
        str | None, _openai_option("An image model that edits; the price list's default without.")
    ] = None,
    prompt: Annotated[str | None, _openai_option("What to make of each photograph.")] = None,
    size: Annotated[
        int | None, _openai_option("Side of the square that is asked for, pixels: 1024 without.", min=16)
    ] = None,
    quality: Annotated[str | None, _openai_option("low, medium or high; medium without.")] = None,
    price: Annotated[float | None, _openai_option("Dollars an image, in place of the price list's.", min=0.0)] = None,
    base_url: Annotated[str | None, _openai_option("Another server that speaks the API.")] = None,
    as_json: Json = False,
) -> None:
    """Make one fake of each photograph, in the same group, so that no split parts the two."""
    from fakeimg.data.generate import generate as make

    given = {
        "model": image_model, "prompt": prompt, "size": size, "quality": quality, "price": price, "base_url": base_url,
    }  # fmt: skip
    settings = {name: value for name, value in given.items() if value is not None}
    found = make(data, _provider(provider, data, out, settings), out=out, max_images=max_images, confirm=_asker(yes))
    print_table(found.table, as_json=as_json)
    say(", ".join(f"{count} {status}" for status, count in found.counts.items()))
    if found.dollars:
        say(f"about ${found.dollars:,.2f} by the price list")
    say(f"next: fakeimg audit {out}")


def _annotator(name: str) -> "Annotator":
    from fakeimg.data.written import Table, utkface_names

    if name == "utkface":
        return utkface_names()
    if name == "glasses":
        from fakeimg.data.glasses import Glasses

        return Glasses()
    if name == "deepface":
        from fakeimg.data.deepface import DeepFaceAnnotator

        return DeepFaceAnnotator()
    if Path(name).is_dir():
        from fakeimg.training.attributes import HeadAnnotator

        return HeadAnnotator.open(name)
    if Path(name).suffix:
        return Table(name)
    raise ConfigError(
        f"no annotator {name!r}; there are {', '.join(ANNOTATORS)}, a table or a folder{did_you_mean(name, ANNOTATORS)}"
    )


def _target(text: str) -> tuple[str, dict[str, float]]:
    column, equals, ratios = text.partition("=")
    try:
        pairs = [part.rsplit(":", 1) for part in ratios.split(",")]
        weights = {value.strip(): float(weight) for value, weight in pairs}
    except ValueError:
        equals = ""
    if not equals:
        raise ConfigError(f"--target {text!r} is no ratio; write --target glasses=none:0.67,glasses:0.33")
    return column.strip(), weights


def _provider(name: str, data: str, out: Path, settings: dict[str, Any]) -> "Provider":
    if name == "local":
        if settings:
            options = ", ".join("--image-model" if key == "model" else f"--{key.replace('_', '-')}" for key in settings)
            raise ConfigError(f"{options} would do nothing here; add --provider openai")
        from fakeimg.training.autoencoder import local_provider

        return local_provider(data, out)
    if name == "openai":
        from fakeimg.data.openai_images import OpenAIImages

        return OpenAIImages(**settings)
    raise ConfigError(f"no provider {name!r}; there are local and openai{did_you_mean(name, ('local', 'openai'))}")


def _asker(yes: bool) -> Any:
    def confirm(estimate: "Estimate") -> bool:
        if yes or estimate.dollars == 0:
            say(str(estimate))
            return True
        return typer.confirm(f"{estimate}. Go on?", err=True)

    return confirm
