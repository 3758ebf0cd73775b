"""Recognition: recordings in, transcripts out; the one way from samples to text, for everybody."""

import math
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
import numpy.typing as npt

from asr import batch, box, ctc, engines
from asr.batch import Dataset
from asr.bundle import Bundle
from asr.decoders import Decoder, DecoderSettings, Hypothesis, Search
from asr.engines import Engine
from asr.engines.architecture import side_by_side
from asr.errors import AsrError, AsrWarning, choose
from asr.features.framing import Matrix
from asr.features.normalise import Statistics
from asr.formats import Transcript
from asr.manifest import Segment
from asr.reader import Long, Read, Reader, Whole, named
from asr.stream.cutter import Cut
from asr.stream.live import Stream
from asr.stream.long import LongRecognition, Recorded
from asr.stream.passage import Passage, Scribe
from asr.stream.sources import Source, recorded
from asr.support.device import choose_device
from asr.support.indices import Ints
from asr.support.parallel import ALONE, ProcessGroup

if TYPE_CHECKING:
    import torch

LogProbs = npt.NDArray[np.float32]  # (T, V), natural log


def _warn(line: str) -> None:
    warnings.warn(line, AsrWarning, stacklevel=4)


def load(
    path: str | os.PathLike[str] | None = None,
    device: "str | torch.device" = "auto",
    decoder: DecoderSettings | None = None,
) -> "Recognizer":
    """Return a trained system, ready to recognize.

    >>> recognizer = asr.load("runs/espeak", device="cpu")
    >>> recognizer.bundle.recipe.encoder.hidden
    24

    Args:
        path: A run's folder, or a bundle's file. Default: `runs/espeak` if it was trained here, or else the system that
            comes with the package, of which a warning says what it is.
        device: Where the network runs: "cpu", "cuda", "cuda:1"; "auto" is CUDA if available.
        decoder: How to decode, for example `asr.Beam(width=50)`; None takes what `asr tune` recorded beside the bundle,
            or greedy decoding.

    Raises:
        BundleError: The bundle is missing or damaged.
        AsrError: The device is not available, or a file of the decoder cannot be used.
    """
    file, system = box.opened(Path(path) if path else None, _warn)
    search = Search(decoder) if decoder else Search.recorded(file, _warn)
    return Recognizer(system, search.build(system.units), device)


