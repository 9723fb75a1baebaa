"""One epoch of a small dense head, compiled: forward, backward and update in as few passes over memory as there can be.

At a batch of 32 a head is bound by memory, not arithmetic: a step of Adam on its 370,000 weights reads and writes each
weight and both its moments, and a framework adds passes for the gradient, its square and every intermediate. Here a
block of the weight gradient is made in the core's own cache and used up there at once, so a step moves each of the
three arrays in and out a single time, and one head's three arrays (4.4 MB) stay in the processor's cache for the epoch.

A head's weights are one flat float32 array: kernel (in, out), then bias, of each dense layer in turn.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

BETA_1, BETA_2, EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-7)  # Keras' defaults
_ONE = np.float32(1)
BLOCK = 64  # rows of a weight gradient made at a time: 64 KB at a width of 256

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    """Compile on first use and keep the machine code beside this file; threads run it side by side."""
    compiled: _Function = njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


@_compiled
def _scramble(x: Any) -> Any:
    """SplitMix64's finaliser (Steele et al. 2014): a uint64 whose every bit depends on all bits of `x`."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@_compiled
def dropout_mask(seed: int, step: int, layer: int, rate: float, mask: Any) -> None:
    """Fill `mask` (n, width) with 1 / (1 - rate) where a unit is kept and 0 where it is dropped.

    A unit's fate is a hash of its place, so it depends on nothing but the arguments.
    """
    stream = _scramble(np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15))
    stream = _scramble(stream ^ _scramble(np.uint64(step) * np.uint64(64) + np.uint64(layer)))
    flat = mask.reshape(-1)
    threshold = np.uint64(rate * 2.0**53)
    kept = np.float32(1.0 / (1.0 - rate))
    for k in range(flat.size):
        draw = _scramble(stream + np.uint64(k) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)
        flat[k] = kept if draw >= threshold else np.float32(0)


@_compiled
def _adam(values: Any, mean: Any, square: Any, gradient: Any, rate: Any) -> None:
    """One step of Adam, in Keras' form: `rate` is the learning rate times the bias correction."""
    for j in range(values.size):
        g = gradient[j]
        m = mean[j] + (g - mean[j]) * (_ONE - BETA_1)
        v = square[j] + (g * g - square[j]) * (_ONE - BETA_2)
        mean[j] = m
        square[j] = v
        values[j] -= m * rate / (np.sqrt(v) + EPSILON)


@_compiled
def _momentum(values: Any, velocity: Any, gradient: Any, rate: Any, momentum: Any) -> None:
    """One step of SGD with momentum, in Keras' form."""
    for j in range(values.size):
        velocity[j] = velocity[j] * momentum - gradient[j] * rate
        values[j] += velocity[j]


@_compiled
def _update(values: Any, first: Any, second: Any, gradient: Any, adam: bool, rate: Any, momentum: Any) -> None:
    if adam:
        _adam(values, first, second, gradient, rate)
    else:
        _momentum(values, first, gradient, rate, momentum)


@_compiled
def _forward(inputs: Any, widths: Any, weights: Any, places: Any, layer: int, outputs: Any) -> None:
    fan_in, fan_out = widths[layer], widths[layer + 1]
    kernel = weights[places[layer] : places[layer] + fan_in * fan_out].reshape(fan_in, fan_out)
    bias = weights[places[layer] + fan_in * fan_out : places[layer + 1]]
    np.dot(inputs, kernel, outputs)
    for b in range(outputs.shape[0]):
        for j in range(fan_out):
            outputs[b, j] += bias[j]


@_compiled
def _loss(scores: Any, labels: Any, weights: Any, delta: Any) -> Any:
    """Weighted cross-entropy summed over a batch, its gradient times 1 / n into `delta`, and how many are right."""
    n, k = scores.shape
    total, right = 0.0, 0
    for b in range(n):
        truth = labels[b]
        if k == 1:  # the other class' score is 0
            z = np.float64(scores[b, 0])
            signed = z if truth == 1 else -z
            total += weights[b] * (max(-signed, 0.0) + np.log1p(np.exp(-abs(z))))
            delta[b, 0] = weights[b] * (1.0 / (1.0 + np.exp(-z)) - truth) / n
            right += (z > 0) == (truth == 1)
        else:
            top, best = np.float64(scores[b, 0]), 0
            for j in range(1, k):
                if scores[b, j] > top:
                    top, best = np.float64(scores[b, j]), j
            norm = 0.0
            for j in range(k):
                norm += np.exp(scores[b, j] - top)
            total += weights[b] * (np.log(norm) + top - scores[b, truth])
            for j in range(k):
                delta[b, j] = weights[b] * (np.exp(scores[b, j] - top) / norm - (j == truth)) / n
            right += best == truth
    return total, right


