"""The page under load: many simulated visitors who each send a picture, read the answer, and send another.

    python experiments/benchmarks/demo_load.py --model bundled --visitors 100 --seconds 120 --out results.json

The server runs in a process of its own, so that its memory is its own; visitors are threads of this one. Every visitor
uploads the picture, joins the queue, waits for the verdict, and reads it for a second or two.
"""

import argparse
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np

from fakeimg.data.sample import render_sample
from fakeimg.files import write_json

META = {"_type": "gradio.FileData"}


class Visitor(threading.Thread):
    """One visitor; notes how long each answer took, in seconds, and what kind it was."""

    def __init__(self, address: str, pictures: list[Path], until: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.address, self.pictures, self.until = address, pictures, until
        self.random = random.Random(seed)
        self.answers: list[tuple[str, float]] = []

    def run(self) -> None:
        time.sleep(self.random.uniform(0, 3))  # nobody arrives at the same moment
        # The server closes a connection that was quiet for five seconds; browsers then ask again, this client does not.
        limits = httpx.Limits(keepalive_expiry=2)
        with httpx.Client(base_url=self.address, timeout=60, limits=limits) as client:
            while time.monotonic() < self.until:
                start = time.perf_counter()
                kind = self._ask(client, self.random.choice(self.pictures))
                self.answers.append((kind, time.perf_counter() - start))
                time.sleep(self.random.uniform(1, 2))

    def _ask(self, client: httpx.Client, picture: Path, endpoint: str = "detect", *more: str) -> str:
        try:
            sent = client.post("/gradio_api/upload", files={"files": (picture.name, picture.read_bytes())})
            payload = {"path": sent.json()[0], "orig_name": picture.name, "meta": META}
            joined = client.post(f"/gradio_api/call/{endpoint}", json={"data": [payload, *more]})
            if joined.status_code == 503:
                return "busy"
            joined.raise_for_status()
            told = client.get(f"/gradio_api/call/{endpoint}/{joined.json()['event_id']}").text
        except (httpx.HTTPError, ValueError) as error:
            return f"failed: {type(error).__name__}"
        return "answered" if "event: complete" in told and "error" not in told else f"failed: {told[:80]}"

    def warm_up(self) -> None:
        """Ask for a heatmap: when it comes, nothing is being loaded any more."""
        with httpx.Client(base_url=self.address, timeout=300) as client:
            self._ask(client, self.pictures[0], "heatmap", "fake")


def memory(pid: int) -> float:
    """Resident memory of a process, MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def start(model: str, port: int) -> tuple[subprocess.Popen[bytes], str]:
    """A server on this machine, ready to answer."""
    command = [Path(sys.executable).with_name("fakeimg"), "demo", "--model", model, "--port", str(port)]
    server = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        time.sleep(1)
        try:
            httpx.get(f"{address}/config", timeout=5).raise_for_status()
            return server, address
        except httpx.HTTPError:
            if server.poll() is not None:
                raise SystemExit(f"the server ended with {server.returncode}") from None
    raise SystemExit("the server did not start within five minutes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--visitors", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--port", type=int, default=7899)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        render_sample(f"{folder}/faces", images=20)
        pictures = sorted(Path(folder, "faces").rglob("*.jpg"))
        server, address = start(options.model, options.port)
        try:
            found = measure(server.pid, address, pictures, options.visitors, options.seconds)
        finally:
            server.terminate()
        for name, value in found.items():
            print(f"{name:28} {value}")
        if options.out is not None:
            write_json(options.out, found)
        server.wait()


def measure(pid: int, address: str, pictures: list[Path], visitors: int, seconds: float) -> dict[str, object]:
    """One warm visitor alone, then all at once; the server's memory before, at its highest, and after."""
    Visitor(address, pictures, 0, 0).warm_up()
    alone = Visitor(address, pictures, time.monotonic() + 15, 0)
    alone.start()
    alone.join()
    before, load = memory(pid), os.getloadavg()[0]
    until = time.monotonic() + seconds
    crowd = [Visitor(address, pictures, until, seed) for seed in range(visitors)]
    for visitor in crowd:
        visitor.start()
    peak = before
    while any(visitor.is_alive() for visitor in crowd):
        peak = max(peak, memory(pid))
        time.sleep(0.5)
    answers = [answer for visitor in crowd for answer in visitor.answers]
    waits = np.array([wait for kind, wait in answers if kind == "answered"])
    failures = sorted({kind for kind, _ in answers if kind.startswith("failed")})
    return {
        "visitors": visitors,
        "seconds": seconds,
        "requests": len(answers),
        "answered": len(waits),
        "busy": sum(kind == "busy" for kind, _ in answers),
        "failed": sum(kind.startswith("failed") for kind, _ in answers),
        "failures": failures,
        "answers_per_second": round(len(waits) / seconds, 2),
        "p50_seconds": round(float(np.quantile(waits, 0.5)), 3),
        "p99_seconds": round(float(np.quantile(waits, 0.99)), 3),
        "alone_p50_seconds": round(float(np.median([wait for kind, wait in alone.answers if kind == "answered"])), 3),
        "memory_before_mib": round(before),
        "memory_peak_mib": round(peak),
        "memory_after_mib": round(memory(pid)),
        "cores": os.cpu_count(),
        "load_of_machine_before": round(load, 1),
    }


if __name__ == "__main__":
    main()
