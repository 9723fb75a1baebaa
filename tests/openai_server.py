"""OpenAI's images API on loopback, which fails on demand and keeps account of what it charges.

    with ImagesServer(busy=0.05, broken=0.02, hangs={17}) as server:
        ...                                   # point OPENAI_BASE_URL at server.url
        assert max(server.charged.values()) == 1

A picture is charged when it is made, whether or not its answer arrives. With `knows_keys`, a request whose idempotency
key has been seen is answered with the picture that was made then; otherwise it is made, and charged, again.
"""

import base64
import hashlib
import io
import json
import random
import threading
from collections import Counter
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image, ImageFilter

KEY = "sk-loopback-secret-0123456789"


class ImagesServer:
    """The server; what it counts is open to tests."""

    def __init__(
        self,
        *,
        busy: float = 0.0,
        broken: float = 0.0,
        hangs: set[int] | None = None,
        retry_after: str = "0.05",
        knows_keys: bool = True,
        delay: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.busy, self.broken, self.hangs = busy, broken, hangs or set()
        self.retry_after, self.knows_keys, self.delay = retry_after, knows_keys, delay
        self.script: list[tuple[int, dict[str, Any], dict[str, str]]] = []
        """Answers for the next requests, before all else: status, error, headers."""
        self.charged: Counter[str] = Counter()
        """How often a picture was made of each photograph, by its hash."""
        self.requests = 0
        self.answers: Counter[int] = Counter()
        self.seen: list[dict[str, str]] = []
        self.made: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._random = random.Random(seed)
        self._server: Any = _Server(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self._server.images = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> "ImagesServer":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def fate(self) -> tuple[int, str]:
        """The number of this request and what becomes of it."""
        with self.lock:
            self.requests += 1
            draw = self._random.random()
            if self.requests in self.hangs:
                return self.requests, "hang"
            if draw < self.busy:
                return self.requests, "busy"
            return self.requests, "broken" if draw < self.busy + self.broken else "fine"


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed leaves its connections broken; that is what is being tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        images: ImagesServer = self.server.images  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fields = _fields(self.headers["Content-Type"], body)
        key = self.headers.get("Idempotency-Key", "")
        with images.lock:
            seen = {name: value.decode() for name, value in fields.items() if name != "image"}
            images.seen.append({"path": self.path, "key": key, **seen})
            script = images.script.pop(0) if images.script else None
        if script is not None:
            return self.answer(script[0], {"error": script[1]}, **script[2])
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            return self.answer(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
        _, fate = images.fate()
        if fate == "busy":
            error = {"message": "Rate limit reached", "code": "rate_limit_exceeded"}
            return self.answer(429, {"error": error}, **{"Retry-After": images.retry_after})
        if fate == "broken":
            return self.answer(500, {"error": {"message": "The server had an error", "code": None}})
        photograph = hashlib.sha256(fields["image"]).hexdigest()
        with images.lock:
            if not (images.knows_keys and key in images.made):
                images.charged[photograph] += 1
                images.made[key] = _picture(fields["image"])
            picture = images.made[key]
        images.closing.wait(images.delay)
        if fate == "hang":
            images.closing.wait()
            self.close_connection = True
            return None
        return self.answer(200, {"created": 0, "data": [{"b64_json": base64.b64encode(picture).decode()}]})

    def answer(self, status: int, content: Any, **headers: str) -> None:
        data = json.dumps(content).encode()
        try:
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(data)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        with self.server.images.lock:  # type: ignore[attr-defined]
            self.server.images.answers[status] += 1  # type: ignore[attr-defined]


def _fields(content_type: str, body: bytes) -> dict[str, bytes]:
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts: Any = message.get_payload()
    return {str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True) for part in parts}


def _picture(photograph: bytes) -> bytes:
    content = io.BytesIO()
    Image.open(io.BytesIO(photograph)).filter(ImageFilter.GaussianBlur(2)).save(content, "PNG")
    return content.getvalue()
