"""The tab that says what the model is: its card, with figures per source and attribute, and its limits."""

import re
from typing import Any

from fakeimg.app.detectors import Detectors, label
from fakeimg.app.messages import answered
from fakeimg.app.worth import measured
from fakeimg.hub.card import render_card
from fakeimg.models.detector import Detector

# They tell how to load and cite what is published; here the model is at work already.
_LEFT_OUT = ("How to use it", "Citation")
API = """
## From a program

```python
from gradio_client import Client, handle_file

client = Client("ADDRESS")
client.predict(handle_file("face.jpg"), api_name="/detect")
```

The answer is the object that `fakeimg detect --json` prints, its `path` empty: `verdict` is `fake`, `real`,
`inconclusive` or `out-of-domain`, with `probability_fake`, both thresholds, and the SHA-256 of the model.
`/detect_many` takes a list of files, `/heatmap` one file and `fake` or `real`. When many ask at once the answer is
“queue is full”: ask again later.
"""


def about(detectors: Detectors, model: Any) -> None:
    """Lay out the tab."""
    import gradio as gr

    text = gr.Markdown(card(detectors.get()), elem_classes="fi-about")

    @answered
    def tell(name: str) -> str:
        return card(detectors.get(name))

    model.change(tell, model, text, queue=False, show_progress="hidden", api_visibility="private")


def card(detector: Detector) -> str:
    """The model card as it concerns a visitor: what was measured, and what was not."""
    name = label(detector.name)
    body = render_card(detector.spec, f"fakeimg/{name}").partition("\n---\n")[2].strip()
    title, *sections = re.split(r"^## ", body, flags=re.MULTILINE)
    kept = [section for section in sections if not section.startswith(_LEFT_OUT)]
    return f"{title.strip()}\n\n**{measured(detector.spec)}**\n\n" + "".join(f"## {part}" for part in kept) + API
