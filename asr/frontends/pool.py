"""Pooling: the mean of neighboring frames."""

from torch import Tensor

from asr.frontends.base import Frontend, grouped, require, strided


class Pooling(Frontend):
    """The mean of each `stride` frames; the last group's is over those that exist.

    Args:
        features: Size F of a feature vector.
        blocks: Of the vector; without meaning here.
        stride: Frames to a group.
    """

    def __init__(self, features: int, blocks: int, *, stride: int = 2) -> None:
        super().__init__()
        require(1 <= stride <= 16, "stride", stride, "must be at least 1 and at most 16")
        self.dimension, self.stride = features, stride

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return means (B, T', F) and their lengths (B,)."""
        groups, counts = grouped(inputs, lengths, self.stride)
        return groups.sum(dim=2) / counts.clamp(min=1)[:, :, None], strided(lengths, self.stride)
