"""The network: a front end, a stack of bidirectional cells, a projection, a softmax over units."""

from collections.abc import Callable

from torch import Tensor, nn

from asr.frontends import FRONTENDS, Frontend


class Model(nn.Module):
    """Features in, natural log-probabilities over the units out, in every mode.

    Source: A. Graves, A. Mohamed and G. Hinton, "Speech recognition with deep recurrent neural networks", ICASSP 2013,
    sections 2 and 3.1; J. Ba, J. Kiros and G. Hinton, "Layer normalization", 2016.

    Args:
        features: Size F of a feature vector.
        units: Number V of units, blank included.
        cell: One bidirectional layer's class, of `asr.cells.CELLS`.
        layers: Number of these layers.
        hidden: Hidden units H per direction.
        dropout: Fraction of each layer's outputs set to 0 while training.
        frontend: What comes before the recurrence, for features of size F; nothing by default.
        norm: Whether the output of each layer is normalized over its 2H numbers.
        dense: Size of a rectified layer between recurrence and projection; 0 is none.
    """

    def __init__(
        self,
        *,
        features: int,
        units: int,
        cell: Callable[..., nn.Module],
        layers: int,
        hidden: int,
        dropout: float = 0.0,
        frontend: Frontend | None = None,
        norm: bool = False,
        dense: int = 0,
    ) -> None:
        super().__init__()
        self.frontend = frontend or FRONTENDS["none"](features, 1)
        sizes = [self.frontend.dimension, *[2 * hidden] * (layers - 1)]
        self.cells = nn.ModuleList(cell(size, hidden) for size in sizes)
        self.norms = nn.ModuleList(nn.LayerNorm(2 * hidden) if norm else nn.Identity() for _ in sizes)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Sequential(nn.Linear(2 * hidden, dense), nn.ReLU(), nn.Dropout(dropout)) if dense else None
        self.projection = nn.Linear(dense or 2 * hidden, units)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probs (B, T', V) and their lengths (B,); values beyond a length have no meaning.

        Args:
            features: (B, T, F).
            lengths: (B,), int64, frames; at least 1 each.
        """
        hidden, lengths = self.frontend(features, lengths)  # (B, T', F'), then (B, T', 2H)
        for cell, norm in zip(self.cells, self.norms, strict=True):
            hidden = self.dropout(norm(cell(hidden, lengths)))
        if self.dense:
            hidden = self.dense(hidden)
        log_probs: Tensor = self.projection(hidden).log_softmax(dim=-1)  # (B, T', V)
        return log_probs, lengths

    @property
    def stride(self) -> int:
        """Feature frames per frame of log-probs."""
        return self.frontend.stride

    @property
    def parameter_count(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters())
