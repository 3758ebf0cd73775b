"""Checks on the audio of single recordings.

The limits were chosen on flawless sets, 2,340 utterances of the synthetic corpus and 102 of the TIMIT sample; the
comment at each limit gives the worst value found there.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from asr import audio, features
from asr.doctor.finding import Finding
from asr.doctor.recordings import ExaminedData, Recording

T = TypeVar("T")

MIN_LEVEL = 1e-4  # RMS, −80 dB, three steps of 16 bits: a fiftieth of the quietest sentence of the TIMIT sample
MIN_LOUDNESS_RATIO = 1.6  # loud blocks over quiet ones: at least 28 in speech, 1.0 to 1.4 in hum, white and pink noise
MAX_OFFSET = 0.02  # twice the largest in the synthetic corpus
MAX_CLIPPED = 2e-4  # fraction of samples, 10 in a sentence of 3 s; 0 in flawless recordings
MIN_SECONDS, MAX_SECONDS = 0.1, 30.0  # no word is shorter; padding and memory grow with the longest in a batch
MAX_DIFFERENCE = 0.1  # seconds: rounding, the last block of MP3 and ADPCM
MAX_RELATIVE_DIFFERENCE = 0.01


def unreadable(data: ExaminedData) -> Iterator[Finding]:
    """Find audio that is missing or cannot be decoded."""
    return _faults(data, lambda fault: not isinstance(fault, audio.TruncatedError | audio.NotFiniteError))


def truncated(data: ExaminedData) -> Iterator[Finding]:
    """Find files that contain less audio than their header announces."""
    return _faults(data, lambda fault: isinstance(fault, audio.TruncatedError))


def not_finite(data: ExaminedData) -> Iterator[Finding]:
    """Find samples that are NaN or infinite."""
    return _faults(data, lambda fault: isinstance(fault, audio.NotFiniteError))


def shifted(data: ExaminedData) -> Iterator[Finding]:
    """Find 16-bit recordings that lost a byte: everything after it is noise."""
    return flagged(
        data,
        "error",
        lambda r: r.shifted or None,
        lambda worst: f"a byte is missing and all audio after it is noise (up to {100 * worst:.0f} % of a recording)",
        "copy the originals again in binary mode, or remove these",
    )


def newlines(data: ExaminedData) -> Iterator[Finding]:
    """Find recordings whose line endings were converted, as in a text file."""
    return flagged(
        data,
        "warning",
        lambda r: 1.0 if r.newlines else None,
        lambda _: "no byte is a carriage return: line endings were converted as in a text file, which causes clicks",
        "copy the originals again in binary mode",
    )


def silent(data: ExaminedData) -> Iterator[Finding]:
    """Find recordings without speech: silence or steady noise."""
    yield from flagged(
        data,
        "error",
        lambda r: r.level if r.level < MIN_LEVEL else None,
        lambda worst: f"silence (RMS {worst:.1e} of full scale)",
        "record again, or remove these",
        worst_is_low=True,
    )
    yield from flagged(
        data,
        "warning",
        lambda r: r.loudness_ratio if r.loudness_ratio < MIN_LOUDNESS_RATIO and r.level >= MIN_LEVEL else None,
        lambda worst: f"steady noise: loud parts are only {worst:.1f} times louder than quiet ones",
        "check for speech",
        worst_is_low=True,
    )


def clipped(data: ExaminedData) -> Iterator[Finding]:
    """Find clipped waves."""
    return flagged(
        data,
        "warning",
        lambda r: r.clipped if r.clipped > MAX_CLIPPED else None,
        lambda worst: f"clipped (up to {100 * worst:.1f} % of the samples)",
        "record with less gain; acceptable as training data for loud speech",
    )


def offset(data: ExaminedData) -> Iterator[Finding]:
    """Find waves with a DC offset; the features remove it, but it hints at a fault in recording."""
    return flagged(
        data,
        "note",
        lambda r: abs(r.offset) if abs(r.offset) > MAX_OFFSET else None,
        lambda worst: f"DC offset (mean up to {worst:.3f} of full scale)",
        "harmless to the features; check the sound card, or the conversion from unsigned samples",
    )


def length(data: ExaminedData) -> Iterator[Finding]:
    """Find recordings too short for a word or too long for a batch."""
    yield from flagged(
        data,
        "warning",
        lambda r: r.seconds if r.seconds < MIN_SECONDS else None,
        lambda worst: f"shorter than any word ({worst:.3f} s)",
        "remove these",
        worst_is_low=True,
    )
    yield from flagged(
        data,
        "warning",
        lambda r: r.seconds if r.seconds > MAX_SECONDS else None,
        lambda worst: f"longer than {MAX_SECONDS:.0f} s (up to {worst:.1f} s); each pads its whole batch to its length",
        "split at pauses",
    )


def sampling(data: ExaminedData) -> Iterator[Finding]:
    """Find recordings to be resampled; those at a lower rate than the others lack their high frequencies."""
    rates = Counter(r.rate for r in data.readable)
    wanted = features.build(data.recipe.features).rate if data.recipe else max(rates, default=0)
    for rate in sorted(set(rates) - {wanted}):
        if rate > wanted:
            severity, what, remedy = "note", f"{rate} Hz, will be resampled to {wanted}", "nothing, or convert once"
        elif len(rates) == 1:
            severity, what = "warning", f"{rate} Hz, will be resampled to {wanted}: no energy above {rate // 2} Hz"
            remedy = f"set features.rate = {rate}"
        else:
            severity, what = "warning", f"{rate} Hz among recordings at other rates: no energy above {rate // 2} Hz"
            remedy = f"set features.rate = {min(rates)}, or remove these"
        yield from flagged(data, severity, _at(rate), lambda _, what=what: what, remedy)  # type: ignore[misc]


def seconds(data: ExaminedData) -> Iterator[Finding]:
    """Find manifest durations that differ from the audio's."""
    return flagged(
        data,
        "warning",
        _difference,
        lambda worst: f"`seconds` in the manifest differs from the duration of the audio (by up to {worst:.2f} s)",
        "check that the manifest lists the right files, and prepare the corpus again",
    )


