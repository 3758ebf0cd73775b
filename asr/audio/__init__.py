"""Recordings in, samples out: every format and rate that libsndfile reads, and limits on what a header may give."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from asr.audio import containers, soundfiles
from asr.audio.soundfiles import (
    ANY_LENGTH,
    BLOCK,
    MAX_RATE,
    MAX_SECONDS,
    MIN_RATE,
    Excerpt,
    Longest,
    NotFiniteError,
    Properties,
    Samples,
    TooLongError,
    TruncatedError,
)
from asr.errors import InputError

SLACK = 0.02  # seconds by which a segment may end after its recording: rounding by whoever wrote the times

# What libsndfile reads, by ending, and recordings that it cannot read.
READABLE = frozenset(
    ".wav .wave .bwf .rf64 .w64 .flac .ogg .oga .opus .mp3 .mp2 .aif .aiff .aifc .au .snd .sph .nist .caf .voc".split()
)
UNREADABLE = frozenset(
    ".m4a .m4b .mp4 .aac .wma .amr .awb .webm .mka .mkv .mov .3gp .ac3 .ape .alac .dss .wv .shn .ra .spx".split()
)

_LOG = logging.getLogger(__name__)

__all__ = [
    "ANY_LENGTH",
    "BLOCK",
    "MAX_RATE",
    "MAX_SECONDS",
    "MIN_RATE",
    "READABLE",
    "UNREADABLE",
    "Channel",
    "Properties",
    "Longest",
    "NotFiniteError",
    "Resampler",
    "Samples",
    "TooLongError",
    "TruncatedError",
    "blocks",
    "properties",
    "name_of",
    "read",
    "resample",
]


@dataclass(frozen=True)
class Channel:
    """One channel of a recording.

    Attributes:
        source: The recording's path, or an open binary file that can seek.
        number: From 1 on.
    """

    source: str | os.PathLike[str] | BinaryIO
    number: int

    @property
    def name(self) -> str:
        """The recording's, and the channel's number."""
        return f"{name_of(self.source)}#{self.number}"


def read(
    source: str | os.PathLike[str] | BinaryIO | Channel,
    start: float | None = None,
    seconds: float | None = None,
    longest: Longest = ANY_LENGTH,
) -> tuple[Samples, int]:
    """Return a recording's samples (S,), float32 in [−1, 1], channels averaged, and its rate in Hz.

    Files that were joined are read to the end of the last. A WAV whose header was never finished is read to the end of
    what there is; the logger `asr.audio` says so in a warning.

    Args:
        source: A path, also of a pipe, or an open binary file, or a channel of one.
        start: Where the segment to read begins, in seconds; None reads the whole recording.
        seconds: The segment's duration; None reads to the end.
        longest: What the recording may be; nothing beyond it is decoded.

    Raises:
        TooLongError: It is longer than `longest`.
        TruncatedError: The file is shorter than its header says, or ends before the segment does.
        NotFiniteError: It contains NaN or infinite samples.
        InputError: It is missing, is not audio that libsndfile reads, is empty, or gives an absurd rate, channel count
            or duration.
    """
    channel = source.number if isinstance(source, Channel) else None
    file = source.source if isinstance(source, Channel) else source
    found = list(blocks(file, start, seconds, longest, channel, name_of(source)))
    return np.concatenate([samples for samples, _ in found]), found[0][1]


def blocks(
    source: str | os.PathLike[str] | BinaryIO,
    start: float | None = None,
    seconds: float | None = None,
    longest: Longest = ANY_LENGTH,
    channel: int | None = None,
    name: str | None = None,
) -> Iterator[tuple[Samples, int]]:
    """Yield what `read` returns a block at a time, each with the rate, so that not all of it must fit in memory.

    An error may come after some of the blocks.

    Args:
        source: As for `read`.
        start: As for `read`.
        seconds: As for `read`.
        longest: As for `read`.
        channel: Which one, from 1 on; None for the mean of all.
        name: Of the recording, for messages. Default: its own.

    Raises:
        InputError: As for `read`, or there is no such channel.
    """
    name = name or name_of(source)
    path = Path(source) if isinstance(source, str | os.PathLike) else None
    try:
        with _opened(path) if path else BytesIO(source.read()) as file:  # type: ignore[union-attr]
            try:
                parts, warning = containers.recordings(file)
            except InputError as error:
                raise TruncatedError(f"{name}: {error}") from None
            alone = len(parts) == 1  # of several, the segment is cut when they are joined
            wanted = Excerpt(start or 0.0 if alone else 0.0, seconds if alone else None, channel, longest)
            yield from _finite(_segment(_joined(parts, name, wanted), start, seconds, name), name)
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error}); check its permissions") from error
    if warning:
        _LOG.warning("%s: %s", name, warning)


def name_of(source: str | os.PathLike[str] | BinaryIO | Channel) -> str:
    """Return how messages and transcripts call a recording."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else str(getattr(source, "name", "<audio>"))


