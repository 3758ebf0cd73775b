"""What the data checks know of a corpus: every recording listened to once, and nothing of it kept but a few numbers."""

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

STEP = 1 / 32_768  # one of 16 bits
CROWDED = 4  # times as many samples at the top as a step below; 2.4 in the worst of whole waves, a pure tone
LOUD = 0.05  # of full scale; what is flat below it is silence and not a clipped wave
BLOCK = 400  # samples looked at together: 25 ms at 16 kHz
LOST = 3  # blocks that a lost byte spoils at the least; one alone may be chance
FEW = 10  # blocks, too few to tell loud from quiet


@dataclass(frozen=True, slots=True)
class Transcript:
    """What an utterance shall come out as.

    Attributes:
        symbols: In the recipe's units, or its own where there is no recipe; empty where something is wrong.
        unknown: Its symbols that are no units.
        fault: Why there is none, if not for unknown symbols.
    """

    symbols: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """One utterance and what its audio is like.

    Attributes:
        set: Whose it is.
        utterance: As the manifest has it.
        transcript: What it shall come out as.
        fault: Why the audio cannot be read; then all below is 0.
        rate: Hz.
        samples: How many it holds.
        level: RMS around the mean, 1 is full scale.
        swing: How many times louder its loud blocks (one of 20 is above) are than its quiet ones (one of 20 is below).
        offset: The mean.
        clipped: Share of samples within a flat top or bottom of the wave.
        shifted: Share of blocks that are smoother when read from the other byte of each 16-bit sample.
        newlines: Whether a carriage return is missing among its bytes, as after a conversion of line ends.
        digest: Of the samples.
    """

    set: str
    utterance: Utterance
    transcript: Transcript
    fault: InputError | None = None
    rate: int = 0
    samples: int = 0
    level: float = 0.0
    swing: float = 0.0
    offset: float = 0.0
    clipped: float = 0.0
    shifted: float = 0.0
    newlines: bool = False
    digest: bytes = b""

    @property
    def id(self) -> str:
        """The utterance's."""
        return self.utterance.id

    @property
    def seconds(self) -> float:
        """What the file holds, which the manifest's seconds ought to be."""
        return self.samples / self.rate


@dataclass(frozen=True)
class Data:
    """The sets of a corpus, listened to.

    Attributes:
        sets: Their names, in order.
        recordings: All of theirs.
        recipe: What will be trained on them; None where only manifests are looked at.
    """

    sets: tuple[str, ...]
    recordings: Sequence[Recording]
    recipe: Recipe | None = None

    @property
    def heard(self) -> list[Recording]:
        """The recordings whose audio could be read."""
        return [recording for recording in self.recordings if not recording.fault]


def listen(sets: Mapping[str, Sequence[Utterance]], recipe: Recipe | None = None) -> Data:
    """Return what all recordings are like; threads read them, and each is forgotten once it is measured.

    Args:
        sets: The utterances by set.
        recipe: What will be trained on them, if anything.

    Raises:
        AsrError: The recipe names units that do not exist.
    """
    from tqdm import tqdm

    units = Units.of(**vars(recipe.units)) if recipe else None
    names = [name for name, utterances in sets.items() for _ in utterances]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        done = pool.map(measure, names, chain.from_iterable(sets.values()), repeat(units))
        recordings = list(tqdm(done, "listen", len(names), unit="utt", disable=None))
    return Data(tuple(sets), recordings, recipe)


def transcript(utterance: Utterance, units: Units | None) -> Transcript:
    """Return an utterance's transcript.

    Args:
        utterance: Any.
        units: Of the recipe. None takes the phones where there are some, else the letters, whatever they are.
    """
    phones = [phone.symbol for phone in utterance.phones]
    if units is None:
        symbols = tuple(phones or (c for c in utterance.text.lower() if not c.isspace()))
        return Transcript(symbols) if symbols else Transcript(fault="has neither phones nor text")
    try:
        return Transcript(tuple(units.transcript(utterance.text, phones)))
    except AsrError as error:
        timit = units.kind in ("phones39", "phones48", "phones61")
        unknown = set(phones) - set(PHONES_61) if timit else set(units.unknown(units.split(utterance.text, phones)))
        return Transcript(unknown=tuple(sorted(unknown)), fault="" if unknown else str(error).partition(";")[0])


