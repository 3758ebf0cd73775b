"""What a page can carry of a recording: a spectrogram and the sound itself, as data URIs."""

from base64 import b64encode
from io import BytesIO

import numpy as np
import numpy.typing as npt

from asr.audio import Samples

WINDOW = 0.010  # seconds: formants are seen as bands, pitch pulses are not
RANGE = 55.0  # decibels from black to white
LONGEST = 30.0  # seconds; longer recordings do not go into a page
LEVELS = 16  # shades; a picture of them takes half the bytes of one of 256


def decibels(samples: Samples, rate: int, shift: float) -> npt.NDArray[np.float64]:
    """Return a spectrogram (F, T) in decibels below its loudest point, low frequencies first.

    Args:
        samples: (S,).
        rate: Hz.
        shift: Seconds from one column to the next; column t is centred on t · shift.
    """
    width = round(WINDOW * rate)
    size = 1 << (2 * width - 1).bit_length()
    louder = np.diff(samples.astype(np.float64), prepend=samples[:1])  # 6 dB an octave, as the voice falls
    padded = np.pad(louder, (width // 2, width))
    centres = np.arange(0, len(samples), shift * rate).astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[centres]
    power = np.abs(np.fft.rfft(windows * np.hanning(width), size)) ** 2
    level = 10 * np.log10(power.T + 1e-12)
    return np.asarray(level - level.max())


def spectrogram(samples: Samples, rate: int, shift: float) -> str:
    """Return a spectrogram as a data URI: black ink whose opacity is the level, so that it lies on any paper.

    Args:
        samples: (S,).
        rate: Hz.
        shift: Seconds per pixel.
    """
    from PIL import Image

    level = np.clip(1 + decibels(samples, rate, shift) / RANGE, 0, 1)
    shades = np.round(level * (LEVELS - 1)).astype(np.uint8)[::-1]
    image = Image.frombytes("P", (shades.shape[1], shades.shape[0]), shades.tobytes())
    image.putpalette([0] * 3 * LEVELS)
    opacity = bytes(round(255 * shade / (LEVELS - 1)) for shade in range(LEVELS))
    file = BytesIO()
    image.save(file, "PNG", transparency=opacity, bits=4, optimize=True)
    return _uri("image/png", file)


def playable(samples: Samples, rate: int) -> str:
    """Return a recording as a data URI: FLAC, which every browser plays and no decoder shifts; empty if too long."""
    import soundfile

    if len(samples) > LONGEST * rate:
        return ""

    file = BytesIO()
    soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_16")
    return _uri("audio/flac", file)


def _uri(kind: str, file: BytesIO) -> str:
    return f"data:{kind};base64,{b64encode(file.getvalue()).decode('ascii')}"
