"""Which groups of look-alike faces a detector gets wrong, found without any attribute labels."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fakeimg.evaluation.breakdown import holm
from fakeimg.scoring.intervals import wilson

if TYPE_CHECKING:
    import pandas as pd

NOISE = -1


def cluster_table(
    clusters: NDArray[np.int64],
    fake: NDArray[np.bool_],
    wrong: NDArray[np.bool_],
    probability_fake: NDArray[np.float64],
) -> "pd.DataFrame":
    """One row a cluster, the highest error rate first; the images in no cluster come last, as cluster -1.

    Args:
        clusters: (n,) numbers from 0; -1 for noise.
        fake: (n,) whether the image is labelled anything but the first class.
        wrong: (n,) whether the detector's call differs from the label.
        probability_fake: (n,).
    Returns:
        cluster, n, n_real, n_fake, errors, error_rate, low, high (Wilson, 95 %), p_adjusted (Fisher's exact test
        against all other images, Holm's correction over the clusters, as the worst of many always looks bad; none for
        noise), probability_fake (mean).
    """
    import pandas as pd
    from scipy.stats import fisher_exact

    rows = []
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        n, errors = int(inside.sum()), int(wrong[inside].sum())
        others, other_errors = int((~inside).sum()), int(wrong[~inside].sum())
        rate = wilson(errors, n)
        against_others = fisher_exact(np.array([[errors, n - errors], [other_errors, others - other_errors]])).pvalue
        rows.append(
            {
                "cluster": int(cluster),
                "n": n,
                "n_real": int((inside & ~fake).sum()),
                "n_fake": int((inside & fake).sum()),
                "errors": errors,
                "error_rate": rate.value,
                "low": rate.low,
                "high": rate.high,
                "p_adjusted": np.nan if cluster == NOISE else float(against_others),
                "probability_fake": float(probability_fake[inside].mean()),
            }
        )
    table = pd.DataFrame(rows)
    table["p_adjusted"] = holm(table["p_adjusted"].to_numpy(np.float64))
    is_noise = (table["cluster"] == NOISE).to_numpy()
    order = np.lexsort((-table["n"], -table["error_rate"], is_noise))
    return table.iloc[order].reset_index(drop=True)
