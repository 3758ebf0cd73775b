"""The LSTM cell whose gates look at the cell states: at the old one to write and to forget, at the new one to read.

    i, f = σ(… + p_i c), σ(… + p_f c);  g = tanh(…)     … = W x + U h + b, in the order i, f, g, o
    c' = f c + i g
    o = σ(… + p_o c');  h' = o tanh c'

The peepholes p are elementwise weights. Parameters of a direction: 4 H (F + H) + 4 H + 3 H, with all three.

Source: F. Gers, N. Schraudolph and J. Schmidhuber, "Learning precise timing with LSTM recurrent networks", JMLR 3,
2002; A. Graves, A. Mohamed and G. Hinton, "Speech recognition with deep recurrent neural networks", ICASSP 2013,
equations 3–7.
"""

import torch
from torch import Tensor, nn

from asr.cells.equations import Equations, Values, sigmoid, tanh
from asr.cells.layer import SUFFIXES, OwnLayer
from asr.cells.memory import set_biases
from asr.errors import AsrError

GATES = "ifo"
SPREAD = 0.1  # standard deviation of initial peepholes


def forward(sums: tuple[Values, ...], c: Values) -> tuple[tuple[Values, ...], Values, Values]:
    """Return the gates' activations and the peepholes, the new cell state and the output."""
    i, f, g, o, pi, pf, po = sums
    i, f, g = sigmoid(i + pi * c), sigmoid(f + pf * c), tanh(g)
    c = f * c + i * g
    o = sigmoid(o + po * c)
    return (i, f, g, o, pi, pf, po), c, o * tanh(c)


def backward(
    saved: tuple[Values, ...], previous: Values, c: Values, dh: Values, dc: Values
) -> tuple[tuple[Values, ...], Values]:
    """Return the gradients with respect to the sums, the peepholes and the previous cell state."""
    i, f, g, o, pi, pf, po = saved
    tanh_c = tanh(c)
    do = dh * tanh_c * o * (1.0 - o)
    dc = dc + dh * o * (1.0 - tanh_c * tanh_c) + do * po
    di, df, dg = dc * g * i * (1.0 - i), dc * previous * f * (1.0 - f), dc * i * (1.0 - g * g)
    return (di, df, dg, do, di * previous, df * previous, do * c), dc * f + di * pi + df * pf


class PeepholeLSTM(OwnLayer):
    """One layer of LSTM cells with peepholes.

    Args:
        features: Size F of an input vector.
        hidden: Number H of each direction's cells.
        direction: "both" or "forward".
        gates: Which gates look, some of the letters "ifo".
        forget_bias: Initial bias of the forget gates.
        chrono: Longest expected dependency, in frames, for `memory.set_biases`; 0 is none.
    """

    equations = Equations(forward, backward, sums=4, inputs=4, recurrent=4, vectors=3)

    def __init__(
        self, features: int, hidden: int, direction: str = "both", gates: str = GATES, forget_bias: float = 1.0,
        chrono: int = 0,
    ) -> None:  # fmt: skip
        if not set(gates) <= set(GATES) or len(set(gates)) < len(gates):
            raise AsrError(f"encoder.gates = '{gates}': use some of the letters {GATES}, each once")
        super().__init__(features, hidden, direction)
        self._uniform([(4 * hidden, features), (4 * hidden, hidden), (4 * hidden,)])
        self._gates = gates
        for _, _, bias in self._weights():
            set_biases(bias.data[:hidden], bias.data[hidden : 2 * hidden], forget_bias, chrono)
        self.names = (*self.names, *(f"peephole_{gate}" for gate in GATES if gate in gates))
        for suffix in SUFFIXES[: self.directions]:
            for name in self.names[3:]:
                self.register_parameter(name + suffix, nn.Parameter(SPREAD * torch.randn(hidden)))

    def _as_sums(self, *weights: Tensor) -> list[Tensor]:
        inputs, recurrent, bias, *peepholes = weights
        left = iter(peepholes)
        vectors = [next(left) if gate in self._gates else bias.new_zeros(self.hidden_size) for gate in GATES]
        return [inputs, recurrent, torch.cat([bias, *vectors])]