class Recognizer:
    """A system, a decoder and a device, ready to recognize; `asr.load` makes one.

    It may be used by one thread at a time.

    A *source* is a path, an open binary file, samples with their rate in Hz `(samples, 16000)` (one channel of floats
    in [−1, 1]; they are resampled to what the system was trained on), an `Utterance` of a manifest, or an
    `audio.Channel`, of which only that channel is heard.

    A recording of five minutes and more is read in blocks and recognized passage by passage, in memory that hardly
    grows with its length (see `asr.stream`); give its path, since the bytes of an open file are read at once. Its
    transcript has no alternatives; those of its passages do.

    Where features are normalized by speaker (`features.normalise = "speaker"`), the mean and variance of a single
    source are its own, since nobody says who else speaks like this. `transcribe_many` of a manifest's utterances takes
    them over all utterances of a speaker, as in training and evaluation, and gives the text that `asr evaluate` scores.

    Args:
        bundle: The system.
        decoder: Turns log-probs into hypotheses.
        device: Where the network runs, for example "cpu" or "cuda:1"; "auto" is CUDA if available.
        engine: What runs the network, a key of `asr.engines.ENGINES`. Default: what `asr.engines.choose` returns for
            one recording.

    Raises:
        AsrError: The device is not available, or there is no such engine.
    """

    def __init__(
        self,
        bundle: Bundle,
        decoder: Decoder,
        device: "str | torch.device | None" = "auto",
        engine: str | None = None,
    ) -> None:
        self.bundle, self.decoder, self.device = bundle, decoder, choose_device(device)
        self.engine = engine or engines.choose(bundle, self.device)
        self._engine = choose(engines.ENGINES, self.engine, "engine")(bundle, self.device)
        self._reader, self._scribe = Reader(bundle), Scribe(bundle)

    def transcribe(self, source: Source) -> Transcript:
        """Return what is said in a recording.

        >>> transcript = recognizer.transcribe("one.wav")
        >>> print(transcript)
        abcd
        >>> [segment.symbol for segment in transcript.units]
        ['a', 'b', 'c', 'd']
        >>> transcript.write("one.srt")

        Raises:
            InputError: The recording cannot be read, or is shorter than one window.
        """
        return next(self.transcribe_many([source]))

    @overload
    def transcribe_many(
        self,
        sources: Iterable[Source],
        *,
        return_exceptions: Literal[False] = ...,
        speakers: Mapping[str, Statistics] | None = ...,
    ) -> Iterator[Transcript]: ...
    @overload
    def transcribe_many(
        self,
        sources: Iterable[Source],
        *,
        return_exceptions: bool,
        speakers: Mapping[str, Statistics] | None = ...,
    ) -> Iterator[Transcript | AsrError]: ...
    def transcribe_many(
        self,
        sources: Iterable[Source],
        *,
        return_exceptions: bool = False,
        speakers: Mapping[str, Statistics] | None = None,
    ) -> Iterator[Transcript | AsrError]:
        """Yield what is said in each of many recordings, in their order; the texts are those of `transcribe`.

        Recordings are read ahead in another thread; the first transcript does not wait for the last recording.

        >>> for transcript in recognizer.transcribe_many(["one.wav", "two.wav"]):
        ...     print(transcript.audio, transcript)
        one.wav abcd
        two.wav dcba

        Args:
            sources: The recordings. Utterances of a manifest, `asr.manifest.read(path)`, are normalized together with
                the others of their speaker where the system does so.
            return_exceptions: Yield the error of a recording that cannot be transcribed in its place, and continue with
                the next, instead of raising it.
            speakers: Feature statistics by speaker, where these recordings are only some of a speaker's. Default: those
                that the method `speakers` returns.

        Raises:
            InputError: A recording cannot be read, or is shorter than one window.
        """
        known = speakers or {}
        if speakers is None and self.bundle.normaliser.kind == "speaker":
            sources = list(sources)
            known = self.speakers(sources)
        for recordings in self._reader.batches(sources, known, self._engine.batch):
            for result in self._recognized(recordings):
                if isinstance(result, AsrError) and not return_exceptions:
                    raise result
                yield result

    def passages(self, source: Source) -> Iterator[Passage]:
        """Yield what is said in a recording, pause by pause, while it is read; the texts together are `transcribe`'s.

        >>> for passage in recognizer.passages("one.wav"):
        ...     print(f"{passage.start:.2f} s to {passage.end:.2f} s: {passage}")
        0.01 s to 0.67 s: abcd

        Args:
            source: The recording, of any length.

        Raises:
            InputError: The recording cannot be read, or is shorter than one window.
        """
        recognition = LongRecognition(self.bundle, self._engine, recorded(source))
        for cut, hypotheses in self._decoded(recognition):
            passage = self._scribe.passage(recognition.name, cut, hypotheses, recognition.seconds, True)
            if passage.transcript.units:
                yield passage

    def log_probs(self, source: Source) -> LogProbs:
        """Return a recording's log-probabilities (T, V), natural log, for those who decode or measure on their own.

        Row t covers `recognizer.seconds([t, t + 1])`; column v is the unit `recognizer.bundle.units.symbols[v]`, and
        column 0 is CTC's blank.

        >>> log_probs = recognizer.log_probs("one.wav")
        >>> log_probs.shape
        (66, 5)
        >>> recognizer.bundle.units.symbols
        ('<blank>', 'a', 'b', 'c', 'd')

        Raises:
            InputError: The recording cannot be read, or is shorter than one window.
        """
        recording = self._reader.whole(source)
        return _run(self._engine, [recording.features])[0]

    def align(self, source: Source, transcript: str | Sequence[str]) -> list[Segment]:
        """Return when each symbol of a known transcript is said.

        >>> segments = recognizer.align("one.wav", "abcd")
        >>> [segment.symbol for segment in segments], segments[0].start, segments[-1].end
        (['a', 'b', 'c', 'd'], 0.0, 0.68)

        Args:
            source: The recording.
            transcript: Phones separated by spaces (`"sh iy hh ae d"`; TIMIT's 61 are folded to the system's), the text
                where units are characters, or a list of units. It may be empty.

        Raises:
            InputError: The recording cannot be read, a symbol is not a unit, or the recording is too short for the
                transcript.
        """
        recording = self._reader.whole(source)
        try:
            symbols = self._symbols(transcript)
            if not symbols:
                return []
            log_probs, ids = _run(self._engine, [recording.features])[0], self.bundle.units.ids(symbols)
            inner = ctc.boundaries(log_probs, ids, ctc.align(log_probs, ids))
        except AsrError as error:
            raise named(recording.name, error) from error
        boundaries = [0.0, *self._scribe.inside(inner, recording.seconds), recording.seconds]
        return [Segment(symbol, *span) for symbol, span in zip(symbols, pairwise(boundaries), strict=True)]

    def stream(self, rate: int, name: str = "<stream>") -> Stream:
        """Return a stream, which recognizes audio while it arrives.

        >>> from asr import audio
        >>> samples, rate = audio.read("one.wav")
        >>> stream = recognizer.stream(rate)
        >>> for block in np.array_split(samples, 8):
        ...     for passage in stream.accept(block):
        ...         print(passage, "" if passage.final else "…")
        >>> for passage in stream.finish():
        ...     print(f"{passage.start:.2f} s to {passage.end:.2f} s: {passage}")
        0.01 s to 0.67 s: abcd

        Each stream has its own state; several streams of a recognizer may be open at once.

        Args:
            rate: Of the samples that will come, Hz.
            name: Of the stream, for transcripts and messages.

        Raises:
            InputError: The rate is not supported.
        """
        return Stream(self.bundle, self._engine, self.decoder, rate, name)

    def emissions(
        self, data: Dataset, group: ProcessGroup = ALONE, only: Ints | None = None
    ) -> Iterator[tuple[str, LogProbs]]:
        """Yield each utterance's id and log-probs (T, V), longest first, with a progress bar.

        Args:
            data: The set.
            group: Who works on it; each process yields its own share of the utterances.
            only: Indices of the utterances that are wanted. Default: all.
        """
        from tqdm import tqdm

        wanted = np.arange(len(data)) if only is None else only
        batches = [wanted[rows] for rows in batch.in_order(data.lengths[wanted], self._engine.batch)][
            group.rank :: group.size
        ]
        for rows in tqdm(batches, desc="decode", unit="batch", leave=False, disable=None if group.leads else True):
            log_probs = _run(self._engine, [data.features.matrix(row) for row in rows.tolist()])
            yield from zip([data.ids[row] for row in rows.tolist()], log_probs, strict=True)

    def seconds(self, frames: Sequence[float], duration: float = math.inf) -> list[float]:
        """Return where these frames begin, in seconds.

        A frame of features covers the `shift` seconds around its window's center, a frame of log-probs what the front
        end made it of; the only frame of a system that hears recordings as a whole covers the recording.

        Args:
            frames: Numbers of frames, whole or not.
            duration: Of the recording, seconds, which only such a system needs.
        """
        return self._scribe.seconds(frames, duration)

    def times(self, frames: Sequence[tuple[int, int]], duration: float = math.inf) -> list[tuple[float, float]]:
        """Return spans of frames as (start, end) in seconds, none of them outside the recording.

        CTC spikes inside a phone: the spans of a decoder's hypothesis are the spikes' and not the phone's.

        Args:
            frames: Half-open spans, (first, last + 1).
            duration: Of the recording, seconds.
        """
        return [(start, end) for start, end in (self._scribe.inside(span, duration) for span in frames)]

    def speakers(self, sources: Sequence[Source]) -> dict[str, Statistics]:
        """Return the feature statistics of every speaker among a manifest's utterances.

        Features are computed here once, and once more when they are recognized: an hour of them takes 2 s, while all of
        a large set may not fit in memory. Utterances that cannot be read are omitted.
        """
        return self._reader.speakers(sources)

    def _recognized(self, recordings: Sequence[Read]) -> Iterator[Transcript | AsrError]:
        """Yield a batch's transcripts, and the errors that are in it."""
        readable = [recording for recording in recordings if isinstance(recording, Whole)]
        log_probs = iter(_run(self._engine, [recording.features for recording in readable]))
        for recording in recordings:
            if isinstance(recording, AsrError):
                yield recording
            elif isinstance(recording, Long):
                yield self._transcribed(*recording)
            else:
                yield self._transcript(recording, next(log_probs))

    def _transcript(self, recording: Whole, log_probs: LogProbs) -> Transcript | AsrError:
        """Return what is said in a recording."""
        try:
            hypotheses = self.decoder(log_probs)
        except AsrError as error:
            return named(recording.name, error)
        best, *others = (self._scribe.transcript(recording.name, recording.seconds, one) for one in hypotheses)
        return replace(best, alternatives=tuple(others))

    def _transcribed(self, long: Recorded, statistics: Statistics | None) -> Transcript | AsrError:
        """Return what is said in a recording that is read in blocks."""
        recognition = LongRecognition(self.bundle, self._engine, long, statistics)
        try:
            recognized = ((cut, hypotheses[0]) for cut, hypotheses in self._decoded(recognition))
            return self._scribe.joined(long.name, recognized, lambda: recognition.seconds)
        except AsrError as error:
            return error

    def _decoded(self, recognition: LongRecognition) -> Iterator[tuple[Cut, list[Hypothesis]]]:
        """Yield the passages of a recording with what is said in them; an error names the recording."""
        for cut in recognition:
            try:
                hypotheses = self.decoder(cut.log_probs)
            except AsrError as error:
                raise named(recognition.name, error) from error
            yield cut, hypotheses

    def _symbols(self, transcript: str | Sequence[str]) -> list[str]:
        """Return a transcript as units."""
        units = self.bundle.units
        if isinstance(transcript, str):
            transcript = transcript.strip() if units.kind == "characters" else transcript.split()
        symbols = list(transcript)
        return symbols if set(symbols) <= set(units.symbols) else units.transcript(units.join(symbols), symbols)


def _run(engine: Engine, inputs: Sequence[Matrix]) -> list[LogProbs]:
    """Return the log-probs (T', V) of feature matrices (T, F); on a CPU they do not depend on what else is there."""
    if not inputs:
        return []
    log_probs, counts = engine(*side_by_side(inputs))
    return [own[:count] for own, count in zip(log_probs, counts.tolist(), strict=True)]
