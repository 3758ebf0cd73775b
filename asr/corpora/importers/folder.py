"""From a folder of recordings to the sets of a corpus and the recipe that fits it."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from asr.corpora import importers
from asr.corpora.importers import probe, vocabulary
from asr.corpora.importers.entry import Problem, Reading
from asr.corpora.importers.partition import Sets, partition
from asr.corpora.importers.tree import Tree
from asr.corpora.importers.vocabulary import Vocabulary
from asr.corpora.protocol import listed, settle
from asr.errors import InputError
from asr.manifest import Segment, Utterance

MAX_RATE = 16_000  # Hz: speech has little above 8 kHz, and it is the recipes' default

Found = list[tuple[Utterance, str]]
Pronunciations = Mapping[str, list[tuple[str, ...]]]


@dataclass(frozen=True)
class Wishes:
    """What the user wants otherwise than it would be chosen.

    Attributes:
        format: A key of `IMPORTERS`.
        pattern: Of file names.
        dev: A share, speakers, a list of them, a manifest or a folder.
        test: Likewise.
        units: `phones`, `words` or `characters`.
        lexicon: Pronunciations, for phones where none are transcribed.
        partial: Go on where more is wrong than is left out unasked.
    """

    format: str | None = None
    pattern: str | None = None
    dev: str | None = None
    test: str | None = None
    units: str | None = None
    lexicon: Pronunciations = field(default_factory=dict)
    partial: bool = False


@dataclass(frozen=True)
class Imported:
    """A folder as a corpus.

    Attributes:
        format: A key of `IMPORTERS`.
        sets: Train, dev and test.
        vocabulary: Its units.
        rate: Hz, of most recordings, at most the default.
        notes: What was found and how it was read.
        warnings: What was left out, and what numbers will not mean.
    """

    format: str
    sets: Sets
    vocabulary: Vocabulary
    rate: int
    notes: list[str]
    warnings: list[str]


def look(root: Path, wishes: Wishes) -> Imported:
    """Return a folder as a corpus.

    Raises:
        AsrError: A wish cannot be fulfilled.
        InputError: The folder is in no known format, or too much in it is wrong.
    """
    tree = Tree(root)
    format, reading, others = importers.read(tree, wishes.format, wishes.pattern)
    notes = [f"{len(tree.audio)} recordings, read as {importers.IMPORTERS[format].title} ('{format}'): {reading.how}"]
    for other in others:
        notes.append(f"could also be read as {importers.IMPORTERS[other].title}; --format {other} does so")
    known = probe.headers(entry.audio for entry in reading.entries)
    found = probe.utterances(tree, reading, known)
    if wishes.lexicon:
        found = _pronounced(found, wishes.lexicon, reading)
    settle(root, [_said(p) for p in reading.problems if not p.safe], wishes.partial)
    warnings = [_said(p) for p in reading.problems if p.safe]
    if not found:
        raise InputError(f"{root}: no recording with a transcript is left; {'; '.join(warnings) or 'see the format'}")
    parts = partition(found, {"dev": wishes.dev, "test": wishes.test}, tree)
    words = vocabulary.choose(parts.sets, wishes.units or ("phones" if wishes.lexicon else None))
    notes += [_speakers(found), f"sets: {parts.how}", f"units: {words.how}"]
    rates = Counter(known[utterance.audio].rate for utterance, _ in found)
    rate = min(rates.most_common(1)[0][0], MAX_RATE)
    shown = ", ".join(f"{hertz} Hz {count}" for hertz, count in rates.most_common())
    notes.append(f"rate: {rate} Hz, filters up to {rate // 2} Hz (recordings: {shown})")
    return Imported(format, parts.sets, words, rate, notes, [*warnings, *parts.warnings, *words.warnings])


def recipe(name: str, root: Path, imported: Imported) -> str:
    """Return the recipe's text: what follows from the recordings, and nothing else."""
    units = imported.vocabulary.settings
    lines = [
        f"# The recordings in {root}, as `asr prepare` read them ('{imported.format}').",
        "#",
        f"#   make train DATA={root}",
        "#",
        "# What is here follows from the recordings; all else is the default. Edit it as you like: it is kept then.",
        "",
        "[corpus]",
        f"name = {_toml(name)}",
        "",
        "[units]",
        *(f"{key} = {_toml(value)}" for key, value in units.items()),
    ]
    if imported.rate != MAX_RATE:
        lines += ["", "[features]", f"rate = {imported.rate} # Hz, of the recordings: more would leave filters empty"]
    return "\n".join(lines) + "\n"


def named(root: Path) -> str:
    """Return a corpus's name for a folder."""
    return re.sub(r"[^\w.]+", "-", root.resolve().name).strip("-.") or "recordings"


def _toml(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # a TOML string is nearly a JSON one


def _said(problem: Problem) -> str:
    count = len(problem.names)
    return f"{count} {problem.what} ({listed(list(problem.names), ', ', 4)}): {problem.remedy}"


def _speakers(found: Found) -> str:
    counts = Counter(utterance.speaker for utterance, _ in found)
    if set(counts) == {""}:
        return "speakers: not known"
    unknown = f", of {counts.pop('')} recordings not known" if "" in counts else ""
    return f"speakers: {len(counts)} ({listed(sorted(counts), ' ')}){unknown}"


def _pronounced(found: Found, lexicon: Pronunciations, reading: Reading) -> Found:
    """Return utterances with phones from a dictionary, each word's first pronunciation, without times."""
    kept, unknown = [], Counter[str]()
    for utterance, set_ in found:
        words = [word for word in map(vocabulary.plain, utterance.text.split()) if word]
        missing = [word for word in words if word not in lexicon]
        unknown.update(missing)
        if not missing:
            phones = tuple(Segment(phone, 0.0, 0.0) for word in words for phone in lexicon[word][0])
            kept.append((replace(utterance, phones=phones), set_))
    words_missing = [f"{word} {count}" for word, count in unknown.most_common()]
    reading.report("words that the lexicon has not, with the recordings that say them", words_missing, safe=False)
    return kept
