"""Times and texts for stretches of longer recordings: Audacity's labels, SRT, VTT, CTM, STM and TextGrid.

Each stretch becomes an utterance that refers to its recording; no audio is copied.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from asr.corpora.importers import textgrid
from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.tree import Tree
from asr.errors import InputError
from asr.manifest import Segment
from asr.support import text as texts

TITLE = "times and texts for stretches of recordings"
LONG = 30.0  # seconds of a recording from which on a CTM's words are cut into utterances
PAUSE = 0.5  # seconds between two words that part them
PAD = 0.1  # seconds kept around the words of an utterance
_AUDACITY = re.compile(r"(\d+[.,]\d+)\t(\d+[.,]\d+)(?:\t(.*))?")
_ARROW = re.compile(r"(?:(\d+):)?(\d+):(\d+[.,]\d+)\s+-->\s+(?:(\d+):)?(\d+):(\d+[.,]\d+)")
_VOICE = re.compile(r"<v(?:\.\S+)?\s+([^>]+)>")
_MARKUP = re.compile(r"<[^>]*>|\{\\[^}]*\}")

Stretch = tuple[float, float, str, str]  # start, end, text, speaker


def sources(tree: Tree) -> list[Path]:
    """Return the files with times."""
    return [path for path in tree.ending(".txt", ".srt", ".vtt", ".ctm", ".stm", ".textgrid") if timed(path)]


def timed(path: Path) -> bool:
    """Tell whether a file has times for stretches of a recording."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".txt":
            with open(path, "rb") as file:
                return _AUDACITY.fullmatch(texts.decode(file.readline(1 << 12)).strip("\r\n")) is not None
        if suffix == ".textgrid":
            tiers = textgrid.read(path)
            stretches = [interval for tier in tiers if not tier.kind for interval in tier.intervals]
            return len(stretches) > 1 and not any(tier.kind for tier in tiers)
    except (OSError, InputError, UnicodeDecodeError):  # whoever reads it names it
        return False
    return suffix in (".srt", ".vtt", ".ctm", ".stm")


def read(tree: Tree, sources: list[Path], pattern: str | None) -> Reading:
    """Return one entry for each stretch."""
    reading = Reading()
    lost, empty, unreadable = [], 0, []
    for source in sources:
        try:
            found = list(_stretches(source))
        except InputError as error:
            unreadable.append(str(error))
            continue
        for name, (start, end, text, speaker) in found:
            audio = tree.find(name, source.parent)
            if not audio:
                lost.append(name)
            elif text.strip():
                entry = Entry(audio, text.strip(), speaker=speaker, set=tree.set_of(audio), start=start, end=end)
                reading.entries.append(entry)
            else:
                empty += 1
    reading.report("files that cannot be read", unreadable)
    reading.report("segments of missing recordings", sorted(set(lost)))
    reading.report("recordings with overlapping segments", _overlapping(tree, reading.entries), remedy="kept")
    suffixes = sorted({path.suffix for path in sources})
    reading.how = f"{len(reading.entries)} segments from {' and '.join(suffixes)}"
    reading.how += f", without {empty} that are empty" if empty else ""
    return reading


def _stretches(source: Path) -> Iterator[tuple[str, Stretch]]:
    """Yield each stretch with the name of its recording."""
    suffix = source.suffix.lower()
    if suffix == ".textgrid":
        tiers = textgrid.read(source)
        for tier in tiers:
            speaker = tier.name if len(tiers) > 1 else ""
            yield from ((source.stem, (s.start, s.end, s.symbol, speaker)) for s in tier.intervals)
        return
    lines = texts.lines(source, "a transcript with times", "save it as UTF-8")
    if suffix in (".srt", ".vtt"):
        yield from ((source.stem, cue) for cue in _cues(lines))
    elif suffix == ".txt":
        rows = (match for line in lines if (match := _AUDACITY.fullmatch(line)))  # frequencies follow a backslash
        yield from ((source.stem, (_decimal(row[1]), _decimal(row[2]), row[3] or "", "")) for row in rows)
    else:
        yield from _ctm(source, lines) if suffix == ".ctm" else _stm(source, lines)


def _cues(lines: list[str]) -> Iterator[Stretch]:
    for place, line in enumerate(lines):
        if times := _ARROW.search(line):
            said: list[str] = []
            for following in lines[place + 1 :]:
                if not following.strip():
                    break
                said.append(following)
            text = " ".join(said)
            voice = _VOICE.search(text)
            start, end = (60 * (60 * int(times[i] or 0) + int(times[i + 1])) + _decimal(times[i + 2]) for i in (1, 4))
            yield start, end, " ".join(_MARKUP.sub("", text).split()), voice[1] if voice else ""


def _ctm(source: Path, lines: list[str]) -> Iterator[tuple[str, Stretch]]:
    """Yield utterances from the times of words: whole recordings, or long ones cut at pauses."""
    words: dict[str, list[Segment]] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if fields and not line.startswith(";;"):
            try:
                start, duration = float(fields[2]), float(fields[3])
                words.setdefault(fields[0], []).append(Segment(fields[4], start, start + duration))
            except (IndexError, ValueError):
                raise InputError(
                    f"{source}:{number}: not 'recording channel start duration word'; correct it"
                ) from None
    for name, said in words.items():
        said.sort(key=lambda word: word.start)
        if said[-1].end <= LONG:
            yield name, (0.0, float("inf"), " ".join(word.symbol for word in said), "")
            continue
        for part in _cut(said):
            text = " ".join(word.symbol for word in part)
            yield name, (max(0.0, part[0].start - PAD), part[-1].end + PAD, text, "")


def _cut(words: list[Segment]) -> Iterator[list[Segment]]:
    part = [words[0]]
    for word in words[1:]:
        if word.start - part[-1].end >= PAUSE:
            yield part
            part = []
        part.append(word)
    yield part


def _stm(source: Path, lines: list[str]) -> Iterator[tuple[str, Stretch]]:
    for number, line in enumerate(lines, 1):
        fields = line.split(maxsplit=5)
        if not fields or line.startswith(";;") or "ignore_time_segment_in_scoring" in line:
            continue
        try:
            text = re.sub(r"^<[^>]*>\s*", "", fields[5]) if len(fields) > 5 else ""
            yield fields[0], (float(fields[3]), float(fields[4]), text, fields[2])
        except (IndexError, ValueError):
            raise InputError(f"{source}:{number}: not 'recording channel speaker start end text'; correct it") from None


def _overlapping(tree: Tree, entries: Iterable[Entry]) -> list[str]:
    last: dict[Path, float] = {}
    found = set()
    for entry in sorted(entries, key=lambda entry: (str(entry.audio), entry.start or 0.0)):
        if (entry.start or 0.0) < last.get(entry.audio, 0.0) - 1e-3:
            found.add(tree.relative(entry.audio))
        last[entry.audio] = max(last.get(entry.audio, 0.0), entry.end or 0.0)
    return sorted(found)


def _decimal(number: str) -> float:
    return float(number.replace(",", "."))
