"""FSDD, the Free Spoken Digit Dataset: people say each of the ten digits fifty times in English.

Who: Z. Jackson and contributors; six speakers upstream, and fewer in older copies.
Hours: 0.4 (3,000 recordings; 8 kHz, silence at the ends trimmed).
Licence: Creative Commons Attribution, ShareAlike 4.0.
Where from: https://github.com/Jakobovski/free-spoken-digit-dataset, version 1.0.10.
Checksum: none is known; that of the first download is recorded.

The official split (takes 0 to 4 for testing) has the same speakers in both sets. Ours is by speaker: in alphabetical
order the last is for testing, the one before for development, and all others are for training, as too few speakers are
what limits a system here.
"""

from dataclasses import replace
from pathlib import Path

from asr.corpora import download, layout
from asr.corpora.download import Archive
from asr.corpora.protocol import Sets
from asr.errors import InputError
from asr.manifest import Utterance

ARCHIVE = Archive("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz")
DIGITS = dict(zip("0123456789", "zero one two three four five six seven eight nine".split(), strict=True))


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets, by speaker.

    Args:
        source: The folder with the recordings, named DIGIT_SPEAKER_TAKE.wav; None downloads them into `out`, once.
        out: The folder of the download.
        partial: Proceed even if more is wrong than is skipped by default.

    Raises:
        InputError: They cannot be downloaded; a name is not a digit's; there are fewer than three speakers.
    """
    root = source or download.fetch(ARCHIVE, out / "source")
    found = layout.read(root, "names", "{text}_{speaker}_{take}", partial=partial)
    return by_speaker(root, [replace(u, text=DIGITS.get(u.text, u.text)) for u, _ in found])


def by_speaker(root: Path, utterances: list[Utterance]) -> Sets:
    """Divide utterances into sets of different speakers.

    Raises:
        InputError: There are fewer than three.
    """
    speakers = sorted({utterance.speaker for utterance in utterances})
    if len(speakers) < 3:
        raise InputError(f"{root}: has {len(speakers)} speakers, and three sets need three; use `asr prepare {root}`")
    of = dict.fromkeys(speakers, "train") | {speakers[-2]: "dev", speakers[-1]: "test"}
    return {name: [u for u in utterances if of[u.speaker] == name] for name in ("train", "dev", "test")}
