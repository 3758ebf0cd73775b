"""Rows with named columns, under all the names that people give them: of CSV and TSV files and of JSON lines."""

import os
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
        InputError: A value is neither text nor a number, or not a number where one is needed.
    """
    missing = []
    here = set_named(source.stem) or tree.set_of(source)
    for number, row in rows:
        names = recognized(row)
        where = f"{source}:{number}"
        name = _text(row, names, "audio", where)
        audio = tree.find(name, source.parent) if name else None
        if audio is None:
            missing.append(name or f"{source.name}:{number}")
            continue
        entry = Entry(audio, _transcript(_text(row, names, "text", where), source), set=here or tree.set_of(audio))
        for attribute in ("id", "speaker"):
            setattr(entry, attribute, _text(row, names, attribute, where).strip())
        entry.set = set_named(_text(row, names, "set", where)) or entry.set
        entry.seconds, entry.start, entry.end = (_number(row, names, key, where) for key in ("seconds", "start", "end"))
        if entry.start is not None and entry.end is None and entry.seconds is not None:
            entry.end = entry.start + entry.seconds
        reading.entries.append(entry)
    reading.report(f"transcripts in {tree.relative(source)} without their recording", missing)


def _value(row: Mapping[str, Any], names: Mapping[str, str], key: str) -> Any:  # noqa: ANN401 (whatever JSON says)
    """Return what a row has for an attribute of an entry; None where it has no column for it."""
    return row.get(names[key]) if key in names else None  # a column may have an empty name, as pandas' index does


def _text(row: Mapping[str, Any], names: Mapping[str, str], key: str, where: str) -> str:
    """Return a value as text, empty where there is none; JSON may have anything there."""
    value = _value(row, names, key)
    if isinstance(value, bool | list | dict):
        raise InputError(f"{where}: {names[key]} is {str(value)[:40]!r}, neither text nor a number; correct it")
    return "" if value is None else str(value)


def _transcript(text: str, source: Path) -> str:
    """Return a transcript; a column may name a text file that contains it."""
    text = text.strip()
    if text.endswith(".txt") and " " not in text and os.path.isfile(file := source.parent / text):
        return texts.read(file, "a transcript").strip()
    return text


def _number(row: Mapping[str, Any], names: Mapping[str, str], key: str, where: str) -> float | None:
    value = _value(row, names, key)
    if value in (None, ""):
        return None
    try:
        return float(str(value).replace(",", "."))  # decimal commas, where columns are separated otherwise
    except ValueError:
        wrong = f"{names[key]} is {str(value)[:40]!r}, not a number of seconds"
        raise InputError(f"{where}: {wrong}; correct it") from None
