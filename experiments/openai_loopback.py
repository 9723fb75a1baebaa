"""1,000 fakes through the OpenAI client while the server fails and the process is killed: is any paid for twice?

    python experiments/openai_loopback.py

The server (tests/openai_server.py) is on loopback, answers 5 % of requests with 429 and 2 % with 500, never answers
one, and charges a picture when it is made. The client's process is killed (SIGKILL) in the middle and started again.
Twice: with a server that knows idempotency keys, and with one that does not, where what was not answered is left alone.
Writes experiments/results/openai_loopback/.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from openai_server import KEY, ImagesServer

from fakeimg.data.dataset import Dataset
from fakeimg.data.generate import Estimate, Generation, generate
from fakeimg.data.openai_images import OpenAIImages
from fakeimg.files import write_json

RESULTS = Path(__file__).parent / "results" / "openai_loopback"
IMAGES, KILLED_AFTER, HANGS = 1000, 430, 700
CHILD = """
import sys
from fakeimg.data.generate import generate
from fakeimg.data.openai_images import OpenAIImages
generate(sys.argv[1], OpenAIImages(size=64, timeout=20), out=sys.argv[2], confirm=lambda estimate: True)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        photographs(Path(scratch, "photographs"))
        found = {
            "idempotency keys known": run(Path(scratch), knows_keys=True),
            "idempotency keys unknown, unanswered left alone": run(Path(scratch), knows_keys=False),
        }
    write_json(RESULTS / "runs.json", found)
    print(json.dumps(found, indent=2))


def photographs(folder: Path) -> None:
    """Coloured noise as JPEG: what is in the pictures plays no part."""
    random = np.random.default_rng(0)
    (folder / "real").mkdir(parents=True)
    for i in range(IMAGES):
        pixels = random.integers(0, 255, (12, 12, 3), np.uint8)
        Image.fromarray(pixels).resize((96, 96)).save(folder / "real" / f"{i:04}.jpg", quality=85)


def run(scratch: Path, *, knows_keys: bool) -> dict[str, Any]:
    """One run with its kill and its continuation; what client and server counted."""
    out = scratch / f"fakes_{knows_keys}"
    started = time.perf_counter()
    with ImagesServer(busy=0.05, broken=0.02, hangs={HANGS}, knows_keys=knows_keys, delay=0.02) as server:
        os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(scratch / "photographs"), str(out)])
        while sum(server.charged.values()) < KILLED_AFTER and child.poll() is None:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        code = child.wait()
        at_kill = {"exit_code": code, "charged": sum(server.charged.values()), "on_disk": fakes(out)}
        confirmations: list[str] = []

        def confirm(estimate: Estimate) -> bool:
            confirmations.append(str(estimate))
            return knows_keys or not estimate.unanswered

        provider = OpenAIImages(size=64, timeout=20)
        result: Generation = generate(Dataset.open(scratch / "photographs"), provider, out=out, confirm=confirm)
        return {
            "photographs": IMAGES,
            "at_the_kill": at_kill,
            "confirmations_of_the_second_run": confirmations,
            "statuses": result.counts,
            "fakes_on_disk": fakes(out),
            "requests": server.requests,
            "answers": {str(status): count for status, count in sorted(server.answers.items())},
            "photographs_charged": len(server.charged),
            "charges": sum(server.charged.values()),
            "charged_twice": sum(count > 1 for count in server.charged.values()),
            "seconds": round(time.perf_counter() - started, 1),
        }


def fakes(out: Path) -> int:
    """Finished files; one that was being written has a name with a dot."""
    return sum(not path.name.startswith(".") for path in (out / "fake").iterdir()) if (out / "fake").is_dir() else 0


if __name__ == "__main__":
    main()
