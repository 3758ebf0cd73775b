"""The simple recurrent cell, and what becomes of it with a leak, or with recurrent weights that are not trained.

    h' = tanh(W x + U h + b)                        or with relu in place of tanh
    h' = (1 − a) h + a tanh(W x + U h + b)          with a leak a, 0 < a ≤ 1

A leak below 1 makes it a continuous-time network, Euler's steps of 1 / a frames of τ dh/dt = tanh(W x + U h + b) − h;
several leaks, each of as many units, a multiple-timescale network. Fixed recurrent weights of a given spectral radius
make it an echo state network. The leak is an elementwise weight that is not trained. Parameters of a direction:
H (F + H) + 2 H, with torch's two biases; the H² recurrent ones are not trained in an echo state network.

Source: J. Elman, "Finding structure in time", Cognitive Science 14(2), 1990; with relu and U = I at first, Q. Le,
N. Jaitly and G. Hinton, "A simple way to initialize recurrent networks of rectified linear units", 2015; Y. Yamashita
and J. Tani, PLoS Computational Biology 4(11), 2008 (several timescales); H. Jaeger, "The echo state approach to
analysing and training recurrent neural networks", GMD report 148, 2001.
"""

import torch
from torch import Tensor

from asr.cells.equations import Equations, Values, positive, relu, tanh
from asr.cells.layer import State, TorchLayer, loop
from asr.cells.memory import between
from asr.errors import AsrError, choose


def forward(sums: tuple[Values, ...], h: Values) -> tuple[tuple[Values, ...], Values, Values]:
    """Return the output thrice: it is the state, and all that `backward` needs."""
    h = tanh(sums[0])
    return (h,), h, h


def backward(
    saved: tuple[Values, ...], previous: Values, h: Values, dh: Values, dstate: Values
) -> tuple[tuple[Values, ...], Values]:
    """Return the gradient with respect to the sum; none flows past it, so that by the state remains 0."""
    return (dh * (1.0 - h * h),), dstate


def leaky_tanh(sums: tuple[Values, ...], h: Values) -> tuple[tuple[Values, ...], Values, Values]:
    """Return the new value and the leak, and the output twice: it is the state."""
    n, leak = tanh(sums[0]), sums[1]
    h = h * (1.0 - leak) + n * leak
    return (n, leak), h, h


def leaky_tanh_back(
    saved: tuple[Values, ...], previous: Values, h: Values, dh: Values, dstate: Values
) -> tuple[tuple[Values, ...], Values]:
    """Return the gradients with respect to the sum, the leak and the previous output."""
    (n, leak), dh = saved, dh + dstate
    return (dh * leak * (1.0 - n * n), dh * (n - previous)), dh * (1.0 - leak)


def leaky_relu(sums: tuple[Values, ...], h: Values) -> tuple[tuple[Values, ...], Values, Values]:
    """Return the new value and the leak, and the output twice: it is the state."""
    n, leak = relu(sums[0]), sums[1]
    h = h * (1.0 - leak) + n * leak
    return (n, leak), h, h


def leaky_relu_back(
    saved: tuple[Values, ...], previous: Values, h: Values, dh: Values, dstate: Values
) -> tuple[tuple[Values, ...], Values]:
    """Return the gradients with respect to the sum, the leak and the previous output."""
    (n, leak), dh = saved, dh + dstate
    return (dh * leak * positive(n), dh * (n - previous)), dh * (1.0 - leak)


PLAIN = Equations(forward, backward, sums=1, inputs=1, recurrent=1)
LEAKY = {
    "tanh": Equations(leaky_tanh, leaky_tanh_back, sums=1, inputs=1, recurrent=1, vectors=1),
    "relu": Equations(leaky_relu, leaky_relu_back, sums=1, inputs=1, recurrent=1, vectors=1),
}


class RNN(TorchLayer):
    """One layer of Elman's cells; its parameters are those of `torch.nn.RNN`.

    Args:
        features: Size F of an input vector.
        hidden: Size H of each direction's output vector.
        direction: "both" or "forward".
        activation: "tanh" or "relu".
        leak: a; several are each those of as many units.
        identity: Factor of the identity matrix that the recurrent weights are at first, with biases of 0; 0 leaves
            torch's.
        radius: Spectral radius of recurrent weights that are not trained; 0 trains them.
    """

    leak: Tensor
    kind = "RNN_TANH"
    call = torch.rnn_tanh

    def __init__(
        self, features: int, hidden: int, direction: str = "both", activation: str = "tanh",
        leak: tuple[float, ...] = (1.0,), identity: float = 0.0, radius: float = 0.0,
    ) -> None:  # fmt: skip
        self.equations = choose(LEAKY, activation, "activation")
        self._plain = set(leak) == {1.0} and activation == "tanh"
        for one in leak:
            between(one, 1e-6, 1, "leak")
        if len(leak) > hidden:
            raise AsrError(f"encoder.leak: has {len(leak)} values for {hidden} units; use at most one each")
        if self._plain:
            self.equations = PLAIN
        super().__init__(features, hidden, direction)
        leaks = torch.tensor(leak).repeat_interleave(-(-hidden // len(leak)))[:hidden]
        self.register_buffer("leak", leaks, persistent=False)
        for _, recurrent, *biases in self._weights():
            if identity:
                recurrent.data.copy_(identity * torch.eye(hidden))
                for bias in biases:
                    bias.data.zero_()
            if radius:
                _fix(recurrent, radius)

    def _packed(self, inputs: Tensor, lengths: Tensor, weights: list[list[Tensor]]) -> Tensor:
        return (super()._packed if self._plain else self._reversed)(inputs, lengths, weights)

    def _onward(self, inputs: Tensor, weights: list[Tensor], state: State) -> tuple[Tensor, State]:
        if self._plain or self.equations is None:
            return super()._onward(inputs, weights, state)
        return loop(self.equations, inputs, self._as_sums(*weights), state)

    def _as_sums(self, *weights: Tensor) -> list[Tensor]:
        inputs, recurrent, bias = super()._as_sums(*weights)
        return [inputs, recurrent, bias if self._plain else torch.cat([bias, self.leak.to(bias)])]


def _fix(recurrent: Tensor, radius: float) -> None:
    """Scale recurrent weights to a spectral radius, and train them no more."""
    between(radius, 0, 100, "radius")
    recurrent.data *= radius / torch.linalg.eigvals(recurrent.data.double()).abs().max()
    recurrent.requires_grad_(False)
