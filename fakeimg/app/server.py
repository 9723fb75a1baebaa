"""Running the page: limits, security headers, and nothing of a visitor left behind."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from fakeimg.app.page import style, uploads_in
from fakeimg.app.uploads import MAX_UPLOAD
from fakeimg.errors import ConfigError

SESSIONS = 1000
"""Visitors whose choices are remembered, about 0.1 MB each; every call from a program counts as one."""

# Gradio's page compiles its templates and holds inline scripts; everything else is barred, above all other hosts.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'{frames}"
)
_SPACE_FRAMES = " https://huggingface.co https://*.hf.space"


def serve(
    page: Any, *, port: int | None = None, host: str | None = None, share: bool = False, mcp: bool = False
) -> None:
    """Run a page from `build` until Ctrl-C, then delete what visitors sent.

    Args:
        port: 7860 or the next free one when None.
        host: this machine alone when None; "0.0.0.0" for all that can reach it.
        share: ask Gradio for a public address.
        mcp: answer as an MCP server too.
    Raises:
        ConfigError: the port is taken, or what MCP needs is not installed.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped by a supervisor, it tidies up all the same
    with launched(page, port=port, host=host, share=share, mcp=mcp) as address:
        print(f"fakeimg: {address}  (Ctrl-C stops it)", file=sys.stderr)
        threading.Event().wait()


@contextmanager
def launched(
    page: Any, *, port: int | None = None, host: str | None = None, share: bool = False, mcp: bool = False
) -> Iterator[str]:
    """The address of a running page; it is closed, and what visitors sent deleted, at the end. See `serve`."""
    folder = page.fakeimg_folder
    with uploads_in(folder):
        try:
            address = _launch(page, port=port, host=host, share=share, mcp=mcp)
            page.fakeimg_detectors.warm_up_gradients()
            yield address
        finally:
            page.close(verbose=False)
            shutil.rmtree(folder, ignore_errors=True)


def _launch(page: Any, *, port: int | None, host: str | None, share: bool, mcp: bool) -> str:
    import gradio as gr
    from starlette.middleware import Middleware

    if mcp and find_spec("mcp") is None:
        raise ConfigError("the MCP server needs another package: pip install 'gradio[mcp]'")
    theme = gr.themes.Default(
        primary_hue="teal",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(  # darker than usual: white on them has to be readable, by day and by night
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
    )
    frames = _SPACE_FRAMES if "SPACE_ID" in os.environ else ""
    try:
        _, local, public = page.launch(
            server_port=port,
            server_name=host,
            share=share,
            mcp_server=mcp,
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,  # errors of components would tell paths; `messages` tells what may be told
            max_file_size=MAX_UPLOAD,
            state_session_capacity=SESSIONS,
            enable_monitoring=False,
            run_history=False,
            ssr_mode=False,
            pwa=False,
            footer_links=["api", "settings"],
            theme=theme,
            css=style(),
            app_kwargs={"middleware": [Middleware(SecurityHeaders, policy=_POLICY.format(frames=frames))]},
        )
    except OSError as error:
        if port is not None and "port" in str(error).lower():
            raise ConfigError(f"port {port} is taken; choose another with --port") from None
        raise
    return str(public or local)


class SecurityHeaders:
    """ASGI middleware that adds to every answer what tells a browser to trust this page alone."""

    def __init__(self, app: Any, policy: str) -> None:
        self._app = app
        headers = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
        }
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, and its answer back with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *self._headers]}
            await send(message)

        await self._app(scope, receive, send_with_headers)
