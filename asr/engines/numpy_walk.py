"""What the cells' equations in NumPy share: the walk over the frames, and a layer's weights as the walk takes them.

Each direction walks over the frames in its own order, and a step of both is one product of a stack of two matrices: for
40 hidden units, calling NumPy costs more than computing.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from asr.engines.architecture import Ints, Matrix, Parameters
from asr.features.framing import multiply

Step = Callable[[Matrix, Matrix, Any], tuple[Matrix, Any]]  # W x + b and U h, (D, B, …) each, state → output, state
State = tuple[Matrix, Any]  # the output of a layer's last step, (D, B, P), and its cell's state

CHUNK = 512  # frames whose W x are computed together: an hour of them would fill the memory


class NumpyLayer(NamedTuple):
    """A layer, for one utterance at a time, or for B sequences that take each step together.

    Their frames are then in neighboring rows, (T B, F); B is that of the state, see `chosen`.

    Attributes:
        run: What it makes of inputs (T, F) and its state before them: outputs (T, size), and its state after them.
        size: D H.
        first: The state before the first frame.
        directions: D; a state after some frames is that before the next ones only where it is 1.
        carries: Whether the layer above gets this one's cell states, which are then behind the outputs and behind the
            inputs, (T, F + D H) → (T, 2 D H).
    """

    run: Callable[[Matrix, State], tuple[Matrix, State]]
    size: int
    first: State
    directions: int
    carries: bool = False


def sigmoid(x: Matrix) -> Matrix:
    """Return 1 / (1 + exp −x)."""
    half: Matrix = np.tanh(x * np.float32(0.5)) * np.float32(0.5) + np.float32(0.5)
    return half


def of_torch(
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


def zeros(by_output: Matrix, hidden: int) -> Matrix:
    """Return a state of zeros, (D, 1, H)."""
    return np.zeros((len(by_output), 1, hidden), np.float32)


def chosen(state: Any, rows: Ints) -> Any:  # noqa: ANN401
    """Return a state, or a part of one, of these of its sequences, in this order and as often as they are named."""
    if isinstance(state, tuple):
        return tuple(chosen(part, rows) for part in state)
    return state[:, rows] if isinstance(state, np.ndarray) else state  # a clock is the same for all


def walk(step: Step, by_input: Matrix, bias: Matrix, by_output: Matrix, state: Any, shown: int = 0) -> NumpyLayer:  # noqa: ANN401
    """Return a layer that takes a cell's steps in its directions; outputs begin with zeros.

    Args:
        step: The cell's equations, of all directions at once; changes no state, but returns another.
        by_input: Wᵀ (D, F, G).
        bias: (D, 1, G).
        by_output: Uᵀ (D, P, G'), of the P values that a step's output has.
        state: Before the first frame.
        shown: How many of these, the first, are seen from outside; 0 is all.
    """
    by_input, by_output = np.ascontiguousarray(by_input), np.ascontiguousarray(by_output)
    directions, size, _ = by_output.shape
    shown = shown or size

    def run(inputs: Matrix, before: State) -> tuple[Matrix, State]:
        output, state = before
        together = output.shape[1]
        frames = len(inputs) // together
        outputs = np.empty((frames, together, directions, shown), np.float32)
        of_output = np.empty((directions, together, by_output.shape[2]), np.float32)
        for t, x in enumerate(chain.from_iterable(inputs_by_step(inputs, by_input, bias, together))):
            output, state = step(x, np.matmul(output, by_output, out=of_output), state)
            outputs[t, :, 0] = output[0, :, :shown]
            if directions == 2:
                outputs[frames - 1 - t, :, 1] = output[1, :, :shown]
        return outputs.reshape(frames * together, directions * shown), (output, state)

    return NumpyLayer(run, directions * shown, (zeros(by_output, size), state), directions)


def inputs_by_step(inputs: Matrix, by_input: Matrix, bias: Matrix, together: int = 1) -> Iterator[Matrix]:
    """Yield W x + b of the steps of all directions, (n, D, B, G), for `CHUNK` of them at most.

    Args:
        inputs: x, (T B, F).
        by_input: Wᵀ (D, F, G).
        bias: (D, 1, G).
        together: B, sequences.
    """
    frames = len(inputs) // together
    inputs = inputs.reshape(frames, together, -1)
    sums = np.empty((len(by_input), min(frames, CHUNK) * together, by_input.shape[2]), np.float32)
    for start in range(0, frames, CHUNK):
        end = min(start + CHUNK, frames)
        each = [inputs[start:end], inputs[frames - end : frames - start][::-1]][: len(by_input)]
        for rows, matrix, own in zip(each, by_input, sums, strict=True):
            flat = rows.reshape(-1, rows.shape[2])
            multiply(flat, matrix, own[: len(flat)])
        some = (sums[:, : (end - start) * together] + bias).reshape(len(sums), -1, together, sums.shape[2])
        yield some.swapaxes(0, 1)
