"""`fakeimg explain` and `fakeimg map`: where the evidence lies, and which faces look alike to a detector."""

from typing import Annotated, Any, cast

import typer

from fakeimg.cli.detect import expand
from fakeimg.cli.options import Data, ModelOption, Out, Seed, say


def explain(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT…", help="Files, folders, globs; - reads a list.")],
    out: Out,
    model: ModelOption = "bundled",
    feature_maps: Annotated[bool, typer.Option("--feature-maps", help="Draw what every stage sees too.")] = False,
    checks: Annotated[bool, typer.Option("--checks", help="Put the heatmaps to the proof.")] = False,
    method: Annotated[str, typer.Option(help="gradcam, layercam, or activation.")] = "gradcam",
) -> None:
    """Draw heatmaps: where the evidence for "fake" and for "real" lies in each picture."""
    from fakeimg.hub.pull import load
    from fakeimg.visual.explain import explain as explain_images

    result = explain_images(
        load(model), list(expand(inputs)), out, feature_maps=feature_maps, checks=checks, method=cast(Any, method)
    )
    failed = int((result.frame["status"] != "ok").sum())
    say(f"{len(result.frame) - failed} heatmaps in {out}; look at {out / 'heatmaps.png'} first")
    if failed:
        for row in result.frame[result.frame["status"] != "ok"].itertuples():
            say(f"{row.path}: {row.reason}")
        raise typer.Exit(4)


def map_(data: Data, out: Out, model: ModelOption = "bundled", seed: Seed = 0) -> None:
    """Map a set of faces by what a detector sees in them, and list the groups that it gets wrong."""
    from fakeimg.hub.pull import load
    from fakeimg.visual.embedding import embed

    found = embed(load(model), data, seed=seed)
    found.write(out)
    print(found.clusters.to_string(index=False))
    say(f"map in {out}; open {out / 'map.html'} in a browser")
