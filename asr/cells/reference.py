"""The walks in plain NumPy, one utterance and one direction at a time: slow, and short enough to be believed."""

from collections.abc import Sequence

import numpy as np

from asr.cells.arrays import Array, Weights
from asr.cells.equations import Equations, Values

Saved = list[tuple[tuple[Values, ...], Values, Values, Values]]  # of each frame: saved, old and new state, old output


def forward(equations: Equations, inputs: Array, weights: Weights) -> tuple[Array, Saved]:
    """Return the outputs (T, H) of one utterance, and what `backward` needs.

    Args:
        equations: The cell.
        inputs: (T, F), in the order of the walk.
        weights: (I H, F), (R H, H) and ((G + V) H,).
    """
    hidden = weights.recurrent.shape[1]
    state = output = np.zeros(hidden)
    outputs, saved = [], []
    for x in inputs:
        sums = weights.bias.copy()
        sums[_with_inputs(equations, hidden)] += weights.inputs @ x
        sums[: equations.recurrent * hidden] += weights.recurrent @ output
        kept, new, h = equations.forward(tuple(sums.reshape(-1, hidden)), state)
        saved.append((kept, state, new, output))
        state, output = new, h
        outputs.append(h)
    return np.array(outputs), saved


def backward(
    equations: Equations, inputs: Array, weights: Weights, saved: Saved, grad_outputs: Sequence[Array] | Array
) -> tuple[Array, Weights]:
    """Return the gradients with respect to the inputs (T, F) and to the weights.

    Args:
        equations: The cell.
        inputs: (T, F).
        weights: As for `forward`.
        saved: What it returned.
        grad_outputs: (T, H), the loss's gradient with respect to the outputs.
    """
    hidden = weights.recurrent.shape[1]
    grad_inputs, grads = np.zeros_like(inputs), Weights(*map(np.zeros_like, weights))
    from_next = grad_state = np.zeros(hidden)
    for t in range(len(inputs) - 1, -1, -1):
        kept, old, new, previous = saved[t]
        by_sum, grad_state = equations.backward(kept, old, new, grad_outputs[t] + from_next, grad_state)
        grad_sums = np.concatenate(by_sum)
        with_input = grad_sums[_with_inputs(equations, hidden)]
        with_output = grad_sums[: equations.recurrent * hidden]
        grads.inputs[:] += np.outer(with_input, inputs[t])
        grads.recurrent[:] += np.outer(with_output, previous)
        grads.bias[:] += grad_sums
        grad_inputs[t] = weights.inputs.T @ with_input
        from_next = weights.recurrent.T @ with_output
    return grad_inputs, grads


def _with_inputs(equations: Equations, hidden: int) -> slice:
    """Return where the sums that have a term W x are."""
    return slice((equations.sums - equations.inputs) * hidden, equations.sums * hidden)
