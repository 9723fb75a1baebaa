"""The tab that opens the network: evidence for both answers, what every stage sees, and which faces it finds alike."""

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fakeimg.app import panels
from fakeimg.app.check_image import evidence
from fakeimg.app.detectors import Detectors
from fakeimg.app.faces import FaceMaps
from fakeimg.app.messages import answered
from fakeimg.app.uploads import uploaded
from fakeimg.errors import DatasetError

_HEADING = "<h3>{}</h3><p>{}</p>"
_BOTH = _HEADING.format(
    "Where the evidence lies",
    "Grad-CAM of the last feature map: vermilion speaks for “generated”, green for “photograph”, both on one scale.",
)
_STAGES = _HEADING.format(
    "What every stage sees",
    "The most active channels of each stage, from fine to coarse; dark is each channel’s least value, bright its most.",
)
_MAP = "Which faces it finds alike"
_WAIT = "<p class=fi-wait>Fitting the map of faces; the first time takes about half a minute.</p>"
_EMPTY = "<div class='fi-card fi-empty'><p>Pick a picture to see what the network makes of it.</p></div>"


def look_inside(detectors: Detectors, model: Any, folder: Path, maps: FaceMaps) -> Any:
    """Lay out the tab; returns its picture."""
    import gradio as gr

    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=260):
            picture = gr.Image(
                label="Picture of one face",
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard"],
                height=300,
                alt_text="The picture to look into",
                buttons=["fullscreen"],
            )
        with gr.Column(scale=3, min_width=320):
            both = gr.HTML(_EMPTY)
            stages = gr.HTML()
            place = gr.HTML()

    @answered
    def look(payload: Any, name: str) -> Iterator[tuple[str, str, str]]:
        from fakeimg.visual.feature_maps import feature_maps
        from fakeimg.visual.style import figure_html

        if payload is None:
            yield _EMPTY, "", ""
            return
        upload, detector = uploaded(payload, folder), detectors.get(name)
        with detectors.turn:
            photo, fake = evidence(detector, upload, "fake")
            _, real = evidence(detector, upload, "real")
        limit = max(fake.peak, real.peak)
        shown = [
            panels.captioned(photo, "The picture", "As the network sees it"),
            panels.captioned(fake.overlay(limit=limit), f"Heatmap. {fake.note}", fake.note),
            panels.captioned(real.overlay(limit=limit), f"Heatmap. {real.note}", real.note),
        ]
        first = f"{_BOTH}<div class=fi-trio>{''.join(shown)}</div>"
        yield first, "", ""
        with detectors.turn:
            maps_of_stages = feature_maps(detector, upload.path)
        words = f"Feature maps of {len(maps_of_stages.stages)} stages, the most active channels of each"
        second = f"{_STAGES}{panels.figure(figure_html(maps_of_stages.plot(), words))}"
        yield first, second, _HEADING.format(_MAP, "") + _WAIT
        try:
            axes, words = maps.place(name, upload)
        except DatasetError as error:
            yield first, second, _HEADING.format(_MAP, html.escape(str(error)))
            return
        described = f"The map of faces with the picture marked on it. {words}"
        yield first, second, _HEADING.format(_MAP, words) + panels.figure(figure_html(axes, described))

    gr.on(
        [picture.change, model.change],
        look, [picture, model], [both, stages, place], preprocess=False, concurrency_id="explain",
        show_progress="minimal", trigger_mode="always_last", api_visibility="private",
    )  # fmt: skip
    return picture
