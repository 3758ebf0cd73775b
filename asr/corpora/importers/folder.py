"""From a folder of recordings to the sets of a corpus and the recipe that fits it."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from asr.corpora import importers
from asr.corpora.importers import probe, vocabulary
from asr.corpora.importers.entry import Problem, Reading
from asr.corpora.importers.partition import Sets, partition
from asr.corpora.importers.tree import Tree
from asr.corpora.importers.vocabulary import Vocabulary
from asr.corpora.protocol import settle
from asr.errors import InputError, first_few
from asr.manifest import Segment, Utterance

RATE = 16_000  # Hz: at most, and the default of features
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
        partial: Proceed even if more is wrong than is skipped by default.
    """

    format: str | None = None
    pattern: str | None = None
    dev: str | None = None
    test: str | None = None
    units: str | None = None
    lexicon: Pronunciations = field(default_factory=dict)
    partial: bool = False


@dataclass(frozen=True)
class Gathered:
    """The utterances in a folder, before they are divided into sets.

    Attributes:
        format: A key of `IMPORTERS`.
        tree: The folder.
        found: The utterances, each with its set if the format says.
        rates: How many have each rate, in Hz.
        notes: What was found and how it was read.
        warnings: What was skipped.
    """

    format: str
    tree: Tree
    found: Found
    rates: Counter[int]
    notes: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class Imported:
    """A folder as a corpus.

    Attributes:
        format: A key of `IMPORTERS`.
        sets: Train, dev and test.
        vocabulary: Its units.
        rate: Hz, of most recordings, at most the default.
        notes: What was found and how it was read.
        warnings: What was skipped, and what the numbers will not show.
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
    return divide(gather(root, wishes), wishes)


def gather(root: Path, wishes: Wishes) -> Gathered:
    """Return the utterances in a folder; arguments and errors are those of `look`."""
    tree = Tree(root)
    format, reading, others = importers.read(tree, wishes.format, wishes.pattern)
    title, count = importers.IMPORTERS[format].title, len(tree.audio)
    notes = [f"{count} recording{'' if count == 1 else 's'}, read as {title} ('{format}'): {reading.how}"]
    for other in others:
        notes.append(f"could also be read as {importers.IMPORTERS[other].title}; --format {other} does so")
    known = probe.headers(entry.audio for entry in reading.entries)
    found = probe.utterances(tree, reading, known)
    if wishes.lexicon:
        found = _pronounced(found, wishes.lexicon, reading)
    settle(root, [_said(p) for p in reading.problems if not p.safe], wishes.partial)
    warnings = [_said(p) for p in reading.problems if p.safe]
    if not found:
        raise InputError(f"{root}: no recording with a usable transcript; {'; '.join(warnings) or 'see the format'}")
    notes.append(_speakers(found))
    return Gathered(format, tree, found, Counter(known[u.audio].rate for u, _ in found), notes, warnings)


def divide(gathered: Gathered, wishes: Wishes, without: Set[str] = frozenset()) -> Imported:
    """Return a folder's utterances as a corpus.

    Args:
        gathered: The utterances.
        wishes: Of the user.
        without: Ids of utterances that are skipped.

    Raises:
        AsrError: A wish cannot be fulfilled.
    """
    found = [(utterance, set_) for utterance, set_ in gathered.found if utterance.id not in without]
    parts = partition(found, {"dev": wishes.dev, "test": wishes.test}, gathered.tree)
    words = vocabulary.choose(parts.sets, wishes.units or ("phones" if wishes.lexicon else None))
    rate = min(gathered.rates.most_common(1)[0][0], RATE)
    shown = ", ".join(f"{hertz} Hz {count}" for hertz, count in gathered.rates.most_common())
    notes = [
        *gathered.notes,
        f"sets: {parts.how}",
        f"units: {words.how}",
        f"rate: {rate} Hz, filters up to {rate // 2} Hz (recordings: {shown})",
    ]
    warnings = [*gathered.warnings, *parts.warnings, *words.warnings]
    return Imported(gathered.format, parts.sets, words, rate, notes, warnings)


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
    lines += ["", "[features]", "deltas = 2 # the change of a spectrum differs less between speakers than the spectrum"]
    lines += ["prior = 100 # frames: a short recording is normalized much as all of training is"]
    if imported.rate != RATE:
        lines += [f"rate = {imported.rate} # Hz, of the recordings: more would leave filters empty"]
    lines += ["", "[augment]", "auto = true # how much recordings are changed follows from how many there are"]
    lines += ["", "[frontend]", 'kind = "auto" # how many frames are seen as one follows from how long a unit lasts']
    return "\n".join(lines) + "\n"


def named(root: Path) -> str:
    """Return a corpus's name for a folder."""
    return re.sub(r"[^\w.]+", "-", root.resolve().name).strip("-.") or "recordings"


def _toml(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # a TOML string is nearly a JSON one


def _said(problem: Problem) -> str:
    return f"{problem.what}: {len(problem.names)} ({first_few(list(problem.names), 4)}); {problem.remedy}"


def _speakers(found: Found) -> str:
    counts = Counter(utterance.speaker for utterance, _ in found)
    if set(counts) == {""}:
        return "speakers: not known"
    unknown = f", of {counts.pop('')} recordings not known" if "" in counts else ""
    return f"speakers: {len(counts)} ({first_few(sorted(counts), separator=' ')}){unknown}"


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
    reading.report("words missing from the lexicon, with their recordings", words_missing, safe=False)
    return kept
