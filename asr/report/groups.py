"""The error rate by group: by phone class, length, dialect region, sex and speaker, each with its interval."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from asr import phones
from asr.report.confusions import CLASS
from asr.report.evaluated import Results
from asr.scoring import alignment
from asr.scoring.alignment import Alignment, ErrorCount
from asr.support import seeds

Key = TypeVar("Key", int, str)

_DIALECT = re.compile(r"(?:^|[/_-])dr([1-8])(?=[/_-])", re.IGNORECASE)
_SPEAKER = re.compile(r"[fm][a-z]{3}[0-9]")  # TIMIT's: sex, three initials, a digit
_REGIONS = "New England,Northern,North Midland,South Midland,Southern,New York City,Western,Army Brat".split(",")
_SEXES = {"f": "women", "m": "men"}


@dataclass(frozen=True)
class Group:
    """Some of a set.

    Attributes:
        name: Of the group.
        count: Its errors.
        interval: Of its error rate, 95 %, by speaker; of one speaker, and where one is unknown, by utterance, and then
            it says nothing of other people. None where it cannot be known.
        utterances: How many it holds.
        speakers: How many speak in it; None where one is unknown.
    """

    name: str
    count: ErrorCount
    interval: tuple[float, float] | None
    utterances: int
    speakers: int | None


@dataclass(frozen=True)
class Breakdown:
    """A set divided.

    Attributes:
        title: By what.
        groups: In the order in which they are shown.
        note: What one should know.
    """

    title: str
    groups: list[Group]
    note: str = ""

    @property
    def scale(self) -> float:
        """The error rate that fills a bar: the highest, and its interval unless that is far wider than all rates."""
        rates = max(group.count.rate for group in self.groups)
        ends = max(group.interval[1] if group.interval else 0.0 for group in self.groups)
        return max(rates, min(ends, 2 * rates), 1e-9)


def breakdowns(results: Results, audio: Mapping[str, str]) -> list[Breakdown]:
    """Return all divisions that the set allows.

    Args:
        results: Of the set.
        audio: Where each utterance's recording lies, by id; may be empty.
    """
    found = [_by_class(results), _by_length(results), _by_dialect(results, audio), _by_sex(results)]
    found.append(_by_speaker(results))
    return [breakdown for breakdown in found if breakdown and len(breakdown.groups) > 1]


def _by_class(results: Results) -> Breakdown | None:
    if results.symbols != "phones":
        return None

    def of(name: str) -> dict[str, Alignment]:
        """Return the alignments of one class: a pair belongs to what was said, an insertion to what was heard."""
        return {
            id: Alignment(tuple((r, h) for r, h in aligned.pairs if CLASS.get(r or h or "") == name))
            for id, aligned in results.alignments.items()
        }

    groups = [_group(results, name, of(name)) for name in phones.CLASSES]
    note = "Substitutions and deletions count where the phone belongs that was said, insertions where the inserted one."
    return Breakdown("phone class", [group for group in groups if group.count.total], note)


def _by_length(results: Results) -> Breakdown | None:
    """Divide a set into quarters by the length of the reference."""
    lengths = {id: aligned.count.total for id, aligned in results.alignments.items()}
    edges = sorted({int(edge) for edge in np.quantile(list(lengths.values()), [0.25, 0.5, 0.75])})

    def key(id: str) -> int:
        return sum(lengths[id] > edge for edge in edges)

    def name(place: int) -> str:
        if place == len(edges):
            return f"more than {edges[-1]} {results.symbols}"
        return f"{edges[place - 1] + 1} to {edges[place]}" if place else f"up to {edges[0]} {results.symbols}"

    return Breakdown("length", _grouped(results, key, name))


def _by_dialect(results: Results, audio: Mapping[str, str]) -> Breakdown | None:
    found = {id: _DIALECT.search(id) or _DIALECT.search(audio.get(id, "")) for id in results.rows}
    regions = {id: int(match[1]) for id, match in found.items() if match}
    if len(regions) < len(found):
        return None
    people = results.recipe is not None and results.recipe.corpus.name.startswith("timit")

    def name(region: int) -> str:
        return f"DR{region} {_REGIONS[region - 1]}" if people else f"DR{region}"

    return Breakdown("dialect region", _grouped(results, regions.__getitem__, name))


def _by_sex(results: Results) -> Breakdown | None:
    if not _timit_speakers(results):
        return None
    return Breakdown("sex", _grouped(results, lambda id: results.speakers[id][0], _SEXES.__getitem__))


def _by_speaker(results: Results) -> Breakdown | None:
    if not any(row["speaker"] for row in results.rows.values()):
        return None
    note = "Each interval resamples this speaker's utterances: it says nothing of other people."
    return Breakdown("speaker", _grouped(results, results.speakers.__getitem__, str), note)


def _timit_speakers(results: Results) -> bool:
    return all(_SPEAKER.fullmatch(speaker) for speaker in results.speakers.values())


def _grouped(results: Results, key: Callable[[str], Key], name: Callable[[Key], str]) -> list[Group]:
    """Return the groups of the utterances whose key is the same, sorted by it."""
    members: dict[Key, dict[str, Alignment]] = {}
    for id, aligned in results.alignments.items():
        members.setdefault(key(id), {})[id] = aligned
    return [_group(results, name(value), members[value]) for value in sorted(members)]


def _group(results: Results, name: str, alignments: dict[str, Alignment]) -> Group:
    speakers = {id: results.rows[id]["speaker"] for id in alignments}
    many = len(set(speakers.values())) if alignment.known(alignments, speakers) else None
    resampled = speakers if many != 1 else {id: id for id in alignments}
    generator = seeds.generator(int(results.result.get("seed", 0)), "report")
    interval = alignment.interval(alignments, resampled, generator)
    return Group(name, alignment.total(alignments), interval, len(alignments), many)
