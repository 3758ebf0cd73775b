"""Transcripts with times, written in the formats that players, editors and scorers read.

A format is a function from one transcript to text; a new one is a function here and a line in the table.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePath

from asr.errors import AsrError, choose, suggest
from asr.formats.subtitles import Caption, captions_of
from asr.manifest import Segment
from asr.scoring.trn import check
from asr.support import files

_UNSAFE = re.compile(r"[(){};\s\x00-\x1f\x7f\ud800-\udfff]|^@$|\*$|^;;")


@dataclass(frozen=True)
class Transcript:
    """What was recognized, or aligned, in one recording.

    Attributes:
        audio: The recording's name, as the user gave it.
        seconds: Its duration.
        text: What was said.
        units: Every unit with its times.
        words: Every word with its times; empty where the system knows no words.
        confidence: For each unit; empty where none was estimated.
        word_confidence: For each word; empty where none was estimated.
        score: The decoder's, natural log.
        alternatives: Further hypotheses, the next best first, where the decoder was asked for them
            (`asr.Beam(nbest=5)`).
        id: What scorers know the recording by; its name without folder and ending if empty.
    """

    audio: str
    seconds: float
    text: str
    units: Sequence[Segment] = ()
    words: Sequence[Segment] = ()
    confidence: Sequence[float] = ()
    word_confidence: Sequence[float] = ()
    score: float = 0.0
    alternatives: tuple["Transcript", ...] = ()
    id: str = ""

    @property
    def key(self) -> str:
        """The id as scorers can read it: one field, without what is markup in trn."""
        return key(self.id or PurePath(self.audio).stem)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What captions are made of: words where there are some, else units."""
        return tuple(segment for segment, _ in self.rated)

    @property
    def rated(self) -> list[tuple[Segment, float | None]]:
        """The segments with their confidence, None where it was not estimated; spaces alone are not a segment."""
        segments, confidence = (self.words, self.word_confidence) if self.words else (self.units, self.confidence)
        return [one for one in zip_longest(segments, confidence) if one[0] and one[0].symbol.strip()]

    def __str__(self) -> str:
        return self.text

    def to(self, format: str) -> str:
        """Return the transcript in a format of `FORMATS`.

        >>> print(Transcript("one.wav", 1.0, "hi", words=(Segment("hi", 0.25, 0.5),)).to("srt"))
        1
        00:00:00,250 --> 00:00:01,000
        hi
        <BLANKLINE>

        Raises:
            AsrError: The format is unknown.
        """
        return choose(FORMATS, format, "format")(self)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the transcript to a file, in the format that its ending names: `transcript.write("one.srt")`.

        Raises:
            AsrError: The ending is not a format's, or the file cannot be written.
        """
        path = Path(path)
        endings = {name.lower(): name for name in FORMATS}
        ending = path.suffix.removeprefix(".").lower()
        if ending not in endings:
            raise AsrError(f"{path}: the ending '{path.suffix}' is not a format: {suggest(ending, list(endings))}")
        files.write_text(path, self.to(endings[ending]))


def key(id: str) -> str:
    """Return an id as one field without trn's markup, which scorers can read back."""
    return _UNSAFE.sub("_", id) or "_"


def joined(characters: Iterable[Segment]) -> Iterator[Segment]:
    """Yield the words that characters spell between spaces, with their times."""
    word: list[Segment] = []
    for character in characters:
        if not character.symbol.isspace():
            word.append(character)
        elif word:
            yield _word(word)
            word = []
    if word:
        yield _word(word)


def _word(characters: Sequence[Segment]) -> Segment:
    return Segment("".join(one.symbol for one in characters), characters[0].start, characters[-1].end)


def txt(transcript: Transcript) -> str:
    """Return the text alone, a line for each alternative below it."""
    return "".join(f"{one.text}\n" for one in (transcript, *transcript.alternatives))


def as_json(transcript: Transcript) -> str:
    """Return one indented JSON object."""
    return _json(_row(transcript), indent=2)


def jsonl(transcript: Transcript) -> str:
    """Return one JSON object on one line."""
    return _json(_row(transcript))


def srt(transcript: Transcript) -> str:
    """Return SubRip captions."""
    return "\n".join(
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n" + "".join(f"{line}\n" for line in lines)
        for number, (lines, start, end) in enumerate(_captions(transcript), 1)
    )


def vtt(transcript: Transcript) -> str:
    """Return WebVTT captions. Source: W3C, "WebVTT: The Web Video Text Tracks Format"."""
    return "WEBVTT\n" + "".join(
        f"\n{_clock(start, '.')} --> {_clock(end, '.')}\n" + "".join(f"{_escaped(line)}\n" for line in lines)
        for lines, start, end in _captions(transcript)
    )


