"""The network: a front end, a stack of recurrent layers, a projection, a softmax over units."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from asr import readouts
from asr.cells.layer import Layer, State
from asr.config import FRAMES
from asr.frontends import FRONTENDS, Frontend, strided
from asr.readouts import READOUTS
from asr.support.indices import Ints


class Model(nn.Module):
    """Features in, natural log-probabilities over the units out, in every mode.

    Source: A. Graves, A. Mohamed and G. Hinton, "Speech recognition with deep recurrent neural networks", ICASSP 2013,
    sections 2 and 3.1; J. Ba, J. Kiros and G. Hinton, "Layer normalization", 2016.

    Args:
        features: Size F of a feature vector.
        units: Number V of units, blank included.
        cell: One layer's class, of `asr.cells.CELLS`.
        layers: Number of these layers.
        hidden: Hidden units H per direction.
        dropout: Fraction of each layer's outputs set to 0 while training.
        frontend: What comes before the recurrence, for features of size F; nothing by default.
        norm: Whether the output of each layer is normalized over its D H numbers.
        dense: Size of a rectified layer between recurrence and projection; 0 is none.
        readout: A key of `asr.readouts.READOUTS`: what of the last layer's outputs is projected.
    """

    def __init__(
        self,
        *,
        features: int,
        units: int,
        cell: Callable[..., Layer],
        layers: int,
        hidden: int,
        dropout: float = 0.0,
        frontend: Frontend | None = None,
        norm: bool = False,
        dense: int = 0,
        readout: str = FRAMES,
    ) -> None:
        super().__init__()
        self.frontend = frontend or FRONTENDS["none"](features, 1)
        stack = [cell(self.frontend.dimension, hidden)]
        size = stack[0].size
        for _ in range(layers - 1):
            stack.append(cell(size, hidden))
            stack[-1].stand_on(stack[-2])
        self.cells = nn.ModuleList(stack)
        self.norms = nn.ModuleList(nn.LayerNorm(size) if norm else nn.Identity() for _ in stack)
        self.readout = readout
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Sequential(nn.Linear(size, dense), nn.ReLU(), nn.Dropout(dropout)) if dense else None
        self.projection = nn.Linear(dense or size, units)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probs (B, T', V) and their lengths (B,); values beyond a length have no meaning.

        Args:
            features: (B, T, F).
            lengths: (B,), int64, frames; at least 1 each.
        """
        hidden, lengths = self.frontend(features, lengths)  # (B, T', F'), then (B, T', D H)
        states: list[Tensor] = []
        for cell, norm in zip(self.cells, self.norms, strict=True):
            outputs = cell(hidden, lengths, states) if cell.carries else cell(hidden, lengths)
            hidden = self.dropout(norm(outputs))
        hidden, lengths = READOUTS[self.readout](hidden, lengths)
        return self._scored(hidden), lengths

    def onward(self, hidden: Tensor, lengths: Tensor, before: list[State]) -> tuple[Tensor, list[State]]:
        """Go on where an earlier call stopped; return log-probs (B, T', V), and each layer's state to go on with.

        No gradient flows from a piece to those before it. Only layers forward in time can do this.

        Args:
            hidden: (B, T', F'), what the front end made of the features.
            lengths: (B,), int64, frames; at least 1 each.
            before: What the earlier call returned; empty at the beginning.
        """
        states: list[Tensor] = []
        after: list[State] = []
        layer: Any  # torch's list does not say what is in it
        for layer, norm, state in zip(self.cells, self.norms, before or [[] for _ in self.cells], strict=True):
            outputs, state = layer.onward(hidden, lengths, state, *([states] if layer.carries else []))
            hidden = self.dropout(norm(outputs))
            after.append(state)
        return self._scored(hidden), after

    def _scored(self, hidden: Tensor) -> Tensor:
        """Return the log-probs of the last layer's outputs."""
        if self.dense:
            hidden = self.dense(hidden)
        log_probs: Tensor = self.projection(hidden).log_softmax(dim=-1)  # (B, T', V)
        return log_probs

    def outputs(self, frames: Ints) -> Ints:
        """Return how many frames of log-probs the model makes of so many frames of features, (N,)."""
        return readouts.outputs(self.readout, strided(frames, self.stride))

    @property
    def stride(self) -> int:
        """Feature frames per frame of log-probs."""
        return self.frontend.stride

    @property
    def parameter_count(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
