"""Recognition of audio that is still being spoken."""

import numpy as np
import numpy.typing as npt

from asr import audio
from asr.audio import Samples
from asr.bundle import Bundle
from asr.decoders import Decoder, Hypothesis
from asr.engines import Engine
from asr.errors import AsrError, InputError
from asr.features.framing import Matrix
from asr.features.normalise import Tally
from asr.stream import networks
from asr.stream.cutter import Cut, Cutter
from asr.stream.extractor import Extractor
from asr.stream.passage import Passage, Scribe

# Seconds. What each second to the right costs and gains: tests/simulations/contexts.py
LEFT, HOP, RIGHT = 2.0, 0.1, 0.3
WARM = 1.0  # seconds that are heard before the first frame is recognized, where nothing else tells how loud people are


class Stream:
    """A stream of audio that is recognized while it arrives; `Recognizer.stream` makes one.

    What was said is returned as passages. A final passage ends with a pause and is never changed. What was said since
    then is returned as a passage that is not final and is replaced by the next one.

    Features are normalized by what was heard so far, where a recording's would be by all of it: the maximum a
    posteriori estimate with the recipe's prior. A network that runs in both directions sees `RIGHT` seconds after the
    frames that it is certain about.

    Args:
        system: The system.
        engine: Runs its network.
        decoder: Turns log-probs into hypotheses.
        rate: Of the samples that will come, Hz.
        name: Of the stream, for transcripts and messages.

    Attributes:
        rate: Hz.
        seconds: Duration of what was accepted.

    Raises:
        InputError: The rate is not supported, or the system hears a recording as a whole.
    """

    def __init__(self, system: Bundle, engine: Engine, decoder: Decoder, rate: int, name: str = "<stream>") -> None:
        if not audio.MIN_RATE <= rate <= audio.MAX_RATE:
            raise InputError(f"{name}: rate is {rate} Hz; {audio.MIN_RATE} to {audio.MAX_RATE} Hz are supported")
        networks.require_frames(system, name)
        self.rate, self.seconds, self._name, self._decoder = rate, 0.0, name, decoder
        self._resampler, self._normaliser = audio.Resampler(rate, system.features.rate), system.normaliser
        self._extractor, self._tally, self._scribe = Extractor(system.features), Tally(), Scribe(system)
        window = networks.window_of(system, LEFT, HOP, RIGHT)
        self._network = networks.build(system, engine, self._normalized, window)
        self._cutter = Cutter(system.units, system.features.shift * system.stride)
        alone = self._normaliser.adapts and not self._normaliser.prior
        self._waiting = [np.zeros((0, system.features.dimension), np.float32)]
        self._cold = round(WARM / system.features.shift) if alone else 0  # frames that are missing for a first estimate
        self._odd, self._shown, self._finished = b"", "", False

    def accept(self, data: "Samples | npt.NDArray[np.int16] | bytes") -> list[Passage]:
        """Return what is certain now, then what may still change, if that is not what it was.

        Args:
            data: The next samples (S,): floats in [−1, 1], or 16-bit integers, also as bytes (little-endian, one
                channel), of which the last may be half a sample.

        Raises:
            InputError: The samples are not such, or not finite.
            AsrError: The stream was finished.
        """
        if self._finished:
            raise AsrError(f"{self._name}: is finished; open another stream")
        samples = self._samples(data)
        self.seconds += len(samples) / self.rate
        return self._recognized(self._rows(samples, last=False), last=False)

    def finish(self) -> list[Passage]:
        """Return the rest of what was said; the stream accepts nothing after that."""
        if self._finished:
            return []
        self._finished = True
        return self._recognized(self._rows(np.zeros(0, np.float32), last=True), last=True)

    def _samples(self, data: "Samples | npt.NDArray[np.int16] | bytes") -> Samples:
        """Return the samples (S,) as floats."""
        if isinstance(data, bytes | bytearray | memoryview):
            data = self._odd + bytes(data)
            whole = len(data) // 2 * 2
            self._odd, data = data[whole:], np.frombuffer(data[:whole], "<i2")
        samples = np.asarray(data)
        if samples.dtype == np.int16:
            return samples.astype(np.float32) / np.float32(32768)
        if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
            what = f"{samples.dtype} of shape {samples.shape}"
            raise InputError(f"{self._name}: {what}; pass one channel of floats in [-1, 1] or of 16-bit integers")
        if not np.isfinite(samples).all():
            raise InputError(f"{self._name}: samples at {self.seconds:.2f} s are not finite; check the source")
        return samples.astype(np.float32)

    def _rows(self, samples: Samples, last: bool) -> Matrix:
        """Return the features to recognize now: all that were heard, once they are enough for a first estimate."""
        resampled = self._resampler.accept(samples, last)
        if last and self._extractor.starved(len(resampled)):
            return self._waiting[0][:0]
        rows = self._extractor.accept(resampled, last)
        self._tally.add(rows)
        self._waiting.append(rows)
        self._cold -= len(rows)
        if self._cold > 0 and not last:
            return self._waiting[0][:0]
        rows = np.concatenate(self._waiting)
        self._waiting = [rows[:0]]
        return rows

    def _normalized(self, rows: Matrix) -> Matrix:
        if not len(rows):
            return rows
        return self._normaliser.applied(rows, self._tally.statistics if self._normaliser.adapts else None)

    def _recognized(self, rows: Matrix, last: bool) -> list[Passage]:
        if not len(rows) and not last:
            return []
        log_probs = self._network.accept(rows, last)
        passages = [self._passage(cut, final=True) for cut in self._cutter.accept(log_probs, last)]
        if passages:
            self._shown = ""
        passages = [passage for passage in passages if passage.transcript.units]
        first, certain = self._cutter.open
        now = self._passage(Cut(first, np.concatenate([certain, self._network.tentative])), final=False)
        if now.transcript.text != self._shown:
            self._shown = now.transcript.text
            passages.append(now)
        return passages

    def _passage(self, cut: Cut, final: bool) -> Passage:
        """Return what is said in a part of the stream."""
        hypotheses = self._decoder(cut.log_probs) if len(cut.log_probs) else [Hypothesis((), 0.0)]
        return self._scribe.passage(self._name, cut, hypotheses, self.seconds, final)
