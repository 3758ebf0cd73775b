"""Readouts: what of the last layer's outputs is projected onto the units. A new one is a function and a table's line.

Many frames to many units is CTC's: each frame is projected. Many to one is a classifier of isolated words: an
utterance's outputs become one vector, as if it had a single frame of log-probs. Of one frame and one unit, CTC's loss
is the cross-entropy, −ln p(unit). So loss, decoders and scoring do not tell the two apart.

A readout is called as `readout(hidden, lengths)`: (B, T', D H), (B,) → (B, T'', D H), (B,). No result is changed by
padding.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from asr.config import FRAMES
from asr.support.indices import Ints

Readout = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def frames(hidden: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return all frames."""
    return hidden, lengths


def mean(hidden: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of an utterance's frames."""
    inside = torch.arange(hidden.shape[1], device=hidden.device) < lengths.to(hidden.device)[:, None]
    total = (hidden * inside[:, :, None]).sum(dim=1, keepdim=True)
    return total / lengths.to(hidden)[:, None, None], torch.ones_like(lengths)


READOUTS: dict[str, Readout] = {FRAMES: frames, "mean": mean}


def outputs(readout: str, available: Ints) -> Ints:
    """Return how many frames of log-probs (N,) a readout makes of so many frames of hidden units."""
    return available if readout == FRAMES else np.ones_like(available)
