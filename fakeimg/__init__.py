"""fakeimg: detect AI-generated face images, and know what that detection is worth.

The names below load on first use, so `import fakeimg` costs next to nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakeimg.config import Experiment
    from fakeimg.data.dataset import Dataset
    from fakeimg.errors import ConfigError, DatasetError, FakeimgError, HubError, ImageError, ModelError
    from fakeimg.hub.publish import PushResult, push
    from fakeimg.hub.pull import load, pull
    from fakeimg.models.detector import Detector

_HOMES = {
    "ConfigError": "fakeimg.errors",
    "Dataset": "fakeimg.data.dataset",
    "DatasetError": "fakeimg.errors",
    "Detector": "fakeimg.models.detector",
    "Experiment": "fakeimg.config",
    "FakeimgError": "fakeimg.errors",
    "HubError": "fakeimg.errors",
    "ImageError": "fakeimg.errors",
    "ModelError": "fakeimg.errors",
    "PushResult": "fakeimg.hub.publish",
    "load": "fakeimg.hub.pull",
    "pull": "fakeimg.hub.pull",
    "push": "fakeimg.hub.publish",
}

__all__ = [
    "ConfigError",
    "Dataset",
    "DatasetError",
    "Detector",
    "Experiment",
    "FakeimgError",
    "HubError",
    "ImageError",
    "ModelError",
    "PushResult",
    "load",
    "pull",
    "push",
]
__version__ = version("fakeimg")


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fakeimg' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
