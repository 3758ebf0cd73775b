"""A pulse to be recalled after a lag, which several experiments share, and small networks that are trained to do it.

Frame 0 has a pulse of +1 or −1, the `lag` frames after it have noise of standard deviation 0.1. At the last frame the
network's output must have the pulse's sign. The loss is the logistic one, −log σ(sign · output).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.cells import CELLS
from asr.cells.layer import Layer
from asr.support.seeds import generator, integer

NOISE = 0.1
BATCH = 32


class RecallNet(nn.Module):
    """Layers of a cell, forward in time, and a linear output read at the last frame.

    Args:
        cell: A key of `asr.cells.CELLS`.
        hidden: H of each layer.
        layers: Number of layers.
        seed: Of the initial weights.
        options: The cell's own settings.
        features: Number of inputs.
    """

    def __init__(
        self, cell: str, hidden: int, layers: int, seed: int, options: Mapping[str, Any], features: int = 1
    ) -> None:
        super().__init__()
        self.cell, self.hidden, self.options = cell, hidden, dict(options)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(integer(seed, "weights"))
            sizes = [features] + [hidden] * (layers - 1)
            self.layers = nn.ModuleList(CELLS[cell](size, hidden, "forward", **self.options) for size in sizes)
            for lower, upper in zip(self._stack(), self._stack()[1:], strict=False):
                upper.stand_on(lower)
            self.output = nn.Linear(hidden, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the output at the last frame, (B, T, F) → (B,)."""
        lengths = torch.full((len(inputs),), inputs.shape[1])
        states: list[Tensor] = []
        for layer in self._stack():
            inputs = layer(inputs, lengths, states) if layer.carries else layer(inputs, lengths)
        outputs: Tensor = self.output(inputs[:, -1])
        return outputs[:, 0]

    def _stack(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]


class DelayNet(nn.Module):
    """A line of the last frames, hidden units of tanh, and a linear output; before the first frame the line has 0.

    Args:
        window: Number of frames in the line.
        hidden: Number of units.
        seed: Of the initial weights.
    """

    def __init__(self, window: int, hidden: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(integer(seed, "weights"))
            self.window, self.units, self.output = window, nn.Linear(window, hidden), nn.Linear(hidden, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the output at the last frame, (B, T, 1) → (B,)."""
        line = F.pad(inputs[:, -self.window :, 0], (max(0, self.window - inputs.shape[1]), 0))
        outputs: Tensor = self.output(torch.tanh(self.units(line)))
        return outputs[:, 0]


def draw(stream: np.random.Generator, size: int, lag: int) -> tuple[Tensor, Tensor]:
    """Return sequences (B, lag + 1, 1) and their signs (B,)."""
    signs = stream.choice([-1.0, 1.0], size)
    values = NOISE * stream.standard_normal((size, lag + 1))
    values[:, 0] = signs
    return torch.tensor(values[:, :, None], dtype=torch.float32), torch.tensor(signs, dtype=torch.float32)


def loss(net: nn.Module, inputs: Tensor, signs: Tensor) -> Tensor:
    """Return the mean logistic loss of a batch."""
    return F.softplus(-signs * net(inputs)).mean()


def train(net: nn.Module, lags: tuple[int, int], steps: int, seed: int, rate: float = 0.01) -> None:
    """Train a network by Adam on fresh batches of 32, each of a random lag, with gradients clipped to a norm of 1."""
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    for step in range(steps):
        stream = generator(seed, "training", step)
        inputs, signs = draw(stream, BATCH, int(stream.integers(*lags, endpoint=True)))
        optimizer.zero_grad()
        loss(net, inputs, signs).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()


def right(net: nn.Module, lag: int, seed: int, size: int = 1000) -> float:
    """Return the share of fresh sequences whose sign is right."""
    inputs, signs = draw(generator(seed, "test"), size, lag)
    with torch.no_grad():
        return float((net(inputs) * signs > 0).float().mean())


def parameters(net: nn.Module) -> int:
    """Return how many numbers of a network are trained."""
    return sum(one.numel() for one in net.parameters() if one.requires_grad)
