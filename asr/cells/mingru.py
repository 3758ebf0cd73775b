"""The minimal gated recurrent unit: its gate and its candidate see the input only.

    z = σ(W_z x + b_z);  n = g(W_n x + b_n)     g(v) = v + ½ where v ≥ 0, else σ(v); in the order z, n
    h' = (1 − z) h + z n

So h is a sum over the past, which a *scan* finds in log T steps for all frames at once: 1 − z is in (0, 1), so that
products and sums are all that it takes, without logarithms. On a CPU the compiled walks are faster. Parameters of a
direction: 2 H F + 2 H.

Source: L. Feng, F. Tung, M. Ahmed, Y. Bengio and H. Hajimirsadeghi, "Were RNNs all we needed?", 2024, section 3.1 and
appendix B.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from asr.cells.equations import Equations, Values, positive, relu, sigmoid
from asr.cells.layer import OwnLayer, State


def forward(sums: tuple[Values, ...], h: Values) -> tuple[tuple[Values, ...], Values, Values]:
    """Return the gate and the candidate's argument, and the output twice: it is the state."""
    z, v = sums
    z = sigmoid(z)
    h = h + z * (relu(v) + sigmoid(v - relu(v)) - h)
    return (z, v), h, h


def backward(
    saved: tuple[Values, ...], previous: Values, h: Values, dh: Values, dstate: Values
) -> tuple[tuple[Values, ...], Values]:
    """Return the gradients with respect to the sums and to the previous output."""
    (z, v), dh = saved, dh + dstate
    s, above = sigmoid(v), positive(v)
    slope = above + (1.0 - above) * s * (1.0 - s)
    return (dh * (relu(v) + sigmoid(v - relu(v)) - previous) * z * (1.0 - z), dh * z * slope), dh * (1.0 - z)


class MinGRU(OwnLayer):
    """One layer of minimal gated recurrent units.

    Args:
        features: Size F of an input vector.
        hidden: Size H of each direction's output vector.
        direction: "both" or "forward".
    """

    names = ("weight_ih", "bias")
    equations = Equations(forward, backward, sums=2, inputs=2, recurrent=0)

    def __init__(self, features: int, hidden: int, direction: str = "both") -> None:
        super().__init__(features, hidden, direction)
        self._uniform([(2 * hidden, features), (2 * hidden,)])

    def _as_sums(self, *weights: Tensor) -> list[Tensor]:
        inputs, bias = weights
        return [inputs, inputs.new_zeros(0, self.hidden_size), bias]

    def _onward(self, inputs: Tensor, weights: list[Tensor], state: State) -> tuple[Tensor, State]:
        z, v = (inputs @ weights[0].T + weights[1]).chunk(2, dim=2)
        z = sigmoid(z)
        added = z * (relu(v) + sigmoid(v - relu(v)))
        if state:
            first = added[:, :1] + (1.0 - z[:, :1]) * state[0][:, None].to(inputs)
            added = torch.cat([first, added[:, 1:]], dim=1)
        h = scan(1.0 - z, added)
        return h, [h[:, -1]] * 2


def scan(kept: Tensor, added: Tensor) -> Tensor:
    """Return h of h_t = kept_t h_{t−1} + added_t, h_0 = 0, all (B, T, H).

    Each round joins every frame with what is known of the frames before it, twice as many as in the round before.

    Source: W. D. Hillis and G. L. Steele, "Data parallel algorithms", Communications of the ACM 29(12), 1986.
    """
    reach = 1
    while reach < added.shape[1]:
        added = added + kept * F.pad(added, (0, 0, reach, 0))[:, : added.shape[1]]
        kept = kept * F.pad(kept, (0, 0, reach, 0))[:, : added.shape[1]]
        reach *= 2
    return added
