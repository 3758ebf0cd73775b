"""The measurements that the data checks rely on: every recording is read once, and only a few numbers are kept."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
import numpy.typing as npt

from asr.audio import Samples
from asr.config import Recipe
from asr.errors import AsrError, InputError
from asr.manifest import Utterance
from asr.phones import PHONES_61
from asr.units import Units

STEP = 1 / 32_768  # quantization step of 16 bits
PEAK_CROWDING = 4  # times as many samples at the peak as a step below; 2.4 in the worst unclipped wave, a pure tone
MIN_CLIPPED_PEAK = 0.05  # of full scale; a wave that is flat below this is silence, not clipped
BLOCK = 400  # samples: 25 ms at 16 kHz
MIN_SHIFTED_BLOCKS = 3  # a lost byte spoils at least so many; a single one may be chance
MIN_BLOCKS = 10  # needed to tell loud ones from quiet ones


@dataclass(frozen=True, slots=True)
class Reference:
    """An utterance's transcript as symbols.

    Attributes:
        symbols: In the recipe's units; phones or letters if there is no recipe. Empty if the transcript is invalid.
        unknown: The transcript's symbols that are not units.
        fault: Why the transcript is invalid otherwise; empty if it is not.
    """

    symbols: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """One utterance and measurements of its audio.

    Attributes:
        set: The set it belongs to.
        utterance: Its entry in the manifest.
        reference: Its transcript.
        fault: Why the audio cannot be read; all fields below are 0 then.
        rate: Sampling rate, Hz.
        samples: Number of samples.
        level: RMS around the mean; full scale is 1.
        loudness_ratio: Level of loud blocks (95th percentile) over that of quiet ones (5th percentile).
        offset: The mean (DC offset).
        clipped: Fraction of samples within a flat top or bottom of the wave.
        shifted: Fraction of blocks that are smoother when every 16-bit sample is read one byte later.
        newlines: Whether no byte is a carriage return, as after a conversion of line endings.
        digest: Hash of the samples.
    """

    set: str
    utterance: Utterance
    reference: Reference
    fault: InputError | None = None
    rate: int = 0
    samples: int = 0
    level: float = 0.0
    loudness_ratio: float = 0.0
    offset: float = 0.0
    clipped: float = 0.0
    shifted: float = 0.0
    newlines: bool = False
    digest: bytes = b""

    @property
    def id(self) -> str:
        """The utterance's id."""
        return self.utterance.id

    @property
    def seconds(self) -> float:
        """Duration of the audio, which the manifest should agree with."""
        return self.samples / self.rate


@dataclass(frozen=True)
class ExaminedData:
    """The sets of a corpus, measured.

    Attributes:
        sets: Names of the sets, in order.
        recordings: Of all sets.
        recipe: The recipe that will be trained on them; None if only manifests are checked.
    """

    sets: tuple[str, ...]
    recordings: Sequence[Recording]
    recipe: Recipe | None = None

    @property
    def readable(self) -> list[Recording]:
        """The recordings whose audio can be read."""
        return [recording for recording in self.recordings if not recording.fault]


def examine_data(sets: Mapping[str, Sequence[Utterance]], recipe: Recipe | None = None) -> ExaminedData:
    """Measure all recordings, in several threads and without keeping the audio in memory.

    Args:
        sets: The utterances by set.
        recipe: The recipe that will be trained on them, if any.

    Raises:
        AsrError: The recipe's units are unknown.
    """
    from tqdm import tqdm

    units = Units.of(**vars(recipe.units)) if recipe else None
    names = [name for name, utterances in sets.items() for _ in utterances]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = pool.map(measure, names, chain.from_iterable(sets.values()), repeat(units))
        recordings = list(tqdm(results, "read", len(names), unit="utt", disable=None))
    return ExaminedData(tuple(sets), recordings, recipe)


