"""Manifests: JSON-lines files that list the utterances of a set.

One line is one utterance, `{"id", "audio", "start", "seconds", "speaker", "text", "phones", "words", "speed"}`; lines
are sorted by id and audio paths are relative to the manifest, so that a corpus can be moved as a folder. `start` is
only there where the utterance is a segment of a longer recording: segments need no copies of the audio.

The utterances of a large manifest stay in its file. What is in memory is where each line begins: 4 bytes an utterance.
"""

import codecs
import math
import os
import sys
import weakref
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asr.errors import InputError
from asr.support import text
from asr.support.files import write_json_lines
from asr.support.views import View

if TYPE_CHECKING:
    from asr.audio import Samples

KEPT = 1 << 24  # bytes of a manifest whose utterances are kept in memory: TIMIT has 9 MB, 10,000 hours have 2 GB
LINE = 1 << 12  # bytes of a line that are read at once


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


def read(path: str | os.PathLike[str]) -> Sequence[Utterance]:
    """Return the utterances of a manifest, sorted by id, with audio paths that can be opened from here.

    They are a list; those of a manifest of more than `KEPT` bytes are a view of the file, which must not be changed
    while it is used. (Replacing it by another is harmless.)

    Raises:
        InputError: The file is missing, empty or not UTF-8; a line is not such an object; two have the same id.
    """
    path = Path(path)
    try:
        large = path.stat().st_size > KEPT
    except OSError:
        large = False  # reported when it is opened
    return _view(path) if large else _kept(path)


def _kept(path: Path) -> list[Utterance]:
    utterances: dict[str, Utterance] = {}
    for number, _, line in _numbered(path):
        utterance = _parse(line, f"{path}:{number}", path.parent)
        if utterance.id in utterances:
            raise _duplicate(path, number, utterance.id)
        utterances[utterance.id] = utterance
    return [utterances[id] for id in sorted(utterances)]


def _view(path: Path) -> Sequence[Utterance]:
    lines, ascending, last = _Lines(path), True, ""
    if lines.utf16:
        return _kept(path)
    starts = array("I" if lines.size < 1 << 32 else "q")
    for number, start, line in _numbered(path):
        id = _parse(line, f"{path}:{number}", path.parent).id
        ascending, last = ascending and last < id, id
        starts.append(start)
    view = View(starts, lines.utterance)
    return view if ascending else _in_order(view, path)


def _in_order(view: View[Utterance], path: Path) -> View[Utterance]:
    """Return a view sorted by id, which `write` would have made; what it sorts is in memory only here."""
    ids = [utterance.id for utterance in view]
    order = sorted(range(len(view)), key=ids.__getitem__)  # stable: of two equal ids, the later line comes second
    for one, other in zip(order, order[1:], strict=False):
        if ids[one] == ids[other]:
            raise _duplicate(path, other + 1, ids[other])
    return View(array("q", order), view.__getitem__)


def _duplicate(path: Path, number: int, id: str) -> InputError:
    return InputError(f"{path}:{number}: duplicate id '{id}'; ids must be unique")


class _Lines:
    """An open manifest whose lines are read on access, by any thread."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise _unreadable(path, error.strerror or str(error)) from error
        weakref.finalize(self, os.close, self._descriptor)
        self._path, self._stamp = path, self._status()
        self.size = self._stamp[0]
        self.utf16 = os.pread(self._descriptor, 2, 0) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

    def utterance(self, start: int) -> Utterance:
        """Return the utterance whose line begins at a byte.

        Raises:
            InputError: The file was changed since it was opened.
        """
        if self._status() != self._stamp:
            raise InputError(f"{self._path}: was changed while in use; run the command again")
        found = os.pread(self._descriptor, LINE, start)
        while (end := found.find(b"\n")) < 0 and (more := os.pread(self._descriptor, LINE, start + len(found))):
            found += more
        return _parse(found[:end].decode() if end >= 0 else found.decode(), str(self._path), self._path.parent)

    def _status(self) -> tuple[int, int]:
        status = os.fstat(self._descriptor)
        return status.st_size, status.st_mtime_ns


def _numbered(path: Path) -> Iterator[tuple[int, int, str]]:
    """Yield each line's number, its first byte, and the line; editors leave blank lines at the end, which are ignored.

    Raises:
        InputError: The file cannot be read, or contains nothing.
    """
    start, number, blank = 0, 0, None
    try:
        with open(path, "rb") as file:
            if file.peek(3)[:3] == codecs.BOM_UTF8:
                start = 3
            for number, content in enumerate(filter(None, text.encoded_lines(file)), 1):
                line = content.decode().rstrip("\r\n")
                if not line.strip():
                    blank = blank or (number, start, line)
                else:
                    if blank:
                        yield blank  # which is no utterance
                    yield number, start, line
                start += len(content)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        byte = error.start + (start if error.encoding == "utf-8" else 0)
        what = f"byte {byte}, 0x{error.object[error.start]:02x}, is not {error.encoding.upper()}"
        raise _unreadable(path, what) from error
    if number == 0:
        raise InputError(f"{path}: contains no utterances; prepare the corpus again")
    if blank and number == 1:
        yield blank


def _unreadable(path: Path, reason: str) -> InputError:
    return InputError(f"{path}: cannot be read as a manifest ({reason}); `asr prepare` writes manifests")


def write(path: str | os.PathLike[str], utterances: Sequence[Utterance]) -> None:
    """Write a manifest atomically.

    Raises:
        InputError: A text of an utterance cannot be written.
        AsrError: The file cannot be written.
    """
    path = Path(path)
    folder = path.parent.resolve()
    write_json_lines(path, (_row(utterance, path, folder) for utterance in sorted(utterances, key=lambda u: u.id)))


def _row(utterance: Utterance, path: Path, folder: Path) -> dict[str, Any]:
    """Return an utterance's line, after checking that it can be written."""
    row: dict[str, Any] = {
        "id": utterance.id,
        "audio": _relative(utterance.audio, folder),
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
    return row


def _relative(audio: Path, folder: Path) -> str:
    return Path(os.path.relpath(audio.resolve(), folder)).as_posix()


def _parse(line: str, where: str, folder: Path) -> Utterance:
    try:
        row = text.parsed(line)
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
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
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
    if not (value.isascii() or _encodable(value)) or (naming and "\0" in value):
        raise ValueError(f"{where} {value!r} contains a character that cannot be written")
    return value


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


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
