"""What the cells' equations in NumPy share: the walk over the frames, and a layer's weights as the walk takes them.

Each direction walks over the frames in its own order, and a step of both is one product of a stack of two matrices: for
40 hidden units, calling NumPy costs more than computing.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from asr.engines.architecture import Matrix, Parameters
from asr.features.framing import multiply

Step = Callable[[Matrix, Matrix, Any], tuple[Matrix, Any]]  # W x + b and U h, (D, 1, …) each, state → output, state
State = tuple[Matrix, Any]  # the output of a layer's last step, (D, 1, P), and its cell's state

CHUNK = 512  # frames whose W x are computed together: an hour of them would fill the memory


class NumpyLayer(NamedTuple):
    """A layer, for one utterance at a time.

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
        frames = len(inputs)
        outputs = np.empty((frames, directions, shown), np.float32)
        of_output = np.empty((directions, 1, by_output.shape[2]), np.float32)
        output, state = before
        for t, x in enumerate(chain.from_iterable(inputs_by_step(inputs, by_input, bias))):
            output, state = step(x, np.matmul(output, by_output, out=of_output), state)
            outputs[t, 0] = output[0, 0, :shown]
            outputs[frames - 1 - t, 1:] = output[1:, 0, :shown]
        return outputs.reshape(frames, directions * shown), (output, state)

    return NumpyLayer(run, directions * shown, (zeros(by_output, size), state), directions)


def inputs_by_step(inputs: Matrix, by_input: Matrix, bias: Matrix) -> Iterator[Matrix]:
    """Yield W x + b of the steps of all directions, (n, D, 1, G), for `CHUNK` of them at most.

    Args:
        inputs: x, (T, F).
        by_input: Wᵀ (D, F, G).
        bias: (D, 1, G).
    """
    frames = len(inputs)
    sums = np.empty((len(by_input), min(frames, CHUNK), by_input.shape[2]), np.float32)
    for start in range(0, frames, CHUNK):
        end = min(start + CHUNK, frames)
        each = [inputs[start:end], inputs[frames - end : frames - start][::-1]][: len(by_input)]
        for rows, matrix, own in zip(each, by_input, sums, strict=True):
            multiply(rows, matrix, own[: end - start])
        yield (sums[:, : end - start] + bias).swapaxes(0, 1)[:, :, None]
