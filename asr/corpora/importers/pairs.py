"""Recordings with a file of the same name beside them: .txt, .lab, .TextGrid, .phn and .wrd."""

import re
from collections import defaultdict
from pathlib import Path

from asr.corpora.importers import labels, textgrid
from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.tree import Tree
from asr.errors import InputError
from asr.manifest import Segment
from asr.support import text as texts

TITLE = "a transcript of the same name for each recording"
SUFFIXES = (".txt", ".lab", ".textgrid", ".phn", ".wrd")
_HTK = re.compile(r"\d+ \d+ \S+")  # start and end in units of 100 ns, and a phone
_TIMED = re.compile(r"\d+\s+(\d+)\s+(\S.*)")  # TIMIT's: start and end in samples


def sources(tree: Tree) -> list[Path]:
    """Return the files that have a recording's name."""
    stems = {path.stem.lower() for path in tree.audio}
    return [p for p in tree.ending(*SUFFIXES) if p.stem.lower() in stems and not labels.timed(p)]


def read(tree: Tree, sources: list[Path], pattern: str | None) -> Reading:
    """Return one entry for each recording that has a transcript."""
    reading = Reading()
    beside: dict[Path, list[Path]] = defaultdict(list)
    lost, unreadable, differing, stems = [], [], [], _stems(tree)
    for source in sources:
        if audio := _recording(tree, source, stems):
            beside[audio].append(source)
        else:
            lost.append(tree.relative(source))
    for audio, files in sorted(beside.items()):
        entry = Entry(audio, set=tree.set_of(audio))
        try:
            if not _fill(entry, files):
                differing.append(tree.relative(audio))
                continue
        except InputError as error:
            unreadable.append(str(error))
            continue
        reading.entries.append(entry)
    reading.report("transcripts that match no recording, or several", lost)
    reading.report("transcripts that cannot be read", unreadable)
    reading.report("recordings with two transcripts that differ", differing, safe=False)
    suffixes = sorted({path.suffix for path in sources})
    reading.how = f"text from {' and '.join(suffixes)}"
    return reading


def _stems(tree: Tree) -> dict[str, list[Path]]:
    stems: dict[str, list[Path]] = defaultdict(list)
    for path in tree.audio:
        stems[path.stem.lower()].append(path)
    return stems


def _recording(tree: Tree, source: Path, stems: dict[str, list[Path]]) -> Path | None:
    found = stems[source.stem.lower()]
    near = [path for path in found if path.parent == source.parent] or found
    return near[0] if len(near) == 1 else None


def _fill(entry: Entry, files: list[Path]) -> bool:
    """Set an entry's transcript from its files; False where two of them say different things."""
    said = set()
    kinds = {path.suffix.lower() for path in files}
    for path in files:
        suffix = path.suffix.lower()
        if suffix == ".textgrid":
            said.add(_from_textgrid(entry, path))
            continue
        lines = [line for line in texts.lines(path, "a transcript", "save it as UTF-8") if line.strip()]
        if suffix in (".phn", ".wrd") or (suffix == ".lab" and lines and all(_HTK.fullmatch(x.strip()) for x in lines)):
            _align(entry, path, lines, "words" if suffix == ".wrd" else "phones", 1e7 if suffix == ".lab" else None)
        elif kinds & {".phn", ".wrd"} and (timed := _TIMED.fullmatch(lines[0].strip() if lines else "")):
            said.add(timed[2])
        else:
            said.add(" ".join(" ".join(lines).split()))
    said -= {""}
    entry.text = next(iter(said), "") or " ".join(word.symbol for word in entry.words)
    return len({" ".join(text.lower().split()) for text in said}) <= 1


def _align(entry: Entry, path: Path, lines: list[str], what: str, scale: float | None) -> None:
    """Set an entry's phones or words from lines of start, end and symbol; whole numbers count samples."""
    if scale is None:
        import soundfile

        try:
            scale = float(soundfile.info(entry.audio).samplerate) if "." not in "".join(lines) else 1.0
        except soundfile.SoundFileError as error:
            raise InputError(f"{entry.audio}: cannot be read ({error}); convert it to WAV or FLAC") from error
    try:
        fields = [line.split() for line in lines]
        segments = tuple(Segment(row[2], float(row[0]) / scale, float(row[1]) / scale) for row in fields)
    except (IndexError, ValueError) as error:
        raise InputError(f"{path}: not lines of start, end and symbol ({error}); correct it") from error
    setattr(entry, what, segments)


def _from_textgrid(entry: Entry, path: Path) -> str:
    tiers = textgrid.read(path)
    aligned = {tier.kind: tier.intervals for tier in tiers if tier.kind}
    entry.words = tuple(s for s in aligned.get("word", ()) if s.symbol.lower() not in textgrid.SILENCES)
    entry.phones = tuple(aligned.get("phone", ()))
    return " ".join(interval.symbol for tier in tiers if not tier.kind for interval in tier.intervals)