def properties(source: str | os.PathLike[str] | BinaryIO) -> Properties | None:
    """Return what a recording's header gives; None where it cannot be read, or not twice, as a pipe's.

    Args:
        source: A path, or an open binary file that can seek.
    """
    try:
        if isinstance(source, str | os.PathLike):
            if not Path(source).is_file():
                return None
            with _opened(Path(source)) as file:
                return soundfiles.properties(file)
        return soundfiles.properties(source) if isinstance(source, BytesIO) else None
    except (OSError, InputError):
        return None


def resample(samples: Samples, rate: int, wanted: int) -> Samples:
    """Return the samples (S',) at `wanted` Hz, by band-limited interpolation (libsoxr, high quality).

    Args:
        samples: (S,) at `rate` Hz.
        rate: Hz.
        wanted: Hz.
    """
    if rate == wanted:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, rate, wanted), dtype=np.float32)


class Resampler:
    """Resamples what arrives in parts; together, the results are `resample` of the whole, to the bit.

    Args:
        rate: Of what arrives, Hz.
        wanted: Hz.
    """

    def __init__(self, rate: int, wanted: int) -> None:
        self._stream: Any = None
        if rate != wanted:
            import soxr

            self._stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32")

    def accept(self, samples: Samples, last: bool = False) -> Samples:
        """Return further samples (S',), which may be fewer than have arrived.

        Args:
            samples: (S,), the next ones.
            last: Whether there are no more.
        """
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(np.ascontiguousarray(samples), last=last), np.float32)


def _opened(path: Path) -> containers.Opened:
    """Open a file so that libsndfile may take its descriptor, and need not know its name; read a pipe to its end."""
    if path.is_dir():
        raise InputError(f"{path}: is a directory; pass an audio file")
    if not path.exists():
        raise InputError(f"{path}: no such file; pass an audio file")
    file = open(path, "rb", buffering=0)
    if path.is_file():
        return file
    with file:
        return BytesIO(file.readall())


def _joined(parts: Sequence[containers.Opened], name: str, wanted: Excerpt) -> Iterator[tuple[int, Samples, int]]:
    """Yield the samples of joined recordings: where a block begins, the block, and the rate."""
    before, known = 0, 0
    for part in parts:
        end = 0
        for at, samples, rate in soundfiles.decoded(part, name, wanted):
            if known and rate != known:
                raise InputError(f"{name}: joins recordings of {known} and {rate} Hz; convert them first")
            known, end = rate, at + len(samples)
            wanted.longest.check(name, before + end - round(wanted.start * rate), rate)
            yield before + at, samples, rate
        before += end


def _segment(
    found: Iterable[tuple[int, Samples, int]], start: float | None, seconds: float | None, name: str
) -> Iterator[tuple[Samples, int]]:
    """Yield the part of a recording that starts at `start` seconds and lasts for `seconds`.

    Raises:
        TruncatedError: The recording ends before the segment.
    """
    count, rate, first = 0, 0, 0
    length: int | None = None
    for at, samples, rate in found:
        if start is not None:
            first = round(start * rate)
            length = None if seconds is None else max(1, round((start + seconds) * rate) - first)
            samples = samples[max(first - at, 0) : None if length is None else max(first + length - at, 0)]
        count += len(samples)
        if len(samples):
            yield samples, rate
    if start is not None and (not count or (length and count < length - SLACK * rate)):
        wanted = f"{start:g} s" if seconds is None else f"{start:g} to {start + seconds:g} s"
        raise TruncatedError(f"{name}: ends before the segment at {wanted}; correct the segment's times")


def _finite(found: Iterable[tuple[Samples, int]], name: str) -> Iterator[tuple[Samples, int]]:
    """Yield samples after checking that they are finite, that there are some, and not too many."""
    count = 0
    for samples, rate in found:
        if not np.isfinite(samples).all():
            index = int(np.flatnonzero(~np.isfinite(samples))[0])
            what = f"sample {count + index} is {samples[index]}, not finite"
            raise NotFiniteError(f"{name}: {what}; write the file again")
        count += len(samples)
        if count > soundfiles.MAX_SECONDS * rate:
            raise InputError(f"{name}: {soundfiles.TOO_LONG}")
        yield samples, rate
    if not count:
        raise InputError(f"{name}: contains no samples; record it again")
