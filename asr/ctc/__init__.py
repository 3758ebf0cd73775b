"""Connectionist temporal classification: the loss that needs no alignment, and what it can be asked.

Source: A. Graves, S. Fernández, F. Gomez and J. Schmidhuber, "Connectionist temporal classification: labelling
unsegmented sequence data with recurrent neural networks", ICML 2006, section 4.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from asr.ctc.forced import align, borders, can_align, frames_needed
from asr.errors import InputError
from asr.units import BLANK

__all__ = ["align", "borders", "can_align", "frames_needed", "loss"]

Longs = npt.NDArray[np.int64]


def loss(
    log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor, ids: Sequence[str] | None = None
) -> Tensor:
    """Return each utterance's −log p(target | input), (B,), in nats (Graves 2006, equation 8), as float32 at least.

    It is infinite where a probability of 0 leaves no path, and NaN where a log-prob within the length is NaN or +inf;
    so is the gradient of such an utterance, NaN. On a CPU the sums are float64's and the gradient is that of the
    log-probs as they stand, −posterior; elsewhere it is `torch.nn.functional.ctc_loss` in float32, whose gradient is
    right at what a log-softmax took.

    Args:
        log_probs: (B, T, V), natural log, normalised; of any float type.
        lengths: (B,), int64, frames.
        targets: (B, L), int64 ids in 1 … V − 1, padded with anything.
        target_lengths: (B,), int64.
        ids: (B,), what the messages name the utterances by; their rows where there are none.

    Raises:
        InputError: A length lies outside the tensor it counts, a target holds what is no unit, or an utterance has
            fewer frames than `frames_needed` of its target.
    """
    counts, places, target_counts = (_longs(tensor) for tensor in (lengths, targets, target_lengths))
    _check(log_probs.shape, counts, places, target_counts, ids)
    if not len(counts):
        return log_probs.new_zeros(0)
    if log_probs.device.type == "cpu":
        losses: Tensor = _Loss.apply(log_probs, counts, places, target_counts)
        return losses
    by_frame = log_probs.float().transpose(0, 1)
    on_device = targets.to(log_probs.device)
    return F.ctc_loss(by_frame, on_device, lengths.cpu(), target_lengths.cpu(), blank=BLANK, reduction="none")


class _Loss(torch.autograd.Function):
    """The losses (B,), with their gradients computed on the way where they are wanted."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, lengths: Longs, targets: Longs, target_lengths: Longs) -> Tensor:  # noqa: ANN401
        from asr.ctc import loss_kernels  # Numba costs a fifth of a second, which importing this need not pay

        wide = log_probs.dtype == torch.float64
        values = log_probs.detach().contiguous().to(torch.float64 if wide else torch.float32).numpy()
        keep = bool(ctx.needs_input_grad[0])
        losses, gradients = np.empty(len(values)), np.empty_like(values if keep else values[:, :0])
        room = loss_kernels.Room.of(int(lengths.max()), 1 + int(target_lengths.max()), values.shape[2], gradient=keep)
        loss_kernels.run(room, keep, values, lengths, targets, target_lengths, losses, gradients)
        ctx.dtype = log_probs.dtype
        ctx.save_for_backward(torch.from_numpy(gradients))
        return torch.from_numpy(losses.astype(values.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        (gradients,) = ctx.saved_tensors
        return (gradients * outer[:, None, None]).to(ctx.dtype), None, None, None


def _longs(values: Tensor) -> Longs:
    return np.ascontiguousarray(values.detach().cpu().numpy(), dtype=np.int64)


def _check(
    shape: Sequence[int], lengths: Longs, targets: Longs, target_lengths: Longs, ids: Sequence[str] | None
) -> None:
    """Refuse a batch that makes no sense, by the first row that does not."""
    batch, frames, units = shape
    if not batch == len(lengths) == len(targets) == len(target_lengths):
        raise ValueError(f"batch of {batch}, {len(lengths)}, {len(targets)} and {len(target_lengths)}: must be equal")
    inside = np.arange(targets.shape[1]) < target_lengths[:, None]  # (B, L)
    repeats = ((targets[:, 1:] == targets[:, :-1]) & inside[:, 1:]).sum(axis=1)
    needed = target_lengths + repeats
    strange = inside & ((targets < 1) | (targets >= units))
    wrong_count = (target_lengths < 0) | (target_lengths > targets.shape[1])
    bad = (lengths < 1) | (lengths > frames) | wrong_count | (lengths < needed) | strange.any(axis=1)
    if not bad.any():
        return
    row = int(bad.argmax())
    length, count = int(lengths[row]), int(target_lengths[row])
    if not 1 <= length <= frames:
        problem = f"length {length} is not one of 1 … {frames}, the frames that there are"
    elif wrong_count[row]:
        problem = f"target length {count} is not one of 0 … {targets.shape[1]}, the ids that there are"
    elif strange[row].any():
        problem = f"target id {targets[row, strange[row].argmax()]} is not one of the units 1 … {units - 1}"
    else:
        why = ", for equal neighbours a blank between them" if repeats[row] else ""
        problem = f"{length} frames cannot hold {count} units (needs {needed[row]}{why})"
    raise InputError(f"{ids[row] if ids else f'row {row}'}: {problem}")
