"""Recordings that are read in blocks, because all of one at once would not fit in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from asr import audio
from asr.audio import Samples
from asr.bundle import Bundle
from asr.engines import Engine
from asr.errors import AsrError, InputError
from asr.features.framing import Matrix
from asr.features.normalise import Statistics, Tally
from asr.stream import networks
from asr.stream.cutter import Cut, Cutter
from asr.stream.extractor import Extractor

# Seconds. Which context leaves the text as it is: tests/simulations/contexts.py
LEFT, HOP, RIGHT = 2.0, 30.0, 2.0

Blocks = Iterator[tuple[Samples, int]]  # blocks of samples (S,), and their rate


@dataclass(frozen=True)
class Recorded:
    """A recording that can be read in blocks, more than once.

    Attributes:
        name: For transcripts and messages.
        blocks: Reads it.
        seconds: Its duration as far as is known, for the progress bar.
    """

    name: str
    blocks: Callable[[], Blocks]
    seconds: float


class LongRecognition:
    """Finds the log-probs of a recording, passage by passage, in memory that does not depend on its length.

    Args:
        system: The system.
        engine: Runs its network.
        recorded: The recording.
        statistics: Of its speaker, where they are known. Default: where the normalization adapts, the recording is read
            twice, the first time for its statistics.

    Attributes:
        name: The recording's.
        seconds: Duration of what was recognized so far.
    """

    def __init__(
        self, system: Bundle, engine: Engine, recorded: Recorded, statistics: Statistics | None = None
    ) -> None:
        self._system, self._engine, self._recorded, self._statistics = system, engine, recorded, statistics
        self.name, self.seconds = recorded.name, 0.0

    def __iter__(self) -> Iterator[Cut]:
        """Yield the passages' log-probs, with a progress bar on a terminal.

        Raises:
            InputError: The recording cannot be read, or is shorter than one window, or the system hears a recording
                as a whole.
        """
        networks.require_frames(self._system, self.name)
        from multiprocessing import parent_process

        from tqdm import tqdm

        hidden = True if parent_process() else None  # of many processes, the first shows how many recordings are done
        system, first = self._system, self._system.normaliser.adapts and self._statistics is None
        total = round((2 if first else 1) * self._recorded.seconds)
        with tqdm(total=total, desc=self._recorded.name, unit="s", leave=False, disable=hidden) as bar:
            if first:
                self._statistics = statistics(system, self._recorded, lambda seconds: bar.update(seconds - bar.n))
            before = bar.n
            window = networks.window_of(system, LEFT, HOP, RIGHT)
            network = networks.build(system, self._engine, self._normalized, window)
            cutter = Cutter(system.units, system.features.shift * system.stride)
            for rows, seconds, last in _rows(system, self._recorded):
                self.seconds = seconds
                bar.update(before + self.seconds - bar.n)
                yield from cutter.accept(network.accept(rows, last), last)

    def _normalized(self, rows: Matrix) -> Matrix:
        return self._system.normaliser.applied(rows, self._statistics)


def statistics(
    system: Bundle, recorded: Recorded, heard: Callable[[float], object] = lambda seconds: None
) -> Statistics:
    """Return the statistics of a recording's features; those of all of it at once, to the bit.

    Args:
        system: Whose features.
        recorded: The recording.
        heard: Receives how many seconds were read.

    Raises:
        InputError: As for reading.
    """
    tally = Tally()
    for rows, seconds, _ in _rows(system, recorded):
        tally.add(rows)
        heard(seconds)
    return tally.statistics


def _rows(system: Bundle, recorded: Recorded) -> Iterator[tuple[Matrix, float, bool]]:
    """Yield a recording's features, the duration of what was read so far, and whether they are the last."""
    extractor, resampler, count, rate = Extractor(system.features), None, 0, 1
    for samples, rate in recorded.blocks():
        resampler, count = resampler or audio.Resampler(rate, system.features.rate), count + len(samples)
        yield _computed(extractor, resampler.accept(samples), recorded.name), count / rate, False
    if resampler:
        rest = resampler.accept(np.zeros(0, np.float32), last=True)
        yield _computed(extractor, rest, recorded.name, last=True), count / rate, True


def _computed(extractor: Extractor, samples: Samples, name: str, last: bool = False) -> Matrix:
    """Return the features that are complete now; an error names the recording."""
    try:
        return extractor.accept(samples, last)
    except AsrError as error:
        raise InputError(f"{name}: {error}") from error
