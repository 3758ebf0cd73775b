"""The first LSTM cell: it forgets nothing, and its gates read gates.

    i, o = σ(…), σ(…);  g = 2 tanh(… / 2)     … = W x + U (h, i, o) + b, in the order i, g, o; h, i and o of t − 1
    c' = c + i g
    h' = o tanh(c' / 2)

g and h' are squashed by logistic functions scaled to [−2, 2] and [−1, 1]. The paper's numbers of weights show that all
units read all gates. Parameters of a direction, with J gates of each kind: (H + 2 J) (F + H + 2 J) + H + 2 J, where
J = H without blocks. With `recurrence = "cells"` all units read h only, which the compiled walks can do; gates that
are read, torch does. The paper cuts gradients off where they leave a cell; here they flow, which its section 6 found
to make no significant difference.

Source: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, sections 4 and 5,
equations A.1–A.14.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from asr.cells.blocks import BlockLayer
from asr.cells.equations import Equations, Values, sigmoid, tanh
from asr.cells.layer import State, begun
from asr.errors import choose


def forward(sums: tuple[Values, ...], c: Values) -> tuple[tuple[Values, ...], Values, Values]:
    """Return the gates' activations, the new cell state and the output."""
    i, g, o = sums
    i, g, o = sigmoid(i), tanh(g * 0.5) * 2.0, sigmoid(o)
    c = c + i * g
    return (i, g, o), c, o * tanh(c * 0.5)


def backward(
    gates: tuple[Values, ...], previous: Values, c: Values, dh: Values, dc: Values
) -> tuple[tuple[Values, ...], Values]:
    """Return the gradients with respect to the sums and to the previous cell state."""
    i, g, o = gates
    squashed = tanh(c * 0.5)
    dc = dc + dh * o * (1.0 - squashed * squashed) * 0.5
    di, dg, do = dc * g * i * (1.0 - i), dc * i * (1.0 - g * g * 0.25), dh * squashed * o * (1.0 - o)
    return (di, dg, do), dc


EQUATIONS = Equations(forward, backward, sums=3, inputs=3, recurrent=3)


class LSTM1997(BlockLayer):
    """One layer of LSTM cells without forget gates.

    Args:
        features: Size F of an input vector.
        hidden: Number H of each direction's cells.
        direction: "both" or "forward".
        block: Number of cells that share their gates.
        recurrence: What all units read: "gates", the cells' outputs and the gates; or "cells", the outputs only.
        output_bias: Initial bias of the output gates; negative ones keep cells from being used for anything at first.
    """

    gates = (True, False, True)

    def __init__(
        self, features: int, hidden: int, direction: str = "both", block: int = 1, recurrence: str = "gates",
        output_bias: float = 0.0,
    ) -> None:  # fmt: skip
        full = choose({"gates": True, "cells": False}, recurrence, "recurrence")
        extra = 2 * (hidden // max(block, 1)) if full else 0
        super().__init__(features, hidden, direction, block, extra)
        self.equations = None if full else EQUATIONS
        for _, _, bias in self._weights():
            bias.data[-(hidden // block) :] = output_bias

    def _onward(self, inputs: Tensor, weights: list[Tensor], state: State) -> tuple[Tensor, State]:
        if self.equations:
            return super()._onward(inputs, weights, state)
        of_inputs, recurrent, bias = weights
        given = inputs @ of_inputs.T + bias
        rows = self._rows()
        read, c = begun(state, inputs, sum(rows), self.hidden_size)
        outputs = []
        for now in given.unbind(1):
            i, g, o = torch.split(now + read @ recurrent.T, rows, dim=1)
            spread = [gate.repeat_interleave(self.block, 1) for gate in (i, o)]
            _, c, h = forward((spread[0], g, spread[1]), c)
            read = torch.cat([h, F.sigmoid(i), F.sigmoid(o)], dim=1)
            outputs.append(h)
        return torch.stack(outputs, dim=1), [read, c]
