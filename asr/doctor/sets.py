"""Checks on transcripts, and on what utterances and sets share."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from statistics import median

import numpy as np

from asr import features
from asr.config import FRAMES, FeatureSettings
from asr.doctor.finding import Finding
from asr.doctor.recordings import ExaminedData, Recording
from asr.doctor.signals import by_set, flagged
from asr.errors import first_few
from asr.features.framing import frames

MIN_LETTERS = 12  # a shorter text is a name, a number or a command, which sets may share
MIN_UTTERANCES = 10  # for a meaningful median
MIN_DEVIATION = 0.1  # in log units per second, so that the even pace of synthetic speech makes nothing an outlier
MAX_DEVIATIONS = 5.0  # at most 4.0 in the TIMIT sample, 3.6 in the synthetic corpus
MIN_TEMPO_RATIO = 1.75  # and at least so many times faster or slower than the median; at most 1.6 in both
MAX_OVERLAP, MAX_BEYOND = 0.001, 0.02  # seconds: rounding; two frames


def empty(data: ExaminedData) -> Iterator[Finding]:
    """Find utterances without a transcript in the recipe's units."""
    for name, faults in by_set(data.recordings, lambda r: r.reference.fault or None).items():
        what = next(iter(faults.values()))
        yield Finding("error", name, tuple(faults), what, what, "transcribe or remove these")


def symbols(data: ExaminedData) -> Iterator[Finding]:
    """Find transcripts with symbols that are not units."""
    for name, unknown in by_set(data.recordings, lambda r: r.reference.unknown or None).items():
        counts = Counter(symbol for symbols in unknown.values() for symbol in symbols)
        first = first_few([symbol for symbol, _ in counts.most_common()])
        remedy = "add letters to units.alphabet or units.drop, or normalize the text; phones must be TIMIT's 61"
        yield Finding("error", name, tuple(unknown), first, f"symbols that are not units: {first}", remedy)


def unfit(data: ExaminedData) -> Iterator[Finding]:
    """Find transcripts that need more frames than there are, for which the CTC loss is infinite."""
    from asr import ctc
    from asr.frontends import stride_of, strided
    from asr.readouts import outputs

    settings = features.build(data.recipe.features if data.recipe else FeatureSettings())
    stride = stride_of(data.recipe.frontend) if data.recipe else 1
    readout = data.recipe.encoder.readout if data.recipe else FRAMES

    def lacking(r: Recording) -> tuple[int, int, int] | None:
        resampled = round(r.samples * settings.rate / r.rate)
        heard = strided(frames(resampled, settings.rate, settings.window, settings.shift), stride)
        available = int(outputs(readout, np.array(heard)))
        units = r.reference.symbols
        needed = max(ctc.frames_needed([units.index(symbol) for symbol in units]), 1)  # any distinct ids will do
        return (needed - available, available, len(units)) if available < needed else None

    for name, short in by_set(data.readable, lacking).items():
        ids = tuple(sorted(short, key=short.__getitem__, reverse=True))
        lack, available, count = short[ids[0]]
        what = ctc.too_few(available, count, available + lack)
        yield Finding("error", name, ids, lack, what, "correct the transcript, or check whether the audio was cut off")


def unseen(data: ExaminedData) -> Iterator[Finding]:
    """Find symbols that do not occur in the training set and can therefore not be learned."""
    used = {name: {s for r in data.recordings if r.set == name for s in r.reference.symbols} for name in data.sets}
    for name in [name for name in data.sets if "train" in used and name != "train"]:
        if missing := sorted(used[name] - used["train"]):
            what = f"symbols that no training utterance contains: {first_few(missing)}"
            yield Finding(
                "warning",
                name,
                tuple(missing),
                len(missing),
                what,
                "split the corpus again, or add utterances with them to train",
            )


def tempo(data: ExaminedData) -> Iterator[Finding]:
    """Find utterances at an unusual pace: many have another utterance's transcript, or only part of the audio."""
    paces = [pace for r in data.readable if (pace := _pace(r)) is not None]
    if len(paces) < MIN_UTTERANCES:
        return iter(())
    usual = median(paces)
    spread = 1.4826 * median(abs(pace - usual) for pace in paces)  # the standard deviation of a normal distribution
    limit = max(MAX_DEVIATIONS * max(spread, MIN_DEVIATION), math.log(MIN_TEMPO_RATIO))

    def outlying(r: Recording) -> float | None:
        pace = _pace(r)
        return None if pace is None or abs(pace - usual) <= limit else math.exp(abs(pace - usual))

    return flagged(
        data,
        "warning",
        outlying,
        lambda worst: (
            f"up to {worst:.1f} times faster or slower than the median of {math.exp(usual):.1f} units per second"
        ),
        "check that transcript and recording belong together and are complete",
    )


