"""The detectors behind the page: each loaded once, few at a time, one inference at a time."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fakeimg.errors import ModelError
from fakeimg.hub.pull import load
from fakeimg.models.detector import Detector

KEPT = 3
"""Detectors in memory beside the default one."""


class Detectors:
    """Opens detectors by name and keeps those that were last used.

    Attributes:
        default: the name of the one that every visitor starts with.
        offered: names in the picker, the default first.
        open_any: whether a visitor may name any folder or repository. Not on a public page: it would read the server's
            folders and fill its disk.
        turn: held during inference. One picture at a time is fastest on a CPU, and bounds memory.
    """

    def __init__(self, default: str, *, others: Sequence[str] = (), open_any: bool = False) -> None:
        self.default = default
        self.offered = tuple(dict.fromkeys((default, *others)))
        self.open_any = open_any
        self.turn = threading.Lock()
        self._first = load(default)
        self._others: OrderedDict[str, Detector] = OrderedDict()
        self._opening = threading.Lock()

    def get(self, name: str | None = None) -> Detector:
        """The detector called `name`; the default one when None.

        Raises:
            ModelError: not offered here, not there, or damaged.
            HubError: see `fakeimg.pull`.
        """
        if name is None or name == self.default:
            return self._first
        if name not in self.offered and not self.open_any:
            raise ModelError(f"{name!r} is not offered here; there are {', '.join(map(label, self.offered))}")
        with self._opening:
            if name not in self._others:
                self._others[name] = load(name)
                if len(self._others) > KEPT:
                    self._others.popitem(last=False)
            self._others.move_to_end(name)
            return self._others[name]

    def warm_up(self) -> None:
        """Score a grey picture, so that the first visitor does not wait for the graph to be compiled."""
        height, width = self._first.image_size
        with self.turn:
            self._first.predict(np.full((height, width, 3), 128, np.uint8))

    def warm_up_gradients(self) -> threading.Thread:
        """Import TensorFlow and trace the heatmap in a thread of its own: verdicts need neither."""

        def prepare() -> None:
            from fakeimg.visual.gradcam import Evidence

            evidence = Evidence(self._first)
            height, width = self._first.image_size
            with self.turn:
                maps = evidence.maps(np.full((1, height, width, 3), 128, np.uint8))
                evidence.heatmaps(maps, ["fake"])

        thread = threading.Thread(target=prepare, name="fakeimg-warm-up", daemon=True)
        thread.start()
        return thread


def label(name: str) -> str:
    """What visitors are shown of a detector's name: of a folder its last part, as the rest is the server's business."""
    return name if name == "bundled" or name.startswith("hf://") else Path(name).name
