"""Blocks: several cells that share their gates, as in the first LSTM networks.

A gate's sum is the same for all cells of a block, so it has one row of weights; before the walks, it is repeated for
each cell. Source: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, section 4.
"""

from typing import ClassVar

import torch
from torch import Tensor

from asr.cells.layer import OwnLayer
from asr.errors import AsrError


class BlockLayer(OwnLayer):
    """A layer of blocks of cells; the cells of a block are neighbors.

    Args:
        features: Size F of an input vector.
        hidden: Number H of each direction's cells.
        direction: "both" or "forward".
        block: Number of cells that share their gates.
        extra: Outputs of a direction that its sums read beside the H of its cells.
    """

    gates: ClassVar[tuple[bool, ...]]  # which of the cell's sums are gates'

    def __init__(self, features: int, hidden: int, direction: str, block: int, extra: int = 0) -> None:
        if block < 1 or hidden % block:
            raise AsrError(f"encoder.block = {block}: must divide the {hidden} hidden units; use another number")
        super().__init__(features, hidden, direction)
        self.block = block
        rows = sum(self._rows())
        self._uniform([(rows, features), (rows, hidden + extra), (rows,)])

    def _rows(self) -> list[int]:
        """Return how many rows of weights each sum has."""
        return [self.hidden_size // self.block if gate else self.hidden_size for gate in self.gates]

    def _as_sums(self, *weights: Tensor) -> list[Tensor]:
        return [self._repeated(weight) for weight in weights]

    def _repeated(self, weight: Tensor) -> Tensor:
        """Return weights or sums with a gate's rows once for each cell of its block."""
        if self.block == 1:
            return weight
        parts = zip(torch.split(weight, self._rows()), self.gates, strict=True)
        return torch.cat([part.repeat_interleave(self.block, 0) if gate else part for part, gate in parts])
