"""The cells' equations in NumPy, for recognition: one function each, by the name that the cell has in `asr.cells`.

A function takes a layer's weights, its sizes and the cell's settings, and returns the layer: inputs (T, F) → outputs
(T, D H), D directions side by side. Settings that only training needs are ignored. Each direction walks over the frames
in its own order, and a step of both is one product of a stack of two matrices: for 40 hidden units, calling NumPy costs
more than computing. The equations and their sources are in `asr.cells`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from asr.engines.architecture import Matrix, Parameters
from asr.features.framing import multiply

Step = Callable[[Matrix, Matrix, Any], tuple[Matrix, Any]]  # W x + b and U h, (D, 1, …) each, state → output, state

CHUNK = 512  # frames whose W x are computed together: an hour of them would fill the memory


class NumpyLayer(NamedTuple):
    """A layer: what it makes of inputs (T, F), and the size of its outputs."""

    run: Callable[[Matrix], Matrix]
    size: int


def lstm(
    weights: Parameters,
    features: int,
    hidden: int,
    direction: str = "both",
    projection: int = 0,
    forget_bias: float = 0.0,
    chrono: int = 0,
) -> NumpyLayer:
    """Return a layer of LSTM cells.

    σ(x) is (1 + tanh x/2) / 2: with the sums of the gates halved beforehand, one call of tanh serves all four.
    """
    by_input, by_output, bias = _of_torch(weights, features, hidden, 4, direction, projection)
    order = np.r_[0 : 2 * hidden, 3 * hidden : 4 * hidden, 2 * hidden : 3 * hidden]  # i, f, g, o → i, f, o, g
    halves = np.where(np.arange(4 * hidden) < 3 * hidden, np.float32(0.5), np.float32(1))
    by_input, by_output, bias = (part[..., order] * halves for part in (by_input, by_output, bias))
    down = weights.sides(direction, "weight_hr_l0", projection, hidden).swapaxes(1, 2) if projection else None

    def step(x: Matrix, u: Matrix, c: Matrix) -> tuple[Matrix, Matrix]:
        u += x
        np.tanh(u, out=u)
        gates = u[..., : 3 * hidden]
        gates += 1
        gates *= 0.5
        c = gates[..., hidden : 2 * hidden] * c + gates[..., :hidden] * u[..., 3 * hidden :]
        h = gates[..., 2 * hidden :] * np.tanh(c)
        return h if down is None else np.matmul(h, down), c

    return _walk(step, by_input, bias, by_output, hidden)


def gru(weights: Parameters, features: int, hidden: int, direction: str = "both", reset: str = "after") -> NumpyLayer:
    """Return a layer of gated recurrent units."""
    by_input, by_output, bias = _of_torch(weights, features, hidden, 3, direction, apart=True)
    inner = np.zeros_like(bias[1][..., 2 * hidden :])  # the candidate's bias that is inside the reset gate
    if reset == "after":
        inner += bias[1][..., 2 * hidden :]
        bias[1][..., 2 * hidden :] = 0
    recurrent = np.ascontiguousarray(by_output[..., 2 * hidden :])

    def step(x: Matrix, u: Matrix, h: Matrix) -> tuple[Matrix, Matrix]:
        gates = _sigmoid(x[..., : 2 * hidden] + u[..., : 2 * hidden])
        r, z = gates[..., :hidden], gates[..., hidden:]
        m = r * (u[..., 2 * hidden :] + inner) if reset == "after" else np.matmul(r * h, recurrent)
        n = np.tanh(x[..., 2 * hidden :] + m)
        h = n + z * (h - n)
        return h, h

    return _walk(step, by_input, bias.sum(axis=0), by_output, hidden)


def rnn(
    weights: Parameters,
    features: int,
    hidden: int,
    direction: str = "both",
    activation: str = "tanh",
    leak: Sequence[float] = (1.0,),
    identity: float = 0.0,
    radius: float = 0.0,
) -> NumpyLayer:
    """Return a layer of Elman's cells."""
    by_input, by_output, bias = _of_torch(weights, features, hidden, 1, direction)
    leaks = np.repeat(np.array(leak, np.float32), -(-hidden // len(leak)))[:hidden]

    def step(x: Matrix, u: Matrix, h: Matrix) -> tuple[Matrix, Matrix]:
        n = np.tanh(x + u) if activation == "tanh" else np.maximum(x + u, 0)
        h = h * (1 - leaks) + n * leaks
        return h, h

    return _walk(step, by_input, bias, by_output, hidden)


NUMPY_CELLS: dict[str, Callable[..., NumpyLayer]] = {"lstm": lstm, "gru": gru, "rnn": rnn}


def _sigmoid(x: Matrix) -> Matrix:
    half: Matrix = np.tanh(x * np.float32(0.5)) * np.float32(0.5) + np.float32(0.5)
    return half


def _of_torch(
    weights: Parameters,
    features: int,
    hidden: int,
    sums: int,
    direction: str,
    projection: int = 0,
    apart: bool = False,
) -> tuple[Matrix, ...]:
    """Return Wᵀ (D, F, G H), Uᵀ (D, H, G H) and the biases (D, 1, G H) of a layer with torch's parameters.

    Args:
        weights: The layer's.
        features: F.
        hidden: H.
        sums: G.
        direction: "both" or "forward".
        projection: Size of the outputs that are fed back, if not H.
        apart: Return torch's two biases (2, D, 1, G H) instead of their sum.
    """
    wide = sums * hidden
    by_input = weights.sides(direction, "weight_ih_l0", wide, features)
    by_output = weights.sides(direction, "weight_hh_l0", wide, projection or hidden)
    biases = np.stack([weights.sides(direction, f"bias_{one}_l0", wide)[:, None] for one in ("ih", "hh")])
    return by_input.swapaxes(1, 2), by_output.swapaxes(1, 2), biases if apart else biases.sum(axis=0)


def _walk(step: Step, by_input: Matrix, bias: Matrix, by_output: Matrix, hidden: int) -> NumpyLayer:
    """Return a layer that takes a cell's steps in its directions; outputs and states begin with zeros.

    Args:
        step: The cell's equations, of all directions at once.
        by_input: Wᵀ (D, F, G).
        bias: (D, 1, G).
        by_output: Uᵀ (D, H, G').
        hidden: Size of a state.
    """
    by_input, by_output = np.ascontiguousarray(by_input), np.ascontiguousarray(by_output)
    directions, size, _ = by_output.shape

    def run(inputs: Matrix) -> Matrix:
        frames = len(inputs)
        outputs = np.empty((frames, directions, size), np.float32)
        sums = np.empty((directions, min(frames, CHUNK), by_input.shape[2]), np.float32)
        of_output = np.empty((directions, 1, by_output.shape[2]), np.float32)
        output, state = (np.zeros((directions, 1, wide), np.float32) for wide in (size, hidden))
        for start in range(0, frames, CHUNK):
            end = min(start + CHUNK, frames)
            each = [inputs[start:end], inputs[frames - end : frames - start][::-1]][:directions]
            for rows, matrix, own in zip(each, by_input, sums, strict=True):
                multiply(rows, matrix, own[: end - start])
            by_step = (sums[:, : end - start] + bias).swapaxes(0, 1)[:, :, None]
            for t, x in enumerate(by_step, start):
                output, state = step(x, np.matmul(output, by_output, out=of_output), state)
                outputs[t, 0] = output[0, 0]
                outputs[frames - 1 - t, 1:] = output[1:, 0]
        return outputs.reshape(frames, directions * size)

    return NumpyLayer(run, directions * size)
