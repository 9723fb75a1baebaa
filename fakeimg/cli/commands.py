"""The commands that `fakeimg --help` lists."""

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from fakeimg.cli import cache
from fakeimg.cli.demo import demo
from fakeimg.cli.detect import detect
from fakeimg.cli.hub import pull, push
from fakeimg.cli.look import explain, map_
from fakeimg.cli.options import Config, Data, Json, Model, Out, Seed, Set, print_json, print_table, rate, say
from fakeimg.cli.pipeline import annotate, generate, select, train_attribute
from fakeimg.cli.worth import audit, mixture, stress, transfer

REPORTED = 1000
"""At most so many images are damaged, or searched for shortcuts, for a report."""

app = typer.Typer(
    help="Detect AI-generated face images, and know what that detection is worth.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from fakeimg import __version__

        print(__version__)
        raise typer.Exit


@app.command()
def quickstart(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path("quickstart"),
    seed: Seed = 0,
) -> None:
    """Tell the whole story on the rendered sample, offline, in about two minutes."""
    from fakeimg.quickstart import quickstart as tell

    tell(out, seed=seed)


@app.command()
def sample(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to.")],
    images: Annotated[int, typer.Option(min=2, help="How many images, half of them real.")] = 200,
    seed: Seed = 0,
) -> None:
    """Render a labelled, rights-free set of faces to try everything on."""
    from fakeimg.data.sample import render_sample

    dataset = render_sample(out, images=images, seed=seed)
    say(f"{len(dataset)} images in {out}; next: fakeimg audit {out}")


@app.command()
def train(data: Data, config: Config, out: Out, set_: Set = None) -> None:
    """Train one detector; the same command goes on where it was stopped."""
    from fakeimg.config import Experiment
    from fakeimg.training.train import train as train_detector

    result = train_detector(Experiment.read(config, set_ or ()), data, out=out)
    kept = result.history.iloc[result.best_epoch - 1]
    if "val_accuracy" in kept:
        say(f"kept epoch {result.best_epoch}: validation loss {kept.val_loss:.4f}, accuracy {kept.val_accuracy:.3f}")
    say(f"started from {result.detector.spec.started_from}; model in {out}")
    say(f"next: fakeimg evaluate {out} {data} --split test --out {out / 'test'}")


@app.command()
def evaluate(
    model: Model,
    data: Data,
    out: Out,
    split: Annotated[str | None, typer.Option(help="Score this part alone: train, validation or test.")] = None,
    damage: Annotated[bool, typer.Option("--stress", help="Add to the report what damage to pictures does.")] = False,
    shortcuts: Annotated[
        bool, typer.Option("--audit/--no-audit", help="Put beside the numbers what a shortcut scores on these images.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Score labelled images: accuracy, AUC and more, each with its interval, and a report to forward."""
    from fakeimg.evaluation.audit import audit as audit_data
    from fakeimg.evaluation.breakdown import breakdown, dividing_attributes
    from fakeimg.evaluation.evaluate import evaluate as evaluate_detector
    from fakeimg.evaluation.stress import stress as stress_detector
    from fakeimg.hub.pull import load
    from fakeimg.training.train import recorded_split
    from fakeimg.visual.report import write_report

    detector = load(model)
    dataset = recorded_split(model, data, split, classes=detector.class_names)
    evaluation = evaluate_detector(detector, dataset)
    evaluation.write(out)
    page = write_report(
        evaluation,
        out,
        audit=audit_data(dataset, max_images=REPORTED) if shortcuts and len(set(dataset.labels)) > 1 else None,
        stress=stress_detector(detector, dataset, max_images=REPORTED) if damage else None,
        breakdowns=[breakdown(evaluation, name) for name in dividing_attributes(evaluation.predictions)],
        images=dataset.root,
    )
    metrics = evaluation.metrics
    if as_json:
        print_json(metrics)
        return
    print(f"{metrics['n']:,} images, {metrics['unreadable']} unreadable")
    for name in ("accuracy", "auc", "precision", "recall", "f1"):
        print(f"{name:10} {rate(metrics[name])}")
    for source, numbers in metrics.get("by_source", {}).items():
        print(f"  {source:24} accuracy {rate(numbers['accuracy'])}")
    say(f"predictions, metrics and figures in {out}; open {page}")


@app.command()
def search(
    data: Data,
    config: Config,
    out: Out,
    set_: Set = None,
    jobs: Annotated[int, typer.Option(min=1, help="Cells that train their backbone at a time.")] = 1,
    on: Annotated[str, typer.Option(help="local or ray.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; a Ray on this machine without.")] = None,
    as_json: Json = False,
) -> None:
    """Train every cell of a grid and rank them on validation; the same command goes on where it was stopped."""
    from fakeimg.config import Experiment
    from fakeimg.training.search import search as run_search

    experiment = Experiment.read(config, set_ or ())
    result = run_search(experiment, data, out=out, jobs=jobs, on=cast(Literal["local", "ray"], on), address=address)
    print_table(result.frame, as_json=as_json)
    say(f"tables and figures in {out}")


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(metavar="NAME", help="In experiments/catalogue.toml.")],
    data: Data,
    out: Out,
    set_: Set = None,
    experiments: Annotated[Path, typer.Option(help="Folder of the catalogue.")] = Path("experiments"),
    record: Annotated[bool, typer.Option("--record", help="Make these the recorded figures.")] = False,
) -> None:
    """Rerun a recorded experiment and compare its figures; exits 1 when one differs by more than its tolerance."""
    from fakeimg.reproduce import reproduce as rerun

    result = rerun(name, data, out=out, overrides=tuple(set_ or ()), experiments=experiments, record=record)
    print(result)
    if result.differing and not record:
        raise typer.Exit(1)


@app.command("breakdown")
def break_down(
    predictions: Annotated[str, typer.Argument(metavar="DIR|PREDICTIONS", help="What evaluate wrote.")],
    by: Annotated[list[str], typer.Option("--by", help="Attribute; repeatable.")],
    depth: Annotated[int, typer.Option(min=1, max=2, help="2 adds the intersections of two attributes.")] = 1,
    sample_: Annotated[
        int | None, typer.Option("--sample", help="So many random images a value, as published.")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Accuracy per value of each attribute, with corrected tests before a worst group is named."""
    from fakeimg.evaluation.breakdown import breakdown, describe

    table = breakdown(predictions, by, depth=depth, sample=sample_, seed=seed)
    print_table(table, as_json=as_json)
    if not as_json:
        say(describe(table))


@app.command("compare")
def compare_(
    first: Annotated[str, typer.Argument(metavar="A", help="What evaluate wrote.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The same of another detector, on the same images.")],
    as_json: Json = False,
) -> None:
    """Say which of two detectors is better on the same images, by how much, and whether that is noise."""
    from fakeimg.evaluation.compare import compare

    comparison = compare(first, second, names=(Path(first).name, Path(second).name))
    if as_json:
        print_json(comparison.to_json())
    else:
        print(comparison.sentence)


app.command()(annotate)
app.command("train-attribute")(train_attribute)
app.command()(select)
app.command()(generate)
app.command()(audit)
app.command()(stress)
app.command()(transfer)
app.command()(mixture)
app.command()(detect)
app.command()(explain)
app.command("map")(map_)
app.command()(demo)
app.command()(push)
app.command()(pull)
app.add_typer(cache.app, name="cache")
