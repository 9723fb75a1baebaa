"""The tab that makes a fake of a picture with the visitor's own key, and says at once what the detector makes of it.

The key travels from the form to the provider: it is in no log, no file and no state.
"""

import html
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fakeimg.app import panels
from fakeimg.app.check_image import DROP
from fakeimg.app.detectors import Detectors
from fakeimg.app.messages import answered
from fakeimg.app.record import detect
from fakeimg.app.uploads import Upload, uploaded
from fakeimg.data.images import read_image, resize
from fakeimg.data.imitation import imitate
from fakeimg.data.provider import BusyError, RefusedError, UnansweredError
from fakeimg.errors import ConfigError, FakeimgError
from fakeimg.files import write_bytes

if TYPE_CHECKING:
    from fakeimg.data.provider import Provider

Connect = Callable[[str], "Provider"]
"""From a visitor's key to what makes fakes with it."""
_INTRODUCTION = """A generator makes another person in the same pose, framing and light; the result is saved like the
original, so that nothing but the content differs. The picture is sent to OpenAI with **your** key, which is used once
and not kept; OpenAI charges you{price}."""
_LONGEST_KEY = 300


def openai(key: str) -> "Provider":
    """OpenAI's images API with a visitor's key."""
    from fakeimg.data.openai_images import OpenAIImages

    return OpenAIImages(key=key, workers=1)


def make_a_fake(detectors: Detectors, model: Any, folder: Path, connect: Connect = openai) -> None:
    """Lay out the tab."""
    import gradio as gr

    gr.Markdown(_INTRODUCTION.format(price=_price()))
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=260):
            picture = gr.Image(
                label="Photograph of a face", type="filepath", image_mode=None, sources=["upload", "clipboard"],
                height=300, alt_text="The photograph to imitate", placeholder=DROP, buttons=["fullscreen"],
            )  # fmt: skip
            key = gr.Textbox(label="Your OpenAI key", type="password", placeholder="sk-…", max_length=_LONGEST_KEY)
            button = gr.Button("Make a fake of it", variant="primary")
        with gr.Column(scale=2, min_width=320):
            result = gr.HTML("<div class='fi-card fi-empty'><p>The fake and its verdict appear here.</p></div>")

    @answered
    def make(payload: Any, secret: str, name: str) -> tuple[str, str]:
        if not secret or not secret.strip():
            raise ConfigError("a key is needed; it is used for this one request and not kept")
        original = uploaded(payload, folder)
        provider = connect(secret.strip())
        try:
            content, suffix = imitate(original.path, lambda square: provider.make(square, uuid4().hex))
        except RefusedError as error:
            raise FakeimgError(f"the provider refused this picture ({error})") from None
        except BusyError:
            raise FakeimgError("the provider is busy; nothing was charged, try again in a minute") from None
        except UnansweredError:
            raise FakeimgError("no answer came; the request may have been charged all the same") from None
        path = Path(mkdtemp(dir=folder)) / f"fake{suffix}"
        try:
            write_bytes(path, content)
            return _beside(original, detect(detectors, original, name), Upload(path.name, path), detectors, name), ""
        finally:
            path.unlink(missing_ok=True)
            path.parent.rmdir()

    gr.on(
        [button.click, key.submit],
        make, [picture, key, model], [result, key], preprocess=False, concurrency_id="generate", concurrency_limit=4,
        api_visibility="private",
    )  # fmt: skip


def _beside(original: Upload, first: dict[str, Any], fake: Upload, detectors: Detectors, model: str) -> str:
    second = detect(detectors, fake, model)
    sides = []
    for title, upload, record in (("The photograph", original, first), ("The fake", fake, second)):
        pixels = read_image(upload.path)
        shrink = panels.SHOWN / max(pixels.shape[:2])
        shown = resize(pixels, (round(pixels.shape[0] * shrink), round(pixels.shape[1] * shrink)))
        words = html.escape(title)
        sides.append(f"<div><h3>{words}</h3>{panels.picture(shown, title)}{panels.verdict_panel(record)}</div>")
    return f"<div class=fi-pair>{''.join(sides)}</div>"


def _price() -> str:
    from fakeimg.data.openai_images import price_list

    prices = price_list()
    row = prices["models"].get(prices["default"])
    if row is None:
        return ""
    return f" (about ${float(row['input'] + row['medium']):.2f} a picture, as of {prices['as_of']})"
