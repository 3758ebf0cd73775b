"""What libsndfile decodes of a recording, block by block, and limits on what its header may give."""

import math
import re
from collections.abc import Iterator
from io import FileIO
from typing import Any, NamedTuple

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

TOO_LONG = "is longer than 24 hours; at most 24 are read at once, cut it"


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


class Properties(NamedTuple):
    """What a recording's header gives.

    Attributes:
        seconds: Its duration; infinite where the header gives none. At least what its bytes contain.
        channels: Their number.
    """

    seconds: float
    channels: int


def properties(file: containers.Opened) -> Properties:
    """Return what the header of an open recording gives; the file is left at its beginning.

    Raises:
        InputError: libsndfile cannot read it.
    """
    import soundfile

    size = file.seek(0, 2)
    file.seek(0)
    try:
        with soundfile.SoundFile(file.fileno() if isinstance(file, FileIO) else file, closefd=False) as opened:
            rate, channels = int(opened.samplerate), int(opened.channels)
            given = opened.frames / rate if _known(opened.frames) else math.inf
            return Properties(max(given, size / (8 * rate * channels)), channels)  # no sample has more bytes than 8
    except (soundfile.SoundFileError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"is not audio that libsndfile reads ({error})") from error
    finally:
        file.seek(0)


class Excerpt(NamedTuple):
    """What of a recording is wanted.

    Attributes:
        start: Seconds that may be skipped.
        seconds: How many are wanted from there on; None for all.
        channel: Which one, from 1 on; None for the mean of all.
        longest: What the recording may be.
    """

    start: float = 0.0
    seconds: float | None = None
    channel: int | None = None
    longest: Longest = ANY_LENGTH


def decoded(file: containers.Opened, name: str, wanted: Excerpt) -> Iterator[tuple[int, Samples, int]]:
    """Yield the samples of one recording: where in it a block begins, the block (S,), and the rate.

    They may begin before what is wanted, and go on after it.
    """
    import soundfile

    head = file.read(1024) or b""  # the whole of a SPHERE header
    file.seek(0)
    try:
        with soundfile.SoundFile(file.fileno() if isinstance(file, FileIO) else file, closefd=False) as opened:
            rate = int(opened.samplerate)
            _check_header(name, rate, opened.channels, opened.frames)
            if (wanted.channel or 1) > opened.channels:
                raise InputError(f"{name}: has no channel {wanted.channel}, but {opened.channels}; choose one of them")
            exact = _known(opened.frames) and "MPEG" not in opened.extra_info[:80]
            if exact:
                wanted.longest.check(name, opened.frames, rate)
            start, limit, at = 0, None, 0
            if exact and (wanted.start or wanted.seconds):
                start = at = min(round(wanted.start * rate), opened.frames)
                limit = math.ceil(wanted.seconds * rate) + 1 if wanted.seconds else None
                opened.seek(start)
            for block in _blocks(opened, wanted.channel, limit):
                at += len(block)
                if at - start > MAX_SECONDS * rate:
                    raise InputError(f"{name}: {TOO_LONG}")
                wanted.longest.check(name, at - start, rate)
                yield at - len(block), block, rate
            missing = "" if start or limit else _missing(head, at, opened.frames, opened.extra_info)
    except AsrError:
        raise
    except (soundfile.SoundFileError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}: {_reason(head, str(error))}") from error
    if missing:
        raise TruncatedError(f"{name}: contains only {missing}; copy it again")


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


def _blocks(file: Any, channel: int | None, limit: int | None) -> Iterator[Samples]:  # noqa: ANN401 (soundfile is imported late)
    """Yield what an open soundfile really contains from here on, `limit` samples at most, of a channel or the mean."""
    # soundfile seeks after each read to where it thinks the read ended, which fails at the end of a FLAC that does not
    # give its length; its own `blocks` repeats the last block there forever, and elsewhere pads what is missing.
    file.seekable = lambda: False
    mix = np.full(file.channels, 1 / file.channels, np.float32)  # ten times faster than a mean over short rows
    buffer = np.empty((BLOCK // file.channels, file.channels), np.float32)
    count = 0
    while len(block := file.read(out=buffer if limit is None else buffer[: limit - count])):
        count += len(block)
        with np.errstate(invalid="ignore", over="ignore"):  # `blocks` refuses what is not finite
            one = block @ mix if file.channels > 1 and channel is None else block[:, (channel or 1) - 1].copy()
        yield one  # outside, since the setting would be the caller's, too


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
