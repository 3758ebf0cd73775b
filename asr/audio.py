"""Recordings in, samples out: every format and rate that libsndfile reads, and limits on what a file may claim."""

import os
import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from asr.errors import InputError

Samples = npt.NDArray[np.float32]

# What we believe a header about. libsndfile itself accepts 1 Hz, 1.4 GHz and 1024 channels.
MIN_RATE = 4_000  # Hz; below it no speech is left
MAX_RATE = 384_000  # Hz; the fastest audio interfaces
MAX_CHANNELS = 32
MAX_SECONDS = 24 * 3600.0
BLOCK = 1 << 16  # values read at once, so that a header that lies cannot claim our memory
SLACK = 0.02  # seconds by which a segment may end after its recording: rounding in whoever wrote the times
STREAMED = 0x7FFF_F000  # bytes; what a header says from here on was written before the length was known


class TruncatedError(InputError):
    """A recording that holds less than its header announces."""


class NotFiniteError(InputError):
    """A recording with samples that are no numbers."""


def read(
    source: str | os.PathLike[str] | BinaryIO, start: float | None = None, seconds: float | None = None
) -> tuple[Samples, int]:
    """Return a recording's samples (S,), float32 in [−1, 1], channels averaged, and its rate in Hz.

    Args:
        source: A path, or an open binary file that can seek.
        start: Where the segment to read begins, in seconds; None reads the whole recording.
        seconds: The segment's duration; None reads to the end.

    Raises:
        TruncatedError: The file is shorter than its header says, or ends before the segment does.
        NotFiniteError: It carries NaN or infinite samples.
        InputError: It is missing, is no audio that libsndfile reads, is empty, or claims an absurd rate, channel count
            or duration.
    """
    import soundfile

    source = Path(source) if isinstance(source, str | os.PathLike) else source
    name = str(source) if isinstance(source, Path) else str(getattr(source, "name", "<audio>"))
    if isinstance(source, Path) and not source.is_file():
        raise InputError(f"{name}: {'is a folder' if source.is_dir() else 'no such file'}; give an audio file")
    try:
        head = _head(source)
        with soundfile.SoundFile(source) as file:
            _check_header(name, file.samplerate, file.channels, file.frames)
            rate = int(file.samplerate)
            if start is None:
                samples = _mixed(file, name)
                missing = _missing(head, len(samples), file.frames, file.extra_info)
            else:
                samples, missing = _segment(file, name, start, seconds), ""
    except soundfile.SoundFileError as error:
        raise InputError(f"{name}: {_reason(head, str(error))}") from error
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error}); see that you may open it") from error
    if missing:
        raise TruncatedError(f"{name}: holds only {missing} its header announces; copy it again")
    if not len(samples):
        raise InputError(f"{name}: holds no samples; record it again")
    if not np.isfinite(samples).all():
        where = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise NotFiniteError(f"{name}: sample {where} is {samples[where]}, not a number; write the file again")
    return samples, rate


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


def _head(source: Path | BinaryIO) -> bytes:
    """Return the next 1024 bytes, the whole of a SPHERE header, and leave the source where it was."""
    if isinstance(source, Path):
        with open(source, "rb") as file:
            return file.read(1024)
    start = source.tell()
    head = source.read(1024)
    source.seek(start)
    return head


def _check_header(name: str, rate: int, channels: int, frames: int) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(f"{name}: claims {rate} Hz; {MIN_RATE} to {MAX_RATE} Hz is believed, resample it")
    if not 1 <= channels <= MAX_CHANNELS:
        raise InputError(f"{name}: claims {channels} channels; at most {MAX_CHANNELS} are mixed down")
    if _known(frames) and frames > MAX_SECONDS * rate:
        raise InputError(f"{name}: claims {frames / rate / 3600:.0f} hours; at most 24 are read at once, cut it")


def _known(frames: int) -> bool:
    """Tell whether a header announces a length; FLAC may leave it out, and libsndfile then says the largest integer."""
    return frames < np.iinfo(np.int64).max // 2


def _segment(file: Any, name: str, start: float, seconds: float | None) -> Samples:  # noqa: ANN401
    """Return a segment of an open soundfile, decoding only that where the format can seek."""
    rate = file.samplerate
    first = round(start * rate)
    count = None if seconds is None else max(1, round((start + seconds) * rate) - first)
    if not (_known(file.frames) and file.seekable()):
        samples = _mixed(file, name)[first:][:count]
    else:
        file.seek(min(first, file.frames))
        samples = _mixed(file, name, count)
    if not len(samples) or (count and len(samples) < count - SLACK * rate):
        wanted = f"{start:g} s" if seconds is None else f"{start:g} to {start + seconds:g} s"
        raise TruncatedError(f"{name}: ends before the segment at {wanted}; correct the segment's times")
    return samples


def _mixed(file: Any, name: str, most: int | None = None) -> Samples:  # noqa: ANN401 (soundfile is imported late)
    """Return what an open soundfile really contains, from here on, channels averaged, whatever length it announces.

    At most so many samples, where that is given.
    """
    # soundfile seeks after each read to where it thinks the read ended, which fails at the end of a FLAC that does not
    # announce its length; its own `blocks` repeats the last block there for ever, and elsewhere pads what is missing.
    file.seekable = lambda: False
    mix = np.full(file.channels, 1 / file.channels, np.float32)  # ten times faster than a mean over short rows
    buffer = np.empty((BLOCK // file.channels, file.channels), np.float32)
    blocks, count = [np.zeros(0, np.float32)], 0
    while len(block := file.read(out=buffer if most is None else buffer[: most - count])):
        blocks.append(block @ mix if file.channels > 1 else block[:, 0].copy())
        count += len(block)
        if count > MAX_SECONDS * file.samplerate:
            raise InputError(f"{name}: is longer than 24 hours; that is the most that is read at once, cut it")
    return np.concatenate(blocks)


def _missing(head: bytes, held: int, announced: int, log: str) -> str:
    """Say how much is there of how much when a file was cut short; nothing when it is whole.

    libsndfile quietly lowers the length it announces to what a WAV, an AIFF or a SPHERE file holds. Of the first two
    its log tells; of SPHERE, TIMIT's format, the header does.
    """
    if sphere := re.search(rb"^sample_count -i (\d+)", head, re.MULTILINE) if head.startswith(b"NIST_1A") else None:
        announced = int(sphere[1])
    if _known(announced) and held < announced:
        return f"{held} of the {announced} samples"
    if chunk := re.search(r"^ ?(?:data|SSND) : (\d+) \(should be (\d+)\)", log, re.MULTILINE):
        announced, held = int(chunk[1]), int(chunk[2])
        if held + 1 < announced < STREAMED:  # the byte that pads an odd length is often left out
            return f"{held} of the {announced} bytes of audio"
    return ""


def _reason(head: bytes, message: str) -> str:
    """Say why libsndfile gave up, with the remedy for the case TIMIT's users meet."""
    if not head:
        return "is empty; copy it again"
    if head.startswith(b"NIST_1A") and b"shorten" in head:
        return "is SPHERE compressed with shorten, which libsndfile cannot read; unpack it with `sph2pipe -f wav`"
    return f"is not audio that libsndfile reads ({message.split(': ')[-1].rstrip('.')}); convert it to WAV or FLAC"
