"""Small networks that say of each prefix of a string whether it is in the language 1*0 (`one_zero.py`)."""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.cells import CELLS
from asr.memory.one_zero import Symbols, memberships, strings
from asr.support.seeds import generator, integer

GAIN = 4.0


class Acceptors(nn.Module):
    """Networks of simple units and an output each, positive where the prefix is in the language.

    They are one layer of the cell, whose weights from one network to another are 0, and stay so.

    Args:
        hidden: Number of units of each network.
        networks: Number of networks.
        seed: Of the initial weights: U(±1/√H), as a network alone would have.
    """

    def __init__(self, hidden: int, networks: int, seed: int) -> None:
        super().__init__()
        size = hidden * networks
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(integer(seed, "weights"))
            self.units, self.output = CELLS["rnn"](1, size, "forward"), nn.Linear(size, networks)
        mine = torch.arange(size) // hidden
        self.inside = {"weight_hh_l0": mine[:, None] == mine, "weight": torch.arange(networks)[:, None] == mine}
        for parameter in self.parameters():
            parameter.data *= networks**0.5
        self.separate([parameter.data for parameter in self._shared()])

    def separate(self, values: list[Tensor]) -> None:
        """Set to 0 what connects networks, in weights or gradients: of the units to one another, and to outputs."""
        for value, inside in zip(values, self.inside.values(), strict=True):
            value *= inside

    def gradients(self) -> list[Tensor]:
        """Return the gradients for `separate`."""
        return [parameter.grad for parameter in self._shared() if parameter.grad is not None]

    def _shared(self) -> list[nn.Parameter]:
        named = dict(self.named_parameters())
        return [named["units.weight_hh_l0"], named["output.weight"]]

    def forward(self, symbols: Tensor) -> Tensor:
        """Return the outputs after each symbol, (B, T) → (B, T, N); the symbol 0 is given as −1."""
        lengths = torch.full((len(symbols),), symbols.shape[1])
        outputs: Tensor = self.output(self.units(2.0 * symbols[:, :, None] - 1, lengths))
        return outputs


def by_hand() -> Acceptors:
    """Return a network of two units with its weights set: has there been a 0, and is this the first one.

    At the beginning they are 0; then they are near −1 or 1, for no and yes, because of the gain:

        seen'  = seen, or 0 now          = sign(2 seen − 2 x + 1)       x = −1 for 0, 1 for 1
        first' = not seen, and 0 now     = sign(−2 seen − 2 x − 1)
    """
    net = Acceptors(2, 1, 0)
    weights = {
        "units.weight_ih_l0": [[-2.0], [-2.0]],
        "units.weight_hh_l0": [[2.0, 0.0], [-2.0, 0.0]],
        "units.bias_ih_l0": [1.0, -1.0],
        "units.bias_hh_l0": [0.0, 0.0],
    }
    state = {name: GAIN * torch.tensor(value) for name, value in weights.items()}
    net.load_state_dict(state | {"output.weight": torch.tensor([[0.0, 1.0]]), "output.bias": torch.zeros(1)})
    return net


def train(net: Acceptors, updates: int, seed: int, length: int, rate: float = 0.03) -> None:
    """Train all networks by Adam, 64 strings at a time; the learning rate falls to 0."""
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    for update in range(updates):
        drawn = strings(generator(seed, "strings", update), 64, length)
        optimizer.param_groups[0]["lr"] = rate * (1 - update / updates)
        optimizer.zero_grad()
        outputs = net(torch.tensor(drawn, dtype=torch.float32))
        targets = torch.tensor(memberships(drawn), dtype=torch.float32)[:, :, None].expand_as(outputs)
        loss = F.binary_cross_entropy_with_logits(outputs, targets) * outputs.shape[2]
        loss.backward()
        net.separate(net.gradients())
        optimizer.step()


def wrong(net: Acceptors, symbols: Symbols) -> npt.NDArray[np.int64]:
    """Return of how many strings (B, T) each network is wrong on some prefix, (N,)."""
    with torch.no_grad():
        said = net(torch.tensor(symbols, dtype=torch.float32)).numpy() > 0
    found: npt.NDArray[np.int64] = (said != memberships(symbols)[:, :, None]).any(1).sum(0)
    return found
