"""`fakeimg cache`: what is kept between runs, whether it is whole, and how to make room."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from fakeimg.cli.options import Json, print_json, say

app = typer.Typer(help="List, check or empty the cache of features and graphs.", no_args_is_help=True)


@app.command("ls")
def list_(as_json: Json = False) -> None:
    """List what the cache holds."""
    from fakeimg.models.feature_store import list_cache

    entries = list_cache()
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    for entry in entries:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        print(f"{entry.bytes / 2**20:9.1f} MiB  {when}  {entry.kind:9} {entry.name}")
    say(f"{sum(entry.bytes for entry in entries) / 2**20:.1f} MiB in {len(entries)} entries")


@app.command()
def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove what is damaged; it is made again when needed.")
    ] = False,
) -> None:
    """Check every cached shard against its checksum; exits 1 when one is damaged and not repaired."""
    from fakeimg.models.feature_store import verify_cache

    damaged = verify_cache(repair=repair)
    for path in damaged:
        print(path)
    say(f"{len(damaged)} damaged" + (", removed" if damaged and repair else ""))
    if damaged and not repair:
        raise typer.Exit(1)


@app.command()
def prune(
    max_size: Annotated[int | None, typer.Option(help="Keep at most so many MiB, the newest.")] = None,
    older_than: Annotated[float | None, typer.Option(help="Delete what is older than so many days.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all of it.")] = False,
) -> None:
    """Delete cached features and graphs; they are made again when needed."""
    from fakeimg.errors import ConfigError
    from fakeimg.models.feature_store import prune_cache

    if max_size is None and older_than is None and not everything:
        raise ConfigError("say what to delete: --max-size MIB, --older-than DAYS or --all")
    removed = prune_cache(
        max_bytes=None if max_size is None else max_size * 2**20,
        older_than=None if older_than is None else older_than * 86_400,
        everything=everything,
    )
    say(f"deleted {len(removed)} entries, {sum(entry.bytes for entry in removed) / 2**20:.1f} MiB")
