"""How long an audit of many small files takes and how much memory: `python audit_scale.py 100000 OUT.json`."""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from fakeimg import Dataset
from fakeimg.evaluation.audit import audit
from fakeimg.files import write_json

COPIES, RECOMPRESSED = 500, 500


def write_images(folder: Path, n: int) -> None:
    """`n` JPEG files of 96 x 96 pixels, smooth random pictures; the last thousand repeat the first thousand."""
    rng = np.random.default_rng(0)
    for i in range(n):
        place = folder / ("real", "fake")[i % 2] / f"{i // 1000:03d}"
        place.mkdir(parents=True, exist_ok=True)
        again = i - (n - COPIES - RECOMPRESSED)
        if again < 0:
            seed = rng.integers(0, 256, (8, 8, 3), np.uint8)
            content = cv2.imencode(".jpg", cv2.resize(seed, (96, 96), interpolation=cv2.INTER_CUBIC))[1]
        else:
            original = folder / ("real", "fake")[again % 2] / f"{again // 1000:03d}" / f"{again:06d}.jpg"
            content = np.frombuffer(original.read_bytes(), np.uint8)
            if again >= COPIES:
                content = cv2.imencode(".jpg", cv2.imdecode(content, 1), [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
        (place / f"{i:06d}.jpg").write_bytes(content.tobytes())


def main(n: int, out: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name), n)
        data = Dataset.open(name)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        found = audit(data)
        result = {
            "images": n,
            "wall_seconds": round(time.perf_counter() - wall, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "peak_memory_added_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024,
            "planted": {"exact": COPIES, "recompressed": RECOMPRESSED},
            "found": {kind: int(rows["cluster"].nunique()) for kind, rows in found.duplicates.groupby("kind")},
            "clusters": int(found.duplicates["cluster"].nunique()),
        }
    write_json(out, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
