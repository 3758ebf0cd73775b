"""The long short-term memory cell.

    i, f, o = σ(…), σ(…), σ(…);  g = tanh(…)      … = W x + U h + b, in the order i, f, g, o
    c' = f c + i g
    h' = o tanh c'

Source: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997; with forget gates,
F. Gers, J. Schmidhuber and F. Cummins, "Learning to forget", Neural Computation 12(10), 2000; bidirectional, A. Graves
and J. Schmidhuber, Neural Networks 18, 2005.
"""

import torch
from torch import Tensor

from asr.cells.equations import Equations, Values, sigmoid, tanh
from asr.cells.layer import Layer


def forward(sums: tuple[Values, ...], c: Values) -> tuple[tuple[Values, ...], Values, Values]:
    """Return the gates' activations, the new cell state and the output."""
    i, f, g, o = sums
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    c = f * c + i * g
    return (i, f, g, o), c, o * tanh(c)


def backward(
    gates: tuple[Values, ...], previous: Values, c: Values, dh: Values, dc: Values
) -> tuple[tuple[Values, ...], Values]:
    """Return the gradients with respect to the sums and to the previous cell state."""
    i, f, g, o = gates
    tanh_c = tanh(c)
    dc = dc + dh * o * (1.0 - tanh_c * tanh_c)
    di, df = dc * g * i * (1.0 - i), dc * previous * f * (1.0 - f)
    dg, do = dc * i * (1.0 - g * g), dh * tanh_c * o * (1.0 - o)
    return (di, df, dg, do), dc * f


class LSTM(Layer):
    """One bidirectional layer of LSTM cells; its parameters are those of `torch.nn.LSTM`."""

    kind = "LSTM"
    call = torch.lstm
    equations = Equations(forward, backward, sums=4, inputs=4, recurrent=4)

    def _initial(self, zeros: Tensor) -> list[Tensor]:
        return [zeros, zeros]  # output and cell state
