"""The cells' equations in NumPy, for recognition: one function each, by the name that the cell has in `asr.cells`.

A function takes a layer's weights, its sizes and the cell's settings, and returns the layer: inputs (T, F) → outputs
(T, D H), D directions side by side. Settings that only training needs are ignored. The equations and their sources are
in `asr.cells`. Here are the cells with torch's own parameters; `numpy_literature.py` has those with parameters of ours.
"""

from collections.abc import Callable, Sequence

import numpy as np

from asr.engines import numpy_literature, numpy_lstm
from asr.engines.architecture import Matrix, Parameters
from asr.engines.numpy_walk import NumpyLayer, of_torch, sigmoid, walk, zeros


def gru(weights: Parameters, features: int, hidden: int, direction: str = "both", reset: str = "after") -> NumpyLayer:
    """Return a layer of gated recurrent units."""
    by_input, by_output, bias = of_torch(weights, features, hidden, 3, direction, apart=True)
    inner = np.zeros_like(bias[1][..., 2 * hidden :])  # the candidate's bias that is inside the reset gate
    if reset == "after":
        inner += bias[1][..., 2 * hidden :]
        bias[1][..., 2 * hidden :] = 0
    recurrent = np.ascontiguousarray(by_output[..., 2 * hidden :])

    def step(x: Matrix, u: Matrix, h: Matrix) -> tuple[Matrix, Matrix]:
        gates = sigmoid(x[..., : 2 * hidden] + u[..., : 2 * hidden])
        r, z = gates[..., :hidden], gates[..., hidden:]
        m = r * (u[..., 2 * hidden :] + inner) if reset == "after" else np.matmul(r * h, recurrent)
        n = np.tanh(x[..., 2 * hidden :] + m)
        h = n + z * (h - n)
        return h, h

    return walk(step, by_input, bias.sum(axis=0), by_output, zeros(by_output, hidden))


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
    by_input, by_output, bias = of_torch(weights, features, hidden, 1, direction)
    leaks = np.repeat(np.array(leak, np.float32), -(-hidden // len(leak)))[:hidden]

    def step(x: Matrix, u: Matrix, h: Matrix) -> tuple[Matrix, Matrix]:
        n = np.tanh(x + u) if activation == "tanh" else np.maximum(x + u, 0)
        h = h * (1 - leaks) + n * leaks
        return h, h

    return walk(step, by_input, bias, by_output, zeros(by_output, hidden))


NUMPY_CELLS: dict[str, Callable[..., NumpyLayer]] = {
    "lstm": numpy_lstm.lstm,
    "lstm-peephole": numpy_literature.peephole,
    "lstm-coupled": numpy_literature.coupled,
    "lstm-1997": numpy_literature.lstm1997,
    "lstm-depth-gated": numpy_literature.depth_gated,
    "gru": gru,
    "mingru": numpy_literature.mingru,
    "rnn": rnn,
    "clockwork": numpy_literature.clockwork,
}
