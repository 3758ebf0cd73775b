"""What a cell says to the walks: its equations for one unit, forward and backward.

Both are plain functions of plain arithmetic. The reference walks call them with NumPy arrays, torch's loop with
tensors; the compiled walks call the same functions with SIMD vectors, for which `asr.cells.vectors` gives `tanh`,
`sigmoid`, `relu` and `positive` another meaning.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Values = Any  # a NumPy array, or a SIMD vector in compiled code


class Equations(NamedTuple):
    """A cell's equations, and which of its sums have which terms.

    A unit has several *sums*, the arguments of its nonlinearities, as in σ(W x + U h + b). Each has a bias; the last
    so many of them have a term W x, the first so many a term U h. In most cells all sums have both.

    A weight that multiplies a unit's own state, as a peephole does, is an *elementwise weight*. To the walks it is one
    more sum, behind the others, that has nothing but its bias: so the functions get it, return it to be kept, and
    return its gradient, as if it were a sum.

    Attributes:
        forward: From the sums (a tuple) and the previous state: what `backward` needs in place of the sums (a tuple
            of as many), the new state and the output.
        backward: From that tuple, the previous and the new state, and the loss's gradients with respect to the output
            and to the new state: the gradients with respect to the sums (a tuple), and to the previous state.
            The gradient that flows through U h is the walk's business.
        sums: How many sums a unit has, G.
        inputs: How many of them, counted from the last, have a term W x.
        recurrent: How many of them, counted from the first, have a term U h.
        vectors: How many elementwise weights a unit has, V.
    """

    forward: Callable[[tuple[Values, ...], Values], tuple[tuple[Values, ...], Values, Values]]
    backward: Callable[[tuple[Values, ...], Values, Values, Values, Values], tuple[tuple[Values, ...], Values]]
    sums: int
    inputs: int
    recurrent: int
    vectors: int = 0


def tanh(x: Values) -> Values:
    """Return the hyperbolic tangent."""
    return x.tanh() if hasattr(x, "tanh") else np.tanh(x)  # a tensor, or an array


def relu(x: Values) -> Values:
    """Return x where it is positive, else 0."""
    return x * (x > 0)


def positive(x: Values) -> Values:
    """Return 1 where x is positive, else 0."""
    return (x > 0) * 1.0


def sigmoid(x: Values) -> Values:
    """Return 1 / (1 + exp −x)."""
    return tanh(x * 0.5) * 0.5 + 0.5
