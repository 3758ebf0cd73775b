"""A layer of one unit with its weights set by hand, to write, hold and read (`carousel.py` says how)."""

import torch
from torch import Tensor

from asr.cells import CELLS
from asr.cells.arrays import Array
from asr.cells.layer import Layer
from asr.memory.carousel import OPEN
from asr.support.seeds import generator

SUMS = {  # the cells' sums, in the order of their rows
    "lstm-1997": "igo",
    "lstm": "ifgo",
    "lstm-peephole": "ifgo",
    "lstm-coupled": "igo",
    "lstm-depth-gated": "ifgo",
    "gru": "rfg",  # its z keeps, as a forget gate does
    "mingru": "ig",  # its z writes, as an input gate does
    "rnn": "g",
}
ROWS = {  # weights of value, write and read, and bias
    "g": (1.0, 0.0, 0.0, 0.0),
    "i": (0.0, 2 * OPEN, 0.0, -OPEN),
    "f": (0.0, -2 * OPEN, 0.0, OPEN),
    "o": (0.0, 0.0, 2 * OPEN, -OPEN),
    "r": (0.0, 0.0, 0.0, 0.0),
}


def by_hand(cell: str, weight: float) -> Layer:
    """Return a layer of one unit with its weights set.

    Args:
        cell: A key of `SUMS`.
        weight: U of a simple unit.
    """
    layer = CELLS[cell](3, 1, "forward").double()
    rows = torch.tensor([ROWS[kind] for kind in SUMS[cell]], dtype=torch.float64)
    for name, parameter in layer.named_parameters():
        if name.startswith("weight_ih"):
            parameter.data.copy_(rows[:, :3])
        elif name in ("bias", "bias_ih_l0"):
            parameter.data.copy_(rows[:, 3])
        else:
            parameter.data.fill_(weight if name == "weight_hh_l0" and cell == "rnn" else 0.0)
    return layer


def readings(layer: Layer, values: Tensor, held: Tensor, noise: float, seed: int) -> tuple[Array, Array]:
    """Return what is read of each value after so many frames, and its derivative by the value.

    Args:
        layer: From `by_hand`.
        values: (B,), written at frame 0.
        held: (B,), frames from writing to reading.
        noise: Standard deviation of the inputs that are not to be written.
        seed: Of the noise.
    """
    frames = int(held.max()) + 1
    inputs = torch.zeros(len(values), frames, 3, dtype=torch.float64)
    inputs[:, 1:, 0] = noise * torch.tensor(generator(seed, "noise").standard_normal(frames - 1))
    values = values.double().requires_grad_()
    inputs[:, 0, 0] = values
    inputs[:, 0, 1] = 1.0
    inputs[torch.arange(len(values)), held, 2] = 1.0
    read = layer(inputs, held + 1)[torch.arange(len(values)), held, 0]
    (gradient,) = torch.autograd.grad(read.sum(), values)
    return read.detach().numpy(), gradient.numpy()
