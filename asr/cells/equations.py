"""What a cell says to the walks: its equations for one unit, forward and backward.

Both are plain functions of plain arithmetic. The reference walks call them with NumPy arrays; the compiled walks call
the same functions with SIMD vectors, for which `asr.cells.vectors` gives `tanh` and `sigmoid` another meaning.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Values = Any  # a NumPy array, or a SIMD vector in compiled code


class Equations(NamedTuple):
    """A cell's equations, and which of its sums have which terms.

    A unit has several *sums*, the arguments of its nonlinearities, as in σ(W x + U h + b). Each has a bias; the last
    so many of them have a term W x, the first so many a term U h. In most cells all sums have both.

    Attributes:
        forward: From the sums (a tuple) and the previous state: what `backward` needs in place of the sums (a tuple
            of as many), the new state and the output.
        backward: From that tuple, the previous and the new state, and the loss's gradients with respect to the output
            and to the new state: the gradients with respect to the sums (a tuple), and to the previous state.
            The gradient that flows through U h is the walk's business.
        sums: How many sums a unit has, G.
        inputs: How many of them, counted from the last, have a term W x.
        recurrent: How many of them, counted from the first, have a term U h.
    """

    forward: Callable[[tuple[Values, ...], Values], tuple[tuple[Values, ...], Values, Values]]
    backward: Callable[[tuple[Values, ...], Values, Values, Values, Values], tuple[tuple[Values, ...], Values]]
    sums: int
    inputs: int
    recurrent: int


def tanh(x: Values) -> Values:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


def sigmoid(x: Values) -> Values:
    """Return 1 / (1 + exp −x)."""
    return tanh(x * 0.5) * 0.5 + 0.5
