"""Checks on the audio of one recording at a time.

The limits were chosen by looking at sets that are sound, 2,340 utterances of the synthetic twin and 102 of the TIMIT
sample: the reason of each names what was the worst there.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from asr import audio, features
from asr.doctor.finding import Finding
from asr.doctor.recordings import Data, Recording

T = TypeVar("T")

SILENT = 1e-4  # RMS, −80 dB, three steps of 16 bits: a fiftieth of the quietest sentence of the TIMIT sample
STEADY = 1.6  # loud blocks over quiet ones: 28 and more in speech, 1.0 to 1.4 in hum, white and pink noise
OFFSET = 0.02  # twice the largest of the twin
CLIPPED = 2e-4  # share of samples, 10 in a sentence of 3 s; nothing sound had three neighbours at its peak at all
SHORT, LONG = 0.1, 30.0  # seconds: no word is shorter; padding and memory grow with the longest of a batch
SECONDS, PART = 0.1, 0.01  # rounding, the last block of MP3 and ADPCM; or this part of the whole


def unreadable(data: Data) -> Iterator[Finding]:
    """Find audio that is missing or cannot be decoded."""
    return _faults(data, lambda fault: not isinstance(fault, audio.TruncatedError | audio.NotFiniteError))


def truncated(data: Data) -> Iterator[Finding]:
    """Find files that hold less than their header announces."""
    return _faults(data, lambda fault: isinstance(fault, audio.TruncatedError))


def not_finite(data: Data) -> Iterator[Finding]:
    """Find samples that are NaN or infinite."""
    return _faults(data, lambda fault: isinstance(fault, audio.NotFiniteError))


def shifted(data: Data) -> Iterator[Finding]:
    """Find recordings of 16 bits that lost a byte: from there on, speech is noise."""
    return flagged(
        data,
        "error",
        lambda r: r.shifted or None,
        lambda worst: f"a byte was lost, and what follows is noise (up to {100 * worst:.0f} % of a recording)",
        "copy the originals again in binary mode, or leave these out",
    )


def newlines(data: Data) -> Iterator[Finding]:
    """Find recordings in which line ends were converted, as in a text."""
    return flagged(
        data,
        "warning",
        lambda r: 1.0 if r.newlines else None,
        lambda _: "no byte is a carriage return: line ends were converted as in a text, which leaves clicks",
        "copy the originals again in binary mode",
    )


def silent(data: Data) -> Iterator[Finding]:
    """Find recordings without speech: silence, or a noise that never rises or falls."""
    yield from flagged(
        data,
        "error",
        lambda r: r.level if r.level < SILENT else None,
        lambda worst: f"silence (RMS {worst:.1e} of full scale)",
        "record again, or leave these out",
        worst_is_low=True,
    )
    yield from flagged(
        data,
        "warning",
        lambda r: r.swing if r.swing < STEADY and r.level >= SILENT else None,
        lambda worst: f"a steady noise: its loud parts are only {worst:.1f} times louder than its quiet ones",
        "listen: does anybody speak?",
        worst_is_low=True,
    )


def clipped(data: Data) -> Iterator[Finding]:
    """Find waves with flat tops."""
    return flagged(
        data,
        "warning",
        lambda r: r.clipped if r.clipped > CLIPPED else None,
        lambda worst: f"the wave is clipped (up to {100 * worst:.1f} % of its samples are flat)",
        "record with less gain; as training data for loud rooms it may stay",
    )


def offset(data: Data) -> Iterator[Finding]:
    """Find waves that do not swing around zero; our features take the mean away, but something recorded it."""
    return flagged(
        data,
        "note",
        lambda r: abs(r.offset) if abs(r.offset) > OFFSET else None,
        lambda worst: f"the wave does not swing around zero (mean up to {worst:.3f} of full scale)",
        "harmless to MFCCs and filterbanks; see to the sound card, or how unsigned samples were converted",
    )


def length(data: Data) -> Iterator[Finding]:
    """Find recordings too short for a word or too long for a batch."""
    yield from flagged(
        data,
        "warning",
        lambda r: r.seconds if r.seconds < SHORT else None,
        lambda worst: f"shorter than any word ({worst:.3f} s)",
        "leave these out",
        worst_is_low=True,
    )
    yield from flagged(
        data,
        "warning",
        lambda r: r.seconds if r.seconds > LONG else None,
        lambda worst: f"longer than {LONG:.0f} s (up to {worst:.1f}); each makes its whole batch as long",
        "cut it at pauses",
    )


def sampling(data: Data) -> Iterator[Finding]:
    """Find rates that must be changed; a lower one than its neighbours' lacks their high frequencies."""
    rates = Counter(r.rate for r in data.heard)
    wanted = features.build(data.recipe.features).rate if data.recipe else max(rates, default=0)
    for rate in sorted(set(rates) - {wanted}):
        if rate > wanted:
            severity, what, remedy = "note", f"{rate} Hz, resampled to {wanted}", "nothing; or convert it once"
        elif len(rates) == 1:
            severity, what = "warning", f"{rate} Hz, stretched to {wanted}: half of the filters hear nothing"
            remedy = f"set features.rate = {rate}"
        else:
            severity, what = "warning", f"{rate} Hz among recordings at other rates: nothing above {rate // 2} Hz"
            remedy = f"set features.rate = {min(rates)}, or leave these out"
        yield from flagged(data, severity, _at(rate), lambda _, what=what: what, remedy)  # type: ignore[misc]


def seconds(data: Data) -> Iterator[Finding]:
    """Find manifests that say another duration than the file has."""
    return flagged(
        data,
        "warning",
        _apart,
        lambda worst: f"the manifest says another duration than the file holds (up to {worst:.2f} s apart)",
        "see that it names the right files, and prepare the corpus again",
    )


def flagged(
    data: Data,
    severity: str,
    test: Callable[[Recording], float | None],
    what: Callable[[float], str],
    remedy: str,
    *,
    worst_is_low: bool = False,
) -> Iterator[Finding]:
    """Yield one finding for each set with recordings for which `test` gives a value, the worst recording first."""
    for name, values in by_set(data.heard, test).items():
        ids = tuple(sorted(values, key=values.__getitem__, reverse=not worst_is_low))
        yield Finding(severity, name, ids, values[ids[0]], what(values[ids[0]]), remedy)


def by_set(recordings: Iterable[Recording], test: Callable[[Recording], T | None]) -> dict[str, dict[str, T]]:
    """Return, for each set that has some, the ids of the recordings for which `test` gives a value, with the value."""
    found: dict[str, dict[str, T]] = defaultdict(dict)
    for recording in recordings:
        if (value := test(recording)) is not None:
            found[recording.set][recording.id] = value
    return found


def _faults(data: Data, of_kind: Callable[[Exception], bool]) -> Iterator[Finding]:
    for name, faults in by_set(
        data.recordings, lambda r: str(r.fault) if r.fault and of_kind(r.fault) else None
    ).items():
        what, _, remedy = next(iter(faults.values())).rpartition("; ")
        yield Finding("error", name, tuple(faults), what, what, remedy or "copy it again")


def _at(rate: int) -> Callable[[Recording], float | None]:
    return lambda r: float(rate) if r.rate == rate else None


def _apart(recording: Recording) -> float | None:
    apart = abs(recording.seconds - recording.utterance.seconds)
    return apart if apart > max(SECONDS, PART * recording.seconds) else None
