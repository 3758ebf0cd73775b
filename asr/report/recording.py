"""One recording as a PNG: waveform, spectrogram, MFCCs and a system's posteriors on a common time axis."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr import audio
from asr.audio import Samples
from asr.errors import InputError
from asr.features.mfcc import MFCC
from asr.report import clips, plots
from asr.report.confusions import order
from asr.units import BLANK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEP = 0.002  # seconds from one column of the spectrogram to the next
MIN_PROBABILITY = 0.1  # that a unit must reach somewhere to get a row


def draw(path: Path, out: Path, system: Path | None = None) -> Path:
    """Draw a recording as a PNG and return its path.

    Args:
        path: The recording.
        out: The PNG.
        system: The bundle whose posteriors are drawn.

    Raises:
        AsrError: The recording or the bundle cannot be used, or matplotlib is not installed.
    """
    plots.need()
    samples, rate = audio.read(path)
    panels = 3 + (system is not None)
    figure = plots.new(max(8.0, min(40.0, 3.2 * len(samples) / rate)), 2.6 * panels)
    assert figure is not None  # plots.need
    axes = figure.subplots(panels, sharex=True)
    wave, spectrum, cepstrum = axes[:3]
    wave.plot(np.arange(len(samples)) / rate, samples, linewidth=0.5, color="0.2")
    wave.set_ylabel("amplitude")
    try:
        _cepstrogram(cepstrum, samples, rate)  # first, as it rejects recordings that are too short
        if system:
            _posteriors(axes[3], samples, rate, system)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    _spectrogram(spectrum, samples, rate)
    for panel in axes[:-1]:
        panel.label_outer()
    axes[-1].set_xlim(0, len(samples) / rate)
    axes[-1].set_xlabel("seconds")
    figure.suptitle(path.name)
    return plots.save(figure, out)


def _spectrogram(axes: "Axes", samples: Samples, rate: int) -> None:
    from librosa.display import specshow

    step = max(1, round(STEP * rate))
    level = clips.decibels(samples, rate, STEP)
    shown: dict[str, Any] = {
        "x_axis": "time",
        "y_axis": "linear",
        "cmap": "Greys",
        "vmin": -clips.RANGE,
        "rasterized": True,
    }
    specshow(level, sr=rate, hop_length=step, n_fft=2 * (len(level) - 1), ax=axes, **shown)
    axes.set_ylabel("Hz")


def _cepstrogram(axes: "Axes", samples: Samples, rate: int) -> None:
    from librosa.display import specshow

    features = MFCC()
    values = features(audio.resample(samples, rate, features.rate))
    spread = values.std(axis=0) + 1e-6  # each coefficient in units of its own deviation, or C0 dwarfs the rest
    times = (features.window / 2) + features.shift * np.arange(len(values))
    specshow(((values - values.mean(axis=0)) / spread).T, x_coords=times, x_axis="time", ax=axes, cmap="RdBu_r")
    axes.set_ylabel("MFCC")


def _posteriors(axes: "Axes", samples: Samples, rate: int, system: Path) -> None:
    from librosa.display import specshow

    from asr import bundle, recognize
    from asr.decoders import Greedy

    recognizer = recognize.Recognizer(bundle.load(system), Greedy(), "cpu")
    probabilities = np.exp(recognizer.log_probs((samples, rate)))
    units = recognizer.bundle.units
    rows = list(_rows(units.symbols, probabilities.max(axis=0)))
    edges = np.asarray(recognizer.seconds(range(len(probabilities) + 1), len(samples) / rate))
    heights = np.arange(len(rows) + 1) - 0.5
    values, look = probabilities[:, rows].T, "Greys"
    specshow(values, x_coords=edges, x_axis="time", y_coords=heights, ax=axes, cmap=look, vmin=0, vmax=1)
    axes.set_yticks(np.arange(len(rows)), [units.symbols[row] for row in rows], fontsize=7)
    axes.set_ylabel("units")


def _rows(symbols: tuple[str, ...], largest: "np.ndarray[tuple[int], np.dtype[np.floating]]") -> Iterator[int]:
    """Yield the ids of blank, of the most probable unit and of all that are probable somewhere, sorted by `order`."""
    ids = {symbol: id for id, symbol in enumerate(symbols)}
    always = {BLANK, BLANK + 1 + int(largest[BLANK + 1 :].argmax())}
    yield from (
        ids[symbol] for symbol in order(symbols) if largest[ids[symbol]] >= MIN_PROBABILITY or ids[symbol] in always
    )
