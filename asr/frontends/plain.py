"""No front end: the recurrence sees the features themselves."""

from torch import Tensor

from asr.frontends.base import Frontend


class Plain(Frontend):
    """Features in, features out.

    Args:
        features: Size F of a feature vector.
        blocks: Of the vector; without meaning here.
    """

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        self.dimension, self.stride = features, 1

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inputs (B, T, F) and lengths (B,)."""
        return inputs, lengths
