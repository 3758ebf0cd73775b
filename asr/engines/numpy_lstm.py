"""The LSTM in NumPy: the same walk as of the other cells, with all of a step in arrays that are there before it begins.

For 40 hidden units, NumPy takes longer to make an array, or to pass over the gaps of a slice, than to compute. So each
sum of both directions is a block without gaps, and the blocks are in an order in which two neighbors are multiplied by
two neighbors: c g f i o.
"""

import numpy as np

from asr.engines.architecture import Matrix, Parameters
from asr.engines.numpy_walk import NumpyLayer, State, inputs_by_step, of_torch, zeros

ORDER = [2, 1, 0, 3]  # torch's i f g o → g f i o


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
    by_input, by_output, bias = (
        part.reshape(*part.shape[:2], 4, hidden)[:, :, ORDER] * np.array([[1], [0.5], [0.5], [0.5]], np.float32)
        for part in of_torch(weights, features, hidden, 4, direction, projection)
    )
    by_input, bias = (np.ascontiguousarray(part).reshape(*part.shape[:2], -1) for part in (by_input, bias))
    by_output = np.ascontiguousarray(by_output.transpose(2, 0, 1, 3))  # (4, D, P, H)
    down = weights.sides(direction, "weight_hr_l0", projection, hidden).swapaxes(1, 2) if projection else None
    _, directions, size, _ = by_output.shape

    def run(inputs: Matrix, before: State) -> tuple[Matrix, State]:
        (output, state), start = before, 0
        together = output.shape[1]
        walked = np.empty((len(inputs) // together, directions, together, size), np.float32)
        block = np.empty((5, directions, together, hidden), np.float32)
        block[0] = state
        for by_step in inputs_by_step(inputs, by_input, bias, together):
            blocks = by_step.reshape(len(by_step), directions, together, 4, hidden).transpose(0, 3, 1, 2, 4)
            output = _walk(block, np.ascontiguousarray(blocks), output, by_output, down, walked[start:])
            start += len(by_step)
        outputs = np.concatenate([walked[:, 0], *walked[::-1, 1:].swapaxes(0, 1)], axis=2)
        return outputs.reshape(len(inputs), directions * size), (output.copy(), block[0])

    return NumpyLayer(run, directions * size, (zeros(bias, size), zeros(bias, hidden)), directions)


def _walk(
    block: Matrix, inputs: Matrix, output: Matrix, by_output: Matrix, down: Matrix | None, walked: Matrix
) -> Matrix:
    """Take as many steps as there are inputs, and return the last output.

    Args:
        block: (5, D, B, H): the states, which are replaced, and the sums g, f, i and o, workspace.
        inputs: W x + b, (n, 4, D, B, H).
        output: Before the first step, (D, B, P).
        by_output: Uᵀ (4, D, P, H).
        down: The projection (D, H, P).
        walked: (n or more, D, B, P), takes the outputs.
    """
    add, multiply, tanh = np.add, np.multiply, np.tanh
    one, half = np.ones((), np.float32), np.full((), 0.5, np.float32)
    c, sums, gates, values, writes, o = block[0], block[1:], block[2:], block[:2], block[2:4], block[4]
    both, seen, h = np.empty_like(values), np.empty_like(c), np.empty_like(c)
    kept, new = both  # f c and i g
    for x, after in zip(inputs, walked, strict=False):
        np.matmul(output, by_output, sums)
        add(sums, x, sums)
        tanh(sums, sums)
        add(gates, one, gates)
        multiply(gates, half, gates)
        multiply(values, writes, both)
        add(kept, new, c)
        tanh(c, seen)
        output = multiply(o, seen, after) if down is None else np.matmul(multiply(o, seen, h), down, after)
    return output
