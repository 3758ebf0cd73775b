"""The CTC loss and its gradient, for torch."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from asr.ctc.forced import each_needs, too_few
from asr.errors import InputError
from asr.units import BLANK

Ints = npt.NDArray[np.int64]


def loss(
    log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor, ids: Sequence[str] | None = None
) -> Tensor:
    """Return each utterance's −log p(target | input), (B,), in nats (Graves 2006, equation 8), as float32 at least.

    It is infinite where a probability of 0 leaves no path, and NaN where a log-prob within the length is NaN or +inf;
    the gradient of such an utterance is NaN. On a CPU the sums are float64's and the gradient is −posterior, that with
    respect to the log-probs. Elsewhere, and where Numba does not compile, it is `torch.nn.functional.ctc_loss`, whose
    gradient is meant to be passed on through a log-softmax, and wrong without.

    Args:
        log_probs: (B, T, V), natural log, normalized; of any float type.
        lengths: (B,), int64, frames.
        targets: (B, L), int64 ids in 1 … V − 1, padded with anything.
        target_lengths: (B,), int64.
        ids: (B,), names of the utterances for messages; default: their rows.

    Raises:
        InputError: A length is outside the tensor it counts, a target contains an id that is not a unit's, or an
            utterance has fewer frames than `frames_needed` of its target.
    """
    counts, labels, target_counts = (_int64(tensor) for tensor in (lengths, targets, target_lengths))
    _check(log_probs.shape, counts, labels, target_counts, ids)
    if not len(counts):
        return log_probs.new_zeros(0)
    if log_probs.device.type == "cpu" and _compiled(log_probs.dtype):
        losses: Tensor = _Loss.apply(log_probs, counts, labels, target_counts)
        return losses
    by_frame = (log_probs if log_probs.dtype == torch.float64 else log_probs.float()).transpose(0, 1)
    on_device = targets.to(log_probs.device)
    return F.ctc_loss(by_frame, on_device, lengths.cpu(), target_lengths.cpu(), blank=BLANK, reduction="none")


@cache
def _compiled(dtype: torch.dtype) -> bool:
    """Return whether our own loss compiles here, by compiling it for one frame."""
    from asr.support import jit

    one = np.ones(1, np.int64)
    return jit.works(lambda: _Loss.apply(torch.zeros(1, 1, 2, dtype=dtype), one, one[None], one), "the CTC loss")


class _Loss(torch.autograd.Function):
    """The losses (B,), with their gradients computed on the way where they are wanted."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, lengths: Ints, targets: Ints, target_lengths: Ints) -> Tensor:  # noqa: ANN401
        from asr.ctc import loss_kernels  # Numba costs a fifth of a second, which importing this need not pay

        wide = log_probs.dtype == torch.float64
        values = log_probs.detach().contiguous().to(torch.float64 if wide else torch.float32).numpy()
        keep = bool(ctx.needs_input_grad[0])
        losses, gradients = np.empty(len(values)), np.empty_like(values if keep else values[:, :0])
        lattice = loss_kernels.Lattice.of(
            int(lengths.max()), 1 + int(target_lengths.max()), values.shape[2], gradient=keep
        )
        loss_kernels.run(lattice, keep, values, lengths, targets, target_lengths, losses, gradients)
        ctx.dtype = log_probs.dtype
        ctx.save_for_backward(torch.from_numpy(gradients))
        return torch.from_numpy(losses.astype(values.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        (gradients,) = ctx.saved_tensors
        return (gradients * outer[:, None, None]).to(ctx.dtype), None, None, None


def _int64(values: Tensor) -> Ints:
    return np.ascontiguousarray(values.detach().cpu().numpy(), dtype=np.int64)


def _check(shape: Sequence[int], lengths: Ints, targets: Ints, target_lengths: Ints, ids: Sequence[str] | None) -> None:
    """Refuse an invalid batch, naming its first invalid row."""
    batch, frames, units = shape
    if not batch == len(lengths) == len(targets) == len(target_lengths):
        raise ValueError(f"batch of {batch}, {len(lengths)}, {len(targets)} and {len(target_lengths)}: must be equal")
    inside = np.arange(targets.shape[1]) < target_lengths[:, None]  # (B, L)
    needed = each_needs(targets[inside], inside.sum(axis=1))
    strange = inside & ((targets < 1) | (targets >= units))
    wrong_count = (target_lengths < 0) | (target_lengths > targets.shape[1])
    bad = (lengths < 1) | (lengths > frames) | wrong_count | (lengths < needed) | strange.any(axis=1)
    if not bad.any():
        return
    row = int(bad.argmax())
    length, count = int(lengths[row]), int(target_lengths[row])
    if not 1 <= length <= frames:
        problem = f"length {length} is not in 1 … {frames}, the number of frames"
    elif wrong_count[row]:
        problem = f"target length {count} is not in 0 … {targets.shape[1]}, the number of ids"
    elif strange[row].any():
        problem = f"target id {targets[row, strange[row].argmax()]} is not in 1 … {units - 1}, the units' ids"
    else:
        problem = too_few(length, count, int(needed[row]))
    raise InputError(f"{ids[row] if ids else f'row {row}'}: {problem}")
