"""The Gradio interface: `build` makes the page, `serve` runs it until it is stopped."""

from fakeimg.app.page import build
from fakeimg.app.server import serve

__all__ = ["build", "serve"]
