"""The grids of the Duke report as it printed them, beside what a search here found.

    fakeimg search DATA --config experiments/duke_mobilenet_v2_grid.toml --out RESULT
    python experiments/published_tables.py RESULT

Writes RESULT/table.md and prints it. The figures were measured on other images (the report's FFHQ photographs and
DALL-E 2 variations of them): they say whether the machinery finds the same picture, not who is better.
Source: Kabber, Lai, Oh, Wang, "Detecting AI-Generated Fake Images", tables 3 and 4.
"""

import sys
import tomllib
from pathlib import Path

import pandas as pd

from fakeimg.files import write_text

# Accuracy by dropout (rows) and learning rate (columns).
TABLE_3 = {
    0.05: {1e-4: 0.7826, 5e-4: 0.7948, 1e-3: 0.7892},
    0.1: {1e-4: 0.7771, 5e-4: 0.7910, 1e-3: 0.7826},
    0.2: {1e-4: 0.7715, 5e-4: 0.7799, 1e-3: 0.7817},
}
# (learning rate, epochs): accuracy, precision, recall.
TABLE_4 = {
    (0.01, 10): (0.85, 0.93, 0.74),
    (0.001, 10): (0.86, 0.91, 0.80),
    (0.0001, 10): (0.87, 0.86, 0.89),
    (0.01, 20): (0.88, 0.88, 0.88),
    (0.001, 20): (0.88, 0.88, 0.89),
    (0.0001, 20): (0.88, 0.87, 0.90),
    (0.01, 50): (0.88, 0.87, 0.90),
}


def main(folder: Path) -> None:
    frame = pd.read_csv(folder / "results.csv")
    experiment = tomllib.loads((folder / "experiment.toml").read_text("utf-8"))
    random_weights = experiment["weights"] == "none"
    made_by = {"none": "random weights", "imagenet": "Keras' ImageNet weights"}.get(
        experiment["weights"], f"weights of {Path(experiment['weights']).name}"
    )
    lines = [
        f"# {experiment['name']}",
        "",
        f"{experiment['backbone']} with {made_by}, {frame['n'].max():,} validation images. Found here: the mean, and "
        "its 95 % interval. Published: the same cell of the report, measured on other images.",
        "",
    ]
    if random_weights:
        lines += [
            "**The backbone's weights are random**: this checks the machinery and its speed, and says nothing about "
            "what the network can do.",
            "",
        ]
    lines += table_3(frame) if "head.dropout" in frame else table_4(frame)
    text = "\n".join([*lines, ""])
    write_text(folder / "table.md", text)
    print(text)


def table_3(frame: pd.DataFrame) -> list[str]:
    rates = sorted(TABLE_3[0.05])
    cells = frame.set_index(["head.dropout", "train.learning_rate"])
    lines = ["| dropout \\ lr | " + " | ".join(f"{rate:g}" for rate in rates) + " |", "|---|" + "---|" * len(rates)]
    for dropout, published in TABLE_3.items():
        found = [
            f"{shown(cells.loc[(dropout, rate)], 'accuracy', 4)}<br>published {published[rate]:.4f}" for rate in rates
        ]
        lines.append(f"| {dropout:g} | " + " | ".join(found) + " |")
    return lines


def table_4(frame: pd.DataFrame) -> list[str]:
    cells = frame.set_index(["train.learning_rate", "train.epochs"])
    names = ("accuracy", "precision", "recall")
    lines = ["| lr | epochs | accuracy | precision | recall |", "|---|---|---|---|---|"]
    for (rate, epochs), published in TABLE_4.items():
        row = cells.loc[(rate, epochs)]
        found = [
            f"{shown(row, name, 3)}<br>published {value:.2f}" for name, value in zip(names, published, strict=True)
        ]
        lines.append(f"| {rate:g} | {epochs} | " + " | ".join(found) + " |")
    return lines


def shown(row: pd.Series, metric: str, digits: int) -> str:
    if row["status"] != "ok" or pd.isna(row[metric]):
        return str(row["error"]) if row["status"] == "error" else "not defined"
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    return f"**{row[metric]:.{digits}f}** [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
