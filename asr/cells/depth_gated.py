"""The depth-gated LSTM cell: a gate lets the cell state of the layer below into its own.

    i, f, o = σ(…), σ(…), σ(…);  g = tanh(…)     … = W x + U h + b, in the order i, f, g, o
    d = σ(W_d x + w_c c + w_l l + b_d)           l is the state of the cell below in the same frame and direction
    c' = d l + f c + i g
    h' = o tanh c'

w_c and w_l are elementwise weights. The lowest layer has no gate d: it is that of `lstm.py`. It runs in torch.
Parameters of a direction: 4 H (F + H) + 4 H, and above the lowest layer H F + 3 H more.

Source: K. Yao, T. Cohn, K. Vylomova, K. Duh and C. Dyer, "Depth-gated LSTM", 2015, section 3.
"""

import torch
from torch import Tensor, nn

from asr.cells.equations import sigmoid
from asr.cells.layer import SUFFIXES, Layer, OwnLayer, State, begun, computed_in, within
from asr.cells.memory import set_biases


class DepthGatedLSTM(OwnLayer):
    """One layer of depth-gated LSTM cells.

    Args:
        features: Size F of an input vector.
        hidden: Number H of each direction's cells.
        direction: "both" or "forward".
        forget_bias: Initial bias of the forget gates.
        chrono: Longest expected dependency, in frames, for `memory.set_biases`; 0 is none.
    """

    carries = True

    def __init__(
        self, features: int, hidden: int, direction: str = "both", forget_bias: float = 1.0, chrono: int = 0
    ) -> None:
        super().__init__(features, hidden, direction)
        self._uniform([(4 * hidden, features), (4 * hidden, hidden), (4 * hidden,)])
        for _, _, bias in self._weights():
            set_biases(bias.data[:hidden], bias.data[hidden : 2 * hidden], forget_bias, chrono)

    def stand_on(self, lower: Layer) -> None:
        """Add the gate."""
        hidden, bound = self.hidden_size, self.hidden_size**-0.5
        self.names = (*self.names, "weight_id", "depth_c", "depth_l", "bias_d")
        for suffix in SUFFIXES[: self.directions]:
            for name in self.names[3:6]:
                shape = (hidden, self.input_size) if name == "weight_id" else (hidden,)
                values = torch.empty(shape).uniform_(-bound, bound)
                self.register_parameter(name + suffix, nn.Parameter(values))
            self.register_parameter("bias_d" + suffix, nn.Parameter(torch.zeros(hidden)))

    def forward(self, inputs: Tensor, lengths: Tensor, states: list[Tensor] | None = None) -> Tensor:
        """Return the outputs of all directions, (B, T, D H).

        Args:
            inputs: (B, T, F).
            lengths: (B,), int64, frames; at least 1 each.
            states: Those of the layers below, (B, T, D H) each; takes this layer's.
        """
        features, hidden = inputs.shape[2], self.hidden_size
        joined, weights = self._prepared(inputs, states)

        def run(values: Tensor, side: int) -> Tensor:
            x, below = values[:, :, :features], values[:, :, features:]
            return _run(x, weights[side], below[:, :, side * hidden : (side + 1) * hidden], [])[0]

        with torch.autocast(inputs.device.type, enabled=False):
            return self._shared(self._each_way(joined, lengths, run), states)

    def onward(
        self, inputs: Tensor, lengths: Tensor, state: State, states: list[Tensor] | None = None
    ) -> tuple[Tensor, State]:
        """Go on where an earlier call stopped; see `asr.cells.layer.Layer.onward`, and `forward` for the states."""
        features = inputs.shape[2]
        joined, (weights,) = self._prepared(inputs, states)
        with torch.autocast(inputs.device.type, enabled=False):
            x, below = joined[:, :, :features], joined[:, :, features:]
            found, state = _run(x, weights, below, state)
            outputs = self._shared(found * within(lengths, inputs)[:, :, None], states)
        return outputs, [one.detach() for one in state]

    def _prepared(self, inputs: Tensor, states: list[Tensor] | None) -> tuple[Tensor, list[list[Tensor]]]:
        """Return the inputs with the states of the layer below beside them, and the weights, in the type to run in."""
        wanted, joined = computed_in(inputs), torch.cat([inputs, *(states or [])[-1:]], dim=2)
        return joined.to(wanted), [[weight.to(wanted) for weight in mine] for mine in self._weights()]

    def _shared(self, found: Tensor, states: list[Tensor] | None) -> Tensor:
        """Append the cell states to those of the layers below; return the outputs."""
        parts = torch.split(found, self.hidden_size, dim=2)
        if states is not None:
            states.append(torch.cat(parts[1::2], dim=2))
        return torch.cat(parts[::2], dim=2)


def _run(inputs: Tensor, weights: list[Tensor], below: Tensor, state: State) -> tuple[Tensor, State]:
    """Run one direction; return its outputs and cell states side by side, (B, T, 2 H), and the last of each."""
    of_inputs, recurrent, bias, *gate = weights
    given = (inputs @ of_inputs.T + bias).unbind(1)
    low = below.unbind(1)
    depth = (inputs @ gate[0].T + gate[3] + gate[2] * below).unbind(1) if gate else None
    h, c = begun(state, inputs, recurrent.shape[1], recurrent.shape[1])
    found = []
    for t, now in enumerate(given):
        i, f, g, o = (now + h @ recurrent.T).chunk(4, dim=1)
        new = sigmoid(f) * c + sigmoid(i) * torch.tanh(g)
        if depth:
            new = new + sigmoid(depth[t] + gate[1] * c) * low[t]
        c = new
        h = sigmoid(o) * torch.tanh(c)
        found.append(torch.cat([h, c], dim=1))
    return torch.stack(found, dim=1), [h, c]
