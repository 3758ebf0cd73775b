"""Manifests: JSON-lines files that list the utterances of a set.

One line is one utterance, `{"id", "audio", "seconds", "speaker", "text", "phones", "words", "speed"}`; lines are sorted
by id and audio paths are relative to the manifest, so that a corpus can be moved as a folder.
"""

import json
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from asr.errors import InputError
from asr.support.files import write_json_lines


class Segment(NamedTuple):
    """A symbol (a phone or a word) and where it was said, in seconds from the start of the audio."""

    symbol: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech with one transcript.

    Attributes:
        id: Unique within a manifest.
        audio: Where the recording lies.
        seconds: Its duration.
        speaker: Who speaks; intervals and splits are by speaker. Empty where unknown.
        text: What was said, in words.
        phones: The phones with their times, as transcribed (TIMIT: 61 symbols, unfolded). Empty where unknown.
        words: The words with their times. Empty where unknown.
        speed: How many times faster than recorded it is heard; `seconds` and all times are those at that speed.
    """

    id: str
    audio: Path
    seconds: float
    speaker: str = ""
    text: str = ""
    phones: tuple[Segment, ...] = ()
    words: tuple[Segment, ...] = ()
    speed: float = 1.0


def read(path: str | os.PathLike[str]) -> list[Utterance]:
    """Return the utterances of a manifest, sorted by id, with audio paths that can be opened from here.

    Raises:
        InputError: The file is missing, empty or not UTF-8; a line is not such an object; an id stands twice.
    """
    path, utterances = Path(path), dict[str, Utterance]()
    try:
        with open(path, encoding="utf-8", newline="\n") as file:  # only \n ends a line: a text may hold U+2028
            for number, line in enumerate(file, 1):
                utterance = _parse(line.removesuffix("\n"), f"{path}:{number}", path.parent)
                if utterance.id in utterances:
                    raise InputError(f"{path}:{number}: the id '{utterance.id}' stands twice; ids must be unique")
                utterances[utterance.id] = utterance
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a manifest ({error}); `asr prepare` writes manifests") from error
    if not utterances:
        raise InputError(f"{path}: holds no utterance; prepare the corpus again")
    return [utterances[id] for id in sorted(utterances)]


def write(path: str | os.PathLike[str], utterances: list[Utterance]) -> None:
    """Write a manifest, whole or not at all.

    Raises:
        AsrError: It cannot be written.
    """
    path, rows = Path(path), []
    for utterance in sorted(utterances, key=lambda u: u.id):
        row: dict[str, Any] = {
            "id": utterance.id,
            "audio": _relative(utterance.audio, path.parent),
            "seconds": round(utterance.seconds, 6),
            "speaker": utterance.speaker,
            "text": utterance.text,
        }
        for name, segments in (("phones", utterance.phones), ("words", utterance.words)):
            if segments:
                row[name] = [[s.symbol, round(s.start, 6), round(s.end, 6)] for s in segments]
        if utterance.speed != 1:
            row["speed"] = utterance.speed
        rows.append(row)
    write_json_lines(path, rows)


def _relative(audio: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(audio.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return audio.resolve().as_posix()


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
        )
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        reason = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{where}: not an utterance ({reason}); needs id, audio, seconds") from error
    if not (math.isfinite(utterance.seconds) and utterance.seconds > 0):
        raise InputError(f"{where} ({utterance.id}): {utterance.seconds} seconds long; must be above 0")
    if not 0.1 <= utterance.speed <= 10:
        raise InputError(f"{where} ({utterance.id}): speed {utterance.speed}; must be at least 0.1 and at most 10")
    return utterance


def _text(row: dict[str, Any], key: str, default: str | None = None) -> str:
    value = row[key] if default is None else row.get(key, default)
    if not isinstance(value, str) or (default is None and not value):
        raise TypeError(f"{key} is {value!r}, not a text")
    if (key == "audio" and "\0" in value) or any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueError(f"{key} {value!r} holds a character that cannot be written")
    return value


def _segments(rows: list[Any]) -> tuple[Segment, ...]:
    segments = tuple(Segment(sys.intern(str(symbol)), float(start), float(end)) for symbol, start, end in rows)
    for segment in segments:
        if not 0 <= segment.start <= segment.end < math.inf:
            raise ValueError(f"'{segment.symbol}' from {segment.start} to {segment.end} s runs backwards")
    return segments
