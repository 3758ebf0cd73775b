"""The gated recurrent unit, in the variant of cuDNN and torch, whose reset gate acts after the product with U.

    r, z = σ(W_r x + U_r h + b_r), σ(W_z x + U_z h + b_z)
    m = U_n h + b_m
    n = tanh(W_n x + b_n + r m)
    h' = (1 − z) n + z h

So r, z and n come from four sums: m has no term W x, and the sum that joins r m inside the tanh has no term U h.

Source: K. Cho et al., "Learning phrase representations using RNN encoder–decoder for statistical machine translation",
EMNLP 2014, section 2.3, where r acts on h before the product; the variant, `torch.nn.GRU` and `cudnnRNNForward`.
"""

import torch
from torch import Tensor

from asr.cells.equations import Equations, Values, sigmoid, tanh
from asr.cells.layer import Layer


def forward(sums: tuple[Values, ...], h: Values) -> tuple[tuple[Values, ...], Values, Values]:
    """Return m, the gates and the candidate, and the output twice: it is the state."""
    m, r, z, n = sums
    r, z = sigmoid(r), sigmoid(z)
    n = tanh(n + r * m)
    h = n + z * (h - n)
    return (m, r, z, n), h, h


def backward(
    saved: tuple[Values, ...], previous: Values, h: Values, dh: Values, dstate: Values
) -> tuple[tuple[Values, ...], Values]:
    """Return the gradients with respect to the sums and to the previous output."""
    m, r, z, n = saved
    dh = dh + dstate
    dn = dh * (1.0 - z) * (1.0 - n * n)
    dr, dz = dn * m * r * (1.0 - r), dh * (previous - n) * z * (1.0 - z)
    return (dn * r, dr, dz, dn), dh * z


class GRU(Layer):
    """One bidirectional layer of gated recurrent units; its parameters are those of `torch.nn.GRU`."""

    kind = "GRU"
    call = torch.gru
    equations = Equations(forward, backward, sums=4, inputs=3, recurrent=3)

    def _as_sums(self, inputs: Tensor, recurrent: Tensor, *biases: Tensor) -> list[Tensor]:
        """Torch's order is r, z, n; the sums', m, r, z, n."""
        hidden, (of_inputs, of_recurrent) = self.hidden_size, biases
        both, n = of_inputs[: 2 * hidden] + of_recurrent[: 2 * hidden], of_inputs[2 * hidden :]
        return [inputs, recurrent.roll(hidden, 0), torch.cat([of_recurrent[2 * hidden :], both, n])]
