"""What a format says of one utterance, before anybody has looked at the audio."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr.manifest import Segment
from asr.support.text import one_line


@dataclass(slots=True)
class Entry:
    """One utterance as its format describes it.

    Attributes:
        audio: The recording; exists.
        text: The transcript as written.
        id: The format's own; empty where it has none, then the file's name is it.
        speaker: Empty where unknown.
        set: `train`, `dev` or `test` where the format says so, else empty.
        start: Seconds from the start of the recording; None for all of it.
        end: Likewise; None for its end.
        seconds: What the format says of the duration, to be compared with the audio.
        phones: With times, in seconds.
        words: Likewise.
    """

    audio: Path
    text: str = ""
    id: str = ""
    speaker: str = ""
    set: str = ""
    start: float | None = None
    end: float | None = None
    seconds: float | None = None
    phones: tuple[Segment, ...] = ()
    words: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class Problem:
    """Something that was skipped, or read differently from what it states.

    Attributes:
        what: What is wrong, before the number of `names`: 'recordings without a transcript'.
        names: Of the files or lines concerned.
        safe: Whether going on without them is right unasked; else only with `--partial`.
        remedy: What to do.
    """

    what: str
    names: Sequence[str]
    safe: bool = True
    remedy: str = "skipped"


@dataclass
class Reading:
    """What an importer read.

    Attributes:
        entries: The utterances.
        how: How it was read, in a few words: which column, which part of a name.
        problems: What was skipped.
    """

    entries: list[Entry] = field(default_factory=list)
    how: str = ""
    problems: list[Problem] = field(default_factory=list)

    def report(self, what: str, names: Sequence[str], safe: bool = True, remedy: str = "skipped") -> None:
        """Note a problem, if there are names."""
        if names:
            self.problems.append(Problem(what, [one_line(name) for name in names], safe, remedy))
