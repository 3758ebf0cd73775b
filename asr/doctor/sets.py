"""Checks on transcripts, and on what utterances and sets have in common."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from statistics import median

from asr.config import Features, Frontend
from asr.doctor.finding import Finding, listed
from asr.doctor.recordings import Data, Recording
from asr.doctor.signals import by_set, flagged
from asr.features.framing import frames

LETTERS = 12  # a text with fewer is a name, a number or a command, which all sets may hold
ENOUGH = 10  # utterances of which a median says something
SPREAD = 0.1  # least deviation, in log units per second, so that a machine's even pace makes nothing an outlier
OUTLYING = 5.0  # deviations; 4.0 was the most in the TIMIT sample, 3.6 in the twin
FACTOR = 1.75  # and at least so many times faster or slower than usual; 1.6 was the most
OVERLAP, BEYOND = 0.001, 0.02  # seconds: rounding; two frames


def empty(data: Data) -> Iterator[Finding]:
    """Find utterances without a transcript in the recipe's units."""
    for name, faults in by_set(data.recordings, lambda r: r.transcript.fault or None).items():
        what = next(iter(faults.values()))
        yield Finding("error", name, tuple(faults), what, what, "transcribe these, or leave them out")


def symbols(data: Data) -> Iterator[Finding]:
    """Find transcripts with symbols that are no units."""
    for name, unknown in by_set(data.recordings, lambda r: r.transcript.unknown or None).items():
        counts = Counter(symbol for found in unknown.values() for symbol in found)
        first = listed([symbol for symbol, _ in counts.most_common()])
        remedy = "put letters into [units] alphabet or drop, or normalise the text; phones must be TIMIT's 61"
        yield Finding("error", name, tuple(unknown), first, f"symbols that are no units: {first}", remedy)


