"""The tab that opens the network: evidence for both answers, what every stage sees, and which faces it finds alike."""

import html
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fakeimg.app import panels
from fakeimg.app.check_image import DROP, evidence
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


def look_inside(detectors: Detectors, model: Any, folder: Path, maps: FaceMaps) -> tuple[Any, Callable[[Any], None]]:
    """Lay out the tab; returns its picture, and what makes an event look into it."""
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
                placeholder=DROP,
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
            found = feature_maps(detector, upload.path)
        words = f"Feature maps of {len(found.stages)} stages, the most active channels of each"
        yield first, _STAGES + panels.figure(figure_html(found.plot(), words)), _HEADING.format(_MAP, "") + _WAIT

    @answered
    def place_on_map(payload: Any, name: str) -> str:
        from fakeimg.visual.style import figure_html

        if payload is None:
            return ""
        try:
            axes, words = maps.place(name, uploaded(payload, folder))
        except DatasetError as error:
            return _HEADING.format(_MAP, html.escape(str(error)))
        described = f"The map of faces with a ring around the place of this picture. {words}"
        return _HEADING.format(_MAP, words) + panels.figure(figure_html(axes, described))

    @answered
    def forget(payload: Any) -> Any:
        return (_EMPTY, "", "") if payload is None else gr.skip()

    def run(trigger: Any) -> None:
        looked = trigger(
            look, [picture, model], [both, stages, place], preprocess=False, concurrency_id="explain",
            show_progress="minimal", api_visibility="private",
        )  # fmt: skip
        # In a queue of its own: while the map is fitted for the first time, others get their explanations.
        looked.then(
            place_on_map, [picture, model], place, preprocess=False, concurrency_id="map", show_progress="hidden",
            api_visibility="private",
        )  # fmt: skip

    run(picture.input)
    run(model.change)
    picture.change(  # see `check_image`
        forget, picture, [both, stages, place], preprocess=False, queue=False, show_progress="hidden",
        api_visibility="private",
    )  # fmt: skip
    return picture, run
