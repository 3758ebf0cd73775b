"""The free sample of TIMIT: 16 of its training speakers, a woman and a man of each dialect region.

Who: the speakers and makers of TIMIT (see asr/corpora/timit.py); chosen and distributed with NLTK.
Hours: 0.14 with the SA sentences, 0.11 (390 s, 128 utterances) without.
Licence: Creative Commons Attribution, Non-Commercial, ShareAlike; copyright 1993 Linguistic Data Consortium.
Where from: the nltk_data repository, packages/corpora/timit.zip.
Checksum: 22,251,869 bytes, md5 34c047c4749a811287f2c652104d7849.

Damage: before its RIFF headers were written, the audio was copied in text mode. No byte of the 160 recordings is a
carriage return; 33 (27 of our 128) lost 43 bytes and are noise from one loss to the next, most others click. `prepare`
repairs copies (asr/corpora/newlines.py); the durations in the prompts confirm where bytes are missing.

It has no official split; ours is by speaker (asr/corpora/timit_speakers.py). A PER on it is a smoke test of the TIMIT
recipe: four test speakers are not a benchmark, and no result is comparable with a published one.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr import audio
from asr.corpora import download, timit
from asr.corpora.download import Archive
from asr.corpora.protocol import Expected, Protocol, Sets
from asr.corpora.timit_speakers import SAMPLE_DEV_SPEAKERS, SAMPLE_TEST_SPEAKERS
from asr.errors import InputError
from asr.support.files import replacing

PROTOCOL: Protocol = {
    "train": Expected(80, 10, 3023),
    "dev": Expected(16, 2, 633, SAMPLE_DEV_SPEAKERS),
    "test": Expected(32, 4, 1237, SAMPLE_TEST_SPEAKERS),
}

VERSION = 2  # of the repair: raise it if the same source results in other recordings


ARCHIVE = Archive(
    "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/timit.zip",
    22_251_869,
    "md5:34c047c4749a811287f2c652104d7849",
)


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets train, dev and test of our split of the sample.

    Args:
        source: The unpacked sample, never changed; None downloads it into `out`, once.
        out: The folder of the downloaded sample and of repaired copies of damaged recordings.
        partial: Only warn if the counts are wrong, and use what can be read.

    Raises:
        AsrError: `out` cannot be written.
        InputError: The sample cannot be downloaded or is a different one; a file is missing, extra or cannot be read.
    """
    root = source or download.fetch(ARCHIVE, out / "source")
    sets: dict[str, list[timit.Files]] = {"train": [], "dev": [], "test": []}
    for files in repaired(timit.scan_flat(root), out / "audio"):
        held_out = {"dev": SAMPLE_DEV_SPEAKERS, "test": SAMPLE_TEST_SPEAKERS}
        sets[next((name for name, who in held_out.items() if files.speaker in who), "train")].append(files)
    return timit.assemble(root, sets, PROTOCOL, partial)


def repaired(scanned: list[timit.Files], copies: Path) -> list[timit.Files]:
    """Return the files of all utterances, with repaired copies of the recordings damaged by a text-mode copy.

    Args:
        scanned: The files in the source.
        copies: The folder for the copies.

    Raises:
        AsrError: A copy cannot be written.
    """
    results = [_repaired(files, copies / files.stem.parent.name / f"{files.stem.name}.wav") for files in scanned]
    torn = sum(lost > 0 for _, lost in results)
    clicking = sum(now is not was for (now, _), was in zip(results, scanned, strict=True)) - torn
    if torn or clicking:
        print(
            f"{torn} of {len(scanned)} recordings had lost bytes in a conversion of line endings, {clicking} more had "
            f"clicks from it; repaired copies are in {copies}, the source is unchanged",
            file=sys.stderr,
        )
    return [files for files, _ in results]


def _repaired(files: timit.Files, copy: Path) -> tuple[timit.Files, int]:
    """Return the files, with a repaired copy of the recording if it is damaged, and the number of bytes it had lost."""
    import soundfile

    from asr.corpora import newlines  # compiled by Numba, and needed here only

    steps, rate = _steps(files)
    if not newlines.converted(steps):
        return files, 0
    samples, lost = newlines.repair(steps)
    if np.array_equal(samples, steps):
        return files, 0
    with replacing(copy) as temporary:
        soundfile.write(temporary, samples, rate, subtype="PCM_16", format="WAV")
    return files._replace(paths=files.paths | {"wav": copy}), len(lost)


def _steps(files: timit.Files) -> tuple[npt.NDArray[np.int16], int]:
    """Return 16-bit samples and their rate; no samples if the recording is not 16-bit or cannot be read."""
    try:
        samples, rate = audio.read(files.paths["wav"])
    except (KeyError, InputError):  # reported by `assemble`
        return np.zeros(0, np.int16), 0
    steps = np.clip(samples * 32_768, -32_768, 32_767).astype(np.int16)
    exact = np.array_equal(steps / np.float32(32_768), samples)
    return (steps if exact else steps[:0]), rate
