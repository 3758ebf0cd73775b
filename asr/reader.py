"""From sources to what is recognized: recordings with their features, read ahead and side by side."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from asr import audio
from asr.bundle import Bundle
from asr.errors import AsrError, InputError
from asr.features.framing import Matrix
from asr.features.normalise import Statistics
from asr.manifest import Utterance
from asr.stream import long
from asr.stream.long import Recorded
from asr.stream.sources import Source, is_long, recorded, sampled

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 64  # recordings that are read before it is their turn
FRAMES = 30_000  # of a batch, padding included: five minutes of speech


class Whole(NamedTuple):
    """A recording as the network takes it.

    Attributes:
        name: Its path, for transcripts and messages.
        seconds: Its duration.
        features: (T, F), normalized.
    """

    name: str
    seconds: float
    features: Matrix


class Long(NamedTuple):
    """A recording that is read when its turn comes, block by block.

    Attributes:
        recorded: How it is read.
        statistics: Of its speaker, where they are known.
    """

    recorded: Recorded
    statistics: Statistics | None


Read = Whole | Long | AsrError


class Reader:
    """Reads what a system recognizes.

    Args:
        bundle: The system.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def whole(self, source: Source, own: Statistics | None = None) -> Whole:
        """Return a recording with its features, whatever its length.

        Args:
            source: The recording.
            own: Statistics of its speaker, where they are known.

        Raises:
            InputError: It cannot be read, or is shorter than one window.
        """
        name, samples, rate = sampled(source)
        try:
            features = self._bundle.features(audio.resample(samples, rate, self._bundle.features.rate))
            return Whole(name, len(samples) / rate, self._bundle.normaliser(features, own))
        except AsrError as error:
            raise named(name, error) from error

    def read(self, source: Source, statistics: Mapping[str, Statistics]) -> Read:
        """Return a recording with its features, or how it is read if it is long, or why it cannot be.

        Args:
            source: The recording.
            statistics: By speaker, where they are known.
        """
        own = statistics.get(_speaker(source)) if isinstance(source, Utterance) else None
        try:
            return Long(recorded(source), own) if is_long(source) else self.whole(source, own)
        except AsrError as error:
            return error

    def batches(
        self, sources: Iterable[Source], statistics: Mapping[str, Statistics], size: int
    ) -> Iterator[list[Read]]:
        """Yield neighbors in lists of at most `size`, and of at most `FRAMES` frames, padding included."""
        together: list[Read] = []
        longest = 0
        for recording in _ahead(lambda source: self.read(source, statistics), sources):
            frames = len(recording.features) if isinstance(recording, Whole) else 0
            if together and (len(together) == size or max(longest, frames) * (len(together) + 1) > FRAMES):
                yield together
                together, longest = [], 0
            together.append(recording)
            longest = max(longest, frames)
        if together:
            yield together

    def speakers(self, sources: Sequence[Source]) -> dict[str, Statistics]:
        """Return the feature statistics of every speaker among a manifest's utterances; see `Recognizer.speakers`."""
        found: dict[str, Statistics] = {}
        utterances = (source for source in sources if isinstance(source, Utterance))
        for speaker, own in filter(None, _ahead(self._statistics, utterances)):
            found[speaker] = found[speaker] + own if speaker in found else own
        return found

    def _statistics(self, utterance: Utterance) -> tuple[str, Statistics] | None:
        try:
            if is_long(utterance):
                return _speaker(utterance), long.statistics(self._bundle, recorded(utterance))
            _, samples, rate = sampled(utterance)
            matrix = self._bundle.features(audio.resample(samples, rate, self._bundle.features.rate))
        except AsrError:
            return None
        return _speaker(utterance), Statistics.of(matrix)


def named(name: str, error: AsrError) -> AsrError:
    """Return an error with the name of the recording in front."""
    result = InputError(f"{name}: {error}")
    result.__cause__ = error
    return result


def _speaker(utterance: Utterance) -> str:
    """Return whose an utterance is; who is unknown shares a voice with nobody."""
    return utterance.speaker or utterance.id


def _ahead(work: Callable[[Item], Result], items: Iterable[Item], count: int = AHEAD) -> Iterator[Result]:
    """Yield the result of work on each item, in order, computed in another thread up to `count` ahead."""
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(1)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
