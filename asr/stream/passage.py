"""What a stream is cut into: passages, each with its transcript, and how hypotheses become transcripts."""

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from asr.bundle import Bundle
from asr.decoders import Hypothesis
from asr.formats import Transcript, joined
from asr.manifest import Segment
from asr.stream.cutter import Cut
from asr.stream.track import Track


@dataclass(frozen=True)
class Passage:
    """What was said between two pauses.

    Attributes:
        transcript: What was said; its times are seconds since the recording or the stream began.
        start: When it begins, in seconds likewise.
        end: When it ends.
        final: Whether it will not be changed any more. What is not final is replaced by the next passage of the stream.
    """

    transcript: Transcript
    start: float
    end: float
    final: bool = True

    def __str__(self) -> str:
        return self.transcript.text


class Scribe:
    """Writes transcripts of a system's hypotheses.

    Args:
        system: Whose units and frames they are.
    """

    def __init__(self, system: Bundle) -> None:
        self._units = system.units
        features = system.features
        self._first, self._shift = (features.window - features.shift) / 2, system.stride * features.shift
        self._whole = system.whole

    def seconds(self, frames: Sequence[float], duration: float = math.inf) -> list[float]:
        """Return where these frames of log-probs begin; see `Recognizer.seconds`."""
        if self._whole:  # the only frame is the recording
            return [frame * duration if frame else 0.0 for frame in frames]
        return [self._first + frame * self._shift for frame in frames]

    def inside(self, frames: Sequence[float], duration: float = math.inf) -> list[float]:
        """Return where these frames begin, none of them outside the recording."""
        return [min(max(second, 0.0), duration) for second in self.seconds(frames, duration)]

    def segments(
        self, symbols: Sequence[str], frames: Sequence[tuple[int, int]], duration: float, offset: int = 0
    ) -> Iterator[Segment]:
        """Yield symbols with their times.

        Args:
            symbols: As many as there are spans.
            frames: Half-open spans of frames, counted from `offset`.
            duration: Of the recording, seconds.
            offset: A frame of the recording.
        """
        for symbol, (first, end) in zip(symbols, frames, strict=True):
            yield Segment(symbol, *self.inside((first + offset, end + offset), duration))

    def transcript(self, name: str, duration: float, hypothesis: Hypothesis, offset: int = 0) -> Transcript:
        """Return a hypothesis as people read it.

        Args:
            name: The recording's.
            duration: Its, in seconds.
            hypothesis: Of the frames from `offset` on.
            offset: A frame of the recording.
        """
        units = tuple(self.segments(self._units.names(hypothesis.ids), hypothesis.frames, duration, offset))
        words = tuple(self.segments(hypothesis.words, hypothesis.word_frames, duration, offset))
        return Transcript(
            audio=name,
            seconds=duration,
            text=" ".join(hypothesis.words) or self._units.text(hypothesis.ids),
            units=units,
            words=words or tuple(self._spelled(units)),
            confidence=hypothesis.confidence,
            word_confidence=hypothesis.word_confidence,
            score=hypothesis.score,
        )

    def passage(self, name: str, cut: Cut, hypotheses: Sequence[Hypothesis], heard: float, final: bool) -> Passage:
        """Return what is said in a part of a stream.

        Args:
            name: The stream's.
            cut: The part.
            hypotheses: About it, best first.
            heard: Duration of the stream so far, seconds.
            final: Whether it will not be changed.
        """
        start, end = self.inside((cut.first, cut.first + len(cut.log_probs)), heard)
        best, *others = (self.transcript(name, end, one, cut.first) for one in hypotheses)
        return Passage(replace(best, alternatives=tuple(others)), start, end, final)

    def joined(
        self, name: str, recognized: Iterable[tuple[Cut, Hypothesis]], duration: Callable[[], float]
    ) -> Transcript:
        """Return the transcript of a whole recording, whose segments take few bytes each.

        Args:
            name: The recording's.
            recognized: Its passages and what is said in each.
            duration: Returns how long it is, once all of it was heard.
        """
        units, words, score = Track(), Track(), 0.0
        confidence, word_confidence = array("d"), array("d")
        for cut, one in recognized:
            units.extend(self.segments(self._units.names(one.ids), one.frames, duration(), cut.first))
            words.extend(self.segments(one.words, one.word_frames, duration(), cut.first))
            confidence.extend(one.confidence)
            word_confidence.extend(one.word_confidence)
            score += one.score
        return Transcript(
            audio=name,
            seconds=duration(),
            text=" ".join(words.symbols) or self._units.join(units.symbols),
            units=units,
            words=words or Track(self._spelled(units)),
            confidence=confidence,
            word_confidence=word_confidence,
            score=score,
        )

    def _spelled(self, units: Iterable[Segment]) -> Iterable[Segment]:
        """Return the words that units spell, where they do."""
        return {"characters": joined(units), "words": units}.get(self._units.kind, ())