def reference(utterance: Utterance, units: Units | None) -> Reference:
    """Return an utterance's transcript as symbols.

    Args:
        utterance: From a manifest.
        units: The recipe's. With None, any phones or, without phones, any letters are accepted.
    """
    phones = [phone.symbol for phone in utterance.phones]
    if units is None:
        symbols = tuple(phones or (c for c in utterance.text.lower() if not c.isspace()))
        return Reference(symbols) if symbols else Reference(fault="has neither phones nor text")
    try:
        return Reference(tuple(units.transcript(utterance.text, phones)))
    except AsrError as error:
        timit = units.kind in ("phones39", "phones48", "phones61")
        unknown = set(phones) - set(PHONES_61) if timit else set(units.unknown(units.split(utterance.text, phones)))
        return Reference(unknown=tuple(sorted(unknown)), fault="" if unknown else str(error).partition(";")[0])


def measure(name: str, utterance: Utterance, units: Units | None = None) -> Recording:
    """Read an utterance of the set `name` and return its measurements."""
    transcript = reference(utterance, units)
    try:
        samples, rate = utterance.samples()
    except InputError as error:
        return Recording(name, utterance, transcript, error)
    steps = np.clip(samples / STEP, -32_768, 32_767).astype("<i2")  # exact for 16-bit audio
    offset = float(samples.mean(dtype=np.float64))
    return Recording(
        name,
        utterance,
        transcript,
        rate=rate,
        samples=len(samples),
        level=float(np.sqrt(max(0.0, np.square(samples, dtype=np.float64).mean() - offset**2))),
        loudness_ratio=_loudness_ratio(samples),
        offset=offset,
        clipped=_flat(samples) + _flat(-samples),
        shifted=_shifted(steps),
        newlines=_newlines(steps),
        digest=hashlib.blake2b(np.ascontiguousarray(samples).data, digest_size=16).digest(),
    )


def _loudness_ratio(samples: Samples) -> float:
    """Return the level of loud blocks over that of quiet ones; infinite for short recordings and digital silence."""
    count = len(samples) // BLOCK
    if count < MIN_BLOCKS:
        return np.inf
    quiet, loud = np.quantile(samples[: count * BLOCK].reshape(count, BLOCK).std(axis=1), [0.05, 0.95])
    return float(loud / quiet) if quiet else (np.inf if loud else 1.0)


def _flat(samples: Samples) -> float:
    """Return the fraction of samples at the recording's highest value whose neighbors are at it too.

    Its own highest value, not full scale: a clipped wave stays flat when its volume is lowered. At low resolution
    every wave has flat tops, but then about as many samples are one step below them.
    """
    peak = float(samples.max())
    if peak < MIN_CLIPPED_PEAK:
        return 0.0
    top = samples >= peak - 1.5 * STEP
    below = samples[~top]
    second = float(below.max()) if len(below) else -1.0
    if top.sum() < PEAK_CROWDING * (below >= second - 1.5 * STEP).sum():
        return 0.0
    return float((top[1:-1] & top[:-2] & top[2:]).sum()) / len(samples)


def _shifted(steps: npt.NDArray[np.int16]) -> float:
    """Return the fraction of blocks that become smoother when every 16-bit sample is read one byte later.

    After a lost byte, speech is loud noise: the high byte of every sample is the low byte of another. Read one byte
    later, such noise is speech again, with far smaller steps from sample to sample; an intact wave can only get
    rougher. If the lowest bits never change, it was recorded with fewer than 16 bits, and nothing can be told.
    """
    count = (len(steps) - 1) // BLOCK
    if not count or not np.bitwise_or.reduce(steps ^ steps[0]) & 15:
        return 0.0
    shifted = steps.view(np.uint8)[1:-1].view("<i2")
    rough, smooth = (_roughness(values[: count * BLOCK].reshape(count, BLOCK)) for values in (steps, shifted))
    smoother = 4 * smooth < rough
    return float(smoother.mean()) if smoother.sum() >= MIN_SHIFTED_BLOCKS else 0.0


def _roughness(blocks: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    return np.asarray(np.abs(np.diff(blocks.astype(np.float32), axis=1)).mean(axis=1), np.float64)


def _newlines(steps: npt.NDArray[np.int16]) -> bool:
    """Return whether no byte is 13, a carriage return, although the values around it (11, 12, 14, 15) are frequent.

    A copy in text mode turns each into a newline. By chance this happens once in exp(50) recordings.
    """
    counts = np.bincount(steps.view(np.uint8), minlength=256)
    return bool(counts[13] == 0 and counts[[11, 12, 14, 15]].min() >= 50)
