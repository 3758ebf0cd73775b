"""The long short-term memory cell.

    i, f, o = σ(…), σ(…), σ(…);  g = tanh(…)      … = W x + U h + b, in the order i, f, g, o
    c' = f c + i g
    h' = o tanh c'

Parameters of a direction: 4 H (F + H) + 8 H, with torch's two biases; with a projection to P, 4 H (F + P) + 8 H + H P.

Source: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997; with forget gates,
F. Gers, J. Schmidhuber and F. Cummins, "Learning to forget", Neural Computation 12(10), 2000; bidirectional, A. Graves
and J. Schmidhuber, Neural Networks 18, 2005; with a projection, H. Sak, A. Senior and F. Beaufays, "Long short-term
memory recurrent neural network architectures for large scale acoustic modeling", Interspeech 2014.
"""

import torch
from torch import Tensor

from asr.cells import memory
from asr.cells.equations import Equations, Values, sigmoid, tanh
from asr.cells.layer import State, TorchLayer, begun
from asr.cells.memory import between


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


class LSTM(TorchLayer):
    """One layer of LSTM cells; its parameters are those of `torch.nn.LSTM`.

    Args:
        features: Size F of an input vector.
        hidden: Number H of each direction's cells.
        direction: "both" or "forward".
        projection: Size of what the outputs are projected to, P o tanh c, before anything reads them; 0 is none. This
            runs in torch.
        forget_bias: Initial bias of the forget gates; 0 leaves torch's, at random about 0.
        chrono: Longest expected dependency, in frames, for `memory.set_biases`; 0 is none.
    """

    kind = "LSTM"
    call = torch.lstm

    def __init__(
        self, features: int, hidden: int, direction: str = "both", projection: int = 0, forget_bias: float = 0.0,
        chrono: int = 0,
    ) -> None:  # fmt: skip
        between(projection, 0, hidden - 1, "projection")
        super().__init__(features, hidden, direction, projection)
        if projection:
            self.names = (*self.names, "weight_hr_l0")
        self.equations = None if projection else Equations(forward, backward, sums=4, inputs=4, recurrent=4)
        for _, _, of_inputs, of_recurrent, *_ in self._weights() if forget_bias or chrono else ():
            of_recurrent.data[: 2 * hidden] = 0.0
            memory.set_biases(of_inputs.data[:hidden], of_inputs.data[hidden : 2 * hidden], forget_bias, chrono)

    def _onward(self, inputs: Tensor, weights: list[Tensor], state: State) -> tuple[Tensor, State]:
        return _projected(inputs, state, *weights) if self.proj_size else super()._onward(inputs, weights, state)

    def _initial(self, inputs: Tensor, directions: int) -> list[Tensor]:
        cells = inputs.new_zeros(directions, len(inputs), self.hidden_size)
        return [cells[:, :, : self.proj_size or None], cells]  # output and cell state


def _projected(
    inputs: Tensor,
    state: State,
    of_inputs: Tensor,
    recurrent: Tensor,
    b_inputs: Tensor,
    b_recurrent: Tensor,
    down: Tensor,
) -> tuple[Tensor, State]:
    """Run one direction with a projection (P, H), (B, T, F) → (B, T, P); torch's own call has no oneDNN for it."""
    given = inputs @ of_inputs.T + b_inputs + b_recurrent
    h, c = begun(state, inputs, *down.shape)
    outputs = []
    for now in given.unbind(1):
        _, c, o = forward((now + h @ recurrent.T).chunk(4, dim=1), c)
        h = o @ down.T
        outputs.append(h)
    return torch.stack(outputs, dim=1), [h, c]