@_compiled
def train_rows(
    features: Any,
    order: Any,
    labels: Any,
    sample_weights: Any,
    batch_size: int,
    widths: Any,
    places: Any,
    weights: Any,
    first: Any,
    second: Any,
    rates: Any,
    l2: float,
    adam: bool,
    learning_rate: float,
    momentum: float,
    seed: int,
    step: int,
) -> Any:
    """Train on every row of `order` once, in place.

    Args:
        features: (n, c) float32, of all images.
        order: (k,) rows of `features` to train on, in turn.
        labels: (k,) class indices, in that order.
        sample_weights: (k,) float32, in that order.
        batch_size: rows a step; the last step may have fewer.
        widths: (layers + 1,) c, the hidden widths, 1 or the number of classes.
        places: (layers + 1,) where each layer's weights start in `weights`, and its size.
        weights: (p,) float32.
        first: (p,) float32, Adam's mean of gradients, or SGD's velocity.
        second: (p,) float32, Adam's mean of squared gradients.
        rates: (layers - 1,) dropout after each hidden layer.
        l2: penalty on the hidden kernels.
        adam: else SGD.
        learning_rate: of this epoch.
        momentum: of SGD.
        seed: of dropout.
        step: steps taken before.
    Returns:
        Weighted cross-entropy summed over the rows, without the penalty, and how many were right; dropout is on.
    """
    layers = len(widths) - 1
    widest = widths.max()
    # Buffers for one batch, reused by every step: activations of all layers one after another, and two deltas.
    activations = np.empty(batch_size * widths.sum(), np.float32)
    deltas = np.empty((2, batch_size * widest), np.float32)
    mask = np.empty(batch_size * widest, np.float32)
    transposed = np.empty(batch_size * widest, np.float32)
    gradient = np.empty(BLOCK * widest, np.float32)
    starts = np.zeros(layers + 2, np.int64)
    starts[1:] = np.cumsum(widths) * batch_size
    total, right = 0.0, 0
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        n = len(rows)
        step += 1
        batch = activations[: n * widths[0]].reshape(n, widths[0])
        for b in range(n):
            batch[b] = features[rows[b]]
        for layer in range(layers):
            inputs = activations[starts[layer] : starts[layer] + n * widths[layer]].reshape(n, widths[layer])
            size = n * widths[layer + 1]
            outputs = activations[starts[layer + 1] : starts[layer + 1] + size].reshape(n, widths[layer + 1])
            _forward(inputs, widths, weights, places, layer, outputs)
            if layer < layers - 1:
                flat = outputs.reshape(-1)
                for k in range(flat.size):
                    flat[k] = max(flat[k], np.float32(0))
                if rates[layer] > 0:
                    dropout_mask(seed, step, layer, rates[layer], mask[:size])
                    for k in range(flat.size):
                        flat[k] *= mask[k]
        last = activations[starts[layers] : starts[layers] + n * widths[layers]].reshape(n, widths[layers])
        delta = deltas[0, : n * widths[layers]].reshape(n, widths[layers])
        loss, correct = _loss(last, labels[start : start + n], sample_weights[start : start + n], delta)
        total += loss
        right += correct
        rate = np.float32(learning_rate)
        if adam:
            rate = np.float32(
                learning_rate * np.sqrt(1.0 - np.float64(BETA_2) ** step) / (1.0 - np.float64(BETA_1) ** step)
            )
        for layer in range(layers - 1, -1, -1):
            fan_in, fan_out = widths[layer], widths[layer + 1]
            here, end = places[layer], places[layer] + fan_in * fan_out
            turn = (layers - 1 - layer) % 2
            delta = deltas[turn, : n * fan_out].reshape(n, fan_out)
            inputs = activations[starts[layer] : starts[layer] + n * fan_in].reshape(n, fan_in)
            if layer > 0:
                before = deltas[1 - turn, : n * fan_in].reshape(n, fan_in)
                np.dot(delta, weights[here:end].reshape(fan_in, fan_out).T, before)
                kept = np.float32(1.0 / (1.0 - rates[layer - 1]))
                for b in range(n):
                    for i in range(fan_in):
                        before[b, i] = before[b, i] * kept if inputs[b, i] > 0 else np.float32(0)
            columns = transposed[: fan_in * n].reshape(fan_in, n)
            for i in range(fan_in):
                for b in range(n):
                    columns[i, b] = inputs[b, i]
            penalty = np.float32(2.0 * l2) if layer < layers - 1 else np.float32(0)
            for i in range(0, fan_in, BLOCK):
                rows_here = min(BLOCK, fan_in - i)
                a, z = here + i * fan_out, here + (i + rows_here) * fan_out
                block = gradient[: z - a]
                few = transposed[i * n : (i + rows_here) * n].reshape(rows_here, n)
                np.dot(few, delta, block.reshape(rows_here, fan_out))
                if penalty > 0:
                    for k in range(z - a):
                        block[k] += penalty * weights[a + k]
                _update(weights[a:z], first[a:z], second[a:z], block, adam, rate, np.float32(momentum))
            bias = gradient[:fan_out]
            bias[:] = 0
            for b in range(n):
                for j in range(fan_out):
                    bias[j] += delta[b, j]
            tail = end + fan_out
            _update(weights[end:tail], first[end:tail], second[end:tail], bias, adam, rate, np.float32(momentum))
    return total, right


@_compiled
def predict(features: Any, rows: Any, widths: Any, places: Any, weights: Any, scores: Any) -> None:
    """Fill `scores` (k, 1 or classes) with the head's output for `rows` (k,) of `features` (n, c), dropout off."""
    layers = len(widths) - 1
    chunk = 256
    buffers = np.empty((2, chunk * widths.max()), np.float32)
    for start in range(0, len(rows), chunk):
        n = min(chunk, len(rows) - start)
        batch = buffers[0, : n * widths[0]].reshape(n, widths[0])
        for b in range(n):
            batch[b] = features[rows[start + b]]
        for layer in range(layers):
            inputs = buffers[layer % 2, : n * widths[layer]].reshape(n, widths[layer])
            outputs = buffers[1 - layer % 2, : n * widths[layer + 1]].reshape(n, widths[layer + 1])
            _forward(inputs, widths, weights, places, layer, outputs)
            if layer < layers - 1:
                flat = outputs.reshape(-1)
                for k in range(flat.size):
                    flat[k] = max(flat[k], np.float32(0))
            else:
                scores[start : start + n] = outputs
