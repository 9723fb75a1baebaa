"""The page as a whole: a model at the top, the tabs below it."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from fakeimg.app.about import about
from fakeimg.app.api import endpoints
from fakeimg.app.check_image import check_image
from fakeimg.app.check_many import check_many
from fakeimg.app.detectors import Detectors, label
from fakeimg.app.faces import FaceMaps, examples, rendered_sample
from fakeimg.app.look_inside import look_inside
from fakeimg.app.make_a_fake import make_a_fake
from fakeimg.app.messages import answered
from fakeimg.app.uploads import uploaded
from fakeimg.data.dataset import Dataset

QUEUE = 40
"""Requests that may wait; further ones are told that the server is busy."""
SWEEP = (60, 600)
"""Every so many seconds, files of visitors older than so many seconds are deleted."""
_TITLE = """<div class=fi-title><h1>fakeimg</h1>
<p>Photograph, or made by a generator? A verdict in words, and what it is worth.</p></div>"""


def build(
    model: str = "bundled",
    *,
    models: Sequence[str] = (),
    open_any: bool = False,
    faces: Dataset | Path | str | None = None,
    generate: bool = True,
) -> Any:
    """The page as a `gradio.Blocks`; the model is loaded, and warm, when this returns.

    Launch it with `fakeimg.app.serve`, which adds the limits and the security headers.

    Args:
        model: `bundled`, a model folder, or `hf://owner/name[@revision]`.
        models: further ones to offer.
        open_any: let visitors name any folder or repository: for one's own machine, not for the public.
        faces: labelled images for the examples and the map; the rendered sample when absent.
        generate: show the tab that makes fakes with a visitor's own key.
    Raises:
        ModelError: no such model, or a damaged one.
        HubError: it cannot be fetched.
        DatasetError: `faces` is no data set.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
    detectors = Detectors(model, others=models, open_any=open_any)
    detectors.warm_up()
    dataset = faces if isinstance(faces, Dataset) else rendered_sample() if faces is None else Dataset.open(faces)
    # A folder of this page's own: what is in it was sent by visitors, and all of it can be deleted.
    folder = Path(mkdtemp(prefix="fakeimg-demo-"))
    try:
        with uploads_in(folder):
            page = _lay_out(detectors, dataset, folder, generate=generate)
            page.queue(max_size=QUEUE, api_open=False, default_concurrency_limit=1)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    for block in page.blocks.values():
        _refuse_addresses(block)
    page.fakeimg_detectors, page.fakeimg_folder = detectors, folder
    return page


@contextmanager
def uploads_in(folder: Path) -> Iterator[None]:
    """Let Gradio put uploads into `folder`: it reads the place from the environment, at every request anew."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["GRADIO_TEMP_DIR"]
        else:
            os.environ["GRADIO_TEMP_DIR"] = before


def style() -> str:
    """The page's own CSS."""
    return files("fakeimg.app").joinpath("page.css").read_text("utf-8")


def _lay_out(detectors: Detectors, dataset: Dataset, folder: Path, *, generate: bool) -> Any:
    import gradio as gr

    with gr.Blocks(title="fakeimg", analytics_enabled=False, delete_cache=SWEEP) as page:
        with gr.Row(elem_classes="fi-head", equal_height=False):
            gr.HTML(_TITLE)
            picker = gr.Dropdown(
                [(label(name), name) for name in detectors.offered],
                value=detectors.default,
                label="Model",
                info="A folder, or hf://owner/name" if detectors.open_any else None,
                allow_custom_value=detectors.open_any,
                visible=detectors.open_any or len(detectors.offered) > 1,
                scale=0,
                min_width=250,
            )
        chosen = gr.State(detectors.default)
        with gr.Tabs() as tabs:
            with gr.Tab("Check an image", id="check"):
                picture, inside = check_image(detectors, chosen, folder, examples(dataset, detectors.get()))
            with gr.Tab("Check many", id="many"):
                check_many(detectors, chosen, folder)
            with gr.Tab("Look inside", id="inside"):
                opened, look = look_inside(detectors, chosen, folder, FaceMaps(detectors, dataset))
            if generate:
                with gr.Tab("Make a fake", id="make"):
                    make_a_fake(detectors, chosen, folder)
            with gr.Tab("About", id="about"):
                about(detectors, chosen)
        endpoints(detectors, folder)
        moved = inside.click(
            answered(lambda payload: (gr.update(selected="inside"), str(uploaded(payload, folder).path))),
            picture, [tabs, opened], preprocess=False, queue=False, api_visibility="private",
        )  # fmt: skip
        look(moved.then)
        picker.input(
            answered(lambda name: detectors.get(name) and name), picker, chosen, concurrency_id="many",
            show_progress_on=picker, api_visibility="private",
        )  # fmt: skip
    return page


def _refuse_addresses(block: Any) -> None:
    """Keep a component from fetching addresses: Gradio bars private ones alone."""
    if hasattr(block, "async_move_resource_to_block_cache"):
        block.async_move_resource_to_block_cache = partial(_files_alone, block.async_move_resource_to_block_cache)


async def _files_alone(move: Any, path: Any) -> Any:
    import gradio as gr

    if path is not None and "://" in str(path):
        raise gr.Error("Addresses are not fetched; send the picture itself.", print_exception=False)
    return await move(path)
