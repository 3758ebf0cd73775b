"""What a corpus must come to: the counts that make two results comparable, and a sentence for each that is off."""

import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from asr.errors import InputError
from asr.manifest import Utterance
from asr.phones import PHONES_61, fold

NAMED = 8  # so many names in one sentence
SENTENCES = 20  # so many sentences in one message


@dataclass(frozen=True, slots=True)
class Expected:
    """What one set must hold; every speaker holds the same number of utterances.

    Attributes:
        utterances: How many.
        speakers: How many.
        tokens: Phones after folding to 39, `q` deleted, nothing merged. None where nobody has published them.
        names: The speakers, to say who is missing or too many.
    """

    utterances: int
    speakers: int
    tokens: int | None = None
    names: frozenset[str] = frozenset()


Protocol = Mapping[str, Expected]
Sets = dict[str, list[Utterance]]


def tokens(utterances: list[Utterance]) -> int:
    """Return how many phones a scorer counts, folded to 39 where they are TIMIT's; words where there are no phones."""
    symbols = [phone.symbol for utterance in utterances for phone in utterance.phones]
    if not symbols:
        return sum(len(utterance.text.split()) for utterance in utterances)
    return len(fold(symbols, 39)) if set(symbols) <= set(PHONES_61) else len(symbols)


def deviations(sets: Sets, protocol: Protocol, unreadable: Counter[str] | None = None) -> list[str]:
    """Return one sentence for everything in which the sets differ from their protocol.

    Args:
        sets: The utterances of each set.
        protocol: What each set must hold.
        unreadable: How many utterances of a speaker lie there but could not be read; they are not called missing.
    """
    unreadable = unreadable or Counter()
    found = [sentence for name, expected in protocol.items() for sentence in _counts(name, sets[name], expected)]
    for name, expected in protocol.items():
        found += _speakers(name, sets[name], expected, unreadable)
    return found + shared_speakers(sets)


def shared_speakers(sets: Sets) -> list[str]:
    """Return one sentence for every speaker who speaks in two sets."""
    where: dict[str, list[str]] = defaultdict(list)
    for name, utterances in sets.items():
        for speaker in sorted({utterance.speaker for utterance in utterances} - {""}):
            where[speaker].append(name)
    return [f"speaker {who} is in {' and '.join(names)}" for who, names in sorted(where.items()) if len(names) > 1]


def settle(source: Path, problems: list[str], partial: bool) -> None:
    """Raise what does not hold, or warn about it where the user goes on knowingly.

    Raises:
        InputError: There are problems, and `partial` is not set.
    """
    if problems and not partial:
        raise InputError(
            f"{source}: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}: "
            f"{listed(problems, '; ', SENTENCES)}; put it right, or go on knowingly with --partial (make: PARTIAL=1)"
        )
    for problem in problems:
        print(f"warning: {source}: {problem}", file=sys.stderr)


def listed(names: list[str], separator: str = ", ", most: int = NAMED) -> str:
    """Return the names in one line, the first few of many."""
    more = f"{separator}and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


def _counts(name: str, utterances: list[Utterance], expected: Expected) -> list[str]:
    counts = [
        ("utterances", len(utterances), expected.utterances),
        ("speakers", len({utterance.speaker for utterance in utterances}), expected.speakers),
        ("39-phone tokens", tokens(utterances), expected.tokens),
    ]
    off = [f"{count} {what} (not {wanted})" for what, count, wanted in counts if wanted not in (None, count)]
    return [f"{name}: {', '.join(off)}"] if off else []


def _speakers(name: str, utterances: list[Utterance], expected: Expected, unreadable: Counter[str]) -> list[str]:
    spoken: dict[str, list[str]] = defaultdict(list)
    for utterance in utterances:
        spoken[utterance.speaker].append(utterance.id)
    found = []
    # The list only says who: the counts decide, so that a slip in the list rejects no good copy.
    if expected.names and len(spoken) != expected.speakers:
        if missing := sorted(expected.names - set(spoken) - set(unreadable)):
            found.append(f"{name}: no speaker {listed(missing)}")
        if extra := sorted(set(spoken) - expected.names):
            found.append(f"{name}: unknown speaker {listed(extra)}")
    each = expected.utterances // expected.speakers
    uneven = [
        f"{len(ids)} of {each} of {speaker} ({' '.join(id.rsplit('-', 1)[-1] for id in sorted(ids))})"
        for speaker, ids in sorted(spoken.items())
        if len(ids) + unreadable[speaker] != each
    ]
    return [*found, f"{name}: utterances {listed(uneven)}"] if uneven else found
