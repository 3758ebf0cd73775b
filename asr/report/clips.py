"""What the page embeds of a recording: its spectrogram and its audio, as data URIs."""

from base64 import b64encode
from io import BytesIO

import numpy as np
import numpy.typing as npt

from asr.audio import Samples

WINDOW = 0.010  # seconds: short enough to show formants as bands, long enough to smooth over pitch pulses
RANGE = 55.0  # decibels from black to white
MAX_SECONDS = 30.0  # longer recordings are not embedded
LEVELS = 16  # shades of gray: half the bytes of 256


def decibels(samples: Samples, rate: int, shift: float) -> npt.NDArray[np.floating]:
    """Return a wide-band spectrogram (F, T) in decibels relative to its loudest point, low frequencies first.

    Args:
        samples: (S,).
        rate: Hz.
        shift: Seconds from one column to the next, rounded to whole samples; column t is centered on t · shift.
    """
    from librosa import power_to_db, stft
    from librosa.effects import preemphasis
    from librosa.util import fix_length

    width = round(WINDOW * rate)
    size = 1 << (2 * width - 1).bit_length()
    emphasized = preemphasis(fix_length(samples, size=max(size, len(samples))))  # 6 dB per octave, as speech falls off
    power = np.abs(stft(emphasized, n_fft=size, win_length=width, hop_length=max(1, round(shift * rate)))) ** 2
    return np.asarray(power_to_db(power, ref=np.max, amin=1e-20, top_db=None))


def spectrogram(samples: Samples, rate: int, shift: float) -> str:
    """Return a spectrogram as a data URI: black with the level as opacity, so that it suits any background.

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
    """Return a recording as a data URI, empty if too long: FLAC plays in every browser and adds no delay."""
    import soundfile

    if len(samples) > MAX_SECONDS * rate:
        return ""

    file = BytesIO()
    soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_16")
    return _uri("audio/flac", file)


def _uri(kind: str, file: BytesIO) -> str:
    return f"data:{kind};base64,{b64encode(file.getvalue()).decode('ascii')}"
