"""Manifests: JSON-lines files that list the utterances of a set.

One line is one utterance, `{"id", "audio", "start", "seconds", "speaker", "text", "phones", "words", "speed"}`; lines
are sorted by id and audio paths are relative to the manifest, so that a corpus can be moved as a folder. `start` is
only there where the utterance is a segment of a longer recording: segments need no copies of the audio.
"""

import json
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asr.errors import InputError
from asr.support import text
from asr.support.files import write_json_lines

if TYPE_CHECKING:
    from asr.audio import Samples


class Segment(NamedTuple):
    """A symbol (a phone or a word) and when it was said, in seconds from the start of the audio."""

    symbol: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech with one transcript.

    Attributes:
        id: Unique within a manifest.
        audio: The recording's path.
        seconds: Its duration.
        speaker: Who speaks; intervals and splits are by speaker. Empty where unknown.
        text: What was said, in words.
        phones: The phones with their times, as transcribed (TIMIT: 61 symbols, unfolded). Empty where unknown.
        words: The words with their times. Empty where unknown.
        speed: How many times faster than recorded it is heard; `seconds` and all times are those at that speed.
        start: Where in its recording a segment begins, in seconds of the file; None if it is the whole recording.
        pauses: Quiet that training adds before and after it, included in `seconds` and all times; not in a manifest.
    """

    id: str
    audio: Path
    seconds: float
    speaker: str = ""
    text: str = ""
    phones: tuple[Segment, ...] = ()
    words: tuple[Segment, ...] = ()
    speed: float = 1.0
    start: float | None = None
    pauses: tuple[float, float] = (0.0, 0.0)

    def samples(self) -> "tuple[Samples, int]":
        """Return the utterance's samples (S,), as recorded and with its pauses, and their rate in Hz.

        Raises:
            InputError: The recording cannot be read, or ends before the segment.
        """
        from asr import audio  # NumPy, which those who only handle times need not import
        from asr.audio import quiet
        from asr.support import seeds

        before, after = (pause * self.speed for pause in self.pauses)
        seconds = None if self.start is None else self.seconds * self.speed - before - after
        samples, rate = audio.read(self.audio, self.start, seconds)
        if before or after:
            samples = quiet.surrounded(samples, rate, before, after, seeds.generator(1, f"quiet {self.id}"))
        return samples, rate


def read(path: str | os.PathLike[str]) -> list[Utterance]:
    """Return the utterances of a manifest, sorted by id, with audio paths that can be opened from here.

    Raises:
        InputError: The file is missing, empty or not UTF-8; a line is not such an object; two have the same id.
    """
    path = Path(path)
    lines = text.lines(path, "a manifest", "`asr prepare` writes manifests")
    while len(lines) > 1 and not lines[-1].strip():  # editors leave blank lines at the end
        lines.pop()
    if not lines:
        raise InputError(f"{path}: contains no utterances; prepare the corpus again")
    utterances: dict[str, Utterance] = {}
    for number, line in enumerate(lines, 1):
        utterance = _parse(line, f"{path}:{number}", path.parent)
        if utterance.id in utterances:
            raise InputError(f"{path}:{number}: duplicate id '{utterance.id}'; ids must be unique")
        utterances[utterance.id] = utterance
    return [utterances[id] for id in sorted(utterances)]


def write(path: str | os.PathLike[str], utterances: list[Utterance]) -> None:
    """Write a manifest atomically.

    Raises:
        InputError: A text of an utterance cannot be written.
        AsrError: The file cannot be written.
    """
    path, rows = Path(path), []
    for utterance in sorted(utterances, key=lambda u: u.id):
        row: dict[str, Any] = {
            "id": utterance.id,
            "audio": _relative(utterance.audio, path.parent),
            **({} if utterance.start is None else {"start": round(utterance.start, 6)}),
            "seconds": round(utterance.seconds, 6),
            "speaker": utterance.speaker,
            "text": utterance.text,
        }
        for name, segments in (("phones", utterance.phones), ("words", utterance.words)):
            if segments:
                row[name] = [[s.symbol, round(s.start, 6), round(s.end, 6)] for s in segments]
        if utterance.speed != 1:
            row["speed"] = utterance.speed
        try:
            for key in ("id", "audio", "speaker", "text"):
                _text(row, key, "")
            for name in ("phones", "words"):
                _segments(row.get(name, []))
        except ValueError as error:
            raise InputError(f"{path} ({utterance.id!r}): {error}; rename it") from error
        rows.append(row)
    write_json_lines(path, rows)


def _relative(audio: Path, folder: Path) -> str:
    return Path(os.path.relpath(audio.resolve(), folder.resolve())).as_posix()


def _parse(line: str, where: str, folder: Path) -> Utterance:
    try:
        row = json.loads(line)
        utterance = Utterance(
            id=_text(row, "id"),
            audio=folder / _text(row, "audio"),
            seconds=float(row["seconds"]),
            speaker=_text(row, "speaker", ""),
            text=_text(row, "text", ""),
            phones=_segments(row.get("phones", [])),
            words=_segments(row.get("words", [])),
            speed=float(row.get("speed", 1.0)),
            start=float(row["start"]) if row.get("start") is not None else None,
        )
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        reason = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{where}: not an utterance ({reason}); needs id, audio, seconds") from error
    if not (math.isfinite(utterance.seconds) and utterance.seconds > 0):
        raise InputError(f"{where} ({utterance.id}): {utterance.seconds} seconds long; must be above 0")
    if utterance.start is not None and not 0 <= utterance.start < math.inf:
        raise InputError(f"{where} ({utterance.id}): starts at {utterance.start} s; must be at least 0")
    if not 0.1 <= utterance.speed <= 10:
        raise InputError(f"{where} ({utterance.id}): speed {utterance.speed}; must be at least 0.1 and at most 10")
    return utterance


def _text(row: dict[str, Any], key: str, default: str | None = None) -> str:
    value = row[key] if default is None else row.get(key, default)
    if not isinstance(value, str) or (default is None and not value):
        raise TypeError(f"{key} is {value!r}, not a string")
    return _check_writable(value, key, naming=key in ("id", "audio"))


def _check_writable(value: str, where: str, naming: bool = False) -> str:
    """Refuse what neither a file nor its name can contain: lone surrogates, and NUL where a text names a file."""
    if any("\ud800" <= c <= "\udfff" for c in value) or (naming and "\0" in value):
        raise ValueError(f"{where} {value!r} contains a character that cannot be written")
    return value


def _segments(rows: list[Any]) -> tuple[Segment, ...]:
    segments = tuple(Segment(_symbol(symbol), float(start), float(end)) for symbol, start, end in rows)
    for segment in segments:
        if not 0 <= segment.start <= segment.end < math.inf:
            raise ValueError(f"'{segment.symbol}' from {segment.start} to {segment.end} s ends before it begins")
    return segments


def _symbol(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the symbol {value!r} is not a string")
    return sys.intern(_check_writable(value, "the symbol"))
