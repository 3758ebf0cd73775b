"""Importers: one file for each format in which people have recordings and transcripts.

An importer says which files of a folder are its own, by looking into them, and returns what they say as entries. All
that follows is the same for every format: unmatched files, durations, speakers, sets, units.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from asr.corpora.importers import (
    classes,
    delimited,
    json_lines,
    kaldi,
    labels,
    lhotse,
    pairs,
    patterns,
    transcript_file,
)
from asr.corpora.importers.entry import Entry, Problem, Reading
from asr.corpora.importers.tree import Tree
from asr.errors import InputError, choose


class Importer(NamedTuple):
    """A format.

    Attributes:
        title: What it is, for people.
        sources: The folder's files of this format; none where the folder is not in it.
        read: Those files as entries; the last argument is the user's pattern of names.
    """

    title: str
    sources: Callable[[Tree], list[Path]]
    read: Callable[[Tree, list[Path], str | None], Reading]


# In the order in which they are tried: what is surest of itself first.
IMPORTERS: dict[str, Importer] = {
    name: Importer(module.TITLE, module.sources, module.read)
    for name, module in {
        "kaldi": kaldi,
        "lhotse": lhotse,
        "jsonl": json_lines,
        "table": delimited,
        "labels": labels,
        "text": transcript_file,
        "pairs": pairs,
        "names": patterns,
        "classes": classes,
    }.items()
}


def read(tree: Tree, format: str | None = None, pattern: str | None = None) -> tuple[str, Reading, list[str]]:
    """Return the name of a folder's format, what it says, and the other formats that it could be.

    Args:
        tree: The folder.
        format: A key of `IMPORTERS`, to force one.
        pattern: Of file names; with `{text}` it is the format, else it tells speakers.

    Raises:
        AsrError: The format is unknown.
        InputError: The folder is in none, or not in the forced one, or a file of it cannot be read.
    """
    if format:
        choose(IMPORTERS, format, "format")
    elif pattern and "{text" in pattern:
        format = "names"
    found = {name: importer.sources(tree) for name, importer in IMPORTERS.items() if format in (None, name)}
    if format in ("names", "classes"):  # these can be read where they would not be recognized
        found[format] = found[format] or tree.audio
    names = [name for name, files in found.items() if files]
    if not names and format:
        raise InputError(f"{tree.root}: contains nothing of the format '{format}' ({IMPORTERS[format].title}); omit it")
    if not names:
        raise InputError(f"{tree.root}: {patterns.unclear([path.stem for path in tree.audio])}")
    reading = IMPORTERS[names[0]].read(tree, found[names[0]], pattern)
    if pattern and "{text" not in pattern:
        _name_speakers(tree, reading, pattern)
    elif names[0] != "classes" and not any(entry.speaker for entry in reading.entries):
        for entry in reading.entries:
            entry.speaker = tree.speaker_of(entry.audio)
        reading.how += ", speakers from folders" if any(entry.speaker for entry in reading.entries) else ""
    _match(tree, reading)
    few = len(reading.entries)  # where more is wrong than right, the folder is not what it seems to be
    reading.problems = [
        replace(p, safe=p.safe and (len(p.names) <= few or "without a" in p.what)) for p in reading.problems
    ]
    others = [name for name in names[1:] if name not in ("names", "classes")]
    return names[0], reading, [name for name in others if set(found[name]) - set(found[names[0]])]


def _name_speakers(tree: Tree, reading: Reading, pattern: str) -> None:
    """Take the speakers from names."""
    if "{speaker}" not in pattern:
        raise InputError(
            f"--pattern {pattern}: has neither {{text}} nor {{speaker}}; for example '{{speaker}}_{{take}}'"
        )
    unfit = []
    for entry in reading.entries:
        if parts := patterns.fit(pattern, tree, entry.audio):
            entry.speaker = parts["speaker"]
        else:
            unfit.append(tree.relative(entry.audio))
    reading.report(f"recordings whose names do not fit {pattern}", unfit, remedy="speaker unknown")


def _match(tree: Tree, reading: Reading) -> None:
    """Skip and report entries with no transcript or several different ones."""
    empty = [_name(tree, entry) for entry in reading.entries if not (entry.text.strip() or entry.phones)]
    said: dict[tuple[Path, float | None, float | None], set[str]] = defaultdict(set)
    for entry in reading.entries:
        said[entry.audio, entry.start, entry.end].add(" ".join(entry.text.split()))
    double = {key for key, texts in said.items() if len(texts) > 1}
    seen = set()
    kept = []
    for entry in reading.entries:
        key = (entry.audio, entry.start, entry.end)
        if (entry.text.strip() or entry.phones) and key not in double and key not in seen:
            kept.append(entry)
        seen.add(key)
    silent = sorted(set(tree.audio) - {entry.audio for entry in reading.entries})
    reading.entries = kept
    lost = sum(len(problem.names) for problem in reading.problems if "without their recording" in problem.what)
    reading.report("empty transcripts", empty)
    reading.report(
        "recordings with two transcripts that differ", [tree.relative(key[0]) for key in sorted(double, key=str)], False
    )
    what, whole = "recordings without a transcript", len(kept) > len(silent)
    reading.report(what, [tree.relative(path) for path in silent], safe=whole or lost == 0 and bool(kept))


def _name(tree: Tree, entry: Entry) -> str:
    return entry.id or tree.relative(entry.audio)


__all__ = ["IMPORTERS", "Entry", "Importer", "Problem", "Reading", "Tree", "read"]
