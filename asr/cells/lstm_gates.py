"""The LSTM's equations, forward and backward, for eight units of one frame: all that is its own in compiled code.

    i, f, o = σ(…), σ(…), σ(…);  g = tanh(…)      … = W x + U h + b, in the order i, f, g, o
    c' = f c + i g
    h = o tanh c'

A cell whose gates are functions of such sums needs two functions like these.

Source: F. Gers, J. Schmidhuber and F. Cummins, "Learning to forget", Neural Computation 12(10), 2000.
"""

from typing import Any

import numpy.typing as npt
from numba.extending import overload, register_jitable

from asr.cells.lanes import Group, clamp, each_tanh, load, store
from asr.cells.walks import kernel

GATES = 4


def tanh(x: Group) -> Group:
    """Return the hyperbolic tangent: Eigen's rational approximation in single precision, 3e-7 from the true one."""


@overload(tanh)
def _tanh(x: Group) -> Group:
    return rational if x.dtype.bitwidth == 32 else exact


def rational(x: Group) -> Group:
    """Return x P(x²) / Q(x²), of degrees 13 and 6; beyond ± 7.9 single precision has no room below 1."""
    x = clamp(x, 7.90531110763549805)
    y = x * x
    p = y * -2.76076847742355e-16 + 2.00018790482477e-13
    p = p * y - 8.60467152213735e-11
    p = p * y + 5.12229709037114e-08
    p = p * y + 1.48572235717979e-05
    p = p * y + 6.37261928875436e-04
    p = p * y + 4.89352455891786e-03
    q = y * 1.19825839466702e-06 + 1.18534705686654e-04
    q = q * y + 2.26843463243900e-03
    q = q * y + 4.89352518554385e-03
    return x * p / q


def exact(x: Group) -> Group:
    """Return the hyperbolic tangent in double precision."""
    return each_tanh(x)


@register_jitable
def sigmoid(x: Group) -> Group:
    """Return 1 / (1 + exp −x)."""
    return tanh(x * 0.5) * 0.5 + 0.5


@register_jitable
def forward(gates: npt.NDArray[Any], at: int, step: int, c: Group) -> tuple[Group, Group]:
    """Return the cell's next state and its output, and leave the gates' activations where their sums stood.

    Args:
        gates: Flat; the gates' sums stand at `at`, `at + step`, …
        at: Where.
        step: From gate to gate.
        c: The state before.
    """
    i, f = sigmoid(load(gates, at)), sigmoid(load(gates, at + step))
    g, o = tanh(load(gates, at + 2 * step)), sigmoid(load(gates, at + 3 * step))
    store(i, gates, at)
    store(f, gates, at + step)
    store(g, gates, at + 2 * step)
    store(o, gates, at + 3 * step)
    c = f * c + i * g
    return c, o * tanh(c)


@register_jitable
def backward(
    gates: npt.NDArray[Any],
    at: int,
    step: int,
    before: Group,
    c: Group,
    dh: Group,
    dc: Group,
    slopes: npt.NDArray[Any],
    to: int,
) -> Group:
    """Write the loss's derivatives by the gates' sums, and return the one by the state before.

    Args:
        gates: Flat; the activations stand at `at`, `at + step`, …
        at: Where.
        step: From gate to gate, there and in `slopes`.
        before: The state before.
        c: The state after.
        dh: The loss's derivative by the output.
        dc: And by the state after, as far as later frames tell.
        slopes: Flat; takes the derivatives.
        to: Where.
    """
    i, f = load(gates, at), load(gates, at + step)
    g, o = load(gates, at + 2 * step), load(gates, at + 3 * step)
    bent = tanh(c)
    dc = dc + dh * o * (1.0 - bent * bent)
    store(dc * g * i * (1.0 - i), slopes, to)
    store(dc * before * f * (1.0 - f), slopes, to + step)
    store(dc * i * (1.0 - g * g), slopes, to + 2 * step)
    store(dh * bent * o * (1.0 - o), slopes, to + 3 * step)
    return dc * f


KERNEL = kernel(GATES, forward, backward)
