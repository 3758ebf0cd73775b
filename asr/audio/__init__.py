"""Recordings in, samples out: every format and rate that libsndfile reads, and limits on what a header may give."""

import logging
import math
import os
import re
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from asr.audio import containers
from asr.errors import AsrError, InputError

Samples = npt.NDArray[np.float32]

# What a header may give. libsndfile itself accepts 1 Hz, 1.4 GHz and 1024 channels.
MIN_RATE = 4_000  # Hz; below it there is no speech
MAX_RATE = 384_000  # Hz; the fastest audio interfaces
MAX_CHANNELS = 32
MAX_SECONDS = 24 * 3600.0
BLOCK = 1 << 16  # values read at once, so that a wrong header cannot claim our memory
SLACK = 0.02  # seconds by which a segment may end after its recording: rounding by whoever wrote the times

# What libsndfile reads, by ending, and recordings that it cannot read.
READABLE = frozenset(
    ".wav .wave .bwf .rf64 .w64 .flac .ogg .oga .opus .mp3 .mp2 .aif .aiff .aifc .au .snd .sph .nist .caf .voc".split()
)
UNREADABLE = frozenset(
    ".m4a .m4b .mp4 .aac .wma .amr .awb .webm .mka .mkv .mov .3gp .ac3 .ape .alac .dss .wv .shn .ra .spx".split()
)

_TOO_LONG = "is longer than 24 hours; at most 24 are read at once, cut it"
_LOG = logging.getLogger(__name__)


class TruncatedError(InputError):
    """A recording that contains less than its header gives."""


class NotFiniteError(InputError):
    """A recording with non-finite samples (NaN or Inf)."""


class TooLongError(InputError):
    """A recording that is longer than its reader allows."""


class Longest(NamedTuple):
    """What a recording may be at most, for readers of what strangers send: a few bytes can claim to be hours.

    Attributes:
        seconds: Its duration.
        bytes: Its samples, float32, channels averaged.
    """

    seconds: float = math.inf
    bytes: float = math.inf

    def check(self, name: str, count: int, rate: int) -> None:
        """Refuse that many samples.

        Raises:
            TooLongError: They are too many.
        """
        if count > self.seconds * rate:
            raise TooLongError(f"{name}: is longer than {self.seconds:g} s; cut it")
        if 4 * count > self.bytes:
            raise TooLongError(
                f"{name}: is more than {self.bytes / 4:.0f} samples; cut it or lower its rate, {rate} Hz"
            )


ANY_LENGTH = Longest()


