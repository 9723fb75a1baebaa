"""The named endpoints for programs: what `gradio_client`, curl and, on request, MCP call."""

from pathlib import Path
from typing import Any

from fakeimg.app.check_many import scored
from fakeimg.app.detectors import Detectors
from fakeimg.app.messages import answered
from fakeimg.app.record import detect
from fakeimg.app.uploads import MAX_IMAGES, uploaded
from fakeimg.errors import ConfigError, ImageError


def endpoints(detectors: Detectors, folder: Path) -> None:
    """Add `/detect`, `/detect_many` and `/heatmap` to the page that is being built."""
    import gradio as gr
    from gradio import FileData

    def detect_one(image: FileData) -> dict:  # type: ignore[type-arg]
        """Say of one picture of a face whether it looks generated or like a photograph.

        Args:
            image: the picture file.
        Returns:
            path (null), status ("ok" or "error"), verdict ("fake", "real", "inconclusive", "out-of-domain" or null),
            probability_fake, threshold_fake, threshold_real, model, model_sha256, reason.
        """
        return _answer(detect(detectors, uploaded(image, folder)))

    def detect_many(images: list[FileData]) -> list:  # type: ignore[type-arg]
        """Say the same of up to 300 pictures.

        Args:
            images: the picture files.
        Returns:
            One object a picture, as /detect returns it, in the same order.
        """
        if not isinstance(images, list) or len(images) > MAX_IMAGES:
            raise ImageError(f"send a list of at most {MAX_IMAGES} pictures")
        uploads = [uploaded(image, folder) for image in images]
        return [_answer(record) for part in scored(detectors, uploads) for record in part]

    def heatmap(image: FileData, target: str = "fake") -> dict:  # type: ignore[type-arg]
        """Show where in one picture the evidence lies (Grad-CAM).

        Args:
            image: the picture file.
            target: "fake" or "real".
        Returns:
            target, log_odds, note, and values: rows of the feature map's plane, logit units, non-negative.
        """
        from fakeimg.visual.gradcam import gradcam

        if target not in ("fake", "real"):
            raise ConfigError(f"a target is fake or real, not {str(target)[:40]!r}")
        upload = uploaded(image, folder)
        with detectors.turn:
            found = gradcam(detectors.get(), upload.path, target=target, engine="auto")
        return {
            "target": found.target,
            "log_odds": found.log_odds,
            "note": found.note,
            "values": found.values.astype(float).round(6).tolist(),
        }

    options: dict[str, Any] = {"api_visibility": "public"}
    gr.api(answered(detect_one), api_name="detect", concurrency_id="verdict", **options)
    gr.api(answered(detect_many), api_name="detect_many", concurrency_id="many", **options)
    gr.api(answered(heatmap), api_name="heatmap", concurrency_id="explain", **options)


def _answer(record: dict[str, Any]) -> dict[str, Any]:
    # gradio_client takes every object whose `path` is text for a file, and would try to download it.
    return record | {"path": None}
