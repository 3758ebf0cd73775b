"""Convolution over time and frequency, which hears the same pattern a little higher or a little earlier.

Source: O. Abdel-Hamid et al., "Convolutional neural networks for speech recognition", IEEE/ACM Trans. Audio, Speech and
Language Processing 22(10), 2014 (over frequency, with pooling); Y. Zhang, W. Chan and N. Jaitly, "Very deep
convolutional networks for end-to-end speech recognition", ICASSP 2017 (before LSTMs, with normalization).
"""

from torch import Tensor, nn
from torch.nn import functional as F

from asr.frontends.base import Frontend, masked, require, strided

KERNEL = 3  # frames and filters that a convolution sees
POOLED = 2  # filters that become one after each convolution


class Convolution(Frontend):
    """Convolutions of 3 × 3, each followed by layer normalization, rectification and pooling over 2 filters.

    At the end, the maximum of each `stride` frames is taken. Layer normalization, over the channels and filters of a
    frame, makes an utterance's result independent of the batch, as batch normalization would not.

    Args:
        features: Size F of a feature vector.
        blocks: Of the vector (features, Δ, ΔΔ), which become input channels.
        stride: Frames to an output frame.
        channels: Of each convolution.
        depth: Number of convolutions.
        dropout: Share of the outputs set to 0 while training.
    """

    def __init__(
        self, features: int, blocks: int, *, stride: int = 2, channels: int = 16, depth: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        require(1 <= stride <= 16, "stride", stride, "must be at least 1 and at most 16")
        require(1 <= channels <= 4096, "channels", channels, "must be at least 1 and at most 4096")
        require(1 <= depth <= 16, "depth", depth, "must be at least 1 and at most 16")
        require(0 <= dropout <= 0.95, "dropout", dropout, "must be at least 0 and at most 0.95")
        self._blocks, filters = blocks, features // blocks
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for layer in range(depth):
            before = channels if layer else blocks
            self.convolutions.append(nn.Conv2d(before, channels, KERNEL, padding=KERNEL // 2))
            self.norms.append(nn.LayerNorm((channels, filters)))
            filters = -(-filters // POOLED)
        self.dropout = nn.Dropout(dropout)
        self.dimension, self.stride = channels * filters, stride

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors (B, T', channels · filters) and their lengths (B,)."""
        hidden = inputs.view(*inputs.shape[:2], self._blocks, -1)  # (B, T, blocks, filters)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = masked(hidden, lengths)  # a convolution at the end must see what it sees without padding
            hidden = norm(convolution(hidden.transpose(1, 2)).transpose(1, 2))
            hidden = F.max_pool1d(hidden.relu().flatten(0, 1), POOLED, ceil_mode=True).view(*hidden.shape[:3], -1)
        hidden = masked(hidden, lengths).flatten(2)
        if self.stride > 1:  # zeros never exceed a rectified maximum
            hidden = F.pad(hidden, (0, 0, 0, -hidden.shape[1] % self.stride))
            hidden = hidden.view(len(hidden), -1, self.stride, self.dimension).amax(dim=2)
        return self.dropout(hidden), strided(lengths, self.stride)
