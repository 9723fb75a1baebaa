"""`fakeimg demo`: the web page on this machine."""

from typing import Annotated

import typer

from fakeimg.cli.options import ModelOption, say


def demo(
    model: ModelOption = "bundled",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="7860 or the next free one when absent.")] = None,
    faces: Annotated[
        str | None, typer.Option(metavar="DATA", help="Labelled images for the examples and the map of faces.")
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="Ask Gradio for a public address; off by default.")] = False,
    mcp: Annotated[bool, typer.Option("--mcp", help="Answer as an MCP server too.")] = False,
    generate: Annotated[
        bool, typer.Option("--generate/--no-generate", help="The tab that makes fakes with a key of one's own.")
    ] = True,
) -> None:
    """Open the web page: check an image or many, look inside the network, read what the model is worth."""
    from fakeimg.app import build, serve

    say("loading the model")
    serve(build(model, open_any=not share, faces=faces, generate=generate), port=port, share=share, mcp=mcp)
