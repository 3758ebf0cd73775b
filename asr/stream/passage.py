"""What a stream is cut into: passages, each with its transcript, and how hypotheses become transcripts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from asr.bundle import Bundle
from asr.decoders import Hypothesis
from asr.formats import Transcript, joined
from asr.manifest import Segment


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

    def seconds(self, frames: Sequence[float]) -> list[float]:
        """Return where these frames of log-probs begin; see `Recognizer.seconds`."""
        return [self._first + frame * self._shift for frame in frames]

    def inside(self, frames: Sequence[float], duration: float = math.inf) -> list[float]:
        """Return where these frames begin, none of them outside the recording."""
        return [min(max(second, 0.0), duration) for second in self.seconds(frames)]

    def segments(
        self, symbols: Sequence[str], frames: Sequence[tuple[int, int]], duration: float, offset: int = 0
    ) -> tuple[Segment, ...]:
        """Return symbols with their times.

        Args:
            symbols: As many as there are spans.
            frames: Half-open spans of frames, counted from `offset`.
            duration: Of the recording, seconds.
            offset: A frame of the recording.
        """
        spans = (self.inside((first + offset, end + offset), duration) for first, end in frames)
        return tuple(Segment(symbol, *span) for symbol, span in zip(symbols, spans, strict=True))

    def transcript(self, name: str, duration: float, hypothesis: Hypothesis, offset: int = 0) -> Transcript:
        """Return a hypothesis as people read it.

        Args:
            name: The recording's.
            duration: Its, in seconds.
            hypothesis: Of the frames from `offset` on.
            offset: A frame of the recording.
        """
        said = self.segments(self._units.names(hypothesis.ids), hypothesis.frames, duration, offset)
        spelled = {"characters": joined(said), "words": said}.get(self._units.kind, ())
        return Transcript(
            audio=name,
            seconds=duration,
            text=" ".join(hypothesis.words) or self._units.text(hypothesis.ids),
            units=said,
            words=self.segments(hypothesis.words, hypothesis.word_frames, duration, offset) or spelled,
            confidence=hypothesis.confidence,
            word_confidence=hypothesis.word_confidence,
            score=hypothesis.score,
        )
