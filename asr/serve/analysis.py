"""What the page draws of a recording; runs in a decoding process.

`POST /v1/asr/analysis` takes a multipart body with `file` alone and answers with a JSON object:

    text, duration (seconds), srt, vtt, textgrid
    units        [{symbol, start, end, confidence or null}], seconds
    words        [{word, start, end}]; none where the system knows no words
    symbols      the V units, blank first
    start, shift seconds: log-prob frame t covers start + t · shift to start + (t + 1) · shift
    posteriors   base64 of T × V bytes, a frame after the other, 255 being probability 1
    spectrogram  {shift, bins, top_hz, data}: base64 of T × bins bytes, row t centered on t · shift seconds, low
                 frequencies first, 255 at the loudest
    waveform     {seconds_per_bin, data}: base64 of signed bytes, the lowest and the highest sample of each bin

Recordings of more than ten minutes are refused (413, audio_too_long); transcriptions take them.
"""

import base64
import json
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr import audio
from asr.audio import Longest, Samples
from asr.serve import answers

if TYPE_CHECKING:
    from asr.recognize import Recognizer
    from asr.serve.decoding import Receive

MAX_SECONDS = 600.0  # more cannot be looked at
RATE = 16_000  # Hz, of what is drawn at most
POINTS = 256  # of a Fourier transform
WINDOW = 0.010  # seconds: short enough to show formants as bands
COLUMNS = 8192  # of the spectrogram at most
RANGE = 55.0  # decibels from 0 to 255
BINS = 8192  # of the waveform at most


def answer(
    recognizer: "Recognizer", longest: Longest, job: dict[str, Any], receive: "Receive"
) -> Generator[bytes, None, dict[str, Any]]:
    """Yield the answer to `POST /v1/asr/analysis`, and return the recording's duration.

    Raises:
        RefusedError: The recording cannot be recognized.
    """
    longest = longest._replace(seconds=min(longest.seconds, MAX_SECONDS))
    samples, rate = answers.recording(receive, longest)
    transcript = answers.recognized(recognizer, samples, rate)
    log_probs = recognizer.log_probs((samples, rate))
    first, second = recognizer.seconds([0, 1])
    row = {
        "text": transcript.text,
        "duration": transcript.seconds,
        "units": answers.units_of(transcript),
        "words": answers.timed("word", transcript.words),
        "symbols": recognizer.bundle.units.symbols,
        "start": round(first, 6),
        "shift": round(second - first, 6),
        "posteriors": _base64(np.rint(255 * np.exp(log_probs)).astype(np.uint8)),
        "spectrogram": spectrogram(samples, rate),
        "waveform": waveform(samples, rate),
    }
    row |= {kind.lower(): transcript.to(kind) for kind in ("srt", "vtt", "TextGrid")}
    yield json.dumps(row, ensure_ascii=False).encode() + b"\n"
    return {"seconds": transcript.seconds}


def spectrogram(samples: Samples, rate: int) -> dict[str, Any]:
    """Return a wide-band spectrogram, row t centered on t · shift, low frequencies first, 255 at its loudest point.

    Args:
        samples: (S,).
        rate: Hz.
    """
    shown = min(rate, RATE)
    samples = audio.resample(samples, rate, shown)
    step = round(shown * max(0.004, len(samples) / shown / COLUMNS))
    width = min(POINTS, round(WINDOW * shown))
    padded = np.pad(np.diff(samples, prepend=samples[:1]), (width // 2, width))  # 6 dB per octave, as speech falls off
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[: len(samples) : step]
    power = np.abs(np.fft.rfft(frames * np.hanning(width + 1)[:-1], POINTS)[:, 1:]) ** 2
    level = 10 * np.log10(np.maximum(power, 1e-12))
    shades = np.clip(1 + (level - level.max()) / RANGE, 0, 1)
    return {
        "shift": step / shown,
        "bins": POINTS // 2,
        "top_hz": shown / 2,
        "data": _base64(np.rint(255 * shades).astype(np.uint8)),
    }


def waveform(samples: Samples, rate: int) -> dict[str, Any]:
    """Return the lowest and the highest sample of each of at most `BINS` stretches, 127 being full scale."""
    size = max(1, -(-len(samples) // BINS), round(0.002 * rate))
    edges = np.arange(0, len(samples), size)
    pairs = np.stack([np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)], axis=1)
    return {"seconds_per_bin": size / rate, "data": _base64(np.rint(127 * np.clip(pairs, -1, 1)).astype(np.int8))}


def _base64(values: npt.NDArray[np.generic]) -> str:
    return base64.b64encode(values.tobytes()).decode()