def flagged(
    data: ExaminedData,
    severity: str,
    test: Callable[[Recording], float | None],
    what: Callable[[float], str],
    remedy: str,
    *,
    worst_is_low: bool = False,
) -> Iterator[Finding]:
    """Yield one finding for each set with recordings for which `test` returns a value, the worst recording first."""
    for name, values in by_set(data.readable, test).items():
        ids = tuple(sorted(values, key=values.__getitem__, reverse=not worst_is_low))
        yield Finding(severity, name, ids, values[ids[0]], what(values[ids[0]]), remedy)


def by_set(recordings: Iterable[Recording], test: Callable[[Recording], T | None]) -> dict[str, dict[str, T]]:
    """Return by set the ids of the recordings for which `test` returns a value, with the value."""
    values: dict[str, dict[str, T]] = defaultdict(dict)
    for recording in recordings:
        if (value := test(recording)) is not None:
            values[recording.set][recording.id] = value
    return values


def _faults(data: ExaminedData, of_kind: Callable[[Exception], bool]) -> Iterator[Finding]:
    for name, faults in by_set(
        data.recordings, lambda r: str(r.fault) if r.fault and of_kind(r.fault) else None
    ).items():
        what, _, remedy = next(iter(faults.values())).rpartition("; ")
        yield Finding("error", name, tuple(faults), what, what, remedy or "copy it again")


def _at(rate: int) -> Callable[[Recording], float | None]:
    return lambda r: float(rate) if r.rate == rate else None


def _difference(recording: Recording) -> float | None:
    difference = abs(recording.seconds - recording.utterance.seconds)
    return difference if difference > max(MAX_DIFFERENCE, MAX_RELATIVE_DIFFERENCE * recording.seconds) else None