def read(
    source: str | os.PathLike[str] | BinaryIO,
    start: float | None = None,
    seconds: float | None = None,
    longest: Longest = ANY_LENGTH,
) -> tuple[Samples, int]:
    """Return a recording's samples (S,), float32 in [−1, 1], channels averaged, and its rate in Hz.

    Files that were joined are read to the end of the last. A WAV whose header was never finished is read to the end of
    what there is; the logger `asr.audio` says so in a warning.

    Args:
        source: A path, also of a pipe, or an open binary file.
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
    path = Path(source) if isinstance(source, str | os.PathLike) else None
    name = str(path) if path else str(getattr(source, "name", "<audio>"))
    try:
        with _opened(path) if path else BytesIO(source.read()) as file:  # type: ignore[union-attr]
            try:
                parts, warning = containers.recordings(file)
            except InputError as error:
                raise TruncatedError(f"{name}: {error}") from None
            skip = start or 0.0 if len(parts) == 1 else 0.0  # of several, the segment is cut when they are joined
            read, count = list[tuple[Samples, int]](), 0
            for part in parts:
                read.append(_decoded(part, name, (skip, seconds if len(parts) == 1 else None), longest))
                count += len(read[-1][0])
                longest.check(name, count, read[-1][1])
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error}); check its permissions") from error
    rates = [rate for _, rate in read]
    if len(set(rates)) > 1:
        raise InputError(f"{name}: joins recordings of {' and '.join(map(str, rates[:5]))} Hz; convert them first")
    samples = np.concatenate([samples for samples, _ in read])
    if start is not None:
        samples = _segment(samples, rates[0], (start, seconds), skip, name)
    if len(samples) > MAX_SECONDS * rates[0]:
        raise InputError(f"{name}: {_TOO_LONG}")
    if not len(samples):
        raise InputError(f"{name}: contains no samples; record it again")
    if not np.isfinite(samples).all():
        index = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise NotFiniteError(f"{name}: sample {index} is {samples[index]}, not finite; write the file again")
    if warning:
        _LOG.warning("%s: %s", name, warning)
    return samples, rates[0]


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


def _segment(samples: Samples, rate: int, span: tuple[float, float | None], skipped: float, name: str) -> Samples:
    """Return the part of a recording that starts at span[0] and lasts span[1] seconds.

    Args:
        samples: Those of the recording from `skipped` seconds on.
        rate: Hz.
        span: Seconds; None for the duration is to the end.
        skipped: Seconds.
        name: The recording's, for messages.

    Raises:
        TruncatedError: The recording ends before the segment.
    """
    start, seconds = span
    first = round(start * rate)
    count = None if seconds is None else max(1, round((start + seconds) * rate) - first)
    found = samples[first - round(skipped * rate) :][:count]
    if not len(found) or (count and len(found) < count - SLACK * rate):
        wanted = f"{start:g} s" if seconds is None else f"{start:g} to {start + seconds:g} s"
        raise TruncatedError(f"{name}: ends before the segment at {wanted}; correct the segment's times")
    return found


def _decoded(
    file: containers.Opened, name: str, span: tuple[float, float | None], longest: Longest
) -> tuple[Samples, int]:
    """Return the samples of one recording from span[0] seconds on, for span[1] or to its end, and its rate."""
    import soundfile

    start, seconds = span
    head = file.read(1024) or b""  # the whole of a SPHERE header
    file.seek(0)
    try:
        with soundfile.SoundFile(file.fileno() if isinstance(file, FileIO) else file, closefd=False) as opened:
            _check_header(name, opened.samplerate, opened.channels, opened.frames)
            rate = int(opened.samplerate)
            if _known(opened.frames) and "MPEG" not in opened.extra_info[:80]:
                longest.check(name, opened.frames, rate)
            if (start or seconds) and _known(opened.frames) and "MPEG" not in opened.extra_info[:80]:
                opened.seek(min(round(start * rate), opened.frames))
                samples, missing = _mixed(opened, name, longest, math.ceil(seconds * rate) + 1 if seconds else None), ""
            else:
                samples = _mixed(opened, name, longest)
                missing = _missing(head, len(samples), opened.frames, opened.extra_info)
                samples = samples[round(start * rate) :]
    except AsrError:
        raise
    except (soundfile.SoundFileError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}: {_reason(head, str(error))}") from error
    if missing:
        raise TruncatedError(f"{name}: contains only {missing}; copy it again")
    return samples, rate


def _check_header(name: str, rate: int, channels: int, frames: int) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(f"{name}: header gives {rate} Hz; supported: {MIN_RATE} to {MAX_RATE} Hz")
    if not 1 <= channels <= MAX_CHANNELS:
        raise InputError(f"{name}: header gives {channels} channels; supported: 1 to {MAX_CHANNELS}")
    if _known(frames) and frames > MAX_SECONDS * rate:
        raise InputError(f"{name}: header gives {frames / rate / 3600:.0f} hours; at most 24 are read at once, cut it")


def _known(frames: int) -> bool:
    """Tell whether a header gives a length; FLAC may omit it, and libsndfile then returns the largest integer."""
    return frames < np.iinfo(np.int64).max // 2


def _mixed(file: Any, name: str, longest: Longest, limit: int | None = None) -> Samples:  # noqa: ANN401 (soundfile is imported late)
    """Return what an open soundfile really contains from here on, `limit` samples at most, channels averaged."""
    # soundfile seeks after each read to where it thinks the read ended, which fails at the end of a FLAC that does not
    # give its length; its own `blocks` repeats the last block there forever, and elsewhere pads what is missing.
    file.seekable = lambda: False
    mix = np.full(file.channels, 1 / file.channels, np.float32)  # ten times faster than a mean over short rows
    buffer = np.empty((BLOCK // file.channels, file.channels), np.float32)
    blocks, count = [np.zeros(0, np.float32)], 0
    while len(block := file.read(out=buffer if limit is None else buffer[: limit - count])):
        with np.errstate(invalid="ignore", over="ignore"):  # `read` refuses what is not finite
            blocks.append(block @ mix if file.channels > 1 else block[:, 0].copy())
        count += len(block)
        if count > MAX_SECONDS * file.samplerate:
            raise InputError(f"{name}: {_TOO_LONG}")
        longest.check(name, count, file.samplerate)
    return np.concatenate(blocks)


def _missing(head: bytes, held: int, stated: int, log: str) -> str:
    """Return how much of a recording is there, if that is less than its header gives; else ''.

    SPHERE's header, TIMIT's format, tells what libsndfile does not. MPEG's length is an estimate.
    """
    if sphere := re.search(rb"^sample_count -i (\d+)", head, re.MULTILINE) if head.startswith(b"NIST_1A") else None:
        stated = int(sphere[1])
    if _known(stated) and held < stated and "MPEG" not in log[:80]:
        return f"{held} of the {stated} samples its header gives"
    return containers.missing(log)


def _reason(head: bytes, message: str) -> str:
    """Return why libsndfile failed, with the remedy for the case that TIMIT's users meet."""
    if not head:
        return "is empty; copy it again"
    if head.startswith(b"NIST_1A") and b"shorten" in head:
        return "is SPHERE compressed with shorten, which libsndfile cannot read; unpack it with `sph2pipe -f wav`"
    reason = message.split(": ")[-1].rstrip(".") or "damaged"
    return f"is not audio that libsndfile reads ({reason}); convert it to WAV or FLAC"
