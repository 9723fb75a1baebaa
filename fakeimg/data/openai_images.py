"""Fakes through OpenAI's images API, or a server that speaks it, with the user's own key.

The key comes from `OPENAI_API_KEY` or from a prompt, goes to the client, and nowhere else. The client's own retries are
switched off: it would send again what may have been charged already.
"""

import base64
import binascii
import io
import os
import sys
import tomllib
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakeimg.data.images import read_image, resize
from fakeimg.data.provider import BusyError, RefusedError, UnansweredError, UnreachableError
from fakeimg.errors import ConfigError, ImageError

PROMPT = (
    "A photograph of another person in the same pose, framing, light and setting as in this one: "
    "a natural, unretouched photograph of a face."
)

_GATEWAY = (408, 502, 504, 520, 522, 524)  # somebody on the way gave up waiting; the picture may have been made
_MODERATED = ("moderation_blocked", "content_policy_violation", "safety_violation")
_UNPAID = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")


class OpenAIImages:
    """Makes a fake by `images.edit` with a prompt; with dall-e-2, which takes none, by `images.create_variation`.

    Args:
        model: an image model that edits; the price list's default when absent.
        prompt: what to make of the photograph.
        size: of the square that is asked for, pixels.
        quality: "low", "medium" or "high".
        price: dollars for one image; that of `openai_prices.toml` when absent.
        base_url: of another server that speaks the API.
        timeout: seconds to wait for a picture.
        key: of an OpenAI account; `OPENAI_API_KEY` or a prompt when absent.
        workers: requests at a time.
    Raises:
        ConfigError: the extra is not installed, there is no key, or OpenAI has retired the model.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        prompt: str = PROMPT,
        size: int = 1024,
        quality: str = "medium",
        price: float | None = None,
        base_url: str | None = None,
        timeout: float = 180.0,
        key: str | None = None,
        workers: int = 4,
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise ConfigError("the OpenAI client is not installed: pip install 'fakeimg[openai]'") from error
        if quality not in ("low", "medium", "high"):
            raise ConfigError(f"no quality {quality!r}; there are low, medium, high")
        prices = price_list()
        self._model = model or str(prices["default"])
        base_url = base_url or os.environ.get("OPENAI_BASE_URL")
        if base_url is None and self._model in prices["retired"]:
            day, default = prices["retired"][self._model], prices["default"]
            raise ConfigError(
                f"OpenAI retired {self._model} on {day}; use {default}, or the URL of a server that has it"
            )
        self.name = self._model
        self.workers = workers
        self.price = price if price is not None else _price(prices, self._model, quality)
        self.prices_as_of = str(prices["as_of"])
        self._varies = self._model.startswith("dall-e-2")
        asked = "" if self._varies else f" {quality} {prompt}"
        self.fingerprint = f"openai {self._model} {size}{asked}"
        self._size, self._quality, self._prompt = size, quality, prompt
        self._client: Any = openai.OpenAI(api_key=key or _key(), base_url=base_url, max_retries=0, timeout=timeout)

    def make(self, photograph: NDArray[np.uint8], key: str) -> NDArray[np.uint8]:
        """See `Provider.make`."""
        import openai

        picture = ("photograph.png", _png(resize(photograph, (self._size, self._size))), "image/png")
        shared: dict[str, Any] = {
            "image": picture,
            "model": self._model,
            "size": f"{self._size}x{self._size}",
            "n": 1,
            "extra_headers": {"Idempotency-Key": key},
        }
        try:
            if self._varies:
                response: Any = self._client.images.create_variation(**shared, response_format="b64_json")
            else:
                response = self._client.images.edit(**shared, prompt=self._prompt, quality=self._quality)
        except openai.APIStatusError as error:
            raise _status_error(error, self._model) from error
        except openai.APIConnectionError as error:  # a timeout is one of these
            if type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout"):  # it never left
                raise UnreachableError(
                    f"no connection to {self._client.base_url.host}: {_one_line(error.__cause__ or error)}"
                ) from error
            raise UnansweredError(f"no answer: {_one_line(error.__cause__ or error)}") from error
        try:
            return read_image(base64.b64decode(response.data[0].b64_json, validate=True))
        except (ImageError, TypeError, IndexError, binascii.Error) as error:
            # It is paid for; asking again would pay again for the same.
            raise RefusedError(f"the answer holds no picture ({type(error).__name__})") from error


def price_list() -> dict[str, Any]:
    """The content of `openai_prices.toml`: as_of, default, models, retired."""
    return tomllib.loads(files("fakeimg.data").joinpath("openai_prices.toml").read_text("utf-8"))


def _price(prices: dict[str, Any], model: str, quality: str) -> float | None:
    row = prices["models"].get(model)
    return None if row is None else float(row["input"] + row[quality])


def _key() -> str:
    if key := os.environ.get("OPENAI_API_KEY"):
        return key
    if sys.stdin is not None and sys.stdin.isatty():
        from getpass import getpass

        if key := getpass("OpenAI API key (it is not stored): ").strip():
            return key
    raise ConfigError("there is no OpenAI key; set OPENAI_API_KEY")


def _status_error(error: Any, model: str) -> Exception:
    """What an answer other than a picture means."""
    status, code = int(error.status_code), str(error.code or "")
    if status == 401:
        return ConfigError("OpenAI refused the key")  # its message quotes a part of the key
    if code in _UNPAID:
        return ConfigError(f"OpenAI does not serve this account: {code}")
    if status == 400 and (code in _MODERATED or error.type == "image_generation_user_error"):
        return RefusedError(f"refused: {code or error.type}")
    if status in (409, 429) or (status >= 500 and status not in _GATEWAY):
        return BusyError(f"status {status}", _retry_after(error.response.headers))
    if status in _GATEWAY:
        return UnansweredError(f"status {status}")
    return ConfigError(f"OpenAI does not take the request for {model}: {status} {_one_line(error)}")


def _retry_after(headers: Any) -> float | None:
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def _one_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
