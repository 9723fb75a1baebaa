"""`fakeimg detect`: verdicts on any number of images, as they come."""

import csv
import glob
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from fakeimg.cli.options import Engine, Json, ModelOption, say
from fakeimg.errors import ConfigError

if TYPE_CHECKING:
    from fakeimg.models.detector import Detector
    from fakeimg.models.engines import EngineName

WORDS = {
    "fake": "looks generated",
    "real": "looks like a photograph",
    "inconclusive": "can't tell",
    "out-of-domain": "not a face I can judge",
    None: "cannot be read",
}
FIELDS = [
    "path",
    "status",
    "verdict",
    "probability_fake",
    "threshold_fake",
    "threshold_real",
    "model",
    "model_sha256",
    "reason",
]
STABILITY_FIELDS = ["probability_low", "probability_high", "stable"]


def detect(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT…", help="Files, folders, globs; - reads a list of paths.")
    ],
    model: ModelOption = "bundled",
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    heatmaps: Annotated[Path | None, typer.Option(help="Folder for a heatmap of each image.")] = None,
    stability: Annotated[bool, typer.Option(help="Score benign re-encodings of each image too.")] = False,
    engine: Engine = "auto",
    truncated: Annotated[str, typer.Option(help="Files that end too early: refuse or tolerate.")] = "refuse",
    precision: Annotated[str, typer.Option(help="float32, or bfloat16: faster, scores move by about .01.")] = "float32",
) -> None:
    """Say of each image whether it looks generated or like a photograph.

    Exits 4 when some inputs could not be read; the others are done all the same.
    """
    from fakeimg.hub.pull import load
    from fakeimg.progress import progress_bar

    _one_of("--truncated", truncated, ("refuse", "tolerate"))
    _one_of("--precision", precision, ("float32", "bfloat16"))
    paths = list(expand(inputs))
    detector = load(model)
    write = _writer(as_json, as_csv, stability)
    options: dict[str, Any] = {"engine": cast("EngineName", engine), "truncated": truncated, "precision": precision}
    failed = 0
    readable: list[str] = []
    with progress_bar("scoring", len(paths)) as advance:
        for part in detector.stream(paths, **options):
            for record in part.records():
                if stability and record["status"] == "ok":
                    record |= _delivery(detector, record["path"], cast("EngineName", engine))
                write(record)
                if record["status"] == "ok":
                    readable.append(record["path"])
            failed += part.failed
            advance(len(part))
    if heatmaps is not None and readable:
        from fakeimg.visual.explain import explain

        explain(detector, readable, heatmaps)
        say(f"heatmaps in {heatmaps}")
    if failed:
        say(f"{failed} of {len(paths)} inputs could not be read")
        raise typer.Exit(4)


def expand(inputs: list[str]) -> Iterator[str]:
    """Paths of images: files as they are, folders and globs searched, "-" read from stdin, one path a line.

    Raises:
        ConfigError: a folder or a glob without any image.
    """
    from fakeimg.data.images import find_images

    for item in inputs:
        if item == "-":
            yield from expand([line.rstrip("\n") for line in sys.stdin if line.strip()])
        elif Path(item).is_dir():
            found = find_images(Path(item))
            if not found:
                raise ConfigError(f"the folder {item!r} holds no images")
            yield from map(str, found)
        elif glob.has_magic(item) and not Path(item).exists():
            matches = sorted(glob.glob(item, recursive=True))
            if not matches:
                raise ConfigError(f"nothing matches {item!r}")
            yield from expand(matches)
        else:
            yield item


def _delivery(detector: "Detector", path: str, engine: "EngineName") -> dict[str, Any]:
    """How far the score moves over benign re-encodings: resaving, resizing, a screenshot."""
    from fakeimg.evaluation.stability import stability

    found = stability(detector, path, engine=engine)
    return {"probability_low": found.low, "probability_high": found.high, "stable": found.stable}


def _writer(as_json: bool, as_csv: bool, stability: bool) -> Callable[[dict[str, Any]], None]:
    import json

    if as_json and as_csv:
        raise ConfigError("--json and --csv cannot both be printed; choose one")
    if as_json:
        return lambda record: print(json.dumps(record), flush=True)
    if as_csv:
        table = csv.DictWriter(sys.stdout, FIELDS + (STABILITY_FIELDS if stability else []))
        table.writeheader()
        return cast("Callable[[dict[str, Any]], None]", table.writerow)
    return _print_words


def _print_words(record: dict[str, Any]) -> None:
    score = record["probability_fake"]
    detail = record["reason"] if score is None else f"probability of fake {score:.3f}"
    if "stable" in record:
        holds = "holds" if record["stable"] else "does not hold"
        detail += f"; {record['probability_low']:.3f} to {record['probability_high']:.3f} when re-encoded: it {holds}"
    print(f"{record['path']}: {WORDS[record['verdict']]} ({detail})")


def _one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{option} is {' or '.join(allowed)}, not {value!r}")