def segments(data: ExaminedData) -> Iterator[Finding]:
    """Find phone times that overlap or exceed the audio."""
    return flagged(
        data,
        "warning",
        _misplaced,
        lambda worst: f"phone times overlap or exceed the audio (by up to {worst:.3f} s)",
        "check that times and audio belong together; phone boundaries are evaluated against them",
    )


def duplicates(data: ExaminedData) -> Iterator[Finding]:
    """Find the same audio under several ids; across sets, a system would be tested on its training data."""
    same: dict[bytes, list[Recording]] = defaultdict(list)
    for recording in data.readable:
        same[recording.digest].append(recording)
    groups: dict[tuple[str, ...], list[list[Recording]]] = defaultdict(list)
    for group in same.values():
        if len(group) > 1:
            groups[tuple(name for name in data.sets if any(r.set == name for r in group))].append(group)
    for sets, copies in groups.items():
        differ = sum(len({r.reference for r in group}) > 1 for group in copies)
        what = f"the same audio under several ids: {' = '.join(r.id for r in copies[0])}"
        what += f" ({differ} of {len(copies)} with different transcripts)" if differ else ""
        severity, remedy = ("error", "keep each in one set only") if len(sets) > 1 else ("warning", "keep one of each")
        yield Finding(severity, ", ".join(sets), tuple(r.id for g in copies for r in g), len(copies), what, remedy)


def speakers(data: ExaminedData) -> Iterator[Finding]:
    """Find speakers who are in two sets."""
    return _shared(
        data,
        lambda r: r.utterance.speaker,
        "warning",
        lambda shared, total: (
            f"{shared} of {total} speakers appear in both sets: the error rate does not generalize to new speakers"
        ),
        "split by speaker; with a single speaker, report this with the result",
    )


def unnamed(data: ExaminedData) -> Iterator[Finding]:
    """Find utterances without a speaker: a single one prevents confidence intervals over speakers."""
    for name, anonymous in by_set(data.recordings, lambda r: None if r.utterance.speaker else True).items():
        what = "no speaker is given: confidence intervals are over utterances and too narrow"
        yield Finding(
            "warning", name, tuple(anonymous), len(anonymous), what, "add each utterance's `speaker` to the manifest"
        )


def texts(data: ExaminedData) -> Iterator[Finding]:
    """Find sentences that are in two sets.

    TIMIT's test sentences are not in its training set; its dev and core test sets share SX sentences, but neither
    set is trained on, so this is only a note.
    """
    return _shared(
        data,
        _sentence,
        "note",
        lambda shared, total: (
            f"{shared} of {total} sentences appear in both sets: the network and a language model know them"
        ),
        "split by sentence too; if all speakers read the same sentences, the error rate holds for these only",
    )


def _shared(
    data: ExaminedData, key: Callable[[Recording], str], held_out: str, what: Callable[[int, int], str], remedy: str
) -> Iterator[Finding]:
    """Yield a finding for every two sets with a key in common; its ids are the later set's utterances.

    Args:
        data: The sets.
        key: The property that must not be shared; ignored if empty.
        held_out: The severity between dev and test, neither of which is trained on.
        what: The message, from the number of shared keys and of all keys in the later set.
        remedy: What to do.
    """
    keys = {name: {key(r) for r in data.recordings if r.set == name} - {""} for name in data.sets}
    for first, second in combinations(data.sets, 2):
        if shared := keys[first] & keys[second]:
            ids = tuple(r.id for r in data.recordings if r.set == second and key(r) in shared)
            severity = held_out if {first, second} == {"dev", "test"} else "warning"
            yield Finding(
                severity, f"{first}, {second}", ids, len(shared), what(len(shared), len(keys[second])), remedy
            )


def _sentence(recording: Recording) -> str:
    """Return a text's letters and digits for comparison; empty if it is too short to be a sentence."""
    letters = "".join(c for c in recording.utterance.text.casefold() if c.isalnum())
    return letters if len(letters) >= MIN_LETTERS else ""


def _pace(recording: Recording) -> float | None:
    """Return the log of units per second; None if there are no units."""
    count = len(recording.reference.symbols)
    return math.log(count / recording.seconds) if count else None


def _misplaced(recording: Recording) -> float | None:
    """Return by how many seconds phones overlap or exceed the audio, if it is more than rounding."""
    phones = recording.utterance.phones
    overlap = max((earlier.end - later.start for earlier, later in pairwise(phones)), default=0.0)
    beyond = max((phone.end for phone in phones), default=0.0) - recording.seconds
    return max(overlap, beyond) if overlap > MAX_OVERLAP or beyond > MAX_BEYOND else None
