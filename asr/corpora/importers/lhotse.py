"""Lhotse's manifests, .jsonl or .jsonl.gz: recordings with supervisions, or cuts."""

import gzip
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.tree import Tree, set_named
from asr.errors import InputError
from asr.support import text as texts

TITLE = "manifests of lhotse's"
Row = dict[str, Any]
T = TypeVar("T")


def sources(tree: Tree) -> list[Path]:
    """Return the manifests of recordings, supervisions and cuts."""
    return [path for path in tree.ending(".jsonl", ".jsonl.gz") if _kind(_first(path))]


def read(tree: Tree, sources: list[Path], pattern: str | None) -> Reading:
    """Return one entry for each supervision.

    Raises:
        InputError: A file cannot be read, or a value in it is missing or of another type.
    """
    reading = Reading()
    rows = {path: list(_rows(path)) for path in sources}
    kinds = {path: _kind(found[0]) for path, found in rows.items() if found}
    recordings = dict(
        _checked(path, row, partial(_recording, tree, path.parent))
        for path in sources
        if kinds.get(path) == "recording"
        for row in rows[path]
    )
    lost: list[str] = []
    for path, found in rows.items():
        if kinds.get(path) == "recording":
            continue
        set_, whole = _set_of(path), kinds.get(path) == "cut"
        for row in found:
            parts = _checked(path, row, partial(_supervisions, tree, path.parent, recordings, whole))
            lost += [id for id, entry in parts if entry is None]
            for entry in (entry for _, entry in parts if entry):
                entry.set = set_ or tree.set_of(entry.audio)
                reading.entries.append(entry)
    reading.report("supervisions without a recording that is a file here", lost)
    reading.how = " ".join(tree.relative(path) for path in sources[:4])
    return reading


def _supervisions(
    tree: Tree, folder: Path, recordings: Mapping[str, Path | None], cut: bool, row: Row
) -> list[tuple[str, Entry | None]]:
    """Return the id of each supervision of a row and its entry; None without a recording that is a file here.

    Times of the supervisions in a cut are relative to it.
    """
    offset = _number(row, "start") if cut else 0.0
    own = _audio(tree, folder, _value(row, "recording", dict, {}))
    found: list[tuple[str, Entry | None]] = []
    for supervision in _value(row, "supervisions", list, []) if cut else [row]:
        id = _id(supervision)
        audio = recordings.get(str(_value(supervision, "recording_id", str | int, ""))) or own
        start = offset + _number(supervision, "start")
        text, speaker = (str(_value(supervision, key, str | int | float, "")) for key in ("text", "speaker"))
        end = start + _number(supervision, "duration")
        found.append((id, Entry(audio, text, id, speaker, start=start, end=end) if audio else None))
    return found


def _recording(tree: Tree, folder: Path, row: Row) -> tuple[str, Path | None]:
    """Return a recording's id and its file."""
    return _id(row), _audio(tree, folder, row)


def _audio(tree: Tree, folder: Path, recording: Row) -> Path | None:
    """Return the only file of a recording, if it has one and it is here."""
    sources = _value(recording, "sources", list, [])
    files = [_value(source, "source", str) for source in sources if _value(source, "type", str) == "file"]
    return tree.find(files[0], folder) if len(files) == 1 else None


def _checked(path: Path, row: Row, read: Callable[[Row], T]) -> T:
    """Return what a function reads of a row; its ValueError becomes an error of the file."""
    try:
        return read(row)
    except ValueError as error:
        raise InputError(f"{path}: {str(row.get('id'))[:40]!r}: {error}; correct it") from error


def _id(row: Row) -> str:
    return str(_value(row, "id", str | int))


def _number(row: Row, key: str) -> float:
    """Return a number of seconds."""
    try:
        number = float(_value(row, key, str | int | float))
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"'{key}' is {str(row.get(key))[:40]!r}, not a number of seconds")
    return number


def _value(row: Row, key: str, kind: Any, default: object = None) -> Any:  # noqa: ANN401 (whatever JSON says)
    """Return a value of an object of JSON, of one of some types; the default, if there is one, where it is missing.

    Raises:
        ValueError: It is of another type, or missing without a default.
    """
    if not isinstance(row, dict):
        raise ValueError(f"{str(row)[:40]!r} is not an object")
    value = default if row.get(key) is None else row[key]
    if value is None:
        raise ValueError(f"'{key}' is missing")
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"'{key}' is {str(value)[:40]!r}, which has the wrong type")
    return value


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
