"""The cells' equations in NumPy, for recognition: one function each, by the name that the cell has in `asr.cells`.

A function takes a layer's weights and sizes and returns the layer: inputs (T, F) → outputs (T, 2H), both directions.
Each direction walks over the frames in its own order, and a step of both is one product of a stack of two matrices:
for 40 hidden units, calling NumPy costs more than computing. The equations and their sources are in `asr.cells`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from asr.engines.architecture import Matrix, Parameters
from asr.features.framing import multiply

Recurrence = Callable[[Matrix], Matrix]  # (T, F) → (T, 2H)
Step = Callable[[Matrix, Matrix, Any], tuple[Matrix, Any]]  # W x + b and U h, (2, 1, …) each, state → output, state

CHUNK = 512  # frames whose W x are computed together: an hour of them would fill the memory


def lstm(weights: Parameters, features: int, hidden: int) -> Recurrence:
    """Return a layer of LSTM cells.

    σ(x) is (1 + tanh x/2) / 2: with the sums of the gates halved beforehand, one call of tanh serves all four.
    """
    by_input, by_output, bias = _of_torch(weights, features, hidden, 4)
    order = np.r_[0 : 2 * hidden, 3 * hidden : 4 * hidden, 2 * hidden : 3 * hidden]  # i, f, g, o → i, f, o, g
    halves = np.where(np.arange(4 * hidden) < 3 * hidden, np.float32(0.5), np.float32(1))
    by_input, by_output, bias = (part[..., order] * halves for part in (by_input, by_output, bias))

    def step(x: Matrix, u: Matrix, c: Matrix) -> tuple[Matrix, Matrix]:
        u += x
        np.tanh(u, out=u)
        gates = u[..., : 3 * hidden]
        gates += 1
        gates *= 0.5
        c = gates[..., hidden : 2 * hidden] * c + gates[..., :hidden] * u[..., 3 * hidden :]
        return gates[..., 2 * hidden :] * np.tanh(c), c

    return _walk(step, by_input, bias, by_output)


def gru(weights: Parameters, features: int, hidden: int) -> Recurrence:
    """Return a layer of gated recurrent units."""
    by_input, by_output, bias = _of_torch(weights, features, hidden, 3, apart=True)
    inner = bias[1][..., 2 * hidden :]  # of the candidate, inside the reset gate
    bias = bias[0] + np.concatenate([bias[1][..., : 2 * hidden], np.zeros_like(inner)], axis=-1)

    def step(x: Matrix, u: Matrix, h: Matrix) -> tuple[Matrix, Matrix]:
        gates = _sigmoid(x[..., : 2 * hidden] + u[..., : 2 * hidden])
        reset, keep = gates[..., :hidden], gates[..., hidden:]
        n = np.tanh(x[..., 2 * hidden :] + reset * (u[..., 2 * hidden :] + inner))
        h = n + keep * (h - n)
        return h, h

    return _walk(step, by_input, bias, by_output)


def rnn(weights: Parameters, features: int, hidden: int) -> Recurrence:
    """Return a layer of Elman's cells."""
    by_input, by_output, bias = _of_torch(weights, features, hidden, 1)

    def step(x: Matrix, u: Matrix, _: Matrix) -> tuple[Matrix, Matrix]:
        h = np.tanh(x + u)
        return h, h

    return _walk(step, by_input, bias, by_output)


RECURRENCES: dict[str, Callable[..., Recurrence]] = {"lstm": lstm, "gru": gru, "rnn": rnn}


def _sigmoid(x: Matrix) -> Matrix:
    half: Matrix = np.tanh(x * np.float32(0.5)) * np.float32(0.5) + np.float32(0.5)
    return half


def _of_torch(weights: Parameters, features: int, hidden: int, sums: int, apart: bool = False) -> tuple[Matrix, ...]:
    """Return Wᵀ (2, F, G H), Uᵀ (2, H, G H) and the biases (2, 1, G H) of a layer with torch's parameters.

    Args:
        weights: The layer's.
        features: F.
        hidden: H.
        sums: G.
        apart: Return torch's two biases (2, 2, 1, G H) instead of their sum.
    """
    wide = sums * hidden
    by_input, by_output = (
        weights.both(f"weight_{one}_l0", wide, size) for one, size in (("ih", features), ("hh", hidden))
    )
    biases = np.stack([weights.both(f"bias_{one}_l0", wide)[:, None] for one in ("ih", "hh")])
    return by_input.swapaxes(1, 2), by_output.swapaxes(1, 2), biases if apart else biases.sum(axis=0)


def _walk(step: Step, by_input: Matrix, bias: Matrix, by_output: Matrix) -> Recurrence:
    """Return a layer that takes a cell's steps in both directions; outputs and states begin with zeros.

    Args:
        step: The cell's equations, of both directions at once.
        by_input: Wᵀ (2, F, G).
        bias: (2, 1, G).
        by_output: Uᵀ (2, H, G').
    """
    by_input, by_output = np.ascontiguousarray(by_input), np.ascontiguousarray(by_output)
    hidden = by_output.shape[1]

    def layer(inputs: Matrix) -> Matrix:
        frames = len(inputs)
        outputs = np.empty((frames, 2, hidden), np.float32)
        sums = np.empty((2, min(frames, CHUNK), by_input.shape[2]), np.float32)
        of_output = np.empty((2, 1, by_output.shape[2]), np.float32)
        output = state = np.zeros((2, 1, hidden), np.float32)
        for start in range(0, frames, CHUNK):
            end = min(start + CHUNK, frames)
            both = inputs[start:end], inputs[frames - end : frames - start][::-1]
            for rows, matrix, own in zip(both, by_input, sums, strict=True):
                multiply(rows, matrix, own[: end - start])
            by_step = (sums[:, : end - start] + bias).swapaxes(0, 1)[:, :, None]
            for t, x in enumerate(by_step, start):
                output, state = step(x, np.matmul(output, by_output, out=of_output), state)
                outputs[t, 0], outputs[frames - 1 - t, 1] = output[:, 0]
        return outputs.reshape(frames, 2 * hidden)

    return layer
