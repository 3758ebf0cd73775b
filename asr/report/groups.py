"""Error rates by phone class, length, dialect region, sex and speaker, each with its confidence interval."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from asr import phones
from asr.report.confusions import CLASS
from asr.report.evaluated import EvaluatedRun
from asr.scoring import alignment
from asr.scoring.alignment import Alignment, ErrorCount
from asr.support import seeds

Key = TypeVar("Key", int, str)

_DIALECT = re.compile(r"(?:^|[/_-])dr([1-8])(?=[/_-])", re.IGNORECASE)
_SPEAKER = re.compile(r"[fm][a-z]{3}[0-9]")  # TIMIT's: sex, three initials, a digit
_REGIONS = "New England,Northern,North Midland,South Midland,Southern,New York City,Western,Army Brat".split(",")
_SEXES = {"f": "women", "m": "men"}


@dataclass(frozen=True)
class GroupScore:
    """The errors in a part of a set.

    Attributes:
        name: The group's name.
        count: Its errors.
        interval: The 95 % confidence interval of its error rate. It resamples speakers, or utterances if there is one
            speaker or an unknown one, and then does not generalize to other speakers. None if it is undefined.
        utterances: Number of utterances.
        speakers: Number of speakers; None if one is unknown.
    """

    name: str
    count: ErrorCount
    interval: tuple[float, float] | None
    utterances: int
    speakers: int | None


@dataclass(frozen=True)
class Breakdown:
    """A set divided into groups.

    Attributes:
        title: The criterion.
        groups: The groups in display order.
        note: A caveat for the reader.
    """

    title: str
    groups: list[GroupScore]
    note: str = ""

    @property
    def scale(self) -> float:
        """The error rate at a bar's full width: the highest upper limit, or twice the highest rate if that is lower."""
        rates = max(group.count.rate for group in self.groups)
        ends = max(group.interval[1] if group.interval else 0.0 for group in self.groups)
        return max(rates, min(ends, 2 * rates), 1e-9)


def breakdowns(evaluation: EvaluatedRun, audio: Mapping[str, str]) -> list[Breakdown]:
    """Return all breakdowns that the set allows.

    Args:
        evaluation: The run and its result.
        audio: Paths of recordings by utterance id; may be empty.
    """
    candidates = [_by_class(evaluation), _by_length(evaluation), _by_dialect(evaluation, audio), _by_sex(evaluation)]
    candidates.append(_by_speaker(evaluation))
    return [breakdown for breakdown in candidates if breakdown and len(breakdown.groups) > 1]


def _by_class(evaluation: EvaluatedRun) -> Breakdown | None:
    if evaluation.symbols != "phones":
        return None

    def of(name: str) -> dict[str, Alignment]:
        """Return the alignments within one class: a pair is in its reference's class, an insertion in its own."""
        return {
            id: Alignment(tuple((r, h) for r, h in aligned.pairs if CLASS.get(r or h or "") == name))
            for id, aligned in evaluation.alignments.items()
        }

    groups = [_group(evaluation, name, of(name)) for name in phones.CLASSES]
    note = "Substitutions and deletions count for the class of the reference phone, insertions for their own."
    return Breakdown("phone class", [group for group in groups if group.count.total], note)


def _by_length(evaluation: EvaluatedRun) -> Breakdown | None:
    """Divide a set into quarters by the length of the reference."""
    lengths = {id: aligned.count.total for id, aligned in evaluation.alignments.items()}
    edges = sorted({int(edge) for edge in np.quantile(list(lengths.values()), [0.25, 0.5, 0.75])})

    def key(id: str) -> int:
        return sum(lengths[id] > edge for edge in edges)

    def name(quarter: int) -> str:
        if quarter == len(edges):
            return f"more than {edges[-1]} {evaluation.symbols}"
        return f"{edges[quarter - 1] + 1} to {edges[quarter]}" if quarter else f"up to {edges[0]} {evaluation.symbols}"

    return Breakdown("length", _grouped(evaluation, key, name))


def _by_dialect(evaluation: EvaluatedRun, audio: Mapping[str, str]) -> Breakdown | None:
    found = {id: _DIALECT.search(id) or _DIALECT.search(audio.get(id, "")) for id in evaluation.rows}
    regions = {id: int(match[1]) for id, match in found.items() if match}
    if len(regions) < len(found):
        return None
    people = evaluation.recipe is not None and evaluation.recipe.corpus.name.startswith("timit")

    def name(region: int) -> str:
        return f"DR{region} {_REGIONS[region - 1]}" if people else f"DR{region}"

    return Breakdown("dialect region", _grouped(evaluation, regions.__getitem__, name))


def _by_sex(evaluation: EvaluatedRun) -> Breakdown | None:
    if not _timit_speakers(evaluation):
        return None
    return Breakdown("sex", _grouped(evaluation, lambda id: evaluation.speakers[id][0], _SEXES.__getitem__))


def _by_speaker(evaluation: EvaluatedRun) -> Breakdown | None:
    if not any(row["speaker"] for row in evaluation.rows.values()):
        return None
    note = "Each interval resamples this speaker's utterances and does not generalize to other speakers."
    return Breakdown("speaker", _grouped(evaluation, evaluation.speakers.__getitem__, str), note)


def _timit_speakers(evaluation: EvaluatedRun) -> bool:
    return all(_SPEAKER.fullmatch(speaker) for speaker in evaluation.speakers.values())


def _grouped(evaluation: EvaluatedRun, key: Callable[[str], Key], name: Callable[[Key], str]) -> list[GroupScore]:
    """Return the groups of utterances with equal keys, sorted by key."""
    members: dict[Key, dict[str, Alignment]] = {}
    for id, aligned in evaluation.alignments.items():
        members.setdefault(key(id), {})[id] = aligned
    return [_group(evaluation, name(value), members[value]) for value in sorted(members)]


def _group(evaluation: EvaluatedRun, name: str, alignments: dict[str, Alignment]) -> GroupScore:
    speakers = {id: evaluation.rows[id]["speaker"] for id in alignments}
    many = len(set(speakers.values())) if alignment.known(alignments, speakers) else None
    resampled = speakers if many != 1 else {id: id for id in alignments}
    generator = seeds.generator(int(evaluation.result.get("seed", 0)), "report")
    interval = alignment.interval(alignments, resampled, generator)
    return GroupScore(name, alignment.total(alignments), interval, len(alignments), many)
