"""`fakeimg audit`, `stress`, `transfer` and `mixture`: what an accuracy is worth."""

from pathlib import Path
from typing import Annotated

import typer

from fakeimg.cli.options import Config, Data, Json, Model, Out, Seed, Set, print_json, print_table, say


def audit(
    data: Data,
    as_json: Json = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for tables and a page with examples.")] = None,
    seed: Seed = 0,
    max_images: Annotated[int, typer.Option(help="Look for shortcuts in at most so many images; 0 takes all.")] = 5000,
    shortcut: Annotated[float, typer.Option(help="AUC above which a shortcut is a finding.")] = 0.7,
    spectrum: Annotated[
        float | None, typer.Option(help="The same for the power spectrum, which may be evidence.")
    ] = None,
    duplicates: Annotated[float, typer.Option(help="Share of copies above which they are a finding.")] = 0.01,
) -> None:
    """Look for what gives the labels away without any forgery being detected.

    Exits 3 when there is a finding.
    """
    from fakeimg.evaluation.audit import audit as audit_data
    from fakeimg.evaluation.findings import Thresholds

    limits = Thresholds(shortcut=shortcut, spectrum=spectrum, duplicates=duplicates)
    found = audit_data(data, thresholds=limits, seed=seed, max_images=max_images or None)
    if out is not None:
        from fakeimg.visual.audit_page import write_audit

        found.write(out)
        say(f"page with examples: {write_audit(found, out)}")
    if as_json:
        print_json(found.to_json())
    else:
        print(found.sentence)
        for finding in found.findings:
            print(f"- {finding.severity}: {finding.sentence}")
    raise typer.Exit(found.exit_code)


def stress(
    model: Model,
    data: Data,
    out: Out,
    perturb: Annotated[
        list[str] | None, typer.Option("--perturb", help="jpeg, resize, …; repeatable; all without.")
    ] = None,
    max_images: Annotated[int, typer.Option(min=1, help="Score at most so many images.")] = 1000,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Damage photographs, fakes, or both, and see what it does to the errors."""
    from fakeimg.evaluation.perturbations import PERTURBATIONS
    from fakeimg.evaluation.stress import stress as stress_detector
    from fakeimg.hub.pull import load

    result = stress_detector(
        load(model), data, perturbations=perturb or tuple(PERTURBATIONS), max_images=max_images, seed=seed
    )
    result.write(out)
    if as_json:
        print_json(result.to_json())
    else:
        print_table(result.frame, as_json=False)
    say(f"tables and figures in {out}")


def transfer(
    data: Data,
    config: Config,
    out: Out,
    set_: Set = None,
    matrix: Annotated[bool, typer.Option("--matrix", help="Train on pairs of sources, test on every source.")] = False,
    as_json: Json = False,
) -> None:
    """Leave one source out in turn, and judge the detector on the source it never saw."""
    from fakeimg.config import Experiment
    from fakeimg.evaluation.transfer import leave_one_source_out, transfer_matrix

    experiment = Experiment.read(config, set_ or ())
    result = (transfer_matrix if matrix else leave_one_source_out)(experiment, data)
    result.write(out)
    print_table(result.frame, as_json=as_json)
    say(f"tables and figure in {out}")


def mixture(
    data: Data,
    config: Config,
    out: Out,
    add: Annotated[list[str], typer.Option("--add", help="Source that one training has and the other has not.")],
    stress_on: Annotated[list[str], typer.Option("--stress", help="Source that both are judged on.")],
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Train with and without a source, and compare both on the same stress set."""
    from fakeimg.config import Experiment
    from fakeimg.evaluation.mixture import mixture as mix

    result = mix(Experiment.read(config, set_ or ()), data, add=add, stress=stress_on)
    result.write(out)
    if as_json:
        print_json(result.to_json())
    else:
        print(result.sentence)
