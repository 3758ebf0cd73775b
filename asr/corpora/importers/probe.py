"""What recordings' headers say, and entries that fit them: durations, segments, ids."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.tree import Tree
from asr.errors import InputError
from asr.manifest import Utterance

APART, PART = 0.1, 0.01  # seconds, or this part of the whole, by which a stated duration may be off
WHOLE = 0.02  # seconds: a segment that leaves out less than this at either end is the whole recording
BEYOND = 0.5  # seconds by which a segment may end after its recording and is cut; more is a mistake
SHORTEST = 0.02  # seconds


class Header(NamedTuple):
    """A recording's rate in Hz and duration in seconds, or why it cannot be read."""

    rate: int = 0
    seconds: float = 0.0
    fault: str = ""


def headers(paths: Iterable[Path]) -> dict[Path, Header]:
    """Return each recording's header; threads read them."""
    every = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        return dict(zip(every, pool.map(_header, every, chunksize=64), strict=True))


def utterances(tree: Tree, reading: Reading, known: dict[Path, Header]) -> list[tuple[Utterance, str]]:
    """Return entries as utterances, each with the set that it is in, if the format says; problems go to the reading.

    Raises:
        InputError: An id is a duplicate.
    """
    faults = [known[path].fault for path in sorted({e.audio for e in reading.entries}) if known[path].fault]
    reading.report("recordings that cannot be read", faults)
    kept = [entry for entry in reading.entries if not known[entry.audio].fault]
    wrong, backwards, found = [], [], []
    for entry in kept:
        seconds = known[entry.audio].seconds
        stated = entry.seconds if entry.start is None else None
        if stated is not None and abs(stated - seconds) > max(APART, PART * seconds):
            wrong.append(f"{tree.relative(entry.audio)} ({stated:g} s, not {seconds:.2f} s)")
        if _fit(entry, seconds):
            found.append(entry)
        else:
            backwards.append(f"{tree.relative(entry.audio)} ({entry.start:g} to {entry.end or seconds:g} s)")
    reading.report("durations that the audio contradicts", wrong, remedy="the audio's duration is used")
    reading.report("segments outside their recording or without length", backwards)
    return _named(tree, found, known)


def _fit(entry: Entry, seconds: float) -> bool:
    """Cut an entry's times to its recording; False where they are not within it."""
    if entry.start is None and entry.end is None:
        return True
    start, end = entry.start or 0.0, seconds if entry.end is None else entry.end
    if not 0 <= start < end or end - start < SHORTEST or start >= seconds or seconds + BEYOND < end < float("inf"):
        return False
    whole = start < WHOLE and end > seconds - WHOLE
    entry.start, entry.end = (None, None) if whole else (start, min(end, seconds))
    return True


def _named(tree: Tree, entries: Sequence[Entry], known: dict[Path, Header]) -> list[tuple[Utterance, str]]:
    """Return entries as utterances; an id is the format's own, or the file's name with what makes it unique."""
    stems = Counter(path.stem for path in {entry.audio for entry in entries})
    found: dict[str, tuple[Utterance, str]] = {}
    for entry in entries:
        id = entry.id or _id(tree, entry, stems)
        if id in found:
            raise InputError(f"{tree.root}: duplicate id '{id}' ({tree.relative(entry.audio)}); ids must be unique")
        seconds = known[entry.audio].seconds
        if entry.start is not None and entry.end is not None:
            seconds = entry.end - entry.start
        text = " ".join(unicodedata.normalize("NFC", entry.text).split())
        utterance = Utterance(
            id, entry.audio, seconds, entry.speaker, text, entry.phones, entry.words, start=entry.start
        )
        found[id] = utterance, entry.set
    return [found[id] for id in sorted(found)]


def _id(tree: Tree, entry: Entry, stems: Counter[str]) -> str:
    path = entry.audio
    name = path.stem if stems[path.stem] == 1 else tree.relative(path.with_suffix("")).replace("/", "-")
    if entry.start is None or entry.end is None:
        return name
    return f"{name}-{round(1000 * entry.start):07}-{round(1000 * entry.end):07}"


def _header(path: Path) -> Header:
    import soundfile

    from asr import audio

    try:
        with soundfile.SoundFile(path) as file:
            rate, frames = int(file.samplerate), int(file.frames)
        if frames > audio.MAX_SECONDS * rate:  # FLAC may not announce its length
            frames = len(audio.read(path)[0])
        if not audio.MIN_RATE <= rate <= audio.MAX_RATE:
            return Header(fault=f"{path} ({rate} Hz)")
        return Header(rate, frames / rate) if frames else Header(fault=f"{path} (contains no samples)")
    except (soundfile.SoundFileError, OSError, InputError) as error:
        reason = str(error).rpartition(": ")[2].rstrip(".")
        return Header(fault=f"{path} ({reason})")
