"""Rows with named columns, under all the names that people give them: of CSV and TSV files and of JSON lines."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.tree import Tree, set_named
from asr.errors import InputError
from asr.support import text as texts

# What an entry needs → the columns that may have it, the preferred first; names are compared in lower case.
COLUMNS: dict[str, tuple[str, ...]] = {
    "audio": (
        *("audio_filepath", "file_name", "filename", "wav_filename", "audio_path", "audio_file", "path", "wav_path"),
        *("wav", "audio", "file", "clip", "recording"),
    ),
    "text": (
        *("sentence", "normalized_text", "text", "transcript", "transcription", "wrd", "words", "raw_text", "label"),
    ),
    "speaker": ("client_id", "speaker_id", "speaker", "spk_id", "spk", "reader"),
    "seconds": ("duration", "seconds", "length"),
    "start": ("offset", "start", "start_time", "begin"),
    "end": ("end", "end_time", "stop"),
    "id": ("id", "utt_id", "utterance_id"),
    "set": ("split", "set", "subset"),
}
PHONES = ("phones", "words")  # of our own manifests: symbol, start and end in seconds


def recognized(names: Iterable[str]) -> dict[str, str]:
    """Return which column has what: an entry's attribute → the column; empty where audio or text is missing."""
    known = {name.strip().lower(): name for name in names}
    found = {}
    for attribute, aliases in COLUMNS.items():
        if column := next((known[alias] for alias in aliases if alias in known), None):
            found[attribute] = column
    return found if {"audio", "text"} <= set(found) else {}


def add(reading: Reading, tree: Tree, source: Path, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Add a file's rows to a reading.

    Args:
        reading: What has been read so far.
        tree: Where the recordings are.
        source: The file, to which paths are relative.
        rows: By line number.

    Raises:
        InputError: A number is not one.
    """
    missing = []
    here = set_named(source.stem) or tree.set_of(source)
    for number, row in rows:
        names = recognized(row)
        name = str(row[names["audio"]] or "") if names else ""
        audio = tree.find(name, source.parent) if name else None
        if audio is None:
            missing.append(name or f"{source.name}:{number}")
            continue
        where = f"{source}:{number}"
        entry = Entry(audio, _transcript(row.get(names["text"]), source), set=here or tree.set_of(audio))
        for attribute in ("id", "speaker"):
            setattr(entry, attribute, str(row.get(names.get(attribute, "")) or "").strip())
        entry.set = set_named(str(row.get(names.get("set", "")) or "")) or entry.set
        entry.seconds, entry.start, entry.end = (_number(row, names, key, where) for key in ("seconds", "start", "end"))
        if entry.start is not None and entry.end is None and entry.seconds is not None:
            entry.end = entry.start + entry.seconds
        reading.entries.append(entry)
    reading.report(f"transcripts in {tree.relative(source)} without their recording", missing)


def _transcript(value: object, source: Path) -> str:
    """Return a transcript; a column may name a text file that contains it."""
    text = str(value or "").strip()
    if text.endswith(".txt") and " " not in text and (file := source.parent / text).is_file():
        return texts.read(file, "a transcript").strip()
    return text


def _number(row: Mapping[str, Any], names: Mapping[str, str], key: str, where: str) -> float | None:
    value = row.get(names.get(key, ""))
    if value in (None, ""):
        return None
    try:
        return float(str(value).replace(",", "."))  # decimal commas, where columns are separated otherwise
    except ValueError:
        raise InputError(f"{where}: {names[key]} is '{value}', not a number of seconds; correct it") from None
