"""A table of recordings and transcripts: CSV, TSV or `|`, with a header or as LJSpeech has it.

Among the headers that are known are those of Hugging Face's audiofolder, Common Voice, SpeechBrain and DeepSpeech.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from asr.corpora.importers import columns
from asr.corpora.importers.entry import Reading
from asr.corpora.importers.tree import Tree, set_named
from asr.errors import InputError
from asr.support import text as texts

TITLE = "a table with a column for the recording and one for the text"
SUFFIXES = (".csv", ".tsv", ".psv")
DELIMITERS = "\t|;,"
HEADERLESS = ("file_name", "raw_text", "normalized_text")  # LJSpeech: the third column has numbers spelled out


def sources(tree: Tree) -> list[Path]:
    """Return the tables; where some are named for a set and others are not, those that are."""
    found = [path for path in tree.ending(*SUFFIXES) if _columns(tree, path)]
    named = [path for path in found if set_named(path.stem) or tree.set_of(path)]
    if named and any(set_named(path.stem) == "train" for path in named):
        return named
    validated = [path for path in found if path.stem == "validated"]  # Common Voice before it was split
    return validated or found


def read(tree: Tree, sources: list[Path], pattern: str | None) -> Reading:
    """Return the tables' rows as entries."""
    reading = Reading()
    said = []
    for source in sources:
        delimiter, names = _columns(tree, source) or ("", [])
        known = columns.recognized(names)
        headed = names != list(HEADERLESS[: len(names)])
        rows = _rows(source, delimiter)
        if headed:
            next(rows)
        columns.add(reading, tree, source, ((n, dict(zip(names, row, strict=False))) for n, row in rows if any(row)))
        how = ", ".join(f"{attribute} = {column}" for attribute, column in known.items())
        said.append(f"{tree.relative(source)} ({how if headed else f'no header, text = column {len(names)}'})")
    reading.how = "; ".join(said[:4]) + (f" and {len(said) - 4} more" if len(said) > 4 else "")
    return reading


def _columns(tree: Tree, path: Path) -> tuple[str, list[str]] | None:
    """Return a table's delimiter and its columns' names; None where it is not a table of recordings."""
    try:
        with open(path, "rb") as file:
            head = texts.split(texts.decode(_whole_lines(file.read(1 << 16))))
    except (OSError, UnicodeDecodeError):
        head = []
    if not head:
        return None
    for delimiter in DELIMITERS:
        names = [name.strip().strip('"') for name in head[0].split(delimiter)]
        if len(names) > 1 and columns.recognized(names):
            return delimiter, names
        if 2 <= len(names) <= 3 and tree.find(names[0], path.parent):
            return delimiter, list(HEADERLESS[: len(names)])
    return None


def _whole_lines(data: bytes) -> bytes:
    """Return the bytes to the last line's end, so that no character is cut in two."""
    return data[: data.rfind(b"\n") + 1] if len(data) == 1 << 16 and b"\n" in data else data


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with its line's number; only commas and semicolons are quoted (Common Voice's quotes are text)."""
    content = io.StringIO(texts.read(path, "a table", "save it as UTF-8"), newline="")
    quoted = delimiter in ",;"
    reader = csv.reader(content, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    try:
        for row in reader:
            if any("\n" in cell for cell in row):
                raise InputError(f"{path}:{reader.line_num}: unclosed quote on or before this line; close it")
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not a row of a table ({error}); correct it") from error
