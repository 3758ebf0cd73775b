"""From a folder of recordings to the sets of a corpus and the recipe that fits it."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from asr.corpora import importers
from asr.corpora.importers import probe, vocabulary
from asr.corpora.importers.entry import Problem, Reading
from asr.corpora.importers.imported import RATE, Imported, normalized_by
from asr.corpora.importers.partition import partition
from asr.corpora.importers.synthesis import Synthesis
from asr.corpora.importers.tree import Tree
from asr.corpora.protocol import settle
from asr.errors import AsrError, InputError, first_few
from asr.manifest import Segment, Utterance

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
        synthesis: Recordings to add to the training set.
    """

    format: str | None = None
    pattern: str | None = None
    dev: str | None = None
    test: str | None = None
    units: str | None = None
    lexicon: Pronunciations = field(default_factory=dict)
    partial: bool = False
    synthesis: Synthesis | None = None


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


def _require(root: Path, sets: Mapping[str, Sequence[Utterance]], wishes: Wishes) -> None:
    """Check that every set has recordings, and some of them phones where the user wants phones."""
    if empty := [name for name, utterances in sets.items() if not utterances]:
        count = sum(map(len, sets.values()))
        raise InputError(f"{root}: {count} recordings leave {empty[0]} empty; add some, or change --dev and --test")
    if wishes.units == "phones" and not any(one.phones for utterances in sets.values() for one in utterances):
        raise InputError(
            f"{root}: --units phones: no recording has a transcript in phones; pass --lexicon FILE, or another --units"
        )


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
    rate = min(gathered.rates.most_common(1)[0][0], RATE)
    sets = parts.sets
    more: list[str] = []
    careful: list[str] = []
    if wishes.synthesis and (wishes.lexicon or wishes.units == "phones"):
        raise AsrError(f"{gathered.tree.root}: synthetic recordings have other phones; use --units words or characters")
    _require(gathered.tree.root, sets, wishes)
    if wishes.synthesis:
        added, how, careful = wishes.synthesis.of(sets["train"], rate)
        sets, more = sets | {"train": [*sets["train"], *added]}, [how]
    words = vocabulary.choose(sets, wishes.units or ("phones" if wishes.lexicon else None))
    root = gathered.tree.root
    shown = ", ".join(f"{hertz} Hz {count}" for hertz, count in gathered.rates.most_common())
    notes = [
        *gathered.notes,
        f"sets: {parts.how}",
        *more,
        f"units: {words.how}",
        f"normalization: by {normalized_by(sets)}",
        f"rate: {rate} Hz, filters up to {rate // 2} Hz (recordings: {shown})",
    ]
    warnings = [*gathered.warnings, *parts.warnings, *careful, *words.warnings]
    option = f" SYNTHESIZE={wishes.synthesis.language}" if wishes.synthesis else ""
    origin = f"The recordings in {root}, as `asr prepare` read them ('{gathered.format}')"
    return Imported(gathered.format, origin, f"DATA={root}{option}", sets, words, rate, notes, warnings)


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
