"""The weights of a dense head: how many, where they start, and how they lie in one flat array."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fakeimg.config import Head

Floats = NDArray[np.float32]


def layer_widths(head: Head, inputs: int, classes: int) -> tuple[int, ...]:
    """Widths from the features to the output: one logit, two scores, or one score a class."""
    outputs = classes if classes > 2 else 2 if head.kind == "two_way" else 1
    return (inputs, *head.units, outputs)


def initial_weights(widths: Sequence[int], seed: int) -> list[Floats]:
    """Kernels drawn from Glorot's uniform distribution (Glorot and Bengio 2010, eq. 16) and biases of zero."""
    arrays = []
    for layer, (fan_in, fan_out) in enumerate(pairwise(widths)):
        bound = np.sqrt(6 / (fan_in + fan_out))
        draw = np.random.default_rng((seed, layer)).uniform(-bound, bound, (fan_in, fan_out))
        arrays += [draw.astype(np.float32), np.zeros(fan_out, np.float32)]
    return arrays


def layer_places(widths: Sequence[int]) -> NDArray[np.int64]:
    """(layers + 1,) where each layer starts in the flat array, and the array's size."""
    sizes = [(fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths)]
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def unpack(weights: Floats, widths: Sequence[int]) -> list[Floats]:
    """The flat weights as kernel (in, out) and bias (out,) of each dense layer in turn."""
    arrays, start = [], 0
    for fan_in, fan_out in pairwise(widths):
        end = start + fan_in * fan_out
        arrays += [weights[start:end].reshape(fan_in, fan_out), weights[end : end + fan_out]]
        start = end + fan_out
    return arrays
