"""The gated recurrent unit, with a reset gate that acts after the product with U, as cuDNN's and torch's, or before.

    r, z = σ(W_r x + U_r h + b_r), σ(W_z x + U_z h + b_z)
    m = U_n h + b_m
    n = tanh(W_n x + b_n + r m)
    h' = (1 − z) n + z h

So r, z and n come from four sums: m has no term W x, and the sum that joins r m inside the tanh has no term U h.

With `reset = "before"`, n = tanh(W_n x + U_n (r h) + b): a product that depends on another one, for which the compiled
walks have no place, so that this runs in torch. Parameters of a direction: 3 H (F + H) + 6 H, with torch's two biases.

Source: K. Cho et al., "Learning phrase representations using RNN encoder–decoder for statistical machine translation",
EMNLP 2014, section 2.3, where r acts on h before the product; the variant, `torch.nn.GRU` and `cudnnRNNForward`.
"""

import torch
from torch import Tensor

from asr.cells.equations import Equations, Values, sigmoid, tanh
from asr.cells.layer import State, TorchLayer, begun
from asr.errors import choose


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


class GRU(TorchLayer):
    """One layer of gated recurrent units; its parameters are those of `torch.nn.GRU`.

    Args:
        features: Size F of an input vector.
        hidden: Size H of each direction's output vector.
        direction: "both" or "forward".
        reset: Whether the reset gate acts "after" the product with U or "before" it.
    """

    kind = "GRU"
    call = torch.gru

    def __init__(self, features: int, hidden: int, direction: str = "both", reset: str = "after") -> None:
        super().__init__(features, hidden, direction)
        self._after = choose({"after": True, "before": False}, reset, "reset")
        self.equations = Equations(forward, backward, sums=4, inputs=3, recurrent=3) if self._after else None

    def _packed(self, inputs: Tensor, lengths: Tensor, weights: list[list[Tensor]]) -> Tensor:
        return (super()._packed if self._after else self._reversed)(inputs, lengths, weights)

    def _onward(self, inputs: Tensor, weights: list[Tensor], state: State) -> tuple[Tensor, State]:
        return super()._onward(inputs, weights, state) if self._after else _reset_before(inputs, state, *weights)

    def _as_sums(self, *weights: Tensor) -> list[Tensor]:
        """Torch's order is r, z, n; the sums', m, r, z, n."""
        inputs, recurrent, of_inputs, of_recurrent = weights
        hidden = self.hidden_size
        both, n = of_inputs[: 2 * hidden] + of_recurrent[: 2 * hidden], of_inputs[2 * hidden :]
        return [inputs, recurrent.roll(hidden, 0), torch.cat([of_recurrent[2 * hidden :], both, n])]


def _reset_before(
    inputs: Tensor,
    state: State,
    of_inputs: Tensor,
    recurrent: Tensor,
    bias_of_inputs: Tensor,
    bias_of_recurrent: Tensor,
) -> tuple[Tensor, State]:
    """Run one direction with the reset gate before the product, (B, T, F) → (B, T, H)."""
    hidden = recurrent.shape[1]
    given = inputs @ of_inputs.T + bias_of_inputs + bias_of_recurrent
    (h,) = begun(state, inputs, hidden)
    outputs = []
    for now in given.unbind(1):
        r, z = sigmoid(now[:, : 2 * hidden] + h @ recurrent[: 2 * hidden].T).chunk(2, dim=1)
        n = tanh(now[:, 2 * hidden :] + (r * h) @ recurrent[2 * hidden :].T)
        h = n + z * (h - n)
        outputs.append(h)
    return torch.stack(outputs, dim=1), [h]
