"""Opens every path that standard input lists, in a process of its own, and says what came of each and of the memory."""

import json
import resource
import sys
from pathlib import Path

from fakeimg.errors import ModelError
from fakeimg.models.detector import Detector
from fakeimg.models.foreign import open_trunk
from fakeimg.models.network import import_keras


def peak() -> int:
    """The most memory that this process had since `forget_peak`, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak() -> None:
    """Count from now on: a process starts with the peak of the one that started it, such as a long run of tests."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def resident() -> int:
    """The memory that this process has now, in bytes; where the system does not say, the most that it had so far."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * resource.getpagesize() if pages.exists() else peak()


def outcome(path: Path, kind: str) -> list[str]:
    """Name and text of the error; "opened" when there was none."""
    try:
        _ = open_trunk(path) if kind == "trunk" else Detector.open(path).model
    except ModelError as error:
        return ["refused", str(error)]
    except BaseException as error:
        return [type(error).__name__, str(error)]
    return ["opened", ""]


def main() -> None:
    import_keras()
    forget_peak()
    before = resident()
    outcomes = [outcome(Path(path), kind) for path, kind in json.load(sys.stdin)]
    print(json.dumps({"outcomes": outcomes, "bytes": peak() - before}))


if __name__ == "__main__":
    main()
