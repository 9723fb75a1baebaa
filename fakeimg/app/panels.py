"""The pieces of the page as HTML: verdict first, in words, then the score on its scale, then pictures."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fakeimg.data.judgements import Judgement
    from fakeimg.evaluation.stability import Stability
    from fakeimg.visual.gradcam import Heatmap

WORDS = {
    "fake": "Looks generated",
    "real": "Looks like a photograph",
    "inconclusive": "Can’t tell",
    "out-of-domain": "Not a face I can judge",
}
_REASONS = {
    "fake": "Its score is above what this model gives to nearly all photographs.",
    "real": "Its score is below what this model gives to nearly all generated faces.",
    "inconclusive": "Its score lies between the two thresholds, where this model is wrong too often to say.",
    "out-of-domain": "It is unlike the faces this model was trained on, so its score means nothing.",
}
SHOWN = 480
"""Pixels of the longer side of pictures on the page."""

WELCOME = """
<div class="fi-card fi-empty"><p class="fi-words">Photograph, or generated?</p>
<p>Drop a picture of one face, paste it, or take a photo; or try one of the drawn examples.
It stays on this server, is deleted within minutes, and trains nothing.</p></div>
"""


def verdict_panel(record: Mapping[str, Any]) -> str:
    """The verdict in words and the score on its scale; where the picture cannot be read, why."""
    if record["status"] != "ok":
        reason = html.escape(str(record["reason"]))
        return (
            '<div class="fi-card fi-none"><p class="fi-words">Cannot be read</p>'
            f"<p>{reason[:1].upper()}{reason[1:]}.</p></div>"
        )
    verdict = record["verdict"]
    words = f'<p class="fi-words">{WORDS[verdict]}</p><p>{_REASONS[verdict]}</p>'
    return f'<div class="fi-card fi-{verdict}">{words}{scale(record)}</div>'


def scale(record: Mapping[str, Any]) -> str:
    """The probability of "fake" from 0 to 1, the two thresholds drawn on it."""
    score = record["probability_fake"]
    low, high = record["threshold_real"], min(record["threshold_fake"], 1.0)
    described = (
        f"Probability of being generated {score:.3f}, on a scale from 0 to 1. Below {low:.3f} it looks like a "
        f"photograph, from {record['threshold_fake']:.3f} on it looks generated."
    )
    zones = f"--low:{100 * low:.2f}%;--high:{100 * high:.2f}%"
    ticks = _tick(high, f"generated from {high:.2f}", "above") if record["threshold_fake"] <= 1 else ""
    if low > 0:
        ticks += _tick(low, f"photograph below {low:.2f}", "below")
    muted = " fi-muted" if record["verdict"] == "out-of-domain" else ""
    return (
        f'<div class="fi-scale{muted}" role="img" aria-label="{html.escape(described)}" style="{zones}">'
        f'<div class="fi-bar"></div>{ticks}<div class="fi-mark" style="left:{100 * score:.2f}%"></div></div>'
        f'<p class="fi-score">Probability of being generated: <strong>{score:.3f}</strong></p>'
    )


def heat_panel(photo: NDArray[np.uint8], heatmap: "Heatmap", name: str) -> str:
    """The picture under its heatmap, whose opacity a slider sets in the browser.

    Args:
        photo: uint8 RGB, (h, w, 3).
        heatmap: of the same size.
        name: of the picture, for its description.
    """
    note = html.escape(heatmap.note[:1].upper() + heatmap.note[1:])
    layers = picture(photo, f"The picture {name}") + picture(heatmap.overlay(), f"Heatmap. {heatmap.note}", "fi-over")
    return (
        f'<figure class="fi-heat"><div class="fi-stack" style="--heat:.7">{layers}</div>'
        '<label class="fi-opacity"><span>Heatmap</span>'
        '<input type="range" min="0" max="100" value="70" aria-label="Opacity of the heatmap"></label>'
        f"<figcaption>{note}.</figcaption></figure>"
    )


_SHELF = "Or try an example. A model trained on faces of people need not be right about drawn ones."

HEAT_SCRIPT = """
element.addEventListener('input', event => {
    const stack = element.querySelector('.fi-stack');
    if (stack) stack.style.setProperty('--heat', event.target.value / 100);
});
"""


def example_shelf(paths: Sequence[Path]) -> str:
    """Pictures to try, as buttons; a click sends the number of its picture."""
    from fakeimg.visual.thumbnails import thumbnails

    buttons = "".join(
        f'<button type="button" data-index="{number}">{picture(pixels, f"Example {number + 1}")}</button>'
        for number, pixels in enumerate(thumbnails(paths, 88))
    )
    return f'<p class="fi-label">{_SHELF}</p><div class="fi-shelf">{buttons}</div>'


EXAMPLE_SCRIPT = """
element.addEventListener('click', event => {
    const button = event.target.closest('button');
    if (button) trigger('click', {index: Number(button.dataset.index)});
});
"""


def stability_panel(stability: "Stability") -> str:
    """Whether the verdict survives what a messenger or a web page does to a picture."""
    rows = "".join(
        f"<tr><th scope=row>{html.escape(str(row['version']))}</th><td>{row['probability_fake']:.3f}</td>"
        f"<td>{WORDS[row['verdict']]}</td></tr>"
        for row in stability.frame.to_dict("records")
    )
    total, low, high = len(stability.frame), stability.low, stability.high
    kept = int((stability.frame["verdict"] == stability.frame["verdict"].iloc[0]).sum())
    words = (
        f"Holds in all {total} versions"
        if stability.stable
        else f"Changes in {total - kept} of {total} versions: do not rely on it"
    )
    return (
        f"<details class=fi-fact><summary><strong>When sent on</strong><span>{words}; scores from {low:.3f} to "
        f"{high:.3f}.</span></summary><table><thead><tr><th scope=col>version</th><th scope=col>score</th>"
        f"<th scope=col>verdict</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )


def attributes_panel(judged: "Mapping[str, Judgement]", absent: Sequence[str]) -> str:
    """What annotators say of the face, and which attributes nobody here judges."""
    parts = [
        f"{html.escape(name.capitalize())}: {html.escape(judgement.value)} ({100 * judgement.confidence:.0f} % sure). "
        for name, judgement in judged.items()
    ]
    if absent:
        parts.append(f"Not judged here: {', '.join(absent)}. ")
    return fact("The face", "".join(parts) + "Annotators err; the verdict does not use them.")


def fact(title: str, text: str) -> str:
    """One line of what is known, under its name; `text` is HTML."""
    return f"<p class=fi-fact><strong>{title}</strong> {text}</p>"


def picture(pixels: NDArray[np.uint8], alternative: str, kind: str = "") -> str:
    """Pixels, uint8 RGB (h, w, 3), as an image inside the page."""
    import cv2

    content = cv2.imencode(".webp", pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 86])[1].tobytes()
    words = html.escape(alternative, quote=True)
    return f'<img class="{kind}" alt="{words}" src="data:image/webp;base64,{base64.b64encode(content).decode()}">'


def _tick(place: float, words: str, side: str) -> str:
    # Shifted by its own share of its width, a label stays within the bar at either end.
    return (
        f'<div class="fi-tick fi-{side}" style="left:{100 * place:.2f}%">'
        f'<span style="transform:translateX(-{100 * place:.0f}%)">{words}</span></div>'
    )


def captioned(pixels: NDArray[np.uint8], alternative: str, caption: str) -> str:
    """A picture with a line under it."""
    words = html.escape(caption[:1].upper() + caption[1:])
    return f"<figure>{picture(pixels, alternative)}<figcaption>{words}</figcaption></figure>"


def figure(image: str) -> str:
    """A wide figure, which scrolls sideways where the page is narrow; reachable by keyboard for that."""
    return f'<div class="fi-figure" tabindex="0" role="group" aria-label="Figure; scrolls sideways">{image}</div>'
