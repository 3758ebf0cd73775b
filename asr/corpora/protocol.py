"""Protocols: the counts a corpus must have to make results comparable, and a sentence for each deviation."""

import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.errors import InputError, first_few
from asr.manifest import Utterance
from asr.phones import PHONES_61, fold

MAX_PROBLEMS = 20  # in one message


@dataclass(frozen=True, slots=True)
class Expected:
    """What one set must contain; every speaker has the same number of utterances.

    Attributes:
        utterances: Their number.
        speakers: Their number.
        tokens: Number of phones after folding to 39, `q` deleted, nothing merged; None if none was published.
        names: The speakers' names, to report who is missing or unexpected.
    """

    utterances: int
    speakers: int
    tokens: int | None = None
    names: frozenset[str] = frozenset()


Protocol = Mapping[str, Expected]
Sets = dict[str, list[Utterance]]  # of a corpus that is being prepared


def tokens(utterances: Sequence[Utterance]) -> int:
    """Return the number of phones that are scored: folded to 39 if they are TIMIT's, unchanged otherwise."""
    symbols = [phone.symbol for utterance in utterances for phone in utterance.phones]
    return len(fold(symbols, 39)) if set(symbols) <= set(PHONES_61) else len(symbols)


def deviations(sets: Sets, protocol: Protocol, unreadable: Counter[str] | None = None) -> list[str]:
    """Return one sentence for each deviation of the sets from their protocol.

    Args:
        sets: The utterances of each set.
        protocol: What each set must contain.
        unreadable: Number of unreadable utterances by speaker; these are not reported as missing.
    """
    unreadable = unreadable or Counter()
    problems = [sentence for name, expected in protocol.items() for sentence in _counts(name, sets[name], expected)]
    for name, expected in protocol.items():
        problems += _speakers(name, sets[name], expected, unreadable)
    return problems + shared_speakers(sets)


def shared_speakers(sets: Mapping[str, Sequence[Utterance]]) -> list[str]:
    """Return one sentence for every speaker who is in two sets."""
    where: dict[str, list[str]] = defaultdict(list)
    for name, utterances in sets.items():
        for speaker in sorted({utterance.speaker for utterance in utterances} - {""}):
            where[speaker].append(name)
    return [
        f"speaker {speaker} is in {' and '.join(names)}" for speaker, names in sorted(where.items()) if len(names) > 1
    ]


def settle(source: Path, problems: list[str], partial: bool) -> None:
    """Raise the problems as one error, or, with `partial`, print them as warnings.

    Raises:
        InputError: There are problems, and `partial` is not set.
    """
    if problems and not partial:
        raise InputError(
            f"{source}: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}: "
            f"{first_few(problems, MAX_PROBLEMS, '; ')}; fix them, or accept them with --partial (make: PARTIAL=1)"
        )
    for problem in problems:
        print(f"warning: {source}: {problem}", file=sys.stderr)


def _counts(name: str, utterances: list[Utterance], expected: Expected) -> list[str]:
    counts = [
        ("utterances", len(utterances), expected.utterances),
        ("speakers", len({utterance.speaker for utterance in utterances}), expected.speakers),
        ("39-phone tokens", tokens(utterances), expected.tokens),
    ]
    wrong = [f"{count} {what} (not {wanted})" for what, count, wanted in counts if wanted not in (None, count)]
    return [f"{name}: {', '.join(wrong)}"] if wrong else []


def _speakers(name: str, utterances: list[Utterance], expected: Expected, unreadable: Counter[str]) -> list[str]:
    by_speaker: dict[str, list[str]] = defaultdict(list)
    for utterance in utterances:
        by_speaker[utterance.speaker].append(utterance.id)
    problems = []
    # The counts decide, the list only names: an error in the list must not reject an intact copy.
    if expected.names and len(by_speaker) != expected.speakers:
        if missing := sorted(expected.names - set(by_speaker) - set(unreadable)):
            problems.append(f"{name}: no speaker {first_few(missing)}")
        if extra := sorted(set(by_speaker) - expected.names):
            problems.append(f"{name}: unknown speaker {first_few(extra)}")
    each = expected.utterances // expected.speakers
    uneven = [
        f"{len(ids)} of {each} of {speaker} ({' '.join(id.rsplit('-', 1)[-1] for id in sorted(ids))})"
        for speaker, ids in sorted(by_speaker.items())
        if len(ids) + unreadable[speaker] != each
    ]
    return [*problems, f"{name}: utterances {first_few(uneven)}"] if uneven else problems
