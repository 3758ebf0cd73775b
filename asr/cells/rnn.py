"""The simple recurrent cell.

    h' = tanh(W x + U h + b)

Source: J. Elman, "Finding structure in time", Cognitive Science 14(2), 1990.
"""

import torch

from asr.cells.equations import Equations, Values, tanh
from asr.cells.layer import Layer


def forward(sums: tuple[Values, ...], h: Values) -> tuple[tuple[Values, ...], Values, Values]:
    """Return the output thrice: it is the state, and all that `backward` needs."""
    h = tanh(sums[0])
    return (h,), h, h


def backward(
    saved: tuple[Values, ...], previous: Values, h: Values, dh: Values, dstate: Values
) -> tuple[tuple[Values, ...], Values]:
    """Return the gradient with respect to the sum; none flows past it, so that by the state remains 0."""
    return (dh * (1.0 - h * h),), dstate


class RNN(Layer):
    """One bidirectional layer of Elman's cells; its parameters are those of `torch.nn.RNN`."""

    kind = "RNN_TANH"
    call = torch.rnn_tanh
    equations = Equations(forward, backward, sums=1, inputs=1, recurrent=1)
