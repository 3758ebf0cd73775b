"""The front ends in NumPy, for recognition: one function each, by the name that it has in `asr.frontends`.

A function takes the front end's weights and sizes and returns the front end, (T, F) → (T', F'), with F' and its stride.
An utterance comes alone, so that nothing has to be said of padding. The sources are in `asr.frontends`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from asr.engines.architecture import Array, Matrix, Parameters
from asr.features.framing import multiply

KERNEL, POOLED = 3, 2  # frames and filters that a convolution sees; filters that become one after it
EPSILON = np.float32(1e-5)  # of torch's layer normalization


class NumpyFrontend(NamedTuple):
    """A front end: what it does to one utterance, the size F' of a vector that it returns, its stride, and its context.

    A vector depends on its own `stride` frames, and on `context` frames on each side of them.
    """

    apply: Callable[[Matrix], Matrix]
    dimension: int
    stride: int
    context: int = 0


def none(weights: Parameters, features: int, blocks: int) -> NumpyFrontend:
    """Return what changes nothing."""
    return NumpyFrontend(lambda inputs: inputs, features, 1)


def stack(weights: Parameters, features: int, blocks: int, stride: int = 2) -> NumpyFrontend:
    """Return what puts `stride` frames side by side, zeros after the last."""
    return NumpyFrontend(
        lambda inputs: _grouped(inputs, stride).reshape(-1, stride * features), stride * features, stride
    )


def pool(weights: Parameters, features: int, blocks: int, stride: int = 2) -> NumpyFrontend:
    """Return the mean of `stride` frames, the last one over those that exist."""

    def apply(inputs: Matrix) -> Matrix:
        starts = np.arange(0, len(inputs), stride)
        counts = np.minimum(stride, len(inputs) - starts).astype(np.float32)
        means: Matrix = _grouped(inputs, stride).sum(axis=1) / counts[:, None]
        return means

    return NumpyFrontend(apply, features, stride)


def conv(
    weights: Parameters,
    features: int,
    blocks: int,
    stride: int = 2,
    channels: int = 16,
    depth: int = 2,
    dropout: float = 0.0,
) -> NumpyFrontend:
    """Return convolutions with normalization, rectification and pooling."""
    layers: list[tuple[Matrix, ...]] = []
    filters, before = features // blocks, blocks
    for layer in range(depth):
        kernel = weights.take(f"convolutions.{layer}.weight", channels, before, KERNEL, KERNEL)
        bias = weights.take(f"convolutions.{layer}.bias", channels)
        norm = (weights.take(f"norms.{layer}.{name}", channels, filters) for name in ("weight", "bias"))
        layers.append((np.ascontiguousarray(kernel.reshape(channels, -1).T), bias, *norm))
        filters, before = -(-filters // POOLED), channels

    def apply(inputs: Matrix) -> Matrix:
        hidden = inputs.reshape(len(inputs), blocks, -1)  # (T, C, filters)
        for layer in layers:
            hidden = _convolved(hidden, *layer)
        flat = hidden.reshape(len(hidden), channels * filters)
        largest: Matrix = _grouped(flat, stride).max(axis=1)  # zeros never exceed a rectified maximum
        return largest

    return NumpyFrontend(apply, channels * filters, stride, depth * (KERNEL // 2))


NUMPY_FRONTENDS: dict[str, Callable[..., NumpyFrontend]] = {"none": none, "stack": stack, "pool": pool, "conv": conv}


def normalized(values: Matrix, weight: Matrix, bias: Matrix, axes: tuple[int, ...] = (1,)) -> Matrix:
    """Return values with mean 0 and deviation 1 over some axes, scaled and shifted: layer normalization."""
    centered = values - values.mean(axis=axes, keepdims=True)
    variance = np.square(centered).mean(axis=axes, keepdims=True)
    result: Matrix = centered / np.sqrt(variance + EPSILON) * weight + bias
    return result


def _grouped(inputs: Matrix, stride: int) -> Matrix:
    """Return frames (T, F) in groups of `stride`, (T', stride, F), with zeros after the last."""
    groups = -(-len(inputs) // stride)
    padded = np.zeros((groups * stride, inputs.shape[1]), np.float32)
    padded[: len(inputs)] = inputs
    return padded.reshape(groups, stride, -1)


def _convolved(hidden: Matrix, kernel: Matrix, bias: Array, weight: Matrix, shift: Matrix) -> Matrix:
    """Return one convolution's rectified and pooled output (T, C', filters') of (T, C, filters)."""
    frames, _, filters = hidden.shape
    padded = np.pad(hidden, ((1, 1), (0, 0), (1, 1)))
    seen = sliding_window_view(padded, (KERNEL, KERNEL), axis=(0, 2))  # (T, C, filters, 3, 3)
    rows = seen.transpose(0, 2, 1, 3, 4).reshape(frames * filters, -1)
    outputs = multiply(rows, kernel, np.empty((len(rows), kernel.shape[1]), np.float32)) + bias
    outputs = outputs.reshape(frames, filters, -1).swapaxes(1, 2)  # (T, C', filters)
    outputs = np.maximum(normalized(outputs, weight, shift, (1, 2)), 0)
    if filters % POOLED:
        outputs = np.pad(outputs, ((0, 0), (0, 0), (0, 1)))  # zeros, which never exceed a rectified maximum
    pooled: Matrix = outputs.reshape(frames, outputs.shape[1], -1, POOLED).max(axis=3)
    return pooled
