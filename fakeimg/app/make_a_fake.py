"""The tab that makes a fake of a picture with the visitor's own key, and says at once what the detector makes of it.

The key travels from the form to the provider: it is in no log, no file and no state.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from fakeimg.app import panels
from fakeimg.app.check_image import DROP
from fakeimg.app.detectors import Detectors
from fakeimg.app.messages import answered
from fakeimg.app.record import detect
from fakeimg.app.uploads import Upload, uploaded
from fakeimg.data.images import read_image, resize
from fakeimg.data.imitation import imitate
from fakeimg.data.provider import BusyError, RefusedError, UnansweredError, UnreachableError
from fakeimg.errors import ConfigError, FakeimgError
from fakeimg.files import write_bytes

_INTRODUCTION = """A generator makes another person in the same pose, framing and light; the result is saved like the
original, so that nothing but the content differs. The picture is sent to OpenAI with **your** key, which is used once
and not kept; OpenAI charges you{price}."""
_LONGEST_KEY = 300


def make_a_fake(detectors: Detectors, model: Any, folder: Path) -> None:
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
        return fake_and_verdict(detectors, uploaded(payload, folder), secret, folder, model=name), ""

    gr.on(
        [button.click, key.submit],
        make, [picture, key, model], [result, key], preprocess=False, concurrency_id="generate", concurrency_limit=4,
        api_visibility="private",
    )  # fmt: skip


def fake_and_verdict(
    detectors: Detectors, original: Upload, key: str, folder: Path, *, model: str | None = None
) -> str:
    """A photograph and a fake of it side by side, each with its verdict, as HTML; the fake's file is deleted again.

    Raises:
        ImageError: the photograph cannot be read.
        FakeimgError: no key, a wrong one, or no fake for another reason, with what was charged.
    """
    from fakeimg.data.openai_images import OpenAIImages

    if not key or not key.strip():
        raise ConfigError("a key is needed; it is used for this one request and not kept")
    provider = OpenAIImages(key=key.strip(), workers=1)
    try:
        content, suffix = imitate(original.path, lambda square: provider.make(square, uuid4().hex))
    except RefusedError as error:
        raise FakeimgError(f"the provider refused this picture ({error})") from None
    except UnreachableError:
        raise FakeimgError("this server cannot reach the provider; nothing was sent") from None
    except BusyError:
        raise FakeimgError("the provider is busy; nothing was charged, try again in a minute") from None
    except UnansweredError:
        raise FakeimgError("no answer came; the request may have been charged all the same") from None
    with TemporaryDirectory(dir=folder) as place:
        fake = Upload(f"fake{suffix}", Path(place) / f"fake{suffix}")
        write_bytes(fake.path, content)
        sides = [
            _side(detectors, original, "The photograph", model),
            _side(detectors, fake, "The fake", model),
        ]
    return f"<div class=fi-pair>{''.join(sides)}</div>"


def _side(detectors: Detectors, upload: Upload, title: str, model: str | None) -> str:
    record = detect(detectors, upload, model)
    pixels = read_image(upload.path)
    shrink = panels.SHOWN / max(pixels.shape[:2])
    shown = resize(pixels, (max(1, round(pixels.shape[0] * shrink)), max(1, round(pixels.shape[1] * shrink))))
    return f"<div><h3>{title}</h3>{panels.picture(shown, title)}{panels.verdict_panel(record)}</div>"


def _price() -> str:
    from fakeimg.data.openai_images import price_list

    prices = price_list()
    row = prices["models"].get(prices["default"])
    if row is None:
        return ""
    return f" (about ${float(row['input'] + row['medium']):.2f} a picture, as of {prices['as_of']})"