def unfit(data: Data) -> Iterator[Finding]:
    """Find transcripts that need more frames than there are, for which CTC's loss is infinite."""
    from asr import ctc

    settings = data.recipe.features if data.recipe else Features()
    frontend = data.recipe.frontend if data.recipe else Frontend()
    stride = 1 if frontend.kind == "none" else frontend.stride

    def lacking(r: Recording) -> tuple[int, int, int] | None:
        resampled = round(r.samples * settings.rate / r.rate)
        held = -(-frames(resampled, settings.rate, settings.window, settings.shift) // stride)
        said = r.transcript.symbols
        needed = max(ctc.frames_needed([said.index(symbol) for symbol in said]), 1)  # any numbers will do
        return (needed - held, held, len(said)) if held < needed else None

    for name, found in by_set(data.heard, lacking).items():
        ids = tuple(sorted(found, key=found.__getitem__, reverse=True))
        lack, held, count = found[ids[0]]
        what = f"{held} frames cannot hold {count} units (needs {held + lack})"
        yield Finding("error", name, ids, lack, what, "correct the transcript, or see whether the audio was cut")


def unseen(data: Data) -> Iterator[Finding]:
    """Find symbols that the training set never holds, and that can therefore never be learned."""
    held = {name: {s for r in data.recordings if r.set == name for s in r.transcript.symbols} for name in data.sets}
    for name in [name for name in data.sets if "train" in held and name != "train"]:
        if missing := sorted(held[name] - held["train"]):
            what = f"symbols that no training utterance holds: {listed(missing)}"
            yield Finding("warning", name, tuple(missing), len(missing), what, "split again, or add such to train")


def tempo(data: Data) -> Iterator[Finding]:
    """Find utterances at a pace that nobody else has: many have another's transcript, or part of the audio."""
    paces = [pace for r in data.heard if (pace := _pace(r)) is not None]
    if len(paces) < ENOUGH:
        return iter(())
    usual = median(paces)
    spread = 1.4826 * median(abs(pace - usual) for pace in paces)  # of a normal distribution, its deviation
    limit = max(OUTLYING * max(spread, SPREAD), math.log(FACTOR))

    def outlying(r: Recording) -> float | None:
        pace = _pace(r)
        return None if pace is None or abs(pace - usual) <= limit else math.exp(abs(pace - usual))

    return flagged(
        data,
        "warning",
        outlying,
        lambda worst: f"units come {worst:.1f} times faster or slower than the usual {math.exp(usual):.1f} a second",
        "listen: is it the right transcript, and the whole recording?",
    )


def segments(data: Data) -> Iterator[Finding]:
    """Find phone times that run into one another or out of the audio."""
    return flagged(
        data,
        "warning",
        _astray,
        lambda worst: f"phone times overlap or leave the audio (by up to {worst:.3f} s)",
        "see that times and audio belong together; borders are measured against them",
    )


def duplicates(data: Data) -> Iterator[Finding]:
    """Find the same samples under several ids; across sets, a system is tested on what it has learned by heart."""
    same: dict[bytes, list[Recording]] = defaultdict(list)
    for recording in data.heard:
        same[recording.digest].append(recording)
    groups: dict[tuple[str, ...], list[list[Recording]]] = defaultdict(list)
    for group in same.values():
        if len(group) > 1:
            groups[tuple(name for name in data.sets if any(r.set == name for r in group))].append(group)
    for places, found in groups.items():
        differ = sum(len({r.transcript for r in group}) > 1 for group in found)
        what = f"the same samples under several ids: {' = '.join(r.id for r in found[0])}"
        what += f" ({differ} of {len(found)} with unlike transcripts)" if differ else ""
        severity, remedy = ("error", "keep each in one set") if len(places) > 1 else ("warning", "keep one of each")
        yield Finding(severity, ", ".join(places), tuple(r.id for g in found for r in g), len(found), what, remedy)


def speakers(data: Data) -> Iterator[Finding]:
    """Find speakers who speak in two sets."""
    return _shared(
        data,
        lambda r: r.utterance.speaker,
        "warning",
        lambda shared, total: f"{shared} of {total} speakers speak in both: the rate says nothing about other people",
        "split by speaker; where there is one voice only, say so beside the result",
    )


def unnamed(data: Data) -> Iterator[Finding]:
    """Find utterances whose speaker is unknown, for one of which intervals cannot be by speaker."""
    for name, found in by_set(data.recordings, lambda r: None if r.utterance.speaker else True).items():
        what = "no speaker is named: intervals resample utterances and are too narrow"
        yield Finding(
            "warning", name, tuple(found), len(found), what, "name each utterance's `speaker` in the manifest"
        )


def texts(data: Data) -> Iterator[Finding]:
    """Find sentences that stand in two sets.

    TIMIT's test sentences do not stand in its training set; its dev and core test sets share the SX sentences, of
    which neither is learned, so that there it is a note.
    """
    return _shared(
        data,
        _sentence,
        "note",
        lambda shared, total: f"{shared} of {total} sentences stand in both: a network or a language model knows them",
        "split by sentence too; where everybody reads the same ones, the rate holds for these only",
    )


def _shared(
    data: Data, key: Callable[[Recording], str], held_out: str, what: Callable[[int, int], str], remedy: str
) -> Iterator[Finding]:
    """Yield a finding for every two sets with a key in common; its ids are the later set's utterances.

    Args:
        data: The sets.
        key: What must not be shared; nothing where it is empty.
        held_out: The severity between dev and test, of which neither is learned.
        what: The sentence, from how many keys are shared and how many the later set has.
        remedy: What to do.
    """
    keys = {name: {key(r) for r in data.recordings if r.set == name} - {""} for name in data.sets}
    for one, other in combinations(data.sets, 2):
        if shared := keys[one] & keys[other]:
            ids = tuple(r.id for r in data.recordings if r.set == other and key(r) in shared)
            severity = held_out if {one, other} == {"dev", "test"} else "warning"
            yield Finding(severity, f"{one}, {other}", ids, len(shared), what(len(shared), len(keys[other])), remedy)


def _sentence(recording: Recording) -> str:
    """Return a text as it is compared: letters and digits only; nothing where it is too short to be a sentence."""
    letters = "".join(c for c in recording.utterance.text.casefold() if c.isalnum())
    return letters if len(letters) >= LETTERS else ""


def _pace(recording: Recording) -> float | None:
    """Return the log of units per second; None where there are none."""
    count = len(recording.transcript.symbols)
    return math.log(count / recording.seconds) if count else None


def _astray(recording: Recording) -> float | None:
    """Return by how many seconds phones overlap or leave the audio, where it is more than rounding."""
    phones = recording.utterance.phones
    overlap = max((one.end - next.start for one, next in pairwise(phones)), default=0.0)
    beyond = max((phone.end for phone in phones), default=0.0) - recording.seconds
    return max(overlap, beyond) if overlap > OVERLAP or beyond > BEYOND else None