def measure(name: str, utterance: Utterance, units: Units | None = None) -> Recording:
    """Return what an utterance of the set `name` is like."""
    said = transcript(utterance, units)
    try:
        samples, rate = utterance.samples()
    except InputError as error:
        return Recording(name, utterance, said, error)
    steps = np.clip(samples / STEP, -32_768, 32_767).astype("<i2")  # exact for what was recorded in 16 bits
    offset = float(samples.mean(dtype=np.float64))
    return Recording(
        name,
        utterance,
        said,
        rate=rate,
        samples=len(samples),
        level=float(np.sqrt(max(0.0, np.square(samples, dtype=np.float64).mean() - offset**2))),
        swing=_swing(samples),
        offset=offset,
        clipped=_flat(samples) + _flat(-samples),
        shifted=_shifted(steps),
        newlines=_newlines(steps),
        digest=hashlib.blake2b(np.ascontiguousarray(samples).data, digest_size=16).digest(),
    )


def _swing(samples: Samples) -> float:
    """Return how many times louder loud blocks are than quiet ones; infinity where they are few or quite silent."""
    count = len(samples) // BLOCK
    if count < FEW:
        return np.inf
    quiet, loud = np.quantile(samples[: count * BLOCK].reshape(count, BLOCK).std(axis=1), [0.05, 0.95])
    return float(loud / quiet) if quiet else (np.inf if loud else 1.0)


def _flat(samples: Samples) -> float:
    """Return the share of samples that stand at the recording's own highest value, both neighbours too.

    Its own, not full scale: a wave that was clipped once stays flat when it is made quieter. In few bits every wave has
    flat tops, but then as many samples stand a step below.
    """
    peak = float(samples.max())
    if peak < LOUD:
        return 0.0
    top = samples >= peak - 1.5 * STEP
    below = samples[~top]
    second = float(below.max()) if len(below) else -1.0
    if top.sum() < CROWDED * (below >= second - 1.5 * STEP).sum():
        return 0.0
    return float((top[1:-1] & top[:-2] & top[2:]).sum()) / len(samples)


def _shifted(steps: npt.NDArray[np.int16]) -> float:
    """Return the share of blocks that make a smoother wave when each 16-bit sample begins a byte later.

    Speech read from the wrong byte is loud noise: its high bytes are the low ones of what was said. The other way
    round, noise that is none becomes speech again, and its steps from sample to sample shrink many times; a wave that
    was right can only get rougher, whatever was recorded. Where the lowest bits never change, it was recorded in fewer
    than 16, and its bytes tell nothing.
    """
    count = (len(steps) - 1) // BLOCK
    if not count or not np.bitwise_or.reduce(steps ^ steps[0]) & 15:
        return 0.0
    other = steps.view(np.uint8)[1:-1].view("<i2")
    rough, smooth = (_roughness(values[: count * BLOCK].reshape(count, BLOCK)) for values in (steps, other))
    worse = 4 * smooth < rough
    return float(worse.mean()) if worse.sum() >= LOST else 0.0


def _roughness(blocks: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    return np.asarray(np.abs(np.diff(blocks.astype(np.float32), axis=1)).mean(axis=1), np.float64)


def _newlines(steps: npt.NDArray[np.int16]) -> bool:
    """Say whether no byte is 13, a carriage return, though its neighbours among the numbers, odd and even, are many.

    A copy in text mode makes a newline of each. By chance it would happen once in exp(50) recordings.
    """
    counts = np.bincount(steps.view(np.uint8), minlength=256)
    return bool(counts[13] == 0 and counts[[11, 12, 14, 15]].min() >= 50)
