"""Where a labelling lies: how many frames it needs, and which frames say what."""

import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.errors import AsrError, InputError
from asr.units import BLANK

UNMATCHED = "torchaudio does not go with this torch"


def frames_needed(ids: Sequence[int]) -> int:
    """Return the fewest frames that hold a labelling: one an id, and a blank between equal neighbours."""
    return len(ids) + sum(one == next for one, next in zip(ids, ids[1:], strict=False))


def can_align() -> bool:
    """Say whether torchaudio, which aligns, can be loaded; where not, tell so on standard error."""
    try:
        import torchaudio.functional  # noqa: F401
    except (ImportError, OSError) as error:
        print(f"borders are not measured: {UNMATCHED} ({error})", file=sys.stderr)
        return False
    return True


def align(log_probs: Tensor | npt.NDArray[np.floating], ids: Sequence[int]) -> list[tuple[int, int]]:
    """Return where the best path through a labelling says each id: its peak, (first, last + 1) frame.

    Args:
        log_probs: (T, V), natural log.
        ids: The labelling (L,), blank-free.

    Raises:
        InputError: The labelling does not fit into so many frames.
        AsrError: torchaudio cannot be loaded.
    """
    log_probs = torch.as_tensor(log_probs)
    if len(log_probs) < frames_needed(ids):
        raise InputError(f"{len(log_probs)} frames cannot hold {len(ids)} units (needs {frames_needed(ids)})")
    if not ids:
        return []
    try:
        from torchaudio.functional import forced_align
    except (ImportError, OSError) as error:
        raise AsrError(f"{UNMATCHED} ({error}); install both from the same place") from error
    path = forced_align(log_probs[None], torch.tensor([list(ids)], device=log_probs.device), blank=BLANK)[0][0]
    peaks: list[tuple[int, int]] = []
    before = BLANK
    for frame, id in enumerate(path.tolist()):
        if id != BLANK and id == before:
            peaks[-1] = (peaks[-1][0], frame + 1)
        elif id != BLANK:
            peaks.append((frame, frame + 1))
        before = id
    return peaks


def borders(log_probs: npt.NDArray[np.floating], ids: Sequence[int], peaks: Sequence[tuple[int, int]]) -> list[int]:
    """Return the frames at which each id but the first begins, (L − 1,): how the blank between two peaks is shared.

    CTC spikes inside a unit and writes blank elsewhere, but among the other units it still prefers the one that is
    being said. So the border lies where the left unit, summed over the frames between the peaks, has most
    probability on its side and the right unit on its own.

    Args:
        log_probs: (T, V), natural log.
        ids: The labelling (L,).
        peaks: Of each id, as `align` gives them.
    """
    found = []
    for left, right, (_, start), (end, _) in zip(ids, ids[1:], peaks, peaks[1:], strict=False):
        preferred = log_probs[start:end, left] - log_probs[start:end, right]
        gained = np.concatenate([[0.0], np.cumsum(preferred)])
        found.append(start + int(gained.argmax()))
    return found
