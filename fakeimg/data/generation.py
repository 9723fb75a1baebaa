"""What a generation asks for before it spends, and what it gives."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fakeimg.data.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Estimate:
    """What is about to be asked for.

    Attributes:
        images: how many fakes.
        dollars: what they cost; None when the price is not known.
        unanswered: how many of them were asked for before without an answer, and may then be charged a second time.
    """

    images: int
    dollars: float | None
    unanswered: int = 0

    def __str__(self) -> str:
        cost = "at a price that is not known" if self.dollars is None else f"for about ${self.dollars:,.2f}"
        if not self.unanswered:
            return f"{self.images:,} images {cost}"
        return (
            f"{self.images:,} images again {cost}: they were asked for before, no answer came, and each may be charged"
        )


Confirm = Callable[[Estimate], bool]


@dataclass(frozen=True)
class Generation:
    """Photographs and the fakes made from them.

    Attributes:
        dataset: both, a photograph and its fake in one `group`; attributes of a fake are those of its photograph.
        table: one row a photograph: path, status ("done", "refused", "unanswered", "failed", "unreadable", "duplicate"
            or "declined"), reason.
        dollars: what the fakes made in this run cost by the price list; None when the price is not known.
    """

    dataset: Dataset
    table: "pd.DataFrame"
    dollars: float | None

    @property
    def counts(self) -> dict[str, int]:
        """How many photographs have each status."""
        return {str(status): int(n) for status, n in self.table["status"].value_counts().items()}

    def plot(self, ax: "Axes | None" = None, pairs: int = 8) -> "Axes":
        """The first photographs above their fakes."""
        from matplotlib.figure import Figure

        from fakeimg.data.images import read_image, resize

        frame = self.dataset.frame
        groups = frame.loc[frame["label"] != self.dataset.class_names[0], "group"].head(pairs)
        rows = [
            [
                resize(read_image(self.dataset.root / path), (128, 128), "pad")
                for path in frame["path"][frame["group"] == name]
            ]
            for name in groups
        ]
        if ax is None:
            ax = Figure(figsize=(1.3 * max(1, len(rows)), 2.7), layout="constrained").subplots()
        if rows:
            ax.imshow(np.hstack([np.vstack(pair[:2]) for pair in rows]))
        ax.set_yticks([64, 192], ["photograph", "fake"])
        ax.set_xticks([])
        ax.spines[:].set_visible(False)
        return ax

    def _repr_html_(self) -> str:
        counts = ", ".join(f"{n:,} {status}" for status, n in self.counts.items())
        return f"<p>{html.escape(repr(self.dataset).strip('<>'))}</p><p>{counts}</p>"
