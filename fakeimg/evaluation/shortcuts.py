"""What predicts the label without judging a face: each candidate alone, cross-validated, with its interval."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakeimg.errors import DatasetError
from fakeimg.scoring.intervals import auc_interval, group_codes, wilson

if TYPE_CHECKING:
    import pandas as pd

FOLDS = 5
FEWEST = 10  # images of a class, below which five folds say nothing
Kind = Literal["linear", "trees"]
# Facts of a file matter by thresholds and combinations (a width of 300, one quantisation table), pixels by weights.
KINDS: Mapping[str, Kind] = {
    "container": "trees",
    "dimensions": "trees",
    "file size": "trees",
    "JPEG settings": "trees",
    "EXIF": "trees",
    "mean colour": "trees",
    "8×8 thumbnail": "linear",
    "face framing": "trees",
    "power spectrum": "linear",
}
WORDS: Mapping[str, str] = {
    "container": "the file format",
    "dimensions": "the picture size in pixels",
    "file size": "the file size",
    "JPEG settings": "the JPEG encoding (quantisation tables, chroma subsampling)",
    "EXIF": "the presence of EXIF",
    "mean colour": "the mean colour",
    "8×8 thumbnail": "an 8×8-pixel thumbnail",
    "face framing": "the framing of the face (its size and place)",
    "power spectrum": "the radial power spectrum",
}
COLUMNS = ("shortcut", "auc", "auc_low", "auc_high", "accuracy", "accuracy_low", "accuracy_high", "n", "constant")


def find_shortcuts(
    features: Mapping[str, NDArray[np.float32]], fake: ArrayLike, groups: ArrayLike | None = None, *, seed: int = 0
) -> "pd.DataFrame":
    """How well each candidate alone tells fakes from photographs, strongest first; columns `COLUMNS`.

    The AUC and accuracy are of out-of-fold scores (5 folds, stratified, groups kept whole), with 95 % intervals. Scores
    are ranked within their fold before they are pooled, as the folds' classifiers have scales of their own. `constant`
    marks candidates that are the same in every image, and have an AUC of one half by definition.

    Args:
        features: by candidate, (m, k).
        fake: (m,) bool.
        groups: (m,) images of one group are kept in one fold and drawn together in the bootstrap.
    Raises:
        DatasetError: fewer than 10 independent images of a class.
    """
    import pandas as pd

    positive = np.asarray(fake, bool)
    codes = group_codes(groups, positive.size)
    for name, members in (("fake", positive), ("real", ~positive)):
        if len(np.unique(codes[members])) < FEWEST:
            raise DatasetError(f"shortcuts are looked for in {FEWEST} images of each class or more; {name} has fewer")
    folds = stratified_folds(positive, codes, seed)
    rows = []
    for name, values in features.items():
        constant = bool(np.all((values == values[0]) | (np.isnan(values) & np.isnan(values[0]))))
        scores, probability = (np.zeros(positive.size), np.full(positive.size, positive.mean()))
        if not constant:
            probability = out_of_fold(KINDS[name], values, positive, folds)[:, 1]
            scores = _rank_within(probability, folds)
        area = auc_interval(positive, scores, codes, seed)
        right = wilson(int(((probability >= 0.5) == positive).sum()), positive.size)
        numbers = (area.value, area.low, area.high, right.value, right.low, right.high)
        rows.append((name, *numbers, positive.size, constant))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values("auc", ascending=False, kind="stable").reset_index(drop=True)


def stratified_folds(labels: NDArray[Any], codes: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """The fold of each image, (m,): classes alike in every fold, groups (`codes`) whole."""
    from sklearn.model_selection import StratifiedGroupKFold

    folds = np.empty(len(labels), np.int64)
    divide = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(divide.split(codes, labels, codes)):
        folds[held_out] = fold
    return folds


def out_of_fold(
    kind: Kind, values: NDArray[np.float32], labels: NDArray[Any], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Probabilities (m, classes) of each image by a classifier that did not see its fold; classes in sorted order."""
    from threadpoolctl import threadpool_limits

    classes = np.unique(labels)
    probability = np.zeros((len(labels), len(classes)))
    with threadpool_limits(1):  # fits this small are slower, by far on a busy machine, when threads wait for each other
        for fold in np.unique(folds):
            held_out = folds == fold
            model = classifier(kind).fit(values[~held_out], labels[~held_out])
            columns = np.searchsorted(classes, model.classes_)
            probability[np.ix_(held_out, columns)] = model.predict_proba(values[held_out])
    return probability


def classifier(kind: Kind) -> Any:
    """An unfitted scikit-learn classifier: regularised logistic regression, or boosted trees (which take NaN)."""
    if kind == "linear":
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=8, min_samples_leaf=10, early_stopping=False)


def balanced_classifier(kind: Kind) -> Any:
    """`classifier`, with classes that count alike however many images they have."""
    model = classifier(kind)
    name = "logisticregression__class_weight" if kind == "linear" else "class_weight"
    return model.set_params(**{name: "balanced"})


def _rank_within(scores: NDArray[np.float64], folds: NDArray[np.int64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    ranks = np.empty(scores.size)
    for fold in np.unique(folds):
        inside = folds == fold
        ranks[inside] = (rankdata(scores[inside]) - 0.5) / inside.sum()
    return ranks
