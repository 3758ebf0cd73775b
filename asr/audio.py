"""Recordings in, samples out: every format and rate that libsndfile reads, and limits on what a file may claim."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from asr.errors import InputError

Samples = npt.NDArray[np.float32]

# What we believe a header about. libsndfile itself accepts 1 Hz, 1.4 GHz and 1024 channels.
MIN_RATE = 4_000  # Hz; below it no speech is left
MAX_RATE = 384_000  # Hz; the fastest audio interfaces
MAX_CHANNELS = 32
MAX_SECONDS = 24 * 3600.0
BLOCK = 1 << 20  # samples read at once, so that a header that lies cannot claim our memory


def read(source: Path | BinaryIO) -> tuple[Samples, int]:
    """Return a recording's samples (S,), float32 in [−1, 1], channels averaged, and its rate in Hz.

    Args:
        source: A path, or an open binary file that can seek.

    Raises:
        InputError: The file is missing, is no audio that libsndfile reads, is shorter than its header says, is
            empty, carries NaN or infinite samples, or claims an absurd rate, channel count or duration.
    """
    import soundfile

    name = str(getattr(source, "name", source))
    if isinstance(source, Path) and not source.is_file():
        raise InputError(f"{name}: {'is a folder' if source.is_dir() else 'no such file'}; give an audio file")
    try:
        with soundfile.SoundFile(source) as file:
            _check_header(name, file.samplerate, file.channels, file.frames)
            # A FLAC stream of unknown length announces the largest integer, so the announced length allocates nothing.
            blocks = [block.mean(axis=1) for block in file.blocks(BLOCK, dtype="float32", always_2d=True)]
            rate, announced = int(file.samplerate), int(file.frames)
    except soundfile.SoundFileError as error:
        raise InputError(f"{name}: {_reason(source, str(error))}") from error
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error})") from error
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not len(samples):
        raise InputError(f"{name}: holds no samples; record it again")
    if len(samples) < announced <= MAX_SECONDS * rate:
        raise InputError(f"{name}: holds {len(samples)} of the {announced} samples its header announces; copy it again")
    if not np.isfinite(samples).all():
        where = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise InputError(f"{name}: sample {where} is {samples[where]}, not a number; write the file again")
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


def _check_header(name: str, rate: int, channels: int, frames: int) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(f"{name}: claims {rate} Hz; {MIN_RATE} to {MAX_RATE} Hz is believed, resample it")
    if not 1 <= channels <= MAX_CHANNELS:
        raise InputError(f"{name}: claims {channels} channels; at most {MAX_CHANNELS} are mixed down")
    unknown = frames >= np.iinfo(np.int64).max // 2
    if not unknown and frames > MAX_SECONDS * rate:
        raise InputError(f"{name}: claims {frames / rate / 3600:.0f} hours; at most 24 are read at once, cut it")


def _reason(source: Path | BinaryIO, message: str) -> str:
    """Say why libsndfile gave up, with the remedy for the case TIMIT's users meet."""
    if isinstance(source, Path):
        with open(source, "rb") as file:
            head = file.read(1024)
        if not head:
            return "is empty; copy it again"
        if head.startswith(b"NIST_1A") and b"shorten" in head:
            return "is SPHERE compressed with shorten, which libsndfile cannot read; unpack it with `sph2pipe -f wav`"
    return f"is not audio that libsndfile reads ({message.split(': ')[-1].rstrip('.')}); convert it to WAV or FLAC"
