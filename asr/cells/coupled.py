"""The LSTM cell that forgets as much as it writes: its input and forget gates are one.

    i, o = σ(…), σ(…);  g = tanh(…)     … = W x + U h + b, in the order i, g, o
    c' = (1 − i) c + i g
    h' = o tanh c'

Parameters of a direction: 3 H (F + H) + 3 H; fewer with blocks (`asr.cells.blocks`).

Source: K. Greff, R. Srivastava, J. Koutník, B. Steunebrink and J. Schmidhuber, "LSTM: a search space odyssey", IEEE
Trans. Neural Networks and Learning Systems 28(10), 2017, section III (CIFG). ONNX has i = 1 − f.
"""

from asr.cells.blocks import BlockLayer
from asr.cells.equations import Equations, Values, sigmoid, tanh
from asr.cells.memory import set_biases


def forward(sums: tuple[Values, ...], c: Values) -> tuple[tuple[Values, ...], Values, Values]:
    """Return the gates' activations, the new cell state and the output."""
    i, g, o = sums
    i, g, o = sigmoid(i), tanh(g), sigmoid(o)
    c = c + i * (g - c)
    return (i, g, o), c, o * tanh(c)


def backward(
    gates: tuple[Values, ...], previous: Values, c: Values, dh: Values, dc: Values
) -> tuple[tuple[Values, ...], Values]:
    """Return the gradients with respect to the sums and to the previous cell state."""
    i, g, o = gates
    tanh_c = tanh(c)
    dc = dc + dh * o * (1.0 - tanh_c * tanh_c)
    di, dg, do = dc * (g - previous) * i * (1.0 - i), dc * i * (1.0 - g * g), dh * tanh_c * o * (1.0 - o)
    return (di, dg, do), dc * (1.0 - i)


class CoupledLSTM(BlockLayer):
    """One layer of LSTM cells with coupled gates.

    Args:
        features: Size F of an input vector.
        hidden: Number H of each direction's cells.
        direction: "both" or "forward".
        block: Number of cells that share their gates.
        forget_bias: Initial bias of forgetting: the gates' is its negative.
        chrono: Longest expected dependency, in frames, for `memory.set_biases`; 0 is none.
    """

    equations = Equations(forward, backward, sums=3, inputs=3, recurrent=3)
    gates = (True, False, True)

    def __init__(
        self, features: int, hidden: int, direction: str = "both", block: int = 1, forget_bias: float = 1.0,
        chrono: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(features, hidden, direction, block)
        for _, _, bias in self._weights():
            gate = bias.data[: hidden // block]
            set_biases(gate.clone(), gate, forget_bias, chrono)
            gate.neg_()
