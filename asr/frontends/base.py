"""What front ends have in common."""

from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

from asr.errors import AsrError
from asr.support.indices import Ints

Lengths = TypeVar("Lengths", int, Ints, Tensor)


class Frontend(nn.Module):
    """A module between the features and the recurrence; see the package.

    Attributes:
        dimension: F', size of an output vector.
        stride: Input frames to an output frame.
    """

    dimension: int
    stride: int


def require(valid: bool, setting: str, value: object, remedy: str) -> None:
    """Refuse a setting that makes no sense.

    Raises:
        AsrError: `valid` is false.
    """
    if not valid:
        raise AsrError(f"[frontend]: {setting} = {value!r}: {remedy}")


def strided(lengths: Lengths, stride: int) -> Lengths:
    """Return how many output frames there are for so many input frames: the last one may cover fewer than `stride`."""
    return -(-lengths // stride)


def grouped(inputs: Tensor, lengths: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Return frames in groups of `stride`, (B, T', stride, F), and their number in each group (B, T'); padding is 0.

    Args:
        inputs: (B, T, F).
        lengths: (B,), frames.
        stride: Frames to a group.
    """
    frames = inputs.shape[1]
    groups = strided(frames, stride)
    padded = F.pad(masked(inputs, lengths), (0, 0, 0, groups * stride - frames))
    starts = stride * lengths.new_tensor(range(groups))
    counts = (lengths[:, None] - starts).clamp(0, stride)
    return padded.view(len(inputs), groups, stride, -1), counts.to(inputs.device)


def masked(inputs: Tensor, lengths: Tensor) -> Tensor:
    """Return inputs (B, T, …) with zeros beyond each length."""
    times = lengths.new_tensor(range(inputs.shape[1]))
    inside = (times < lengths[:, None]).to(inputs.device)
    return inputs * inside.view(*inside.shape, *[1] * (inputs.dim() - 2))
