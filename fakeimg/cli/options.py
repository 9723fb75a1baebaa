"""Options that several commands share, and how results go to stdout."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

Data = Annotated[
    str,
    typer.Argument(metavar="DATA", help="Folder with real/ and fake/, a CSV or Parquet manifest, or a URL of either."),
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="bundled, a model folder, or hf://owner/name[@revision].")]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="bundled, a model folder, or hf://owner/name[@revision].")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")]
Config = Annotated[Path, typer.Option("--config", "-c", help="Experiment, a TOML file.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace one key of the experiment; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Engine = Annotated[str, typer.Option("--engine", help="auto, tensorflow or openvino.")]


def say(message: str) -> None:
    """A line for the person at the terminal; stdout is for data."""
    print(message, file=sys.stderr)


def print_json(content: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(content, indent=2, allow_nan=False, default=str))


def print_table(frame: "pd.DataFrame", *, as_json: bool) -> None:
    """A table on stdout, for people or as a JSON list of rows."""
    if as_json:
        print_json(json.loads(frame.to_json(orient="records")))
    else:
        print(frame.to_string(index=False, na_rep=""))


def rate(value: dict[str, Any]) -> str:
    """`98.1 % (97.5–98.6, n 688)`, or why there is no such number."""
    if "refused" in value:
        return str(value["refused"])
    low, high = 100 * value["low"], 100 * value["high"]
    return f"{100 * value['value']:.1f} % ({low:.1f}–{high:.1f}, n {value['n']:,})"
