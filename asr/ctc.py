"""Connectionist temporal classification: the loss that needs no alignment, and what it can be asked.

Source: A. Graves, S. Fernández, F. Gomez and J. Schmidhuber, "Connectionist temporal classification: labelling
unsegmented sequence data with recurrent neural networks", ICML 2006, section 4.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from asr.units import BLANK


def frames_needed(ids: Sequence[int]) -> int:
    """Return the fewest frames that hold a labelling: one an id, and a blank between equal neighbours."""
    return len(ids) + sum(one == next for one, next in zip(ids, ids[1:], strict=False))


def loss(log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Return each utterance's −log p(target | input), (B,), in nats (Graves 2006, equation 8).

    Args:
        log_probs: (B, T, V), natural log, normalised.
        lengths: (B,), int64, frames; each at least `frames_needed` of its target, or the loss is infinite.
        targets: (B, L), int64 ids in 1 … V − 1, padded with anything.
        target_lengths: (B,), int64.
    """
    return F.ctc_loss(
        log_probs.transpose(0, 1), targets, lengths, target_lengths, blank=BLANK, reduction="none", zero_infinity=False
    )
