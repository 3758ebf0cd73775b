"""JSON lines: NeMo's manifests, Hugging Face's metadata.jsonl, and manifests of this project."""

from pathlib import Path
from typing import Any

from asr.corpora.importers import columns
from asr.corpora.importers.entry import Reading
from asr.corpora.importers.tree import Tree
from asr.errors import InputError
from asr.support import text as texts

TITLE = "JSON lines, one utterance each"


def sources(tree: Tree) -> list[Path]:
    """Return the files whose first line names a recording and a text."""
    return [path for path in tree.ending(".jsonl", ".json") if columns.recognized(_first(path))]


def read(tree: Tree, sources: list[Path], pattern: str | None) -> Reading:
    """Return the lines as entries; a path is relative to its file."""
    reading = Reading()
    for source in sources:
        rows = []
        for number, line in enumerate(texts.lines(source, "JSON lines", "save it as UTF-8"), 1):
            if line.strip():
                rows.append((number, _object(line, f"{source}:{number}")))
        columns.add(reading, tree, source, rows)
    known = columns.recognized(_first(sources[0]))
    how = ", ".join(f"{attribute} = {column}" for attribute, column in known.items())
    reading.how = f"{' '.join(tree.relative(path) for path in sources[:4])} ({how})"
    return reading


def _first(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            row = texts.parsed(file.readline(1 << 20))
    except (OSError, ValueError):
        return {}
    return row if isinstance(row, dict) else {}


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = texts.parsed(line)
    except ValueError as error:
        raise InputError(f"{where}: not JSON ({error}); each line is one object") from error
    if not isinstance(row, dict):
        raise InputError(f"{where}: {str(row)[:40]!r} is not an object; each line is one object")
    return row
