"""Lhotse's manifests, .jsonl or .jsonl.gz: recordings with supervisions, or cuts."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.tree import Tree, set_named
from asr.errors import InputError
from asr.support import text as texts

TITLE = "manifests of lhotse's"
Row = dict[str, Any]


def sources(tree: Tree) -> list[Path]:
    """Return the manifests of recordings, supervisions and cuts."""
    return [path for path in tree.ending(".jsonl", ".jsonl.gz") if _kind(_first(path))]


def read(tree: Tree, sources: list[Path], pattern: str | None) -> Reading:
    """Return one entry for each supervision."""
    reading = Reading()
    rows = {path: list(_rows(path)) for path in sources}
    kinds = {path: _kind(found[0]) for path, found in rows.items() if found}
    recordings = {row["id"]: row for path, found in rows.items() if kinds.get(path) == "recording" for row in found}
    lost: list[str] = []
    for path, found in rows.items():
        if kinds.get(path) == "recording":
            continue
        set_ = _set_of(path)
        for row in found:
            parts = [(row, 0.0)] if kinds[path] == "supervision" else [(s, row["start"]) for s in row["supervisions"]]
            for supervision, offset in parts:
                recording: Row = recordings.get(supervision.get("recording_id", "")) or row.get("recording") or {}
                entry = _entry(tree, path, supervision, recording, offset)
                if entry:
                    entry.set = set_ or tree.set_of(entry.audio)
                    reading.entries.append(entry)
                else:
                    lost.append(str(supervision.get("id")))
    reading.report("supervisions without a recording that is a file here", lost)
    reading.how = " ".join(tree.relative(path) for path in sources[:4])
    return reading


def _entry(tree: Tree, path: Path, supervision: Row, recording: Row, offset: float) -> Entry | None:
    """Return a supervision as an entry; times of those in a cut are relative to it."""
    files = [source["source"] for source in recording.get("sources", []) if source.get("type") == "file"]
    audio = tree.find(files[0], path.parent) if len(files) == 1 else None
    if audio is None:
        return None
    try:
        start = offset + float(supervision["start"])
        end = start + float(supervision["duration"])
        text, speaker = str(supervision.get("text") or ""), str(supervision.get("speaker") or "")
        return Entry(audio, text, str(supervision["id"]), speaker, start=start, end=end)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: supervision {supervision.get('id')}: {error} is missing or wrong; correct it"
        ) from error


def _set_of(path: Path) -> str:
    """Return the set that a name such as `mini_supervisions_train-clean-5.jsonl.gz` means."""
    parts = path.name.split(".")[0].split("_")
    return next((found for part in (path.parent.name, *reversed(parts)) if (found := set_named(part))), "")


def _kind(row: Row) -> str:
    if "recording" in row and "supervisions" in row or row.get("type") == "MonoCut":
        return "cut"
    if "recording_id" in row and "duration" in row:
        return "supervision"
    return "recording" if "sources" in row and "sampling_rate" in row else ""


def _first(path: Path) -> Row:
    try:
        return next(_rows(path), {})
    except InputError:
        return {}


def _rows(path: Path) -> Iterator[Row]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            for line in texts.encoded_lines(file):
                row = texts.parsed(line)
                if not isinstance(row, dict):
                    raise ValueError("a line is not an object")
                yield row
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as JSON lines ({error}); write it again") from error
