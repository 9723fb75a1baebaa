"""A running average of a network's weights, which generalises better than the weights of the last step."""

from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray


class WeightAverage:
    """Exponential moving average of all weights of a model, the running statistics of batch normalisation included.

    The first steps count for less the fewer they are: after t of them the momentum is at most (1 + t) / (10 + t), so
    that the random initialisation is soon forgotten. As a context the model has the averages for weights. (The average
    that Keras' optimizers keep leaves the running statistics out, which then belong to other weights.)

    Attributes:
        values: the averages, in the order of `model.get_weights()`.
        steps: how many times `update` was called.
    Source: Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging"; the warm-up is that of
        TensorFlow's `ExponentialMovingAverage`. For sources never seen: Arpit et al. 2022, "Ensemble of averages".
    """

    def __init__(self, model: Any, momentum: float) -> None:
        self.model = model
        self.momentum = momentum
        self.values: list[NDArray[Any]] = model.get_weights()
        self.steps = 0
        self._raw: list[NDArray[Any]] = []

    def update(self) -> None:
        """Take the model's weights of this step into the averages."""
        self.steps += 1
        share = np.float32(1 - min(self.momentum, (1 + self.steps) / (10 + self.steps)))
        for average, weight in zip(self.values, self.model.get_weights(), strict=True):
            average += share * (weight - average)

    def __enter__(self) -> None:
        self._raw = self.model.get_weights()
        self.model.set_weights(self.values)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.model.set_weights(self._raw)
