"""Self-contained HTML pages: one file that opens anywhere, in light or dark, on a wide screen or a telephone."""

import base64
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fakeimg.visual import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fakeimg.visual.gallery import Gallery

TILE = 132
_QUALITY = 85
# Colours of figures that follow the page's: ink on paper turns to paper on ink in the dark.
_INKS = {style.INK: "currentColor", "#000000": "currentColor", style.MUTED: "var(--muted)", style.RULE: "var(--rule)"}


def page(title: str, sections: Iterable[str]) -> str:
    """A whole page; it loads nothing and runs no script."""
    template = files("fakeimg.visual").joinpath("page.html").read_text("utf-8")
    return template.replace("__TITLE__", escape(title)).replace("__BODY__", "\n".join(sections))


def section(title: str, *parts: str, name: str | None = None) -> str:
    """A titled part of a page; nothing when all of its parts are empty."""
    content = "\n".join(part for part in parts if part)
    identity = f' id="{escape(name, quote=True)}"' if name else ""
    return f"<section{identity}><h2>{escape(title)}</h2>{content}</section>" if content else ""


def paragraph(text: str, kind: str | None = None) -> str:
    """A paragraph of plain text; lines stay lines."""
    css = f' class="{kind}"' if kind else ""
    return f"<p{css}>{escape(text).replace(chr(10), '<br>')}</p>" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """A table of cells that are HTML already; its first column names the rows."""
    body = "".join(
        "<tr>"
        + "".join(f"<{'td' if i else 'th'}>{cell}</{'td' if i else 'th'}>" for i, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    titles = "".join(f"<th>{escape(name)}</th>" for name in head)
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{above}<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def rate_cells(rate: Mapping[str, Any], *, percent: bool = True, kind: str = "") -> list[str]:
    """Value, interval, picture of both, and n of {"value", "low", "high", "n"}; or why there is no such number."""
    if rate.get("value") is None:
        return ["–", f'<span class="muted">{escape(str(rate.get("refused", "not measured")))}</span>', "", ""]
    value, low, high = (float(rate[name]) for name in ("value", "low", "high"))
    n = f"{int(rate['n']):,}" if rate.get("n") else ""
    return [
        f"<b>{number(value, percent)}</b>",
        f"{number(low, percent)} – {number(high, percent)}",
        bar(value, low, high, kind),
        n,
    ]


def number(value: float, percent: bool = True) -> str:
    """`98.1%` or `0.981`."""
    return f"{100 * value:.1f}%" if percent else f"{value:.3f}"


def bar(value: float, low: float, high: float, kind: str = "") -> str:
    """A rate from 0 to 1 and its interval as a dot on a line."""
    left, width = 100 * max(low, 0), 100 * (min(high, 1) - max(low, 0))
    return (
        f'<span class="bar {kind}" aria-hidden="true"><i style="left:{left:.2f}%;width:{max(width, 0.6):.2f}%"></i>'
        f'<b style="left:{100 * min(max(value, 0), 1):.2f}%"></b></span>'
    )


def figure(axes: "Axes", caption: str) -> str:
    """The figure that `axes` belong to as an inline drawing whose ink follows the page's colours."""
    import matplotlib as mpl

    buffer = io.StringIO()
    # Equal names of clip paths in two drawings of one page would clip one by the other's.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": caption}):
        axes.figure.savefig(  # type: ignore[union-attr]
            buffer, format="svg", transparent=True, metadata={"Date": None}
        )
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    for ink, colour in _INKS.items():
        drawing = re.sub(re.escape(ink), colour, drawing, flags=re.IGNORECASE)
    drawing = re.sub(r"font: [^;\"]*?(\d+(?:\.\d+)?px)[^;\"]*", r"font-size: \1", drawing)
    drawing = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 role="img"', drawing, count=1)
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"


def figures(*drawings: str, large: bool = False) -> str:
    """Figures side by side where there is room, or `large` ones, one below the other."""
    kind = "figures large" if large else "figures"
    return f'<div class="{kind}">{"".join(drawings)}</div>' if any(drawings) else ""


def gallery(pictures: "Gallery", *, name: str | None = None) -> str:
    """Pictures in rows that wrap, with their captions; the pictures are inside the page."""
    import cv2

    if not len(pictures):
        return ""
    tiles = []
    for picture, caption in zip(pictures.pictures(TILE), pictures.captions, strict=True):
        content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        data = base64.b64encode(content.tobytes()).decode("ascii")
        words = escape(caption).replace("\n", "<br>")
        image = f'<img width="{TILE}" height="{TILE}" alt="" src="data:image/jpeg;base64,{data}">'
        tiles.append(f"<figure>{image}<figcaption>{words}</figcaption></figure>")
    identity = f' id="{escape(name, quote=True)}"' if name else ""
    return f'<h3{identity}>{escape(pictures.title)}</h3><div class="gallery">{"".join(tiles)}</div>'
