"""`fakeimg push` and `fakeimg pull`: detectors on the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated

import typer

from fakeimg.cli.options import Json, print_json, say


def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a detector.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository; made when it does not exist.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody see it; private otherwise.")] = False,
    message: Annotated[str | None, typer.Option(help="What this version is.")] = None,
    tag: Annotated[str | None, typer.Option(help="A name for this version, such as v1.0.")] = None,
    parent: Annotated[str | None, typer.Option(help="Push only if this commit is still the newest.")] = None,
    pull_request: Annotated[bool, typer.Option("--pull-request", help="Propose it instead.")] = False,
    evaluation: Annotated[
        Path | None, typer.Option(help="Folder that evaluate wrote; the newest one inside DIR otherwise.")
    ] = None,
    audit: Annotated[Path | None, typer.Option(help="What audit wrote about the training data.")] = None,
    stress: Annotated[Path | None, typer.Option(help="Folder that stress wrote.")] = None,
    as_json: Json = False,
) -> None:
    """Publish a detector, with a model card written from its evaluation, as one commit.

    The token is HF_TOKEN, or the one that `hf auth login` stored.
    """
    from fakeimg.hub.publish import push as publish

    result = publish(
        folder,
        repo,
        public=public,
        commit_message=message,
        tag=tag,
        parent_commit=parent,
        create_pr=pull_request,
        evaluation=evaluation,
        audit=audit,
        stress=stress,
    )
    if as_json:
        print_json({"url": result.url, "commit": result.commit})
        return
    print(result.url)
    say(f"next: fakeimg detect FILE --model hf://{repo.removeprefix('hf://')}@{tag or result.commit}")


def pull(
    repo: Annotated[
        str, typer.Argument(metavar="OWNER/NAME[@REVISION]", help="Repository, and a branch, tag or commit.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="New folder to copy the detector to.")] = None,
    force: Annotated[bool, typer.Option("--force-download", help="Download again what is in the cache.")] = False,
) -> None:
    """Download a detector, check every file, and print the folder it is in."""
    from fakeimg.hub.pull import pull as fetch

    print(fetch(repo, out=out, force_download=force))
