"""The network: a stack of bidirectional cells, a projection, a softmax over units."""

from collections.abc import Callable

from torch import Tensor, nn


class Model(nn.Module):
    """Features in, natural log-probabilities over the units out, in every mode.

    Source: A. Graves, A. Mohamed and G. Hinton, "Speech recognition with deep recurrent neural networks", ICASSP 2013,
    sections 2 and 3.1.

    Args:
        features: Size F of a feature vector.
        units: Number V of units, blank included.
        cell: One bidirectional layer's class, of `asr.cells.CELLS`.
        layers: How many of them.
        hidden: Units H per direction.
        dropout: Share of each layer's outputs set to 0 while training.
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
    ) -> None:
        super().__init__()
        sizes = [features, *[2 * hidden] * (layers - 1)]
        self.cells = nn.ModuleList(cell(size, hidden) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(2 * hidden, units)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probs (B, T, V) and their lengths (B,); what lies beyond a length has no meaning.

        Args:
            features: (B, T, F).
            lengths: (B,), int64, frames; at least 1 each.
        """
        hidden = features  # (B, T, F), then (B, T, 2H)
        for cell in self.cells:
            hidden = self.dropout(cell(hidden, lengths))
        log_probs: Tensor = self.projection(hidden).log_softmax(dim=-1)  # (B, T, V)
        return log_probs, lengths

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters())
