"""Makes a recording of synthetic speech: silence around it, a level, some noise, and the file."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.audio import Samples
from asr.corpora.espeak_phones import RATE, Mark

SILENCE = (0.08, 0.25)  # seconds before and after an utterance
LEVEL = (-32.0, -20.0)  # dB of full scale, root mean square
NOISE = (-60.0, -40.0)  # dB below the speech
PEAK = 0.9  # of full scale


def cut(
    speech: Samples, marks: list[Mark], rng: np.random.Generator, silence: tuple[float, float] = SILENCE
) -> tuple[Samples, list[Mark]]:
    """Return speech with a silence before and after, and its marks there.

    Args:
        speech: (S,) at 16 kHz.
        marks: Of its sounds; the last is a pause.
        rng: Of the silences' durations.
        silence: Their range in seconds; below 0 is none.
    """
    lead, tail = (int(max(second, 0.0) * RATE) for second in rng.uniform(*silence, 2))
    begin, end = marks[0].start - lead, marks[-1].start + tail
    samples = np.pad(speech, (max(-begin, 0), max(end - len(speech), 0)))[max(begin, 0) :][: end - begin]
    return samples, [mark._replace(start=mark.start - begin) for mark in marks]


def degrade(samples: Samples, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Return samples (S,) at some level, with some noise."""
    power = float(np.sqrt(np.mean(samples**2)))
    level, noise, tilt = 10 ** (rng.uniform(*LEVEL) / 20), 10 ** (rng.uniform(*NOISE) / 20), rng.uniform(0, 0.95)
    white = rng.standard_normal(len(samples) + 1)
    hiss = (white[1:] + tilt * white[:-1]) / np.sqrt(1 + tilt**2)
    gain = min(level / power, PEAK / float(np.abs(samples).max()))
    heard = gain * (samples + noise * power * hiss)
    return np.asarray(np.rint(np.clip(heard, -1, 1) * 32767), np.int16)


def write_audio(path: Path, samples: npt.NDArray[np.int16], rate: int) -> None:
    """Write samples (S,) as a WAV file; the rate is in Hz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
