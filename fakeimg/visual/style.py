"""One look for every figure: colours that colour-blind readers tell apart, quiet axes, no global state."""

import base64
import html
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fakeimg.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

# Bluish green and vermilion of Okabe and Ito's palette, which stay apart in every common colour blindness.
REAL = "#009E73"
FAKE = "#D55E00"
ACTIVATION = "#5B3FA0"
INK = "#1F2933"
MUTED = "#66727F"
RULE = "#D9DEE4"
PAPER = "#FFFFFF"
# Shades that tell clusters apart within one class; neighbours in the list are far apart in lightness.
REAL_SHADES = ("#009E73", "#0B4F6C", "#56B4E9", "#7BC8A4", "#00607A", "#2E86AB", "#035E46", "#9AD1D4")
FAKE_SHADES = ("#D55E00", "#7F1D1D", "#F2A541", "#E8875B", "#A63A0A", "#F4C95D", "#C2185B", "#5C2E0B")
NOISE = "#B4BCC6"

_PARAMETERS = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this package's look; matplotlib's own settings are as before afterwards."""
    import matplotlib as mpl

    with mpl.rc_context(_PARAMETERS):
        yield


def new_axes(width: float, height: float) -> "Axes":
    """Axes on a figure of their own, `width` by `height` inches, that no global state knows of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure.add_subplot()


def picture_axes(axes: "Axes | None", width: float, height: float) -> "Axes":
    """`axes`, or new ones, made ready for a picture: no ticks, no frame."""
    axes = new_axes(width, height) if axes is None else axes
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def write_figure(axes: "Axes", path: Path | str, *, dpi: int = 160) -> None:
    """Write the figure that `axes` belong to, in the format of the path's suffix, all or nothing."""
    with replacing(path) as temporary:
        _figure(axes).savefig(temporary, dpi=dpi, bbox_inches="tight", pad_inches=0.08)


def figure_html(axes: "Axes", alternative: str, *, dpi: int = 110) -> str:
    """The figure that `axes` belong to as an HTML image that needs no file beside it."""
    buffer = io.BytesIO()
    _figure(axes).savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.08)
    return image_html(buffer.getvalue(), alternative)


def image_html(png: bytes, alternative: str) -> str:
    """PNG bytes as an HTML image that needs no file beside it."""
    content = base64.b64encode(png).decode("ascii")
    words = html.escape(alternative, quote=True)
    return f'<img alt="{words}" style="max-width:100%" src="data:image/png;base64,{content}">'


def evidence_colours(colour: str) -> "Colormap":
    """From nothing (transparent) to `colour`, by opacity: where there is no evidence the picture shows unchanged."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    red, green, blue = to_rgb(colour)
    return LinearSegmentedColormap.from_list("evidence", [(red, green, blue, 0.0), (red, green, blue, 0.9)])


def evidence_scale(
    axes: "Axes", colour: str, limit: float, label: str, *, top: float = 1.0, height: float = 1.0
) -> None:
    """The colour scale of heatmaps, 0 to `limit`, right of `axes`; `top` and `height` are shares of theirs."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    place = axes.inset_axes((1.03, top - height, 0.022, height))
    scale = ScalarMappable(Normalize(0, limit), evidence_colours(colour))
    bar = _figure(axes).colorbar(scale, cax=place, ticks=MaxNLocator(4))
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)


def class_colour(index: int) -> str:
    """The colour of a class: the first is the photographs'."""
    return REAL if index == 0 else FAKE


def cluster_colours(clusters: ArrayLike, fake: ArrayLike) -> list[str]:
    """A colour an image: by cluster within its class's family: cool for photographs, warm for fakes; grey for noise.

    Args:
        clusters: (n,) cluster numbers, -1 for noise.
        fake: (n,) bool.
    """
    families = (REAL_SHADES, FAKE_SHADES)
    return [
        NOISE if cluster < 0 else families[int(is_fake)][int(cluster) % len(REAL_SHADES)]
        for cluster, is_fake in zip(np.asarray(clusters), np.asarray(fake, bool), strict=True)
    ]


def rgb(colour: str) -> NDArray[np.uint8]:
    """A colour like "#D55E00" as (3,) uint8."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)


def grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A colour picture (h, w, 3) in greys, slightly lightened, as a ground on which colour means something."""
    luma: NDArray[Any] = image @ np.array([0.299, 0.587, 0.114])
    return np.repeat((40 + luma * (215 / 255)).astype(np.uint8)[..., None], 3, axis=2)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """RGB pixels (h, w, 3) as a PNG file."""
    import cv2

    return bytes(cv2.imencode(".png", image[..., ::-1])[1])


def _figure(axes: "Axes") -> Any:
    """The whole figure, also of axes within a part of one."""
    return axes.get_figure(root=True)
