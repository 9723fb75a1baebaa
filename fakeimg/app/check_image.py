"""The first tab: one picture, its verdict in words, and everything that says how far to believe it."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from fakeimg.app import panels
from fakeimg.app.attributes import ATTRIBUTES, judge
from fakeimg.app.detectors import Detectors
from fakeimg.app.messages import answered
from fakeimg.app.record import detect
from fakeimg.app.uploads import Upload, uploaded
from fakeimg.app.worth import Rates, meaning, measured
from fakeimg.data.images import read_image, resize
from fakeimg.errors import ImageError

if TYPE_CHECKING:
    from fakeimg.models.detector import Detector
    from fakeimg.visual.gradcam import Heatmap

DROP = "Drop an image file here to upload"
"""What Gradio calls its drop zones to screen readers; eyes are told the same."""


def check_image(detectors: Detectors, model: Any, folder: Path, examples: Sequence[Path]) -> Any:
    """Lay out the tab; returns its picture and its button to look inside.

    Args:
        model: the state that holds the name of the visitor's detector.
        folder: where uploads are put.
        examples: pictures to try.
    """
    import gradio as gr

    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=300):
            picture = gr.Image(
                label="Picture of one face",
                type="filepath",
                image_mode=None,  # anything else and Gradio would re-encode what is not RGB
                sources=["upload", "clipboard", "webcam"],
                height=380,
                alt_text="The picture to be checked",
                placeholder=DROP,
                elem_id="fi-picture",
                buttons=["fullscreen"],
            )
            shelf = gr.HTML(panels.example_shelf(examples), js_on_load=panels.EXAMPLE_SCRIPT)
        with gr.Column(scale=7, min_width=320):
            verdict = gr.HTML(panels.WELCOME, elem_id="fi-verdict")
            with gr.Column(visible=False, elem_id="fi-worth") as worth:
                prevalence = gr.Slider(
                    1, 99, value=10, step=1, label="Of 100 pictures like this one, how many are generated?",
                    elem_id="fi-prevalence",
                )  # fmt: skip
                sense = gr.HTML(elem_classes="fi-sense")
            with gr.Row(equal_height=False):
                with gr.Column(min_width=260):
                    heat = gr.HTML(js_on_load=panels.HEAT_SCRIPT)
                with gr.Column(min_width=260):
                    facts = gr.HTML()
                    inside = gr.Button("Look inside this picture", visible=False, size="sm")
    record = gr.State(None)
    told = [verdict, record, worth, sense, heat, facts, inside]
    nothing = (panels.WELCOME, None, gr.update(visible=False), "", "", "", gr.update(visible=False))

    @answered
    def decide(payload: Any, name: str, share: float) -> tuple[Any, ...]:
        if payload is None:
            return nothing
        found = detect(detectors, uploaded(payload, folder), name)
        readable = found["status"] == "ok"
        words = meaning(found["verdict"], Rates.of(detectors.get(name).spec), share / 100)
        return (
            panels.verdict_panel(found),
            found,
            gr.update(visible=found["verdict"] in ("fake", "real")),
            f"<p>{words}</p>",
            "",
            "",
            gr.update(visible=readable),
        )

    @answered
    def explain(payload: Any, name: str, found: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
        if payload is None or found is None or found["status"] != "ok":
            yield "", ""
            return
        upload, detector = uploaded(payload, folder), detectors.get(name)
        known = panels.fact("This model", measured(detector.spec))
        with detectors.turn:
            stability = _stability(detector, upload)
        known = stability + known
        yield "", known
        attributes = _attributes(upload)
        known = stability + attributes + known.removeprefix(stability)
        yield "", known
        with detectors.turn:
            photo, heatmap = evidence(detector, upload, "real" if found["verdict"] == "real" else "fake")
        yield panels.heat_panel(photo, heatmap, upload.name), known

    @answered
    def weigh(found: dict[str, Any] | None, name: str, share: float) -> str:
        words = meaning(found["verdict"] if found else None, Rates.of(detectors.get(name).spec), share / 100)
        return f"<p>{words}</p>"

    @answered
    def forget(payload: Any) -> Any:
        return nothing if payload is None else gr.skip()

    @answered
    def choose(event: gr.EventData) -> str:
        example = examples[int(event.index)]
        return shutil.copy(example, mkdtemp(dir=folder))

    def run(trigger: Any) -> None:
        decided = trigger(
            decide, [picture, model, prevalence], told,
            preprocess=False, concurrency_id="verdict", show_progress_on=verdict, api_visibility="private",
        )  # fmt: skip
        decided.then(
            explain, [picture, model, record], [heat, facts], preprocess=False, concurrency_id="explain",
            show_progress="minimal", api_visibility="private",
        )  # fmt: skip

    # `picture.change` fires a second time when the page answers what was set from here, so it decides nothing; but it
    # alone tells that such a picture was removed.
    run(picture.input)
    run(model.change)
    picture.change(
        forget, picture, told, preprocess=False, queue=False, show_progress="hidden", api_visibility="private"
    )
    run(shelf.click(choose, None, picture, queue=False, show_progress="hidden", api_visibility="private").then)
    prevalence.change(
        weigh, [record, model, prevalence], sense, queue=False, show_progress="hidden", trigger_mode="always_last",
        api_visibility="private",
    )  # fmt: skip
    return picture, inside


def evidence(detector: "Detector", upload: Upload, target: str) -> tuple[Any, "Heatmap"]:
    """The picture as large as the page shows it, and its heatmap at that size.

    Raises:
        ImageError: the picture cannot be read.
    """
    from fakeimg.visual.gradcam import gradcam

    pixels = read_image(upload.path)
    heatmap = gradcam(detector, pixels, target=target, engine="auto")
    framing = detector.spec.architecture.framing
    # A stretched picture is shown in its own proportions: the heatmap is stretched back with it.
    height, width = pixels.shape[:2] if framing == "stretch" else detector.image_size
    shrink = panels.SHOWN / max(height, width)
    photo = resize(pixels, (max(1, round(height * shrink)), max(1, round(width * shrink))), framing)
    return photo, replace(heatmap, image=photo)


def _stability(detector: "Detector", upload: Upload) -> str:
    from fakeimg.evaluation.stability import stability

    try:
        return panels.stability_panel(stability(detector, upload.path))
    except ImageError as error:
        return panels.fact("When sent on", f"Not tested: {error.reason}.")


def _attributes(upload: Upload) -> str:
    judged = judge(upload.path)
    return panels.attributes_panel(judged, [name for name in ATTRIBUTES if name not in judged])
