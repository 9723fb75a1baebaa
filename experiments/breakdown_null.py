"""How often does `breakdown` name a worst group where there is none? Run: python experiments/breakdown_null.py

Each simulated evaluation has 400 images, 8 groups of about 50 and a second attribute of two values, and the same error
rate for everybody (12 % of reals, 20 % of fakes). At most 5 % of them may name a worst group. What naming the group of
the lowest accuracy would claim is recorded beside it: the mean distance between the best and the worst of the 8.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from fakeimg.evaluation.breakdown import breakdown, worst
from fakeimg.files import write_json
from fakeimg.scoring.intervals import wilson

SIMULATIONS, IMAGES = 200, 400


def simulate(seed: int) -> tuple[bool, float]:
    """Whether a worst group is named, and the spread of the 8 accuracies, in one evaluation."""
    rng = np.random.default_rng(seed)
    fake = rng.random(IMAGES) < 0.5
    wrong = rng.random(IMAGES) < np.where(fake, 0.20, 0.12)
    frame = pd.DataFrame(
        {
            "label": np.where(fake, "fake", "real"),
            "probability_fake": np.where(fake ^ wrong, 0.9, 0.1),
            "race": rng.integers(0, 8, IMAGES).astype(str),
            "gender": rng.choice(["man", "woman"], IMAGES),
        }
    )
    table = breakdown(frame, ["race", "gender"], seed=seed)
    accuracies = table.loc[table["attribute"] == "race", "accuracy"]
    return not worst(table).empty, float(accuracies.max() - accuracies.min())


def main(out: Path) -> None:
    """Simulate, print and write the result."""
    named, spreads = zip(*(simulate(seed) for seed in range(SIMULATIONS)), strict=True)
    rate = wilson(sum(named), SIMULATIONS)
    print(f"a worst group is named in {sum(named)} of {SIMULATIONS} evaluations without one: {rate}")
    print(f"mean distance between the best and the worst of 8 groups: {100 * np.mean(spreads):.1f} points")
    write_json(
        out,
        {
            "command": "python experiments/breakdown_null.py",
            "simulations": SIMULATIONS,
            "images": IMAGES,
            "worst_group_named": rate.to_json(),
            "mean_best_minus_worst_of_8": float(np.mean(spreads)),
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "results" / "breakdown_null.json")
