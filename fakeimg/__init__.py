"""fakeimg: detect AI-generated face images, and know what that detection is worth.

The names below load on first use, so `import fakeimg` costs next to nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakeimg.config import Experiment
    from fakeimg.data.annotate import Annotation, annotate
    from fakeimg.data.dataset import Dataset
    from fakeimg.data.generate import generate
    from fakeimg.data.generation import Generation
    from fakeimg.data.sample import render_sample
    from fakeimg.data.select import Selection, select
    from fakeimg.errors import ConfigError, DatasetError, FakeimgError, HubError, ImageError, ModelError
    from fakeimg.evaluation.audit import Audit, audit
    from fakeimg.evaluation.breakdown import breakdown, describe
    from fakeimg.evaluation.compare import Comparison, compare
    from fakeimg.evaluation.evaluate import Evaluation, evaluate
    from fakeimg.evaluation.mixture import mixture
    from fakeimg.evaluation.stability import Stability, stability
    from fakeimg.evaluation.stress import StressResult, stress
    from fakeimg.evaluation.transfer import LeaveOneSourceOut, leave_one_source_out, transfer_matrix
    from fakeimg.hub.publish import PushResult, push
    from fakeimg.hub.pull import load, pull
    from fakeimg.models.detector import Detector
    from fakeimg.models.predictions import Predictions
    from fakeimg.training.search import SearchResult, search
    from fakeimg.training.train import TrainResult, train
    from fakeimg.visual.embedding import EmbeddingMap, embed
    from fakeimg.visual.explain import explain
    from fakeimg.visual.feature_maps import FeatureMaps, feature_maps
    from fakeimg.visual.gradcam import Heatmap, gradcam

_NAMES = {
    "fakeimg.errors": "ConfigError DatasetError FakeimgError HubError ImageError ModelError",
    "fakeimg.config": "Experiment",
    "fakeimg.data.dataset": "Dataset",
    "fakeimg.data.annotate": "Annotation annotate",
    "fakeimg.data.select": "Selection select",
    "fakeimg.data.generate": "generate",
    "fakeimg.data.generation": "Generation",
    "fakeimg.data.sample": "render_sample",
    "fakeimg.models.detector": "Detector",
    "fakeimg.models.predictions": "Predictions",
    "fakeimg.training.train": "TrainResult train",
    "fakeimg.training.search": "SearchResult search",
    "fakeimg.evaluation.evaluate": "Evaluation evaluate",
    "fakeimg.evaluation.breakdown": "breakdown describe",
    "fakeimg.evaluation.audit": "Audit audit",
    "fakeimg.evaluation.stress": "StressResult stress",
    "fakeimg.evaluation.stability": "Stability stability",
    "fakeimg.evaluation.transfer": "LeaveOneSourceOut leave_one_source_out transfer_matrix",
    "fakeimg.evaluation.mixture": "mixture",
    "fakeimg.evaluation.compare": "Comparison compare",
    "fakeimg.visual.gradcam": "Heatmap gradcam",
    "fakeimg.visual.feature_maps": "FeatureMaps feature_maps",
    "fakeimg.visual.embedding": "EmbeddingMap embed",
    "fakeimg.visual.explain": "explain",
    "fakeimg.hub.publish": "PushResult push",
    "fakeimg.hub.pull": "load pull",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Annotation",
    "Audit",
    "Comparison",
    "ConfigError",
    "Dataset",
    "DatasetError",
    "Detector",
    "EmbeddingMap",
    "Evaluation",
    "Experiment",
    "FakeimgError",
    "FeatureMaps",
    "Generation",
    "Heatmap",
    "HubError",
    "ImageError",
    "LeaveOneSourceOut",
    "ModelError",
    "Predictions",
    "PushResult",
    "SearchResult",
    "Selection",
    "Stability",
    "StressResult",
    "TrainResult",
    "annotate",
    "audit",
    "breakdown",
    "compare",
    "describe",
    "embed",
    "evaluate",
    "explain",
    "feature_maps",
    "generate",
    "gradcam",
    "leave_one_source_out",
    "load",
    "mixture",
    "pull",
    "push",
    "render_sample",
    "search",
    "select",
    "stability",
    "stress",
    "train",
    "transfer_matrix",
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
