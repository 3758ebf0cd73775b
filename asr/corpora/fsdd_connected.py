"""Connected digits: clips of FSDD, joined to strings of one to seven digits by one speaker.

Who, licence, where from, checksum: those of FSDD (asr/corpora/fsdd.py).
Hours: of each speaker as much as there are clips, each used once; and the silences between, 0.05 to 0.25 s.

It is a sequence task with real voices and no transcribing, but no connected speech: digits do not run into each other.
The sets are FSDD's, by speaker.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asr import audio
from asr.corpora import fsdd
from asr.corpora.protocol import Sets
from asr.errors import InputError
from asr.manifest import Segment, Utterance
from asr.support.files import replacing

VERSION = 1
LONGEST = 7  # digits in a string
SILENCE = (0.05, 0.25)  # seconds before, between and after digits
SEED = 1


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets of joined recordings, which are written into `out`.

    Args:
        source: FSDD's folder; None downloads it into `out`, once.
        out: The folder of the download and of the recordings.
        partial: Proceed even if more is wrong than is skipped by default.

    Raises:
        AsrError: `out` cannot be written.
        InputError: As of FSDD; the clips of a speaker have different rates.
    """
    singles = fsdd.prepare(source, out, partial=partial)
    sets: Sets = {}
    for name, utterances in singles.items():
        speakers = sorted({utterance.speaker for utterance in utterances})
        sets[name] = [
            joined
            for speaker in speakers
            for joined in _strings([u for u in utterances if u.speaker == speaker], out / "audio" / speaker)
        ]
    return sets


def _strings(clips: list[Utterance], target: Path) -> Iterator[Utterance]:
    """Join one speaker's clips in random order, each used once."""
    generator = np.random.default_rng([SEED, *clips[0].speaker.encode()])
    order = [clips[i] for i in generator.permutation(len(clips))]
    number = 0
    while order:
        count = int(generator.integers(1, LONGEST + 1))
        chosen, order = order[:count], order[count:]
        yield _joined(chosen, target / f"{clips[0].speaker}-{number:04}.wav", generator)
        number += 1


def _joined(clips: list[Utterance], path: Path, generator: np.random.Generator) -> Utterance:
    """Write one recording; return it with the times of its digits."""
    import soundfile

    read = [audio.read(clip.audio) for clip in clips]
    rate = read[0][1]
    if other := next((clip.audio for clip, (_, hertz) in zip(clips, read, strict=True) if hertz != rate), None):
        raise InputError(f"{other}: has another sampling rate than {clips[0].audio} ({rate} Hz); convert it")
    pieces, words, at = [], [], 0
    for clip, (samples, _) in zip(clips, read, strict=True):
        silence = np.zeros(round(rate * generator.uniform(*SILENCE)), np.float32)
        pieces += [silence, samples]
        at += len(silence) + len(samples)
        words.append(Segment(clip.text, (at - len(samples)) / rate, at / rate))
    pieces.append(np.zeros(round(rate * generator.uniform(*SILENCE)), np.float32))
    whole = np.concatenate(pieces)
    with replacing(path) as temporary:
        soundfile.write(temporary, whole, rate, subtype="PCM_16", format="WAV")
    text = " ".join(clip.text for clip in clips)
    return Utterance(path.stem, path, len(whole) / rate, clips[0].speaker, text, (), tuple(words))
