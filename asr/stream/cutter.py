"""Where a stream is cut: at pauses, which CTC shows as runs of blank and silence."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.phones import SILENCE
from asr.units import BLANK, Units

LogProbs = npt.NDArray[np.float32]  # (T, V), natural log
Path = npt.NDArray[np.int64]  # (T,), ids

PAUSE = 0.5  # seconds of blank and silence after speech that end a passage; stops and words are closer together
LONGEST = 30.0  # seconds of a passage, so that a decoder's memory is bounded; few people speak as long without a pause


class Cut(NamedTuple):
    """What is between two pauses.

    Attributes:
        first: The frame of the stream with which it begins.
        log_probs: (T, V), natural log.
    """

    first: int
    log_probs: LogProbs


class Cutter:
    """Cuts log-probs that arrive in parts; where it cuts does not depend on the parts.

    The best path has blank before each cut or another unit after it, so that best-path decoding of the pieces gives
    what it gives of the whole; except where the path is in one unit for as long as a passage may be.

    Args:
        units: The system's.
        shift: Seconds from one frame of log-probs to the next.
        pause: Seconds of blank and silence that end a passage.
        longest: Seconds of a passage, at most.
    """

    def __init__(self, units: Units, shift: float, pause: float = PAUSE, longest: float = LONGEST) -> None:
        self._quiet = np.array([id == BLANK or symbol in (*SILENCE, " ") for id, symbol in enumerate(units.symbols)])
        self._pause, self._longest = max(1, round(pause / shift)), max(2, round(longest / shift))
        self._open = np.zeros((0, len(units)), np.float32)
        self._first = 0

    @property
    def open(self) -> Cut:
        """What was not cut yet."""
        return Cut(self._first, self._open)

    def accept(self, log_probs: LogProbs, last: bool = False) -> list[Cut]:
        """Return what ends with these frames.

        Args:
            log_probs: (T, V), the next ones.
            last: Whether there are no more; then the rest is returned too.
        """
        self._open = np.concatenate([self._open, log_probs])
        path = self._open.argmax(axis=1)
        cuts, start = list[Cut](), 0
        while length := self._length(path[start : start + self._longest]):
            cuts.append(Cut(self._first, self._open[start : start + length]))
            start, self._first = start + length, self._first + length
        self._open = self._open[start:]
        if last and len(self._open):
            cuts.append(self.open)
            self._first, self._open = self._first + len(self._open), self._open[:0]
        return cuts

    def _length(self, path: Path) -> int:
        """Return the length of the passage with which a path begins; 0 where its end is still to come."""
        quiet = self._quiet[path]
        spoken = np.flatnonzero(~quiet)
        if len(spoken):
            times = np.arange(len(path))
            since = times - np.maximum.accumulate(np.where(quiet, -1, times))  # frames since the last that is spoken
            since[: spoken[0]] = 0
            ends = np.flatnonzero((since >= self._pause) & (path == BLANK))
            if len(ends):
                return int(ends[0]) + 1
        return self._forced(path, quiet) if len(path) == self._longest else 0

    def _forced(self, path: Path, quiet: npt.NDArray[np.bool_]) -> int:
        """Return where to cut a passage that is too long: in the longest quiet of its second half."""
        half = len(path) // 2
        blank = half + np.flatnonzero(path[half:] == BLANK)
        if len(blank):
            borders = np.flatnonzero(np.diff(quiet, prepend=~quiet[0], append=~quiet[-1]))
            lengths = np.repeat(np.diff(borders), np.diff(borders))  # of the run that each frame is in
            return int(blank[lengths[blank].argmax()]) + 1
        changes = np.flatnonzero(np.diff(path))
        return int(changes[-1]) + 1 if len(changes) else len(path)