def tsv(transcript: Transcript) -> str:
    """Return one segment a line: start and end in milliseconds, and the symbol."""
    rows = (f"{round(1000 * s.start)}\t{round(1000 * s.end)}\t{s.symbol}\n" for s in transcript.segments)
    return "start\tend\ttext\n" + "".join(rows)


def ctm(transcript: Transcript) -> str:
    """Return NIST's time-marked conversation format: recording, channel, start, duration, symbol, confidence.

    Source: NIST SCTK, doc/infmts.htm, "ctm".
    """
    rows = []
    for (symbol, start, end), confidence in transcript.rated:
        sure = "" if confidence is None else f" {confidence:.3f}"
        rows.append(f"{transcript.key} 1 {start:.3f} {end - start:.3f} {symbol}{sure}\n")
    return "".join(rows)


def trn(transcript: Transcript) -> str:
    """Return sclite's format: the text, then the id in parentheses. Source: NIST SCTK, doc/infmts.htm, "trn".

    Raises:
        InputError: A word is markup to sclite.
    """
    symbols = transcript.text.split()
    check(transcript.audio, symbols)
    return " ".join([*symbols, f"({transcript.key})"]) + "\n"


def textgrid(transcript: Transcript) -> str:
    """Return Praat's long text format: a tier of words where there are some, and always one of units.

    Source: P. Boersma and D. Weenink, Praat manual, "TextGrid file formats".
    """
    tiers = [("words", transcript.words)] if transcript.words else []
    tiers.append(("units", transcript.units))
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {transcript.seconds:.4f}",
    ]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, segments) in enumerate(tiers, 1):
        intervals = _without_gaps(segments, transcript.seconds)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {transcript.seconds:.4f}"]
        lines += [f"        intervals: size = {len(intervals)}"]
        for index, (symbol, start, end) in enumerate(intervals, 1):
            quoted = symbol.replace('"', '""')
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {start:.4f}",
                f"            xmax = {end:.4f}",
            ]
            lines += [f'            text = "{quoted}"']
    return "\n".join(lines) + "\n"


# Ending → writer.
FORMATS: dict[str, Callable[[Transcript], str]] = {
    "txt": txt,
    "json": as_json,
    "jsonl": jsonl,
    "srt": srt,
    "vtt": vtt,
    "tsv": tsv,
    "ctm": ctm,
    "trn": trn,
    "TextGrid": textgrid,
}


def _row(transcript: Transcript) -> dict[str, object]:
    row = {
        "audio": transcript.audio,
        "seconds": round(transcript.seconds, 4),
        "text": transcript.text,
        "score": round(transcript.score, 4),
        "units": _rows("unit", transcript.units, transcript.confidence),
    }
    if transcript.words:
        row["words"] = _rows("word", transcript.words, transcript.word_confidence)
    if transcript.alternatives:
        row["alternatives"] = [{"text": one.text, "score": round(one.score, 4)} for one in transcript.alternatives]
    return row


def _json(row: dict[str, object], indent: int | None = None) -> str:
    """Return an object and a line feed; bytes of a name that are not UTF-8 are escaped."""
    text = json.dumps(row, indent=indent, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _rows(name: str, segments: Sequence[Segment], confidence: Sequence[float]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {name: s.symbol, "start": round(s.start, 4), "end": round(s.end, 4)} for s in segments
    ]
    for row, sure in zip(rows, confidence, strict=False):
        row["confidence"] = round(sure, 4)
    return rows


def captions(transcript: Transcript) -> list[Segment]:
    """Return what captions show, each as one line, and when, in seconds; see `asr.formats.subtitles`."""
    return [Segment(" ".join(lines), start, end) for lines, start, end in _captions(transcript)]


def _captions(transcript: Transcript) -> Iterator[Caption]:
    words, units = (filter(_visible, part) for part in (transcript.words, transcript.units))
    if not transcript.words:
        words, units = units, words  # there are none
    return captions_of(words, units, transcript.seconds)


def _visible(segment: Segment) -> bool:
    return bool(segment.symbol.strip())


def _clock(seconds: float, point: str) -> str:
    minutes, milliseconds = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _without_gaps(segments: Sequence[Segment], seconds: float) -> list[Segment]:
    """Fill the gaps between segments with empty ones: Praat wants a tier without holes."""
    filled: list[Segment] = []
    now = 0.0
    for segment in segments:
        start = max(segment.start, now)
        if start > now:
            filled.append(Segment("", now, start))
        filled.append(Segment(segment.symbol, start, max(segment.end, start)))
        now = filled[-1].end
    if now < seconds:
        filled.append(Segment("", now, seconds))
    return filled
