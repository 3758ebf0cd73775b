"""Stacking: neighboring frames become one vector, so that there are fewer steps and nothing is lost.

Source: H. Sak et al., "Fast and accurate recurrent neural network acoustic models for speech recognition", Interspeech
2015, section 4.
"""

from torch import Tensor

from asr.frontends.base import Frontend, grouped, require, strided


class Stacking(Frontend):
    """Each `stride` frames side by side; the last group is filled up with zeros, the mean.

    Args:
        features: Size F of a feature vector.
        blocks: Of the vector; without meaning here.
        stride: Frames to a group.
    """

    def __init__(self, features: int, blocks: int, *, stride: int = 2) -> None:
        super().__init__()
        require(1 <= stride <= 16, "stride", stride, "must be at least 1 and at most 16")
        self.dimension, self.stride = features * stride, stride

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors (B, T', stride · F) and their lengths (B,)."""
        groups, _ = grouped(inputs, lengths, self.stride)
        return groups.flatten(2), strided(lengths, self.stride)
